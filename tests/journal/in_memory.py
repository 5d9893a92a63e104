"""Journals in memory: the smallest place that keeps the contract, to try the rules many times a second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

from msgspec import Raw

from rollbook.errors import Conflict, RollbookError, StoreError
from rollbook.journal import rules
from rollbook.journal.backend import Check, Kept, of_another
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Done, Drop, Fork, SetState, Step


class _Shelf(MemoryShelf):
    """One root's journal, whose user's state is kept beside it."""

    def __init__(self, of_user: dict[str, Raw]) -> None:
        super().__init__()
        self.of_user = of_user

    def state(self, who: Who) -> dict[str, Raw]:
        return dict(self.of_user) if who == self.user else super().state(who)

    def value(self, who: Who, key: str) -> Raw | None:
        return self.of_user.get(key) if who == self.user else super().value(who, key)

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        if who != self.user:
            super().set_state(who, key, value)
        elif value is None:
            self.of_user.pop(key, None)
        else:
            self.of_user[key] = value


class MemoryJournals:
    """Journals that live as long as the object does."""

    url = "memory://"

    def __init__(self) -> None:
        self.lock = RLock()
        self.closed = False
        self.owner: str | None = None
        self.shelves: dict[tuple[str, str], _Shelf] = {}  #: by user and session
        self.of_user: dict[str, dict[str, Raw]] = {}
        self.changed: dict[tuple[str, str], int] = {}

    def claim(self, book_id: str) -> None:
        if self.owner not in (None, book_id):
            raise of_another(self.url, "make another one")
        self.owner = book_id

    def apply(self, steps: Sequence[Step | Drop]) -> list[Done | bool | RollbookError]:
        with self.lock:
            self._open()
            return [self._applied(step) for step in steps]

    def _applied(self, step: Step | Drop) -> Done | bool | RollbookError:
        who, place = step.session_id, (step.user_id, step.session_id)
        if isinstance(step, Drop):
            if rules.spares(self._shelf(place), who, step, self.changed.get(place, 0)):
                return False
            return rules.drop(self._shelf(place), who, step.at)
        source = next((change.source for change in step.changes if isinstance(change, Fork)), None)
        shelf = self._shelf(place)
        if source is not None:
            if shelf.heads_of(who) or shelf.state(who):
                return Conflict("the session has a journal already, so it cannot become a fork")
            shelf = self._shelf((step.user_id, source))
        try:
            rules.refuse(shelf, who, step, source)
        except RollbookError as error:
            return error
        done = rules.apply(shelf, who, step, source)
        self.shelves[place] = shelf
        if any(isinstance(change, SetState) and change.of_user for change in step.changes):
            self.changed[step.user_id, ""] = step.at
        self.changed[place] = max(self.changed.get(place, 0), step.at)
        return done

    def _shelf(self, place: tuple[str, str]) -> _Shelf:
        return self.shelves.get(place) or _Shelf(self.of_user.setdefault(place[0], {}))

    def _open(self) -> None:
        if self.closed:
            raise StoreError("the journals are closed; open them again")

    @contextmanager
    def read(self, user_id: str, session_id: str) -> Iterator[tuple[Peek, Who]]:
        with self.lock:
            self._open()
            yield self._shelf((user_id, session_id)), session_id

    @contextmanager
    def user_state(self, user_id: str) -> Iterator[tuple[Peek, Who]]:
        with self.lock:
            self._open()
            yield _Shelf(self.of_user.setdefault(user_id, {})), _Shelf.user

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        with self.lock:
            self._open()
            kept = [
                Kept(*place, self.changed[place])
                for place, shelf in self.shelves.items()
                if user_id in (None, place[0]) and (shelf.heads_of(place[1]) or shelf.state(place[1]))
            ]
        return iter(kept)

    def wipe(self) -> int:
        with self.lock:
            count = sum(1 for _ in self.sessions())
            self.shelves.clear()
            self.of_user.clear()
            return count

    def health(self) -> list[Check]:
        return [("memory", True, "nothing outlives the process")]

    def close(self) -> None:
        self.closed = True
