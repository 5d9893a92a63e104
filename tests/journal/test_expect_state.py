"""R11 for state: a step may name the value that a key of the session's state must have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw

import rollbook
from rollbook import Conflict, Rollbook
from rollbook.journal.steps import ExpectState, SetState


@pytest.fixture(params=["sql", "files"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rollbook]:
    journal = f"file://{tmp_path}/journal" if request.param == "files" else None
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=journal) as opened:
        yield opened


def put(book: Rollbook, value: bytes, *expects: ExpectState) -> None:
    plans = book._plans
    book._plans.drive(plans.step("s", [SetState({"k": Raw(value)})], expects=expects))


def test_R11_a_value_that_is_not_there_yet(book: Rollbook) -> None:
    put(book, b"1", ExpectState("k", None))
    with pytest.raises(Conflict, match="'k'"):
        put(book, b"2", ExpectState("k", None))
    assert book.all_state("s") == {"k": 1}


def test_R11_a_value_that_is_still_the_one_that_was_read(book: Rollbook) -> None:
    put(book, b'{"a": 1}')
    put(book, b"2", ExpectState("k", Raw(b'{"a": 1}')))
    with pytest.raises(Conflict):
        put(book, b"3", ExpectState("k", Raw(b'{"a": 1}')))
    with pytest.raises(Conflict):
        put(book, b"3", ExpectState("k", Raw(b"2")), ExpectState("other", Raw(b"null")))
    assert book.all_state("s") == {"k": 2}


def test_R11_a_null_is_a_value(book: Rollbook) -> None:
    put(book, b"null", ExpectState("k", None))
    with pytest.raises(Conflict):
        put(book, b"1", ExpectState("k", None))
    put(book, b"1", ExpectState("k", Raw(b"null")))
    assert book.all_state("s") == {"k": 1}


def test_R11_a_step_that_is_refused_makes_no_session(book: Rollbook) -> None:
    with pytest.raises(Conflict):
        put(book, b"1", ExpectState("k", Raw(b"0")))
    assert not book.list().sessions
