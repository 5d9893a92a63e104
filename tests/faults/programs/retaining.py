"""Retention in a process of its own: ``retaining.py URL prune|purge_user|full_disk``, in many short steps.

It says when it begins and, where it is not killed before, what it removed.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import rollbook
from rollbook.ledger import pruning
from rollbook.plans import retention

STEP = 60  #: ledger rows in one transaction
AGE = "30d"


def begin(book: rollbook.Rollbook, what: str) -> None:
    sys.stdin.readline()
    print("begins")
    if what == "prune":
        print(book.prune(ledger=AGE, content=AGE).ledger_rows)
    else:
        print(book.purge_user().sessions)


def prune_without_room(book: rollbook.Rollbook, folder: Path) -> None:
    """There is room for a few steps; then there is none; then there is."""
    log, hard = folder / "book.db-wal", resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    print("begins")
    cost, found = book.spend(since="all").total.cost_nano_usd, book.verify()
    rows = found.ledger_rows
    for room in (1_000, 300_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + room, hard))
        try:
            book.prune(ledger=AGE)
        except rollbook.StoreError as error:
            assert "space" in str(error) or "disk" in str(error), error
        else:
            raise AssertionError("there was room for it")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        found = book.verify()
        assert found.ok, found.problems[:5]
        assert book.spend(since="all").total.cost_nano_usd == cost
    assert found.ledger_rows < rows, "not one step was kept"
    print(book.prune(ledger=AGE).ledger_rows)


def main(url: str, what: str) -> None:
    for module in (pruning, retention):
        vars(module)["FOLDED_AT_ONCE"] = STEP  # shorter steps, more to interrupt
    with rollbook.open(url) as book:
        if what == "full_disk":
            prune_without_room(book, Path(os.fspath(url).removeprefix("sqlite:///")).parent)
        else:
            begin(book, what)


main(*sys.argv[1:])
