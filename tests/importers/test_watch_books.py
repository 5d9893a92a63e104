"""import --watch: books that are locked, that go back, and systems that tell of no changes."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from importers.watch_tools import (
    PATIENCE_S,
    Watcher,
    book,
    calls,
    eventually,
    line,
    projects,
    url,
    write,
)
from rollbook.book import Rollbook
from rollbook.importers import SAMPLES, SOURCES, source
from rollbook.importers.base import ImportReport
from rollbook.importers.watching import Watch

__all__ = ["book", "projects", "url"]


def test_a_locked_book_is_waited_for(url: str, book: Rollbook, projects: Path, tmp_path: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    with Watcher(ROLLBOOK_BUSY_TIMEOUT="1") as watcher:
        holder = apsw.Connection(str(tmp_path / "book.db"))
        holder.execute("begin immediate")
        write(projects / "p" / "s1.jsonl", 2)
        eventually(lambda: watcher.said("trying again"))
        write(projects / "p" / "s2.jsonl", 3)
        assert watcher.process.poll() is None
        holder.execute("rollback")
        holder.close()
        eventually(lambda: calls(book), 3)
        watcher.end()
    assert sum("trying again" in text for text in watcher.err) == 1


def test_a_book_that_is_locked_from_the_beginning(book: Rollbook, projects: Path, tmp_path: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    holder = apsw.Connection(str(tmp_path / "book.db"))
    holder.execute("begin immediate")
    with Watcher(ROLLBOOK_BUSY_TIMEOUT="1") as watcher:
        assert watcher.said("trying again")
        time.sleep(3.0)  # in which it tries again in vain
        holder.execute("rollback")
        holder.close()
        eventually(lambda: calls(book), 1)
        watcher.end()
    assert [text.count("try") for text in watcher.err if "try" in text] == [1]


def test_where_the_system_tells_of_no_changes(book: Rollbook, tmp_path: Path) -> None:
    """It cannot where a limit is reached; here it is that of open files."""
    told: list[ImportReport] = []
    said: list[str] = []
    write(tmp_path / "place" / "s1.jsonl", 1)
    sources = [(source("claude-code"), [str(tmp_path / "place")])]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    watch = Watch(book, sources, told=told.append, notice=said.append, all_s=3.0)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            stack.enter_context(watch)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert len(said) == 1
        assert "looking for them from time to time" in said[0]
        turns_until(watch, lambda: calls(book) == 1)
        write(tmp_path / "place" / "s1.jsonl", 2)
        turns_until(watch, lambda: calls(book) == 2)
        turns_until(watch, lambda: len(said) == 2)
        assert "tells of changes again" in said[1]
        write(tmp_path / "place" / "s1.jsonl", 3)
        turns_until(watch, lambda: calls(book) == 3)


def test_an_end_is_told_though_nothing_is_written(book: Rollbook, tmp_path: Path) -> None:
    """R2: a soft end falls due by the passing of time alone."""
    told: list[ImportReport] = []
    place = tmp_path / "place"
    place.mkdir()
    with Watch(
        book, [(source("claude-code"), [str(place)])], told=told.append, notice=pytest.fail, quiet_s=3.0
    ) as watch:
        just = datetime.now(UTC) - timedelta(minutes=30) + timedelta(seconds=2)
        (place / "s1.jsonl").write_text(line(1, at=just))
        turns_until(watch, lambda: bool(told))
        assert book.get("s1").status == "running"
        turns_until(watch, lambda: book.get("s1").status != "running")
    assert book.get("s1").status == "completed"


def test_everything_is_imported_now_and_then(book: Rollbook, tmp_path: Path) -> None:
    """The system does not tell of what is written to a file that another folder's link leads to."""
    told: list[ImportReport] = []
    place = tmp_path / "place"
    place.mkdir()
    write(tmp_path / "target" / "s1.jsonl", 1)
    (place / "s1.jsonl").symlink_to(tmp_path / "target" / "s1.jsonl")
    with Watch(book, [(source("claude-code"), [str(place)])], told=told.append, notice=pytest.fail, all_s=0.5) as watch:
        turns_until(watch, lambda: calls(book) == 1)
        write(tmp_path / "target" / "s1.jsonl", 2)
        turns_until(watch, lambda: calls(book) == 2)
    assert [report.new_calls for report in told] == [1, 1]


def turns_until(watch: Watch, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        watch.turn()


def test_watching_stores(url: str) -> None:
    with Watcher("--dry-run") as watcher:
        assert watcher.process.wait(timeout=PATIENCE_S) == 2
        eventually(lambda: watcher.said("--dry-run"))
        assert watcher.end() == 2


def test_a_place_that_is_named_may_come_later(book: Rollbook, tmp_path: Path) -> None:
    folder, file = tmp_path / "later", tmp_path / "one.jsonl"
    with Watcher("claude-code", "--path", str(folder), "--path", str(file)) as watcher:
        assert watcher.said(f"{folder} is not there yet; waiting for it")
        write(folder / "p" / "s1.jsonl", 1)
        eventually(lambda: calls(book), 1)
        write(file, 2)
        eventually(lambda: calls(book), 2)


@pytest.mark.parametrize(
    "words",
    [("--path", "later"), ("codex", "--path", ""), ("codex", "--path", "~nobody-at-all/x"), ("abacus",)],
    ids=str,
)
def test_what_cannot_be_followed_leaves_no_book(url: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    with Watcher(*words) as watcher:
        assert watcher.process.wait(timeout=PATIENCE_S) == 2
        assert watcher.end() == 2
    assert list(tmp_path.glob("book.db*")) == []


@pytest.mark.parametrize(
    ("name", "written"),
    [(name, bool(place % 2)) for place, name in enumerate([*SOURCES, *list(SOURCES)[:1]], start=1)],
    ids=lambda given: {False: "before it follows", True: "while it follows"}.get(given, given),
)
def test_a_book_that_goes_back(book: Rollbook, tmp_path: Path, name: str, written: bool) -> None:
    """A backup is restored that knows nothing of what was read since."""
    book.backup(tmp_path / "empty.db")
    place = tmp_path / "place"
    place.mkdir()
    with ExitStack() as stack:
        if written:
            watcher = stack.enter_context(Watcher(name, "--path", str(place), check_s=0.5))
            shutil.copytree(SAMPLES / name, place, dirs_exist_ok=True)
        else:
            shutil.copytree(SAMPLES / name, place, dirs_exist_ok=True)
            watcher = stack.enter_context(Watcher(name, "--path", str(place), check_s=0.5))
        eventually(lambda: calls(book) > 0)
        time.sleep(1.0)  # of silence, so that all of it was imported
        before = calls(book)
        book.restore(tmp_path / "empty.db")
        assert calls(book) == 0
        eventually(lambda: calls(book), before)
        assert watcher.end() == 0
    assert sum("not as far as it was" in text for text in watcher.err) == 1
    assert book.verify().ok


def test_what_is_too_old_is_told(book: Rollbook, projects: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1, 2)
    with Watcher():
        assert calls(book) == 2
    assert book.prune(ledger="1d").ledger_rows == 2
    write(projects / "p" / "copy.jsonl", 1)
    with Watcher() as watcher:
        assert watcher.said("claude-code: 1 call was pruned or purged before, and not counted again")
        write(projects / "p" / "another.jsonl", 1, 2)
        eventually(lambda: "2 calls pruned or purged before" in "".join(watcher.out))
        assert watcher.end() == 0
    assert calls(book) == 2
