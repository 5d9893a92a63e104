"""push: this machine's transcripts in a server's book, once, whatever comes in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.cli import main
from rollbook.errors import Forbidden, InvalidInput, StoreError, TooLarge
from rollbook.hooks import spool
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.remote import book as remote
from rollbook.remote import client
from rollbook.remote.book import FILES, INGEST, RemoteBook, machine_name
from rollbook.remote.client import token_for

from .conftest import KEY, told
from .server import Pushing


def push(server: Pushing, **more: Any) -> Any:
    with RemoteBook(server.url) as book:
        return run_import(book, source("claude-code"), **more)


def test_what_is_pushed_is_what_is_imported(server: Pushing, there: Rollbook, machine: Path, tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "here.db") as here:
        imported = run_import(here, source("claude-code"), content=True)
        pushed = push(server, content=True)
        assert told(there) == told(here)
        for session in here.iterate():
            there_too = there.conversation(session.session_id), there.trace(session.session_id)
            assert there_too == (here.conversation(session.session_id), here.trace(session.session_id))
    same = ("sessions", "calls", "new_calls", "entries", "new_entries", "files", "bytes", "problems")
    assert [getattr(pushed, name) for name in same] == [getattr(imported, name) for name in same]
    assert pushed.new_calls > 0
    assert pushed.new_entries > 0
    assert there.verify().ok


def test_twice_sends_nothing(server: Pushing, there: Rollbook, machine: Path) -> None:
    push(server)
    before, asked = told(there), len(server.asked)
    again = push(server)
    assert (again.bytes, again.calls) == (0, 0)
    assert told(there) == before
    assert {path for path, _ in server.asked[asked:]} == {FILES}


def test_what_is_new_is_sent(server: Pushing, there: Rollbook, machine: Path) -> None:
    (path,) = machine.rglob("sample-webshop-1.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-3]))
    push(server)
    path.write_text("".join(lines))
    more = push(server)
    assert 0 < more.bytes < len(path.read_bytes())
    shutil.rmtree(machine / ".local", ignore_errors=True)  # another machine, as far as anybody knows
    before = told(there)
    whole = push(server)
    assert whole.calls > 0
    assert whole.new_calls == 0
    assert told(there) == before


def test_two_machines_with_the_same_paths(server: Pushing, there: Rollbook, machine: Path, tmp_path: Path) -> None:
    push(server)
    other = tmp_path / "other"
    (other / ".local" / "share").mkdir(parents=True)
    env = {"HOME": str(other), "ROLLBOOK_TOKEN": KEY}
    assert machine_name(env) != machine_name()
    (path,) = machine.rglob("sample-webshop-1.jsonl")
    text = path.read_text().replace("sample-webshop-1", "of-the-other").replace("msg_", "msg_other")
    with path.open("r+") as file:  # the same file, as far as its name and number say
        file.write(text.replace("req_", "req_other"))
    with RemoteBook(server.url, env=env) as book:
        run_import(book, source("claude-code"))
    assert {"sample-webshop-1", "of-the-other"} <= {session.session_id for session in there.iterate()}


@pytest.mark.parametrize("moods", [["lost"], [503, 502, 504, "lost", 429], [None, "lost", "lost"]], ids=str)
def test_lost_answers_and_busy_servers(
    server: Pushing, there: Rollbook, machine: Path, moods: list[Any], tmp_path: Path
) -> None:
    server.mood = list(moods)
    waited: list[float] = []
    with RemoteBook(server.url) as book:
        book._client._pause = waited.append
        run_import(book, source("claude-code"))
    assert len(waited) == len(moods) - moods.count(None)
    assert (7.0 in waited) == (429 in moods)
    with rollbook.open(tmp_path / "here.db") as here:
        run_import(here, source("claude-code"))
        assert told(there) == told(here)
    assert there.verify().ok


def test_patience_ends(server: Pushing, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PATIENCE_S", 0.0)
    server.mood = [503]
    with pytest.raises(StoreError, match="answers 503; what was not sent"):
        RemoteBook(server.url, patient=False).source_files("claude-code")
    server.shutdown()
    server.server_close()
    with pytest.raises(StoreError, match="is not reached"):
        RemoteBook(server.url, patient=False).source_files("claude-code")


@pytest.mark.parametrize(
    ("mood", "error"),
    [
        (401, Forbidden),
        (403, Forbidden),
        (404, StoreError),
        (400, InvalidInput),
        (302, InvalidInput),
        (307, InvalidInput),
        (500, Exception),
    ],
)
def test_what_is_refused_is_not_asked_again(server: Pushing, machine: Path, mood: int, error: type[Exception]) -> None:
    server.mood = [mood]
    with pytest.raises(error):
        push(server)
    assert len(server.asked) == 1


@pytest.mark.parametrize("mood", ["strange"])
def test_what_is_no_answer(server: Pushing, machine: Path, mood: str) -> None:
    server.mood = [mood]
    with pytest.raises(StoreError, match="not understood"):
        push(server)


def test_too_much_at_once_is_sent_in_parts(server: Pushing, there: Rollbook, machine: Path, tmp_path: Path) -> None:
    server.most = 20_000
    report = push(server, content=True)
    assert report.problems == []
    assert max(len(body) for path, body in server.asked if path == INGEST) > server.most
    with rollbook.open(tmp_path / "here.db") as here:
        run_import(here, source("claude-code"), content=True)
        assert told(there) == told(here)
    asked = len(server.asked)
    assert push(server, content=True).bytes == 0
    assert len(server.asked) > asked


def test_what_is_too_large_by_itself(server: Pushing, machine: Path) -> None:
    server.most = 300
    with pytest.raises(TooLarge):
        push(server, content=True)


def test_progress_goes_last(server: Pushing, there: Rollbook, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that is interrupted between its parts has not come further for it."""
    monkeypatch.setattr(remote, "_PART_ITEMS", 5)
    server.mood = [None, None, None, 400]
    with pytest.raises(InvalidInput):
        push(server)
    assert told(there) != []
    assert there.source_files(f"claude-code@{machine_name()}") == {}
    push(server)
    assert there.verify().ok
    assert len(there.source_files(f"claude-code@{machine_name()}")) > 0


