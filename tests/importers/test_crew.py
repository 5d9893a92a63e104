"""Large imports are read by several processes: to the same book, whatever becomes of one of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import runs, source
from rollbook.importers.base import Context
from rollbook.importers.crew import Crew
from rollbook.importers.runs import run_import
from rollbook.pricing import Prices

NOW = 1_780_000_000_000_000
SESSIONS = 60


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """Transcripts large enough that one process is not left alone with them: 16 MB in 60 files, one of them damaged."""
    place = tmp_path / "claude" / "projects" / "-shop"
    place.mkdir(parents=True)
    for number in range(SESSIONS):
        with (place / f"s{number}.jsonl").open("w") as file:
            for call in range(20):
                file.write(json.dumps(line(number, call)) + "\n")
        if number == 7:
            with (place / "s7.jsonl").open("a") as file:
                file.write("{broken\n")
    return tmp_path / "claude"


def line(number: int, call: int) -> dict[str, Any]:
    return {
        "type": "assistant",
        "sessionId": f"s{number}",
        "timestamp": f"2026-03-02T10:{call:02d}:00.000Z",
        "requestId": f"req_{number}_{call}",
        "cwd": "/home/dev/shop",
        "message": {
            "id": f"msg_{number}_{call}",
            "model": "claude-sonnet-4-5-20250929",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "x" * 14_000}],
            "usage": {"input_tokens": 10 + call, "output_tokens": 5},
        },
    }


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    assert book.verify().ok
    return {
        "sessions": {one.session_id: rollbook.to_dict(one) for one in book.iterate()},
        "days": rollbook.to_dict(book.spend(by="day", since="all")),
        "models": rollbook.to_dict(book.cost_by_model(since="all")),
    }


def take(book: rollbook.Rollbook, folder: Path, **more: Any) -> dict[str, Any]:
    row = run_import(book, source("claude-code"), [folder], now=NOW, **more).row()
    del row["seconds"]
    return row


@pytest.mark.parametrize("processes", [1, 2])
def test_r3_several_processes_come_to_the_same_book(transcripts: Path, processes: int) -> None:
    with rollbook.open("sqlite:///:memory:") as alone, rollbook.open("sqlite:///:memory:") as helped:
        first = take(alone, transcripts, processes=0)
        assert (first["new_calls"], first["skipped_lines"]) == (SESSIONS * 20, 1)
        assert take(helped, transcripts, processes=processes) == first
        assert everything(helped) == everything(alone)
        assert take(helped, transcripts, processes=processes)["bytes"] == 0


def test_a_process_that_dies_takes_nothing_with_it(transcripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    submit = Crew.submit

    def and_kill(self: Crew, *task: Any) -> bool:
        if not self._hands and not killed:
            self.start()
        while any(not hand.able for hand in self._hands) and not killed:
            list(self._take(None))
        given = submit(self, *task)
        for hand in self._hands:
            if len(hand.tasks) > 1 and not killed:
                os.kill(hand.process.pid, signal.SIGKILL)
                killed.append(hand.process.pid)
        return given

    with rollbook.open("sqlite:///:memory:") as alone, rollbook.open("sqlite:///:memory:") as helped:
        take(alone, transcripts, processes=0)
        monkeypatch.setattr(Crew, "submit", and_kill)
        take(helped, transcripts, processes=1)
        assert everything(helped) == everything(alone)
    assert len(killed) == 1


def test_an_interpreter_that_cannot_be_started_leaves_one_process(
    transcripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with rollbook.open("sqlite:///:memory:") as book:
        assert take(book, transcripts, processes=2)["new_calls"] == SESSIONS * 20


def test_an_interpreter_without_rollbook_leaves_one_process(
    transcripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with rollbook.open("sqlite:///:memory:") as book:
        assert take(book, transcripts, processes=2)["new_calls"] == SESSIONS * 20


def test_little_to_read_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "projects" / "-shop"
    place.mkdir(parents=True)
    (place / "s1.jsonl").write_text(json.dumps(line(1, 1)) + "\n")
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **_: started.append(args))
    with rollbook.open("sqlite:///:memory:") as book:
        assert take(book, tmp_path)["new_calls"] == 1
    assert not started
    assert runs.CREW_BYTES > 14_000


def test_no_process_is_left_behind(transcripts: Path) -> None:
    def children() -> set[str]:
        told = subprocess.run(
            ["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
        )
        return {args for args in told.stdout.splitlines() if "rollbook.importers.hand" in args}

    def interrupted(done: int, of: int) -> None:
        if done > of // 2:
            assert children()
            raise KeyboardInterrupt

    with rollbook.open("sqlite:///:memory:") as book, pytest.raises(KeyboardInterrupt):
        take(book, transcripts, processes=2, progress=interrupted)
    assert not children()


def test_a_hand_says_nothing_to_a_closed_pipe() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "rollbook.importers.hand"], input=b"", capture_output=True, check=True, timeout=60
    )
    assert (ended.stdout, ended.stderr) == (b"", b"")


def test_recent_counts_each_once_while_it_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    recent = runs.Recent()
    assert recent.add(["a", "b", "a"]) == 2
    assert recent.add(["b", "c"]) == 1
    assert recent.count == 3
    monkeypatch.setattr(runs, "REMEMBERED", 100)
    for number in range(10_000):
        recent.add([f"n{number}", f"n{number - 1}"])
    assert recent.count == 10_004
    assert len(recent._new) + len(recent._old) <= 202


def test_a_crew_of_none_takes_no_file() -> None:
    context = Context(user_id="u", now=NOW, price=Prices())
    with Crew("claude-code", context, None, 0) as nobody:
        nobody.start()
        assert list(nobody.ready()) == []
