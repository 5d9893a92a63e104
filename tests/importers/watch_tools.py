"""The program that watches folders, and what it is to find in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest

import rollbook
from rollbook.book import Rollbook

TRAPS: Final = Path(__file__).parents[1] / "data" / "traps"
#: One trap of each source, with more than one file or session.
SOME: Final = (
    ("claude-code", "sub-agent"),
    ("codex", "archived-twin"),
    ("gemini-cli", "sub-agent"),
    ("opencode", "child-session"),
)
PATIENCE_S: Final = 60.0
FOLLOWING: Final = "following"


def eventually(found: Callable[[], Any], wanted: Any = True) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (last := found()) != wanted:
        assert time.monotonic() < deadline, f"still {last!r}, not {wanted!r}"
        time.sleep(0.02)


#: The program, with one of the intervals at which it looks at a clock as long as a test wants.
PROGRAM: Final = """
import sys
from rollbook.cli import main
from rollbook.importers import watching
watching.CHECK_S = float(sys.argv.pop(1))
sys.exit(main())
"""


class Watcher:
    """The program, watching. Leaving the block ends it as a service is ended."""

    def __init__(self, *words: str, check_s: float | None = None, **environment: str) -> None:
        program = ["-m", "rollbook"] if check_s is None else ["-c", PROGRAM, str(check_s)]
        self.out: list[str] = []
        self.err: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, *program, "import", "--watch", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=into.extend, args=(stream,))
            for into, stream in ((self.out, self.process.stdout), (self.err, self.process.stderr))
            if stream is not None
        ]

    def __enter__(self) -> Self:
        for reader in self._readers:
            reader.start()
        eventually(lambda: self.said(FOLLOWING) or self.process.poll() is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM if kind is None else signal.SIGKILL)

    def said(self, text: str) -> bool:
        return text in "".join(self.err)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE_S)
        for reader in self._readers:
            reader.join(timeout=PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = f"sqlite:///{tmp_path / 'book.db'}"
    monkeypatch.setenv("ROLLBOOK_DB", made)
    return made


@pytest.fixture
def book(url: str) -> Iterator[Rollbook]:
    with rollbook.open(url) as opened:
        yield opened


@pytest.fixture
def projects() -> Path:
    """The usual folder of Claude Code's transcripts, which is not there yet."""
    return Path.home() / ".claude" / "projects"


def line(number: int, session: str = "s1", at: datetime | None = None) -> str:
    """A line of Claude Code with one call."""
    record = {
        "type": "assistant",
        "uuid": f"u{number}",
        "sessionId": session,
        "timestamp": f"{at or datetime(2026, 5, 1, 12, tzinfo=UTC):%Y-%m-%dT%H:%M:%S.000Z}",
        "requestId": f"req{number}",
        "message": {
            "id": f"msg{number}",
            "model": "claude-sonnet-4-5",
            "role": "assistant",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "Done."}],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    }
    return json.dumps(record) + "\n"


def write(path: Path, *numbers: int, session: str = "s1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(line(number, session) for number in numbers))


def calls(book: Rollbook) -> int:
    return book.stats(since="all").calls