def test_nothing_secret_and_no_path_leaves_the_machine(server: Pushing, there: Rollbook, machine: Path) -> None:
    (path,) = machine.rglob("sample-webshop-1.jsonl")
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    line = {
        "type": "user", "sessionId": "with-secret", "uuid": "u9", "timestamp": "2026-09-21T10:00:00Z",
        "cwd": "/somewhere", "message": {"role": "user", "content": f"use {secret} please"},
    }  # fmt: skip
    path.with_name("with-secret.jsonl").write_text(json.dumps(line) + "\n")
    push(server, content=True)
    sent = b"".join(body for _, body in server.asked)
    assert b"with-secret" in sent
    assert b"please" in sent
    assert secret.encode() not in sent
    assert str(machine).encode() not in sent
    assert there.get("with-secret").title is not None


def test_the_owner_is_the_keys_user(server: Pushing, there: Rollbook, machine: Path, tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "there.db", user="grace@example.org") as grace:
        server.books["key-of-grace"] = grace
        push(server)
        with RemoteBook(server.url, token="key-of-grace") as book:
            run_import(book, source("claude-code"))
        assert told(grace) == told(there)
        assert grace.user_id != there.user_id


def test_tokens(tmp_path: Path) -> None:
    folder = Path.home() / ".local" / "share" / "rollbook"
    folder.mkdir(parents=True)
    (folder / "server-token").write_text("of-the-file\n")
    assert token_for("http://127.0.0.1:1") == "of-the-file"
    assert token_for("http://localhost:1") == "of-the-file"
    assert token_for("https://rollbook.example.org") is None
    assert token_for("http://127.0.0.1:1", env={**os.environ, "ROLLBOOK_TOKEN": "said"}) == "said"
    assert token_for("http://127.0.0.1:1", "given") == "given"
    with pytest.raises(InvalidInput):
        token_for("http://127.0.0.1:1", "two words")


