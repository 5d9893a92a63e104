"""OpenCode's messages: from bytes to typed rows, with only the fields that matter decoded.

Version 1 (a table or files of messages) and version 2 (a table with a type beside each message) say the same things in
slightly different places; from here on they are one :class:`Message`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from rollbook.errors import InvalidInput
from rollbook.importers.base import Context
from rollbook.importers.lines import Count, Decoder, Dollars
from rollbook.rules import checks

ROW_BYTES: Final = 32 << 20  #: a larger message is passed over and counted
_MILLIS: Final = 1000  #: microseconds
HEAD: Final = 512  #: bytes of a part that are looked at for what tells it from others
PARTS_MOST: Final = 16  #: parts of a message that are
PART_BYTES: Final = 65_536  #: larger ones are not
_SAID: Final = 200  #: characters of a text
#: What a tool's call is named by, or how a text begins, in the first bytes of a part.
_NAMED: Final = re.compile(rb'"callID"\s*:\s*"([^"\\]{1,200})"')
_TEXT: Final = re.compile(rb'"text"\s*:\s*"((?:[^"\\]|\\.){1,200})', re.DOTALL)

Millis = Annotated[int, Meta(ge=0, le=checks.LAST_TIME // _MILLIS)] | Annotated[float, Meta(ge=0, le=1e14)]


class Cache(Struct, gc=False):
    """Tokens of the prompt cache."""

    read: Count | None = None
    write: Count | None = None


class Used(Struct, gc=False):
    """Tokens as a message or a step states them; ``total`` is the provider's own sum."""

    total: Count | None = None
    input: Count | None = None
    output: Count | None = None
    reasoning: Count | None = None
    cache: Cache | None = None


class Times(Struct, gc=False):
    """When a message was begun and done, in milliseconds."""

    created: Millis | None = None
    completed: Millis | None = None


class Model(Struct, gc=False):
    """A model as version 2 names it."""

    id: str | None = None
    provider: str | None = msgspec.field(name="providerID", default=None)


class ErrorData(Struct, gc=False):
    """What an error of version 1 says."""

    message: str | None = None


class Error(Struct, gc=False):
    """Why a message failed: version 1 has a name and data, version 2 a type and a message."""

    name: str | None = None
    type: str | None = None
    message: str | None = None
    data: ErrorData | None = None


class Data(Struct, gc=False):
    """The JSON of a message."""

    role: str | None = None
    time: Times | None = None
    tokens: Used | None = None
    cost: Dollars | None = None
    model_id: str | None = msgspec.field(name="modelID", default=None)
    provider_id: str | None = msgspec.field(name="providerID", default=None)
    model: Model | str | None = None
    agent: str | None = None
    mode: str | None = None
    finish: str | None = None
    error: Error | str | None = None
    outcome: str | None = None
    content: msgspec.Raw = msgspec.Raw()  #: version 2 has the parts here
    text: msgspec.Raw = msgspec.Raw()  #: and what the user said here


class Step(Struct, gc=False):
    """A part of a message; of those that end a step, what the step used."""

    type: str | None = None
    tokens: Used | None = None


class Piece(Struct, gc=False):
    """A part of a message in version 2."""

    type: str | None = None
    id: str | None = None
    text: str | None = None


class Parts(NamedTuple):
    """What matters of a message's parts."""

    steps: Sequence[Used] = ()  #: what its steps used
    said: Sequence[str] = ()  #: what tells it from other messages: names of tools' calls, beginnings of texts


class Rule(Struct, gc=False):
    """One of a session's permissions."""

    permission: str | None = None
    action: str | None = None


class Stored(Struct, gc=False):
    """The JSON of a session in the older files."""

    id: str | None = None
    parent: str | None = msgspec.field(name="parentID", default=None)
    directory: str | None = None
    title: str | None = None
    version: str | None = None
    time: Lived | None = None


class Lived(Struct, gc=False):
    """A session's own times."""

    created: Millis | None = None
    updated: Millis | None = None
    archived: Millis | None = None


_data: Final = Decoder[Data](Data)
_step: Final = Decoder[Step](Step)
_pieces: Final = Decoder[list[Piece]](list[Piece])
_rules: Final = Decoder[list[Rule]](list[Rule])
stored: Final = Decoder[Stored](Stored)


class Message(Struct, kw_only=True, gc=False):
    """One message of a session."""

    id: str
    session: str
    kind: str  #: ``user``, ``assistant``, ``idle`` (the end of a run in version 2), or anything else
    made: int  #: milliseconds
    done: int | None  #: the same; None while it is being written, or where nothing says so
    data: Data
    flagged: bool = False

    @property
    def last(self) -> int:
        """The latest time that it speaks of."""
        return max(self.made, self.done or 0)


def text_of(raw: object) -> str | None:
    """A column's text, or None where it holds none."""
    if not isinstance(raw, bytes) or not raw:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def message(ids: tuple[str | None, str | None], kind: object, made: object, raw: object, context: Context) -> Message:
    """A message from a row or a file; InvalidInput where it is not understood."""
    data = _data.one(raw) if isinstance(raw, bytes) else None
    if data is None or not ids[0] or not ids[1]:
        raise InvalidInput("not a message")
    times = data.time or Times()
    began = times.created if times.created is not None else made
    if not isinstance(began, int | float):
        raise InvalidInput("a message without a time")
    at, flagged = moment(began, context)
    done, late = (None, False) if times.completed is None else moment(times.completed, context)
    return Message(
        id=checks.usage_id(ids[0], "a message's id"),
        session=checks.session_id(ids[1]),
        kind=kind if isinstance(kind, str) else data.role or "",
        made=at,
        done=done,
        data=data,
        flagged=flagged or late,
    )


def moment(millis: float, context: Context) -> tuple[int, bool]:
    """A stated time in whole milliseconds, none that is well ahead of the clock."""
    at, flagged = context.time(int(millis) * _MILLIS)
    return at // _MILLIS, flagged


def micros(millis: int) -> int:
    """A time as a book keeps it."""
    return millis * _MILLIS


def step(raw: object) -> Used | None:
    """What a part says that its step used; None where it ends no step."""
    if not isinstance(raw, bytes) or b"step-finish" not in raw:
        return None
    found = _step.one(raw)
    return found.tokens if found is not None and found.type == "step-finish" else None


def said(head: object) -> str | None:
    """What tells a part from others, by how it begins; None where it is no text and no call of a tool."""
    if not isinstance(head, bytes):
        return None
    found = _NAMED.search(head) or _TEXT.search(head)
    return None if found is None else found[1].decode(errors="replace")


def said_within(data: Data) -> list[str]:
    """The same of the parts that are in the message itself."""
    raw = bytes(data.content)
    pieces = _pieces.one(raw) if raw else None
    return [f"{one.id} {(one.text or '')[:_SAID]}" for one in (pieces or ())[:PARTS_MOST] if one.id or one.text]


def unattended(raw: object) -> bool:
    """Whether a session's permissions are those of one that nobody can be asked in."""
    rules = _rules.one(raw) if isinstance(raw, bytes) and b"question" in raw else None
    return any(rule.permission == "question" and rule.action == "deny" for rule in rules or ())
