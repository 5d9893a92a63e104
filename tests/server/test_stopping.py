"""The end of a server whose book does not answer: it does not wait for long, and not at all when it is told twice."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

import rollbook

from .test_serve import Process, process
from .tools import PLAIN, bearer, url_of

_SOON_S: Final = 30.0
_TOKEN: Final = "of-this-test-alone"
#: The command, with less time to end.
_HURRIED: Final = (
    "-c",
    (
        "import sys; from rollbook.server import serve; serve._FINISH_S = serve._CLOSE_S = 0.3;"
        "from rollbook.cli import main; sys.exit(main())"
    ),
)


@contextmanager
def _waiting(server: Process, home: Path) -> Iterator[socket.socket]:
    """A request that waits, as somebody else writes for longer than anybody stays; one before it was acknowledged."""
    url = server.url()
    kept = httpx.post(f"{url}/api/v1/sessions", json={"session_id": "kept"}, headers=bearer(_TOKEN), verify=PLAIN)
    assert kept.status_code == 200
    turn = os.open(home / "book.db-turn", os.O_RDWR)
    fcntl.flock(turn, fcntl.LOCK_EX)
    try:
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as raw:
            raw.settimeout(_SOON_S)
            raw.sendall(
                f"POST /api/v1/sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {_TOKEN}\r\n\r\n".encode()
            )
            for _ in range(3):  # it is taken by now
                httpx.get(f"{url}/healthz", verify=PLAIN)
            yield raw
    finally:
        os.close(turn)
    with rollbook.open(url_of(home / "book.db")) as book:
        assert book.get("kept").status == "running", "what was acknowledged is there"


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with process(tmp_path) as server, _waiting(server, tmp_path):
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        assert server.process.poll() is None, "what is passed on twice is one, and waits for the request"
        assert server.end(signal.SIGINT) == -signal.SIGINT


def test_it_waits_for_a_book_that_does_not_answer_only_so_long(tmp_path: Path) -> None:
    """What was not acknowledged is told so."""
    server = Process(tmp_path, program=_HURRIED)
    try:
        with _waiting(server, tmp_path) as raw:
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            answer = raw.recv(10_000).decode()
            assert answer.startswith("HTTP/1.1 503 ")
            assert re.search("retry-after: ", answer)
            assert server.process.wait(_SOON_S) == 1
            assert time.monotonic() - began < rollbook.settings.load().busy_timeout_s / 2
    finally:
        server.end(signal.SIGKILL)
    assert "Traceback" not in "".join(server.said)
    assert "what was not acknowledged" in "".join(server.said)
