"""Parameters of a path and a query, as a route's type says."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from rollbook.server.faults import Unacceptable

_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE: Final = frozenset({"0", "false", "f", "no", "n", "off"})
_MOST: Final = 200  #: parameters of one query


@cache
def _booleans(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that are true or false."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if _is_bool(hint))


@cache
def _numbers(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The parameters that may be left out and are not any text."""
    hints = typing.get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if str not in (hint, *typing.get_args(hint)))


def _is_bool(hint: Any) -> bool:
    if typing.get_origin(hint) is Annotated:
        return _is_bool(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return any(_is_bool(each) for each in typing.get_args(hint))
    return hint is bool


def query_of(text: bytes) -> dict[str, str]:
    """A query's parameters; of one that is given twice the last stands, as with other servers."""
    if not text:
        return {}
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except (UnicodeError, ValueError) as error:
        raise Unacceptable("query", msgspec.ValidationError(f"the query cannot be read: {error}")) from None
    return dict(pairs)


def unquoted(segment: str) -> str:
    """One segment of a path, which may hold a slash that was written as %2F."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise Unacceptable("path", msgspec.ValidationError("the path is no UTF-8")) from None


def taken(kind: type[msgspec.Struct], path: Mapping[str, str], query: bytes) -> Any:
    """The parameters of a request. Raises Unacceptable for one that is missing, wrong or not known."""
    named = query_of(query)
    given: dict[str, Any] = {**named, **{name: unquoted(text) for name, text in path.items()}}
    for name in _numbers(kind):
        if given.get(name, "").lower() == "null":  # which would be read as if it were left out
            raise Unacceptable("query", msgspec.ValidationError(f"null is no value - at `$.{name}`"), given)
    for name in _booleans(kind):
        word = given.get(name)
        if word is not None:
            given[name] = _boolean(name, word, given)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Unacceptable("query", error, given) from None


def _boolean(name: str, word: str, given: Any) -> bool:
    low = word.strip().lower()
    if low in _TRUE or low in _FALSE:
        return low in _TRUE
    raise Unacceptable("query", msgspec.ValidationError(f"Expected true or false - at `$.{name}`"), given)
