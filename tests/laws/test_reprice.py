"""R14: the ledger through other prices is the ledger as if those prices had been there from the start."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook import InvalidInput, Tokens
from rollbook.model import MICROS, from_micros
from rollbook.pricing import Prices
from rollbook.settings import LOCAL_USER

from .reprices import OTHER, START, new_prices, old_prices, record, short_steps
from .tools import DAY, HOUR, NOW, everything, opened, snapshot, sound, user

pytestmark = pytest.mark.usefixtures("engine")

MODELS: Final = ("m1", "m2", "m3", "nobody-sells-this", None)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    return old_prices(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_prices(tmp_path_factory.mktemp("new"))


Event = Callable[[rollbook.Rollbook], Any]


def _called(call: dict[str, Any]) -> Event:
    return lambda book: book.record_usage(**call)


def _ended(session: str, status: str, at: float) -> Event:
    def end(book: rollbook.Rollbook) -> None:
        with suppress(rollbook.Conflict, rollbook.Gone):
            book.end(session, status, at=at)

    return end


def _reopened(session: str, at: float) -> Event:
    def reopen(book: rollbook.Rollbook) -> None:
        with suppress(rollbook.Gone):
            book.reopen(session, at=at)

    return reopen


def _deleted(session: str) -> Event:
    return lambda book: book.delete(session)


sessions: Final = st.sampled_from(["s1", "s2", "s3"])
times: Final = st.integers(min_value=-2 * DAY, max_value=3 * HOUR).map(lambda after: (START + after) / MICROS)
counts: Final = st.integers(min_value=0, max_value=700)
calls: Final = st.fixed_dictionaries(
    {
        "session_id": sessions,
        "usage_id": st.integers(min_value=0, max_value=12).map("u{}".format),
        "model": st.sampled_from(MODELS),
        "tokens": st.builds(Tokens, input=counts, cache_read=counts, output=counts, reasoning=counts),
        "occurred_at": times,
        "errored": st.booleans(),
        "tier": st.sampled_from(["standard", "batch", "flex"]),
        "evidence": st.sampled_from(["log", "push", "transcript"]),
        "user_id": st.sampled_from([LOCAL_USER, OTHER]),
    },
    optional={"cost_usd": st.sampled_from([0, 0.25]), "aliases": st.sampled_from([["a1"], ["a1", "a2"], ["a2"]])},
)
events: Final = st.one_of(
    calls.map(_called),
    calls.map(_called),
    calls.map(_called),
    st.builds(_ended, sessions, st.sampled_from(["completed", "failed"]), times),
    st.builds(_reopened, sessions, times),
    st.builds(_deleted, sessions),
)
histories: Final = st.lists(events, max_size=14)


def _shown(book: rollbook.Rollbook) -> Any:
    everybody = {since: (book.stats(since=since), book.cost_by_model(since=since)) for since in ("all", "3h")}
    spend = {by: book.spend(by=by, since="all") for by in ("day", "model", "user")}
    return snapshot(book), snapshot(book, OTHER), everybody, spend


@settings(max_examples=80)
@given(before=histories, after=histories, rows=st.integers(min_value=1, max_value=5))
def test_r14_repricing_is_as_if_the_prices_had_been_there_from_the_start(
    old: str, new: str, before: list[Event], after: list[Event], rows: int
) -> None:
    with opened(all_users=True, prices=new) as expected:
        for event in (*before, *after):
            event(expected)
        for order in ("between", "at the end"):
            with opened(all_users=True, prices=old) as book:
                for event in before:
                    event(book)
                book._plans.prices = Prices(new)
                with short_steps(rows):
                    if order == "between":
                        book.reprice()
                    for event in after:
                        event(book)
                    if order == "at the end":
                        book.reprice()
                sound(book)
                assert _shown(book) == _shown(expected)


@settings(max_examples=40)
@given(history=histories, rows=st.integers(min_value=1, max_value=5))
def test_r14_a_dry_run_says_what_the_run_does_and_a_second_run_does_nothing(
    old: str, new: str, history: list[Event], rows: int
) -> None:
    with opened(all_users=True, prices=old) as book, short_steps(rows):
        for event in history:
            event(book)
        was = everything(book, OTHER)
        before = book.spend(since="all").total
        foreseen = book.reprice(prices=new, dry_run=True)
        assert everything(book, OTHER) == was
        done = book.reprice(prices=new)
        assert (foreseen.rows, foreseen.total) == (done.rows, done.total)
        after = book.spend(since="all").total
        assert after.cost_nano_usd - before.cost_nano_usd == done.total.difference_nano_usd
        assert before.unpriced_calls - after.unpriced_calls == done.total.newly_priced
        assert after.unpriced_calls == done.total.unpriced
        assert done.total.calls == sum(row.calls for row in done.rows)
        assert done.total.difference_nano_usd == sum(row.difference_nano_usd for row in done.rows)
        sound(book)
        was = everything(book, OTHER)
        again = book.reprice(prices=new).total
        assert (again.changed, again.newly_priced, again.difference_nano_usd) == (0, 0, 0)
        assert (again.calls, again.unpriced) == (done.total.calls, done.total.unpriced)
        assert everything(book, OTHER) == was


def test_r14_the_old_amount_stays_visible(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u", aliases=["a"], evidence="transcript", source="claude-code", errored=True, billing="api")
        book.reprice(prices=new)
        call, reversal, correction = book.usage("s")
        assert (call.entry, call.cost_nano_usd, call.price_version) == ("call", 100_000, "old")
        assert (reversal.entry, reversal.cost_nano_usd, reversal.calls) == ("reversal", -100_000, -1)
        assert (correction.entry, correction.cost_nano_usd, correction.price_version) == ("correction", 25_000, "new")
        for row in (reversal, correction):
            same = ("usage_id", "occurred_at", "model", "source", "evidence", "errored", "billing", "tier", "late")
            assert [getattr(row, name) for name in same] == [getattr(call, name) for name in same]
        assert correction.cost_source == "computed"
        # The same call, heard of again: known by every name, and no better than before.
        again: dict[str, Any] = {"model": "m1", "tokens_in": 100, "occurred_at": START / MICROS, "errored": True}
        assert book.record_usage("s", usage_id="u", **again) == "duplicate"
        assert book.record_usage("s", usage_id="a", **again) == "duplicate"
        assert book.get("s").cost_nano_usd == 25_000


def test_r14_calls_without_a_price_find_it(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u1", "m3")
        record(book, "u2", "m1")
        record(book, "u3", "nobody-sells-this")
        record(book, "u4", None)
        assert (book.get("s").unpriced_calls, book.get("s").cost_nano_usd) == (3, 100_000)
        done = book.reprice(prices=new, only_unpriced=True)
        assert (done.total.calls, done.total.newly_priced, done.total.unpriced) == (3, 1, 2)
        assert [(row.model, row.newly_priced) for row in done.rows] == [
            ("m3", 1), ("nobody-sells-this", 0), ("unknown", 0),
        ]  # fmt: skip
        assert (done.rows[0].old_cost_usd, done.rows[0].new_cost_usd, done.rows[0].versions) == (None, 0.0004, ("new",))
        assert (book.get("s").unpriced_calls, book.get("s").cost_nano_usd) == (2, 500_000)
        sound(book)


def test_r14_a_call_that_the_prices_do_not_know_keeps_its_amount(old: str, new: str) -> None:
    with opened(prices=new) as book:
        record(book, "u1", "m3")
        record(book, "u2", "m1", tokens_in=1000)
        done = book.reprice(prices=old)
        assert (done.total.kept, done.total.changed, done.total.unpriced) == (1, 1, 0)
        assert {row.usage_id: row.cost_nano_usd for row in book.usage("s")} == {"u1": 400_000, "u2": 1_000_000}
        assert book.get("s").unpriced_calls == 0


def test_r14_what_was_reported_or_adjusted_is_left_alone(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u1", cost_usd=3)
        book.upsert({"session_id": "s", "last_model": "m1", "cost_usd": 5, "tokens_in": 900})
        was = everything(book)
        assert book.reprice(prices=new).total.calls == 0
        assert everything(book) == was


def test_r12_closing_rows_are_left_alone(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u1", occurred_at=(NOW - 90 * DAY) / MICROS)
        record(book, "u2", occurred_at=(NOW - DAY) / MICROS)
        book.end("s", "completed", at=(NOW - HOUR) / MICROS)
        book.prune(ledger="30d")
        done = book.reprice(prices=new)
        assert (done.total.calls, done.total.changed) == (1, 1)
        assert book.get("s").cost_nano_usd == 125_000
        sound(book)


def test_r12_what_deleted_sessions_spent_is_repriced_too(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u1")
        book.end("s", "completed", at=START / MICROS + 1)
        record(book, "u2", occurred_at=START / MICROS + 2)
        book.delete("s")
        book.record_usage("s", model="m1", tokens_in=10)
        assert book.reprice(prices=new).total.changed == 3
        (line,) = book.spend(by="model", since="all").rows
        assert (line.deleted, line.cost_nano_usd) == (True, 52_500)
        assert (line.late_calls, line.late_cost_nano_usd) == (1, 25_000)
        sound(book)


def test_r3_a_late_call_stays_late(old: str, new: str) -> None:
    with opened(prices=old) as book:
        record(book, "u1")
        book.end("s", "completed", at=START / MICROS + 1)
        record(book, "u2", occurred_at=START / MICROS + 2)
        book.reprice(prices=new)
        session, (line,) = book.get("s"), book.spend(by="model", since="all").rows
        assert (session.calls, session.late_calls, session.cost_nano_usd) == (1, 1, 25_000)
        assert (line.late_calls, line.late_cost_nano_usd, line.cost_nano_usd) == (1, 25_000, 50_000)
        book.reopen("s", at=START / MICROS + 1.5)
        assert (book.get("s").calls, book.get("s").cost_nano_usd) == (2, 50_000)
        sound(book)


@pytest.mark.parametrize(
    ("asked", "changed"),
    [
        ({}, {"u1", "u2", "u3", "u4"}),
        ({"since": from_micros(START)}, {"u1", "u3", "u4"}),
        ({"until": from_micros(START)}, {"u2"}),
        ({"since": "2h"}, set()),
        ({"until": "4h"}, {"u2"}),
        ({"since": "all", "until": "all"}, {"u1", "u2", "u3", "u4"}),
        ({"model": "m3"}, {"u3"}),
        ({"model": "m"}, set()),
        ({"agent": "a2"}, {"u4"}),
        ({"agent": "nobody"}, set()),
        ({"only_unpriced": True}, {"u3"}),
        ({"only_unpriced": True, "model": "m1"}, set()),
        ({"user_id": OTHER}, {"u5"}),
        ({"user_id": user(9)}, set()),
    ],
)
def test_only_what_is_asked_for_is_repriced(old: str, new: str, asked: dict[str, Any], changed: set[str]) -> None:
    with opened(prices=old) as book:
        book.touch("s", agent="a1", at=START / MICROS)
        book.touch("t", agent="a2", at=START / MICROS)
        record(book, "u1")
        record(book, "u2", occurred_at=(START - DAY) / MICROS)
        record(book, "u3", "m3")
        record(book, "u4", session="t")
        record(book, "u5", user_id=OTHER)
        done = book.reprice(prices=new, **asked)
        rows = [row for owner in (LOCAL_USER, OTHER) for one in ("s", "t") for row in _usage(book, one, owner)]
        assert {row.usage_id for row in rows if row.entry == "correction"} == changed
        assert done.total.changed + done.total.newly_priced == len(changed)
        sound(book)


def _usage(book: rollbook.Rollbook, session: str, owner: str) -> list[Any]:
    try:
        return book.usage(session, user_id=owner)
    except rollbook.NotFound:
        return []


def test_a_book_of_everybody_is_repriced_for_everybody(old: str, new: str) -> None:
    with opened(all_users=True, prices=old) as book:
        record(book, "u1")
        record(book, "u1", user_id=OTHER)
        assert book.reprice(prices=new, dry_run=True, user_id=OTHER).total.changed == 1
        assert book.reprice(prices=new).total.changed == 2
        sound(book)


@pytest.mark.parametrize(
    "wrong",
    [
        {"since": "yesterday"},
        {"until": "soon"},
        {"model": "a\0"},
        {"agent": "a\0"},
        {"prices": 5},
        {"prices": "/no/file"},
    ],
)
def test_bad_input_changes_nothing(old: str, new: str, wrong: dict[str, Any]) -> None:
    with opened(prices=old) as book:
        record(book, "u1")
        was = everything(book)
        with pytest.raises(InvalidInput):
            book.reprice(**{"prices": new, **wrong})
        assert everything(book) == was
