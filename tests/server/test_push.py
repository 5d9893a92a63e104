"""`rollbook push` to a running server, with keys: once, whatever comes in between, and without secrets on the way."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.cli import main
from rollbook.errors import StoreError
from rollbook.importers import SAMPLES, source
from rollbook.importers.runs import run_import
from rollbook.remote import book as remote
from rollbook.remote import client
from rollbook.remote.book import RemoteBook

from .test_r13_kill import started
from .tools import key_of, served, url_of

ADA: Final = "ada@example.org"
SECRET: Final = "ghp_" + "a8Kd02Lz" * 4 + "Qw4R"
MACHINES: Final = ("here", "there")


def machine_of(home: Path) -> dict[str, str]:
    """A machine with transcripts, by its environment."""
    shutil.copytree(SAMPLES / "claude-code", home / ".claude" / "projects")
    return {"HOME": str(home)}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(client, "_PAUSE_S", 0.02)
    machine_of(Path.home())
    return Path.home()


def pushed(url: str, key: str, env: dict[str, str] | None = None, **more: Any) -> Any:
    folder = Path((env or {"HOME": str(Path.home())})["HOME"]) / ".claude" / "projects"
    with RemoteBook(url, token=key, env=env) as book:
        report = run_import(book, source("claude-code"), [folder], content=True, **more)
    assert not report.problems
    return report


def held(url: str, user: str | None = ADA) -> list[Any]:
    """All that a book holds of a user's, but for whose it is and when that was recorded."""
    with rollbook.open(url, user=user) as book:
        assert book.verify().ok
        return [_plain(book, each) for each in sorted(book.iterate(), key=lambda it: it.session_id)]


def _plain(book: rollbook.Rollbook, session: Any) -> Any:
    plain = {name: value for name, value in rollbook.to_dict(session).items() if "user_id" not in name}
    said = [(each.role, each.content) for each in book.conversation(session.session_id)]
    return plain, said, [step.tool_name for step in book.trace(session.session_id)]


def imported(folder: Path, *homes: Path) -> list[Any]:
    """What an import of the same transcripts on one machine comes to."""
    with rollbook.open(folder / "import.db", user=ADA) as book:
        for home in homes or (Path.home(),):
            run_import(book, source("claude-code"), [home / ".claude" / "projects"], content=True)
    return held(url_of(folder / "import.db"))


def test_twice_is_once_and_it_is_what_an_import_would_be(machine: Path, tmp_path: Path) -> None:
    url = url_of(tmp_path / "book.db")
    with served(url) as running:
        key = key_of(url, ADA)
        first, second = pushed(running.base, key), pushed(running.base, key)
    assert first.new_calls > 0
    assert (second.bytes, second.new_calls) == (0, 0)
    assert held(url) == imported(tmp_path)
    assert held(url, None) == [], "of the server's own user is nothing"


def test_two_machines(machine: Path, tmp_path: Path) -> None:
    """What both have counts once, what one has is there too."""
    url = url_of(tmp_path / "book.db")
    envs = [machine_of(tmp_path / name) for name in MACHINES]
    (path,) = (tmp_path / "there").rglob("sample-webshop-1.jsonl")
    text = path.read_text()
    for word in ("sample-webshop-1", "msg_", "req_"):
        text = text.replace(word, f"{word}other")
    path.with_name("of-the-other.jsonl").write_text(text)
    with served(url) as running:
        key = key_of(url, ADA)
        reports = [pushed(running.base, key, env) for env in (*envs, *envs)]
    assert reports[1].calls > reports[1].new_calls > 0
    assert [report.bytes for report in reports[2:]] == [0, 0]
    assert held(url) == imported(tmp_path, *(tmp_path / name for name in MACHINES))


