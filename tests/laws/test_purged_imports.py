"""R12: what was removed is not brought back by the transcripts that it came from, whichever trap they are.

What is imported is told to the ledger as anything else is, so that one engine is enough: the others obey the same laws.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import rollbook
from importers.test_traps import TRAPS, Trap, every_trap, everything, files, lay_out, memory, take

from .histories import well
from .test_purge import marked


def adds_nothing(book: rollbook.Rollbook, trap: Trap, copy: Path, chance: random.Random, kept: Any) -> None:
    """Importing a copy, file by file in any order, leaves the book as it is."""
    paths = files(copy)
    chance.shuffle(paths)
    for path in paths:
        take(book, trap, [path])
    assert everything(book) == kept
    well(book)


@every_trap
def test_r12_importing_again_adds_nothing_of_what_was_removed(trap: Trap, tmp_path: Path) -> None:
    chance = random.Random(str(trap))
    home, copy = lay_out(trap, tmp_path / "home"), lay_out(trap, tmp_path / "copy")
    with memory() as book:
        take(book, trap, [home])
        ids = [one.session_id for one in book.iterate()]
        times = sorted({row.occurred_at for one in ids for row in book.usage(one)})
    for purged in chance.sample(ids, min(3, len(ids))):
        with memory() as book:
            take(book, trap, [home])
            book.purge(purged)
            # A fork of it may still say what it was forked from, and whose calls it quotes; nothing else does.
            assert set(marked(book, purged)) <= {"session_info", "ledger", "usage_key"}
            kept = everything(book)
            well(book)
            take(book, trap, [home])
            assert everything(book) == kept
            adds_nothing(book, trap, copy, chance, kept)
    for cut in chance.sample(times[1:], min(2, len(times[1:]))):
        with memory() as book:
            take(book, trap, [home])
            whole = everything(book)
            book.prune(ledger=cut)
            assert everything(book) == whole
            adds_nothing(book, trap, copy, chance, whole)
    with memory() as book:
        take(book, trap, [home])
        if ids:
            book.purge_user()
            take(book, trap, [home, copy])
            assert not list(book.iterate())
            assert book.spend(since="all").total.calls == 0
            well(book)


def test_r12_there_are_traps() -> None:
    assert len(TRAPS) > 20
