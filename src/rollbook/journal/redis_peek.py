"""A reader's look at one session: what is near comes with the first answer; for more, the root is held still."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from rollbook.errors import Conflict
from rollbook.journal.redis_keys import Place, line
from rollbook.journal.redis_roots import Roots
from rollbook.journal.redis_server import Request
from rollbook.journal.redis_view import Moved, View
from rollbook.journal.shelf import Head, Line, Who

_LINES: Final = 256  #: of each stream that are fetched at first
_BYTES: Final = 128 * 1024  #: of each stream, and of the state, at first
_HOLD_MS: Final = 1000
_HOLDING_S: Final = 2.0  #: that is waited for a hold at the most

T = TypeVar("T")


class _Near(Struct):
    """The newest entries of a stream, in falling order."""

    all: bool
    lines: list[Line]

    def below(self, position: int, most: int) -> list[Line] | None:
        """Entries before a position; None where it cannot be told from these alone."""
        found = [each for each in self.lines if each.position < position][:most]
        return found if self.all or len(found) == most else None


class Peek:
    """A session as it was at one moment."""

    def __init__(
        self, roots: Roots, root: Place, view: View, near: dict[str, _Near], states: dict[Who, dict[str, Raw]]
    ) -> None:
        self._roots = roots
        self._root = root
        self._view = view
        self._near = near
        self._states = states
        self._whose = secrets.token_hex(8)
        self._held_at: float | None = None

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        return self._view.head(who, stream, name)

    def heads(self, stream: str) -> list[Head]:
        return self._view.heads(stream)

    def heads_of(self, who: Who) -> list[Head]:
        return self._view.heads_of(who)

    def find(self, stream: str, entry_id: str) -> list[Line]:
        near = self._near.get(stream)
        if near is not None and near.all:
            return _copies([each for each in reversed(near.lines) if each.entry_id == entry_id])
        return self._asked(lambda: self._view.find(stream, entry_id))

    def line(self, stream: str, position: int) -> Line | None:
        near = self._near.get(stream)
        found = [] if near is None else [each for each in near.lines if each.position == position]
        if found or (near is not None and near.all):
            return _copies(found)[0] if found else None
        return self._asked(lambda: self._view.line(stream, position))

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        near = self._near.get(stream)
        found = None if near is None else near.below(position, most)
        if found is not None:
            return _copies(found)
        return self._asked(lambda: self._view.below(stream, position, most))

    def state(self, who: Who) -> dict[str, Raw]:
        if who in self._states:
            return dict(self._states[who])
        return self._asked(lambda: self._view.state(who))

    def _asked(self, question: Callable[[], T]) -> T:
        """Ask Redis itself, which has the root held still meanwhile."""
        now = time.monotonic()
        if self._held_at is None or now - self._held_at > _HOLD_MS / 2000:
            self._hold(_HOLD_MS)
            self._held_at = now
        try:
            return question()
        except Moved:
            raise Conflict("the journal was changed while it was being read; read it again") from None

    def _hold(self, milliseconds: int) -> None:
        keys = self._roots.keys(self._root).fixed
        # Without it a reader is only more likely to be told to read again, so one that fails is none the worse.
        self._roots.server.send(
            [self._roots.request("hold", keys, [self._whose, milliseconds])], time.monotonic() + _HOLDING_S
        )

    def let_go(self) -> None:
        if self._held_at is not None:
            self._held_at = None
            self._hold(0)


@contextmanager
def looking(roots: Roots, place: Place, ask: Callable[..., Any], deadline: float) -> Iterator[tuple[Peek, Who]]:
    """A session to look at."""

    def question(root: Place) -> Request:
        keys = roots.keys(root)
        return roots.request("look", [*keys.fixed, keys.state(place.who)], [place.who, _LINES, _BYTES])

    root, meta, (state, near) = roots.look(place, deadline, question)
    states: dict[Who, dict[str, Raw]] = {}
    for each in state:
        states[place.who] = _raws(each)
    found = {
        stream.decode(): _Near(bool(every), [line(at, value, root.who) for at, value in _pairs(lines)])
        for stream, every, lines in zip(near[::3], near[1::3], near[2::3], strict=True)
    }
    peek = Peek(roots, root, View(roots.keys(root), root.who, meta, ask, writes=False), found, states)
    try:
        yield peek, place.who
    finally:
        peek.let_go()


def _pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _raws(flat: list[Any]) -> dict[str, Raw]:
    return {key.decode(): Raw(value) for key, value in _pairs(flat)}


def _copies(lines: list[Line]) -> list[Line]:
    return [msgspec.structs.replace(each) for each in lines]
