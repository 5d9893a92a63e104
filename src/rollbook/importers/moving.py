"""Moving in: sessions that another system keeps in its own database, read into a book as often as one likes.

A :class:`Mover` knows one system's tables and turns their rows into operations. There is nothing to follow and nothing
to remember: every import reads everything, and each operation is made so that the same again changes nothing and more
than before adds what is new. What cannot be read is reported and passed over, row by row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from typing import Final, Protocol, Self

from msgspec import Struct, field

from rollbook import inbox
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound, RollbookError
from rollbook.importers import base
from rollbook.importers.content import entries, weight
from rollbook.importers.entries import completing
from rollbook.importers.foreign import Foreign, is_url, opened, shown
from rollbook.importers.runs import Recent
from rollbook.inbox import Checked
from rollbook.journal.steps import Append, Appended, Done
from rollbook.ledger.ops import Call, Jot, Touch
from rollbook.model import NANO, Outcome, Session, to_micros
from rollbook.rules import checks

FLUSH_ITEMS: Final = 2_000  #: operations in one transaction, about
NAMED: Final = 20  #: sessions whose totals do not balance, of which it is said how

Item = base.Item


class Totals(Struct, frozen=True):
    """What a source says that something comes to."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_nano: int = 0

    def row(self) -> dict[str, int | float]:
        """As JSON gives it."""
        return {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out, "cost_usd": self.cost_nano / NANO}


class Unbalanced(Struct, frozen=True):
    """A session of which the source says two different things."""

    session_id: str
    user_id: str
    record: Totals  #: by its own record
    parts: Totals  #: by what it says of the session's models, or of single calls


class MoveReport(Struct, kw_only=True):
    """What one move did. All but the problems are the keys of its JSON."""

    source: str
    sessions: int = 0
    users: int = 0  #: whose sessions they are
    calls: int = 0  #: rows of usage that were read
    new_calls: int = 0  #: of these, rows that the book did not have
    amended_calls: int = 0  #: of these, rows that had grown since
    too_old: int = 0  #: of these, rows that the book had had, and pruned or purged
    entries: int = 0  #: of journals, that were read
    new_entries: int = 0  #: of these, entries that the book did not have; a dry run does not look
    completed_entries: int = 0  #: of the others, those that feedback was added to
    refused_entries: int = 0  #: of these, entries that are not taken, because they are too large
    expired_entries: int = 0  #: left out, because the source had ceased to show them
    conflicts: int = 0  #: ends that are not taken, because the book knows another one
    skipped_rows: int = 0  #: damaged, or not understood
    unbalanced: int = 0  #: sessions of which the source says two different totals
    unbalanced_sessions: list[Unbalanced] = field(default_factory=list)  #: the first of them
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """The report as JSON gives it."""
        told = {name: getattr(self, name) for name in self.__struct_fields__ if name != "problems"}
        told["unbalanced_sessions"] = [
            {"session_id": one.session_id, "user_id": one.user_id, "record": one.record.row(), "parts": one.parts.row()}
            for one in self.unbalanced_sessions
        ]
        return told

    def trouble(self, text: str) -> None:
        """Note something that was passed over; of very many the first hundred."""
        if len(self.problems) < base.PROBLEMS_KEPT:
            self.problems.append(text)

    def skip(self, what: str, why: object) -> None:
        """Note a row that is not taken."""
        self.skipped_rows += 1
        self.trouble(f"{what}: {why}")

    def differs(self, one: Unbalanced) -> None:
        """Note a session whose totals do not balance there."""
        self.unbalanced += 1
        if len(self.unbalanced_sessions) < NAMED:
            self.unbalanced_sessions.append(one)


class Book(base.Book, Protocol):
    """What a move needs of a book."""

    def get(self, session_id: str, *, user_id: str | None = None) -> Session:
        """One session. Raises NotFound."""


class Move(Struct, frozen=True):
    """What a mover is told from outside, and where it tells what it passed over."""

    user_id: str  #: whose sessions they are where the source names nobody
    user_name: str | None
    now: int  #: microseconds
    report: MoveReport
    contents: inbox.Contents  #: on what terms contents are taken in
    started: Callable[[str, str], int | None]  #: when a session of a user began, if the book has it

    def owner(self, name: str | None) -> tuple[str, str | None]:
        """A user's id, and the name where it is no UUID."""
        return (self.user_id, self.user_name) if name is None else checks.user(name)

    @property
    def most(self) -> int:
        """Bytes that a body may have."""
        return self.contents.most

    def believed(self, at: int | None) -> int | None:
        """A time that is not ahead of the clock.

        One that is cannot be taken as now here, as R1 has it: it would be another now at every import.
        """
        return None if at is None or at > self.now + checks.CLOCK_SLACK_US else at

    def first(self, user_id: str, session_id: str) -> int:
        """A time for a session of which no time is believed: when the book first heard of it, or now."""
        known = self.started(user_id, session_id)
        return self.now if known is None else known


class Mover(Protocol):
    """One system whose database can be read."""

    name: str
    tables: tuple[str, ...]  #: of which at least one is in every such database
    urls: bool  #: whether it may be a PostgreSQL database too

    def refuse(self, found: Foreign) -> str | None:
        """Why a database that has some of the tables is not such a one after all."""

    def read(self, found: Foreign, move: Move) -> Iterator[Item]:
        """Everything that is in the database."""


