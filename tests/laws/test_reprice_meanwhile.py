"""R13, R14: repricing in many steps: interrupted, killed, beside others who write, and again."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
import rollbook.aio
from rollbook import Tokens
from rollbook.core import Write
from rollbook.importers import SAMPLES, source
from rollbook.importers.runs import run_import
from rollbook.ledger import reprice as repricing
from rollbook.model import MICROS
from rollbook.pricing import Price, Prices

from .reprices import START, new_prices, old_prices, price_file, record, short_steps
from .tools import everything, opened, sound, write


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    return old_prices(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_prices(tmp_path_factory.mktemp("new"))


def test_a_session_of_many_steps_is_gone_through_once(old: str, new: str) -> None:
    count = 2 * repricing.STEP + 300
    with opened(prices=old) as book:
        book.record_many(
            {"session_id": "s", "usage_id": f"u{at}", "model": "m1", "tokens_in": 4, "occurred_at": START / MICROS + at}
            for at in range(count)
        )
        record(book, "v", session="t")
        done = book.reprice(prices=new)
        assert (done.total.calls, done.total.changed) == (count + 1, count + 1)
        assert book.get("s").cost_nano_usd == count * 1000
        sound(book)


def test_r13_a_call_that_somebody_else_changes_meanwhile_is_theirs(old: str, new: str) -> None:
    with opened(prices=old) as book:
        for name in ("u1", "u2", "u3", "u4"):
            record(book, name)
        plan = book._plans.reprice(prices=new)
        step = plan.send(None)
        asked = plan.send(book._plans.read(step.look))  # type: ignore[union-attr, arg-type]  # it reads first
        assert isinstance(asked, Write)
        # Between reading and writing: an amendment, two calls that turn out to be one, and another run of the same.
        record(book, "u1", tokens_in=5000)
        record(book, "u3", aliases=["u2"])
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
                record(book, f"u{at * 7 % 2000}", tokens_in=8)  # amends calls behind it and before it
                record(book, f"v{at}", cost_usd=1)
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


def _but_versions(told: dict[str, Any]) -> dict[str, Any]:
    """A version grows with whatever is said of a session, news or not; it is the last column."""
    return told | {"every_session": [row[:-1] for row in told["every_session"]]}


def test_r15_what_is_imported_again_after_repricing_is_known(new: str, tmp_path: Path) -> None:
    path = price_file(tmp_path, 'version = "mine"\n[[price]]\nmodel = "*"\ninput = 2\noutput = 2\n')
    copy = tmp_path / "copy"
    shutil.copytree(SAMPLES / "claude-code", copy)
    with opened() as book:
        run_import(book, source("claude-code"), [SAMPLES / "claude-code"])
        # A row says all that its price depends on: by the same prices nothing is different.
        same = book.reprice().total
        assert (same.changed, same.newly_priced, same.kept) == (0, 0, 0)
        assert same.calls > 0
        book.reprice(prices=path)
        was = _but_versions(everything(book))
        again = run_import(book, source("claude-code"), [copy])
        assert (again.calls > 0, again.new_calls) == (True, 0)
        now = _but_versions(everything(book))
        assert now == was
        usage = [row for one in book.iterate() for row in book.usage(one.session_id)]
        assert sum(row.cost_nano_usd or 0 for row in usage) == 2000 * sum(
            row.tokens_in + row.tokens_out for row in usage
        )
