"""The journals of one folder, as a book sees them: a :class:`rollbook.journal.backend.Journals`."""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator, Sequence
from typing import Final

from rollbook.errors import StoreError
from rollbook.journal.backend import Check, Kept
from rollbook.journal.files import health, survey
from rollbook.journal.files.batch import Answer, Batch
from rollbook.journal.files.names import parse
from rollbook.journal.files.place import Place
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Drop, Step
from rollbook.settings import Settings
from rollbook.store import forks

_AT_ONCE: Final = 64  #: sessions whose logs are locked at the same time; some systems allow 256 open files


class FileJournals:
    """Journals in the folder that ``file:///full/path`` names; it is made, or must be empty or one of journals.

    Without ``make`` the folder must be there. Raises InvalidInput for a URL that cannot be read, StoreError for a
    folder that cannot be used.
    """

    def __init__(self, url: str, settings: Settings, *, make: bool = True) -> None:
        folder, durable = parse(url)
        self.url = url
        self._place = Place(folder, settings.busy_timeout_s, durable=durable, make=make)
        self._closed = False
        forks.watch(self._place)

    def claim(self, book_id: str) -> None:
        """Let the folder be that of one book, which its marker then names. Raises StoreError for another's."""
        self._must_be_open()
        self._place.claim(book_id)

    def apply(self, steps: Sequence[Step | Drop]) -> list[Answer]:
        """Make steps in order; those in one log share a write and a sync.

        A log that cannot be used costs the steps in it, which answer StoreError, and no others.
        """
        self._must_be_open()
        answers: list[Answer] = []
        with self._place.gate:
            for part in _parts(steps):
                with Batch(self._place, part) as batch:
                    answers += batch.run()
        return answers

    @contextlib.contextmanager
    def read(self, user_id: str, session_id: str) -> Iterator[tuple[Peek, Who]]:
        """A session's journal as it is now, whatever is written while the caller looks."""
        self._must_be_open()
        with self._place.looking(user_id, session_id) as (shelf, _):
            yield shelf, session_id

    @contextlib.contextmanager
    def user_state(self, user_id: str) -> Iterator[tuple[Peek, Who]]:
        """The same for the state of a user."""
        self._must_be_open()
        with self._place.looking(user_id, None) as (shelf, _):
            yield shelf, shelf.user

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        """The sessions, of one user or of all, of which something is kept, in no order.

        A log without forks is known by its first and last line; one with forks is read. One that is damaged counts.
        """
        self._must_be_open()
        return survey.sessions(self._place, user_id)

    def latest(self, user_id: str | None, most: int) -> list[Kept]:
        """The sessions that were changed last, of one user or of all, the last one first."""
        return heapq.nlargest(most, self.sessions(user_id), key=lambda kept: kept.changed_at)

    def wipe(self) -> int:
        """Remove every log, damaged ones too, and nothing that is not a log; how many sessions there were."""
        self._must_be_open()
        return survey.wipe(self._place)

    def health(self) -> list[Check]:
        """How durable a step is, whether the folder can be written to, and what of the latest logs is damaged."""
        self._must_be_open()
        return health.checks(self._place)

    def close(self) -> None:
        """Let go of what is kept in memory; files are only open while they are used. A second call does nothing."""
        self._closed = True
        self._place.clear()

    def _must_be_open(self) -> None:
        if self._closed:
            raise StoreError(f"the journals of {self.url} are closed; open them again")


def _parts(steps: Sequence[Step | Drop]) -> Iterator[Sequence[Step | Drop]]:
    """Steps in order, as many at a time as name few enough sessions."""
    start, names = 0, set[tuple[str, str]]()
    for at, step in enumerate(steps):
        name = (step.user_id, step.session_id)
        if name not in names and len(names) == _AT_ONCE:
            yield steps[start:at]
            start, names = at, set()
        names.add(name)
    if start < len(steps):
        yield steps[start:]
