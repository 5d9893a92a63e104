"""The one loop that runs an importer.

It gathers batches into transactions, so that the operations and the progress they stand for are stored together or not
at all, and thousands of small files do not cost thousands of commits. Files are asked for in chunks, so that memory
does not grow with their number. Where there is much to read, other processes read it (``crew``), and this one stores.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from rollbook.errors import Gone, InvalidInput, RollbookError
from rollbook.importers import SOURCES, follow
from rollbook.importers.base import Batch, Book, Context, ImportReport, Item, Progress, Source
from rollbook.importers.content import entries, weight
from rollbook.importers.crew import Crew, batches_of, checked
from rollbook.importers.follow import Found
from rollbook.inbox import Checked
from rollbook.journal.steps import Appended, Done
from rollbook.ledger.ops import Call, Jot, SourceFile
from rollbook.model import Outcome
from rollbook.rules import checks

FLUSH_ITEMS: Final = 4_000  #: operations in one transaction, about
FILES_AT_ONCE: Final = 256  #: files whose progress is looked up together
CREW_BYTES: Final = 12 << 20  #: to be read in one chunk of files, from which on other processes help
#: Sessions, and names of calls in a dry run, of which it is remembered that they were counted.
REMEMBERED: Final = 1 << 15


def run_import(
    book: Book,
    source: Source,
    paths: Iterable[str | os.PathLike[str]] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    now: int | None = None,
    env: Mapping[str, str] | None = None,
    processes: int | None = None,
    content: bool = False,
) -> ImportReport:
    """Import what is new at the given paths, or wherever this machine keeps the source's files.

    With ``content`` also what was said and which tools were called. It is noted apart how far files were read with it,
    so that a file which was imported without is read again for it.

    A file that cannot be read is reported and passed over. An error of the database, or Ctrl-C, leaves the book as it
    was after the last transaction; the next import goes on from there. ``processes`` says how many other processes
    may help to read; by default as many as there are cores to spare, and none where there is little to read.
    """
    started = time.perf_counter()
    book.prices.load()  # a price file that cannot be used is one error, and not one for each transcript
    report = ImportReport(source=source.name)
    contents = book.contents if content else None
    now = checks.utc_now() if now is None else now
    context = Context(user_id=book.user_id, now=now, price=book.prices, contents=contents)
    places = _places(source, paths, os.environ if env is None else env)
    total = sum(found.size for found in _found(source, places, lambda _: None)) if progress else 0
    run = _Run(book, report, source, context, dry_run=dry_run)
    most = processes if SOURCES.get(source.name) == (type(source).__module__, type(source).__name__) else 0
    if contents is not None and contents.redactor is not None and not contents.redactor.shipped:
        most = 0
    with Crew(source.name, context, book.prices.path, most) as crew:
        gone = 0
        files = _found(source, places, report.trouble)
        while chunk := list(itertools.islice(files, FILES_AT_ONCE)):
            for found in run.chunk(chunk, crew):
                gone += found.size
                if progress:
                    progress(min(gone, total), total)
        run.finish(crew)
    report.seconds = round(time.perf_counter() - started, 3)
    return report


def _places(source: Source, paths: Iterable[str | os.PathLike[str]] | None, env: Mapping[str, str]) -> list[str]:
    if paths is None:
        given = [root for root in source.roots(env) if follow.is_folder(root)]
    else:
        given = [existing(os.fspath(path)) for path in paths]
    return follow.outermost(given)


def existing(path: str) -> str:
    """A path at which there is something. Raises InvalidInput."""
    if not path:
        raise InvalidInput("a path to read must not be empty")
    try:
        place = Path(path).expanduser()
        place.stat()
    except (OSError, ValueError, RuntimeError):  # missing, not to be looked at, no name of a file, nobody's home
        raise InvalidInput(f"there is nothing to read at {follow.as_key(path)}") from None
    return str(place)


def _found(source: Source, places: Iterable[str], trouble: Callable[[str], None]) -> Iterator[Found]:
    for place in places:
        yield from source.files(place, trouble)


class Recent:
    """Counts different things, of which only the latest are remembered, so that very many take no memory."""

    def __init__(self) -> None:
        self.count = 0
        self._new: set[int] = set()
        self._old: set[int] = set()

    def add(self, names: Iterable[str]) -> int:
        """How many of these have not been seen lately."""
        fresh = {hash(name) for name in names} - self._new - self._old
        self._new |= fresh
        self.count += len(fresh)
        if len(self._new) > REMEMBERED:
            self._old, self._new = self._new, set()
        return len(fresh)


class _Run:
    """One import on its way: gathers batches and hands them to the book."""

    def __init__(self, book: Book, report: ImportReport, source: Source, context: Context, *, dry_run: bool) -> None:
        self.book = book
        self.report = report
        self.source = source
        self.context = context
        self.dry_run = dry_run
        self.sessions = Recent()
        self.calls = Recent()  #: names of calls, in a dry run only
        self.items: list[Item] = []
        self.weight = 0  #: of the contents among them
        self.files: list[SourceFile] = []

    def chunk(self, chunk: Sequence[Found], crew: Crew) -> Iterator[Found]:
        """Read what is new in some files, each of which is given back when it has been seen to."""
        self.report.files += len(chunk)
        asked = [(found.key, found.device, found.inode) for found in chunk]
        known = self.book.source_files(self.context.registered(self.source.name), files=asked)
        by_identity = {(file.device, file.inode): file for file in known.values()}
        changed: list[tuple[Found, SourceFile | None]] = []
        for found in chunk:
            file = known.get(found.key)
            if file is None:
                file = by_identity.get((found.device, found.inode))  # it may have been renamed
            elif follow.unchanged(found, file):
                try:
                    batch = self.source.settle(file, self.context)
                except msgspec.MsgspecError:  # kept by another version, or damaged: the file is read anew
                    changed.append((found, None))
                    continue
                for part in checked(batch, self.context) if batch is not None else ():
                    self.take(part)
                yield found
                continue
            changed.append((found, file))
        if sum(max(0, found.size - (file.offset if file else 0)) for found, file in changed) >= CREW_BYTES:
            crew.start()
        for found, file in changed:
            self.file(found, file, crew)
            yield found

    def file(self, found: Found, known: SourceFile | None, crew: Crew) -> None:
        """Have a file read by the crew, or read it here while the crew is busy."""
        for batch in crew.ready():
            self.take(batch)
        if not crew.submit(found, known):
            for batch in batches_of(self.source, found, known, self.context):
                self.take(batch)

    def finish(self, crew: Crew) -> None:
        """Take what is still being read, and store the rest."""
        for batch in crew.rest(self.source):
            self.take(batch)
        self.flush()
        self.report.sessions = self.sessions.count

    def take(self, batch: Batch | str) -> None:
        """Gather what was read; a text says why there is no more of a file."""
        if isinstance(batch, str):
            self.report.trouble(batch)
            return
        self.report.bytes += batch.read
        self.report.skipped_lines += batch.skipped
        self.report.refused_entries += batch.refused
        self.items.extend(batch.items)
        if self.context.contents is not None:
            self.weight += sum(weight(item) for item in batch.items if isinstance(item, Jot))
        if batch.file is not None:
            self.files.append(batch.file)
            if batch.file.source != self.source.name:  # what was read with its contents need not be read without them
                self.files.append(msgspec.structs.replace(batch.file, source=self.source.name))
        if len(self.items) + self.weight + len(self.files) >= FLUSH_ITEMS:
            self.flush()

    def flush(self) -> None:
        items, self.items = self.items, []
        files, self.files = self.files, []
        self.weight = 0
        if not items and not files:
            return
        self.sessions.add(item.session_id for item in items)
        if self.dry_run:
            self._count(items)
            return
        outcomes = self.book.ingest(Checked(items), files=files)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, RollbookError):
                if not isinstance(outcome, Gone):
                    self.report.trouble(f"session {item.session_id}: {outcome}")
            elif isinstance(item, Jot):
                self.report.entries += entries(item)
                self.report.new_entries += _added(outcome)
            elif outcome is not None:
                self.report.calls += 1
                self.report.new_calls += outcome in (Outcome.COUNTED, Outcome.LATE)
                self.report.too_old += outcome is Outcome.TOO_OLD

    def _count(self, items: Sequence[Item]) -> None:
        """What a dry run can say: calls that share no name with one before them are new, unless the book has them."""
        calls = [item for item in items if isinstance(item, Call)]
        self.report.entries += sum(entries(item) for item in items if isinstance(item, Jot))
        known = self.book.known_usage({name for item in calls for name in (item.usage_id, *item.aliases)})
        for item in calls:
            names = {item.usage_id, *item.aliases}
            self.report.calls += 1
            self.report.new_calls += self.calls.add(names) == len(names) and known.isdisjoint(names)


def _added(outcome: object) -> int:
    """How many entries a step added."""
    answers = outcome.answers if isinstance(outcome, Done) else ()
    return sum(answer.added for answer in answers if isinstance(answer, Appended))