class Places:
    """Databases to be read by one mover, opened and found to be its own. A context manager."""

    def __init__(self, mover: Mover, paths: Sequence[str]) -> None:
        """Raises InvalidInput for a place that is not one of its databases, before anything was changed."""
        if not paths:
            raise InvalidInput(f"{mover.name} keeps its sessions in a database; name it with --path")
        self.mover = mover
        self.found: list[Foreign] = []
        self._stack = ExitStack()
        try:
            for path in paths:
                self._open(path)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, path: str) -> None:
        mover = self.mover
        if is_url(path) and not mover.urls:
            raise InvalidInput(f"{mover.name} is read from its SQLite file, not from {shown(path)}")
        try:
            found = self._stack.enter_context(opened(path))
            held = found.tables()
            refused = mover.refuse(found) if held.intersection(mover.tables) else "it has no table " + _or(mover.tables)
        except OSError as error:
            raise InvalidInput(f"{shown(path)}: {error.strerror}") from None
        if refused is not None:
            raise InvalidInput(f"{shown(path)} is no database of {mover.name}: {refused}")
        self.found.append(found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def run_move(book: Book, places: Places, *, dry_run: bool = False, now: int | None = None) -> MoveReport:
    """Take everything from databases that were opened.

    Ctrl-C, or an error of the book's own database, leaves the book as it was after the last transaction; the next move
    does the rest. Where a source cannot be read further, that is reported, and what was read is kept.
    """
    began = time.perf_counter()
    report = MoveReport(source=places.mover.name)
    run = _Run(book, report, dry_run=dry_run)

    @lru_cache(maxsize=1024)
    def started(user_id: str, session_id: str) -> int | None:
        try:
            return to_micros(book.get(session_id, user_id=user_id).started_at)
        except NotFound:
            return None

    now = checks.utc_now() if now is None else now
    move = Move(book.user_id, None, now, report, book.contents, started)
    for found in places.found:
        try:
            for item in places.mover.read(found, move):
                run.take(item, now)
        except OSError as error:
            report.trouble(f"{found.shown}: {error.strerror}")
    run.flush()
    report.sessions, report.users = run.sessions.count, run.users.count
    report.seconds = round(time.perf_counter() - began, 3)
    return report


class _Run:
    """One move on its way: checks operations, gathers them and hands them to the book."""

    def __init__(self, book: Book, report: MoveReport, *, dry_run: bool) -> None:
        self.book = book
        self.report = report
        self.dry_run = dry_run
        self.sessions, self.users, self.calls = Recent(), Recent(), Recent()
        self.lived = False  #: whether any record of a session was read
        self.items: list[Item] = []
        self.weight = 0

    def take(self, item: Item, now: int) -> None:
        """Gather one operation, or say why it is refused."""
        try:
            checked = self._checked(item, now)
        except InvalidInput as error:
            self.report.skip(f"session {checks.said(item.session_id)}", error)
            return
        if checked is not None:
            self.items.append(checked)
            self.weight += weight(checked) if isinstance(checked, Jot) else 0
            if len(self.items) + self.weight >= FLUSH_ITEMS:
                self.flush()

    def _checked(self, item: Item, now: int) -> Item | None:
        if not isinstance(item, Jot):
            return inbox.checked(item, now)
        if not isinstance(item.step.changes[0], Append):
            return item
        kept, refused = inbox.jot(item, now, self.book.contents)
        self.report.entries += entries(item)
        self.report.refused_entries += len(refused)
        for error in refused:
            self.report.trouble(f"session {checks.said(item.session_id)}: {error}")
        return kept

    def flush(self) -> None:
        """Store what was gathered."""
        items, self.items, self.weight = self.items, [], 0
        if not items:
            return
        self._seen(items)
        if self.dry_run:
            self._count([item for item in items if isinstance(item, Call)])
            return
        more: list[Item] = []
        for item, answer in zip(items, self.book.ingest(Checked(items)), strict=True):
            if isinstance(answer, RollbookError):
                self._refused(item, answer)
            elif isinstance(item, Jot):
                more += self._jotted(item, answer)
            elif isinstance(item, Call):
                self.report.calls += 1
                self.report.new_calls += answer in (Outcome.COUNTED, Outcome.LATE)
                self.report.amended_calls += answer is Outcome.AMENDED
                self.report.too_old += answer is Outcome.TOO_OLD
        if more:
            answers = self.book.ingest(Checked(more))
            self.report.completed_entries += sum(isinstance(answer, Done) for answer in answers)

    def _seen(self, items: Sequence[Item]) -> None:
        """Count sessions by their records; by their contents only where there are no records."""
        self.lived = self.lived or any(isinstance(item, Touch) for item in items)
        for item in items:
            if isinstance(item, Touch) or not self.lived:
                self.sessions.add((f"{item.user_id}\0{item.session_id}",))
                self.users.add((item.user_id,))

    def _refused(self, item: Item, error: RollbookError) -> None:
        if isinstance(item, Jot) and isinstance(error, Conflict):
            return  # a value of state that the book has already
        self.report.conflicts += isinstance(error, Conflict)
        if not isinstance(error, Gone):
            self.report.trouble(f"session {item.session_id}: {error}")

    def _jotted(self, item: Jot, answer: object) -> Iterator[Jot]:
        """Count what was appended, and complete what was there before."""
        answers = answer.answers if isinstance(answer, Done) else ()
        for change, done in zip(item.step.changes, answers, strict=False):
            if isinstance(change, Append) and isinstance(done, Appended):
                self.report.new_entries += done.added
                yield from completing(item, change, done)

    def _count(self, calls: Iterable[Call]) -> None:
        """What a dry run can say: which calls the book has, of everybody."""
        calls = list(calls)
        known = self.book.known_usage({item.usage_id for item in calls})
        self.report.calls += len(calls)
        for item in calls:
            self.report.new_calls += self.calls.add((item.usage_id,)) and item.usage_id not in known
