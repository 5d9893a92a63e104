"""JSON that is nearly right: what can be saved of it without guessing.

None of this runs for what is well-formed. Senders write NaN as it is, cut texts in the middle of a character, nest
without end, or put a wrong type into one attribute of a hundred; the rest of the record is worth keeping.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from rollbook.otlp.common import Unreadable

T = TypeVar("T")

_DEEPEST: Final = 150  # brackets; a nested value of OTLP takes three for a level
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]|-?Infinity|NaN', re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)", re.DOTALL)
_LONGEST: Final = 20  # characters of a 64-bit number
_UNIT: Final = len(rb"\ud800")
_QUOTE: Final = ord('"')
_SURROGATE: Final = (b"\\ud", b"\\uD")
_TROUBLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def regular(body: bytes) -> bytes:
    """The same JSON with null for what is nested too deep or is no number, and a mark for half a character."""
    kept: list[bytes] = []
    done = depth = 0
    for token in _TOKEN.finditer(body):
        sign = body[token.start()]
        if sign == _QUOTE:
            if depth <= _DEEPEST and any(each in token[0] for each in _SURROGATE):
                kept += body[done : token.start()], _ESCAPE.sub(_whole, token[0])
                done = token.end()
        elif sign in b"[{":
            depth += 1
            if depth == _DEEPEST + 1:
                kept += body[done : token.start()], b"null"
                done = len(body)
        elif sign in b"]}":
            if depth == _DEEPEST + 1:
                done = token.end()
            depth -= 1
        elif depth <= _DEEPEST:
            kept += body[done : token.start()], b"null"
            done = token.end()
    return b"".join((*kept, body[done:]))


def _whole(escape: re.Match[bytes]) -> bytes:
    """An escape of JSON; a surrogate that is not one of two stands for nothing."""
    lone = len(escape[0]) == _UNIT and escape[0].lower()[2:4] in {
        b"d8",
        b"d9",
        b"da",
        b"db",
        b"dc",
        b"dd",
        b"de",
        b"df",
    }
    return rb"\ufffd" if lone else escape[0]


def mended(shape: type[T], raw: bytes, parts: Mapping[str, type[Struct]], why: str) -> T:
    """A record that its decoder refused, without those of its parts that are at fault.

    Raises:
        Unreadable: the rest is at fault as well.
    """
    try:
        plain = json.loads(regular(raw).decode("utf-8", "replace"), parse_int=_number)
        return msgspec.convert(_without_bad_parts(plain, parts), shape)
    except _TROUBLE as error:
        raise Unreadable(why or str(error)) from error


def _number(digits: str) -> int | None:
    return int(digits) if len(digits) <= _LONGEST else None


def _without_bad_parts(record: Any, parts: Mapping[str, type[Struct]]) -> Any:
    if isinstance(record, dict):
        for name, shape in parts.items():
            if isinstance(found := record.get(name), list):
                record[name] = [each for each in found if _converts(_without_bad_parts(each, parts), shape)]
    return record


def _converts(value: Any, shape: type[Struct]) -> bool:
    try:
        msgspec.convert(value, shape)
    except _TROUBLE:
        return False
    return True
