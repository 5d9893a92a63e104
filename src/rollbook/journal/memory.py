"""A journal in memory: the shortest shelf there is, which the others are held to. Journals in files are kept in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from msgspec import Raw

from rollbook.journal.shelf import Head, Line, Who


class Stream:
    """The entries of one stream, by position and by id."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.lines: dict[int, Line] = {}
        self.by_id: dict[str, list[int]] = {}
        self.branched: set[int] = set()  #: the positions of entries with a stored parent, of which there are few

    def copy(self) -> Stream:
        new = Stream()
        new.order, new.lines, new.branched = self.order[:], dict(self.lines), set(self.branched)
        new.by_id = {entry_id: positions[:] for entry_id, positions in self.by_id.items()}
        return new

    def put(self, line: Line) -> None:
        self.lines[line.position] = line
        if line.parent is None:
            self.branched.discard(line.position)
        else:
            self.branched.add(line.position)


class MemoryShelf:
    """One root's journal. What it answers is the caller's own to change."""

    user: Who = ""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.all_heads: dict[tuple[Who, str, str], Head] = {}
        self.states: dict[Who, dict[str, Raw]] = {}

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        found = self.all_heads.get((who, stream, name))
        return None if found is None else _copy(found)

    def heads(self, stream: str) -> list[Head]:
        return [_copy(head) for head in self.all_heads.values() if head.stream == stream]

    def heads_of(self, who: Who) -> list[Head]:
        return [_copy(head) for head in self.all_heads.values() if head.who == who]

    def find(self, stream: str, entry_id: str) -> list[Line]:
        kept = self.streams.get(stream)
        return [] if kept is None else [_line(kept.lines[at]) for at in kept.by_id.get(entry_id, ())]

    def line(self, stream: str, position: int) -> Line | None:
        kept = self.streams.get(stream)
        found = None if kept is None else kept.lines.get(position)
        return None if found is None else _line(found)

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        kept = self.streams.get(stream)
        if kept is None:
            return []
        end = bisect_left(kept.order, position)
        return [_line(kept.lines[at]) for at in reversed(kept.order[max(0, end - most) : end])]

    def branches(self, stream: str) -> list[tuple[int, int]]:
        kept = self.streams.get(stream)
        if kept is None:
            return []
        return [
            (at, parent) for at in sorted(kept.branched, reverse=True) if (parent := kept.lines[at].parent) is not None
        ]

    def state(self, who: Who) -> dict[str, Raw]:
        return dict(self.states.get(who, {}))

    def value(self, who: Who, key: str) -> Raw | None:
        return self.states.get(who, {}).get(key)

    def above(self, stream: str, position: int) -> Line | None:
        kept = self.streams[stream]
        at = bisect_right(kept.order, position)
        return _line(kept.lines[kept.order[at]]) if at < len(kept.order) else None

    def children(self, stream: str, position: int) -> list[Line]:
        kept = self.streams[stream]
        return [_line(kept.lines[at]) for at in sorted(kept.branched) if kept.lines[at].parent == position]

    def whole(self, stream: str) -> Iterable[tuple[int, int | None]]:
        kept = self.streams.get(stream)
        return [] if kept is None else [(at, kept.lines[at].parent) for at in kept.order]

    def put_head(self, head: Head) -> None:
        self.all_heads[head.who, head.stream, head.name] = _copy(head)

    def drop_head(self, head: Head) -> None:
        self.all_heads.pop((head.who, head.stream, head.name), None)

    def add(self, stream: str, line: Line) -> None:
        kept = self.streams.setdefault(stream, Stream())
        kept.order.append(line.position)  # positions only grow
        kept.put(_line(line))
        kept.by_id.setdefault(line.entry_id, []).append(line.position)

    def change(self, stream: str, line: Line) -> None:
        kept = self.streams[stream]
        kept.put(_line(line, kept.lines[line.position].text if line.text is None else line.text))

    def remove(self, stream: str, position: int) -> None:
        kept = self.streams[stream]
        line = kept.lines.pop(position)
        kept.branched.discard(position)
        del kept.order[bisect_left(kept.order, position)]
        kept.by_id[line.entry_id].remove(position)
        if not kept.by_id[line.entry_id]:
            del kept.by_id[line.entry_id]
        if not kept.order:
            del self.streams[stream]

    def set_state(self, who: Who, key: str, value: Raw | None) -> None:
        values = self.states.setdefault(who, {})
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
        if not values:
            del self.states[who]


def _copy(head: Head) -> Head:
    return Head(
        head.who, head.stream, head.name, head.tip, head.length, head.revision, head.top, head.failed, head.changed_at
    )


def _line(line: Line, text: str | None = None) -> Line:
    kept = line.text if text is None else text
    return Line(line.position, line.entry_id, line.who, line.parent, line.created_at, line.body, kept)
