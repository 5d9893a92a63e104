"""What a server does while something that it stands on is in trouble."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import rollbook
import rollbook.aio
from rollbook import machine
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
