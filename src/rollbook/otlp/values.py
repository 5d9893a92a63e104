"""Attributes as they are meant: emitters write numbers and truth as text, and leave out what they do not know."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.model import to_micros
from rollbook.rules import checks

Attributes = Mapping[str, Any]

_DIGITS_MOST: Final = 20
_TRUE: Final = ("true", "1", "yes")


def text(attributes: Attributes, *names: str) -> str | None:
    """The first of these attributes that says something, as text."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value and not value.isspace():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def count(attributes: Attributes, *names: str) -> int:
    """The first of these attributes that is there, as a number of tokens; 0 where none is. Raises InvalidInput."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return checks.count(whole(value), name, checks.MAX_TOKENS)
    return 0


def whole(value: Any) -> Any:
    """A whole number that came as text or as a float; anything else as it is."""
    if isinstance(value, str):
        digits = value.strip()
        if len(digits) <= _DIGITS_MOST and digits.removeprefix("-").isdecimal() and digits.isascii():
            return int(digits)
        try:
            value = float(digits)
        except ValueError:
            return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def seconds(attributes: Attributes, name: str) -> float | None:
    """Milliseconds, as seconds; None where they are not there or make no sense."""
    value = attributes.get(name)
    try:
        found = float(value) / 1000 if isinstance(value, int | float | str) else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) and found >= 0 else None


def cost(attributes: Attributes, *names: str) -> int | None:
    """Dollars as nano-dollars; None where none of these attributes is there. Raises InvalidInput."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return checks.cost(value.strip() if isinstance(value, str) else value)
    return None


def is_true(value: Any) -> bool:
    """Whether it says yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() in _TRUE)


def is_false(value: Any) -> bool:
    """Whether it says no, and does not merely say nothing."""
    return value is False or (isinstance(value, str) and value.strip().lower() in ("false", "0", "no"))


def moment(at_us: int, attributes: Attributes) -> int:
    """When a record was made, in microseconds. Raises InvalidInput where neither it nor its attributes say."""
    if at_us:
        return at_us
    said = attributes.get("event.timestamp")
    if isinstance(said, str):
        try:
            found = datetime.fromisoformat(said)
            if found.tzinfo is not None:
                return to_micros(found)
        except (ValueError, OverflowError):
            pass
    raise InvalidInput("a record without a time")


def jsons(value: Any) -> Any:
    """What was put into an attribute as JSON text; text that is none stays text."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return value
