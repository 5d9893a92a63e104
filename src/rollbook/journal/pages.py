"""All that a session has, in short looks: each line of entries from its oldest to its newest, a page at a time.

A line can only be followed backwards. So one that is longer than a page is gone through twice: first to learn where its
pages end, without keeping them, and then page by page from the oldest. What is appended meanwhile is not among them.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from msgspec import Struct

from rollbook.journal.lines import walk
from rollbook.journal.shelf import Line, Peek, Who

PAGE: Final = 64  #: entries that are held at once
_LOOKED_AT: Final = 1 << 16  #: bytes that looking for the end of a page counts as


class Left(Struct, frozen=True):
    """What is left of a line of entries."""

    stream: str
    head: str
    ends: tuple[int, ...]  #: the positions at which its pages end, newest first
    told: int | None = None  #: the position up to which it was told; None: its beginning is not known yet


class Following(Struct, frozen=True):
    """Entries with their streams and heads, and what is left; None: nothing."""

    lines: list[tuple[str, str, Line]]
    left: tuple[Left, ...] | None


def following(peek: Peek, who: Who, *, left: tuple[Left, ...] | None, most: int, size: int) -> Following:
    """The next entries of a session, about so many or so many bytes; ``left`` None: from its beginning."""
    if left is None:
        heads = sorted((head.stream, head.name, head.tip) for head in peek.heads_of(who) if head.tip)
        left = tuple(Left(stream, name, (tip,)) for stream, name, tip in heads)
    found: list[tuple[str, str, Line]] = []
    while left and len(found) < most and size > 0:
        lines, rest = _page(peek, left[0])
        found += [(rest.stream, rest.head, line) for line in lines]
        size -= sum(len(line.body) for line in lines) if lines else _LOOKED_AT
        left = (rest, *left[1:]) if rest.ends else left[1:]
    return Following(found, left or None)


def _page(peek: Peek, of: Left) -> tuple[list[Line], Left]:
    """The oldest page that is left, or none where its beginning is still looked for; and what is left then."""
    end = of.ends[-1]
    if of.told is not None:
        told = of.told
        lines = list(takewhile(lambda line: line.position > told, walk(peek, of.stream, end, PAGE)))
    else:
        lines = list(walk(peek, of.stream, end, PAGE + 1))
        if len(lines) > PAGE:
            return [], Left(of.stream, of.head, (*of.ends, lines[-1].position))
    return lines[::-1], Left(of.stream, of.head, of.ends[:-1], end)
