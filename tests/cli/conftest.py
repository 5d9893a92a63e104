"""Ways to run the command: in this process, as a program with pipes, and as a program on a terminal."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.cli import main

from .tools import PROGRAM, OnTerminal, Ran, Run, Shown


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A book that every run in this test uses."""
    made = f"sqlite:///{tmp_path / 'book.db'}"
    monkeypatch.setenv("ROLLBOOK_DB", made)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return made


@pytest.fixture
def book(url: str) -> Iterator[Rollbook]:
    """The same book, for what a test prepares or looks up."""
    with rollbook.open(url) as opened:
        yield opened


@pytest.fixture
def run(url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process."""

    def runs(*arguments: str) -> Ran:
        capsys.readouterr()
        status = main(arguments)
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return runs


@pytest.fixture
def program(url: str) -> Run:
    """Run the command as a program with pipes."""

    def runs(*arguments: str, stdin: str = "", **environment: str) -> Ran:
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
            env={**os.environ, **environment},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return runs


@pytest.fixture
def on_terminal(url: str) -> OnTerminal:
    """Run the command on a terminal of a certain width; what is typed is there before it asks."""

    def runs(*arguments: str, columns: int = 80, typed: str = "", **environment: str) -> Shown:
        ours, theirs = pty.openpty()
        variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
        variables.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
        with subprocess.Popen(
            [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=variables, start_new_session=True
        ) as process:
            os.close(theirs)
            os.write(ours, typed.encode())
            raw = b"".join(_everything(ours))
            status = process.wait(timeout=60)
        os.close(ours)
        return Shown(status, raw.decode())

    return runs


def _everything(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            block = os.read(terminal, 65_536)
        except OSError as error:
            if error.errno != errno.EIO:  # how a terminal says that its other side is closed
                raise
            return
        if not block:
            return
        yield block
