"""Empty books on a PostgreSQL server, made quickly: each stands in a schema, which is emptied and used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

import rollbook
from postgres_servers import PostgresServer

_WRITERS: Final = ("lane", "book_fact")  #: what writers note of themselves, and for each other
KEPT: Final = "rollbook_schema"  #: the table that says which version the schema has


class EmptyBooks:
    """The books of one database that tests use one after another, or several at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[str] = []
        self._names = (f"book_{number}" for number in count())
        self._stack = ExitStack()
        self._raw: psycopg.Connection[Any] | None = None

    @contextmanager
    def book(self) -> Iterator[str]:
        """The URL of a book with nothing in it, which nobody else has meanwhile."""
        if self._free:
            schema = self._free.pop()
            self._empty(schema)
        else:
            schema = next(self._names)
            rollbook.open(self.url_of(schema)).close()
        try:
            yield self.url_of(schema)
        finally:
            self._free.append(schema)

    def url_of(self, schema: str) -> str:
        return f"{self._url}?schema={schema}"

    def _empty(self, schema: str) -> None:
        if self._raw is None:
            self._raw = self._stack.enter_context(psycopg.connect(self._url, autocommit=True))
        found = self._raw.execute(  # where nothing was ever written, nothing is to be deleted
            "select relname from pg_class where relnamespace = %s::regnamespace and relkind = 'r' "
            "and relname <> %s and pg_relation_size(oid) > 0",
            (schema, KEPT),
        )
        drops = [sql.SQL("delete from {}").format(sql.Identifier(schema, name)) for (name,) in found]
        if drops:
            self._raw.execute(sql.SQL("; ").join(drops))
        self._raw.execute(  # numbers are given out anew, as in a new book
            "select setval(oid::regclass, 1, false) from pg_class "
            "where relnamespace = %s::regnamespace and relkind = 'S'",
            (schema,),
        )

    def close(self) -> None:
        self._stack.close()


def tables_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a book, but for what writers note of themselves and the server makes of words."""
    place, _, schema = url.partition("?schema=")
    schema = schema or "rollbook"
    with psycopg.connect(place, autocommit=True) as raw:
        names = [row[0] for row in raw.execute("select tablename from pg_tables where schemaname = %s", (schema,))]
        return {
            name: sorted(raw.execute(sql.SQL("select * from {}").format(sql.Identifier(schema, name))), key=repr)
            for name in sorted(names)
            if name not in _WRITERS
        }


@pytest.fixture(scope="session")
def empty_books(postgres_server: PostgresServer) -> Iterator[EmptyBooks]:
    """Books in a database of this worker's own."""
    books = EmptyBooks(postgres_server.new_database())
    yield books
    books.close()


@pytest.fixture
def empty_book(empty_books: EmptyBooks) -> Iterator[str]:
    """The URL of a book with nothing in it."""
    with empty_books.book() as url:
        yield url
