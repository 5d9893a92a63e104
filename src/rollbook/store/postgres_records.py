"""Rows as PostgreSQL takes an array of a table's own rows, in its binary format: one parameter for many rows.

An array for each column is the common way; but the server makes a table of each, which takes several times as long as
all else that it does with a few rows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER: Final = struct.Struct(
    ">iiIii"
)  # dimensions, whether there are nulls, what it is of, how many, the first index
_INT8, _INT2, _TEXT, _BYTES = 20, 21, 25, 17  # object ids of the types, the same in every database
_FORMATS: Final = {_INT8: ("q", 8), _INT2: ("h", 2)}
_KNOWN: Final = frozenset((_INT8, _INT2, _TEXT, _BYTES))


@lru_cache(1024)
def _form(text: str) -> struct.Struct:
    return struct.Struct(text)


class Shape:
    """How the rows of a statement stand in the rows of its table; what it does not name is null."""

    def __init__(self, oid: int, columns: Sequence[tuple[str, int]], named: Sequence[str]) -> None:
        self._oid = oid
        places = {name: place for place, name in enumerate(named)}
        #: Of each column its type, its form (none: text or bytes), its width, and where its value stands in a row.
        self._fields = [(kind, *_FORMATS.get(kind, ("", 0)), places.get(name)) for name, kind in columns]
        self._plain = self._plain_form(named, columns)

    def _plain_form(
        self, named: Sequence[str], columns: Sequence[tuple[str, int]]
    ) -> tuple[struct.Struct, list[int]] | None:
        """The form of rows that are integers alone, named in the table's order, with room for the values."""
        listed = [name for name, _ in columns][: len(named)]
        if listed != list(named) or not all(form for _, form, _, at in self._fields if at is not None):
            return None
        form, room = ">ii", [0, len(columns)]
        for kind, each, width, at in self._fields:
            form += "ii" if at is None else f"ii{each}"
            room += [kind, -1] if at is None else [kind, width, 0]
        made = struct.Struct(form)
        room[0] = made.size - 4
        return made, room

    def packed(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """The array."""
        found = [_HEADER.pack(1, 0, self._oid, len(rows), 1)]
        if self._plain is None:
            found += map(self._record, rows)
        else:
            made, room = self._plain
            end = 2 + 3 * len(rows[0])
            for row in rows:
                if None in row:
                    found.append(self._record(row))
                else:
                    room[4:end:3] = row
                    found.append(made.pack(*room))
        return b"".join(found)

    def _record(self, row: Sequence[Any]) -> bytes:
        forms: list[str] = []
        values: list[Any] = []
        for kind, form, width, at in self._fields:
            value = None if at is None else row[at]
            if value is None:
                forms.append("ii")
                values += (kind, -1)
            elif form:
                forms.append("ii" + form)
                values += (kind, width, value)
            else:
                data = value.encode() if isinstance(value, str) else bytes(value)
                forms.append(f"ii{len(data)}s")
                values += (kind, len(data), data)
        made = _form(">" + "".join(forms))
        return struct.pack(">ii", made.size + 4, len(self._fields)) + made.pack(*values)


class Shapes:
    """The tables of a schema as they are."""

    def __init__(self, columns: Iterable[tuple[str, int, str, int]]) -> None:
        self._tables: dict[str, tuple[int, list[tuple[str, int]]]] = {}
        for table, oid, name, kind in columns:
            self._tables.setdefault(table, (oid, []))[1].append((name, kind))
        self._made: dict[tuple[str, tuple[str, ...]], Shape | None] = {}

    def of(self, table: str, named: tuple[str, ...]) -> Shape | None:
        """How rows of these columns stand in a table; None if it has columns that only the server can make."""
        key = (table, named)
        if key not in self._made:
            oid, columns = self._tables.get(table, (0, []))
            good = columns and all(kind in _KNOWN for _, kind in columns)
            self._made[key] = Shape(oid, columns, named) if good else None
        return self._made[key]


class Records:
    """Rows of one table."""

    __slots__ = ("rows", "shape")

    def __init__(self, shape: Shape, rows: Sequence[Sequence[Any]]) -> None:
        self.shape = shape
        self.rows = rows


class _RecordsDumper(Dumper):
    format = Format.BINARY
    oid = 0  # the statement says which table's

    def dump(self, obj: Records) -> bytes:
        return obj.shape.packed(obj.rows)


def teach(connection: psycopg.Connection[Any]) -> None:
    """Let a connection take records."""
    connection.adapters.register_dumper(Records, _RecordsDumper)
