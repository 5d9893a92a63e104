"""R6, R12: what is not visible does not exist, and what was deleted is gone but for its spend."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import Gone, InvalidInput, NotFound
from rollbook.model import NANO, from_micros
from rollbook.settings import LOCAL_USER

from .tools import HOUR, MINUTE, NOW, Clock, call, opened, snapshot, sound, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

A: Final = user(1)
B: Final = user(2)


def _two_users(book: rollbook.Rollbook) -> None:
    """Two users with a session of the same id, and one more each."""
    for number, owner in enumerate((A, B)):
        at = from_micros(NOW - HOUR + number * MINUTE)
        book.touch(
            "same", user_id=owner, agent=f"agent {number}", title=f"title {number}", tags=[f"tag {number}"], at=at
        )
        book.record_usage(
            "same", user_id=owner, usage_id="u", tokens_in=10**number, cost_usd=10**number, model="m", occurred_at=at
        )
        book.touch(f"only {number}", user_id=owner, parent="same", at=at)


@pytest.mark.parametrize(("owner", "number"), [(A, 0), (B, 1)])
def test_r6_a_user_sees_their_own_sessions_alone(owner: str, number: int) -> None:
    with opened() as book:
        _two_users(book)
        assert book.get("same", user_id=owner).agent == f"agent {number}"
        assert {one.session_id for one in book.list(user_id=owner).sessions} == {"same", f"only {number}"}
        assert book.list(user_id=owner).total == 2
        assert {one.user_id for one in book.iterate(user_id=owner)} == {owner}
        assert book.stats(since="all", user_id=owner).tokens_in == 10**number
        assert [row.tokens_in for row in book.cost_by_model(since="all", user_id=owner)] == [10**number]
        assert book.spend(since="all", user_id=owner).total.tokens_in == 10**number
        assert [row.key for row in book.spend(by="user", since="all", user_id=owner).rows] == [owner]
        assert [row.tokens_in for row in book.usage("same", user_id=owner)] == [10**number]
        assert [one.session_id for one in book.children("same", user_id=owner)] == [f"only {number}"]
        assert book.inclusive("same", user_id=owner).sessions == 2
        assert book.inclusive("same", user_id=owner).tokens_in == 10**number
        other = 1 - number
        others: tuple[dict[str, Any], ...] = (
            {"agent": f"agent {other}"},
            {"text": f"title {other}"},
            {"tag": f"tag {other}"},
        )
        for filters in others:
            assert book.list(user_id=owner, **filters).total == 0
        for ask in (book.get, book.usage, book.children, book.inclusive):
            with pytest.raises(NotFound):
                ask(f"only {other}", user_id=owner)


def test_r6_without_a_name_it_is_the_books_own_user() -> None:
    with opened() as book:
        _two_users(book)
        assert book.user_id == LOCAL_USER
        assert book.list().total == 0
        assert book.stats(since="all").sessions == 0
        assert book.spend(since="all").rows == []
        with pytest.raises(NotFound):
            book.get("same")
        book.touch("mine")
        assert [one.user_id for one in book.list().sessions] == [LOCAL_USER]
        assert book.list(user_id=A).total == 2


def test_r6_a_user_that_nobody_knows_sees_nothing() -> None:
    for all_users in (False, True):
        with opened(all_users=all_users) as book:
            _two_users(book)
            before = snapshot(book, A), snapshot(book, B)
            nobody = user(77)
            assert (book.list(user_id=nobody).sessions, book.list(user_id=nobody).total) == ([], 0)
            assert book.stats(since="all", user_id=nobody).sessions == 0
            assert book.cost_by_model(since="all", user_id=nobody) == []
            assert book.spend(since="all", user_id=nobody).rows == []
            assert book.reconcile_except("x", user_id=nobody) == 0
            assert book.delete("same", user_id=nobody) is False
            with pytest.raises(NotFound):
                book.get("same", user_id=nobody)
            with pytest.raises(NotFound):
                book.end("same", "failed", user_id=nobody)
            assert (snapshot(book, A), snapshot(book, B)) == before


def test_r6_everybody_is_said_out_loud() -> None:
    with opened(all_users=True) as book:
        _two_users(book)
        assert book.list().total == 4
        assert {one.user_id for one in book.iterate()} == {A, B}
        assert book.stats(since="all").tokens_in == 11
        assert book.spend(since="all").total.tokens_in == 11
        assert {row.key: row.tokens_in for row in book.spend(by="user", since="all").rows} == {A: 1, B: 10}
        assert {row.key: row.tokens_in for row in book.spend(by="agent", since="all").rows} == {
            "agent 0": 1,
            "agent 1": 10,
        }
        assert book.list(user_id=A).total == 2
        # Writing still is for oneself.
        assert book.touch("new").user_id == LOCAL_USER


def test_r6_ones_own_comes_first_then_the_last_active_and_the_owner_can_be_named() -> None:
    with opened(all_users=True) as book:
        _two_users(book)
        assert book.get("same").user_id == B
        book.touch("same", user_id=A, at=from_micros(NOW))
        assert book.get("same").user_id == A
        assert book.get("same", owner=B).user_id == B
        assert book.get("same", user_id=B).user_id == B
        book.touch("same", at=from_micros(NOW - 9 * HOUR))
        assert book.get("same").user_id == LOCAL_USER
        assert book.get("same", owner=A).user_id == A
        with pytest.raises(NotFound):
            book.get("only 0", owner=B)


def test_r6_naming_an_owner_shows_nothing_that_is_hidden() -> None:
    with opened() as book:
        _two_users(book)
        book.touch("mine")
        assert book.get("mine", owner=book.user_id).session_id == "mine"
        with pytest.raises(NotFound):
            book.get("same", owner=A)
        with pytest.raises(NotFound):
            book.get("same", owner=A, user_id=B)
        assert book.get("same", owner=A, user_id=A).user_id == A


def test_r6_a_book_is_opened_as_a_user_and_a_name_is_always_the_same_one() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'book.db'}"
        with rollbook.open(url, user="Ann@Example.org") as book:
            book.touch("s")
            ann = book.user_id
            assert book.list(user_id=" ann@example.ORG ").total == 1
        with rollbook.open(url, user="bob") as book:
            assert book.user_id != ann
            assert book.list().total == 0
            assert book.list(user_id=ann.upper()).total == 1
        with rollbook.open(url) as book:
            assert book.user_id == LOCAL_USER
            assert book.list().total == 0


def test_r6_nothing_of_one_user_touches_another() -> None:
    with opened() as book:
        _two_users(book)
        before = snapshot(book, B)
        book.end("same", "failed", user_id=A)
        book.record_usage("same", user_id=A, usage_id="u", tokens_in=500)
        book.record_usage("same", user_id=A, usage_id="v", aliases=["u"], tokens_in=900)
        book.reconcile_except("x", user_id=A)
        book.upsert({"session_id": "same", "tokens_in": 7}, user_id=A)
        book.delete("same", user_id=A)
        assert snapshot(book, B) == before
        sound(book)


# Parents


def test_r6_a_tree_is_summed_over_everything_below() -> None:
    with opened() as book:
        chain: list[dict[str, Any]] = [
            {"session_id": "root"}, {"session_id": "left", "parent": "root"}, {"session_id": "right", "parent": "root"},
            {"session_id": "leaf", "parent": "left"},
        ]  # fmt: skip
        for number, facts in enumerate(reversed(chain)):  # children first: a parent may come later
            book.touch(**facts, at=from_micros(NOW - HOUR - number))
            book.record_usage(facts["session_id"], tokens_in=10**number, cost_usd=f"{10**number}e-9")
        assert [one.session_id for one in book.children("root")] == ["left", "right"]
        assert (book.inclusive("root").sessions, book.inclusive("root").tokens_in) == (4, 1111)
        assert (book.inclusive("left").sessions, book.inclusive("left").cost_nano_usd) == (2, 101)
        assert book.get("root").tokens_in == 1000
        book.delete("leaf")
        assert (book.inclusive("root").sessions, book.inclusive("root").tokens_in) == (3, 1110)
        assert book.children("left") == []


@pytest.mark.parametrize("length", [1, 2, 3, 10])
@pytest.mark.parametrize("at_once", [False, True])
def test_r6_cycles_are_refused(length: int, at_once: bool) -> None:
    with opened() as book:
        ops = [touch(f"s{number}", NOW, parent_id=f"s{(number + 1) % length}", title="t") for number in range(length)]
        answers = write(book, ops) if at_once else [write(book, [op])[0] for op in ops]
        assert answers[:-1] == [None] * (length - 1)
        assert isinstance(answers[-1], InvalidInput)
        assert "ancestor" in str(answers[-1])
        assert book.list().total == length - 1
        sound(book)


def test_r6_a_parent_of_somebody_else_is_refused() -> None:
    with opened() as book:
        _two_users(book)
        before = snapshot(book, A), snapshot(book, B)
        with pytest.raises(InvalidInput, match="same user"):
            book.touch("new", user_id=A, parent="same", parent_user_id=B)
        assert (snapshot(book, A), snapshot(book, B)) == before
        child = book.touch("new", user_id=A, parent="same", parent_user_id=A)
        assert (child.parent_id, child.parent_user_id) == ("same", A)


def test_r6_a_very_deep_tree_is_refused_and_not_endless() -> None:
    with opened() as book:
        for number in range(60):
            book.touch(f"s{number}", parent=f"s{number + 1}")
        answers = write(book, [touch(f"t{n}", NOW, parent_id="s0" if n == 0 else f"t{n - 1}") for n in range(30)])
        refused = [isinstance(answer, InvalidInput) and "levels" in str(answer) for answer in answers]
        assert (refused[0], refused[-1]) == (False, False), "a parent that was refused is not there, and starts anew"
        assert any(refused)
        assert book.inclusive("s59").sessions >= 60
        sound(book)


# Deletion


def test_r12_a_deleted_session_is_nowhere_and_its_spend_is_kept() -> None:
    clock = Clock(NOW)
    with opened(clock, all_users=True) as book:
        _two_users(book)
        other = snapshot(book, B)
        assert book.delete("same", user_id=A) is True
        assert book.delete("same", user_id=A) is False
        assert [one.session_id for one in book.iterate(user_id=A)] == ["only 0"]
        assert book.list(user_id=A).total == 1
        filtered: tuple[dict[str, Any], ...] = (
            {"agent": "agent 0"},
            {"text": "title 0"},
            {"tag": "tag 0"},
            {"model": "m"},
        )
        for filters in filtered:
            assert book.list(user_id=A, **filters).total == 0
        for ask in (book.get, book.usage, book.children, book.inclusive):
            with pytest.raises(NotFound):
                ask("same", user_id=A)
        assert book.stats(since="all", user_id=A).tokens_in == 0
        assert book.cost_by_model(since="all", user_id=A) == []
        spend = book.spend(by="agent", since="all", user_id=A)
        assert [(row.key, row.deleted, row.cost_nano_usd) for row in spend.rows] == [("(deleted)", True, NANO)]
        assert spend.total.cost_nano_usd == NANO
        everybody = book.spend(by="model", since="all")
        assert [(row.key, row.deleted, row.cost_usd) for row in everybody.rows] == [
            ("m", False, 10.0),
            ("(deleted)", True, 1.0),
        ]
        assert book.get("same").user_id == B
        assert snapshot(book, B) == other
        sound(book)


def test_r12_what_is_written_to_a_deleted_session_is_refused_but_for_its_calls() -> None:
    with opened() as book:
        book.touch("s", title="secret")
        book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=5)
        book.delete("s")
        before = snapshot(book)
        asked: list[Callable[[], Any]] = [
            lambda: book.touch("s"),
            lambda: book.end("s", "completed"),
            lambda: book.end("s", "completed", at=from_micros(NOW)),
            lambda: book.reopen("s"),
            lambda: book.mark_unknown("s"),
            lambda: book.upsert({"session_id": "s", "tokens_in": 4}),
        ]
        for refused in asked:
            with pytest.raises(Gone):
                refused()
        assert snapshot(book) == before
        assert book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=5) == "duplicate"
        assert snapshot(book) == before
        assert book.record_usage("s", usage_id="v", tokens_in=7, cost_usd=7) == "late"
        assert book.spend(since="all").total.cost_usd == 12.0
        assert book.list().total == 0
        assert book.stats(since="all").calls == 0
        sound(book)


def test_r12_a_door_skips_what_was_deleted_and_goes_on() -> None:
    with opened() as book:
        book.touch("s", title="secret")
        book.delete("s")
        gone, late, fine = book.ingest([touch("s", NOW), call("s", "u", NOW, 5), touch("t", NOW)])
        assert isinstance(gone, Gone)
        assert (late, fine) == ("late", None)
        assert [one.session_id for one in book.list().sessions] == ["t"]
        sound(book)


def test_r12_a_call_moves_out_of_a_deleted_session_and_into_one() -> None:
    with opened() as book:
        for name in ("gone", "kept"):
            book.touch(name)
        book.record_usage("gone", usage_id="out", tokens_in=5, cost_usd=5)
        book.record_usage("kept", usage_id="in", tokens_in=7, cost_usd=7)
        book.delete("gone")
        assert book.record_usage("kept", usage_id="out", tokens_in=6, cost_usd=6) == "amended"
        assert book.record_usage("gone", usage_id="in", tokens_in=8, cost_usd=8) == "amended"
        assert book.get("kept").cost_nano_usd == 6 * NANO
        spend = book.spend(by="day", since="all")
        assert [(row.deleted, row.cost_usd) for row in spend.rows] == [(False, 6.0), (True, 8.0)]
        sound(book)
