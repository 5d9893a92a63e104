"""A PostgreSQL schema as a book: whose it is, and its version."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

from rollbook.errors import StoreError
from rollbook.store import statements
from rollbook.store.postgres_connection import DIALECT, ENGINE, Connection

LEAST_VERSION: Final = 140_000  #: of the server


def newest() -> int:
    """The schema's number that this version writes."""
    return statements.migrations(ENGINE)[-1][0]


def prepare(raw: psycopg.Connection[Any], schema: str, where: str, *, read_only: bool) -> None:
    """Make the book, or bring it up to date, in one transaction; several processes may do so at once."""
    if raw.info.server_version < LEAST_VERSION:
        raise StoreError(f"{where} is PostgreSQL {raw.info.server_version // 10_000}; 14 or newer is needed")
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"{where}: the database keeps its texts as {encoding}, and a book needs UTF-8; make one by: "
            f"createdb --encoding=UTF8 --template=template0 NAME"
        )
    tx = Connection(raw, "store")
    with raw.transaction():
        version, oldest = _stored(tx, schema)
        if read_only or (version and version >= newest()):
            _check(version, oldest, where, read_only=read_only)
            return
        tx.rows("take_turn", schema=schema)
        version, oldest = _stored(tx, schema)
        _check(version, oldest, where, read_only=False)
        if version < newest():
            _migrate(raw, tx, schema, (version, oldest), where)


def newer(where: str, version: int, oldest: int) -> str:
    """What is said of a book that this version must not write to."""
    return (
        f"{where} was written by a newer Rollbook (schema {version}, writable from {oldest}; this one knows "
        f"{newest()}); upgrade"
    )


def _stored(tx: Connection, schema: str) -> tuple[int, int]:
    """The number of the schema that is there, and that of the oldest library that may write to it; 0 for none."""
    if not tx.rows("has_table", schema=schema)[0][0]:
        return 0, 0
    found = tx.rows("schema_version")
    return (found[0][0], found[0][1]) if found else (0, 0)


def _check(version: int, oldest: int, where: str, *, read_only: bool) -> None:
    if oldest > newest():
        raise StoreError(newer(where, version, oldest))
    if read_only and not version:
        raise StoreError(f"{where} holds no book yet; the first write makes one")
    if read_only and version < newest():
        raise StoreError(
            f"{where} was written by an older Rollbook (schema {version}, this one reads {newest()}); open it once for "
            f"writing (rollbook summary does), and it is brought up to date"
        )


def _migrate(raw: psycopg.Connection[Any], tx: Connection, schema: str, before: tuple[int, int], where: str) -> None:
    version, oldest = before
    if version:
        tx.rows("keep_writers_out")  # who wrote before has seen the old schema, and who comes later sees the new one
    else:
        if tx.rows("foreign_tables", schema=schema)[0][0]:
            raise StoreError(f"the schema {schema} of {where} holds tables of another program; name one with ?schema=")
        raw.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)), prepare=False)
    for number, _, text in statements.migrations(ENGINE):
        if number > version:
            raw.execute(statements.spell(text, DIALECT), prepare=False)
            oldest = max(oldest, statements.writable_from(text) or number)
    tx.rows("save_version", version=newest(), oldest=oldest)
    if version:
        tx.rows("ledger.bump_generation")
