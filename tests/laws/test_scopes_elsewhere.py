"""R6: the same where contents are kept in files beside the database, which know nothing of datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import NotFound
from rollbook.plans import searching
from rollbook.principals import READER, WRITER, Principal

from .scoped import extracted
from .tools import user

A: Final = user(1)
B: Final = user(2)
DATASET: Final = user(1000)
READS: Final = Principal(user_id=B, role=READER, reads=frozenset([DATASET]))
BLIND: Final = Principal(user_id=B, role=READER)
ABOVE: Final = Principal(user_id=B, role=WRITER, children=frozenset([A]))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[rollbook.Rollbook]:
    """A book of two users, of whom one shares a session and hides another."""
    with rollbook.open(tmp_path / "book.db", all_users=True, journal=tmp_path / "journals") as made:
        made.touch("shown", user_id=A, dataset_id=DATASET)
        made.touch("hidden", user_id=A)
        for name in ("shown", "hidden"):
            made.add_qa(name, question=f"an apple that is {name}", answer="yes", qa_id="q", user_id=A)
        made.add_qa("mine", question="an apple of one's own", answer="yes", user_id=B)
        made.set_state(None, values={"k": 1}, user_id=A)
        yield made


def _questions(asking: rollbook.Rollbook, session_id: str, **said: Any) -> list[str]:
    return [qa.question for qa in asking.qa(session_id, **said)]


def test_r6_a_journal_is_seen_with_its_session(book: rollbook.Rollbook) -> None:
    named: tuple[dict[str, Any], ...] = ({}, {"user_id": A})
    for said in named:
        for principal, seen in ((READS, {"shown"}), (BLIND, set()), (ABOVE, {"shown", "hidden"})):
            asking = book.acting(principal)
            for name in ("shown", "hidden"):
                assert _questions(asking, name, **said) == ([f"an apple that is {name}"] if name in seen else [])
                if name not in seen:
                    assert asking.heads(name, **said) == asking.heads("nothing", **said) == []
                    with pytest.raises(NotFound) as hidden:
                        asking.get_qa(name, "q", **said)
                    with pytest.raises(NotFound) as unknown:
                        asking.get_qa("nothing", "q", **said)
                    assert str(hidden.value) == str(unknown.value).replace("nothing", name)
            assert asking.get_state(None, "k", user_id=A) is None
    assert _questions(book.acting(READS), "mine", user_id=A) == []
    assert len(_questions(book.acting(READS), "mine")) == 1
    assert book.get_state(None, "k", user_id=A) == 1


@pytest.mark.parametrize(
    ("principal", "seen"),
    [(READS, {"shown", "mine"}), (BLIND, {"mine"}), (ABOVE, {"shown", "hidden", "mine"})],
)
def test_r6_a_search_finds_what_is_seen(book: rollbook.Rollbook, principal: Principal, seen: set[str]) -> None:
    asking = book.acting(principal)
    assert {hit.session_id for hit in asking.search("apple")} == seen
    assert {hit.session_id for hit in asking.search("apple", user_id=A)} == seen - {"mine"}
    assert {row[0] for row in extracted(asking, "content", 100)} == seen
    if "hidden" not in seen:
        with pytest.raises(NotFound):
            asking.search("apple", session_id="hidden")


def test_r6_what_is_hidden_pushes_nothing_out_of_a_search(
    book: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SESSIONS_MOST", 2)
    for number in range(4):
        book.add_qa(f"later {number}", question="an apple", answer="no", user_id=A)
    asking = book.acting(READS)
    assert {hit.session_id for hit in asking.search("apple")} == {"shown", "mine"}


def test_r6_what_a_hidden_session_shares_is_found_in_the_one_that_is_seen(book: rollbook.Rollbook) -> None:
    book.fork("hidden", "fork", user_id=A)
    book.touch("fork", user_id=A, dataset_id=DATASET)
    hits = book.acting(READS).search("hidden")
    assert [(hit.session_id, hit.entry_id) for hit in hits] == [("fork", "q")]
    assert [hit.session_id for hit in book.search("hidden")] == ["hidden"]
