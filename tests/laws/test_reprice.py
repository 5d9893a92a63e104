"""R14: the ledger through other prices is the ledger as if those prices had been there from the start."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
import rollbook.aio
from rollbook import InvalidInput, Tokens
from rollbook.core import Write
from rollbook.importers import SAMPLES, source
from rollbook.importers.runs import run_import
from rollbook.ledger import reprice as repricing
from rollbook.model import MICROS, from_micros
from rollbook.pricing import Price, Prices
from rollbook.settings import LOCAL_USER

from .tools import DAY, HOUR, NOW, everything, opened, snapshot, sound, user, write

START: Final = NOW - 4 * HOUR
MODELS: Final = ("m1", "m2", "m3", "nobody-sells-this", None)
OTHER: Final = user(1)

OLD: Final = """
version = "old"
[[price]]
model = "m1"
input = 1
output = 5
[[price]]
model = "m1"
tier = "batch"
input = 0.5
output = 2.5
[[price]]
model = "m2"
input = 0.3
output = 0.7
per_request = 0.001
"""
NEW: Final = """
version = "new"
[[price]]
model = "m1"
input = 0.25
output = 5
cache_read = 0.01
bands = [{ above = 500, input = 0.75 }]
[[price]]
model = "m1"
tier = "batch"
input = 0.5
output = 2.5
[[price]]
model = "m2"
input = 0.3
output = 0.7
per_request = 0.001
[[price]]
model = "m2"
from = @day
input = 0.333333
output = 1
[[price]]
model = "m3"
input = 4
output = 4
[[price]]
model = "m3"
tier = "batch"
free = true
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _file(tmp_path_factory.mktemp("old"), OLD)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _file(tmp_path_factory.mktemp("new"), NEW.replace("@day", str(from_micros(START - 12 * HOUR).date())))


def _file(folder: Path, text: str) -> str:
    path = folder / "prices.toml"
    path.write_text(text)
    return str(path)


