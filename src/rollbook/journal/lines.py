"""Following a head through its stream: the newest entries, a stretch, one entry, whether an entry is on its line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Final

from rollbook.errors import StoreError
from rollbook.journal.shelf import Branches, Head, Line, Peek, Who

_AT_ONCE: Final = 256  #: entries that are asked for at once
_FIRST: Final = 32  #: and on the way forward: so many first
_AT_MOST: Final = 1024  #: and at most so many at a time then


def walk(peek: Peek, stream: str, tip: int, most: int | None = None) -> Iterator[Line]:
    """The entries of a line from its tip backwards, at most so many."""
    bound, left = tip + 1, most
    while bound > 1 and left != 0:
        wanted = _AT_ONCE if left is None else min(left, _AT_ONCE)
        found = peek.below(stream, bound, wanted)
        for line in found:
            yield line
            if left is not None:
                left -= 1
            bound = line.position
            if line.parent is not None:
                bound = _before(stream, line.position, line.parent) + 1
                break
        else:
            if len(found) < wanted:
                return


def tail(peek: Peek, stream: str, tip: int, most: int | None, *, above: int = 0) -> list[Line]:
    """The newest entries of a line, oldest first; those above a position."""
    return list(takewhile(lambda line: line.position > above, walk(peek, stream, tip, most)))[::-1]


def onward(peek: Peek, head: Head, position: int) -> Iterator[Line]:
    """The entries of a head's line behind a position, oldest first, a few at a time."""
    if head.length != head.tip:  # some were removed, or stand on other branches: only the way back is known
        yield from tail(peek, head.stream, head.tip, None, above=position)
        return
    low, many = position + 1, _FIRST
    while low <= head.tip:
        high = min(head.tip, low + many - 1)
        yield from reversed(peek.below(head.stream, high + 1, high - low + 1))
        low, many = high + 1, min(_AT_MOST, 4 * many)


def holds(peek: Peek, stream: str, tip: int, position: int) -> bool:
    """Whether an entry that is there is on the line that ends at a tip."""
    if isinstance(peek, Branches):
        return _leads(peek, stream, tip, position)
    for line in walk(peek, stream, tip):
        if line.position <= position:
            return line.position == position
    return False


def _leads(peek: Branches, stream: str, tip: int, position: int) -> bool:
    """The same, from branch to branch: from one down to the next all entries are on the line."""
    at = tip
    for place, parent in peek.branches(stream):
        if at < position or place <= position:
            break
        if place <= at:
            at = _before(stream, place, parent)
    return position <= at


def shows(peek: Peek, head: Head, position: int) -> bool:
    """Whether an entry is on the line of a head; where nothing was ever removed or left, without following it."""
    if head.length == head.tip:
        return position <= head.tip  # as many entries as positions: every one of them is on the line
    return holds(peek, head.stream, head.tip, position)


def count(peek: Peek, stream: str, tip: int) -> int:
    """How many entries a line has."""
    return sum(1 for _ in walk(peek, stream, tip))


def parent_of(peek: Peek, stream: str, line: Line) -> int:
    """The position of the entry that an entry stands behind; 0 where it is the first."""
    if line.parent is not None:
        return _before(stream, line.position, line.parent)
    before = peek.below(stream, line.position, 1)
    return before[0].position if before else 0


def _before(stream: str, position: int, parent: int) -> int:
    """The stored parent of an entry. Raises StoreError where it is not before the entry: a line would never end."""
    if not 0 <= parent < position:
        raise StoreError(
            f"the entry of {stream} at position {position} is damaged: it stands behind {parent}, which is not before "
            "it; 'rollbook verify' and 'rollbook doctor' say more"
        )
    return parent


def seen(peek: Peek, who: Who, stream: str, entry_id: str) -> Line | None:
    """The entry that a session knows by an id: one of its own, or one of the past that it shares."""
    found = peek.find(stream, entry_id)
    for line in found:
        if line.who == who:
            return line
    if found:
        own = [head for head in peek.heads(stream) if head.who == who]
        for line in found:
            if any(shows(peek, head, line.position) for head in own):
                return line
    return None


def page(peek: Peek, who: Who, head: Head, most: int | None, before: str | None) -> list[Line]:
    """The newest entries of a head, or the newest before one of them, oldest first.

    Raises LookupError where the entry that they are to stand before is not on the head's line.
    """
    if before is None:
        return tail(peek, head.stream, head.tip, most)
    at = seen(peek, who, head.stream, before)
    if at is None or not shows(peek, head, at.position):
        raise LookupError(before)
    return tail(peek, head.stream, parent_of(peek, head.stream, at), most)


def last_of(peek: Peek, stream: str, top: int) -> int:
    """The position of the last entry of a stream that is there."""
    found = peek.below(stream, top + 1, 1)
    return found[0].position if found else 0
