"""Columns of values as PostgreSQL takes arrays, in its binary format: many rows are one parameter for each column."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from psycopg import AsyncConnection, Connection
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper

_HEADER: Final = struct.Struct(
    ">iiIii"
)  # dimensions, whether there are nulls, what it is of, how many, the first index
_NULL: Final = b"\xff\xff\xff\xff"
_INT8, _TEXT, _BYTES = 20, 25, 17  # object ids of the types, the same in every database
_INT8S, _TEXTS, _BYTESES = 1016, 1009, 1001


class Column:
    """The values of one column."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


class Longs(Column):
    """Integers of 64 bits, or none."""

    __slots__ = ()


class Texts(Column):
    """Texts, or none."""

    __slots__ = ()


class Byteses(Column):
    """Bytes, or none."""

    __slots__ = ()


COLUMNS: Final[dict[str, type[Column]]] = {"bigint": Longs, "text": Texts, "tsvector": Texts, "bytea": Byteses}


@cache
def _all_longs(count: int) -> struct.Struct:
    return struct.Struct(">" + "iq" * count)


class _LongsDumper(Dumper):
    format = Format.BINARY
    oid = _INT8S

    def dump(self, obj: Longs) -> bytes:
        values = obj.values
        count = len(values)
        if None not in values:
            flat = [8] * (2 * count)
            flat[1::2] = values
            return _HEADER.pack(1, 0, _INT8, count, 1) + _all_longs(count).pack(*flat)
        packed = [_NULL if value is None else struct.pack(">iq", 8, value) for value in values]
        return _HEADER.pack(1, 1, _INT8, count, 1) + b"".join(packed)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXTS
    of = _TEXT

    def dump(self, obj: Column) -> bytes:
        packed = []
        for value in obj.values:
            if value is None:
                packed.append(_NULL)
            else:
                data = value.encode() if isinstance(value, str) else bytes(value)
                packed += (struct.pack(">i", len(data)), data)
        return _HEADER.pack(1, int(None in obj.values), self.of, len(obj.values), 1) + b"".join(packed)


class _BytesesDumper(_TextsDumper):
    oid = _BYTESES
    of = _BYTES


class _WholeLoader(Loader):
    """Sums of integers come as numbers of any length; every sum here fits into an integer."""

    def load(self, data: Any) -> int:
        return int(bytes(data))


def teach(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    """Let a connection take columns, and give integers as integers of one kind: a statement is then planned once."""
    known = connection.adapters
    known.register_dumper(Longs, _LongsDumper)
    known.register_dumper(Texts, _TextsDumper)
    known.register_dumper(Byteses, _BytesesDumper)
    known.register_dumper(int, Int8BinaryDumper)
    known.register_loader("numeric", _WholeLoader)