@pytest.mark.parametrize("url", ["", "here", "ftp://x", "http://", "https://u:p@x", "https://x/?a=b", "http://x:y"])
def test_what_is_no_server(url: str) -> None:
    with pytest.raises(InvalidInput, match="a server is named like"):
        RemoteBook(url)


def test_the_command(
    server: Pushing, there: Rollbook, machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool.put(
        str(machine / ".local/share/rollbook/spool"),
        b'{"agent":"claude-code","at":1790000000000000,"event":{"session_id":"s","hook_event_name":"SessionStart"},'
        b'"process":["box","boot","pid:[1]",7,"8",0]}',
    )
    assert main(["push", "--to", server.url, "--json"]) == 0
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    (claude,) = [row for row in answer["sources"] if row["source"] == "claude-code"]
    assert claude["new_calls"] > 0
    assert answer["hooks"] == {"events": 1, "refused": 0}
    assert there.get("s").agent == "claude-code"
    found = there.instance("s")
    assert found is not None
    assert (found.pid, found.state) == (7, "unknown")
    assert not (tmp_path / "here.db").exists()
    assert main(["push", "claude-code", "--to", server.url]) == 0
    assert "claude-code" in capsys.readouterr().out
    assert main(["push", "--to", server.url, "--user", "grace"]) == 2
    assert main(["push", "--to", "nowhere"]) == 2
    assert main(["push", "--to", server.url, "--token", "wrong"]) == 1
    assert "no such key" in capsys.readouterr().err


PROGRAM = """
import sys
from rollbook.cli import main
from rollbook.remote import book
book._PART_ITEMS = 10
sys.exit(main())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda it: it.name)
def test_interrupted_and_resumed(
    server: Pushing, there: Rollbook, machine: Path, tmp_path: Path, how: signal.Signals
) -> None:
    stopped: list[subprocess.Popen[str]] = []

    def stop(count: int) -> None:
        if count == 3:
            stopped[0].send_signal(how)
            stopped[0].wait()

    server.before = stop
    words = [sys.executable, "-c", PROGRAM, "push", "claude-code", "--content", "--to", server.url]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        stopped.append(process)
        _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
    if how is signal.SIGINT:
        assert said == "rollbook: interrupted\n"
    _settled(server)
    server.before = lambda _count: None
    push(server, content=True)
    with rollbook.open(tmp_path / "here.db") as here:
        run_import(here, source("claude-code"), content=True)
        assert told(there) == told(here)
    assert there.verify().ok


def _settled(server: Pushing) -> None:
    """Until the server has done what it was asked to."""
    count = -1
    while count != len(server.asked):
        count = len(server.asked)
        time.sleep(0.1)


TRAPS = Path(__file__).parents[1] / "data" / "traps"


@pytest.mark.parametrize("name", ["claude-code", "codex", "gemini-cli"])
def test_every_trap_is_pushed_as_it_is_imported(server: Pushing, there: Rollbook, tmp_path: Path, name: str) -> None:
    folders = [str(folder) for folder in sorted((TRAPS / name).iterdir()) if folder.is_dir()]
    assert folders
    with rollbook.open(tmp_path / "here.db") as here, RemoteBook(server.url) as book:
        for content in (False, True):
            imported = run_import(here, source(name), folders, content=content)
            pushed = run_import(book, source(name), folders, content=content)
            assert pushed.row() | {"seconds": 0} == imported.row() | {"seconds": 0}
            assert pushed.problems == imported.problems
        assert told(there) == told(here)
    assert there.verify().ok


def test_nothing_goes_to_another_machine_unencrypted() -> None:
    with pytest.raises(InvalidInput, match="--allow-http"):
        RemoteBook("http://rollbook.example.org", token="t" * 20)
    for allowed in ({"allow_http": True}, {"env": {**os.environ, "ROLLBOOK_PUSH_ALLOW_HTTP": "1"}}):
        with RemoteBook("http://rollbook.example.org", token="t" * 20, **allowed) as book:
            assert book.user_id == ""
