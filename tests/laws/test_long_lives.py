"""R2 and R3 over many attempts: a session that runs every night for years keeps its figures, and its pace."""

from __future__ import annotations

from pathlib import Path

import pytest

import rollbook
from rollbook.rules.checks import utc_now
from rollbook.rules.life import LIFE_CAP

from .tools import opened

START = 1_750_000_000


def test_r2_a_session_that_was_reopened_many_times_keeps_its_figures() -> None:
    runs = LIFE_CAP + 50
    with opened() as book:
        for run in range(runs):
            at = START + 100 * run
            book.reopen("nightly", at=at)
            assert book.record_usage("nightly", tokens_in=1, cost_usd=0.001, occurred_at=at + 5) == "counted"
            book.end("nightly", "completed", at=at + 10)
        session = book.get("nightly")
        assert (session.attempt, session.calls, session.agent_time_s) == (runs, runs, 10.0 * runs)
        late = book.record_usage("nightly", tokens_in=1, occurred_at=START + 100 * (runs - 1) + 50)
        assert late == "late"
        assert book.get("nightly").calls == runs
        assert book.verify().ok


@pytest.mark.usefixtures("engine")
def test_r2_a_handle_may_be_entered_again() -> None:
    with opened(utc_now) as book:
        handle = book.session("h")
        with handle as session:
            session.end("failed")
        with handle:
            assert handle.get().status == "running"
        assert handle.get().status == "completed"


def test_a_path_names_a_book_and_nothing_else_does(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db") as book:
        assert book.touch("s").session_id == "s"
    with pytest.raises(rollbook.InvalidInput, match="URL or a path"):
        rollbook.open(5)  # type: ignore[arg-type]  # what a caller should not do


@pytest.mark.usefixtures("engine")
def test_what_is_known_of_calls_can_be_asked() -> None:
    with opened() as book:
        book.record_usage("s", usage_id="u", aliases=["a"], tokens_in=1)
        assert book.known_usage(["u", "a", "x"]) == {"u", "a"}
        assert book.known_usage([]) == set()
