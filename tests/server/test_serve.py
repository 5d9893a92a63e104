"""The command: a server as a process of its own, from its greeting to its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import rollbook
from rollbook.cli import main, serving
from rollbook.server.running import Options
from rollbook.server.serve import listening

from .tools import PLAIN, bearer, key_of, url_of

TLS: Final = Path(__file__).parent.parent / "data" / "tls"
_SOON_S: Final = 30.0
Refused = Callable[..., str]


class Process:
    """A server that was started as users start it."""

    def __init__(self, home: Path, *said: str, program: Sequence[str] = ("-m", "rollbook")) -> None:
        env = {"HOME": str(home), "PATH": os.environ["PATH"], "ROLLBOOK_TOKEN": "of-this-test-alone"}
        words = [sys.executable, *program, "--db", url_of(home / "book.db"), "serve", "--port", "0", *said]
        self.process = subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True)
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def url(self) -> str:
        """Where it serves, as soon as it does."""
        until = time.monotonic() + _SOON_S
        while time.monotonic() < until:
            found = re.search(r"serving (\S+);", "".join(self.said))
            if found and "sign in" in "".join(self.said):
                return found[1]
            assert self.process.poll() is None, "".join(self.said)
            time.sleep(0.02)
        raise AssertionError("the server did not start")

    def end(self, number: int | None = signal.SIGTERM) -> int:
        """Tell it to stop, if it was not told yet; how it ended."""
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(_SOON_S)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


@contextmanager
def process(home: Path, *said: str) -> Iterator[Process]:
    made = Process(home, *said)
    try:
        yield made
    finally:
        made.end(signal.SIGKILL)


def test_it_greets_signs_in_serves_and_ends(tmp_path: Path) -> None:
    with process(tmp_path) as server:
        url = server.url()
        link = re.search(r"sign in: (\S+)", "".join(server.said))
        assert link is not None
        with httpx.Client(verify=PLAIN) as browser:
            assert "signed in" in browser.get(link[1]).text
            assert browser.get(f"{url}/api/v1/me").json()["role"] == "admin"
        assert httpx.get(f"{url}/readyz", verify=PLAIN).json() == {"status": "ok"}
        with httpx.stream(
            "GET", f"{url}/api/v1/events", headers=bearer("of-this-test-alone"), timeout=_SOON_S, verify=PLAIN
        ) as stream:
            lines = stream.iter_lines()
            assert "event: ready" in [next(lines) for _ in range(3)]
            server.process.send_signal(signal.SIGTERM)
            assert "event: stop" in list(lines), "streams are told"
        assert server.end(None) == 0
        assert "Traceback" not in "".join(server.said)


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    with process(tmp_path) as server:
        server.url()
        assert server.end(signal.SIGINT) == 0
        assert "Traceback" not in "".join(server.said)


def test_what_was_begun_is_finished(tmp_path: Path) -> None:
    """Requests whose bodies are on their way when the server is told to stop are answered, and kept."""
    with process(tmp_path) as server:
        url = server.url()
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as raw:
            body = b'{"session_id":"last-words"}'
            raw.sendall(
                b"POST /api/v1/sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer of-this-test-alone\r\n"
                b"content-type: application/json\r\nconnection: close\r\n"
                + f"content-length: {len(body)}\r\n\r\n".encode()
                + body[:5]
            )
            _until_taken(url)
            server.process.send_signal(signal.SIGTERM)
            _until_refused(port)
            raw.sendall(body[5:])
            raw.settimeout(_SOON_S)
            assert raw.recv(10_000).startswith(b"HTTP/1.1 200 ")
        assert server.end(None) == 0
    with rollbook.open(url_of(tmp_path / "book.db")) as book:
        assert book.get("last-words").status == "running"


def _until_taken(url: str) -> None:
    for _ in range(3):
        httpx.get(f"{url}/healthz", verify=PLAIN)


def _until_refused(port: int) -> None:
    until = time.monotonic() + _SOON_S
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.02)
    raise AssertionError("it still listens")


def test_https(tmp_path: Path) -> None:
    with process(tmp_path, "--cert", str(TLS / "cert.pem"), "--cert-key", str(TLS / "key.pem")) as server:
        url = server.url()
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=str(TLS / "cert.pem"))
        context.check_hostname = False
        answer = httpx.post(f"{url}/signin", data={"key": "of-this-test-alone"}, verify=context)
        assert "Secure" in answer.headers["set-cookie"]
        kept = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        with context.wrap_socket(kept) as idle:  # of one who says nothing, not even good-bye
            idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            assert server.end(signal.SIGHUP) == 0, "a terminal that is closed ends it as well"
    assert "timeout" not in "".join(server.said)


def _fails(home: Path, *said: str, env: dict[str, str] | None = None) -> str:
    words = [sys.executable, "-m", "rollbook", "--db", url_of(home / "book.db"), "serve", *said]
    full = {"HOME": str(home), "PATH": os.environ["PATH"], **(env or {})}
    done = subprocess.run(words, env=full, capture_output=True, text=True, timeout=_SOON_S, check=False)
    assert done.returncode in {1, 2}
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Calls the command in this process, where it ends before it serves; what it said."""
    monkeypatch.setattr(serving, "_logging", lambda *_: None)

    def call(*said: str) -> str:
        assert main(["--db", url_of(tmp_path / "book.db"), "serve", *said]) in {1, 2}
        return capsys.readouterr().err

    return call


