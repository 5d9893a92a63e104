"""Another system's database, opened for reading only, whichever engine it stands on.

Rows come in steps, so that neither a large database nor a long one takes memory, and every cell as text: what a
damaged row holds in place of a number or a time is then found when that row is looked at, and spoils no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from rollbook.errors import InvalidInput
from rollbook.importers import follow
from rollbook.importers.opencode_db import Database
from rollbook.store import Row, statements

ROWS: Final = 500  #: that are read in one step
WIDE_ROWS: Final = 32  #: the same of rows that may be as large as an entry
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:]*):.*(?=@)")
_SECRET: Final = re.compile(r"([?&](?:password|sslpassword)=)[^&]*")


class Foreign(Protocol):
    """An open database. What goes wrong is an OSError that says why."""

    shown: str  #: how it is named to people, without its password

    def tables(self) -> frozenset[str]:
        """The names of its tables."""

    def columns(self, table: str) -> frozenset[str]:
        """The names of a table's columns."""

    def each(
        self, name: str, order: str, words: Mapping[str, str] | None = None, /, *, rows: int = ROWS, **values: Any
    ) -> Iterator[Row]:
        """What a named statement finds, without its first cell; in the order of their making, or in the one given."""


class SqliteFile:
    """A SQLite file, that its owner may be writing meanwhile. A context manager."""

    def __init__(self, path: str) -> None:
        self.shown = follow.as_key(path)
        self._database = Database(path)

    def __enter__(self) -> Self:
        self._database.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.__exit__(kind, error, trace)

    def tables(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._database.rows("oc_tables"))

    def columns(self, table: str) -> frozenset[str]:
        return frozenset(row[0] for row in self._database.rows("oc_columns", table_name=table))

    def each(
        self, name: str, _order: str, words: Mapping[str, str] | None = None, /, *, rows: int = ROWS, **values: Any
    ) -> Iterator[Row]:
        dialect = {"text": "blob", "row": "rowid", "step": _STEP, **(words or {})}
        after = -(2**63)
        while found := self._database.rows(name, dialect, after=after, most_rows=rows, **values):
            yield from (row[1:] for row in found)
            after = found[-1][0]


_STEP: Final = "rowid > :after order by rowid limit :most_rows"


def fragment(name: str) -> str:
    """A part of a statement that stands under a name of its own."""
    return statements.load("importers")[name].removesuffix(";")


def is_url(place: str) -> bool:
    """Whether a database is named by a URL and not by a path."""
    return "://" in place


def shown(place: str) -> str:
    """A place as it may be printed: without a password."""
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***", place)) if is_url(place) else follow.as_key(place)


def opened(place: str) -> AbstractContextManager[Foreign]:
    """The database at a path or a URL. Raises InvalidInput where there is none to read."""
    if is_url(place):
        if re.match(r"postgres(?:ql)?(?:\+\w+)?://", place) is None:
            raise InvalidInput(f"{shown(place)} is neither a SQLite file nor a postgresql:// URL")
        from rollbook.importers.foreign_postgres import Postgres  # noqa: PLC0415 - only where one is read

        return Postgres(place)
    path = str(Path(place).expanduser())
    if Path(path).is_dir():
        raise InvalidInput(f"{follow.as_key(place)} is a folder; name the database file in it")
    try:
        if not Path(path).stat().st_size:
            raise InvalidInput(f"{follow.as_key(place)} is empty: nothing was ever stored in it")
        return SqliteFile(path)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInput(f"{follow.as_key(place)}: {reason}") from None
