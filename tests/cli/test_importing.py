"""import."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import apsw
import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.importers import SAMPLES, SOURCES, source
from rollbook.importers.recognition import understood
from rollbook.rules.checks import utc_now

from .tools import PROGRAM, OnTerminal, Run

KEYS = [
    "source", "files", "bytes", "sessions", "calls", "new_calls", "too_old", "entries", "new_entries",
    "refused_entries", "skipped_lines", "seconds",
]  # fmt: skip
FOLDER = str(SAMPLES / "claude-code")
TRAPS = sorted(folder.parent for folder in (Path(__file__).parents[1] / "data" / "traps").rglob("expected.json"))


def test_import(run: Run, book: Rollbook) -> None:
    done = run("import", "claude-code", "--path", FOLDER)
    assert (done.status, done.err) == (0, "")
    heading, row = (line.split() for line in done.out.splitlines())
    assert heading[:2] == ["SOURCE", "FILES"]
    assert row[0] == "claude-code"
    assert book.stats(since="all").sessions > 0
    assert book.verify().ok


def test_import_in_json(run: Run, book: Rollbook) -> None:
    first = run("import", "--path", FOLDER, "--json").answer
    assert list(first) == ["sources"]
    (source,) = first["sources"]
    assert list(source) == KEYS
    assert source["calls"] >= source["new_calls"] == book.stats(since="all").calls > 0
    (again,) = run("import", "--path", FOLDER, "--json").answer["sources"]
    assert (again["bytes"], again["calls"], again["new_calls"]) == (0, 0, 0)


def test_a_dry_run_stores_nothing(run: Run, book: Rollbook) -> None:
    done = run("import", "--path", FOLDER, "--dry-run", "--json")
    assert done.answer["sources"][0]["new_calls"] > 0
    assert "dry run" in done.line
    assert not book.list().sessions


def test_import_finds_the_usual_folder(run: Run, book: Rollbook) -> None:
    projects = Path.home() / ".claude"
    projects.mkdir()
    (projects / "projects").symlink_to(SAMPLES / "claude-code" / "projects")
    assert run("import", "--json").answer["sources"][0]["new_calls"] > 0


def test_nothing_to_import(run: Run) -> None:
    done = run("import")
    assert (done.status, done.out) == (0, "")
    assert f"no transcripts of {', '.join(SOURCES)} here" in done.line
    assert [row["source"] for row in run("import", "--json").answer["sources"]] == list(SOURCES)


def test_sources_with_nothing_make_no_noise(run: Run) -> None:
    home = Path.home() / ".claude"
    home.mkdir()
    (home / "projects").symlink_to(SAMPLES / "claude-code" / "projects")
    done = run("import")
    assert (done.status, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["SOURCE", "claude-code"]
    assert [row["source"] for row in run("import", "--json").answer["sources"]] == list(SOURCES)
    assert [line.split()[0] for line in run("import", "codex", "claude-code").out.splitlines()[1:]] == [
        "codex", "claude-code",
    ]  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_whose_files_lie_at_a_path(trap: Path, tmp_path: Path) -> None:
    """Without a source, the one that understands what is there."""
    shutil.copytree(trap, tmp_path / "copy")
    for script in (tmp_path / "copy").rglob("*.sql"):
        with contextlib.closing(apsw.Connection(str(script.with_suffix("")))) as connection:
            connection.execute(script.read_text())
    sources = [source(name) for name in SOURCES]
    assert [one.name for one in understood(str(tmp_path / "copy"), sources, utc_now())] == [trap.parent.name]


def test_paths_of_several_sources(run: Run, book: Rollbook) -> None:
    done = run("import", "--path", str(SAMPLES / "codex"), "--path", FOLDER, "--json")
    rows = {row["source"]: row for row in done.answer["sources"]}
    assert list(rows) == ["codex", "claude-code"]
    assert all(row["new_calls"] and not row["skipped_lines"] for row in rows.values())


def test_a_path_where_the_source_must_be_named(run: Run, tmp_path: Path) -> None:
    for name in ("codex", "claude-code"):
        shutil.copytree(SAMPLES / name, tmp_path / "both", dirs_exist_ok=True)
    (tmp_path / "none").mkdir()
    both = run("import", "--path", str(tmp_path / "both"))
    assert (both.status, both.out) == (2, "")
    assert "may be of claude-code or of codex; say which" in both.line
    assert f"say which source it is of: {', '.join(SOURCES)}" in both.line
    none = run("import", "--path", str(tmp_path / "none"))
    assert (none.status, none.out) == (2, "")
    assert f"say which source it is of: {', '.join(SOURCES)}" in none.line
    assert run("import", "codex", "--path", str(tmp_path / "none")).status == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("abacus", "claude-code"),
        ("abacus --watch", "claude-code"),
        ("--path nowhere-at-all", "nowhere-at-all"),
        ("--path nowhere-at-all --watch", f"say which source it will be of: {', '.join(SOURCES)}"),
        ("codex --path nowhere-at-all", "nowhere-at-all"),
        ("codex --watch --path=", "empty"),
        ("codex --watch --path ~nobody-at-all/x", "~nobody-at-all/x"),
    ],
)
def test_wrong_use(run: Run, tmp_path: Path, words: str, named: str) -> None:
    done = run("import", *words.split())
    assert (done.status, done.out) == (2, "")
    assert named in done.line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("import",), ("summary", "--import")], ids=str)
def test_calls_that_were_removed_are_told(
    run: Run, book: Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    shutil.copytree(FOLDER, tmp_path / "home")
    assert run("import").status == 0
    assert book.prune(ledger="1h").ledger_rows > 0
    original = next((tmp_path / "home").rglob("sample-webshop-1.jsonl"))
    shutil.copy(original, original.with_name("copy.jsonl"))
    assert re.search(r"claude-code: \d+ calls were pruned or purged before, and not counted again", run(*words).err)
    assert "before" not in run(*words).err


def test_a_file_that_cannot_be_read_is_passed_over(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "p"
    folder.mkdir(parents=True)
    (folder / "binary.jsonl").write_bytes(os.urandom(5000).replace(b"\n", b"") + b"\n")
    done = run("import", "claude-code", "--path", str(tmp_path / "projects"), "--json")
    assert done.status == 0
    assert done.answer["sources"][0]["skipped_lines"] == 1


def test_progress_is_for_people_only(on_terminal: OnTerminal, program: Run) -> None:
    shown = on_terminal("import", "--path", FOLDER, "--json")
    assert "claude-code" in shown.raw[: shown.raw.index("{")]
    assert program("import", "--path", FOLDER).err == ""


def test_ctrl_c_leaves_a_book_that_balances(url: str, book: Rollbook, tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "p"
    folder.mkdir(parents=True)
    line = (
        '{{"type":"assistant","uuid":"u{0}","sessionId":"s{1}","timestamp":"2026-05-01T12:00:00.000Z","requestId":"r{0}",'
        '"message":{{"id":"m{0}","model":"claude-sonnet-4-5","role":"assistant",'
        '"usage":{{"input_tokens":1,"output_tokens":2}}}}}}\n'
    )
    for name in range(40):
        (folder / f"s{name}.jsonl").write_text("".join(line.format(name * 2000 + n, name) for n in range(2000)))
    process = subprocess.Popen(
        [*PROGRAM, "import", "--path", str(folder.parent)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while book.stats(since="all").calls == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "rollbook: interrupted\n")
    assert 0 < book.stats(since="all").calls < 80_000
    assert book.verify().ok
    with rollbook.open(url) as again:
        assert again.verify().ok
