"""The rules of a journal, once for every backend: what a step does to it, and when it is refused.

A step is looked at as a whole before anything is changed (``refuse``), so that one that is refused has changed
nothing; then its changes are made (``apply``), which cannot fail but for the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec import UNSET

from rollbook.journal import bodies, lines
from rollbook.journal.refusals import refuse
from rollbook.journal.shelf import Head, Line, Shelf, Who
from rollbook.journal.steps import (
    Append,
    Appended,
    Done,
    Drop,
    DropHead,
    Entry,
    Fork,
    MoveHead,
    New,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)

__all__ = ["apply", "drop", "entry", "refuse", "spares"]


def entry(line: Line) -> Entry:
    """An entry as it is answered."""
    return Entry(line.entry_id, line.position, line.created_at, line.body, line.who)


def apply(shelf: Shelf, who: Who, step: Step, source: Who | None = None) -> Done:
    """Make the changes of a step that was not refused."""
    maker = _Maker(shelf, who, step.at, source)
    answers = tuple(_MAKE[type(change)](maker, change) for change in step.changes)
    return Done(answers, maker.revisions)


def drop(shelf: Shelf, who: Who, at: int) -> bool:
    """Let nothing of a session's journal stay but what its forks share; whether there was anything."""
    maker = _Maker(shelf, who, at, None)
    streams = {head.stream for head in shelf.heads_of(who)}
    for stream in sorted(streams):
        maker.drop_heads(DropHead(stream))
    keys = list(shelf.state(who))
    for key in keys:
        shelf.set_state(who, key, None)
    return bool(streams or keys)


def spares(shelf: Shelf, who: Who, drop: Drop, changed_at: int) -> bool:
    """Whether a journal was changed so late that a Drop leaves it; ``changed_at`` says when one without entries was."""
    if drop.since is None:
        return False
    return max((head.changed_at for head in shelf.heads_of(who)), default=changed_at) >= drop.since


