"""What a backend gives the rules: one journal to look at, and one to change under its lock.

A journal is kept under its *root*: a session, together with the sessions that were forked from it, since those share
entries. Sessions are named by whatever the backend knows them by (``who``: a number or an id).

The entries of a stream stand in one sequence by position, whichever head they belong to. An entry whose ``parent`` is
None stands behind the entry before it in that sequence; only where a line branches is the parent's position stored (0:
it is the first of its line). So a stream that nobody branched needs no pointers, and its tail is one range.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from msgspec import Raw, Struct

Who = str | int


class Line(Struct, array_like=True, gc=False):
    """One stored entry."""

    position: int
    entry_id: str
    who: Who  #: the session that wrote it; the user, where that one let go of it and forks still share it
    parent: int | None
    created_at: int
    body: bytes
    text: str | None = None  #: to be indexed; not read back


class Head(Struct, array_like=True):
    """One head of one session in one stream."""

    who: Who
    stream: str
    name: str
    tip: int  #: a position; 0: before the first
    length: int
    revision: int
    top: int  #: the highest position that the stream had when this head was written last
    failed: int  #: failed steps ever appended
    changed_at: int  #: microseconds UTC


class Peek(Protocol):
    """A journal as it is at one moment."""

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        """One head of one session."""
        ...

    def heads(self, stream: str) -> list[Head]:
        """The heads of every session under the root, in one stream."""
        ...

    def heads_of(self, who: Who) -> list[Head]:
        """The heads of one session, in every stream."""
        ...

    def find(self, stream: str, entry_id: str) -> list[Line]:
        """The entries with an id: seldom more than one."""
        ...

    def line(self, stream: str, position: int) -> Line | None:
        """The entry at a position."""
        ...

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        """At most so many entries before a position, in falling order."""
        ...

    def state(self, who: Who) -> dict[str, Raw]:
        """Every value of a session's state."""
        ...

    def value(self, who: Who, key: str) -> Raw | None:
        """One value of a session's state."""
        ...


@runtime_checkable
class Branches(Protocol):
    """What a journal that is looked at can tell beside, where that is cheap: it saves following long lines."""

    def branches(self, stream: str) -> list[tuple[int, int]]:
        """Position and stored parent of the entries of a stream that have one, in falling order."""
        ...


class Shelf(Peek, Protocol):
    """A journal under its lock. What is changed is kept with the step, or not at all."""

    @property
    def user(self) -> Who:
        """Under which name the state of the user stands; also whose entries are that their session let go of."""
        ...

    def above(self, stream: str, position: int) -> Line | None:
        """The next entry behind a position."""
        ...

    def children(self, stream: str, position: int) -> list[Line]:
        """The entries whose stored parent is at a position."""
        ...

    def whole(self, stream: str) -> Iterable[tuple[int, int | None]]:
        """Position and stored parent of every entry of a stream, in rising order."""
        ...

    def put_head(self, head: Head) -> None:
        """Make a head, or change it."""
        ...

    def drop_head(self, head: Head) -> None: ...

    def add(self, stream: str, line: Line) -> None: ...

    def change(self, stream: str, line: Line) -> None:
        """Another writer, parent, body or text for an entry; no text: the one it is found by stays."""
        ...

    def remove(self, stream: str, position: int) -> None: ...

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        """A value, or none any more."""
        ...
