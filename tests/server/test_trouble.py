"""What a server does while something that it stands on is in trouble."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
import rollbook.aio
from rollbook import core, machine
from rollbook.elsewhere import Elsewhere
from rollbook.ledger.ops import Beat, Touch
from rollbook.remote import wire
from rollbook.rules.liveness import Known
from rollbook.server.chores import Chores
from rollbook.server.running import Options, Server

from .tools import TOKEN, asking, client_of, key_of, url_of


def test_contents_that_are_away_hold_up_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More ask for them than there are threads that read."""
    monkeypatch.setenv("ROLLBOOK_JOURNAL", (tmp_path / "contents").as_uri())
    away = threading.Event()
    with asking(tmp_path / "book.db") as ask:
        ask.request("POST", "/api/v1/sessions/one/messages", json={"role": "user", "content": "hello"})
        found = Elsewhere.place

        def slow(self: Elsewhere) -> Any:
            away.wait()
            return found(self)

        monkeypatch.setattr(Elsewhere, "place", slow)

        async def run() -> None:
            async with client_of(ask.app) as client:
                many = 3 * rollbook.settings.load().readers
                asked = [asyncio.create_task(client.get("/api/v1/sessions/one/conversation")) for _ in range(many)]
                await asyncio.sleep(0.1)
                for path in ("/api/v1/sessions", "/api/v1/sessions/stats", "/readyz"):
                    answer = await asyncio.wait_for(client.get(path), 20)
                    assert answer.status_code == 200, path
                assert not any(task.done() for task in asked)
                away.set()
                assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}

        try:
            ask.run(run())
        finally:
            away.set()


def test_a_book_that_is_only_read_is_served_without_chores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with rollbook.open(url_of(tmp_path / "book.db")) as book:
        book.touch("one")

    async def run() -> None:
        async with rollbook.aio.open(f"{url_of(tmp_path / 'book.db')}?mode=ro", all_users=True) as book:
            async with Chores(Server(book, Options(token=TOKEN))):
                await asyncio.sleep(0.05)
            assert (await book.get("one")).status == "running"

    asyncio.run(run())
    assert not caplog.records


def test_a_book_that_a_newer_version_migrates_meanwhile_is_neither_written_nor_read(tmp_path: Path) -> None:
    """And whoever sends requests to ready servers sends this one none."""
    path = tmp_path / "book.db"
    with asking(path) as ask:
        ask.request("POST", "/api/v1/usage", json={"session_id": "one", "tokens_in": 5})
        assert ask.json("/api/v1/sessions/stats")["sessions"] == 1
        newer = apsw.Connection(str(path))
        newer.pragma("user_version", newer.pragma("user_version") + 1)
        newer.close()
        answers = [
            ask.request("POST", "/api/v1/usage", json={"session_id": "two", "tokens_in": 5}),
            *(ask.get(each) for each in ("/api/v1/sessions", "/api/v1/spend", "/readyz")),
        ]
    assert {answer.status_code for answer in answers} == {503}
    assert all("upgrade" in answer.text for answer in answers[:3])


