"""The shelf of one log: a journal in memory that writes down what is done to it, and is made again from that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

from msgspec import Raw

from rollbook.journal.files import written
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Head, Line, Who

_ENTRY: Final = 117  #: bytes of an entry's line beside its contents and names
_HEAD: Final = 230
_VALUE: Final = 70
_OBJECTS: Final = 350  #: bytes of memory that an entry, head or value takes beside its contents, as measured


class LogShelf(MemoryShelf):
    """One root's journal, of which some may be looking at the state that it has now."""

    def __init__(self) -> None:
        super().__init__()
        self.lookers: set[object] = set()  #: who looks at it; while there are any, changes are made to a copy
        self.ops: list[written.Op] | None = None  #: what is done to it is written down here
        self.weight = 0  #: bytes that a log holding just this would have, about
        self.things = 0  #: entries, heads and values

    @property
    def memory(self) -> int:
        """Bytes of memory, about."""
        return self.weight + self.things * _OBJECTS

    def empty(self) -> bool:
        return not (self.all_heads or self.streams or self.states)

    def holds(self, who: Who) -> bool:
        """Whether anything of a session is here."""
        return bool(self.heads_of(who) or self.states.get(who))

    def copy(self) -> Self:
        """The same journal, of which a change leaves this one alone."""
        new = type(self)()
        for name, stream in self.streams.items():
            new.streams[name] = stream.copy()
        new.all_heads = dict(self.all_heads)
        new.states = {who: dict(values) for who, values in self.states.items()}
        new.weight, new.things = self.weight, self.things
        return new

    # What a step does, written down

    def add(self, stream: str, line: Line) -> None:
        if self.ops is not None:
            self.ops.append(written.add(stream, line))
        line.text = None  # nothing searches here, so texts would only stand twice
        super().add(stream, line)
        self._weigh(1, _entry(stream, line))

    def change(self, stream: str, line: Line) -> None:
        old = self.streams[stream].lines[line.position]
        if self.ops is not None:
            self.ops.append(_change(stream, old, line))
        line.text = None
        super().change(stream, line)
        self._weigh(0, _entry(stream, line) - _entry(stream, old))

    def remove(self, stream: str, position: int) -> None:
        if self.ops is not None:
            self.ops.append(written.Remove(stream, position))
        old = self.streams[stream].lines[position]
        super().remove(stream, position)
        self._weigh(-1, -_entry(stream, old))

    def put_head(self, head: Head) -> None:
        if self.ops is not None:
            self.ops.append(written.put_head(head))
        if (head.who, head.stream, head.name) not in self.all_heads:
            self._weigh(1, _head(head))
        super().put_head(head)

    def drop_head(self, head: Head) -> None:
        if self.ops is not None:
            self.ops.append(written.DropHead(str(head.who), head.stream, head.name))
        if (head.who, head.stream, head.name) in self.all_heads:
            self._weigh(-1, -_head(head))
        super().drop_head(head)

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        old = self.states.get(who, {}).get(key)
        if value is None and old is None:
            return
        if self.ops is not None:
            self.ops.append(written.set_state(str(who), key, value))
        if old is not None:
            self._weigh(-1, -_value(who, key, old))
        if value is not None:
            self._weigh(1, _value(who, key, value))
        super().set_state(who, key, value)

    def _weigh(self, things: int, size: int) -> None:
        self.things += things
        self.weight += size

    # From lines and to lines

    def take(self, op: written.Op) -> None:
        """Do what a line says. Raises LookupError or ValueError for what cannot follow from what stood before it."""
        match op:
            case written.Add():
                self._take_add(op)
            case written.Change():
                self._take_change(op)
            case written.Remove():
                self.remove(op.stream, op.position)
            case written.PutHead():
                self.put_head(Head(op.by, op.stream, op.head, op.tip, op.length, op.revision, op.top, op.failed, op.at))
            case written.DropHead():
                self.drop_head(self.all_heads[op.by, op.stream, op.head])
            case written.SetState():
                value = written.given(op)
                self.set_state(op.by, op.key, None if value is None else Raw(value))

    def _take_add(self, op: written.Add) -> None:
        stream = self.streams.get(op.stream)
        if stream is not None and stream.order[-1] >= op.position:
            raise ValueError(f"position {op.position} of {op.stream} is given twice")
        _must_be_before(op)
        self.add(op.stream, Line(op.position, op.id, op.by, op.parent, op.at, _body(op)))

    def _take_change(self, op: written.Change) -> None:
        line = self.line(op.stream, op.position)
        if line is None:
            raise LookupError(op.position)
        _must_be_before(op)
        line.who, line.parent = op.by, op.parent
        line.body = written.given(op) or line.body
        self.change(op.stream, line)

    def whole_log(self) -> Iterator[written.Op]:
        """What makes this journal of an empty one: one item for each thing in it."""
        for name, stream in self.streams.items():
            for position in stream.order:
                yield written.add(name, stream.lines[position])
        for head in self.all_heads.values():
            yield written.put_head(head)
        for who, values in self.states.items():
            for key, value in values.items():
                yield written.set_state(str(who), key, value)


def _entry(stream: str, line: Line) -> int:
    return _ENTRY + len(stream) + len(line.entry_id) + len(str(line.who)) + len(line.body)


def _head(head: Head) -> int:
    return _HEAD + len(head.stream) + len(head.name) + len(str(head.who))


def _value(who: Who, key: str, value: Raw) -> int:
    return _VALUE + len(str(who)) + len(key) + len(bytes(value))


def _must_be_before(op: written.Add | written.Change) -> None:
    if op.parent is not None and not 0 <= op.parent < op.position:
        raise ValueError(f"position {op.position} of {op.stream} stands behind {op.parent}, which is not before it")


def _body(op: written.Add) -> bytes:
    body = written.given(op)
    if body is None:
        raise ValueError("an entry without a body")
    return body


def _change(stream: str, old: Line, new: Line) -> written.Change:
    if new.body == old.body:
        return written.Change(stream=stream, position=new.position, by=str(new.who), parent=new.parent)
    body, json = written.kept(new.body)
    return written.Change(
        stream=stream, position=new.position, by=str(new.who), parent=new.parent, body=body, json=json
    )