def test_others_can_reach_it_only_with_keys(tmp_path: Path) -> None:
    said = _fails(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert "rollbook keys create" in said
    key = key_of(tmp_path / "book.db", "ann", "admin")
    server = Process(tmp_path, "--host", "0.0.0.0")
    try:
        until = time.monotonic() + _SOON_S
        while not (found := re.search(r"serving http://0.0.0.0:(\d+);", "".join(server.said))):
            assert time.monotonic() < until
            time.sleep(0.02)
        base = f"http://127.0.0.1:{found[1]}"
        assert httpx.get(f"{base}/api/v1/me", headers=bearer(key), verify=PLAIN).json()["user_name"] == "ann"
        assert httpx.get(f"{base}/api/v1/me", headers=bearer("of-this-test-alone"), verify=PLAIN).status_code == 401, (
            "no token out there"
        )
        assert "sign in" not in "".join(server.said)
    finally:
        assert server.end() == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (("--cert", "a.pem"), "--cert-key"),
        (("--proxy", "a-name"), "address"),
        (("--port", "70000"), "65535"),
        (("--cert", "none.pem", "--cert-key", "none.pem"), "none.pem"),
    ],
)
def test_wrong_use_is_said(refused: Refused, said: tuple[str, ...], told: str) -> None:
    assert told in refused(*said)


def test_a_certificate_that_is_over_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cert = tmp_path / "cert.pem"
    good = (TLS / "cert.pem").read_text()
    for until, over in ((b"20201028105914Z", True), (b"21261028105914Z", False)):
        made = re.sub(rb"21\d{12}Z", until, ssl.PEM_cert_to_DER_cert(good))
        cert.write_text(ssl.DER_cert_to_PEM_cert(made))
        serving._look_at(cert, TLS / "key.pem")
        assert ("was good until 2020-10-28 10:59 UTC" in capsys.readouterr().err) == over


def test_a_key_with_a_passphrase_is_asked_of_nobody(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    words = ["openssl", "pkey", "-aes256", "-passout", "pass:of-nobody", "-in", str(TLS / "key.pem"), "-out", str(key)]
    subprocess.run(words, check=True, capture_output=True)
    with pytest.raises(rollbook.InvalidInput, match="passphrase"):
        serving._look_at(TLS / "cert.pem", key)


def test_an_address_may_stand_as_in_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Options] = []
    monkeypatch.setattr(serving, "_run", lambda _desk, options: seen.append(options))
    monkeypatch.setattr(serving, "_logging", lambda *_: None)
    monkeypatch.setenv("ROLLBOOK_TOKEN", "of-this-test-alone")
    assert main(["serve", "--host", "[::1]"]) == 0
    assert seen[0].host == "::1"
    assert seen[0].token is not None, "it is this machine"


def test_a_port_that_is_taken_is_said(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port} (Address already in use); choose another" in refused("--port", port)


def test_the_local_token_is_private(tmp_path: Path) -> None:
    from rollbook.server.token import local_token  # noqa: PLC0415

    env = {"HOME": str(tmp_path)}
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(local_token(env))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1, "all of them have the same"
    (path,) = tmp_path.rglob("server-token")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*path.parent.glob("server-token.*")] == []
    assert local_token({**env, "ROLLBOOK_TOKEN": "another-one-of-mine"}) == "another-one-of-mine"
    with pytest.raises(rollbook.InvalidInput, match="16"):
        local_token({**env, "ROLLBOOK_TOKEN": "short"})
    path.chmod(0o644)
    with pytest.raises(rollbook.StoreError, match="chmod 600"):
        local_token(env)


def test_a_log_tells_no_contents_and_no_secrets(tmp_path: Path) -> None:
    with process(tmp_path, "--log") as server:
        url = server.url()
        said: dict[str, Any] = {"session_id": "of-my-client", "title": "a private matter"}
        httpx.post(f"{url}/api/v1/sessions", json=said, headers=bearer("of-this-test-alone"), verify=PLAIN)
        httpx.get(f"{url}/api/v1/sessions/of-my-client", headers=bearer("of-this-test-alone"), verify=PLAIN)
        assert server.end() == 0
    log = "".join(server.said)
    assert '"route": "/api/v1/sessions/{session_id}"' in log
    for private in ("of-my-client", "a private matter", "of-this-test-alone"):
        assert private not in log


def test_where_the_port_is_taken_another_one_may_do() -> None:
    with listening(Options(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(rollbook.StoreError, match="choose another --port"):
            listening(Options(port=port))
        with listening(Options(port=port), or_any=True) as second:
            assert second.getsockname()[1] not in (0, port)
