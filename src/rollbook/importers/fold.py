"""What the parsers of line files have in common: lines in, sessions and calls out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from rollbook.importers.base import Context, Item
from rollbook.importers.content import Content, OpenCalls
from rollbook.importers.lines import Decoder
from rollbook.importers.sessions import Session

T = TypeVar("T")


class Pending(Protocol):
    """Calls that have not been handed over."""

    def __len__(self) -> int:
        """How many."""

    def drain(self) -> list[Item]:
        """Hand them over."""


class Fold(ABC, Generic[T]):
    """The parser of one file; a source says what a line means."""

    def __init__(self, lines: Decoder[T], context: Context, calls: Pending) -> None:
        self.context = context
        self.skipped = 0
        self.by_id: dict[str, Session] = {}
        self._lines = lines
        self._calls = calls
        self._contents: Content | None = None
        self._open: OpenCalls | None = None

    @abstractmethod
    def _take(self, line: T) -> bool:
        """Fold one line in; whether it was understood."""

    def feed(self, block: bytes) -> None:
        """Take in whole lines."""
        found, skipped = self._lines.block(block)
        self.skipped += skipped
        for line in found:
            if not self._take(line):
                self.skipped += 1

    def place(self, block: bytes, start: int) -> None:
        """Where in the file the lines stand that were just taken in."""
        if self._open is not None:
            self._open.place(block, start)

    def feed_tail(self, line: bytes) -> bool:
        """Take in a last line that has no end yet. A part of an object is never an object, so what decodes is whole."""
        found = self._lines.one(line)
        if found is None:
            return False
        if not self._take(found):
            self.skipped += 1
        return True

    @property
    def held(self) -> int:
        """How many calls wait to be handed over; contents weigh as much as calls do."""
        return len(self._calls) + (0 if self._contents is None else self._contents.weight)

    def drain(self, *, last: bool) -> list[Item]:
        """Hand over what was understood, sessions first; ends only at the end of the file."""
        items: list[Item] = []
        for session in self.by_id.values():
            items.extend(session.drain(self.context, last=last))
        items.extend(self._calls.drain())
        if self._contents is not None:
            items.extend(self._contents.drain(self.context, lambda name: self.by_id[name].carried.last))
        return items
