"""What a session is about, at a glance: found without reading all that it contains (R11)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import rollbook
from rollbook.errors import InvalidInput
from rollbook.journal.sql_peek import SqlPeek
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Jot
from rollbook.model import MICROS
from rollbook.settings import LOCAL_USER


@pytest.fixture
def book(tmp_path: Path) -> rollbook.Rollbook:
    return rollbook.open(tmp_path / "book.db")


def test_of_nothing_there_is_nothing(book: rollbook.Rollbook) -> None:
    with book:
        found = book.outline("none")
        assert (found.label, found.qas, found.steps, found.questions, found.steps_taken) == (None, [], [], 0, 0)
        with pytest.raises(InvalidInput):
            book.outline("none", last_n=-1)


@pytest.mark.parametrize("first", [0, 1, 31, 32, 33, 200, 2000])
def test_the_label_is_the_first_question_wherever_it_is(book: rollbook.Rollbook, first: int) -> None:
    with book:
        for start in range(0, 2100, 700):
            _ask(book, [("" if n < first else f"question {n}") for n in range(start, start + 700)], start)
        found = book.outline("s", last_n=3)
        assert found.label == f"question {first}"
        assert (found.questions, [qa.question for qa in found.qas]) == (
            2100,
            [f"question {n}" for n in (2097, 2098, 2099)],
        )


def _ask(book: rollbook.Rollbook, questions: list[str], start: int) -> None:
    """Many questions in one step."""
    at = 1_700_000_000 * MICROS
    bodies = [msgspec.json.encode({"question": question, "answer": ""}) for question in questions]
    new = tuple(New(f"q{start + number}", body, at, None, False, True) for number, body in enumerate(bodies))
    step = Step(LOCAL_USER, "s", at, (Append("qa", new),))
    (answer,) = book._plans.write([Jot(user_id=LOCAL_USER, session_id="s", at=at, step=step)])
    assert not isinstance(answer, Exception)


def test_what_was_removed_is_no_label(book: rollbook.Rollbook) -> None:
    with book:
        for number in range(60):
            book.add_qa("s", question=f"q{number}", answer="", qa_id=str(number))
        for number in range(40):
            book.delete_qa("s", str(number))
        assert book.outline("s").label == "q40"
        for number in range(40, 60):
            book.delete_qa("s", str(number))
        assert book.outline("s").label is None


def test_a_fork_has_the_label_of_its_past_and_a_new_beginning_its_own(book: rollbook.Rollbook) -> None:
    with book:
        for number in range(50):
            book.add_qa("s", question=f"q{number}", answer="")
        book.fork("s", "forked")
        book.add_qa("forked", question="more", answer="")
        assert book.outline("forked").label == "q0"
        assert book.outline("forked").questions == 51


def test_a_long_session_is_not_read_whole(book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    with book:
        _ask(book, [f"q{number}" for number in range(3000)], 0)
        read = []
        real = SqlPeek.below

        def counted(self: SqlPeek, stream: str, position: int, most: int) -> object:
            found = real(self, stream, position, most)
            read.append(len(found))
            return found

        monkeypatch.setattr(SqlPeek, "below", counted)
        assert book.outline("s").label == "q0"
        assert sum(read) < 100


def test_it_is_the_same_where_journals_are_kept_in_files(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db", journal=tmp_path / "journals") as book:
        for number in range(70):
            book.add_qa("s", question="" if number < 40 else f"q{number}", answer="")
        book.add_trace_step("s", origin_function="f")
        found = book.outline("s", last_n=1)
        assert (found.label, found.questions, found.steps_taken) == ("q40", 70, 1)
        assert [qa.question for qa in found.qas] == ["q69"]
