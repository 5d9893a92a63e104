"""summary."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from rollbook.book import Rollbook
from rollbook.cli.table import width
from rollbook.importers import SAMPLES

from .tools import PROGRAM, OnTerminal, Run

ROOT: Final = Path(__file__).parents[2]
KEYS = ["book", "samples", "stats", "look", "recent", "models", "spend", "sources"]


@pytest.fixture
def transcripts() -> Path:
    """Transcripts where Claude Code keeps them."""
    folder = Path.home() / ".claude"
    folder.mkdir()
    (folder / "projects").symlink_to(SAMPLES / "claude-code" / "projects")
    return folder


def test_one_page(run: Run, book: Rollbook) -> None:
    book.record_usage("ok", model="big", tokens_in=5, cost_usd=0.5)
    book.end("ok", "completed")
    book.touch("bad")
    book.end("bad", "failed")
    done = run("summary")
    assert (done.status, done.err) == (0, "")
    for text in ("last 30d", "Need a look (1)", "Last active", "Cost by model", "Spend per day (UTC)", "$0.5000"):
        assert text in done.out
    answer = run("summary", "--json").answer
    assert list(answer) == KEYS
    assert [row["session_id"] for row in answer["look"]] == ["bad"]
    assert (answer["samples"], answer["sources"], answer["stats"]["sessions"]) == (False, [], 2)


def test_import_first(run: Run, book: Rollbook, transcripts: Path) -> None:
    answer = run("summary", "--import", "--json").answer
    assert answer["samples"] is False
    assert answer["sources"][0]["new_calls"] == answer["stats"]["calls"] > 0
    assert book.verify().ok


def test_samples_where_there_is_nothing(run: Run, book: Rollbook, tmp_path: Path) -> None:
    done = run("summary", "--import")
    assert done.status == 0
    assert "samples" in done.err.splitlines()[0]
    assert "Cost by model" in done.out
    assert not book.list().sessions, "samples stay out of the book that was asked for"
    assert (tmp_path / "rollbook-samples.db").is_file()
    again = run("summary", "--import", "--json").answer
    assert (again["samples"], again["sources"][0]["new_calls"]) == (True, 0)
    assert again["stats"]["sessions"] > 0


def test_samples_in_a_default_book(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROLLBOOK_DB")
    answer = run("summary", "--import", "--json").answer
    assert answer["samples"] is True
    assert str(Path.home()) in answer["book"]


def test_samples_in_memory(run: Run) -> None:
    answer = run("--db", "sqlite:///:memory:", "summary", "--import", "--json").answer
    assert (answer["samples"], answer["book"]) == (True, "sqlite:///:memory:")


def test_no_samples_once_there_is_something(run: Run, book: Rollbook, tmp_path: Path) -> None:
    book.touch("mine")
    assert run("summary", "--import", "--json").answer["samples"] is False
    assert not (tmp_path / "rollbook-samples.db").exists()


def test_an_empty_book_says_what_to_do(run: Run) -> None:
    done = run("summary")
    assert done.status == 0
    assert "rollbook import" in done.line


def test_where_nothing_is_recent_all_time_is_shown(run: Run, book: Rollbook) -> None:
    book.touch("old", at="2026-01-01T00:00:00Z")
    assert "all time" in run("summary").out
    assert "--since all" in run("summary", "--since", "24h").line


def test_a_long_time_is_shown_by_its_last_days(run: Run, book: Rollbook) -> None:
    for day in range(1, 32):
        for month in (3, 5):
            book.record_usage("s", tokens_in=1, cost_usd=1, occurred_at=f"2026-{month:02d}-{day:02d}T12:00:00Z")
    out = run("summary", "--since", "all").out
    assert "the last 31 of 62" in out
    assert "2026-05-01" in out
    assert "2026-03-01 " not in out.partition("Spend per day")[2]
    assert "$62.0000" in out.splitlines()[-1]


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_fits_the_terminal(on_terminal: OnTerminal, columns: int) -> None:
    shown = on_terminal("summary", "--import", columns=columns)
    assert shown.status == 0
    page = shown.lines[next(at for at, line in enumerate(shown.lines) if line.startswith("Rollbook, ")) :]
    assert all(width(line) <= columns for line in page if not line.startswith("rollbook: "))


def test_then_the_book_that_was_shown_is_served(url: str, tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "ROLLBOOK_TOKEN": "of-this-very-test"}
    words = [*PROGRAM, "summary", "--import", "--serve"]
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        link = next(found[1] for line in process.stderr if (found := re.search(r"sign in: (\S+)", line)))
        with httpx.Client() as browser:
            assert "signed in" in browser.get(link).text
            found = browser.get(link.partition("/signin")[0] + "/api/v1/sessions?range=all").json()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert found["sessions"][0]["session_id"].startswith("sample-"), "the samples, where there is nothing else"
    assert (process.returncode, said) == (0, "")


def test_make_run_serves_on_a_terminal_alone(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nrun:")[2].splitlines()[1]
    (tmp_path / "Makefile").write_text(f"BIN := {tmp_path}\nrun:\n{recipe}\n", encoding="utf-8")
    program = tmp_path / "rollbook"
    program.write_text('#!/bin/sh\necho "[$*]"\n', encoding="utf-8")
    program.chmod(0o755)
    make = ["make", "-s", "-C", str(tmp_path), "run"]
    assert "[summary --import]" in subprocess.run(make, check=True, capture_output=True, text=True).stdout
    theirs, ours = pty.openpty()
    subprocess.run(make, check=True, stdout=ours, stderr=ours)
    os.close(ours)
    assert b"[summary --import --serve]" in os.read(theirs, 10_000)
    os.close(theirs)
