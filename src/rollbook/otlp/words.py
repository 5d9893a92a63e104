"""Values of attributes as what they mean: telemetry says the same in many types. Nothing here raises.

A name of an attribute may lead into a value that is JSON (``langfuse.observation.usage_details/input``), and one that
begins with ``~`` is compared without regard to case, dashes and underscores: such names are made by users.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from rollbook.rules.checks import MAX_MODEL_BYTES

Attributes = Mapping[str, Any]
Way = tuple[str, tuple[str, ...]]  #: the key of an attribute, and what leads into its value
Ways = tuple[Way, ...]

_MOST_DIGITS: Final = 18
_HIDDEN: Final = ("[Scrubbed due to", "__REDACTED__", "<REDACTED>", "[REDACTED]")
_JSON: Final = ("{", "[", '"')
_NUMBERS: Final = (int, float)


def ways(names: Iterable[str], keys: Collection[str]) -> Ways:
    """Where names lead, the preferred one first, where there are attributes of these keys and no others.

    A name that stands for itself goes before what it would lead into.
    """
    found: list[Way] = []
    for name in names:
        if name[0] == "~":
            wanted = _loose(name[1:])
            found += [(key, ()) for key in keys if _loose(key) == wanted][:1]
            continue
        if name in keys:
            found.append((name, ()))
        if "/" in name:
            key, *path = name.split("/")
            found += [(key, tuple(path))] if key in keys else []
    return tuple(found)


def first(among: Ways, attributes: Attributes) -> Any:
    """The first value that says something; None where none does. Every key that is named is there."""
    for key, path in among:
        value = attributes[key]
        if path:
            value = _within(value, path)
        if isinstance(value, str):
            if value and not value.startswith(_HIDDEN):
                return value
        elif value is not None:
            return value
    return None


def find(names: Iterable[str], attributes: Attributes) -> Any:
    """The first value that says something, of names in the order of preference; None where none does."""
    return first(ways(names, attributes), attributes)


def is_hidden(value: Any) -> bool:
    """Whether it is what an emitter puts in the place of what it does not tell."""
    return isinstance(value, str) and value.startswith(_HIDDEN)


def _loose(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _within(value: Any, path: tuple[str, ...]) -> Any:
    value = parsed(value)
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def parsed(value: Any) -> Any:
    """A value that is JSON in a text, or as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(_JSON):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return value


def text(value: Any) -> str | None:
    """A text without what surrounds it; numbers as texts; None for what is no text, or says nothing."""
    if isinstance(value, str):
        if value.startswith('"'):
            value = parsed(value)
    elif isinstance(value, _NUMBERS) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def label(value: Any, most: int = MAX_MODEL_BYTES) -> str | None:
    """A short name as one line: without control characters, cut to so many bytes."""
    if isinstance(value, list) and value:
        value = value[0]
    found = text(value)
    return None if found is None else _line(found[: 2 * most], most)


@lru_cache(maxsize=1024)  # names of models, agents and users: there are few of them
def _line(value: str, most: int) -> str | None:
    line = " ".join(value.split())
    kept = "".join(char for char in line if unicodedata.category(char) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept).encode()[:most].decode(errors="ignore").strip() or None


def labels(value: Any, most: int = 64) -> tuple[str, ...] | None:
    """Several such names."""
    value = parsed(value)
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return None
    return tuple(dict.fromkeys(found for one in value if (found := label(one)) is not None))[:most] or None


def number(value: Any) -> int:
    """A count: 0 for what is none, and for what is negative."""
    if type(value) is int:  # what nearly every one is
        return max(0, value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= _MOST_DIGITS:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return max(0, int(value))
    return 0


def yes(value: Any) -> bool | None:
    """Whether it is said to be so; None where nothing is said."""
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def plain(value: Any) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
