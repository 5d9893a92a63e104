"""The traps once more with contents: an entry stands once, with the same body, however the files are imported.

And contents change nothing in the ledger: the book says the same of its sessions and calls as without them.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import rollbook
from importers.test_traps import NOW, TRAPS, Trap, everything, files, grown, lay_out, memory
from rollbook.importers import source
from rollbook.importers.base import ImportReport
from rollbook.importers.runs import run_import

ORDERS = 6


def take(book: rollbook.Rollbook, trap: Trap, paths: Iterable[Path], *, content: bool = True) -> ImportReport:
    report = run_import(book, source(trap.source), list(paths), now=NOW, content=content)
    assert report.problems == []
    return report


def contents(book: rollbook.Rollbook) -> dict[str, Any]:
    """Every entry of every session, whatever its place."""
    return {
        f"{session.session_id} {stream}": sorted(
            (entry.entry_id, entry.created_at, json.dumps(entry.body))
            for entry in book.entries(session.session_id, stream)
        )
        for session in book.iterate()
        for stream in ("messages", "trace")
    }


def both(book: rollbook.Rollbook) -> tuple[dict[str, Any], dict[str, Any]]:
    return everything(book), contents(book)


@pytest.mark.parametrize("trap", TRAPS, ids=str)
def test_r11_an_entry_stands_once_however_a_trap_is_imported(trap: Trap, tmp_path: Path) -> None:
    folder = lay_out(trap, tmp_path / "home")
    with memory() as book:
        take(book, trap, [folder], content=False)
        plain = everything(book)
        first = take(book, trap, [folder])  # read again, for its contents
        assert first.new_calls == 0
        assert first.bytes > 0
        assert everything(book) == plain
        found = contents(book)
        assert sum(map(len, found.values())) == first.new_entries
        again = take(book, trap, [folder])
        assert (again.bytes, again.entries) == (0, 0)
        copied = take(book, trap, [shutil.copytree(folder, tmp_path / "copy")])
        assert (copied.entries >= first.new_entries, copied.new_entries) == (True, 0)
        assert both(book) == (plain, found)
    for order in itertools.islice(itertools.permutations(files(folder)), ORDERS):
        with memory() as book:
            for path in order:
                take(book, trap, [path])
            assert both(book) == (plain, found)
    with memory() as book:
        for _ in grown(trap, tmp_path / "grown", random.Random(7), how="cut anywhere"):
            take(book, trap, [tmp_path / "grown"])
        assert both(book) == (plain, found)
