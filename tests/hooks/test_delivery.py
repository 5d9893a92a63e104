"""From the spool to a book: in order, once, and nothing is lost whoever is killed when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.errors import Overloaded, StoreError
from rollbook.hooks import delivery, spool
from rollbook.settings import LOCAL_USER

T0 = 1_790_000_000_000_000


def leave(place: str, name: str, at: int = 0, session_id: str = "s", **more: Any) -> None:
    event = {"hook_event_name": name, "session_id": session_id, **more}
    spool.put(place, json.dumps({"agent": "claude-code", "at": T0 + at, "event": event}).encode())


class Deaf:
    """A book that takes nothing now."""

    user_id = LOCAL_USER

    def __init__(self, *, raises: bool) -> None:
        self.raises = raises
        self.error: Exception = StoreError("the disk is full")

    def ingest(self, items: Sequence[Any]) -> list[Any]:
        if self.raises:
            raise self.error
        return [Overloaded()] * len(items)


def test_in_order_and_removed(book: Rollbook, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "AT_ONCE", 2)
    for number in range(5):
        leave(place, "Stop", number, f"s{number}")
    leave(place, "SessionEnd", 9, "s0", reason="clear")
    assert delivery.deliver_all(book, place) == (6, 0)
    assert spool.waiting(place) == []
    assert book.get("s0").status == "completed"
    assert delivery.deliver_all(book, place) == (0, 0)


def test_where_there_is_no_spool(book: Rollbook, place: str) -> None:
    assert delivery.deliver_all(book, place) == (0, 0)
    assert not Path(place).exists()


def test_somebody_else_delivers(book: Rollbook, place: str) -> None:
    leave(place, "Stop")
    lock = spool.lock(place)
    assert lock is not None
    assert delivery.deliver_all(book, place) == (0, 0)
    os.close(lock)
    assert delivery.deliver_all(book, place) == (1, 0)


@pytest.mark.parametrize("raises", [True, False])
def test_r13_what_is_not_acknowledged_stays(place: str, raises: bool) -> None:
    leave(place, "Stop")
    with pytest.raises((StoreError, Overloaded)):
        delivery.deliver_all(Deaf(raises=raises), place)
    assert len(spool.waiting(place)) == 1


DAMAGED = [
    b"", b"{", b"null", b"{}", b'{"agent":"abacus","at":1,"event":{}}', b'{"agent":"claude-code","at":"x","event":{}}',
    b'{"agent":"claude-code","at":1,"event":{}}', b'{"agent":"claude-code","at":1,"event":{"session_id":"\xff"}}',
    b'{"agent":"claude-code","at":1' + b"0" * 400 + b',"event":{"session_id":"s","hook_event_name":"Stop"}}',
    b'{"agent":"claude-code","at":-1,"event":{"session_id":"s","hook_event_name":"Stop"}}',
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: repr(text[:50]))
def test_what_no_book_takes_is_let_go_of(book: Rollbook, place: str, text: bytes) -> None:
    spool.put(place, text)
    leave(place, "Stop")
    assert delivery.deliver_all(book, place) == (2, 1)
    assert [session.session_id for session in book.iterate()] == ["s"]
    assert spool.waiting(place) == []


KILLED = """
import os, signal, sys
import rollbook
from rollbook.hooks import delivery, spool
at = int(sys.argv[2])
remove, count = spool.remove, 0
def killed(place, name):
    global count
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    remove(place, name)
spool.remove = killed
with rollbook.open() as book:
    delivery.deliver_all(book, sys.argv[1])
