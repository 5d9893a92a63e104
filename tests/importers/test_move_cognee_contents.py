"""Moving contents in from cognee, and all of it again in whatever order."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from importers.cognee_tools import SECRET, book, cognee, session
from importers.move_tools import ANNA, RECORD, Cognee, Source, moment, take

__all__ = ["book", "cognee"]


# contents


def test_questions_answers_and_steps(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s")
    cognee.qa("s", "9b2c4b8e6f0a4c1d8e2f3a4b5c6d7e8f", question="Where?", answer="Here.", context="a map",
              feedback_text="good", feedback_score=5, used_graph_element_ids={"node_ids": ["n"], "edge_ids": None},
              memify_metadata={"feedback_weights_applied": True})  # fmt: skip
    cognee.step("s", "t", status="error", error_message="no", method_return_value=[1])
    cognee.add("cache_session_context", user_id=ANNA, session_id="s", entry_id="l", payload='{"kind":"context"}')
    report = take(book, "cognee", cognee)
    assert (report.entries, report.new_entries, report.skipped_rows) == (3, 3, 0)
    (qa,) = book.qa("s", user_id=ANNA)
    assert (qa.qa_id, qa.question, qa.answer) == ("9b2c4b8e-6f0a-4c1d-8e2f-3a4b5c6d7e8f", "Where?", "Here.")
    assert (qa.context, qa.feedback_text, qa.feedback_score) == ("a map", "good", 5)
    assert (qa.used_graph_element_ids, qa.memify_metadata) == ({"node_ids": ["n"]}, {"feedback_weights_applied": True})
    assert qa.created_at == moment("2026-05-01 10:05")
    (step,) = book.trace("s", user_id=ANNA)
    assert (step.trace_id, step.status, step.error_message, step.method_return_value) == ("t", "error", "no", [1])
    assert session(book, "s").step_errors == 1
    assert [one.body for one in book.entries("s", "context", user_id=ANNA)] == [{"kind": "context"}]
    assert [one.entry_id for one in book.search("where here")] == [qa.qa_id]


def test_entries_that_are_not_what_they_should_be(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s")
    cognee.qa("s", "no-answer", answer=None)
    cognee.qa("s", "score", feedback_score=99)
    cognee.qa("s", "large", answer="x" * (1 << 20))
    cognee.qa("s", "huge", answer="x" * (1 << 21))
    cognee.run("update cache_qa_entries set payload = '{' where qa_id = 'no-answer'")
    cognee.step("s", "", origin_function="  ")
    cognee.qa("s", "expired", expires="2026-05-08 10:05:00")
    cognee.qa("s", "kept", expires="2027-05-08 10:05:00")
    report = take(book, "cognee", cognee)
    assert {one.qa_id: one.feedback_score for one in book.qa("s", user_id=ANNA)} == {"score": None, "kept": None}
    assert (report.refused_entries, report.expired_entries, report.skipped_rows) == (1, 1, 4)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["book", "files"])
def test_feedback_that_came_later_is_added_and_what_was_said_here_stays(
    cognee: Cognee, tmp_path: Path, *, elsewhere: bool
) -> None:
    journal = f"file://{tmp_path}/journal" if elsewhere else None
    with rollbook.open(tmp_path / "book.db", all_users=True, journal=journal) as book:
        _feedback(book, cognee)


def _feedback(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.record("s")
    for name in ("rated", "own"):
        cognee.qa("s", name)
    take(book, "cognee", cognee)
    book.add_feedback("s", "own", score=1, user_id=ANNA)
    before = session(book, "s").last_activity_at
    cognee.qa("s", "rated", feedback_score=5, feedback_text=SECRET)
    cognee.qa("s", "own", feedback_score=5)
    report = take(book, "cognee", cognee)
    found = {one.qa_id: one for one in book.qa("s", user_id=ANNA)}
    assert (found["rated"].feedback_score, found["own"].feedback_score, report.completed_entries) == (5, 1, 1)
    assert SECRET not in (found["rated"].feedback_text or SECRET)
    assert session(book, "s").last_activity_at == before
    assert take(book, "cognee", cognee).completed_entries == 0


def test_a_database_of_contents_alone(book: rollbook.Rollbook, cognee: Cognee) -> None:
    cognee.qa("s", "q", user="default_user")
    for table in ("session_records", "session_model_usage"):
        cognee.run(f"drop table {table}")
    report = take(book, "cognee", cognee)
    assert (report.sessions, report.new_entries) == (1, 1)
    assert book.qa("s", user_id="default_user")[0].question == "Why?"


def test_the_rust_edition(book: rollbook.Rollbook, tmp_path: Path) -> None:
    source = Source(tmp_path / "rs.db", "cognee_rs")
    when = "2026-05-01T10:30:00.123456789+00:00"
    source.add("session_records", session_id="s", user_id=ANNA.replace("-", ""), **{**RECORD, "last_activity_at": when})
    qa = {"question": "Why?", "answer": "So.", "created_at": when}
    for name, user in (("9b2c4b8e6f0a4c1d8e2f3a4b5c6d7e8f", ANNA), ("x", None)):
        source.add("session_qa_entries", id=name, session_id="s", user_id=user, **qa)
    source.run("update session_qa_entries set feedback_score = 3, memify_metadata = '{\"a\":true}' where id <> 'x'")
    source.add(
        "session_trace_steps", trace_id="t", user_id=ANNA, session_id="s", seq=1, created_at=when, origin_function="f",
        status="success", memory_query="", memory_context="", method_params="null", error_message="",
        session_feedback="",
    )  # fmt: skip
    source.add(
        "session_graph_context",
        id=f"{ANNA}:s",
        session_id="s",
        user_id=ANNA,
        context=f"graph {SECRET}",
        updated_at=when,
    )
    report = take(book, "cognee", source)
    assert (report.new_entries, report.skipped_rows, report.problems) == (3, 0, [])
    (mine,) = book.qa("s", user_id=ANNA)
    assert (mine.qa_id, mine.feedback_score) == ("9b2c4b8e-6f0a-4c1d-8e2f-3a4b5c6d7e8f", 3)
    assert (mine.context, mine.memify_metadata) == (None, {"a": True})
    assert [one.qa_id for one in book.qa("s")] == ["x"]  # of no user: the book's own
    graph = book.graph_context("s", user_id=ANNA)
    assert graph is not None
    assert (graph[:6], SECRET in graph) == ("graph ", False)
    assert book.trace("s", user_id=ANNA)[0].method_params == {}
    assert session(book, "s").last_activity_at == moment("2026-05-01T10:30:00.123456")
    book.set_graph_context("s", "mine", user_id=ANNA)
    assert take(book, "cognee", source).problems == []
    assert book.graph_context("s", user_id=ANNA) == "mine"


Used = tuple[int, int, int]  # tokens in, tokens out, thousandths of a dollar
GROWTH = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=4)


@settings(max_examples=20)
@given(models=st.lists(GROWTH, min_size=1, max_size=2), beyond=GROWTH, order=st.randoms(use_true_random=False))
def test_in_whatever_order_and_however_often_states_of_a_source_are_read(
    models: list[list[Used]], beyond: list[Used], order: Random
) -> None:
    states: list[tuple[list[Used], Used]] = []
    for step in range(4):
        used = [tuple(map(sum, zip(*grown[: step + 1], strict=True))) for grown in models]
        whole = tuple(map(sum, zip(*used, *beyond[: step + 1], strict=True)))
        states.append((used, whole))  # type: ignore[arg-type]  # sums of triples are triples
    shuffled = [*range(4), *order.choices(range(4), k=2)]
    order.shuffle(shuffled)
    told_of = []
    with TemporaryDirectory() as folder:
        for number, read in enumerate(([3], shuffled)):
            with rollbook.open("sqlite:///:memory:", all_users=True) as book:
                for place in read:
                    path = Path(folder) / f"{number}-{place}.db"
                    if not path.exists():
                        write(path, *states[place])
                    take(book, "cognee", path)
                found = session(book, "s")
                told_of.append((found.tokens_in, found.tokens_out, found.cost_nano_usd, found.calls))
    assert told_of[0] == told_of[1]


def write(path: Path, used: list[Used], whole: Used) -> None:
    """A database in which a session has used that much of each model, and that much in all."""
    source = Cognee(path)
    source.record("s", tokens_in=whole[0], tokens_out=whole[1], cost_usd=whole[2] / 1000)
    for model, (tokens_in, tokens_out, cost) in enumerate(used):
        source.model("s", f"m{model}", (tokens_in, tokens_out, cost / 1000))
    source.raw.close()