class _Maker:
    """One step on its way."""

    def __init__(self, shelf: Shelf, who: Who, at: int, source: Who | None) -> None:
        self.shelf = shelf
        self.who = who
        self.at = at
        self.source = source
        self.revisions: dict[tuple[str, str], int] = {}

    def put(self, head: Head) -> None:
        """Keep a head that was changed, under another revision."""
        head.revision = max(head.revision + 1, self.at)
        head.changed_at = max(head.changed_at, self.at)
        if head.who == self.who:
            self.revisions[head.stream, head.name] = head.revision
        self.shelf.put_head(head)

    def name(self, head: Head) -> None:
        """Answer the revision of a head that the step names, changed or not."""
        self.revisions[head.stream, head.name] = head.revision

    def head(self, stream: str, name: str) -> Head:
        found = self.shelf.head(self.who, stream, name)
        return found or Head(self.who, stream, name, 0, 0, 0, self._top(stream), 0, 0)

    def _top(self, stream: str) -> int:
        return max((head.top for head in self.shelf.heads(stream)), default=0)

    def append(self, change: Append) -> Appended:
        stream, shelf = change.stream, self.shelf
        head = self.head(stream, change.head)
        fresh, duplicates = self._new(stream, change.entries)
        if not fresh:
            self.name(head)
            return Appended(0, duplicates, head.length, head.failed)
        if change.after is not UNSET:
            self._behind(head, change.after)
        top = self._top(stream)
        parent = None if head.tip == top or lines.last_of(shelf, stream, top) == head.tip else head.tip
        for new in fresh:
            top += 1
            shelf.add(stream, Line(top, new.entry_id, self.who, parent, new.created_at, new.body, new.text))
            parent = None
            head.failed += new.failed
        head.tip = head.top = top
        head.length += len(fresh)
        self.put(head)
        failures = sum(new.failed for new in fresh)
        return Appended(len(fresh), duplicates, head.length, head.failed, failures)

    def _new(self, stream: str, entries: Iterable[New]) -> tuple[list[New], tuple[Entry, ...]]:
        """The entries that the session does not have yet, and what stands under the ids of the others."""
        new: dict[str, New] = {}
        duplicates = []
        for each in entries:
            if each.entry_id in new:
                continue  # the same id twice in one step: the first one stands
            line = None if each.fresh else lines.seen(self.shelf, self.who, stream, each.entry_id)
            if line is None:
                new[each.entry_id] = each
            else:
                duplicates.append(entry(line))
        return list(new.values()), tuple(duplicates)

    def _behind(self, head: Head, after: str | None) -> None:
        """Let a head stand at an entry."""
        tip = 0
        if after is not None:
            line = lines.seen(self.shelf, self.who, head.stream, after)
            tip = 0 if line is None else line.position
        if tip != head.tip:
            head.tip, head.length = tip, lines.count(self.shelf, head.stream, tip)

    def replace(self, change: Replace) -> Entry | None:
        return self._changed(change.stream, change.entry_id, lambda _: (change.body, change.text))

    def patch(self, change: Patch) -> Entry | None:
        return self._changed(change.stream, change.entry_id, lambda old: bodies.patched(old, change))

    def _changed(self, stream: str, name: str, body: Callable[[bytes], tuple[bytes, str | None]]) -> Entry | None:
        line = lines.seen(self.shelf, self.who, stream, name)
        if line is None:
            return None
        line.body, line.text = body(line.body)
        self.shelf.change(stream, line)
        for head in self._through(stream, line.position):
            self.put(head)
        return entry(line)

    def _through(self, stream: str, position: int) -> list[Head]:
        """The heads whose lines hold an entry."""
        return [head for head in self.shelf.heads(stream) if lines.shows(self.shelf, head, position)]

    def remove(self, change: Remove) -> bool:
        line = lines.seen(self.shelf, self.who, change.stream, change.entry_id)
        if line is None:
            return False
        through = self._through(change.stream, line.position)
        before = lines.parent_of(self.shelf, change.stream, line)
        self._unlink(change.stream, line)
        for head in through:
            head.length -= 1
            if head.tip == line.position:
                head.tip = before
            self.put(head)
        return True

    def _unlink(self, stream: str, line: Line) -> None:
        """Take an entry out; what stood behind it stands behind what stood before it."""
        before = lines.parent_of(self.shelf, stream, line)
        follower = self.shelf.above(stream, line.position)
        if line.parent is not None and follower is not None and follower.parent is None:
            follower.parent, follower.text = line.parent, None
            self.shelf.change(stream, follower)
        for child in self.shelf.children(stream, line.position):
            child.parent, child.text = before, None
            self.shelf.change(stream, child)
        self.shelf.remove(stream, line.position)

    def pop(self, change: Pop) -> tuple[Entry, ...]:
        stream, head = change.stream, self.shelf.head(self.who, change.stream, change.head)
        if head is None or change.count < 1:
            return ()
        popped = lines.tail(self.shelf, stream, head.tip, change.count)
        if not popped:
            return ()
        others = [each for each in self.shelf.heads(stream) if (each.who, each.name) != (head.who, head.name)]
        head.tip = lines.parent_of(self.shelf, stream, popped[0])
        head.length -= len(popped)
        for line in reversed(popped):
            holders = [each.who for each in others if lines.shows(self.shelf, each, line.position)]
            if not holders and line.who in (self.who, self.shelf.user):
                self._unlink(stream, line)
            elif self.who not in holders:
                self._let_go(stream, line)
        self.put(head)
        return tuple(map(entry, popped))

    def move_head(self, change: MoveHead) -> None:
        head = self.head(change.stream, change.head)
        before = (head.revision, head.tip)
        self._behind(head, change.to)
        if not before[0] or head.tip != before[1]:
            self.put(head)
        self.name(head)

    def drop_heads(self, change: DropHead) -> bool:
        heads = self.shelf.heads(change.stream)
        gone = [head for head in heads if head.who == self.who and change.head in (None, head.name)]
        left = [head for head in heads if head not in gone]
        if not gone:
            return False
        for head in gone:
            self.shelf.drop_head(head)
            self.revisions[head.stream, head.name] = 0
        top = max(head.top for head in heads)
        if left and max(head.top for head in left) < top:
            left[0].top = top  # positions are not given twice
            self.shelf.put_head(left[0])
        self._sweep(change.stream, left)
        return True

    def _sweep(self, stream: str, heads: list[Head]) -> None:
        """Remove what no head leads to, but for what other sessions wrote; let go of what only others see."""
        parents: dict[int, int] = {}
        last = 0
        for position, parent in self.shelf.whole(stream):
            parents[position] = last if parent is None else parent
            last = position
        own = _reached(parents, (head.tip for head in heads if head.who == self.who))
        every = own | _reached(parents, (head.tip for head in heads if head.who != self.who))
        if heads:
            every |= _reached(parents, [at for at in parents if at not in every and self._of_others(stream, at)])
        for position in parents:
            if position not in every:
                self.shelf.remove(stream, position)
            elif position not in own and (line := self.shelf.line(stream, position)) is not None:
                self._let_go(stream, line)

    def _of_others(self, stream: str, position: int) -> bool:
        line = self.shelf.line(stream, position)
        return line is not None and line.who not in (self.who, self.shelf.user)

    def _let_go(self, stream: str, line: Line) -> None:
        """Let an entry that others still see be nobody's, so that this session may give its id again."""
        if line.who == self.who:
            line.who, line.text = self.shelf.user, None
            self.shelf.change(stream, line)

    def fork(self, change: Fork) -> None:
        assert self.source is not None  # noqa: S101 - refuse() saw to it
        for head in self.shelf.heads_of(self.source):
            if head.name != change.head or change.stream not in (None, head.stream):
                continue
            own = Head(self.who, head.stream, head.name, head.tip, head.length, 0, head.top, 0, 0)
            if change.at is not None:
                line = lines.seen(self.shelf, self.source, head.stream, change.at)
                own.tip = 0 if line is None else line.position
                own.length = lines.count(self.shelf, head.stream, own.tip)
            self.put(own)
        if change.state:
            for key, value in self.shelf.state(self.source).items():
                self.shelf.set_state(self.who, key, value)

    def set_state(self, change: SetState) -> tuple[str, ...]:
        who = self.shelf.user if change.of_user else self.who
        removed = [key for key, value in change.values.items() if value is None]
        there = tuple(key for key in removed if self.shelf.value(who, key) is not None)
        for key, value in change.values.items():
            self.shelf.set_state(who, key, value)
        return there


def _reached(parents: dict[int, int], tips: Iterable[int]) -> set[int]:
    """The positions that lines with these tips hold."""
    reached: set[int] = set()
    for tip in tips:
        at = tip
        while at and at not in reached:
            reached.add(at)
            at = parents.get(at, 0)  # a damaged stream can be removed too
    return reached


_MAKE: Final[dict[type, Callable[[_Maker, Any], object]]] = {
    Append: _Maker.append,
    Replace: _Maker.replace,
    Patch: _Maker.patch,
    Remove: _Maker.remove,
    Pop: _Maker.pop,
    MoveHead: _Maker.move_head,
    DropHead: _Maker.drop_heads,
    Fork: _Maker.fork,
    SetState: _Maker.set_state,
}
