"""A store on PostgreSQL whose processes tell each other what they changed, for tests in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rollbook.store import postgres
from rollbook.store.postgres_notices import Notices, channel_of


class Wired(postgres.PostgresStore):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._notices = Notices(self.connect, channel_of(self._place.schema))

    def notify(self, payloads: Sequence[str]) -> None:
        self._notices.notify(payloads)

    def listen(self, told: Callable[[str | None], None]) -> Callable[[], None]:
        return self._notices.listen(told)

    def close(self) -> None:
        self._notices.close()
        super().close()
