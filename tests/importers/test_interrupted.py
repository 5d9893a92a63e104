"""An import that stops anywhere leaves nothing out: the next one goes on, and comes to the same book as one alone."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from rollbook.importers import SOURCES, runs, source
from rollbook.importers.base import Item
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import SourceFile

NOW = 1_780_000_000_000_000
CALLS = 12_000


def claude(place: Path) -> None:
    with (place / "s1.jsonl").open("w") as file:
        for number in range(CALLS):
            message = {"id": f"msg_{number}", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 5}}
            for _ in range(2):  # as beside each block of a message
                told = {
                    "type": "assistant",
                    "sessionId": "s1",
                    "timestamp": moment(number),
                    "requestId": f"req_{number}",
                    "message": message,
                }
                file.write(json.dumps(told) + "\n")


def gemini(place: Path) -> None:
    chats = place / "tmp" / "abc" / "chats"
    chats.mkdir(parents=True)
    with (chats / "session-2026-03-02T10-00-s1.jsonl").open("w") as file:
        head = {
            "sessionId": "s1",
            "projectHash": "abc",
            "startTime": moment(0),
            "lastUpdated": moment(0),
            "kind": "main",
        }
        file.write(json.dumps(head) + "\n")
        file.write(json.dumps({"id": "p", "timestamp": moment(0), "type": "user", "content": "go"}) + "\n")
        for number in range(CALLS):
            tokens = {"input": 5, "output": 0, "cached": 0, "thoughts": 0, "tool": 0, "total": 5}
            told = {"id": f"m{number}", "timestamp": moment(number), "type": "gemini", "content": "", "tokens": tokens}
            file.write(json.dumps({**told, "model": "gemini-2.5-pro"}) + "\n")


def codex(place: Path) -> None:
    day = place / "sessions" / "2026" / "03" / "02"
    day.mkdir(parents=True)
    name = "019c0000-0000-7000-8000-000000000001"
    with (day / f"rollout-2026-03-02T10-00-00-{name}.jsonl").open("w") as file:
        meta = {"id": name, "timestamp": moment(0), "cwd": "/x", "originator": "codex_cli_rs", "cli_version": "0.50.0"}
        file.write(json.dumps({"timestamp": moment(0), "type": "session_meta", "payload": meta}) + "\n")
        turn = {"timestamp": moment(0), "type": "turn_context", "payload": {"cwd": "/x", "model": "gpt-5"}}
        file.write(json.dumps(turn) + "\n")
        for number in range(1, CALLS + 1):
            last = {"input_tokens": 5, "cached_input_tokens": 0, "output_tokens": 0, "total_tokens": 5}
            total = {**last, "input_tokens": 5 * number, "total_tokens": 5 * number}
            info = {"total_token_usage": total, "last_token_usage": last}
            told = {"timestamp": moment(number), "type": "event_msg", "payload": {"type": "token_count", "info": info}}
            file.write(json.dumps(told) + "\n")


def moment(number: int) -> str:
    return f"2026-03-02T{10 + number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"


MAKERS = {"claude-code": claude, "gemini-cli": gemini, "codex": codex}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a source, made once for all tests, which only read it."""

    @cache
    def make(name: str) -> Path:
        place = tmp_path_factory.mktemp(name)
        MAKERS[name](place)
        return place

    return make


class Stopped(Exception):
    """In the place of Ctrl-C, a full disk, a killed process."""


class Failing:
    """A real book whose writes stop after some transactions."""

    def __init__(self, book: rollbook.Rollbook, left: int) -> None:
        self.book = book
        self.user_id = book.user_id
        self.prices = book.prices
        self.contents = book.contents
        self.source_files = book.source_files
        self.known_usage = book.known_usage
        self.left = left

    def ingest(self, items: Sequence[Item], *, files: Sequence[SourceFile] = ()) -> list[Any]:
        if not self.left:
            raise Stopped
        self.left -= 1
        return self.book.ingest(items, files=files)


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.mark.parametrize("transactions", [1, 2])
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_r3_a_call_between_two_transactions_is_not_lost(
    book: rollbook.Rollbook, made: Callable[[str], Path], name: str, transactions: int
) -> None:
    place = made(name)
    with pytest.raises(Stopped):
        run_import(Failing(book, transactions), source(name), [place], now=NOW, processes=0)
    stored = book.stats(since="all").calls
    assert 0 < stored < CALLS + (name == "codex" and transactions > 1)
    run_import(book, source(name), [place], now=NOW, processes=0)
    found = book.stats(since="all")
    assert (found.calls, found.tokens_in) == (CALLS, 5 * CALLS)
    assert book.verify().ok


