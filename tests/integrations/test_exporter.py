"""The exporters of OpenTelemetry's SDK against `rollbook serve`, both as their users start them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

import rollbook
from integrations.telemetry.emitters.exporting import CALLS, SESSIONS, TURNS
from integrations.telemetry.running import FOLDER, TESTS

AWAY_S: Final = 0.3  #: for which there is no server
KILLS: Final = 2
_SOON_S: Final = 60


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)]), **more}


def serve(url: str, port: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "rollbook", "--db", url, "serve", "--port", str(port)]
    server = subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    assert "serving" in server.stderr.readline()
    return server


def kill(server: subprocess.Popen[str], how: signal.Signals) -> None:
    server.send_signal(how)
    server.wait(_SOON_S)
    assert server.stderr is not None
    server.stderr.close()


@pytest.mark.parametrize(
    ("compression", "temporality", "how"),
    [("gzip", "cumulative", signal.SIGTERM), ("deflate", "delta", signal.SIGKILL)],
)
def test_r13_whatever_becomes_of_the_server_all_is_delivered_and_nothing_twice(
    compression: str, temporality: str, how: signal.Signals, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"sqlite:///{tmp_path / 'book.db'}"
    with rollbook.open(url, all_users=True) as book:
        key = book.create_key("ada@example.org", role="writer").key
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={quote(f'Bearer {key}')}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
    }
    server = serve(url, port)
    try:
        said = [sys.executable, "exporting.py", str(KILLS)]
        with subprocess.Popen(
            said, cwd=FOLDER, env=environment(**settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as emitter:
            assert emitter.stdout is not None
            assert emitter.stderr is not None
            for _ in emitter.stdout:
                kill(server, how)
                time.sleep(AWAY_S)
                server = serve(url, port)
            problems = emitter.stderr.read()
            assert emitter.wait(_SOON_S) == 0, problems
        assert "Failed to export" not in problems
        assert problems.count("Transient error") >= 1, "the server was never away"
    finally:
        kill(server, signal.SIGTERM)
    with rollbook.open(url, user="ada@example.org") as book:
        calls = TURNS * CALLS // SESSIONS
        for number in range(SESSIONS):
            for name, counted in (("traced", calls), ("logged", calls), ("metered", 1)):
                session = book.get(f"{name}-{number}")
                assert (session.calls, session.tokens_in, session.tokens_out) == (counted, calls * 100, calls * 20)
        assert len(book.list().sessions) == 3 * SESSIONS
        assert book.verify().ok
