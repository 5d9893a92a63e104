"""The shape of every importer.

A source knows where its files are and turns one file into batches: operations for the book, together with how far the
file has been read. ``runs`` has the one loop that drives them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from rollbook.errors import InvalidInput, RollbookError
from rollbook.importers import follow
from rollbook.importers.follow import Found
from rollbook.inbox import Contents
from rollbook.journal.steps import Done
from rollbook.ledger.ops import Call, End, Jot, Mark, SourceFile, Touch
from rollbook.model import Outcome, Tokens
from rollbook.pricing import Prices
from rollbook.rules import checks

PARSER_ITEMS: Final = 4_000  #: calls that a parser may hold back within one file
PROBLEMS_KEPT: Final = 100
#: A session is taken to have ended, where its last lines say so, once it has been silent for this long: until then its
#: agent may merely be waiting for the user. The same span after which silence alone shows as abandoned.
QUIET_US: Final = 1800 * 1_000_000

#: Behind a source's name in the registry of files: how far they have been read with their contents.
WITH_CONTENTS: Final = "+content"

Item = Touch | Call | End | Jot | Mark
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


def registered(source: str, *, content: bool) -> str:
    """Under which name it is noted how far files of a source have been read."""
    return source + WITH_CONTENTS if content and not source.endswith(WITH_CONTENTS) else source


class Context(Struct, frozen=True, kw_only=True):
    """What a parser is told from outside, so that it reads neither clock nor environment."""

    user_id: str
    now: int  #: microseconds
    price: Pricer
    contents: Contents | None = None  #: where contents are taken in as well

    def registered(self, source: str) -> str:
        """Under which name it is noted how far files of a source have been read: it is further without contents."""
        return registered(source, content=self.contents is not None)

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
    refused: int = 0  #: entries that are not taken


class Parser(Protocol):
    """Turns the lines of one file into operations, across several readings of it."""

    skipped: int

    def feed(self, block: bytes) -> None:
        """Take in whole lines."""

    def place(self, block: bytes, start: int) -> None:
        """Where in the file the lines stand that were just taken in."""

    def feed_tail(self, line: bytes) -> bool:
        """Take in a last line without an end, if it is whole; whether it was."""

    @property
    def held(self) -> int:
        """How many calls wait to be handed over."""

    def drain(self, *, last: bool) -> list[Item]:
        """Hand over everything that was understood, so that nothing is lost if this was the last reading.

        ``last`` at the end of the file: only there can something be said of how a session ended.
        """

    def state(self) -> bytes:
        """What the next reading has to know of this one."""


class Source(Protocol):
    """One kind of transcripts."""

    name: str

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """The folders in which this machine would keep them."""

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """The transcripts at a path: a file, or a folder with some below it."""

    def transcript(self, path: str) -> str | None:
        """The transcript that a file is, or is a part of, by its name alone; None for every other file."""

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
    too_old: int = 0  #: of these, calls that are not taken because the book was pruned
    entries: int = 0  #: messages and steps in what was read with contents
    new_entries: int = 0  #: of these, entries that the book did not have; a dry run does not look
    refused_entries: int = 0  #: of these, entries that are not taken, because they are too large
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

    @property
    def prices(self) -> Prices:
        """By which calls are priced whose cost the source does not say."""

    @property
    def contents(self) -> Contents:
        """On what terms contents are taken in."""

    def ingest(
        self, items: Sequence[Item], *, files: Sequence[SourceFile] = ()
    ) -> list[Outcome | Done | RollbookError | None]:
        """Store all of it in one transaction; what became of each item, in order."""

    def known_usage(self, names: Iterable[str]) -> set[str]:
        """Which of these names of calls the book knows."""

    def source_files(
        self, source: str, *, files: Sequence[tuple[str, int, int]] | None = None
    ) -> dict[str, SourceFile]:
        """How far files of a source (path, device, inode) have been read, by their paths."""


def read_lines(
    source: str,
    found: Found,
    known: SourceFile | None,
    parser_of: Callable[[bytes], Parser],
    reading_of: type[follow.Reading] = follow.Reading,
) -> Iterator[Batch]:
    """What is new in a file of lines, by a parser that is made from the state that its last reading left."""
    with reading_of(found, known, source) as reading:
        parser = parser_of(reading.state)
        at = reading.start
        skipped = 0
        for block in reading.blocks():
            parser.feed(block)
            parser.place(block, reading.offset - len(block))
            if parser.held >= PARSER_ITEMS:
                items = parser.drain(last=False)
                lost = parser.skipped + reading.oversized
                yield Batch(
                    items=items, file=reading.mark(parser.state()), read=reading.offset - at, skipped=lost - skipped
                )
                at, skipped = reading.offset, lost
        if reading.tail and parser.feed_tail(reading.tail):
            parser.place(reading.tail, reading.offset)
            reading.accept_tail()
        items = parser.drain(last=True)
        lost = parser.skipped + reading.oversized
        yield Batch(items=items, file=reading.mark(parser.state()), read=reading.offset - at, skipped=lost - skipped)
        if reading.damage is not None:
            raise OSError(errno.EIO, reading.damage)
