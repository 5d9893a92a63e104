"""A book of a million sessions, made in seconds: one of the benchmarks' books, and copies of each of its sessions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import apsw

HERE: Final = Path(__file__).parent


def bulk() -> ModuleType:
    """The benchmarks' maker of books: ``bulk().build(path, sessions)``."""
    spec = importlib.util.spec_from_file_location("bulk", HERE.parents[1] / "bench" / "bulk.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def build(path: Path, originals: int, copies: int) -> None:
    """Make a book of so many sessions with calls, and of so many copies of each without."""
    bulk().build(str(path), originals)
    connection = apsw.Connection(str(path))
    for name, value in (("journal_mode", "off"), ("synchronous", "off"), ("cache_size", -400_000)):
        connection.pragma(name, value)
    connection.execute("begin exclusive")
    indexes: list[Any] = connection.execute(
        "select name, sql from sqlite_schema where type = 'index' and sql is not null and tbl_name like 'session%'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}")
    found: list[Any] = connection.execute("select max(last_activity_at), max(session_no) + 1 from session").fetchall()
    values = {"copies": copies, "now": found[0][0], "apart": found[0][1]}
    for text in HERE.joinpath("large_book.sql").read_text("utf-8").split(";"):
        if text.strip():
            connection.execute(text, {name: value for name, value in values.items() if f":{name}" in text})
    for _, text in indexes:
        connection.execute(text)
    connection.execute("commit")
    connection.pragma("journal_mode", "wal")
    connection.close()
