"""What is exported: the columns of each kind of export, and its rows, block after block."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rollbook.content import ContentRow
from rollbook.errors import InvalidInput
from rollbook.model import Session, SpendRow, Usage

if TYPE_CHECKING:
    from rollbook.book import Rollbook

Row = tuple[Any, ...]
Block = Sequence[Row]  #: rows; times are integer microseconds since 1970

_OF_SESSIONS: Final = (
    "status", "since", "until", "kind", "channel", "agent", "project", "model", "user_id", "dataset_id", "tag", "text",
    "query",
)  # fmt: skip
#: The struct of each kind of export, and what it may be asked for.
_KINDS: Final[Mapping[str, tuple[type[msgspec.Struct], tuple[str, ...]]]] = {
    "sessions": (Session, _OF_SESSIONS),
    "usage": (Usage, _OF_SESSIONS),
    "content": (ContentRow, _OF_SESSIONS),
    "spend": (SpendRow, ("by", "tz", "since", "until", "user_id")),
}
WHATS: Final = tuple(_KINDS)


class Kind(Enum):
    """What the values of a column are."""

    TEXT = str
    WHOLE = int
    REAL = float
    TRUTH = bool
    MOMENT = datetime
    TEXTS = tuple
    MAPPING = dict
    JSON = msgspec.Raw  #: any value, as text that is JSON already


class Column(msgspec.Struct, frozen=True):
    """A name and what stands under it; any value may be missing where the struct says so."""

    name: str
    kind: Kind
    optional: bool


def takes(what: str) -> tuple[str, ...]:
    """What a kind of export may be asked for."""
    return _KINDS[what][1]


def of_kind(what: str) -> type[msgspec.Struct]:
    """The struct of a kind of export."""
    return _KINDS[what][0]


@cache
def columns_of(struct: type[msgspec.Struct]) -> tuple[Column, ...]:
    """The fields of a struct as columns, in their order."""
    hints = typing.get_type_hints(struct)
    return tuple(_column(name, hints[name]) for name in struct.__struct_fields__)


def _column(name: str, hint: Any) -> Column:
    optional = isinstance(hint, types.UnionType)
    if optional:
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    return Column(name, Kind(typing.get_origin(hint) or hint), optional)


def chosen(book: Rollbook, what: str, asked: Mapping[str, Any]) -> tuple[Sequence[Column], Iterable[Block]]:
    """The columns and the rows. The first are read here already, so that a wrong question fails before any answer."""
    struct, allowed = _KINDS[what]
    for name in asked:
        if name not in allowed:
            raise InvalidInput(f"an export of {what} cannot be asked for {name}; it takes {', '.join(allowed)}")
    blocks = _spend(book, asked) if what == "spend" else _steps(book, what, asked)
    return columns_of(struct), chain([next(blocks)], blocks)


def _steps(book: Rollbook, what: str, asked: Mapping[str, Any]) -> Iterator[Block]:
    after = None
    while True:
        step = book.extract(what=what, after=after, **asked)
        yield step.rows
        if (after := step.after) is None:
            return


def _spend(book: Rollbook, asked: Mapping[str, Any]) -> Iterator[Block]:
    yield [msgspec.structs.astuple(row) for row in book.spend(**{"since": "all", **asked}).rows]
