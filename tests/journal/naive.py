"""A journal as a plain thought: each head is a list of items, forks copy lists, an item is one object wherever it is.

It is written without a look at how the rules do it, and knows no positions and no pointers: whatever could be stood
behind has a list of its own, the way there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from rollbook.journal.steps import (
    Append,
    Appended,
    Drop,
    DropHead,
    Entry,
    Fork,
    MoveHead,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)  # fmt: skip


class Item:
    """An entry: one object, in however many lists."""

    def __init__(self, name: str, body: bytes, owner: str) -> None:
        self.name = name
        self.body = body
        self.owner: str | None = owner

    @property
    def shown(self) -> tuple[str, bytes]:
        return self.name, self.body


class Refused(Exception):
    """The step is not to be made; the names of the errors that may say so."""


class Line(list[Item]):
    """What a head shows, oldest first."""

    failed = 0


class Naive:
    """The journals of one user's sessions."""

    def __init__(self) -> None:
        self.heads: dict[tuple[str, str, str], Line] = {}  #: by session, stream and head
        self.ways: dict[str, dict[Item, list[Item]]] = {}  #: by stream: every item, and the way to it
        self.states: dict[str, dict[str, bytes]] = {}
        self.user_state: dict[str, bytes] = {}

    def lines(self, stream: str, session: str | None = None) -> list[Line]:
        return [line for key, line in self.heads.items() if key[1] == stream and session in (None, key[0])]

    def known(self, session: str, stream: str, name: str) -> Item | None:
        """The item that a session means by an id."""
        own = [item for item in self.ways.get(stream, {}) if item.owner == session]
        seen = [item for line in self.lines(stream, session) for item in line]
        found = {item for item in own + seen if item.name == name}
        assert len(found) <= 1, f"{name} is ambiguous"
        return found.pop() if found else None

    def forget(self, stream: str, item: Item) -> None:
        """An item is nowhere any more."""
        for way in (*self.ways[stream].values(), *self.lines(stream)):
            if item in way:
                way.remove(item)
        del self.ways[stream][item]

    def apply(self, step: Step | Drop) -> list[Any] | bool:
        session = step.session_id
        if isinstance(step, Drop):
            streams = {key[1] for key in self.heads if key[0] == session}
            for stream in streams:
                self.drop_head(session, DropHead(stream))
            return bool(self.states.pop(session, None)) or bool(streams)
        return [getattr(self, _NAMES[type(change)])(session, change) for change in step.changes]

    def append(self, session: str, change: Append) -> Appended:
        place, stream = (session, change.stream, change.head), change.stream
        duplicates: list[Item] = []
        fresh: dict[str, Item] = {}
        failed = 0
        behind = self._target(session, stream, change.after) if change.after is not UNSET else None
        for new in change.entries:
            item = self.known(session, stream, new.entry_id)
            if item is not None:
                duplicates.append(item)
            elif new.entry_id not in fresh:
                fresh[new.entry_id] = Item(new.entry_id, new.body, session)
                failed += new.failed
        line = self.heads.get(place, Line())
        if fresh:
            self.heads[place] = line
            line.failed += failed
            line[:] = line if behind is None else behind
            for item in fresh.values():
                line.append(item)
                self.ways.setdefault(stream, {})[item] = list(line)
        kept = tuple(Entry(item.name, 0, 0, item.body, 0) for item in duplicates)
        return Appended(len(fresh), kept, len(line), line.failed)

    def _target(self, session: str, stream: str, name: str | None) -> list[Item]:
        if name is None:
            return []
        item = self.known(session, stream, name)
        if item is None:
            raise Refused("NotFound")
        return list(self.ways[stream][item])

    def replace(self, session: str, change: Replace) -> tuple[str, bytes] | None:
        item = self.known(session, change.stream, change.entry_id)
        if item is None:
            return None
        item.body = change.body
        return item.shown

    def patch(self, session: str, change: Patch) -> tuple[str, bytes] | None:
        item = self.known(session, change.stream, change.entry_id)
        if item is None:
            return None
        old = json.loads(item.body)
        if not isinstance(old, dict):
            raise Refused("InvalidInput")
        old.update({name: json.loads(bytes(value)) for name, value in change.fields.items()})
        item.body = json.dumps(old, separators=(",", ":")).encode()
        return item.shown

    def remove(self, session: str, change: Remove) -> bool:
        item = self.known(session, change.stream, change.entry_id)
        if item is None:
            return False
        if item.owner not in (session, None):
            raise Refused("Conflict")
        self.forget(change.stream, item)
        return True

    def pop(self, session: str, change: Pop) -> list[tuple[str, bytes]]:
        line = self.heads.get((session, change.stream, change.head), Line())
        if change.count < 1:
            return []
        popped = line[-change.count :]
        del line[-change.count :]
        for item in popped:
            if any(item in other for other in self.lines(change.stream, session)):
                continue
            held = any(item in other for other in self.lines(change.stream))
            if not held and item.owner in (session, None):
                self.forget(change.stream, item)
            elif item.owner == session:
                item.owner = None
        return [item.shown for item in popped]

    def move_head(self, session: str, change: MoveHead) -> None:
        target = self._target(session, change.stream, change.to)
        self.heads.setdefault((session, change.stream, change.head), Line())[:] = target

    def drop_head(self, session: str, change: DropHead) -> bool:
        stream = change.stream
        gone = [key for key in self.heads if key[:2] == (session, stream) and change.head in (None, key[2])]
        for key in gone:
            del self.heads[key]
        if gone:
            self._sweep(session, stream)
        return bool(gone)

    def _sweep(self, session: str, stream: str) -> None:
        ways = self.ways.get(stream, {})
        of_others = [way for item, way in ways.items() if item.owner not in (session, None)]
        kept = {item for line in self.lines(stream) for item in line} | {item for way in of_others for item in way}
        still = {item for line in self.lines(stream, session) for item in line}
        for item in list(ways):
            if item not in kept:
                self.forget(stream, item)
            elif item.owner == session and item not in still:
                item.owner = None

    def fork(self, session: str, change: Fork) -> None:
        source = change.source
        heads = {key: line for key, line in self.heads.items() if key[0] == source}
        wrong = [
            name
            for name, is_so in {
                "NotFound": not self._forkable(change, heads),
                "InvalidInput": source == session or (change.at is not None and change.stream is None),
                "Conflict": session in self.states or session in {key[0] for key in self.heads},
            }.items()
            if is_so
        ]
        if wrong:
            raise Refused(*wrong)
        if change.at is not None and change.stream is not None:
            at = self._target(source, change.stream, change.at)
            self.heads[session, change.stream, change.head] = Line(at)
        else:
            for key, line in heads.items():
                if key[2] == change.head and change.stream in (None, key[1]):
                    self.heads[session, key[1], key[2]] = Line(line)
        if change.state and source in self.states:
            self.states.setdefault(session, {}).update(self.states[source])

    def _forkable(self, change: Fork, heads: Mapping[tuple[str, str, str], Line]) -> bool:
        if not heads:
            return change.source in self.states and (change.state, change.stream, change.head) == (True, None, "main")
        return any(name == change.head and change.stream in (None, stream) for _, stream, name in heads)

    def set_state(self, session: str, change: SetState) -> tuple[str, ...]:
        values = self.user_state if change.of_user else self.states.setdefault(session, {})
        gone = tuple(key for key, value in change.values.items() if value is None and key in values)
        for key, value in change.values.items():
            if value is None:
                values.pop(key, None)
            else:
                values[key] = bytes(value)
        if not self.states.get(session):
            self.states.pop(session, None)
        return gone

    def shown(self) -> Iterator[tuple[tuple[str, str, str], list[tuple[str, bytes]], int]]:
        for key, line in self.heads.items():
            yield key, [item.shown for item in line], line.failed


_NAMES = {
    Append: "append",
    Replace: "replace",
    Patch: "patch",
    Remove: "remove",
    Pop: "pop",
    MoveHead: "move_head",
    DropHead: "drop_head",
    Fork: "fork",
    SetState: "set_state",
}
