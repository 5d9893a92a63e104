"""import --watch: what is written appears in the book, whatever happens to the folder that it is in."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from functools import partial
from pathlib import Path

import apsw
import pytest

from importers.watch_tools import (
    SOME,
    TRAPS,
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
from rollbook.importers import SOURCES

__all__ = ["book", "projects", "url"]


def test_a_write_is_imported_and_told(book: Rollbook, projects: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    write(projects / "p" / "s2.jsonl", 2, session="s2")
    with Watcher("--json") as watcher:
        assert calls(book) == 2
        write(projects / "p" / "s1.jsonl", 3, 4)
        eventually(lambda: calls(book), 4)
        eventually(lambda: len(watcher.out), len(SOURCES) + 1)
        assert watcher.end() == 0
    first, later = [json.loads(text) for text in watcher.out[:-1]], json.loads(watcher.out[-1])
    assert [(row["source"], row["new_calls"]) for row in first] == [
        (name, 2 if name == "claude-code" else 0) for name in SOURCES
    ]
    assert (later["source"], later["files"], later["new_calls"], later["sessions"]) == ("claude-code", 1, 2, 1)
    assert book.verify().ok


def test_a_line_for_people(book: Rollbook, projects: Path) -> None:
    projects.mkdir(parents=True)
    with Watcher() as watcher:
        write(projects / "p" / "s1.jsonl", 1)
        eventually(lambda: calls(book), 1)
        eventually(lambda: len(watcher.out), 1)
        watcher.end()
    assert watcher.out[0].rstrip("\n").endswith("  claude-code  1 new call, 1 session")


@pytest.mark.parametrize(("number", "status", "said"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 0, False)])
def test_it_is_ended_by_a_signal(book: Rollbook, projects: Path, number: int, status: int, said: bool) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    with Watcher() as watcher:
        write(projects / "p" / "s1.jsonl", 2)
        eventually(lambda: len(watcher.out), 3)
        assert watcher.end(number) == status
    assert watcher.said("interrupted") is said
    assert calls(book) == 2
    assert book.verify().ok


def test_what_is_told_is_stored_when_it_is_ended_amid_writes(book: Rollbook, projects: Path) -> None:
    projects.mkdir(parents=True)
    stop = threading.Event()

    def writes() -> None:
        number = 0
        while not stop.wait(0.002):
            number += 1
            write(projects / "p" / f"s{number % 50}.jsonl", number, session=f"s{number % 50}")

    writer = threading.Thread(target=writes)
    with Watcher("--json") as watcher:
        writer.start()
        eventually(lambda: len(watcher.out) > len(SOURCES) + 1)
        watcher.end()
        stop.set()
        writer.join()
    told = sum(json.loads(text)["new_calls"] for text in watcher.out)
    assert calls(book) >= told > 0
    assert book.verify().ok


def test_some_of_every_source() -> None:
    assert [name for name, _ in SOME] == list(SOURCES)


@pytest.mark.parametrize(("name", "trap"), SOME, ids=str)
def test_every_source_is_followed(book: Rollbook, tmp_path: Path, name: str, trap: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    total = json.loads((TRAPS / name / trap / "expected.json").read_text())["total"]
    with Watcher(name, "--path", str(place)):
        for original in sorted((TRAPS / name / trap).rglob("*")):
            copy = place / original.relative_to(TRAPS / name / trap)
            if original.is_dir():
                copy.mkdir()
            elif original.suffix == ".sql":
                statements(copy.with_suffix(""), original.read_text())
            elif original.name != "expected.json":
                shutil.copy(original, copy)
        eventually(lambda: calls(book), total["calls"])
    found = book.stats(since="all")
    assert (found.tokens_in, found.tokens_out) == (total["tokens_in"], total["tokens_out"])


def statements(database: Path, text: str) -> None:
    """Run statements one after the other, as an agent that has its database open."""
    connection = apsw.Connection(str(database))
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma wal_autocheckpoint=0")
    connection.execute(text)
    connection.close()


def test_a_database_whose_log_alone_is_written(book: Rollbook, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    schema, _, rows = (TRAPS / "opencode/child-session/opencode.db.sql").read_text().partition("commit;")
    connection = apsw.Connection(str(place / "opencode.db"))
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma wal_autocheckpoint=0")
    connection.execute(f"{schema}commit;")
    with Watcher("opencode", "--path", str(place)):
        size = (place / "opencode.db").stat().st_size
        connection.execute(rows)
        eventually(lambda: calls(book) > 0)
        assert (place / "opencode.db").stat().st_size == size
    connection.close()


def test_a_folder_that_appears_later(book: Rollbook, projects: Path) -> None:
    with Watcher():
        write(projects / "p" / "deeper" / "s1.jsonl", 1)
        eventually(lambda: calls(book), 1)
        write(projects / "p" / "deeper" / "s1.jsonl", 2)
        eventually(lambda: calls(book), 2)


def test_a_folder_that_is_removed_and_made_again(book: Rollbook, projects: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    with Watcher():
        for number in range(2, 6):
            shutil.rmtree(projects)
            write(projects / "p" / f"s{number}.jsonl", number)
            eventually(partial(calls, book), number)
            write(projects / "q" / f"s{number}.jsonl", number, 10 * number)
            shutil.rmtree(projects / "q")
            write(projects / "q" / "again.jsonl", number)
        assert book.verify().ok


def test_a_folder_that_is_put_in_place_of_another(book: Rollbook, projects: Path, tmp_path: Path) -> None:
    write(projects / "p" / "s1.jsonl", 1)
    with Watcher():
        write(tmp_path / "other" / "p" / "s1.jsonl", 1, 2)
        projects.rename(tmp_path / "away")
        (tmp_path / "other").rename(projects)
        eventually(lambda: calls(book), 2)
        write(projects / "p" / "s1.jsonl", 3)
        eventually(lambda: calls(book), 3)


def test_files_that_are_renamed_and_rewritten(book: Rollbook, projects: Path) -> None:
    """R3"""
    write(projects / "p" / "s1.jsonl", 1, 2)
    with Watcher():
        (projects / "p" / "s1.jsonl").rename(projects / "p" / "s2.jsonl")
        write(projects / "p" / "s2.jsonl", 3)
        eventually(lambda: calls(book), 3)
        write(projects / "p" / "new.part", 1, 2, 3, 4)
        (projects / "p" / "new.part").replace(projects / "p" / "s2.jsonl")
        eventually(lambda: calls(book), 4)
        (projects / "p" / "s2.jsonl").write_text(line(5))
        eventually(lambda: calls(book), 5)
        (projects / "p").rename(projects / "q")
        write(projects / "q" / "s2.jsonl", 6)
        eventually(lambda: calls(book), 6)
    assert book.verify().ok


def test_links(book: Rollbook, projects: Path, tmp_path: Path) -> None:
    write(tmp_path / "kept" / "projects" / "p" / "s1.jsonl", 1)
    projects.parent.mkdir()
    projects.symlink_to(tmp_path / "kept" / "projects")
    write(tmp_path / "elsewhere" / "s2.jsonl", 2)
    (projects / "linked").symlink_to(tmp_path / "elsewhere")
    (projects / "loop").symlink_to(projects)
    with Watcher():
        assert calls(book) == 2
        write(projects / "p" / "s1.jsonl", 3)
        eventually(lambda: calls(book), 3)
        write(tmp_path / "elsewhere" / "s2.jsonl", 4)
        eventually(lambda: calls(book), 4)
        write(tmp_path / "third" / "p" / "s3.jsonl", 5)
        projects.unlink()
        projects.symlink_to(tmp_path / "third")
        eventually(lambda: calls(book), 5)


def test_a_single_file(book: Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    write(path, 1)
    with Watcher("--path", str(path)):
        write(path, 2)
        eventually(lambda: calls(book), 2)
        path.unlink()
        write(path, 3)
        eventually(lambda: calls(book), 3)


def test_names_that_are_no_text(book: Rollbook, projects: Path) -> None:
    projects.mkdir(parents=True)
    with Watcher():
        write(Path(os.fsdecode(os.fsencode(projects) + b"/b\xff/s\xfe.jsonl")), 1)
        eventually(lambda: calls(book), 1)


def test_a_burst_is_taken_together(book: Rollbook, projects: Path) -> None:
    projects.mkdir(parents=True)
    with Watcher("--json") as watcher:
        for number in range(3000):
            write(projects / f"p{number % 30}" / f"s{number}.jsonl", number, session=f"s{number}")
        eventually(lambda: calls(book), 3000)
        watcher.end()
    assert len(watcher.out) < len(SOURCES) + 300
    assert book.verify().ok


def test_two_at_once(book: Rollbook, projects: Path) -> None:
    """R3"""
    projects.mkdir(parents=True)
    with Watcher() as one, Watcher() as other:
        for number in range(40):
            write(projects / "p" / f"s{number % 4}.jsonl", number, session=f"s{number % 4}")
            time.sleep(0.02)
        eventually(lambda: calls(book), 40)
        assert (one.end(), other.end()) == (0, 0)
    assert calls(book) == 40
    assert book.verify().ok
