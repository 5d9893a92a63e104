"""R6: a book that shows everybody's sessions reads what they contain as it shows them; writes are one's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import rollbook
from rollbook.errors import NotFound

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
Opened = Callable[..., rollbook.Rollbook]


@pytest.fixture
def everybody(opened: Opened) -> Opened:
    with opened() as book:
        book.add_qa("theirs", question="of alice", answer="a", qa_id="q", user_id="alice", at=AT)
        book.add_qa("theirs", question="of bob", answer="b", qa_id="q", user_id="bob", at=AT + timedelta(hours=1))
        book.add_trace_step("theirs", origin_function="f", user_id="bob", at=AT + timedelta(hours=1))
        book.set_state("theirs", values={"k": "bob's"}, user_id="bob")
        book.append("theirs", "x", entries=[1], ids=["e"], user_id="bob")
        book.set_graph_context("theirs", "g", user_id="bob")
        book.set_state(None, values={"u": "bob's"}, user_id="bob")
    return lambda: opened(all_users=True)


def test_R6_a_session_of_another_user_is_read_where_it_is_seen(everybody: Opened) -> None:
    with everybody() as book:
        assert book.get("theirs").user_id == book.get("theirs", user_id="bob").user_id
        assert [turn.question for turn in book.qa("theirs")] == ["of bob"]  # the last active
        assert book.get_qa("theirs", "q").question == "of bob"
        assert book.latest_qa_id("theirs") == "q"
        assert [step.origin_function for step in book.trace("theirs")] == ["f"]
        assert [said.content for said in book.conversation("theirs")] == ["of bob", "b"]
        assert book.history("theirs")[0]["content"] == "of bob"
        assert [entry.body for entry in book.entries("theirs", "x")] == [book.entry("theirs", "x", "e").body] == [1]
        assert {head.stream for head in book.heads("theirs")} == {"qa", "trace", "x"}
        assert book.revision("theirs", "x") > 0
        assert (book.get_state("theirs", "k"), book.graph_context("theirs")) == ("bob's", "g")
        assert book.all_state("theirs")["k"] == "bob's"
        assert [turn.question for turn in book.qa("theirs", user_id="alice")] == ["of alice"]
        assert book.all_state() == {}  # the state of a user is nobody else's


def test_R6_writes_are_ones_own(everybody: Opened) -> None:
    with everybody() as book:
        assert not book.update_qa("theirs", "q")
        assert not book.update_qa("theirs", "q", answer="changed")
        assert not book.delete_qa("theirs", "q")
        assert not book.delete_state("theirs", "k")
        assert book.pop_entries("theirs", "x") == []
        assert book.update_qa("theirs", "q", answer="changed", user_id="bob")
        assert book.get_qa("theirs", "q").answer == "changed"
        book.add_qa("theirs", question="mine", answer="", qa_id="m", at=AT - timedelta(days=1))
        assert [turn.question for turn in book.qa("theirs")] == ["mine"]  # one's own comes first
        assert book.get_state("theirs", "k") is None


def test_R6_a_book_of_one_user_reads_nothing_of_others(everybody: Opened, opened: Opened) -> None:
    with opened() as book:
        assert (book.qa("theirs"), book.trace("theirs"), book.all_state("theirs")) == ([], [], {})
        with pytest.raises(NotFound):
            book.get_qa("theirs", "q")
