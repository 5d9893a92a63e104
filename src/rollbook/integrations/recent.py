"""Which session an entry was met in last, of the newest so many entries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import Final

MOST: Final = 20_000


class Recent:
    """A bounded map from entry ids to session ids, for several threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._by_id: OrderedDict[str, str] = OrderedDict()

    def note(self, session_id: str, entry_ids: Iterable[str]) -> None:
        """Remember of entries that a session has them."""
        with self._lock:
            for name in entry_ids:
                self._by_id[name] = session_id
                self._by_id.move_to_end(name)
            while len(self._by_id) > self._most:
                self._by_id.popitem(last=False)

    def of(self, entry_id: str) -> str | None:
        """The session that an entry was met in last."""
        with self._lock:
            return self._by_id.get(entry_id)
