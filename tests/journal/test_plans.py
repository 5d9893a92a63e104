"""What is asked for all the time is found by the index that was made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import rollbook
from rollbook.store.sqlite_connection import _text

PREFIX: Final = "user_no=? AND root_no=? AND stream_no=?"
#: Statement, columns of its {values}, and what stands in its plan.
WANTED: Final = [
    ("lines_by_id", 0, f"entry_by_id ({PREFIX} AND entry_id=?)"),
    ("lines_behind", 0, f"entry_by_parent ({PREFIX} AND parent=?)"),
    ("branches", 0, f"entry_by_parent ({PREFIX} AND parent>?)"),
    ("line_at", 0, f"PRIMARY KEY ({PREFIX} AND position=?)"),
    ("line_above", 0, f"PRIMARY KEY ({PREFIX} AND position>?)"),
    ("lines_below", 0, f"PRIMARY KEY ({PREFIX} AND position<?)"),
    ("known_ids", 4, f"entry_by_id ({PREFIX} AND entry_id=?)"),
    ("head_of", 0, "PRIMARY KEY (user_no=? AND session_no=? AND stream_no=? AND head=?)"),
    ("root_of", 0, "PRIMARY KEY (user_no=? AND session_no=?)"),
    ("roots_of", 2, "PRIMARY KEY (user_no=? AND session_no=?)"),
    ("heads_under", 2, "journal_head_by_root (user_no=? AND root_no=?)"),
    ("heads_of_stream", 0, f"journal_head_by_root ({PREFIX})"),
    ("heads_of_session", 0, "PRIMARY KEY (user_no=? AND session_no=?)"),
    ("state_of", 0, "PRIMARY KEY (user_no=? AND session_no=?)"),
    ("value_of", 0, "PRIMARY KEY (user_no=? AND session_no=? AND name=?)"),
]


@pytest.mark.parametrize("again", [False, True], ids=["made now", "opened again"])
@pytest.mark.parametrize(("name", "width", "wanted"), WANTED, ids=[one[0] for one in WANTED])
def test_a_hot_statement_takes_its_index(tmp_path: Path, name: str, width: int, wanted: str, again: bool) -> None:
    url = f"sqlite:///{tmp_path}/book.db"
    if again:
        rollbook.open(url).close()
    with rollbook.open(url) as book, book._plans.store.write() as tx:
        raw = tx.raw  # type: ignore[attr-defined]
        text = _text("journal", name, 2, width) if width else _text("journal", name)
        names = ("user_no", "session_no", "root_no", "stream_no", "position", "entry_id", "head", "most", "name")
        values = [1] * 2 * width if width else dict.fromkeys(names, 1)
        plan = " | ".join(str(row[3]) for row in raw.execute(f"explain query plan {text}", values))
        assert wanted in plan, plan
        assert "SCAN entry" not in plan
        assert "SCAN journal_head" not in plan
