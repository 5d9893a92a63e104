"""What there is to say of the book as a whole: verify, doctor, prices, what a rule would remove."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import rollbook
from rollbook.errors import StoreError
from rollbook.server.inspecting import Looks

from .tools import Asking, Running, asking, key_of, served, url_of


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inspecting") / "book.db"
    with rollbook.open(url_of(made), all_users=True) as book:
        book.record_usage("new", model="house", tokens_in=10)
        book.record_usage("old", tokens_in=10, cost_usd=1, occurred_at="2026-01-01T00:00:00Z", user_id="ann")
        book.end("old", "completed", at="2026-01-01T00:00:01Z", user_id="ann")
    return made


@pytest.fixture(scope="module")
def ask(path: Path) -> Iterator[Asking]:
    with asking(path) as made:
        yield made


def test_verify_counts_and_balances(ask: Asking) -> None:
    found = ask.json("/api/v1/verify")
    assert (found["ok"], found["sessions"], found["ledger_rows"], found["problems"]) == (True, 2, 2, [])
    assert found["seconds"] >= 0


def test_verify_names_what_differs(tmp_path: Path) -> None:
    made = tmp_path / "book.db"
    with rollbook.open(url_of(made)) as book:
        book.record_usage("one", tokens_in=10, cost_usd=1)
    with closing(sqlite3.connect(made)) as db, db:
        db.execute("UPDATE session SET calls = calls + 1")
    with asking(made) as ask:
        found = ask.json("/api/v1/verify")
        assert not found["ok"]
        assert {
            "what": "session",
            "where": "user 1 session one",
            "field": "calls",
            "stored": 2,
            "expected": 1,
        } in found["problems"]
        assert not ask.json("/api/v1/doctor")["ok"]


def test_doctor_says_which_version_and_how_the_book_is(ask: Asking) -> None:
    found = ask.json("/api/v1/doctor")
    names = {each["name"]: each for each in found["findings"]}
    assert names["rollbook"]["detail"] == rollbook.__version__
    assert names["structure"]["ok"]
    assert found["ok"] == all(each["ok"] for each in found["findings"])


def test_what_a_rule_would_remove_is_told_and_stays(ask: Asking) -> None:
    found = ask.json("/api/v1/retention", sessions="30d")
    assert (found["dry_run"], found["sessions"]) == (True, 1)
    assert ask.json("/api/v1/sessions", range="all")["total"] == 2
    assert ask.json("/api/v1/retention")["sessions"] == 0, "no rule, nothing goes"
    assert ask.get("/api/v1/retention", ledger="soon").status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize("what", ["verify", "doctor", "retention"])
def test_they_are_an_administrators(ask: Asking, path: Path, what: str) -> None:
    for role in ("reader", "writer"):
        said = ask.get(f"/api/v1/{what}", key=key_of(path, "ann", role), sessions="1d")
        assert said.status_code == httpx.codes.FORBIDDEN
    assert ask.get(f"/api/v1/{what}", key=key_of(path, "boss", "admin"), sessions="1d").status_code == httpx.codes.OK


def test_prices_in_force_are_everybodys_to_see(ask: Asking, path: Path) -> None:
    assert ask.json("/api/v1/prices")["tables"].startswith("genai-prices/")
    assert ask.json("/api/v1/prices", key=key_of(path, "ann", "reader"))["own"] is None


PRICES = 'version = "ours-7"\n[[price]]\nmodel = "house"\ninput = 1\noutput = 2\n'


def test_prices_of_ones_own_are_named_and_their_path_is_an_administrators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES, encoding="utf-8")
    monkeypatch.setenv("ROLLBOOK_PRICES", str(file))
    with asking(tmp_path / "book.db") as ask:
        reader = key_of(tmp_path / "book.db", "ann", "reader")
        assert ask.json("/api/v1/prices")["own"] == {"version": "ours-7", "path": str(file), "problem": None}
        assert ask.json("/api/v1/prices", key=reader)["own"] == {"version": "ours-7", "path": None, "problem": None}
    file.write_text("version = 7", encoding="utf-8")
    with asking(tmp_path / "book.db") as ask:
        assert "version" in ask.json("/api/v1/prices")["own"]["problem"]
        assert str(file) not in ask.get("/api/v1/prices", key=reader).text


def test_whoever_asks_while_it_is_looked_is_given_what_is_found() -> None:
    taken: list[str] = []
    at_once = most = 0

    async def look() -> int:
        nonlocal at_once, most
        taken.append("look")
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return len(taken)

    async def ask() -> list[Any]:
        looks = Looks()
        impatient = asyncio.create_task(looks.of("one", look))
        await asyncio.sleep(0)
        impatient.cancel()
        return await asyncio.gather(*(looks.of("one", look) for _ in range(5)), looks.of("other", look))

    assert asyncio.run(ask()) == [1, 1, 1, 1, 1, 2]
    assert most == 1


def test_a_look_that_fails_is_taken_anew() -> None:
    async def fail() -> None:
        raise StoreError("broken")

    async def look() -> str:
        return "found"

    async def ask() -> str:
        looks = Looks()
        for _ in range(2):
            with pytest.raises(StoreError):
                await looks.of("one", fail)
        return str(await looks.of("one", look))

    assert asyncio.run(ask()) == "found"


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Running]:
    with served(path) as made:
        yield made


def test_others_are_answered_while_the_book_is_looked_at(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    plans = server.server.book._plans
    perform = type(plans).perform

    def slowly(self: Any, step: Any) -> Any:
        if "_verified" in repr(step):
            begun.set()
            assert go_on.wait(20)
        return perform(self, step)

    monkeypatch.setattr(type(plans), "perform", slowly)
    with server.client() as client:
        answers: list[int] = []
        looking = threading.Thread(target=lambda: answers.append(client.get("/api/v1/verify").status_code))
        looking.start()
        assert begun.wait(20)
        with server.client() as other:
            assert other.get("/api/v1/sessions").status_code == httpx.codes.OK
        go_on.set()
        looking.join(20)
    assert answers == [httpx.codes.OK]