"""


@pytest.mark.parametrize("at", [0, 2])
def test_r13_killed_between_the_book_and_the_spool(book: Rollbook, place: str, at: int) -> None:
    leave(place, "SessionStart", 0, source="startup")
    leave(place, "StopFailure", 1, error="rate_limit")
    leave(place, "SubagentStop", 2, agent_id="a")
    leave(place, "SessionEnd", 3, reason="clear")
    done = subprocess.run([sys.executable, "-c", KILLED, place, str(at)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(spool.waiting(place)) == 4 - at
    once = [rollbook.to_dict(session) for session in book.iterate()]
    assert len(once) == 2
    assert delivery.deliver_all(book, place).events == 4 - at
    assert [rollbook.to_dict(session) for session in book.iterate()] == once
    assert book.get("s").step_errors == 1
    assert book.verify().ok


AGENT = """
import subprocess, sys, time
subprocess.run(sys.argv[1:], input='{"session_id":"s","hook_event_name":"SessionStart","source":"startup"}', text=True)
print("ready", flush=True)
time.sleep(60)
"""


def test_r5_a_crash_of_the_agent_is_seen(book: Rollbook, place: str) -> None:
    words = [sys.executable, "-m", "rollbook", "hook", "claude-code"]
    with subprocess.Popen([sys.executable, "-c", AGENT, *words], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        delivery.deliver_all(book, place)
        found = book.instance("s")
        assert found is not None
        assert (found.pid, found.state) == (agent.pid, "alive")
        assert book.reconcile(wait=False).sessions == []
        agent.kill()
    (crashed,) = book.reconcile(wait=False).sessions
    assert crashed.session_id == "s"
    assert book.get("s").status == "unknown"


def test_r5_an_end_is_no_crash(book: Rollbook, place: str) -> None:
    both = (
        "import subprocess, sys\nfor event in sys.argv[2:]: subprocess.run(sys.argv[1].split(), input=event, text=True)"
    )
    start = '{"session_id":"s","hook_event_name":"SessionStart"}'
    end = '{"session_id":"s","hook_event_name":"SessionEnd","reason":"other"}'
    command = f"{sys.executable} -m rollbook hook claude-code"
    subprocess.run([sys.executable, "-c", both, command, start, end], check=True)
    delivery.deliver_all(book, place)
    found = book.reconcile(wait=False)
    assert (found.looked_at, book.get("s").status) == (0, "completed")


def test_a_server_delivers_for_as_long_as_it_runs(book: Rollbook, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "EVERY_S", 0.02)
    stop, told = threading.Event(), list[str]()
    other = spool.lock(place)  # somebody else delivers at first
    assert other is not None
    server = threading.Thread(target=delivery.attend, args=(book, place, stop), kwargs={"told": told.append})
    server.start()
    leave(place, "Stop", 0, "one")
    time.sleep(0.1)
    assert len(spool.waiting(place)) == 1
    os.close(other)
    _until(lambda: not spool.waiting(place))
    leave(place, "Stop", 0, "two")
    _until(lambda: not spool.waiting(place))
    assert spool.lock(place) is None
    stop.set()
    server.join()
    assert {session.session_id for session in book.iterate()} == {"one", "two"}
    assert told == []
    free = spool.lock(place)
    assert free is not None
    os.close(free)


def test_a_server_tries_again(place: str, book: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "EVERY_S", 0.01)
    leave(place, "Stop")
    deaf, stop, told = Deaf(raises=True), threading.Event(), list[str]()
    server = threading.Thread(target=delivery.attend, args=(deaf, place, stop), kwargs={"told": told.append})
    server.start()
    _until(lambda: told)
    deaf.ingest = book.ingest  # type: ignore[method-assign]  # it hears again
    _until(lambda: not spool.waiting(place))
    stop.set()
    server.join()
    assert len(told) == 1
    assert "the disk is full" in told[0]


def test_who_lingers_leaves_nothing(book: Rollbook, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that comes in the moment in which the lock is let go of is seen by whoever let go of it."""
    monkeypatch.setattr(delivery, "EVERY_S", 0.01)
    monkeypatch.setattr(delivery, "LINGER_S", 0.05)
    leave(place, "Stop", 0, "one")
    lock = spool.lock(place)
    assert lock is not None
    close, late = os.close, ["two"]

    def closing(descriptor: int) -> None:
        if descriptor == lock and late:
            leave(place, "Stop", 0, late.pop())
        close(descriptor)

    monkeypatch.setattr(os, "close", closing)
    delivery.linger(book, place, lock)
    assert spool.waiting(place) == []
    assert {session.session_id for session in book.iterate()} == {"one", "two"}


def _until(true: Any, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.01)