def test_a_key_that_only_reads_is_told_so(machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = url_of(tmp_path / "book.db")
    with served(url) as running:
        for key, said in ((key_of(url, ADA, "reader"), "this key may only read"), ("rb_no_key", "Unauthorized")):
            assert main(["push", "claude-code", "--to", running.base, "--token", key]) != 0
            assert said in capsys.readouterr().err
    assert held(url) == []


# Interrupted


class Killed:
    """A server of a book that is killed when so many requests were made, and may be started again."""

    def __init__(self, url: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{self._port}"
        self.url = url
        self.start()

    def start(self) -> None:
        self._process = started(self.url, self._port)

    def end(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def until_up(self) -> None:
        while self._process.poll() is None:
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self._port)).close()
            time.sleep(0.02)
        raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killed]:
    """One for all tests, in which each has a user of its own."""
    made = Killed(url_of(tmp_path_factory.mktemp("killed") / "book.db"))
    yield made
    made.end()


def at_request(number: int, doing: Callable[[], None], book: RemoteBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something once, while request number so and so is on its way: whether it was taken, nobody can tell."""
    once, counted = book._client._once, 0

    def asked(*words: Any) -> Any:
        nonlocal counted
        counted += 1
        if counted == number:
            sending = threading.Thread(target=once, args=words)
            sending.start()
            doing()
            sending.join()
        return once(*words)

    monkeypatch.setattr(book._client, "_once", asked)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("number", "patient"), [(2, True), (5, True), (2, False), (5, False)])
def test_r13_a_server_that_is_killed_in_the_middle(
    killed: Killed, tmp_path: Path, number: int, patient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push goes on as soon as there is a server again; one that gave up goes on when it is called again."""
    monkeypatch.setattr(remote, "_PART_ITEMS", 5)
    killed.until_up()
    user = f"{number}-{patient}@example.org"
    key = key_of(killed.url, user)
    interrupted: list[str] = []
    with RemoteBook(killed.base, token=key, patient=patient, waiting=lambda why, _: interrupted.append(why)) as book:

        def away() -> None:
            killed.end()
            if patient:
                killed.start()

        at_request(number, away, book, monkeypatch)
        with contextlib.nullcontext() if patient else pytest.raises(StoreError, match="sent next time"):
            report = run_import(book, source("claude-code"), content=True)
            assert report.new_calls > 0
    if patient:
        assert interrupted, "the server was never away"
    else:
        killed.start()
        killed.until_up()
        pushed(killed.base, key)
    assert held(killed.url, user) == imported(tmp_path)
    assert pushed(killed.base, key).bytes == 0


# On the way


class Listening:
    """Stands between a client and a server, and keeps what the client sends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                with near, socket.create_connection(("127.0.0.1", self._port)) as far:
                    answers = threading.Thread(target=_passed, args=(far, near, []))
                    answers.start()
                    said: list[bytes] = []
                    _passed(near, far, said)
                    answers.join()
                self.heard.append(b"".join(said))

    def bodies(self) -> list[bytes]:
        """What was sent, inflated."""
        made = []
        for request in self.heard:
            head, _, body = request.partition(b"\r\n\r\n")
            made.append(zlib.decompress(body, 31) if b"content-encoding: gzip" in head.lower() else body)
        return made

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _passed(source: socket.socket, to: socket.socket, kept: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            kept.append(piece)
            to.sendall(piece)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


def test_secrets_do_not_leave_the_machine(machine: Path, tmp_path: Path) -> None:
    url = url_of(tmp_path / "book.db")
    (path,) = machine.rglob("sample-webshop-1.jsonl")
    text = (
        path.read_text().replace('"text":"', f'"text":"use {SECRET} ').replace('"text": "', f'"text": "use {SECRET} ')
    )
    path.write_text(text)
    assert SECRET in text
    with served(url) as running:
        key = key_of(url, ADA)
        between = Listening(running.port)
        try:
            assert pushed(between.base, key).new_entries > 0
        finally:
            between.close()
    heard = b"".join(between.bodies())
    assert b"sample-webshop-1" in heard
    assert b"use [" in heard or b"use ***" in heard, "it was there to be taken out"
    assert SECRET.encode() not in heard
    assert str(machine).encode() not in heard, "nor does where the files are"
