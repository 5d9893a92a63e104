"""The list of tables that a copy goes through is the schema's."""

from __future__ import annotations

import apsw
import psycopg

from laws.tools import opened_at
from rollbook.store.postgres_connection import types
from rollbook.store.sqlite_connection import DIALECT
from rollbook.store.tables import DERIVED, OWN, TABLES, TEXTS

from .tools import Places

_SLOT = {"slot"}  # in which row of a sum a writer adds


def test_on_sqlite(places: Places) -> None:
    url = places.file()
    opened_at(url).close()
    raw = apsw.Connection(url.removeprefix("sqlite:///"))
    shadows = "name not like 'search_text_%' and name not like 'sqlite_%'"
    names = {row[0] for row in raw.execute(f"select name from sqlite_schema where type = 'table' and {shadows}")}
    assert names == (TABLES.keys() | {*DERIVED, *OWN}) - {"rollbook_schema", "lane"}
    for name, table in TABLES.items():
        found = raw.execute(f"select name, pk, type from pragma_table_info('{name}')").fetchall()
        assert {row[0] for row in found} == set(table.columns), name
        assert {row[0] for row in found if row[1]} == set(table.key), name
        assert {row[0] for row in found if str(row[2]).lower() in {"text", "blob"}} == set(table.columns) & TEXTS, name
    raw.close()
    assert DIALECT["text"] == "text"


def test_on_postgresql(places: Places) -> None:
    url = places.server()
    opened_at(url).close()
    place, _, schema = url.partition("?schema=")
    with psycopg.connect(place) as raw:
        found = raw.execute(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = %s",
            [schema],
        ).fetchall()
        sorts = raw.execute(
            "select table_name, column_name, collation_name from information_schema.columns"
            " where table_schema = %s and data_type = 'text' and collation_name is distinct from 'C'",
            [schema],
        ).fetchall()
    assert not sorts, "texts sort by bytes: rows of two books are compared in their order"
    assert {row[0] for row in found} == TABLES.keys() | {*DERIVED, *OWN}
    for name, table in TABLES.items():
        assert {row[1] for row in found if row[0] == name} - _SLOT == set(table.columns), name
        texts = {row[1] for row in found if row[0] == name and row[2] in {"text", "bytea"}}
        assert texts == set(table.columns) & TEXTS, name
        assert all((types()[it] == "bigint") == (it not in TEXTS) for it in table.columns), name