def test_a_disk_that_is_full_costs_the_writes_and_no_reads_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Every door says so with 503, so that whoever sends keeps what it has; the server needs no restart."""
    with asking(tmp_path / "book.db") as ask:
        ask.request("POST", "/api/v1/usage", json={"session_id": "one", "tokens_in": 5, "usage_id": "u"})
        writer: Any = ask.book._plans.store._writer  # type: ignore[attr-defined]  # it is SQLite's
        writer.raw.pragma("max_page_count", writer.raw.pragma("page_count"))
        large = {"role": "user", "content": "x" * 100_000}
        sent: list[tuple[str, dict[str, Any]]] = [
            ("/api/v1/sessions/one/messages", {"json": large, "headers": {"idempotency-key": "k"}}),
            ("/v1/traces", {"json": trace("x" * 100_000)}),
        ]
        for path, said in sent:
            answer = ask.request("POST", path, **said)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True), path
            assert "no space" in answer.text
        assert ask.get("/readyz").status_code == 200
        assert ask.json("/api/v1/sessions/stats", range="all")["tokens_in"] == 5
        writer.raw.pragma("max_page_count", 2**32 - 2)
        for path, said in sent:
            assert ask.request("POST", path, **said).status_code == 200, path
        assert len(ask.json("/api/v1/sessions/one/conversation")["messages"]) == 2
        assert ask.json("/api/v1/verify")["ok"]


def test_a_clock_that_is_set_back_an_hour_undoes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, requests that come again, traces and sessions are what they were, and new things are taken as before."""
    ahead = [3600 * 1_000_000]
    kinds: Any = core.Core.__init__.__kwdefaults__
    real = kinds["clock"]
    monkeypatch.setitem(kinds, "clock", lambda: real() + ahead[0])
    key = key_of(tmp_path / "book.db", "ann")
    with asking(tmp_path / "book.db") as ask:

        def tell(number: int) -> list[int]:
            once = {"idempotency-key": f"once-{number}"}
            sent: list[tuple[str, str, dict[str, Any]]] = [
                ("POST", "/api/v1/sessions", {"json": {"session_id": f"s{number}", "agent": "bot"}}),
                ("POST", f"/api/v1/sessions/s{number}/usage", {"json": {"tokens_in": 5}, "headers": once}),
                ("POST", f"/api/v1/sessions/s{number}/messages", {"json": {"role": "user", "content": "hi"}}),
                ("POST", f"/api/v1/sessions/s{number}/end", {"json": {"status": "completed"}}),
                ("POST", "/v1/traces", {"json": trace("hi", number)}),
            ]
            answers = [ask.request(method, path, key=key, **said) for method, path, said in sent]
            return [answer.status_code for answer in answers]

        assert tell(1) == [200] * 5
        ahead[0] = 0
        assert tell(2) == [200] * 5
        assert tell(1)[1:] == [200] * 4, "what was done comes again"
        seen = {each["session_id"]: each for each in ask.json("/api/v1/sessions", key=key)["sessions"]}
        assert {name: (each["status"], each["calls"]) for name, each in seen.items()} == {
            "one": ("running", 2), "s1": ("completed", 1), "s2": ("completed", 1),
        }  # fmt: skip
        for path in ("/api/v1/sessions/stats", "/api/v1/spend", "/api/v1/me", "/readyz", "/api/v1/search?text=hi"):
            assert ask.request("GET", path, key=key).status_code == 200, path
        assert ask.json("/api/v1/verify")["ok"]


def trace(content: str, number: int = 1) -> dict[str, Any]:
    """A model's call with a message, as OTLP."""
    said = {"gen_ai.operation.name": "chat", "session.id": "one", "gen_ai.usage.input_tokens": "7"}
    said["gen_ai.output.messages"] = f'[{{"role":"assistant","parts":[{{"type":"text","content":"{content}"}}]}}]'
    span = {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": "chat",
        "startTimeUnixNano": str(time.time_ns()), "endTimeUnixNano": str(time.time_ns()),
        "attributes": [{"key": name, "value": {"stringValue": value}} for name, value in said.items()],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


# R5: processes of other machines


def _pushed(ask: Any, key: str, *ops: Any) -> None:
    answer = ask.request("POST", "/api/v1/ingest", key=key, content=wire.body([wire.item(op) for op in ops]))
    assert answer.status_code == 200, answer.text
    assert all(one is None or not isinstance(one, Exception) for one in wire.answers_told(answer.content))


@pytest.mark.parametrize("where", ["another boot", "another namespace", "a machine that says nothing of itself"])
def test_r5_a_process_of_another_machine_is_not_looked_for_here(tmp_path: Path, where: str) -> None:
    """Its id is nobody's on this machine, or somebody else's: that says nothing of it."""
    here = machine.here()
    boot, space = {
        "another boot": ("8e4f9d1c-0000-4000-8000-000000000001", here.pid_namespace),
        "another namespace": (here.boot_id, "pid:[1]"),
        "a machine that says nothing of itself": ("", ""),
    }[where]
    known = Known("far-away", boot, space, 2**22 - 3, "12345", 0)
    key = key_of(tmp_path / "book.db", "ann")
    with asking(tmp_path / "book.db") as ask:
        now = ask.book._plans.clock()
        _pushed(
            ask, key, Touch(user_id="", session_id="far", at=now, instance="i-1"), Beat(instance_id="i-1", known=known)
        )
        ask.book._plans.look_around()
        found = ask.run(ask.book.reconcile(wait=False))
        assert (found.looked_at, found.instances, found.sessions) == (1, [], [])
        assert found.undecided == 1
        assert ask.json("/api/v1/sessions/far", key=key)["status"] == "running"


def test_r5_many_beats_of_a_process_are_one(tmp_path: Path) -> None:
    known = Known("far-away", "8e4f9d1c-0000-4000-8000-000000000001", "pid:[1]", 77, "12345", 0)
    key = key_of(tmp_path / "book.db", "ann")
    with asking(tmp_path / "book.db") as ask:
        _pushed(ask, key, *[Beat(instance_id="i-1", known=known)] * 500)
        for _ in range(3):
            _pushed(ask, key, Beat(instance_id="i-1", known=known))
        assert ask.run(ask.book.reconcile(wait=False)).looked_at == 1
