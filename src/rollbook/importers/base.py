"""The shape of every importer, and the one loop that runs them.

A source knows where its files are and turns one file into batches: operations for the book, together with how far the
file has been read. The loop gathers batches into transactions, so that the operations and the progress they stand for
are stored together or not at all, and thousands of small files do not cost thousands of commits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct, field

from rollbook.errors import Gone, InvalidInput, RollbookError
from rollbook.importers import follow
from rollbook.importers.follow import Found
from rollbook.ledger.ops import Call, End, SourceFile, Touch
from rollbook.model import Outcome, Tokens
from rollbook.rules import checks

FLUSH_ITEMS: Final = 2_000  #: operations in one transaction, about
PARSER_ITEMS: Final = 4_000  #: calls that a parser may hold back within one file
PROBLEMS_KEPT: Final = 100
#: A session is taken to have ended, where its last lines say so, once it has been silent for this long: until then its
#: agent may merely be waiting for the user. The same span after which silence alone shows as abandoned.
QUIET_US: Final = 1800 * 1_000_000

Item = Touch | Call | End
Progress = Callable[[int, int], None]  #: bytes gone through, bytes in all


class Priced(Protocol):
    """What a price comes with."""

    @property
    def cost_nano(self) -> int:
        """Nano-dollars."""

    @property
    def version(self) -> str:
        """Of the price table."""


class Pricer(Protocol):
    """Finds prices."""

    def __call__(
        self, model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard"
    ) -> Priced | None:
        """The price of a call, or none."""


class Context(Struct, frozen=True, kw_only=True):
    """What a parser is told from outside, so that it reads neither clock nor environment."""

    user_id: str
    now: int  #: microseconds
    price: Pricer

    def time(self, at: int) -> tuple[int, bool]:
        """A time that a line states, and whether it was flagged: one well ahead of the clock is taken as now.

        Raises InvalidInput for one before 2000, which is none.
        """
        if at < checks.FIRST_TIME:
            raise InvalidInput("a time before the year 2000")
        return (self.now, True) if at > self.now + checks.CLOCK_SLACK_US else (at, False)


class Batch(Struct, kw_only=True):
    """Operations that were read from a file, and how far it has been read with them."""

    items: Sequence[Item]
    file: SourceFile | None
    read: int = 0  #: bytes
    skipped: int = 0  #: lines that were not understood


class Parser(Protocol):
    """Turns the lines of one file into operations, across several readings of it."""

    skipped: int

    def feed(self, block: bytes) -> None:
        """Take in whole lines."""

    def feed_tail(self, line: bytes) -> bool:
        """Take in a last line without an end, if it is whole; whether it was."""

    @property
    def held(self) -> int:
        """How many calls wait to be handed over."""

    def drain(self, *, last: bool) -> list[Item]:
        """Hand over what was understood; ``last`` at the end of the file."""

    def state(self) -> bytes:
        """What the next reading has to know of this one."""


class Source(Protocol):
    """One kind of transcripts."""

    name: str

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """The folders in which this machine would keep them."""

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """The transcripts at a path: a file, or a folder with some below it."""

    def read(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """What is new in one file."""

    def settle(self, known: SourceFile, context: Context) -> Batch | None:
        """What the mere passing of time says of a file in which nothing is new."""


class ImportReport(Struct, kw_only=True):
    """What one import did. The fields up to ``seconds`` are the keys of its JSON."""

    source: str
    files: int = 0  #: found, whether or not anything was new in them
    bytes: int = 0  #: read
    sessions: int = 0  #: of which something new was read
    calls: int = 0  #: metered calls in what was read
    new_calls: int = 0  #: of these, calls that the book did not have
    skipped_lines: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)  #: files and folders that could not be read, and refused items

    def row(self) -> dict[str, str | int | float]:
        """The report as JSON gives it."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "problems"}

    def trouble(self, text: str) -> None:
        """Note something that was passed over; of very many the first hundred."""
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)


class Book(Protocol):
    """What an import needs of a book."""

    @property
    def user_id(self) -> str:
        """Whose sessions they are."""

    def ingest(
        self, items: Sequence[Item], *, files: Sequence[SourceFile] = ()
    ) -> list[Outcome | RollbookError | None]:
        """Store all of it in one transaction; what became of each item, in order."""

    def known_usage(self, names: Iterable[str]) -> set[str]:
        """Which of these names of calls the book knows."""

    def source_files(self, source: str) -> dict[str, SourceFile]:
        """How far each file of a source has been read, by its path."""


