"""The lines of a log: its first one, and one for each step with what that step changed on the shelf."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from rollbook.errors import InvalidInput, StoreError
from rollbook.journal.shelf import Head, Line

FORMAT: Final = 1


class Header(Struct, omit_defaults=True):
    """The first line of a log."""

    rollbook: str  #: "journal"
    format: int
    log: str  #: a name that no other log has, so that one that took the place of another is known
    user: str
    session: str | None = None  #: None: the log holds the user's state
    root: str | None = None  #: of a fork: the session in whose log its journal is, and nothing follows


class Kept(Struct, omit_defaults=True, kw_only=True):
    """JSON that is given back byte for byte."""

    body: Raw | UnsetType = UNSET
    json: str | None = None  #: the same as a text, for JSON that would not survive in a line


class Add(Kept, tag_field="op", tag="add"):
    stream: str
    position: int
    id: str
    by: str  #: the session that wrote it
    at: int
    parent: int | None = None


class Change(Kept, tag_field="op", tag="change"):
    """An entry as it is from now on; without a body it keeps the one it has."""

    stream: str
    position: int
    by: str
    parent: int | None = None


class Remove(Struct, tag_field="op", tag="remove"):
    stream: str
    position: int


class PutHead(Struct, tag_field="op", tag="head"):
    by: str
    stream: str
    head: str
    tip: int
    length: int
    revision: int
    top: int
    failed: int
    at: int


class DropHead(Struct, tag_field="op", tag="unhead"):
    by: str
    stream: str
    head: str


class SetState(Kept, tag_field="op", tag="state"):
    """A value, or, without one, none any more."""

    by: str
    key: str


Op = Add | Change | Remove | PutHead | DropHead | SetState


class Record(Struct):
    """One line: a step, all of it or nothing."""

    at: int
    ops: list[Op]


_whole: Final = msgspec.json.Decoder(Raw)
_record: Final = msgspec.json.Decoder(Record)
_header: Final = msgspec.json.Decoder(Header)


def record(raw: bytes) -> Record:
    """A line as it was read. Raises MsgspecError or UnicodeDecodeError."""
    return _record.decode(raw)


def header(raw: bytes) -> Header:
    """The first line. Raises MsgspecError or UnicodeDecodeError."""
    return _header.decode(raw)


def header_of(user_id: str, session_id: str | None, root: str | None = None) -> Header:
    """The first line of a log that is made now."""
    return Header("journal", FORMAT, secrets.token_hex(8), user_id, session_id, root)


def checked(header: Header, path: str, user_id: str, session_id: str | None) -> None:
    """Raise ValueError for a first line that is not that of this log, StoreError for one of a newer version."""
    if header.rollbook != "journal":
        raise ValueError("it does not begin a journal")
    if header.format > FORMAT:
        raise StoreError(
            f"{path} was written by a newer Rollbook (format {header.format}, this one knows {FORMAT}); upgrade"
        )
    if (header.user, header.session) != (user_id, session_id):
        raise ValueError(f"it is of {header.session!r} of the user {header.user}, under another name")


def encoded(line: Record | Header) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def kept(raw: bytes | Raw) -> tuple[Raw | UnsetType, str | None]:
    """JSON as it can stand in a line, as it is or as a text. Raises InvalidInput for what is no JSON.

    Whoever gives it has looked already; here it is looked at since what is no JSON would spoil its whole line.
    """
    raw = bytes(raw)
    try:
        text = raw.decode()
        _whole.decode(raw)
    except (UnicodeDecodeError, msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput(f"not a JSON value in UTF-8: {error}") from None
    if "\n" in text or "\r" in text or raw[:1].isspace() or raw[-1:].isspace():
        return UNSET, text
    return Raw(raw), None


def given(op: Kept) -> bytes | None:
    """The JSON that a line holds, with memory of its own; None where it holds none."""
    if op.json is not None:
        return op.json.encode()
    return None if op.body is UNSET else bytes(op.body)


def add(stream: str, line: Line) -> Add:
    body, json = kept(line.body)
    return Add(
        stream=stream,
        position=line.position,
        id=line.entry_id,
        by=str(line.who),
        at=line.created_at,
        parent=line.parent,
        body=body,
        json=json,
    )


def put_head(head: Head) -> PutHead:
    return PutHead(
        str(head.who),
        head.stream,
        head.name,
        head.tip,
        head.length,
        head.revision,
        head.top,
        head.failed,
        head.changed_at,
    )


def set_state(who: str, key: str, value: Raw | None) -> SetState:
    if value is None:
        return SetState(by=who, key=key)
    body, json = kept(value)
    return SetState(by=who, key=key, body=body, json=json)
