"""A root of Redis under change: what steps come to is noted over what is stored, and made by one script."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Keys, Meta
from rollbook.journal.redis.view import View, copied
from rollbook.journal.shelf import Head, Line, Who


class _Stream:
    """What becomes of the entries of one stream."""

    def __init__(self) -> None:
        self.added: dict[int, Line] = {}
        self.changed: dict[int, Line] = {}  #: of those that are stored
        self.removed: set[int] = set()  #: of those that are stored
        self.by_id: dict[str, list[int]] = {}  #: of those that are added

    def now(self, lines: Iterable[Line]) -> list[Line]:
        """What is left of stored lines, as they are by now."""
        return [self.changed.get(line.position, line) for line in lines if line.position not in self.removed]


class RedisShelf:
    """A shelf over a view. Nothing is stored until :meth:`orders` are carried out."""

    user: Who = names.NOBODY

    def __init__(self, view: View, root: Who) -> None:
        self._view = view
        self._root = root
        self._streams: dict[str, _Stream] = {}
        self._heads = dict(view.meta.heads)
        self._put: dict[tuple[Who, str, str], Head | None] = {}
        self._states: dict[Who, dict[str, Raw | None]] = {}
        self._values: dict[Who, dict[str, Raw]] = {}  #: states that were read
        self.size = 0  #: bytes of bodies that were added

    def _stream(self, name: str) -> _Stream:
        return self._streams.setdefault(name, _Stream())

    # Looking

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        found = self._heads.get((who, stream, name))
        return None if found is None else copied(found)

    def heads(self, stream: str) -> list[Head]:
        return [copied(head) for head in self._heads.values() if head.stream == stream]

    def heads_of(self, who: Who) -> list[Head]:
        return [copied(head) for head in self._heads.values() if head.who == who]

    def find(self, stream: str, entry_id: str) -> list[Line]:
        over = self._stream(stream)
        stored = over.now(self._view.find(stream, entry_id))
        return _copies([*stored, *(over.added[at] for at in over.by_id.get(entry_id, ()))])

    def line(self, stream: str, position: int) -> Line | None:
        over = self._stream(stream)
        found = over.added.get(position) or over.changed.get(position)
        if found is None and position not in over.removed:
            found = self._view.line(stream, position)
        return None if found is None else msgspec.structs.replace(found)

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        over = self._stream(stream)
        stored = over.now(self._view.below(stream, position, most + len(over.removed)))
        added = [line for at, line in over.added.items() if at < position]
        return _copies(sorted([*stored, *added], key=_position, reverse=True)[:most])

    def above(self, stream: str, position: int) -> Line | None:
        over = self._stream(stream)
        stored = over.now(self._view.above(stream, position, 1 + len(over.removed)))
        added = [line for at, line in over.added.items() if at > position]
        found = min([*stored, *added], key=_position, default=None)
        return None if found is None else msgspec.structs.replace(found)

    def children(self, stream: str, position: int) -> list[Line]:
        over = self._stream(stream)
        found = {}
        for at in [*self._view.children(stream, position), *over.added, *over.changed]:
            line = self.line(stream, at)
            if line is not None and line.parent == position:
                found[at] = line
        return list(found.values())

    def whole(self, stream: str) -> list[tuple[int, int | None]]:
        over = self._stream(stream)
        parents = {at: parent for at, parent in self._view.whole(stream).items() if at not in over.removed}
        for line in [*over.changed.values(), *over.added.values()]:
            parents[line.position] = line.parent
        return sorted(parents.items())

    def branches(self, stream: str) -> list[tuple[int, int]]:
        over = self._stream(stream)
        parents: dict[int, int | None] = {
            at: parent for at, parent in self._view.branches(stream).items() if at not in over.removed
        }
        parents.update((line.position, line.parent) for line in [*over.changed.values(), *over.added.values()])
        return sorted(((at, parent) for at, parent in parents.items() if parent is not None), reverse=True)

    def state(self, who: Who) -> dict[str, Raw]:
        if who not in self._values:
            self._values[who] = self._view.state(who)
        now = {**self._values[who], **self._states.get(who, {})}
        return {key: value for key, value in now.items() if value is not None}

    def value(self, who: Who, key: str) -> Raw | None:
        changed = self._states.get(who, {})
        if key in changed:
            return changed[key]
        return self._values[who].get(key) if who in self._values else self._view.value(who, key)

    # Changing

    def put_head(self, head: Head) -> None:
        key = (head.who, head.stream, head.name)
        self._heads[key] = self._put[key] = copied(head)

    def drop_head(self, head: Head) -> None:
        key = (head.who, head.stream, head.name)
        self._heads.pop(key, None)
        self._put[key] = None

    def add(self, stream: str, line: Line) -> None:
        over = self._stream(stream)
        over.added[line.position] = msgspec.structs.replace(line)
        over.by_id.setdefault(line.entry_id, []).append(line.position)
        self.size += len(line.body)

    def change(self, stream: str, line: Line) -> None:
        over = self._stream(stream)
        (over.added if line.position in over.added else over.changed)[line.position] = msgspec.structs.replace(line)

    def remove(self, stream: str, position: int) -> None:
        over = self._stream(stream)
        line = over.added.pop(position, None)
        if line is None:
            over.changed.pop(position, None)
            over.removed.add(position)
        else:
            over.by_id[line.entry_id].remove(position)

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        self._states.setdefault(who, {})[key] = value

    # What it comes to

    @property
    def changed(self) -> bool:
        """Whether there is anything to store."""
        return bool(self._put or self._states or any(s.added or s.changed or s.removed for s in self._streams.values()))

    @property
    def touched(self) -> str:
        """What a reader of an older version may stumble over: ``e`` entries, ``s`` state."""
        entries = any(over.changed or over.removed for over in self._streams.values())
        return "e" * entries + "s" * bool(self._states)

    @property
    def adds(self) -> bool:
        """Whether it takes more room than before."""
        return any(over.added or over.changed for over in self._streams.values()) or any(
            value is not None for values in self._states.values() for value in values.values()
        )

    def meta(self, at: int) -> Meta:
        """The root's meta when it is done."""
        states = dict(self._view.meta.states)
        for who in self._states:
            states.pop(who, None)
            if self._has_values(who):
                states[who] = at
        return Meta(heads=self._heads, states=states)

    def _has_values(self, who: Who) -> bool:
        changed = self._states[who]
        if any(value is not None for value in changed.values()):
            return True
        if who in self._values:
            return bool(self._values[who].keys() - changed.keys())
        return self._view.beside(who, changed) > 0

    def orders(self, meta: Meta, keys: Keys) -> tuple[list[bytes], list[bytes | str | int]]:
        """The keys of states and the changes, as the script ``commit`` takes them."""
        whos: list[Who] = sorted({*self._states, *self._view.meta.states}, key=str)
        states = {who: place for place, who in enumerate(whos, start=len(keys.fixed) + 1)}
        state_keys = [keys.state(who) for who in whos]
        if not meta.heads and not meta.states:
            return state_keys, ["x"]
        words: list[bytes | str | int] = []
        for name, over in self._streams.items():
            self._entries(name, over, words)
        for key, head in self._put.items():
            field = names.head_field(head or Head(*key, 0, 0, 0, 0, 0, 0))
            words += ["H", field] if head is None else ["h", field, names.head_value(head)]
        for who, values in self._states.items():
            for name, value in values.items():
                place = states[who]
                words += ["S", place, name] if value is None else ["s", place, name, bytes(value)]
            field = names.state_field(who)
            words += ["h", field, meta.states[who]] if who in meta.states else ["H", field]
        return state_keys, words

    def _entries(self, name: str, over: _Stream, words: list[bytes | str | int]) -> None:
        for position in over.removed:
            words += ["r", names.member(name, position)]
        for what, lines in (("c", over.changed), ("a", over.added)):
            for position, line in lines.items():
                words += [what, names.member(name, position), names.written(line, self._root)]


def _position(line: Line) -> int:
    return line.position


def _copies(lines: Iterable[Line]) -> list[Line]:
    return [msgspec.structs.replace(line) for line in lines]
