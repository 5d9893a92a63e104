"""Finding roots: where a session's journal is kept, what is known of it, and sessions that become forks.

A fork is kept under its source's root, and its own place holds a pointer there. Pointers are only ever changed by
comparing: whoever is about to write the first thing of a session under a root that is not its own claims the pointer
anew, and whoever removed the last thing removes the pointer only where nobody claimed it since. So nothing is ever
written under a root that its session does not lead to any more. A root goes by the session that it began with, and
outlives it: when that was dropped, its forks stay, and it may become a fork itself.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from rollbook.errors import Conflict, RollbookError, StoreError
from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Keys, Meta, Place, Register
from rollbook.journal.redis.server import Request, Server
from rollbook.journal.shelf import Line

_KNOWN: Final = 4096  #: roots and pointers that are remembered
_LOOKS: Final = 8  #: after which a session that is elsewhere each time is given up


class Learnt(NamedTuple):
    """What one question told of a root."""

    pointer: bytes  #: of the session that the root is named after, where that is kept elsewhere
    meta: Meta
    lines: dict[bytes, list[Line]]


class Roots:
    """What this process knows of roots, and how it learns more."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.options = server.options
        self.register = Register(server.options.prefix)
        self._lock = threading.Lock()
        self._metas: OrderedDict[Place, Meta] = OrderedDict()
        self._pointers: OrderedDict[Place, bytes] = OrderedDict()

    def keys(self, place: Place) -> Keys:
        return Keys(self.options.prefix, place)

    def request(
        self, script: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int] = (), *, durable: bool = False
    ) -> Request:
        return Request(keys[0], self.server.scripts.call(script, keys, arguments), durable)

    # What is remembered

    def remember(self, root: Place, meta: Meta) -> None:
        """Remember a root; not where there is nothing, since a session that has none may become a fork unseen."""
        with self._lock:
            if meta.version:
                _put(self._metas, root, meta)
            else:
                self._metas.pop(root, None)

    def known(self, root: Place) -> Meta | None:
        with self._lock:
            return self._metas.get(root)

    def forget(self, root: Place) -> None:
        with self._lock:
            self._metas.pop(root, None)

    def pointer(self, place: Place) -> bytes:
        with self._lock:
            return self._pointers.get(place, b"")

    def point(self, place: Place, pointer: bytes) -> None:
        """Remember where a place points, or that it points nowhere."""
        with self._lock:
            if pointer:
                _put(self._pointers, place, pointer)
            else:
                self._pointers.pop(place, None)

    def root_of(self, place: Place) -> Place:
        """Where a session is kept as far as is known."""
        pointer = self.pointer(place)
        return self.led_to(place, pointer) if pointer else place

    @staticmethod
    def led_to(place: Place, pointer: bytes) -> Place:
        """The root that a pointer leads a place to."""
        return Place(place.user_id, pointer.partition(b"\n")[2].decode())

    # Learning

    def load(self, place: Place, fields: Sequence[bytes] = ()) -> Request:
        """A request for what a place holds, and for the entries with some ids."""
        return self.request("load", self.keys(place).fixed, fields)

    def learnt(self, root: Place, answer: Any, fields: Sequence[bytes]) -> Learnt:
        """Remember what was answered about a root, and about where the session of its name is kept."""
        if isinstance(answer, RollbookError):
            raise answer
        pointer, pairs, found = answer[:3]
        self.point(root, pointer)
        meta = names.meta(pairs)
        self.remember(root, meta)
        lines = {
            field: [names.line(at, value, root.who) for at, value in zip(each[::2], each[1::2], strict=True)]
            for field, each in zip(fields, found, strict=bool(fields))
        }
        return Learnt(pointer, meta, lines)

    def fresh(self, place: Place, deadline: float) -> tuple[Place, Meta]:
        """The root of a session, as it is now."""
        root, meta, _ = self.look(place, deadline, self.load)
        return root, meta

    def look(self, place: Place, deadline: float, asking: Callable[[Place], Request]) -> tuple[Place, Meta, list[Any]]:
        """The root of a session as it is now, and what else was answered to a question that tells it."""
        looked = False  # at the session's own place
        for _ in range(_LOOKS):
            root = self.root_of(place)
            request = asking(root)
            self.server.send([request], deadline)
            learnt = self.learnt(root, request.answer, ())
            if root == place:
                looked = True
                if not learnt.pointer:
                    return root, learnt.meta, request.answer[2:]
            elif looked or learnt.meta.knows(place.who):
                return root, learnt.meta, request.answer[2:]
            else:
                self.point(place, b"")  # it may have been dropped and begun anew
        raise StoreError(f"the journal of {place.session_id!r} is being dropped and forked without a pause: try again")

    # Forks

    def claim(self, place: Place, root: Place, deadline: float) -> bytes | None:
        """Let a place point to a root; the pointer, or None where it had to be looked up first.

        Raises Conflict where the place has a journal of its own.
        """
        before = self.pointer(place)
        pointer = secrets.token_hex(8).encode() + b"\n" + root.who.encode()
        keys = self.keys(place).fixed[:2]
        entry = self.enter(place, fork=True)
        self.server.send([entry], deadline)
        ttl = 0 if self.options.ttl is None else self.options.ttl * 2000
        own = names.own_fields(place.who)
        request = self.request("claim", keys, [before, pointer, ttl, *own], durable=True)
        if not isinstance(entry.answer, RollbookError):
            self.server.send([request], deadline)
        for each in (entry.answer, request.answer):
            if isinstance(each, RollbookError):
                raise each
        if request.answer[0] == 2:  # noqa: PLR2004 - the script's word
            raise Conflict("the session has a journal already, so it cannot become a fork")
        self.point(place, pointer if request.answer[0] else request.answer[1])
        return pointer if request.answer[0] else None

    def release(self, place: Place, pointer: bytes) -> Request:
        """A request to remove a pointer that nobody claimed since."""
        return self.request("release", self.keys(place).fixed[:2], [pointer], durable=True)

    def enter(self, place: Place, *, fork: bool) -> Request:
        """A request to name a place in the register."""
        member = self.register.member(place, fork=fork)
        return self.request("enter", [self.register.shard(place.user_id)], [member], durable=True)


def _put(known: OrderedDict[Place, Any], place: Place, value: Any) -> None:
    known[place] = value
    known.move_to_end(place)
    while len(known) > _KNOWN:
        known.popitem(last=False)
