"""push and hooks against a server as it is run: nothing is said but its address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.cli import main
from rollbook.hooks import spool
from rollbook.importers import source
from rollbook.importers.runs import run_import

from .conftest import told


class Serving:
    """`rollbook serve`, of a book of its own, on a port of its own."""

    def __init__(self, book: str) -> None:
        words = [sys.executable, "-m", "rollbook", "serve", "--port", "0", "--db", book]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env)
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        if not first.startswith("rollbook: serving "):
            said = first + self.process.stderr.read()
            self.stop(signal.SIGKILL)
            pytest.fail(said)
        self.url = first.split()[2].rstrip(";")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def there(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'there.db'}"


@pytest.fixture
def serving(there: str, machine: Path) -> Iterator[Serving]:
    made = Serving(there)
    yield made
    if made.process.poll() is None:
        made.stop()


def test_push_needs_no_token_on_this_machine(
    serving: Serving, there: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_PUSH_TO", serving.url)
    assert main(["push", "claude-code", "--content", "--json"]) == 0
    (first,) = json.loads(capsys.readouterr().out)["sources"]
    assert main(["push", "claude-code", "--content", "--json"]) == 0
    (second,) = json.loads(capsys.readouterr().out)["sources"]
    assert first["new_calls"] > 0
    assert first["new_entries"] > 0
    assert (second["bytes"], second["calls"]) == (0, 0)
    with rollbook.open(there) as book, rollbook.open(tmp_path / "here.db") as here:
        run_import(here, source("claude-code"), content=True)
        assert told(book) == told(here)
        assert book.verify().ok


def test_r13_a_server_that_is_killed(serving: Serving, there: str, machine: Path, tmp_path: Path) -> None:
    """What it had acknowledged is there; the rest is sent again to whoever comes in its place."""
    assert main(["push", "claude-code", "--to", serving.url]) == 0
    serving.stop(signal.SIGKILL)
    (path,) = machine.rglob("sample-webshop-1.jsonl")
    path.with_name("again.jsonl").write_text(path.read_text().replace("msg_", "msg_again"))
    after = Serving(there)
    try:
        assert main(["push", "claude-code", "--to", after.url]) == 0
    finally:
        after.stop()
    with rollbook.open(there) as book, rollbook.open(tmp_path / "here.db") as here:
        run_import(here, source("claude-code"))
        assert told(book) == told(here)
        assert book.verify().ok


def test_the_server_delivers_what_hooks_leave(serving: Serving, there: str) -> None:
    event = {"session_id": "s", "hook_event_name": "SessionStart", "source": "startup"}
    done = subprocess.run(
        [sys.executable, "-m", "rollbook", "hook", "claude-code"], input=json.dumps(event), text=True, check=True,
        capture_output=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")
    until = time.monotonic() + 20
    while spool.waiting(spool.folder()):
        assert time.monotonic() < until
        time.sleep(0.05)
    with rollbook.open(there) as book:
        found = book.instance("s")
        assert found is not None
        assert (book.get("s").status, found.pid) == ("running", os.getpid())


def test_hooks_straight_to_the_server(serving: Serving, there: str) -> None:
    token = (Path.home() / ".local/share/rollbook/server-token").read_text().strip()

    def post(events: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{serving.url}/api/v1/hooks/claude-code", json.dumps(events).encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    start = {"session_id": "s", "hook_event_name": "SessionStart", "transcript_path": "/etc/passwd", "cwd": "/x"}
    assert post(start) == {"taken": 1, "refused": []}
    child = {"session_id": "s", "hook_event_name": "SubagentStop", "agent_id": "a"}
    both = [start, child, {"session_id": 7}, {**start, "hook_event_name": "SessionEnd", "reason": "clear"}]
    answer = post(both)
    assert (answer["taken"], len(answer["refused"])) == (3, 1)
    with rollbook.open(there) as book:
        assert (book.get("s").status, book.get("s").decided_by) == ("completed", "hook")
        assert book.get("s/agent-a").status == "completed"
