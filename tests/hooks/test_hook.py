"""hook: what an agent waits for, and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook import machine
from rollbook.cli.hook import asked, is_meant
from rollbook.hooks import spool

from .conftest import Hook

#: What a hook may load: nothing that opens a book, and nothing that reads structs or asks a server.
TOO_MUCH = {
    "typer", "rich", "pydantic", "msgspec", "asyncio", "logging", "subprocess", "genai_prices", "watchfiles", "apsw",
    "http", "ssl", "socket", "uuid", "hashlib", "platform", "tempfile", "dataclasses", "datetime", "pathlib", "urllib",
}  # fmt: skip
OURS = {
    "rollbook", "rollbook.cli", "rollbook.cli.hook", "rollbook.errors", "rollbook.hooks", "rollbook.hooks.agent",
    "rollbook.hooks.spool", "rollbook.machine", "rollbook.rules", "rollbook.rules.liveness", "rollbook.settings",
}  # fmt: skip
EVENT = {"session_id": "s", "hook_event_name": "SessionStart", "source": "startup", "cwd": "/home/ada/shop"}


def left(place: str) -> list[dict[str, Any]]:
    return [json.loads(spool.read(place, name) or b"") for name in spool.waiting(place)]


def test_an_event_is_left(hook: Hook, place: str) -> None:
    before = time.time_ns() // 1000
    done = hook({**EVENT, "transcript_path": "/etc/passwd", "prompt": "sk-secret", "tool_input": {"a": 1}})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (record,) = left(place)
    assert record["event"] == EVENT
    assert record["agent"] == "claude-code"
    assert before <= record["at"] <= time.time_ns() // 1000


def test_little_is_loaded(place: str) -> None:
    code = (
        "import sys; from rollbook.cli import main; status = main(['hook', 'claude-code']); "
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(EVENT), capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert not loaded & TOO_MUCH
    assert {name for name in loaded if name.partition(".")[0] == "rollbook"} == OURS
    assert len(left(place)) == 1


@pytest.mark.parametrize("given", ["", "{", "[]", "7", "[" * 100_000, '"x"', "\ufeff{"])
def test_what_is_no_event_holds_nobody_up(hook: Hook, place: str, given: str) -> None:
    done = hook(given)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("rollbook: a hook is given an event")
    assert not Path(place).exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"session_id": 7, "hook_event_name": ["x"]}, {}),
        ({"session_id": "s", "cwd": "x" * 5_000, "reason": "y" * 300, "error": "z"}, {"session_id": "s", "error": "z"}),
        ({"session_id": "\ud800", "source": "resume"}, {"source": "resume"}),
        ({"session_id": "é" * 256, "stop_hook_active": True}, {"session_id": "é" * 256, "stop_hook_active": True}),
    ],
    ids=["of other types", "too long", "half a character", "long enough"],
)
def test_what_of_an_event_is_kept(hook: Hook, place: str, given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert hook(given).returncode == 0
    (record,) = left(place)
    assert record["event"] == kept


def test_where_nothing_can_be_left(hook: Hook, place: str) -> None:
    Path(place).parent.mkdir()
    Path(place).write_text("no folder")
    done = hook(EVENT)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("rollbook: the event was not kept")


def test_wrong_use_does_not_stop_the_agent(hook: Hook) -> None:
    """The status 2 of a hook tells Claude Code to stop what it does."""
    for words in (
        ("abacus",),
        ("claude-code", "--colour"),
        ("claude-code", "--print", "--install"),
        ("claude-code", "x"),
    ):
        done = hook(EVENT, *words)
        assert done.returncode == 1
        assert done.stderr.startswith("rollbook: ")
    assert is_meant(["--json", "hook", "claude-code"])
    assert not is_meant(["touch", "hook"])


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("hook claude-code", True),
        ("--db sqlite:///x.db hook claude-code --user=me", True),
        ("hook claude-code --help", False),
        ("hook claude-code --print", False),
        ("hook", False),
        ("hook abacus", False),
        ("hook claude-code --db", False),
        ("touch hook", False),
    ],
)
def test_what_goes_the_short_way(words: str, plain: bool) -> None:
    assert (asked(words.split()) is not None) is plain


def test_it_is_a_command_as_any_other(hook: Hook, place: str) -> None:
    assert "--install" in hook("", "--help").stdout
    assert hook(EVENT, "claude-code", "--json").returncode == 0  # a word that only the ordinary way understands
    assert len(left(place)) == 1


AGENT = """
import subprocess, sys, time
subprocess.run(sys.argv[1], shell=True, input=sys.argv[2], text=True, check=True)
print("ready", flush=True)
time.sleep(60)
"""


def test_the_agent_is_found_behind_a_shell(place: str) -> None:
    command = f"sh -c '{sys.executable} -m rollbook hook claude-code; true'; true"
    with subprocess.Popen([sys.executable, "-c", AGENT, command, json.dumps(EVENT)], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"ready\n"
        known = machine.another_process(agent.pid)
        assert known is not None
        (record,) = left(place)
        assert tuple(record["process"]) == known
        agent.kill()


def test_two_at_once(place: str) -> None:
    words = [sys.executable, "-m", "rollbook", "hook", "claude-code"]
    running = [subprocess.Popen(words, stdin=subprocess.PIPE, text=True) for _ in range(6)]
    for number, process in enumerate(running):
        assert process.stdin is not None
        process.stdin.write(json.dumps({**EVENT, "session_id": f"s{number}"}))
        process.stdin.close()
    assert [process.wait() for process in running] == [0] * 6
    assert {record["event"]["session_id"] for record in left(place)} == {f"s{number}" for number in range(6)}


def _until(true: Any, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def test_a_hook_has_its_events_delivered_and_does_not_wait(hook: Hook, place: str) -> None:
    """One process delivers for all hooks; it holds nothing of the agent's, and the next hook starts none beside it."""
    done = hook(
        EVENT, ROLLBOOK_HOOK_DELIVERY="on"
    )  # returns at once although the other one goes on: its output is closed
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    _until(lambda: not spool.waiting(place))
    courier = int((Path(place) / "lock").read_text().split()[0])
    try:
        with rollbook.open() as book:
            assert book.get("s").agent == "claude-code"
            hook({**EVENT, "hook_event_name": "SessionEnd", "reason": "clear"}, ROLLBOOK_HOOK_DELIVERY="on")
            _until(lambda: book.get("s").status == "completed")
        assert (Path(place) / "lock").read_text() == f"{courier} delivers\n"
        assert os.getsid(courier) == courier
    finally:
        os.kill(courier, signal.SIGKILL)


def test_whether_a_book_is_there_or_not(hook: Hook, place: str, tmp_path: Path) -> None:
    """What cannot be delivered stays, and the agent is not told."""
    (tmp_path / "file").write_text("")
    done = hook(EVENT, ROLLBOOK_HOOK_DELIVERY="on", ROLLBOOK_DB=f"sqlite:///{tmp_path}/file/book.db")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    _until(lambda: _free(place))
    assert len(left(place)) == 1
    said = (Path(place) / "lock").read_text()
    assert said.endswith(" began\n")
    hook(EVENT, ROLLBOOK_HOOK_DELIVERY="on")  # it is too early to try again
    assert (Path(place) / "lock").read_text() == said
    assert _free(place)
    os.utime(Path(place) / "lock", (0, 0))
    hook(EVENT, ROLLBOOK_HOOK_DELIVERY="on")
    _until(lambda: not spool.waiting(place))
    os.kill(int((Path(place) / "lock").read_text().split()[0]), signal.SIGKILL)


def _free(place: str) -> bool:
    lock = spool.lock(place)
    if lock is not None:
        os.close(lock)
    return lock is not None