def run_import(
    book: Book,
    source: Source,
    paths: Iterable[str | os.PathLike[str]] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    now: int | None = None,
    env: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import what is new at the given paths, or wherever this machine keeps the source's files.

    A file that cannot be read is reported and passed over. An error of the database, or Ctrl-C, leaves the book as it
    was after the last transaction; the next import goes on from there.
    """
    from rollbook.pricing import price  # noqa: PLC0415 - asking what sources there are needs no prices

    started = time.perf_counter()
    report = ImportReport(source=source.name)
    context = Context(user_id=book.user_id, now=checks.utc_now() if now is None else now, price=price)
    places = _places(source, paths, os.environ if env is None else env)
    total = sum(found.size for found in _found(source, places, lambda _: None)) if progress else 0
    run = _Run(book, report, source, context, dry_run=dry_run)
    gone = 0
    for found in _found(source, places, report.trouble):
        run.file(found)
        gone += found.size
        if progress:
            progress(min(gone, total), total)
    run.flush()
    report.sessions = len(run.sessions)
    report.seconds = round(time.perf_counter() - started, 3)
    return report


def _places(source: Source, paths: Iterable[str | os.PathLike[str]] | None, env: Mapping[str, str]) -> list[str]:
    if paths is None:
        return [root for root in source.roots(env) if follow.is_folder(root)]
    return [_place(os.fspath(path)) for path in paths]


def _place(path: str) -> str:
    if not path:
        raise InvalidInput("a path to read must not be empty")
    try:
        place = Path(path).expanduser()
        place.stat()
    except (OSError, ValueError, RuntimeError):  # missing, not to be looked at, no name of a file, nobody's home
        raise InvalidInput(f"there is nothing to read at {follow.as_key(path)}") from None
    return str(place)


def _found(source: Source, places: Iterable[str], trouble: Callable[[str], None]) -> Iterator[Found]:
    """Every file once, also where places overlap or links lead to it twice."""
    seen: set[int] = set()
    for place in places:
        for found in source.files(place, trouble):
            identity = hash((found.device, found.inode))
            if identity not in seen:
                seen.add(identity)
                yield found


class _Run:
    """One import on its way: gathers batches and hands them to the book."""

    def __init__(self, book: Book, report: ImportReport, source: Source, context: Context, *, dry_run: bool) -> None:
        self.book = book
        self.report = report
        self.source = source
        self.context = context
        self.dry_run = dry_run
        self.known = book.source_files(source.name)
        self.by_identity = {(file.device, file.inode): file for file in self.known.values()}
        self.sessions: set[int] = set()
        self.calls: set[int] = set()  #: names of calls, in a dry run only
        self.items: list[Item] = []
        self.files: list[SourceFile] = []

    def file(self, found: Found) -> None:
        self.report.files += 1
        known = self.known.get(found.key)
        if known is not None and follow.unchanged(found, known):
            batch = self.source.settle(known, self.context)
            if batch is not None:
                self.take(batch)
            return
        if known is None:
            known = self.by_identity.get((found.device, found.inode))  # it may have been renamed
        batches = self.source.read(found, known, self.context)
        while True:
            try:
                batch = next(batches, None)
            except OSError as error:
                self.report.trouble(follow.reason(found.path, error))
                return
            except Exception as error:  # noqa: BLE001 - one file that no rule foresaw must not stop the others
                self.report.trouble(f"{found.key}: not understood ({type(error).__name__}: {error})")
                return
            if batch is None:
                return
            self.take(batch)

    def take(self, batch: Batch) -> None:
        self.report.bytes += batch.read
        self.report.skipped_lines += batch.skipped
        self.items.extend(batch.items)
        if batch.file is not None:
            self.files.append(batch.file)
        if len(self.items) + len(self.files) >= FLUSH_ITEMS:
            self.flush()

    def flush(self) -> None:
        items, self.items = self.items, []
        files, self.files = self.files, []
        if not items and not files:
            return
        self.sessions.update(hash(item.session_id) for item in items)
        if self.dry_run:
            self._count(items)
            return
        outcomes = self.book.ingest(items, files=files)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, RollbookError):
                if not isinstance(outcome, Gone):
                    self.report.trouble(f"session {item.session_id}: {outcome}")
            elif outcome is not None:
                self.report.calls += 1
                self.report.new_calls += outcome in (Outcome.COUNTED, Outcome.LATE)

    def _count(self, items: Sequence[Item]) -> None:
        """What a dry run can say: calls that share no name with one before them are new, unless the book has them."""
        calls = [item for item in items if isinstance(item, Call)]
        known = self.book.known_usage({name for item in calls for name in (item.usage_id, *item.aliases)})
        for item in calls:
            names = {item.usage_id, *item.aliases}
            self.report.calls += 1
            self.report.new_calls += known.isdisjoint(names) and self.calls.isdisjoint(map(hash, names))
            self.calls.update(map(hash, names))


def read_lines(
    source: str, found: Found, known: SourceFile | None, parser_of: Callable[[bytes], Parser]
) -> Iterator[Batch]:
    """What is new in a file of lines, by a parser that is made from the state that its last reading left."""
    with follow.Reading(found, known, source) as reading:
        parser = parser_of(reading.state)
        at = reading.start
        skipped = 0
        for block in reading.blocks():
            parser.feed(block)
            if parser.held >= PARSER_ITEMS:
                items = parser.drain(last=False)
                lost = parser.skipped + reading.oversized
                yield Batch(
                    items=items, file=reading.mark(parser.state()), read=reading.offset - at, skipped=lost - skipped
                )
                at, skipped = reading.offset, lost
        if reading.tail and parser.feed_tail(reading.tail):
            reading.accept_tail()
        items = parser.drain(last=True)
        lost = parser.skipped + reading.oversized
        yield Batch(items=items, file=reading.mark(parser.state()), read=reading.offset - at, skipped=lost - skipped)
