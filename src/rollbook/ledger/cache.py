"""What a writer remembers of the book between batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rollbook.feed import Feed
from rollbook.journal.sql import JournalCache
from rollbook.ledger.names import Names
from rollbook.ledger.state import State
from rollbook.store.numbers import Numbers

_CACHE_MOST: Final = 20_000  #: sessions kept in memory between batches


class Cache:
    """What the writer remembers between batches; valid while nobody else writes to the book."""

    def __init__(self, feed: Feed | None = None) -> None:
        self.feed = feed  #: told what was committed
        self.names = Names()
        self.states: dict[tuple[int, int], State] = {}
        self.by_id: dict[tuple[int, str], int] = {}
        self.session_numbers = Numbers("session_numbers")
        self.journal = JournalCache()
        self.taken: dict[tuple[str, str, int], int] = {}  #: of calls that are alike so many are taken (see ``alike``)

    def clear(self) -> None:
        self.names.clear()
        self.states.clear()
        self.by_id.clear()
        self.session_numbers.clear()
        self.journal.clear()
        self.taken.clear()

    def keep(self, states: Iterable[State]) -> None:
        """Take in what a commit made true."""
        for state in states:
            state.source = None  # or every copy that was ever made would stay alive behind the newest
            self.states[state.user_no, state.session_no] = state
            self.by_id[state.user_no, state.session_id] = state.session_no
        while len(self.states) > _CACHE_MOST:
            place, old = next(iter(self.states.items()))
            del self.states[place]
            self.by_id.pop((old.user_no, old.session_id), None)
