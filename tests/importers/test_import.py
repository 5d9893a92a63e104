"""The loop that runs importers: transactions, progress, what goes wrong, and what a report says."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import SAMPLES, SOURCES, base, follow, source
from rollbook.importers.base import ImportReport, Item
from rollbook.importers.claude_code import ClaudeCode
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import SourceFile

NOW = 1_780_000_000_000_000


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


def line(session: str, number: int, **more: Any) -> bytes:
    """An answer that used one token in and one out."""
    message = {
        "id": f"msg_01{session}{number}",
        "model": "claude-sonnet-4-5-20250929",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    told = {
        "type": "assistant",
        "sessionId": session,
        "timestamp": f"2026-03-02T10:{number // 60 % 60:02d}:{number % 60:02d}.{number // 3600:03d}Z",
        "requestId": f"req_01{session}{number}",
        "cwd": "/home/dev/shop",
        "message": message,
        **more,
    }
    return json.dumps(told).encode() + b"\n"


def project(folder: Path, **sessions: int) -> Path:
    """A configuration folder with a project of sessions of so many calls."""
    place = folder / "projects" / "-home-dev-shop"
    place.mkdir(parents=True, exist_ok=True)
    for session, calls in sessions.items():
        (place / f"{session}.jsonl").write_bytes(b"".join(line(session, number) for number in range(calls)))
    return folder


def take(book: base.Book, *paths: Path, **more: Any) -> ImportReport:
    return run_import(book, source("claude-code"), list(paths), now=NOW, **more)


class Watched:
    """A real book, with a note of each transaction."""

    def __init__(self, book: rollbook.Rollbook) -> None:
        self.book = book
        self.user_id = book.user_id
        self.prices = book.prices
        self.contents = book.contents
        self.transactions: list[tuple[int, int]] = []

    def ingest(self, items: Sequence[Item], *, files: Sequence[SourceFile] = ()) -> list[Any]:
        self.transactions.append((len(items), len(files)))
        return self.book.ingest(items, files=files)

    def source_files(
        self, source: str, *, files: Sequence[tuple[str, int, int]] | None = None
    ) -> dict[str, SourceFile]:
        return self.book.source_files(source, files=files)

    def known_usage(self, names: Iterable[str]) -> set[str]:
        return self.book.known_usage(names)


def test_a_report_has_the_keys_of_its_json(book: rollbook.Rollbook, tmp_path: Path) -> None:
    report = take(book, project(tmp_path, one=2, two=3))
    assert ", ".join(report.row()) == (
        "source, files, bytes, sessions, calls, new_calls, too_old, entries, new_entries, refused_entries, "
        "skipped_lines, seconds"
    )
    size = sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl"))
    assert {**report.row(), "seconds": 0} == {
        "source": "claude-code",
        "files": 2,
        "bytes": size,
        "sessions": 2,
        "calls": 5,
        "new_calls": 5,
        "too_old": 0,
        "entries": 0,
        "new_entries": 0,
        "refused_entries": 0,
        "skipped_lines": 0,
        "seconds": 0,
    }


@pytest.mark.parametrize("place", ["", "projects", "projects/-home-dev-shop", "projects/-home-dev-shop/one.jsonl"])
def test_a_path_may_be_any_folder_above_a_transcript(book: rollbook.Rollbook, tmp_path: Path, place: str) -> None:
    project(tmp_path, one=2)
    (tmp_path / "history.jsonl").write_bytes(b'{"display":"no transcript"}\n')
    report = take(book, tmp_path / place)
    assert (report.files, report.calls, report.skipped_lines) == (1, 2, 0)


def test_overlapping_paths_and_links_give_each_file_once(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, one=2)
    (tmp_path / "link").symlink_to(tmp_path / "projects")
    report = take(book, tmp_path, tmp_path / "projects" / "-home-dev-shop", tmp_path / "link")
    assert (report.files, report.calls) == (1, 2)


def test_a_path_that_is_not_there_is_invalid(book: rollbook.Rollbook, tmp_path: Path) -> None:
    with pytest.raises(rollbook.InvalidInput, match="there is nothing to read at"):
        take(book, tmp_path / "nowhere")


def test_a_path_that_is_no_file_is_told(book: rollbook.Rollbook, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    report = take(book, tmp_path / "pipe.jsonl")
    assert report.problems == [f"{tmp_path / 'pipe.jsonl'}: not a regular file"]


def test_the_machines_own_folders(book: rollbook.Rollbook, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    claude = ClaudeCode()
    assert claude.roots(home) == [f"{tmp_path}/.claude/projects", f"{tmp_path}/.config/claude/projects"]
    assert claude.roots({**home, "XDG_CONFIG_HOME": "/x"})[1] == "/x/claude/projects"
    assert claude.roots({**home, "CLAUDE_CONFIG_DIR": "/a, /b,/c/projects"}) == [
        "/a/projects",
        "/b/projects",
        "/c/projects",
    ]
    assert run_import(book, claude, env=home).files == 0
    project(tmp_path / ".claude", one=1)
    project(tmp_path / ".config" / "claude", two=1)
    assert run_import(book, claude, env=home).calls == 2


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(rollbook.InvalidInput, match="claude-code"):
        source("clod")
    assert {name: source(name).name for name in SOURCES} == {name: name for name in SOURCES}


def test_a_dry_run_writes_nothing_and_counts(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, one=2)
    shutil.copytree(tmp_path / "projects", tmp_path / "projects" / "again")
    report = take(book, tmp_path, dry_run=True)
    assert (report.files, report.sessions, report.calls, report.new_calls) == (2, 1, 4, 2)
    assert book.list().total == 0
    assert book.source_files("claude-code") == {}
    assert take(book, tmp_path).new_calls == 2
    assert take(book, tmp_path, dry_run=True).calls == 0
    shutil.copytree(tmp_path / "projects", tmp_path / "projects" / "copied")
    assert take(book, tmp_path, dry_run=True).new_calls == 0


def test_many_small_files_share_transactions(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, **{f"s{number}": 2 for number in range(900)})
    watched = Watched(book)
    assert take(watched, tmp_path).new_calls == 1800
    assert len(watched.transactions) <= 4
    assert sum(files for _, files in watched.transactions) == 900


def test_a_large_file_is_stored_in_steps_each_with_its_progress(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, big=9_000)
    watched = Watched(book)
    assert take(watched, tmp_path).new_calls == 9_000
    assert len(watched.transactions) >= 2
    assert all(files for _, files in watched.transactions)
    assert book.get("big").calls == 9_000


def test_r13_ctrl_c_leaves_the_book_as_after_the_last_transaction(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, **{f"s{number}": 3 for number in range(1500)})
    total = sum(path.stat().st_size for path in tmp_path.rglob("*.jsonl"))

    def interrupted(done: int, of: int) -> None:
        assert of == total
        if done > total * 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(book, tmp_path, progress=interrupted)
    stored = book.stats(since="all").calls
    assert 0 < stored < 4500
    assert stored % 3 == 0
    assert book.verify().ok
    rest = take(book, tmp_path)
    assert rest.new_calls == rest.calls == 4500 - stored
    assert book.verify().ok


def test_progress_reaches_its_total(book: rollbook.Rollbook, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    take(book, project(tmp_path, one=2, two=1), progress=lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] > told[0][0]


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_imported(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    project(tmp_path, one=2)
    (tmp_path / "projects" / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "projects" / "folder.jsonl").mkdir()
    report = take(book, tmp_path)
    assert report.calls == 2
    assert report.problems == [f"{tmp_path}/projects/gone.jsonl: No such file or directory"]


def test_a_file_that_vanishes_before_it_is_opened(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, one=2, two=2)

    found = list(ClaudeCode().files(str(tmp_path), print))
    Path(found[0].path).unlink()
    run = run_import(book, _Given(found), [tmp_path], now=NOW)
    assert run.calls == 2
    assert run.problems == [f"{found[0].key}: No such file or directory"]


class _Given(ClaudeCode):
    """The source, with a listing that was made before."""

    def __init__(self, listed: Sequence[follow.Found]) -> None:
        self.listed = listed

    def files(self, _path: str, _trouble: Any) -> Iterator[follow.Found]:
        yield from self.listed


def test_binary_and_endless_lines_are_counted(book: rollbook.Rollbook, tmp_path: Path) -> None:
    place = project(tmp_path, one=1) / "projects" / "-home-dev-shop"
    (place / "binary.jsonl").write_bytes(bytes(range(256)) * 40)
    with (place / "huge.jsonl").open("wb") as file:
        file.write(line("huge", 1))
        for _ in range(follow.LINE_CAP_BYTES // follow.BLOCK_BYTES + 1):
            file.write(b"x" * follow.BLOCK_BYTES)
        file.write(b"\n" + line("huge", 2))
    report = take(book, tmp_path)
    assert report.calls == 3
    assert report.skipped_lines == 40 + 1
    assert report.problems == []
    assert take(book, tmp_path).skipped_lines == 0


def test_a_renamed_file_is_not_read_again(book: rollbook.Rollbook, tmp_path: Path) -> None:
    place = project(tmp_path, one=2) / "projects" / "-home-dev-shop"
    take(book, tmp_path)
    (place / "one.jsonl").rename(place / "moved.jsonl")
    assert take(book, tmp_path).bytes == 0


def test_a_cut_and_rewritten_file_counts_nothing_twice(book: rollbook.Rollbook, tmp_path: Path) -> None:
    place = project(tmp_path, one=4) / "projects" / "-home-dev-shop" / "one.jsonl"
    take(book, tmp_path)
    text = place.read_bytes()
    place.write_bytes(text[: len(text) // 2])
    assert take(book, tmp_path).new_calls == 0
    place.write_bytes(line("one", 50) + text)
    assert take(book, tmp_path).new_calls == 1
    assert book.get("one").calls == 5


def test_r12_a_deleted_session_stays_deleted(book: rollbook.Rollbook, tmp_path: Path) -> None:
    place = project(tmp_path, one=2) / "projects" / "-home-dev-shop" / "one.jsonl"
    take(book, tmp_path)
    assert book.delete("one")
    with place.open("ab") as file:
        file.write(line("one", 5))
    report = take(book, tmp_path)
    assert report.problems == []
    with pytest.raises(rollbook.NotFound):
        book.get("one")
    assert book.spend(since="all").total.calls == 3
    assert book.verify().ok


def test_a_session_goes_on_and_is_running_again(book: rollbook.Rollbook, tmp_path: Path) -> None:
    place = project(tmp_path, one=1) / "projects" / "-home-dev-shop" / "one.jsonl"
    take(book, tmp_path)
    assert book.get("one").status == "completed"
    with place.open("ab") as file:
        file.write(line("one", 90, message={"stop_reason": "tool_use", "content": [], "model": "claude-x"}))
    take(book, tmp_path)
    session = book.get("one")
    assert (session.status, session.attempt, session.ended_at) == ("running", 1, None)


def test_two_imports_of_one_folder_at_once(tmp_path: Path) -> None:
    project(tmp_path / "claude", **{f"s{number}": 4 for number in range(300)})
    url = f"sqlite:///{tmp_path / 'book.db'}"

    def one(_: int) -> int:
        with rollbook.open(url) as opened:
            return take(opened, tmp_path / "claude").new_calls

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(one, range(2))) == 1200
    with rollbook.open(url) as opened:
        assert opened.stats(since="all").calls == 1200
        assert opened.verify().ok


def test_nothing_is_written_where_the_transcripts_are(book: rollbook.Rollbook, tmp_path: Path) -> None:
    project(tmp_path, one=2)
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    take(book, tmp_path)
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert {path: (found.st_size, found.st_mtime_ns) for path, found in after.items()} == {
        path: (found.st_size, found.st_mtime_ns) for path, found in before.items()
    }


def test_the_samples_are_read_wholly_and_priced(book: rollbook.Rollbook) -> None:
    report = run_import(book, source("claude-code"), [SAMPLES / "claude-code"], now=1_800_000_000_000_000)
    assert report.problems == []
    assert report.skipped_lines == 0
    assert report.sessions == 8
    stats = book.stats(since="all")
    assert stats.unpriced_calls == 0
    assert {"completed", "failed", "cancelled"} <= {session.status for session in book.iterate()}
    assert any(session.parent_id for session in book.iterate())
    assert any(usage.cache_write_1h for session in book.iterate() for usage in book.usage(session.session_id))
    assert book.verify().ok
