"""A PostgreSQL database of another system, read in one transaction that sees it as it was at one moment."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

from rollbook.errors import NotSupported
from rollbook.importers.foreign import ROWS, shown
from rollbook.store import Row, statements

_DRIVER: Final = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
_PLACEHOLDER: Final = re.compile(r"(?<!:):([a-z_]+)")
_CONNECT_S: Final = 10


class Postgres:
    """One database, read only. A context manager; needs the extra ``postgres``."""

    def __init__(self, url: str) -> None:
        self.shown = shown(url)
        try:
            import psycopg  # noqa: PLC0415 - an extra
        except ImportError:
            raise NotSupported(
                "a PostgreSQL database is read with psycopg; install it with: pip install 'rollbook[postgres]'"
            ) from None
        self._errors = psycopg.Error
        with self._told():
            self._raw = psycopg.connect(
                _DRIVER.sub("postgresql://", url), connect_timeout=_CONNECT_S,
                application_name="rollbook import",
            )  # fmt: skip
            self._raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._raw.read_only = True
        try:
            self._all("pg_settings")
        except BaseException:
            self._raw.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def tables(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._all("pg_tables"))

    def columns(self, table: str) -> frozenset[str]:
        return frozenset(row[0] for row in self._all("pg_columns", table_name=table))

    def _all(self, name: str, **values: Any) -> list[Row]:
        with self._told(), self._raw.cursor() as cursor:
            return cursor.execute(_text(name, {}), values).fetchall()

    def each(
        self, name: str, order: str, words: Mapping[str, str] | None = None, /, *, rows: int = ROWS, **values: Any
    ) -> Iterator[Row]:
        dialect = {"text": "text", "row": "0", "step": f"true order by {order}"}
        with self._told(), self._raw.cursor("rollbook_moving") as cursor:
            cursor.itersize = rows
            for row in cursor.execute(_text(name, dialect | dict(words or {})), values):
                yield row[1:]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The driver's errors as what the report says of a database."""
        try:
            yield
        except self._errors as error:
            said = " ".join(str(error).split())
            raise OSError(errno.EIO, f"PostgreSQL says: {said}") from None


def _text(name: str, words: Mapping[str, str]) -> Any:
    """A named statement as the driver takes it."""
    return _PLACEHOLDER.sub(r"%(\1)s", statements.spell(statements.load("importers")[name], words))
