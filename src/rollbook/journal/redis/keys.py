"""What stands under which key of Redis, and how: names that cannot collide, lines and heads as bytes."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct

from rollbook.journal.backend import DamageError
from rollbook.journal.shelf import Head, Line, Who

SHARDS: Final = 64  #: sets that name the roots
NOBODY: Final = ""  #: whose entries are that their session let go of; also by what the state of a user stands
_LONGEST: Final = 200  #: a name that is longer when encoded goes by its hash
_FIXED: Final = ("meta", "root", "done", "turn", "hold", "entries", "ids", "order", "branches")
_DIGITS: Final = 12  #: of a position in base 16: 2**48 entries

_ROOT: Final = b"r/"
_FORK: Final = b"f/"


def damaged(error: object) -> DamageError:
    return DamageError(f"what Redis holds of a journal is damaged ({error}): restore it, or delete the session")


class Place(NamedTuple):
    """A session, or a user's own place for state, where the session is None."""

    user_id: str
    session_id: str | None

    @property
    def who(self) -> str:
        return NOBODY if self.session_id is None else self.session_id


def plain(name: str) -> str:
    """A name in letters, digits and ``_.-~%``; a long one by its hash behind a ``=``, which no other holds."""
    text = quote(name, safe="")
    return text if len(text) <= _LONGEST else f"={hashlib.sha256(name.encode()).hexdigest()}"


def tag(place: Place) -> str:
    """What decides the slot of a place's keys: equal for no two places."""
    user = plain(place.user_id)
    return user if place.session_id is None else f"{user}:{plain(place.session_id)}"


class Keys:
    """The keys of one place, in the order in which every script takes them."""

    def __init__(self, prefix: str, place: Place) -> None:
        self.tag = tag(place)
        self._start = f"{prefix}{{{self.tag}}}:"
        self.fixed = tuple(f"{self._start}{name}".encode() for name in _FIXED)

    @property
    def root(self) -> bytes:
        """Where a fork's pointer to its root stands."""
        return self.fixed[1]

    def state(self, who: Who) -> bytes:
        """Where a session's state stands."""
        return f"{self._start}state:{plain(str(who))}".encode()


class Register:
    """The sets that name every root and every fork, so that nobody has to look through foreign keys."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    @property
    def owner(self) -> bytes:
        """Where it stands which book all of this is of."""
        return f"{self._prefix}book".encode()

    def shard(self, user_id: str) -> bytes:
        """A user's own set, which others share."""
        return self.key(zlib.crc32(plain(user_id).encode()) % SHARDS)

    def key(self, number: int) -> bytes:
        return f"{self._prefix}roots:{{{number}}}".encode()

    @staticmethod
    def member(place: Place, *, fork: bool) -> bytes:
        return (_FORK if fork else _ROOT) + msgspec.json.encode([place.user_id, place.session_id])

    @staticmethod
    def read(member: bytes) -> tuple[Place, bool]:
        """The place that a member names, and whether it is a fork."""
        user_id, session_id = msgspec.json.decode(member[2:], type=tuple[str, str | None])
        return Place(user_id, session_id), member.startswith(_FORK)

    @staticmethod
    def pattern(user_id: str) -> bytes:
        """What the members of one user match, and perhaps others."""
        start = msgspec.json.encode([user_id])[:-1]
        return (
            b"?/" + b"".join(b"\\" + bytes([each]) if each in b"*?[]^\\" else bytes([each]) for each in start) + b",*"
        )


# Lines. No stream, id or session holds a line feed, so line feeds part them; a body comes last and may hold any.


def at(position: int) -> bytes:
    """A position as text that sorts as numbers do."""
    return b"%0*x" % (_DIGITS, position)


def member(stream: str, position: int) -> bytes:
    return stream.encode() + b"\n" + at(position)


def id_field(stream: str, entry_id: str) -> bytes:
    return f"{stream}\n{entry_id}".encode()


def written(line: Line, root: Who) -> bytes:
    """A line as it is kept: id, writer, parent, time and body."""
    who = "" if line.who == root else f"={line.who}"
    parent = b"" if line.parent is None else at(line.parent)
    return b"%b\n%b\n%b\n%d\n%b" % (line.entry_id.encode(), who.encode(), parent, line.created_at, line.body)


def line(place: bytes, value: bytes | None, root: Who) -> Line:
    """The line that was kept under a member. Raises StoreError where it is gone, or is none."""
    if value is None:
        raise DamageError(
            "a part of the journal is missing in Redis: keys were evicted or removed by hand; set maxmemory-policy to "
            "noeviction, and restore the journal or delete the session"
        )
    try:
        entry_id, who, parent, created_at, body = value.split(b"\n", 4)
        found = Line(
            position=int(place.rpartition(b"\n")[2], 16),
            entry_id=entry_id.decode(),
            who=who[1:].decode() if who else root,
            parent=int(parent, 16) if parent else None,
            created_at=int(created_at),
            body=body,
        )
    except ValueError as error:
        raise damaged(error) from None
    if found.parent is not None and found.parent >= found.position:  # following it would never end
        raise damaged(f"position {found.position} stands behind {found.parent}, which is not before it")
    return found


# Heads and states stand in the root's meta, beside its version.


class Meta(Struct):
    """What is known of a root: its version and what of it is small."""

    version: bytes = b""  #: empty: there is nothing
    heads: dict[tuple[Who, str, str], Head] = {}
    states: dict[Who, int] = {}  #: sessions with state, and when it changed last; microseconds UTC
    expires: bool = False

    def knows(self, who: Who) -> bool:
        """Whether anything of a session is there."""
        return who in self.states or any(key[0] == who for key in self.heads)

    def whos(self) -> set[Who]:
        return {*self.states, *(key[0] for key in self.heads)}


def head_field(head: Head) -> bytes:
    return b"h" + msgspec.json.encode((head.who, head.stream, head.name))


def head_value(head: Head) -> bytes:
    return msgspec.json.encode((head.tip, head.length, head.revision, head.top, head.failed, head.changed_at))


def own_fields(who: Who) -> tuple[bytes, bytes]:
    """With what the fields of a session's heads begin, and the field of its state."""
    return b"h" + msgspec.json.encode([who])[:-1] + b",", state_field(who)


def state_field(who: Who) -> bytes:
    return b"s" + str(who).encode()


_names: Final = msgspec.json.Decoder(tuple[str, str, str])
_numbers: Final = msgspec.json.Decoder(tuple[int, int, int, int, int, int])


def meta(pairs: list[bytes]) -> Meta:
    """A root's meta from what HGETALL answered. Raises StoreError where it is none."""
    try:
        return _meta(pairs)
    except ValueError as error:  # what msgspec raises is one
        raise damaged(error) from None


def _meta(pairs: list[bytes]) -> Meta:
    found = Meta(heads={}, states={})
    for field, value in zip(pairs[::2], pairs[1::2], strict=True):
        if field == b"v":
            found.version = value
        elif field == b"x":
            found.expires = True
        elif field.startswith(b"h"):
            names = _names.decode(field[1:])
            found.heads[names] = Head(*names, *_numbers.decode(value))
        elif field.startswith(b"s"):
            found.states[field[1:].decode()] = int(value)
    return found
