"""The rules of a journal against the naive model, on every place for journals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from rollbook.journal.backend import Journals, open_journals
from rollbook.journal.steps import Drop, Step
from rollbook.settings import Settings
from servers import redis_server, redis_url

from .in_book import BookJournals
from .in_memory import MemoryJournals
from .machine import HISTORIES, Machine

__all__ = ["redis_server", "redis_url"]

History = list[list[Step | Drop]]
#: Every example has a user of its own, so the place may be the same.
_one_place = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(max_examples=200)
@given(HISTORIES)
def test_a_journal_shows_what_was_done_to_it(history: History) -> None:
    journals = MemoryJournals()
    machine = Machine(journals)
    for steps in history:
        machine.batch(steps)
    machine.end()
    assert not [shelf.streams for shelf in journals.shelves.values() if shelf.streams]


@pytest.fixture(params=["file", "book", "postgres", "redis"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Journals]:
    if request.param == "book":
        return lambda: BookJournals(f"sqlite:///{tmp_path}/book.db")
    if request.param == "postgres":
        return partial(BookJournals, request.getfixturevalue("empty_book"))
    url = request.getfixturevalue("redis_url") if request.param == "redis" else f"file://{tmp_path}/journals"
    return lambda: open_journals(url, Settings())


@pytest.fixture
def pair(reopen: Callable[[], Journals]) -> Iterator[tuple[Journals, Journals]]:
    pair = reopen(), reopen()
    yield pair
    for journals in pair:
        journals.close()


@_one_place
@given(history=HISTORIES)
def test_every_place_shows_what_was_done_to_it(
    pair: tuple[Journals, Journals], reopen: Callable[[], Journals], history: History
) -> None:
    machine = Machine(pair[0], str(uuid4()))
    for number, steps in enumerate(history):
        machine.journals = pair[number % 2]  # what one remembers the other may have changed
        machine.batch(steps)
    machine.journals = again = reopen()
    try:
        machine.check()
        machine.end()
    finally:
        again.close()
