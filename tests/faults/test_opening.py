"""R13: many processes that open a new book in the same moment all get it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import apsw

import rollbook
from rollbook.store.sqlite_file import check

from .tools import url_of

_OPENER = """
import sys, time
import rollbook, rollbook.book, rollbook.store.sqlite
time.sleep(max(0.0, float(sys.argv[2]) - time.time()))
with rollbook.open(f"sqlite:///{sys.argv[1]}") as book:
    print(book.record_usage("s", tokens_in=1))
"""


def test_r13_a_new_book_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / f"book{number}.db"
        at = str(time.time() + 1.0)
        openers = [
            subprocess.Popen([sys.executable, "-c", _OPENER, str(path), at], stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        said = [opener.communicate(timeout=120)[0].strip() for opener in openers]
        assert said == ["counted"] * len(openers)


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
