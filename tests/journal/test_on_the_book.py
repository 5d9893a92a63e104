"""Questions, answers, feedback, trace, messages, state and history on the book: the same wherever journals are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import UNSET

import rollbook
from rollbook.content import QA
from rollbook.errors import InvalidInput, NotFound

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


# Questions and answers


def test_r1_a_question_makes_the_session_and_is_a_sign_of_life(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", at=AT)
    session = book.get("s")
    assert (session.status, session.started_at, session.last_activity_at) == ("running", AT, AT)
    book.add_qa("s", question="q", answer="a", at=AT + timedelta(minutes=1))
    assert book.get("s").last_activity_at == AT + timedelta(minutes=1)


def test_r2_an_ended_session_takes_content_and_stays_as_it_ended(book: rollbook.Rollbook) -> None:
    book.touch("s", at=AT)
    ended = book.end("s", "completed", at=AT)
    name = book.add_qa("s", question="q", answer="a")
    assert book.add_feedback("s", name, score=5)
    now = book.get("s")
    assert (now.status, now.ended_at, now.last_activity_at) == (ended.status, ended.ended_at, ended.last_activity_at)


def test_everything_of_a_question_comes_back(book: rollbook.Rollbook) -> None:
    given: dict[str, Any] = {
        "question": "what\u2028is \x00 1️⃣?", "answer": "", "context": "c", "feedback_text": "fine", "feedback_score": 5,
        "used_graph_element_ids": {"node_ids": ["n"], "edge_ids": []}, "memify_metadata": {"x": True, "y": False},
    }  # fmt: skip
    name = book.add_qa("s", qa_id="q-1", at=AT, **given)
    assert (name, book.get_qa("s", "q-1")) == ("q-1", QA(qa_id="q-1", session_id="s", created_at=AT, **given))
    assert book.latest_qa_id("s") == "q-1"


def test_r11_the_same_id_again_changes_nothing(book: rollbook.Rollbook) -> None:
    assert book.add_qa("s", question="first", answer="a", qa_id="q") == "q"
    assert book.add_qa("s", question="second", answer="b", qa_id="q") == "q"
    assert [turn.question for turn in book.qa("s")] == ["first"]


def test_r11_oldest_first_and_the_newest_so_many(book: rollbook.Rollbook) -> None:
    for number in range(5):
        book.add_qa("s", question=str(number), answer="", at=AT)  # equal times: the order is that of adding
    assert [turn.question for turn in book.qa("s")] == ["0", "1", "2", "3", "4"]
    assert [turn.question for turn in book.qa("s", last_n=2)] == ["3", "4"]
    assert book.qa("s", last_n=0) == []
    assert len(book.qa("s", last_n=99)) == 5
    for wrong in (-1, 1.5, True, "2"):
        with pytest.raises(InvalidInput):
            book.qa("s", last_n=wrong)  # type: ignore[arg-type]


def test_nothing_is_there_before_anything_was_said(book: rollbook.Rollbook) -> None:
    empty: list[Any] = [book.qa("s"), book.trace("s"), book.history("s"), book.conversation("s"), book.heads("s")]
    assert empty == [[]] * 5
    assert book.latest_qa_id("s") is None
    assert book.graph_context("s") is None
    assert book.history_text("s") == ""
    assert book.all_state("s") == {}
    assert not book.update_qa("s", "q", answer="a")
    assert not book.delete_qa("s", "q")
    assert not book.add_feedback("s", "q", score=1)
    assert not book.delete_feedback("s", "q")
    assert not book.delete_state("s", "k")
    assert book.pop_entries("s", "x") == []
    with pytest.raises(NotFound):
        book.get_qa("s", "q")
    with pytest.raises(NotFound):
        book.get("s")  # looking made no session


def test_r10_unset_stays_none_clears_and_a_value_is_set(book: rollbook.Rollbook) -> None:
    name = book.add_qa(
        "s", question="q", answer="a", context="c", feedback_text="t", feedback_score=2, memify_metadata={"old": True},
        used_graph_element_ids={"node_ids": ["n"]},
    )  # fmt: skip
    before = book.get_qa("s", name)
    assert book.update_qa("s", name)
    assert book.update_qa("s", name, question=UNSET, context=UNSET)
    assert book.get_qa("s", name) == before
    assert book.update_qa(
        "s", name, answer="b", context=None, used_graph_element_ids=None, memify_metadata={"new": True}
    )
    now = book.get_qa("s", name)
    assert (now.question, now.answer, now.context, now.used_graph_element_ids) == ("q", "b", None, None)
    assert (now.feedback_text, now.feedback_score, now.memify_metadata) == ("t", 2, {"new": True})
    cleared: list[dict[str, Any]] = [{"question": None}, {"answer": None}]
    for one in cleared:
        with pytest.raises(InvalidInput, match=next(iter(one))):
            book.update_qa("s", name, **one)
    assert not book.update_qa("s", "another", answer="b")
    assert book.get_qa("s", name) == now


def test_r10_feedback_resets_its_flag_and_leaves_the_others(book: rollbook.Rollbook) -> None:
    name = book.add_qa("s", question="q", answer="a", memify_metadata={"feedback_weights_applied": True, "x": True})
    assert book.add_feedback("s", name, score=4)
    assert book.get_qa("s", name).memify_metadata == {"feedback_weights_applied": False, "x": True}
    assert book.update_qa("s", name, memify_metadata={"feedback_weights_applied": True})
    assert book.add_feedback("s", name, text="better now")
    now = book.get_qa("s", name)
    assert (now.feedback_score, now.feedback_text) == (4, "better now")
    assert now.memify_metadata == {"feedback_weights_applied": False}
    assert book.update_qa("s", name, feedback_score=1, memify_metadata={"feedback_weights_applied": True})
    assert book.get_qa("s", name).memify_metadata == {"feedback_weights_applied": True}
    assert book.delete_feedback("s", name)
    now = book.get_qa("s", name)
    assert (now.feedback_score, now.feedback_text, now.memify_metadata) == (
        None,
        None,
        {"feedback_weights_applied": True},
    )


@pytest.mark.parametrize("score", [0, 6, -1, 4.5, 5.0, True, "5", 10**30])
def test_r10_a_score_is_a_whole_number_from_1_to_5(score: Any) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        name = book.add_qa("s", question="q", answer="a", feedback_score=3)
        for wrong in (
            lambda: book.add_feedback("s", name, score=score),
            lambda: book.update_qa("s", name, feedback_score=score),
            lambda: book.add_qa("s", question="q", answer="a", feedback_score=score),
        ):
            with pytest.raises(InvalidInput, match="from 1 to 5"):
                wrong()
        assert [turn.feedback_score for turn in book.qa("s")] == [3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": None}, {"answer": 1}, {"context": b"c"}, {"question": "\ud800"}, {"qa_id": ""}, {"qa_id": "a\x00"},
        {"qa_id": "x" * 513}, {"used_graph_element_ids": {"ids": []}}, {"used_graph_element_ids": {"node_ids": "n"}},
        {"used_graph_element_ids": ["n"]}, {"memify_metadata": {"x": 1}}, {"memify_metadata": [True]},
        {"question": "x" * (1 << 20)}, {"at": "yesterday"}, {"feedback_text": 5},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_question_that_is_refused_makes_no_session(wrong: dict[str, Any]) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        with pytest.raises(InvalidInput):
            book.add_qa("s", **{"question": "q", "answer": "a", **wrong})
        assert book.list().total == 0


def test_an_empty_mapping_is_none(book: rollbook.Rollbook) -> None:
    name = book.add_qa("s", question="q", answer="a", used_graph_element_ids={}, memify_metadata={})
    found = book.get_qa("s", name)
    assert (found.used_graph_element_ids, found.memify_metadata) == (None, None)


def test_a_question_is_deleted_once(book: rollbook.Rollbook) -> None:
    names = [book.add_qa("s", question=str(number), answer="a") for number in range(3)]
    assert book.delete_qa("s", names[1])
    assert not book.delete_qa("s", names[1])
    assert [turn.qa_id for turn in book.qa("s")] == [names[0], names[2]]
    assert book.latest_qa_id("s") == names[2]


# Trace


def test_everything_of_a_step_comes_back(book: rollbook.Rollbook) -> None:
    long = "x" * 5000
    given: dict[str, Any] = {
        "origin_function": "f", "status": "success", "memory_query": "m", "memory_context": long, "error_message": "",
        "method_params": {"a": [1, None, 2.5, {"b": list(range(50))}]}, "method_return_value": long,
        "session_feedback": "ok", "duration_s": 1.25, "tool_name": "t", "span_id": "s", "error": None,
    }  # fmt: skip
    name = book.add_trace_step("s", started_at=AT, at=AT + timedelta(seconds=2), **given)
    (step,) = book.trace("s")
    assert (step.trace_id, step.started_at, step.created_at) == (name, AT, AT + timedelta(seconds=2))
    assert {field: getattr(step, field) for field in given} == given
    assert book.trace("s", last_n=0) == []


def test_a_failed_step_counts_once(book: rollbook.Rollbook) -> None:
    for _ in range(2):
        book.add_trace_step("s", origin_function="f", status="error", error_message="boom", trace_id="t1")
    book.add_trace_step("s", origin_function="f", error="TimeoutError", trace_id="t2")
    book.add_trace_step("s", origin_function="f", error_message="only said", trace_id="t3")
    session = book.get("s")
    assert (session.step_errors, session.error_count, session.call_errors) == (2, 2, 0)
    assert book.stats().errors == 2
    assert book.verify().ok


def test_failed_steps_count_whatever_becomes_of_the_trace(book: rollbook.Rollbook) -> None:
    for name in "abc":
        book.add_trace_step("s", origin_function="f", status="error", trace_id=name)
    assert book.drop_head("s", "trace")
    for name in "de":
        book.add_trace_step("s", origin_function="f", status="error", trace_id=name)
    assert book.get("s").step_errors == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin_function": ""}, {"status": " "}, {"duration_s": -1}, {"duration_s": float("nan")},
        {"duration_s": True}, {"method_params": {1, 2}}, {"method_return_value": float("inf")}, {"started_at": "x"},
        {"memory_query": None},
    ],
    ids=lambda wrong: next(iter(wrong)),
)  # fmt: skip
def test_a_step_that_is_refused_makes_no_session(wrong: dict[str, Any]) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        with pytest.raises(InvalidInput):
            book.add_trace_step("s", **{"origin_function": "f", **wrong})
        assert book.list().total == 0


# Conversation


def test_history_takes_user_and_assistant_in_turn(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q1", answer="a1", context="c1", at=AT)
    for number, (role, content) in enumerate(
        [("system", "be kind"), ("user", "u1"), ("user", "u2"), ("tool", "t"), ("assistant", "b1"), ("assistant", "b2")]
    ):
        book.add_message("s", role=role, content=content, at=AT + timedelta(seconds=1 + number))
    book.add_qa("s", question="", answer="said unasked", at=AT + timedelta(minutes=1))
    assert [(one["role"], one["content"]) for one in book.history("s", last_n=None)] == [
        ("user", "q1"), ("assistant", "a1"), ("user", "u1\n\nu2"), ("assistant", "b1\n\nb2\n\nsaid unasked"),
    ]  # fmt: skip
    assert [one["content"] for one in book.history("s", last_n=1)] == ["said unasked"]
    assert book.history("s", last_n=0) == []
    whole = book.history_text("s")
    assert whole.startswith(
        "Previous conversation:\n\n[2026-03-01T12:00:00.000000+00:00]\nQUESTION: q1\nCONTEXT: c1\nANSWER: a1\n\n"
    )
    assert "c1" not in book.history_text("s", context=False)
    said = book.conversation("s")
    assert [one.content for one in said[:3]] == ["q1", "a1", "be kind"]
    assert [one.content for one in book.conversation("s", last_n=2)] == ["b2", "said unasked"]
    with pytest.raises(InvalidInput, match="role"):
        book.add_message("s", role="robot", content="x")


def test_history_reads_as_many_messages_as_its_turns_take(book: rollbook.Rollbook) -> None:
    for turn in range(3):
        book.add_message("s", role="user", content=f"u{turn}")
        for number in range(90):
            book.add_message("s", role="assistant", content=f"{turn}.{number}")
    told = book.history("s", last_n=2)
    assert [one["role"] for one in told] == ["user", "assistant"] * 2
    assert (told[0]["content"], told[2]["content"]) == ("u1", "u2")
    assert told[1]["content"] == "\n\n".join(f"1.{number}" for number in range(90))


# State


def test_state_is_set_read_and_removed_by_key(book: rollbook.Rollbook) -> None:
    book.set_state("s", values={"a": 1, "b": None, "c": {"d": [True, 1.0, 2**70]}})
    book.set_state("s", values={"a": 2})
    assert book.all_state("s") == {"a": 2, "b": None, "c": {"d": [True, 1.0, 2**70]}}
    assert book.get_state("s", "b", default="gone") is None
    assert book.get_state("s", "x", default="gone") == "gone"
    assert book.delete_state("s", "a")
    assert not book.delete_state("s", "a")
    book.set_state(None, values={"a": "the user's"})
    assert (book.all_state(), book.get_state("s", "a")) == ({"a": "the user's"}, None)
    assert book.all_state(user_id="somebody else") == {}
    book.set_graph_context("s", "nodes")
    assert (book.graph_context("s"), book.get_state("s", "graph_context")) == ("nodes", "nodes")


@pytest.mark.parametrize(
    "values", [{"": 1}, {"k" * 257: 1}, {"k": float("nan")}, {"k": {1}}, {"k": "\ud800"}, [("k", 1)]]
)
def test_state_that_is_refused_changes_nothing(values: Any) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        book.set_state("s", values={"a": 1})
        with pytest.raises(InvalidInput):
            book.set_state("s", values={"b": 2, **values} if isinstance(values, dict) else values)
        assert book.all_state("s") == {"a": 1}
