"""Questions, answers, feedback, trace, messages, state and history on the book: the same wherever journals are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

import rollbook
from rollbook import aio
from rollbook.content import QA
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound, NotSupported, StoreError

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


# Streams


def test_r11_a_revision_that_has_moved_on_is_a_conflict_that_says_both(book: rollbook.Rollbook) -> None:
    first = book.append("s", "x", entries=[1], expected=0, state={"n": 1})
    second = book.append("s", "x", entries=[2], expected=first.revision)
    with pytest.raises(Conflict) as refused:
        book.append("s", "x", entries=[3], expected=first.revision, state={"n": 3})
    assert (refused.value.expected, refused.value.found) == (first.revision, second.revision)
    assert ([entry.body for entry in book.entries("s", "x")], book.all_state("s")) == ([1, 2], {"n": 1})
    assert book.revision("s", "x") == second.revision
    with pytest.raises(Conflict):
        book.append("other", "x", entries=[1], expected=7)
    with pytest.raises(NotFound):
        book.get("other")


def test_user_state_with_entries_is_one_step_or_is_refused(book: rollbook.Rollbook, place: str | None) -> None:
    if place is None:
        book.append("s", "x", entries=[1], user_state={"k": 1})
        assert (len(book.entries("s", "x")), book.all_state()) == (1, {"k": 1})
        return
    with pytest.raises(NotSupported):
        book.append("s", "x", entries=[1], user_state={"k": 1})
    assert (book.entries("s", "x"), book.all_state()) == ([], {})


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"nan", b'"a" "b"', b"[1,]", b'"\xed\xa0\x80"'])
def test_a_body_that_is_not_json_is_refused(book: rollbook.Rollbook, body: bytes) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        book.append("s", "x", entries=[body])
    assert book.list().total == 0


def test_bytes_of_json_are_kept_as_they_are(book: rollbook.Rollbook) -> None:
    odd = b' {"b":1.0 , "a":\t123456789012345678901234567890, "c":"\\u0000\\ud83d\\ude00"} '
    book.append("s", "x", entries=[odd], ids=["one"])
    assert book.entry("s", "x", "one").body == {"b": 1.0, "a": 123456789012345678901234567890, "c": "\x00\U0001f600"}
    assert book.patch_entry("s", "x", "one", fields={"b": 2})
    assert book.entry("s", "x", "one").body["a"] == 123456789012345678901234567890


def test_an_entry_over_the_limit_is_refused(
    opened: Callable[..., rollbook.Rollbook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_ENTRY_BYTES", "1000")
    with opened() as book:
        book.append("s", "x", entries=["x" * 998])
        with pytest.raises(InvalidInput, match="1000 are allowed"):
            book.append("s", "x", entries=["small", "x" * 999])
        assert len(book.entries("s", "x")) == 1


# Whose it is, and deletion


def test_r6_another_user_sees_and_changes_nothing(book: rollbook.Rollbook) -> None:
    name = book.add_qa("s", question="secret of ann", answer="a", user_id="ann")
    for other in (None, "bob"):
        assert book.qa("s", user_id=other) == []
        assert not book.update_qa("s", name, answer="b", user_id=other)
        assert not book.delete_qa("s", name, user_id=other)
        with pytest.raises(NotFound):
            book.fork("s", "mine", user_id=other)
    assert book.get_qa("s", name, user_id="ann").answer == "a"


def test_r12_a_deleted_session_has_no_content_and_takes_none(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a")
    book.add_trace_step("s", origin_function="f")
    book.set_graph_context("s", "g")
    book.record_usage("s", tokens_in=5, cost_usd=1)
    assert book.delete_session("s")
    assert not book.delete_session("s")
    assert (book.qa("s"), book.trace("s")) == ([], [])
    assert (book.all_state("s"), book.graph_context("s")) == ({}, None)
    for refused in (lambda: book.add_qa("s", question="q", answer="a"), lambda: book.set_state("s", values={"k": 1})):
        with pytest.raises(Gone):
            refused()
    assert book.spend(since="all").total.cost_usd == 1


def test_r12_a_deletion_that_was_interrupted_is_finished_by_the_next_who_opens(
    opened: Callable[..., rollbook.Rollbook], place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
        if place is None:
            assert book._plans.journals is None  # one transaction removes both
            return
        with monkeypatch.context() as patch:

            def dies(*_: object) -> None:
                raise StoreError("the program dies here")

            patch.setattr(book._plans, "clear_outside", dies)
            with pytest.raises(StoreError):
                book.delete_session("s")
        journals = book._plans.journals
        assert journals is not None
        assert [kept.session_id for kept in journals.sessions()] == ["s"]
        assert book.qa("s") == []  # not to be seen, removed or not
    with opened() as book:
        journals = book._plans.journals
        assert journals is not None
        assert list(journals.sessions()) == []


def test_r12_content_is_pruned_and_what_the_session_came_to_stays(book: rollbook.Rollbook) -> None:
    book.add_qa("s", question="q", answer="a", at=AT)
    book.add_qa("late", question="q", answer="a")
    book.end("s", "completed", at=AT)
    book.end("late", "completed")
    assert book.prune(content="1d", dry_run=True).contents == 1
    assert book.prune(content="1d").contents == 1
    assert (book.qa("s"), len(book.qa("late"))) == ([], 1)
    assert book.get("s").status == "completed"
    assert book.prune(content="1d").contents == 0


def test_r12_wiping_is_an_administrators(opened: Callable[..., rollbook.Rollbook]) -> None:
    with opened() as book:
        book.add_qa("s", question="q", answer="a")
        book.add_qa("s", question="q", answer="a", user_id="ann")
        with pytest.raises(InvalidInput, match="all_users"):
            book.wipe_journal()
        assert len(book.qa("s")) == 1
    with opened(all_users=True) as book:
        assert book.wipe_journal(dry_run=True).sessions == 2
        assert len(book.qa("s")) == 1
        assert book.wipe_journal().sessions == 2
        assert book.qa("s") == book.qa("s", user_id="ann") == []
        assert book.list().total == 2
        assert book.add_qa("s", question="again", answer="a") == book.latest_qa_id("s")
        assert book.verify().ok


def test_forks_share_their_past_on_the_book(book: rollbook.Rollbook) -> None:
    names = [book.add_qa("s", question=str(number), answer="a") for number in range(3)]
    book.set_state("s", values={"k": 1})
    book.fork("s", "f", stream="qa", at=names[1])
    book.add_qa("f", question="another way", answer="a")
    assert [turn.question for turn in book.qa("f")] == ["0", "1", "another way"]
    assert [turn.question for turn in book.qa("s")] == ["0", "1", "2"]
    assert book.get("f").status == "running"
    assert book.add_feedback("f", names[0], score=5)
    assert book.get_qa("s", names[0]).feedback_score == 5
    assert book.delete_session("s")
    assert [turn.question for turn in book.qa("f")] == ["0", "1", "another way"]
    assert book.verify().ok


# Both faces


def test_a_handle_has_the_methods_for_its_session(opened: Callable[..., rollbook.Rollbook]) -> None:
    with opened(user="ann") as book, book.session("s") as session:
        name = session.add_qa(question="q", answer="a")
        assert session.add_feedback(name, score=3)
        assert session.get_qa(name) == book.get_qa("s", name)
        assert session.history() == book.history("s")
        session.set_state(values={"k": 1})
        assert session.all_state() == {"k": 1}


def test_the_async_face_answers_the_same(url: str, place: str | None) -> None:
    async def there() -> list[Any]:
        async with aio.open(url, journal=place) as book:
            async with book.session("s") as session:
                await session.add_qa(question="q", answer="a", qa_id="q", at=AT)
                await session.add_feedback("q", score=2)
            names = [f"n{number:03}" for number in range(64)]
            await asyncio.gather(*(book.append("s", "x", entries=[name], ids=[name]) for name in names))
            read = await asyncio.gather(*(book.entry("s", "x", name) for name in names))
            assert [one.body for one in read] == names
            with pytest.raises(NotFound):
                await book.entry("s", "x", "none")
            return [await book.qa("s"), sorted(one.body for one in await book.entries("s", "x"))]

    said = asyncio.run(there())
    with rollbook.open(url, journal=place) as book:
        assert said == [book.qa("s"), sorted(one.body for one in book.entries("s", "x"))]
        assert len(said[1]) == 64


def test_doctor_says_how_durable_the_place_is(book: rollbook.Rollbook, place: str | None) -> None:
    said = {finding.name: finding for finding in book.doctor()}
    kind = "" if place is None else place.partition(":")[0]
    assert ("durability" in said) == (kind == "file")
    weak = [name for name, finding in said.items() if name.endswith(" disk") and not finding.ok]
    assert len(weak) == (kind == "redis")  # this server keeps nothing on its disk


def test_a_place_that_can_never_be_used_is_said_when_the_book_is_opened(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    wrong: list[tuple[Any, type[Exception]]] = [
        ("nowhere", InvalidInput), ("ftp://x/y", NotSupported), (f"file://{tmp_path}/other", StoreError),
        (b"file:///x", InvalidInput), (7, InvalidInput),
    ]  # fmt: skip
    for url, error in wrong:
        with pytest.raises(error):
            rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=url)