def test_r3_names_that_are_not_utf_8_are_read_with_other_processes_too(tmp_path: Path) -> None:
    for number in range(20):
        folder = os.fsencode(tmp_path) + b"/p\xff" + str(number % 2).encode()
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a name that is not text
        with Path(os.fsdecode(folder + f"/s{number}.jsonl".encode())).open("w") as file:
            for call in range(20):
                message = {"id": f"msg_{number}_{call}", "model": "m", "usage": {"input_tokens": 1}}
                told = {"type": "assistant", "sessionId": f"s{number}", "timestamp": moment(call), "message": message}
                file.write(json.dumps({**told, "pad": "x" * 40_000}) + "\n")
    for processes in (0, 1):
        with rollbook.open("sqlite:///:memory:") as one:
            report = run_import(one, source("claude-code"), [tmp_path], now=NOW, processes=processes)
            assert (report.new_calls, report.problems) == (400, [])


def test_nothing_is_loaded_from_the_working_folder(
    made: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = made("claude-code")
    trap = tmp_path / "here"
    trap.mkdir()
    (trap / "msgspec.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()\n")
    monkeypatch.chdir(trap)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(runs, "CREW_BYTES", 1)
    with rollbook.open("sqlite:///:memory:") as one:
        run_import(one, source("claude-code"), [place / "s1.jsonl"], now=NOW, processes=1)
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize("name", sorted(SOURCES))
@pytest.mark.parametrize("changed", [False, True])
def test_a_state_that_is_not_understood_is_dropped_and_the_file_read_anew(
    tmp_path: Path, name: str, changed: bool
) -> None:
    samples = Path(rollbook.importers.__file__).parent / "samples" / name
    url = f"sqlite:///{tmp_path / 'book.db'}"
    with rollbook.open(url) as one:
        first = run_import(one, source(name), [samples], now=NOW)
        calls = one.stats(since="all").calls
    raw = apsw.Connection(str(tmp_path / "book.db"))
    raw.execute("update source_file set state = x'7b7b'")
    if changed:
        raw.execute("update source_file set mtime_ns = 1")
    raw.close()
    with rollbook.open(url) as one:
        again = run_import(one, source(name), [samples], now=NOW)
        assert again.problems == []
        assert again.new_calls == 0
        assert again.bytes == first.bytes
        assert one.stats(since="all").calls == calls


def test_a_link_to_a_folder_above_is_walked_without_reading_twice(
    book: rollbook.Rollbook, made: Callable[[str], Path], tmp_path: Path
) -> None:
    inner = tmp_path / "home" / "projects" / "p"
    shutil.copytree(made("claude-code"), inner)
    (inner / "up").symlink_to(tmp_path / "home")
    report = run_import(book, source("claude-code"), [tmp_path / "home" / "projects"], now=NOW)
    assert (report.files, report.new_calls) == (1, CALLS)


def test_known_files_are_looked_up_by_index(tmp_path: Path) -> None:
    from rollbook.store import statements  # noqa: PLC0415 - only this test looks at a plan

    url = f"sqlite:///{tmp_path / 'book.db'}"
    rollbook.open(url).close()
    raw = apsw.Connection(str(tmp_path / "book.db"))
    for name, width in (("files_by_identity", 4), ("files_by_path", 3)):
        row = "(" + ",".join("1" * width) + ")"
        text = statements.load("ledger")[name].replace("{values}", ",".join([row] * 64))
        plan = [str(step[3]) for step in raw.execute("explain query plan " + text)]
        looks = [step for step in plan if "source_file" in step]
        assert looks
        assert all("SEARCH" in step and ("path=?" in step or "inode=?" in step) for step in looks), plan
