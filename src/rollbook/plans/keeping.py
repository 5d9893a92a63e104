"""Plans that keep a book for years: copies of it, and what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from rollbook import gate
from rollbook.copying import Copying, Done, unfinished
from rollbook.core import Plan, Read, Whole
from rollbook.elsewhere import book_id, identified
from rollbook.errors import InvalidInput, RollbookError, StoreError
from rollbook.journal.backend import Journals
from rollbook.ledger import checkup, outbox
from rollbook.ledger.verify import verify
from rollbook.model import MICROS, Backup, Copy, Finding, Restored, Verification
from rollbook.plans.reading import ReadPlans
from rollbook.settings import url_of
from rollbook.store import (
    Check,
    Copied,
    Progress,
    Reading,
    Replaced,
    Store,
    open_store,
    reading_only,
    survey,
    traceless,
)

Name = str | os.PathLike[str]
_FILE: Final = "file"
_OPEN: Final = "open"
_LOOKED_AT: Final = 10_000  #: sessions in a place for journals
_SETTLED_US: Final = 60 * MICROS  #: after which a step has long been told to the book
_NAMED: Final = 5


class KeepPlans(ReadPlans):
    """Methods that look after the book as a whole."""

    def backup(self, path: Name, *, replace: bool = False, progress: Progress | None = None) -> Plan[Backup]:
        """Copy the book as it is now into one file, while everybody goes on reading and writing.

        The copy is proven before it gets its name: SQLite finds it sound, and its sums are those of its rows. Its
        checksum is written beside it (``PATH.sha256``). ``progress`` is told what is being done, bytes done, and bytes
        in all. Raises InvalidInput where there is such a file and it is not to be replaced, StoreError where it cannot
        be written or would not balance; nothing is left of it then.
        """
        gate.check_admin(self.principal)
        began = time.monotonic()
        made: Copied = yield Whole(
            lambda store: store.backup(path, replace=replace, prove=_balances, progress=progress or _silent)
        )
        proof: Verification = made.proof
        return Backup(
            path=str(made.path),
            bytes=made.bytes,
            sha256=made.sha256,
            sessions=proof.sessions,
            ledger_rows=proof.ledger_rows,
            seconds=_since(began),
        )

    def restore(self, path: Name, *, checksum: bool = True, progress: Progress | None = None) -> Plan[Restored]:
        """Replace everything in the book by what a backup holds, also for the processes that have it open.

        The backup is proven first: its checksum (``checksum=False`` does without, where there is none), SQLite's own
        check, the schema, the balance of its sums. One of an older schema is brought up to date. What the book held is
        backed up beside it, and the answer says where. All of it happens, or nothing. Raises InvalidInput where
        there is no such file, StoreError for a backup that is not in order, and for a book that was opened for reading
        only.
        """
        gate.check_admin(self.principal)
        began = time.monotonic()
        known: str | None = yield Read(book_id)
        done: Replaced = yield Whole(
            lambda store: store.restore(path, checksum=checksum, prove=_balances, progress=progress or _silent)
        )
        self.feed.publish(None, self.clock(), "the book was replaced by a backup")
        if known is not None:  # a backup that is older than the id leaves it to the book
            yield Whole(partial(identified, known=known))
        proof: Verification = done.proof
        return Restored(
            path=os.path.realpath(Path(path).expanduser()),
            bytes=done.bytes,
            sha256=done.sha256,
            sessions=proof.sessions,
            ledger_rows=proof.ledger_rows,
            schema=done.schema,
            replaced=None if done.kept is None else str(done.kept),
            seconds=_since(began),
        )

    def copy_to(self, target: Name, *, progress: Progress | None = None) -> Plan[Copy]:
        """Bring another book, by its URL or path, to what this one holds now; on whatever either is kept.

        The target is an empty book, which is made if it is not there, or an earlier copy of this book to which nobody
        has written since. Of a copy only what differs is written, so a copy that was interrupted is finished by the
        same call, and one that was made while this book was in use is brought up to date in a short time. Until it is
        whole, the target takes no other writes. In the end all its tables are compared with this book's as they were
        when the call began, and its sums with its rows. ``progress`` is told what is being done (copy, check), rows
        done, and rows in all. What is kept outside the database (journals elsewhere) is not copied; ``elsewhere`` says
        of how many sessions that is. Raises Conflict for a target that holds anything else, InvalidInput for this book
        itself.
        """
        gate.check_admin(self.principal)
        began = time.monotonic()
        into = url_of(target)
        if into.endswith("/:memory:"):
            raise InvalidInput("a copy is made into a file or a database, not into memory")

        def work(store: Store) -> Done:
            with contextlib.closing(open_store(into, self.settings)) as other:
                return Copying(store, other, progress or _silent).run()

        done: Done = yield Whole(work)
        return Copy(
            sessions=done.proof.sessions,
            ledger_rows=done.proof.ledger_rows,
            added=done.added,
            removed=done.removed,
            elsewhere=done.elsewhere,
            seconds=_since(began),
        )

    def doctor(self) -> Plan[list[Finding]]:
        """Look at the file, the database and the books, and say what is wrong and what to do about it.

        A finding that is not ``ok`` wants something done. Each look is on its own: damage found by one leaves the
        others their say.
        """
        gate.check_admin(self.principal)
        found: list[Finding] = yield Whole(lambda store: self.findings(store, survey(self.url)))
        return found

    def findings(self, store: Store, surveyed: list[Check]) -> list[Finding]:
        """What there is to say of an open book, behind what was said of its file."""
        found = [*surveyed, ("user", True, self.user_id), *store.health()]
        clock = self.now()
        for name, check in checkup.CHECKS.items():
            try:
                found.append((name, *self.read(partial(check, clock=clock))))
            except RollbookError as error:
                found.append((name, False, str(error)))
        found += [*self._journal(), *self._copy()]
        found.append(self._tables())
        return [Finding(name=name, ok=ok, detail=detail) for name, ok, detail in found]

    def _journal(self) -> list[Check]:
        """What is to be said of a place for journals outside the database."""
        if self.elsewhere is not None:
            try:
                place = self.elsewhere.place()
                return [*place.health(), *self._lost_outside(place)]
            except RollbookError as error:
                return [("journal", False, str(error))]
        apart = 0
        with contextlib.suppress(StoreError):  # of a table that is damaged others speak
            apart = self.read(lambda tx: tx.rows("count_elsewhere")[0][0])
        if not apart:
            return []
        said = (
            f"{apart:,} sessions have contents outside this book, which was opened without their place: name it "
            f"wherever the book is opened (ROLLBOOK_JOURNAL, or journal= in a program)"
        )
        return [("journal", False, said)]

    def _copy(self) -> list[Check]:
        """Whether the book is a copy that was not finished."""
        with contextlib.suppress(StoreError):  # of a table that is damaged others speak
            of = self.read(unfinished)
            if of is not None:
                said = f"this is a copy of {of} that is not whole yet, and takes no writes; run 'rollbook copy' again"
                return [("copy", False, said)]
        return []

    def _lost_outside(self, place: Journals) -> list[Check]:
        """Sessions of which there are contents in the place and none in the book: of steps that it never learnt of."""
        settled = self.clock() - _SETTLED_US
        kept = [one for one in islice(place.sessions(), _LOOKED_AT) if one.changed_at < settled]
        lost = self.read(partial(outbox.unknown, names=[(one.user_id, one.session_id) for one in kept]))
        if not lost:
            return []
        named = ", ".join(f"{session_id!r} of user {user_id}" for user_id, session_id in lost[:_NAMED])
        more = f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
        said = f"the place for journals has contents of sessions that this book does not have: {named}{more}"
        return [("unknown sessions", False, f"{said}; 'rollbook delete', or delete_session(), removes them")]

    def _tables(self) -> tuple[str, bool, str]:
        from importlib.metadata import version  # noqa: PLC0415 - it is slow to load, and only this asks for it

        try:
            file = self.prices.load()
        except InvalidInput as error:
            return "tables", False, f"the price file cannot be used: {error}"
        return (
            "tables",
            True,
            f"prices of {f'{file.version} ({file.path}), then ' if file else ''}genai-prices/{version('genai-prices')}",
        )


def examine(open_book: Callable[[str], KeepPlans], url: str) -> list[Finding]:
    """What is wrong with a book that may not open at all; nothing is made or changed."""
    surveyed = survey(url)  # before it is opened: reading makes files beside it for a while
    with traceless(url):
        try:
            book = open_book(reading_only(url))
        except StoreError as error:
            if (_FILE, False) not in [(name, ok) for name, ok, _ in surveyed]:  # that there is none was said
                surveyed.append((_OPEN, False, str(error)))
            return [Finding(name=name, ok=ok, detail=detail) for name, ok, detail in surveyed]
        try:
            return book.findings(book.store, surveyed)
        finally:
            book.close()


def _balances(tx: Reading) -> Verification:
    """The proof of a copy: every sum is that of its rows."""
    try:
        found = verify(tx)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise StoreError(f"what it holds cannot be read ({error})") from error
    if not found.ok:
        first = found.problems[0]
        raise StoreError(
            f"the books do not balance: {len(found.problems)} sums differ from their rows, first {first.what} "
            f"{first.where}; see 'rollbook verify'"
        )
    return found


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _silent(_what: str, _done: int, _total: int) -> None:
    """No progress is shown."""
