"""The rules of a journal against the naive model, on every place for journals."""

from __future__ import annotations

from hypothesis import given, settings

from rollbook.journal.steps import Drop, Step

from .in_memory import MemoryJournals
from .machine import HISTORIES, Machine


@settings(max_examples=400)
@given(HISTORIES)
def test_a_journal_shows_what_was_done_to_it(history: list[list[Step | Drop]]) -> None:
    journals = MemoryJournals()
    machine = Machine(journals)
    for steps in history:
        machine.batch(steps)
    machine.end()
    assert not [shelf.streams for shelf in journals.shelves.values() if shelf.streams]
