"""Cursors: where a page ended, so that the next one begins there. Opaque and self-contained.

A cursor holds the sort value and key of the last row shown, the range, and a print of the filters. It
survives deletion of that row; garbage, or a cursor of another question, is an error.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

import msgspec

from rollbook.errors import InvalidInput


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended."""

    question: str
    since: int | None
    value: int
    user_no: int
    session_no: int
    now: int  #: when the first page was asked for
    until: int | None = None


def question(*filters: object) -> str:
    """A print of what is asked for; two questions with the same print have the same answer."""
    return blake2b(repr(filters).encode(), digest_size=9).hexdigest()


def write(cursor: Cursor) -> str:
    body = msgspec.json.encode(cursor)
    return urlsafe_b64encode(blake2b(body, digest_size=3).digest() + body).decode().rstrip("=")


def read(text: str, asked: str) -> Cursor:
    """The cursor in a text; InvalidInput if it is none, or one of another question."""
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        cursor = msgspec.json.decode(raw[3:], type=Cursor)
    except (ValueError, AttributeError, TypeError, binascii.Error, msgspec.MsgspecError):
        cursor = None
    else:
        if blake2b(raw[3:], digest_size=3).digest() != raw[:3]:
            cursor = None
    if cursor is None:
        raise InvalidInput("this is not a cursor; take next_cursor of the page before")
    if cursor.question != asked:
        raise InvalidInput("this cursor belongs to a list with other filters or another order")
    return cursor
