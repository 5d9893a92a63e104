"""R16: what somebody broke in the database's journals is named, reading it raises StoreError, and it can be removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import StoreError

BODIES: Final = {"no json": "'notjson'", "bytes": "x'ff00'", "cut off": "'{\"a\":'", "another number": "'NaN'"}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(tmp_path / "book.db") as book:
        yield book


def spoil(book: rollbook.Rollbook, statement: str) -> None:
    with book._plans.store.write() as tx:
        raw: Any = tx.raw  # type: ignore[attr-defined]  # SQLite's
        raw.execute(statement)
        assert raw.changes()


def named(book: rollbook.Rollbook) -> set[tuple[str, str]]:
    return {(problem.field, problem.where.rpartition(" ")[2]) for problem in book.verify().problems}


@pytest.mark.parametrize("parent", [9, 10, 9999, -1])
@pytest.mark.parametrize("forked", [False, True], ids=["alone", "forked"])
def test_a_parent_that_is_not_before_its_entry_ends_every_look(
    book: rollbook.Rollbook, parent: int, *, forked: bool
) -> None:
    book.append("s", "x", entries=[*range(10)], ids=[f"e{number}" for number in range(10)])
    if forked:
        book.fork("s", "fork")
        book.append("fork", "x", entries=["f"])
    spoil(book, f"update entry set parent = {parent} where entry_id = 'e8'")
    assert ("parent", "9") in named(book)
    for name in ("s", "fork")[: 1 + forked]:
        with pytest.raises(StoreError, match="of x at position 9"):
            book.entries(name, "x")
        with pytest.raises(StoreError, match="of x at position 9"):
            book.entries(name, "x", before="e8")
    assert [entry.body for entry in book.entries("s", "x", last_n=1)] == [9]
    book.append("s", "x", entries=["more"])
    for name in ("s", "fork")[: 1 + forked]:
        assert book.delete_session(name)
    assert book.verify().ok


def test_a_parent_that_is_not_there_is_named(book: rollbook.Rollbook) -> None:
    book.append("s", "x", entries=[*range(10)], ids=[f"e{number}" for number in range(10)])
    book.remove_entry("s", "x", "e3")
    spoil(book, "update entry set parent = 4 where entry_id = 'e8'")
    assert "entry" in {field for field, _ in named(book)}
    assert book.delete_session("s")
    assert book.verify().ok


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_json_is_named_and_can_be_removed(book: rollbook.Rollbook, body: str) -> None:
    for name in ("s", "other"):
        book.append(name, "x", entries=[1, 2, 3], ids=["a", "b", "c"])
    book.fork("s", "fork")
    book.append("fork", "x", entries=[4])
    spoil(book, f"update entry set body = {body} where entry_id = 'b' and root_no = 1")
    assert named(book) == {("body", "b")}
    for read in (
        lambda: book.entries("s", "x"),
        lambda: book.entry("s", "x", "b"),
        lambda: book.entries("fork", "x"),
        lambda: book.append("s", "x", entries=[2], ids=["b"]),
    ):
        with pytest.raises(StoreError, match="'b' of x"):
            read()
    assert [entry.body for entry in book.entries("s", "x", last_n=1)] == [3]
    assert book.delete_session("s")  # the fork keeps it
    assert book.delete_session("fork")
    assert book.verify().ok
    assert [entry.body for entry in book.entries("other", "x")] == [1, 2, 3]


def test_an_entry_that_is_damaged_is_replaced_or_removed(book: rollbook.Rollbook) -> None:
    book.append("s", "x", entries=[1, 2, 3], ids=["a", "b", "c"])
    for statement in (
        "update entry set body = x'ff' where entry_id = 'b'",
        "update entry set body = '[' where position = 3",
    ):
        spoil(book, statement)
    assert book.replace_entry("s", "x", "b", body=2)
    assert book.remove_entry("s", "x", "c")
    assert [entry.body for entry in book.entries("s", "x")] == [1, 2]
    assert book.verify().ok


@pytest.mark.parametrize("value", BODIES.values(), ids=BODIES)
def test_a_value_of_the_state_that_is_no_json_is_named(book: rollbook.Rollbook, value: str) -> None:
    book.set_state("s", values={"k": 1, "other": 2})
    spoil(book, f"update journal_state set value = {value} where name = 'k'")
    assert named(book) == {("value", "k")}
    for read in (lambda: book.get_state("s", "k"), lambda: book.all_state("s")):
        with pytest.raises(StoreError, match="'k'"):
            read()
    assert book.get_state("s", "other") == 2
    assert book.delete_state("s", "k")
    assert book.verify().ok


ENTRIES: Final = {
    "no object": "[1]", "no json": "x", "no text": '{"question":5,"content":5,"origin_function":5}', "null": "null",
}  # fmt: skip


@pytest.mark.parametrize("body", ENTRIES.values(), ids=ENTRIES)
def test_a_question_a_step_a_message_that_is_none_is_named(book: rollbook.Rollbook, body: str) -> None:
    book.add_qa("s", question="findme", answer="a", qa_id="one")
    book.add_trace_step("s", origin_function="f", trace_id="one")
    book.add_message("s", role="user", content="c", message_id="one")
    spoil(book, f"update entry set body = '{body}'")
    reads = {
        "qa": (lambda: book.qa("s"), lambda: book.get_qa("s", "one")),
        "trace": (lambda: book.trace("s"),),
        "messages|qa": (lambda: book.conversation("s"), lambda: book.history("s"), lambda: book.history_text("s")),
    }
    for stream, looks in reads.items():
        for look in looks:
            with pytest.raises(StoreError, match=f"'one' of ({stream})"):
                look()
    assert [found.entry_id for found in book.search("findme")] == ["one"]
    assert book.delete_qa("s", "one")
    assert book.qa("s") == []


def test_fields_that_are_not_known_are_passed_over_and_those_that_are_missing_have_defaults(
    book: rollbook.Rollbook,
) -> None:
    book.add_qa("s", question="q", answer="a", context="c", feedback_score=3)
    book.add_trace_step("s", origin_function="f", duration_s=1.5)
    book.add_message("s", role="user", content="c")
    spoil(book, """update entry set body = '{"unknown":[1e400],"answer":"b","status":"x","role":"user"}'""")
    (turn,), (step,), said = book.qa("s"), book.trace("s"), book.conversation("s")
    assert (turn.question, turn.answer, turn.context, turn.feedback_score) == ("", "b", None, None)
    assert (step.origin_function, step.status, step.duration_s) == ("", "x", None)
    assert [(one.role, one.content) for one in said] == [("assistant", "b"), ("user", "")]
    spoil(book, "update entry set body = '{}'")
    assert (book.qa("s")[0].question, book.trace("s")[0].status, book.history("s")) == ("", "", [])
