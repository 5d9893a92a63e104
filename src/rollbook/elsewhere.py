"""The place outside a book's database where its journals are kept, as one open book has it.

The ledger does not wait for it: a place that cannot be reached lets the book open, and whoever needs a journal tries
to reach it again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from rollbook.errors import InvalidInput, RollbookError, StoreError
from rollbook.journal.backend import Journals, WrongPlaceError, open_journals
from rollbook.journal.steps import Drop, Step
from rollbook.settings import Settings
from rollbook.store import Reading, Store

_ID: Final = "id"  #: the fact by which a place knows whose it is


def place_of(journal: str | os.PathLike[str]) -> str:
    """The URL of a place for journals; a path is a folder's."""
    if isinstance(journal, str):
        return journal
    path = os.fspath(journal) if isinstance(journal, os.PathLike) else None
    if not isinstance(path, str):
        raise InvalidInput(f"a place for journals is named by a URL or a path, not by {type(journal).__name__}")
    return Path(path).absolute().as_uri()


def book_id(tx: Reading) -> str | None:
    """What a book is known by to the place of its journals, if it ever had one."""
    found = tx.rows("journal.book_fact", name=_ID)
    return str(found[0][0]) if found else None


def identified(store: Store, known: str | None = None) -> str:
    """The id of a book, which it is given now if it has none: the known one, or a new one."""
    with store.read() as tx:
        found = book_id(tx)
    if found is None:
        with store.write() as made:
            made.run("journal.add_book_fact", [(_ID, known or str(uuid4()))])
            found = book_id(made)  # another process may have been first
    assert found is not None  # noqa: S101 - it was just written
    return found


class Elsewhere:
    """The place that a URL names; for many threads."""

    def __init__(self, url: str, settings: Settings, store: Store) -> None:
        self.url = url
        self._settings = settings
        self._store = store
        self._lock = threading.Lock()
        self._opened: Journals | None = None
        self._tries = 0
        self._said = ""  #: why the last try failed
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether the place was reached."""
        return self._opened is not None

    def reach(self) -> None:
        """Try to reach the place for the first time.

        Raises what will not pass by itself: InvalidInput, NotSupported, and StoreError for a place of something else.
        """
        try:
            self.place()
        except WrongPlaceError:
            if not self._store.read_only:
                raise
        except StoreError:
            pass

    def place(self) -> Journals:
        """The place itself, opened now if it was not reached before. Raises StoreError where it cannot be."""
        if self._opened is None:
            seen = self._tries
            with self._lock:
                if self._opened is None:
                    if self._tries != seen:  # somebody else tried while this one waited for it
                        raise StoreError(self._said)
                    self._opened = self._try()
        return self._opened

    def _try(self) -> Journals:
        if self._closed:
            raise StoreError("the book is closed")
        try:
            place = open_journals(self.url, self._settings, make=not self._store.read_only)
            try:
                if not self._store.read_only:
                    place.claim(identified(self._store))
            except BaseException:
                place.close()
                raise
        except RollbookError as error:
            self._tries += 1
            self._said = str(error)
            raise
        return place

    def apply(self, steps: Sequence[Step | Drop]) -> list[Any]:
        """Make steps in the place; see :meth:`rollbook.journal.backend.Journals.apply`."""
        return self.place().apply(steps)

    def close(self) -> None:
        """Let go of the place."""
        with self._lock:
            self._closed = True
            if self._opened is not None:
                self._opened.close()