@contextmanager
def short_steps(rows: int) -> Iterator[None]:
    """Steps that end in the midst of sessions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repricing, "STEP", rows)
        yield


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


@settings(max_examples=150)
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


@settings(max_examples=60)
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


def _record(book: rollbook.Rollbook, usage_id: str, model: str | None = "m1", session: str = "s", **more: Any) -> None:
    more = {"tokens_in": 100, "occurred_at": START / MICROS, **more}
    book.record_usage(session, usage_id=usage_id, model=model, **more)


def test_r14_the_old_amount_stays_visible(old: str, new: str) -> None:
    with opened(prices=old) as book:
        _record(book, "u", aliases=["a"], evidence="transcript", source="claude-code", errored=True, billing="api")
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
        _record(book, "u1", "m3")
        _record(book, "u2", "m1")
        _record(book, "u3", "nobody-sells-this")
        _record(book, "u4", None)
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
        _record(book, "u1", "m3")
        _record(book, "u2", "m1", tokens_in=1000)
        done = book.reprice(prices=old)
        assert (done.total.kept, done.total.changed, done.total.unpriced) == (1, 1, 0)
        assert {row.usage_id: row.cost_nano_usd for row in book.usage("s")} == {"u1": 400_000, "u2": 1_000_000}
        assert book.get("s").unpriced_calls == 0


def test_r14_what_was_reported_or_adjusted_is_left_alone(old: str, new: str) -> None:
    with opened(prices=old) as book:
        _record(book, "u1", cost_usd=3)
        book.upsert({"session_id": "s", "last_model": "m1", "cost_usd": 5, "tokens_in": 900})
        was = everything(book)
        assert book.reprice(prices=new).total.calls == 0
        assert everything(book) == was


def test_r12_closing_rows_are_left_alone(old: str, new: str) -> None:
    with opened(prices=old) as book:
        _record(book, "u1", occurred_at=(NOW - 90 * DAY) / MICROS)
        _record(book, "u2", occurred_at=(NOW - DAY) / MICROS)
        book.end("s", "completed", at=(NOW - HOUR) / MICROS)
        book.prune(ledger="30d")
        done = book.reprice(prices=new)
        assert (done.total.calls, done.total.changed) == (1, 1)
        assert book.get("s").cost_nano_usd == 125_000
        sound(book)


def test_r12_what_deleted_sessions_spent_is_repriced_too(old: str, new: str) -> None:
    with opened(prices=old) as book:
        _record(book, "u1")
        book.end("s", "completed", at=START / MICROS + 1)
        _record(book, "u2", occurred_at=START / MICROS + 2)
        book.delete("s")
        book.record_usage("s", model="m1", tokens_in=10)
        assert book.reprice(prices=new).total.changed == 3
        (line,) = book.spend(by="model", since="all").rows
        assert (line.deleted, line.cost_nano_usd) == (True, 52_500)
        assert (line.late_calls, line.late_cost_nano_usd) == (1, 25_000)
        sound(book)


def test_r3_a_late_call_stays_late(old: str, new: str) -> None:
    with opened(prices=old) as book:
        _record(book, "u1")
        book.end("s", "completed", at=START / MICROS + 1)
        _record(book, "u2", occurred_at=START / MICROS + 2)
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
        _record(book, "u1")
        _record(book, "u2", occurred_at=(START - DAY) / MICROS)
        _record(book, "u3", "m3")
        _record(book, "u4", session="t")
        _record(book, "u5", user_id=OTHER)
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
        _record(book, "u1")
        _record(book, "u1", user_id=OTHER)
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
        _record(book, "u1")
        was = everything(book)
        with pytest.raises(InvalidInput):
            book.reprice(**{"prices": new, **wrong})
        assert everything(book) == was


def test_a_session_of_many_steps_is_gone_through_once(old: str, new: str) -> None:
    count = 2 * repricing.STEP + 300
    with opened(prices=old) as book:
        book.record_many(
            {"session_id": "s", "usage_id": f"u{at}", "model": "m1", "tokens_in": 4, "occurred_at": START / MICROS + at}
            for at in range(count)
        )
        _record(book, "v", session="t")
        done = book.reprice(prices=new)
        assert (done.total.calls, done.total.changed) == (count + 1, count + 1)
        assert book.get("s").cost_nano_usd == count * 1000
        sound(book)


def test_r13_a_call_that_somebody_else_changes_meanwhile_is_theirs(old: str, new: str) -> None:
    with opened(prices=old) as book:
        for name in ("u1", "u2", "u3", "u4"):
            _record(book, name)
        plan = book._plans.reprice(prices=new)
        step = plan.send(None)
        asked = plan.send(book._plans.read(step.look))  # type: ignore[union-attr]  # it reads first
        assert isinstance(asked, Write)
        # Between reading and writing: an amendment, two calls that turn out to be one, and another run of the same.
        _record(book, "u1", tokens_in=5000)
        _record(book, "u3", aliases=["u2"])
        assert book.reprice(prices=new, model="m1").total.changed == 2 + 1
        was = everything(book)
        with pytest.raises(StopIteration) as stopped:
            plan.send(write(book, asked.ops))
        assert stopped.value.value.total.calls == 0
        assert everything(book) == was
        sound(book)


class Stopped(Prices):
    """Prices that are interrupted after so many."""

    left = 0

    def __call__(
        self, model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard"
    ) -> Price | None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__call__(model, provider, tokens, at, tier=tier)


def test_r13_an_interrupted_run_leaves_whole_steps_and_the_next_one_finishes(old: str, new: str) -> None:
    with opened(prices=old) as book, short_steps(10):
        book.record_many(
            {
                "session_id": f"s{at % 7}",
                "usage_id": f"u{at}",
                "model": "m1",
                "tokens_in": 4,
                "occurred_at": START // MICROS,
            }
            for at in range(100)
        )
        prices = Stopped(new)
        prices.left = 35
        with pytest.raises(KeyboardInterrupt):
            book.reprice(prices=prices)
        sound(book)
        assert 0 < book.spend(since="all").total.cost_nano_usd - 100 * 1000 < 100 * 3000
        assert 0 < book.reprice(prices=new).total.changed < 100
        assert book.spend(since="all").total.cost_nano_usd == 100 * 1000
        sound(book)


REPRICE: Final = """
import sys, rollbook
from rollbook.ledger import reprice
reprice.STEP = 20
with rollbook.open(sys.argv[1]) as book:
    print("begins", flush=True)
    book.reprice(prices=sys.argv[2])
