"""What a batch of writes needs in memory."""

from __future__ import annotations

import gc
from pathlib import Path

import rollbook
from rollbook.journal.sql import JournalWork
from rollbook.ledger.work import Work


def test_what_a_batch_needed_is_freed_with_it(tmp_path: Path) -> None:
    """Else a busy server stands still for a long while, again and again, to look for what refers to itself."""
    with rollbook.open(f"sqlite:///{tmp_path / 'book.db'}") as book:
        gc.collect()
        gc.disable()
        try:
            book.record_usage("s", usage_id="1", model="m", tokens_in=1)
            book.add_message("s", role="user", content="hello")
            left = [type(one).__name__ for one in gc.get_objects() if isinstance(one, Work | JournalWork)]
        finally:
            gc.enable()
    assert not left
