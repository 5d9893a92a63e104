"""A book on SQLite copied row by row into a new one on PostgreSQL, so that both answer the same questions.

The copy is for reading only: where numbers of sessions go on is not carried over.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import psycopg
from psycopg import sql

import rollbook

_SCHEMA: Final = "rollbook"
_COLUMNS: Final = """select table_name, array_agg(column_name::text order by ordinal_position)
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = %s and table_type = 'BASE TABLE' group by table_name order by table_name"""
_INDEXES: Final = """select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
    join pg_class on pg_class.oid = indrelid join pg_namespace on pg_namespace.oid = relnamespace
    where nspname = %s and not indisprimary
      and not exists (select 1 from pg_constraint where conindid = indexrelid)"""
_NUMBERED: Final = """select table_name, column_name from information_schema.columns
    where table_schema = %s and is_identity = 'YES'"""


def copy(path: str, url: str) -> None:
    """Fill an empty database with what the book in the file holds. Its journal is not looked at."""
    rollbook.open(url).close()
    book = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    with psycopg.connect(url, options=f"-c search_path={_SCHEMA} -c synchronous_commit=off") as connection:
        indexes = connection.execute(_INDEXES, (_SCHEMA,)).fetchall()
        for name, _ in indexes:
            connection.execute(sql.SQL("drop index {}").format(sql.SQL(name)))
        for table, columns in connection.execute(_COLUMNS, (_SCHEMA,)).fetchall():
            _table(book, connection, table, columns)
        for _, text in indexes:
            connection.execute(text)
        for table, column in connection.execute(_NUMBERED, (_SCHEMA,)).fetchall():
            largest = sql.SQL(
                "select setval(pg_get_serial_sequence({}, {}), (select coalesce(max({}), 0) + 1 from {}))"
            )
            connection.execute(
                largest.format(sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table))
            )
    book.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def _table(book: apsw.Connection, connection: psycopg.Connection[Any], table: str, columns: list[str]) -> None:
    """Copy a table that both have, unless the new book began it itself."""
    known = [row[1] for row in book.execute(f"pragma table_info({table})")]
    row = connection.execute(sql.SQL("select exists (select 1 from {})").format(sql.Identifier(table))).fetchone()
    if not known or row is None or row[0]:
        return
    # What only the new one keeps apart, sums by writer, stands at nought.
    picked = ", ".join(name if name in known else "0" for name in columns)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), names)
    with connection.cursor() as cursor, cursor.copy(into) as writer:
        for values in book.execute(f"select {picked} from {table}"):  # noqa: S608 - names that the book itself gave
            writer.write_row(values)