"""


def test_r13_kill_9_leaves_a_balanced_book_and_a_second_run_finishes(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_PRICES", old)
    url, count, chance = f"sqlite:///{tmp_path}/book.db", 16_000, random.Random(7)
    with rollbook.open(url) as book:
        book.record_many(
            {"session_id": f"s{at % 50}", "usage_id": f"u{at}", "model": "m1", "tokens_in": 4} for at in range(count)
        )
        for _ in range(3):
            cost = book.spend(since="all").total.cost_nano_usd
            with subprocess.Popen([sys.executable, "-c", REPRICE, url, new], stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"begins\n"
                while book.spend(since="all").total.cost_nano_usd == cost:
                    assert process.poll() is None
                time.sleep(chance.uniform(0, 0.05))
                process.send_signal(signal.SIGKILL)
            sound(book)
            assert count * 1000 < book.spend(since="all").total.cost_nano_usd < cost
        assert 0 < book.reprice(prices=new).total.changed < count
        assert book.spend(since="all").total.cost_nano_usd == count * 1000
        assert book.reprice(prices=new).total.changed == 0
        sound(book)


def test_others_write_while_it_runs(old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_PRICES", old)
    url = f"sqlite:///{tmp_path}/book.db"
    with rollbook.open(url) as book:
        book.record_many({"session_id": "s", "usage_id": f"u{at}", "model": "m1", "tokens_in": 4} for at in range(2000))
        with subprocess.Popen([sys.executable, "-c", REPRICE, url, new], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            for at in itertools.count():
                _record(book, f"u{at * 7 % 2000}", tokens_in=8)  # amends calls behind it and before it
                _record(book, f"v{at}", cost_usd=1)
                if process.poll() is not None:
                    break
        assert process.returncode == 0
        book.reprice(prices=new)
        assert {row.cost_nano_usd for row in book.usage("s", limit=100_000) if row.entry != "reversal"} <= {
            4000, 1000, 8000, 2000, 10**9,
        }  # fmt: skip
        assert book.get("s").calls == 2000 + at + 1
        sound(book)


def test_both_faces_answer_the_same(old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_PRICES", old)
    url = f"sqlite:///{tmp_path}/book.db"

    async def there() -> rollbook.model.Repricing:
        async with rollbook.aio.open(url) as book:
            await book.record_usage("s", usage_id="u", model="m1", tokens_in=100)
            return await book.reprice(prices=new)

    done = asyncio.run(there())
    with rollbook.open(url) as book:
        assert book.reprice(prices=old).total.old_cost_nano_usd == done.total.new_cost_nano_usd == 25_000
        sound(book)


def test_r15_what_is_imported_again_after_repricing_is_known(new: str, tmp_path: Path) -> None:
    path = _file(tmp_path, 'version = "mine"\n[[price]]\nmodel = "*"\ninput = 2\noutput = 2\n')
    copy = tmp_path / "copy"
    shutil.copytree(SAMPLES / "claude-code", copy)
    with opened() as book:
        run_import(book, source("claude-code"), [SAMPLES / "claude-code"])
        # A row says all that its price depends on: by the same prices nothing is different.
        same = book.reprice().total
        assert (same.changed, same.newly_priced, same.kept) == (0, 0, 0)
        assert same.calls > 0
        book.reprice(prices=path)
        was = everything(book)
        again = run_import(book, source("claude-code"), [copy])
        assert (again.calls > 0, again.new_calls) == (True, 0)
        now = everything(book)
        assert now == was
        usage = [row for one in book.iterate() for row in book.usage(one.session_id)]
        assert sum(row.cost_nano_usd or 0 for row in usage) == 2000 * sum(
            row.tokens_in + row.tokens_out for row in usage
        )
