"""Back up or restore a book step by step: ``copying.py backup|restore URL PATH``.

Tells what it does before each step and goes on when it is given a line, so that it can be stopped at any of them.
"""

from __future__ import annotations

import sys

import rollbook
from rollbook.store import sqlite_copies


def main(what: str, url: str, path: str) -> None:
    def step(doing: str, done: int, total: int) -> None:
        print(doing, done, total)
        sys.stdin.readline()

    sqlite_copies.STEP_PAGES = 12  # type: ignore[misc]
    with rollbook.open(url) as book:
        print("opened", 0, 0)
        sys.stdin.readline()
        try:
            done = book.backup(path, progress=step) if what == "backup" else book.restore(path, progress=step)
        except (KeyboardInterrupt, rollbook.RollbookError) as error:
            print(type(error).__name__, error)
        else:
            print("done", done.sessions, done.ledger_rows)


main(*sys.argv[1:])
