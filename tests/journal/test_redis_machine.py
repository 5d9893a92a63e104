"""The rules of a journal on Redis against the naive model, with processes' worth of journals that take turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import cycle

from hypothesis import HealthCheck, given, settings

from rollbook.errors import RollbookError
from rollbook.journal.backend import Check, Kept
from rollbook.journal.redis.journals import RedisJournals
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Done, Drop, Step
from rollbook.settings import Settings
from servers import HOST, RedisServer, with_prefix

from .machine import HISTORIES, Machine


class _InTurn:
    """Three that share a place and know nothing of each other."""

    def __init__(self, url: str) -> None:
        self.all = [RedisJournals(url, Settings()) for _ in range(3)]
        self._turns = cycle(self.all)
        self.url = url

    def claim(self, book_id: str) -> None:
        next(self._turns).claim(book_id)

    def apply(self, steps: Sequence[Step | Drop]) -> list[Done | bool | RollbookError]:
        return next(self._turns).apply(steps)

    def read(self, user_id: str, session_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        return next(self._turns).read(user_id, session_id)

    def user_state(self, user_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        return next(self._turns).user_state(user_id)

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        return next(self._turns).sessions(user_id)

    def wipe(self) -> int:
        return next(self._turns).wipe()

    def health(self) -> list[Check]:
        return next(self._turns).health()

    def close(self) -> None:
        for each in self.all:
            each.close()


def show(server: RedisServer, history: list[list[Step | Drop]]) -> None:
    url = with_prefix(f"redis://{HOST}:{server.port}/0")
    machine = Machine(_InTurn(url))
    for steps in history:
        machine.batch(steps)
    machine.end()
    with server.talk() as client:
        left = list(client.scan_iter(match=f"{url.partition('prefix=')[2]}*", count=10_000))
        assert not [key for key in left if b":roots:{" not in key and not key.endswith((b":done", b":hold", b":turn"))]
        if left:
            client.unlink(*left)
    machine.journals.close()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
def test_journals_in_redis_show_what_was_done_to_them(
    redis_server: RedisServer, history: list[list[Step | Drop]]
) -> None:
    show(redis_server, history)
