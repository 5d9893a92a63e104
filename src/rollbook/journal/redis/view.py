"""Looking into a root that is kept in Redis, as it was at one version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Keys, Meta
from rollbook.journal.shelf import Head, Line, Who

ANYTHING: Final = "v"  #: an answer is refused where anything was changed meanwhile
ENTRIES: Final = "ve"  #: … where entries were changed or removed; appending does no harm
STATE: Final = "vs"  #: … where a state was changed

_AT_ONCE: Final = 64

Ask = Callable[[list[bytes], list[bytes | str | int]], Any]  #: keys and arguments of the script ``read``


class Moved(Exception):
    """The root is no longer what was known of it."""


class View:
    """A root at one version. Every answer is of that version, or :class:`Moved` is raised.

    A reader's view is not disturbed by what is appended meanwhile; a writer's is by any change.
    """

    user: Who = names.NOBODY

    def __init__(self, keys: Keys, root: Who, meta: Meta, ask: Ask, *, writes: bool) -> None:
        self._keys = keys
        self._root = root
        self.meta = meta
        self._ask = ask
        self._writes = writes
        self.asked = False  #: whether Redis has said that the version is the one known
        self.found: dict[bytes, list[Line]] = {}  #: what was fetched beforehand, by field of an id
        self._near: dict[tuple[str, int], Line] = {}
        self._branches: dict[str, dict[int, int]] = {}

    def _read(self, since: str, ask: str, *arguments: bytes | str | int, state: Who | None = None) -> list[Any]:
        keys = [*self._keys.fixed, *([] if state is None else [self._keys.state(state)])]
        answer: list[Any] = self._ask(keys, [self.meta.version, ANYTHING if self._writes else since, ask, *arguments])
        if not answer[0]:
            raise Moved
        self.asked = True
        return answer[1:]

    def _lines(self, pairs: list[Any]) -> list[Line]:
        return [names.line(at, value, self._root) for at, value in zip(pairs[::2], pairs[1::2], strict=True)]

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        found = self.meta.heads.get((who, stream, name))
        return None if found is None else copied(found)

    def heads(self, stream: str) -> list[Head]:
        return [copied(head) for head in self.meta.heads.values() if head.stream == stream]

    def heads_of(self, who: Who) -> list[Head]:
        return [copied(head) for head in self.meta.heads.values() if head.who == who]

    def _empty(self, stream: str) -> bool:
        return not any(head.stream == stream for head in self.meta.heads.values())

    def find(self, stream: str, entry_id: str) -> list[Line]:
        field = names.id_field(stream, entry_id)
        if field in self.found:
            return [msgspec.structs.replace(line) for line in self.found[field]]
        if self._empty(stream):
            return []
        return self._lines(self._read(ENTRIES, "find", field)[0])

    def line(self, stream: str, position: int) -> Line | None:
        if (stream, position) not in self._near:
            self._near = {(stream, line.position): line for line in self.above(stream, position - 1, _AT_ONCE)}
        found = self._near.get((stream, position))
        return None if found is None else msgspec.structs.replace(found)

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        if position <= 1 or most < 1 or self._empty(stream):
            return []
        return self._lines(self._read(ENTRIES, "below", stream, names.at(position), most)[0])

    def above(self, stream: str, position: int, most: int) -> list[Line]:
        """At most so many entries behind a position, in rising order."""
        if self._empty(stream):
            return []
        return self._lines(self._read(ENTRIES, "above", stream, names.at(position + 1), most)[0])

    def children(self, stream: str, position: int) -> list[int]:
        """The positions of entries whose stored parent is at a position."""
        if self._empty(stream):
            return []
        listed: bytes = self._read(ENTRIES, "children", names.member(stream, position))[0]
        return [int(each, 16) for each in listed.split(b",") if each]

    def whole(self, stream: str) -> dict[int, int | None]:
        """Stored parents by position, in rising order."""
        if self._empty(stream):
            return {}
        members = self._read(ENTRIES, "whole", stream)[0]
        found: dict[int, int | None] = {int(each.rpartition(b"\n")[2], 16): None for each in members}
        return {**found, **self.branches(stream)}

    def branches(self, stream: str) -> dict[int, int]:
        """The stored parents of entries that have one, by position, in no order."""
        if self._empty(stream):
            return {}
        if stream not in self._branches:
            found = self._branches[stream] = {}
            listed: list[bytes] = self._read(ENTRIES, "branches", stream)[0]
            for parent, positions in zip(listed[::2], listed[1::2], strict=True):
                before = int(parent.rpartition(b"\n")[2], 16)
                found.update((int(each, 16), before) for each in positions.split(b","))
        return self._branches[stream]

    def value(self, who: Who, key: str) -> Raw | None:
        if who not in self.meta.states:
            return None
        found: list[bytes] = self._read(STATE, "value", key, state=who)[0]
        return Raw(found[0]) if found else None

    def beside(self, who: Who, keys: Iterable[str]) -> int:
        """How many values a session's state has beside some."""
        if who not in self.meta.states:
            return 0
        return int(self._read(STATE, "beside", *keys, state=who)[0])

    def state(self, who: Who) -> dict[str, Raw]:
        if who not in self.meta.states:
            return {}
        pairs = self._read(STATE, "state", state=who)[0]
        return {key.decode(): Raw(value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)}


def copied(head: Head) -> Head:
    return msgspec.structs.replace(head)
