"""How answers are written: the nouns as they are, with times as RFC 3339 (``+00:00``, microseconds).

msgspec would write times in its own way, so each type with times in it gets a twin whose times are texts. Twins are
made once for each type; making one of a value costs a tenth of writing it out field by field.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final

import msgspec

from rollbook.model import rfc3339

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Make = Callable[[Any], Any]


def encoded(value: Any) -> bytes:
    """An answer's contents as JSON."""
    return _encoder.encode(told(value))


def _time(value: datetime) -> str:
    """As :func:`rollbook.model.rfc3339`; what the book tells is UTC already."""
    return value.isoformat(timespec="microseconds") if value.tzinfo is UTC else rfc3339(value)


def told(value: Any) -> Any:
    """A value whose times are texts."""
    if isinstance(value, msgspec.Struct):
        return _maker(type(value))(value)
    if isinstance(value, list | tuple):
        return [told(each) for each in value]
    if isinstance(value, dict):
        return {key: told(each) for key, each in value.items()}
    return _time(value) if isinstance(value, datetime) else value


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    raise NotImplementedError(f"{type(value).__name__} is no answer")


@cache
def twin(kind: Any) -> Any:
    """The type as which values of a type are written."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _twin_of(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is datetime:
        return Time
    if origin is Annotated or not arguments:
        return kind
    inner = tuple(twin(each) for each in arguments)
    if inner == arguments:
        return kind
    if origin in (types.UnionType, typing.Union):
        return typing.Union[inner]  # noqa: UP007 - its members are only known now
    return origin[inner]


@cache
def _twin_of(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields = msgspec.structs.fields(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    twins = {field.name: twin(hints[field.name]) for field in fields}
    if all(twins[field.name] == hints[field.name] for field in fields):
        return kind
    made = [(field.name, twins[field.name]) for field in fields]  # an answer always has all of them
    return msgspec.defstruct(
        kind.__name__, made, frozen=True, gc=False, namespace={"__doc__": kind.__doc__}, module=kind.__module__
    )


@cache
def _maker(kind: type[msgspec.Struct]) -> Make:
    """What makes a twin of a value."""
    made = _twin_of(kind)
    if made is kind:
        return lambda value: value
    hints = typing.get_type_hints(kind, include_extras=True)
    names = kind.__struct_fields__
    changed = [place for place, name in enumerate(names) if twin(hints[name]) is not hints[name]]
    plain = msgspec.structs.astuple

    def make(value: Any) -> Any:
        values = list(plain(value))
        for place in changed:
            it = values[place]
            if it is not None:
                values[place] = _time(it) if type(it) is datetime else told(it)
        return made(*values)

    return make


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)


def is_enum(kind: Any) -> bool:
    """Whether values of a type are of a few names."""
    return isinstance(kind, type) and issubclass(kind, Enum)


def is_union(kind: Any) -> bool:
    """Whether a type is one of several."""
    return typing.get_origin(kind) in (types.UnionType, typing.Union)
