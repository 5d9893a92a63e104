"""R13: many processes that open a new book in the same moment all get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

import rollbook
from rollbook.store.sqlite_file import check

from .tools import READY, at_once, url_of

_OPENER = f"""
import sys
import rollbook, rollbook.book, rollbook.store.sqlite
{READY}
with rollbook.open("sqlite:///" + sys.argv[1]) as book:
    print(book.record_usage("s", tokens_in=1))
"""


def test_r13_a_new_book_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for number in range(4):
        assert at_once(_OPENER, tmp_path / f"book{number}.db", count=6) == ["counted"] * 6


def test_r13_a_book_that_is_made_while_it_is_looked_at_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    raw = apsw.Connection(str(path))
    raw.pragma("journal_mode", "wal")
    made: list[str] = []

    def meanwhile(_cursor: apsw.Cursor, sql: str, _bindings: Any) -> bool:
        if "sqlite_schema" in sql and not made:
            with rollbook.open(url_of(path)) as book:
                made.append(book.record_usage("s", usage_id="1"))
        return True

    raw.exec_trace = meanwhile
    assert check(raw, str(path)) == 0
    assert made == ["counted"]
    assert check(raw, str(path)) > 0
    raw.close()
