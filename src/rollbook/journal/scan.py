"""Searching a journal by reading it, for places that keep no index of words."""

from __future__ import annotations

from typing import Final, NamedTuple

from rollbook.journal.lines import walk
from rollbook.journal.shelf import Line, Peek, Who
from rollbook.rules import bodies
from rollbook.rules.texts import text_of
from rollbook.rules.words import Finder

_USUAL: Final = 1000.0  #: characters of a text


class Hit(NamedTuple):
    """An entry in which something was found."""

    writer: str
    stream: str
    entry_id: str
    position: int
    created_at: int
    score: float
    snippet: str

    @property
    def of(self) -> tuple[str, ...]:
        """What makes it the same entry, whichever session it is seen through."""
        return (self.writer, self.stream, self.entry_id, str(self.position), str(self.created_at))

    @property
    def order(self) -> tuple[float, int, int]:
        """The better, the later, the higher."""
        return (self.score, self.created_at, self.position)


def hits(peek: Peek, who: Who, *, finder: Finder, since: int, shared: bool) -> list[Hit]:
    """Entries of a session that fit; with ``shared`` also those of the past that it shares with others."""
    found: dict[tuple[str, int], Hit | None] = {}
    for head in peek.heads_of(who):
        for line in walk(peek, head.stream, head.tip):
            key = (head.stream, line.position)
            if key in found:
                break  # from here on the line is one that was followed already
            mine = shared or line.who in (who, "")
            found[key] = _hit(finder, head.stream, line) if mine and line.created_at >= since else None
    return [hit for hit in found.values() if hit is not None]


def _hit(finder: Finder, stream: str, line: Line) -> Hit | None:
    try:
        value = bodies.decoded(line.body)
    except ValueError:
        return None  # it is damaged, and reading it says so
    place = finder.place(text_of(stream, value), _USUAL)
    if place is None:
        return None
    return Hit(
        str(line.who), stream, line.entry_id, line.position, line.created_at, place.score, place.snippet
    )  # fmt: skip
