"""A reader's look at one session: what is near comes with the first answer; for more, the root is held still."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from msgspec import Raw, Struct

from rollbook.errors import Conflict, RollbookError
from rollbook.journal.redis.keys import Place, at, line
from rollbook.journal.redis.roots import Roots
from rollbook.journal.redis.server import Request
from rollbook.journal.redis.view import Moved, View
from rollbook.journal.shelf import Head, Line, Who

_LINES: Final = 64  #: of each stream that are fetched at first
_BYTES: Final = 64 * 1024  #: of each stream, and of the state, at first
_HOLD_MS: Final = 1000
_HOLDING_S: Final = 2.0  #: that is waited for a hold at the most
_HELD, _CHANGED = 1, 2  #: answers of lua/hold.lua

T = TypeVar("T")


class _Near(Struct):
    """The newest entries of a stream, in falling order."""

    all: bool
    kept: list[tuple[bytes, bytes]]  #: member and line
    root: Who

    def lines(self) -> list[Line]:
        return [line(place, value, self.root) for place, value in self.kept]

    def below(self, position: int, most: int) -> list[Line] | None:
        """Entries before a position; None where it cannot be told from these alone."""
        bound = at(position)
        found = [each for each in self.kept if each[0].rpartition(b"\n")[2] < bound][: max(0, most)]
        if not self.all and len(found) < most:
            return None
        return [line(place, value, self.root) for place, value in found]


class _Look(Struct):
    """What one question told of a session."""

    root: Place
    view: View
    near: dict[str, _Near]
    states: dict[Who, dict[str, Raw]]

    def agrees(self, other: _Look, *, contents: bool) -> bool:
        """Whether somebody who has seen this may go on with the other; revisions alone may have grown."""
        return self._ends() == other._ends() and (not contents or self._contents() == other._contents())

    def _ends(self) -> dict[tuple[Who, str, str], tuple[int, int]]:
        return {key: (head.tip, head.length) for key, head in self.view.meta.heads.items()}

    def _contents(self) -> tuple[dict[str, _Near], dict[Who, dict[str, bytes]]]:
        states = {who: {key: bytes(value) for key, value in state.items()} for who, state in self.states.items()}
        return self.near, states


class Peek:
    """A session as it was at one moment."""

    def __init__(self, roots: Roots, place: Place, ask: Callable[..., Any], deadline: float) -> None:
        self._roots = roots
        self._place = place
        self._ask = ask
        self._deadline = deadline
        self._whose = secrets.token_hex(8)
        self._held_at: float | None = None
        self._seen = False  #: whether entries or state were handed out
        self._look = self._looked()

    def _looked(self) -> _Look:
        def question(root: Place) -> Request:
            keys = self._roots.keys(root)
            return self._roots.request(
                "look", [*keys.fixed, keys.state(who)], [who, _LINES, _BYTES, int(root == self._place)]
            )

        who = self._place.who
        root, meta, (state, near) = self._roots.look(self._place, self._deadline, question)
        found = {
            stream.decode(): _Near(bool(every), list(_pairs(lines)), root.who)
            for stream, every, lines in zip(near[::3], near[1::3], near[2::3], strict=True)
        }
        view = View(self._roots.keys(root), root.who, meta, self._ask, writes=False)
        return _Look(root, view, found, {who: _raws(state[0])} if state else {})

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        return self._look.view.head(who, stream, name)

    def heads(self, stream: str) -> list[Head]:
        return self._look.view.heads(stream)

    def heads_of(self, who: Who) -> list[Head]:
        return self._look.view.heads_of(who)

    def find(self, stream: str, entry_id: str) -> list[Line]:
        near = self._near(stream)
        if near.all:
            return [each for each in reversed(near.lines()) if each.entry_id == entry_id]
        return self._asked(lambda: self._look.view.find(stream, entry_id))

    def line(self, stream: str, position: int) -> Line | None:
        near = self._near(stream)
        found = [each for each in near.lines() if each.position == position]
        if found or near.all:
            return found[0] if found else None
        return self._asked(lambda: self._look.view.line(stream, position))

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        found = self._near(stream).below(position, most)
        if found is not None:
            self._seen |= bool(found)
            return found
        return self._asked(lambda: self._look.view.below(stream, position, most))

    def branches(self, stream: str) -> list[tuple[int, int]]:
        near = self._near(stream)
        if near.all:
            self._seen = True
            return [(each.position, each.parent) for each in near.lines() if each.parent is not None]
        return sorted(self._asked(lambda: self._look.view.branches(stream)).items(), reverse=True)

    def state(self, who: Who) -> dict[str, Raw]:
        if who in self._look.states:
            self._seen = True
            return dict(self._look.states[who])
        return self._asked(lambda: self._look.view.state(who))

    def value(self, who: Who, key: str) -> Raw | None:
        if who in self._look.states:
            self._seen = True
            return self._look.states[who].get(key)
        return self._asked(lambda: self._look.view.value(who, key))

    def _near(self, stream: str) -> _Near:
        nothing = not self._look.view.heads(stream)
        return self._look.near.get(stream) or _Near(nothing, [], self._look.root.who)

    def _asked(self, question: Callable[[], T]) -> T:
        """Ask Redis itself, which has the root held still meanwhile."""
        now = time.monotonic()
        if self._held_at is None or now - self._held_at > _HOLD_MS / 2000:
            self._hold()
        try:
            return question()
        except Moved:
            raise _changed() from None

    def _hold(self) -> None:
        """Let nobody remove or change anything for a moment; what was seen before must still be so."""
        until = time.monotonic() + _HOLDING_S
        answer = self._held(_HOLD_MS, until)
        while answer == 0 and time.monotonic() < until:
            time.sleep(0.005)
            answer = self._held(_HOLD_MS, until)
        self._held_at = time.monotonic()
        # One that failed leaves a reader only more likely to be told to read again.
        if answer == _HELD or isinstance(answer, RollbookError):
            return
        look = self._looked()
        if not self._look.agrees(look, contents=self._seen):
            raise _changed()
        self._look = look

    def _held(self, milliseconds: int, until: float) -> Any:
        keys, version = self._roots.keys(self._look.root).fixed, self._look.view.meta.version
        request = self._roots.request("hold", keys, [self._whose, milliseconds, version])
        self._roots.server.send([request], until)
        return request.answer

    def let_go(self) -> None:
        if self._held_at is not None:
            self._held_at = None
            self._held(0, time.monotonic() + _HOLDING_S)


def _changed() -> Conflict:
    return Conflict("the journal was changed while it was being read; read it again")


@contextmanager
def looking(roots: Roots, place: Place, ask: Callable[..., Any], deadline: float) -> Iterator[tuple[Peek, Who]]:
    """A session to look at."""
    peek = Peek(roots, place, ask, deadline)
    try:
        yield peek, place.who
    finally:
        peek.let_go()


def _pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _raws(flat: list[Any]) -> dict[str, Raw]:
    return {key.decode(): Raw(value) for key, value in _pairs(flat)}
