"""Under an export's name there is all of it, or what was there before."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.errors import InvalidInput, RollbookError
from rollbook.exporters import export

from .tools import fill, long_book, opened, read

#: Exports as slowly as a test wants: says "part" after the first rows, then goes on with each line that it is told.
SLOW = """
import sys, rollbook
from rollbook.exporters import export
def progress(rows):
    print("part", flush=True)
    sys.stdin.readline()
with rollbook.open(sys.argv[1]) as book:
    export(book, "usage", sys.argv[2], format=sys.argv[3], progress=progress)
"""
PLAIN = """
import sys, rollbook
from rollbook.exporters import export
with rollbook.open(sys.argv[1]) as book:
    try:
        export(book, "usage", sys.argv[2], format=sys.argv[3])
    except rollbook.RollbookError as error:
        print(error)
"""


def started(program: str, *arguments: object, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **more,
    )


def others(folder: Path) -> list[str]:
    """What is in a folder beside the book."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("book.db"))


def test_an_export_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    with opened(user="ann") as book:
        fill(book)
        for name in ("a.jsonl", Path("b.csv")):
            form = str(name)[2:]
            export(book, "usage", tmp_path / name, format=form, progress=lambda _: seen.append(others(tmp_path)))
            assert len(read((tmp_path / name).read_bytes(), form)) == len(list(book.iterate_usage()))
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert [[name.startswith(".rollbook-export-") for name in names] for names in seen] == [[True], [True, False]]
    assert others(tmp_path) == ["a.jsonl", "b.csv"]


def test_what_is_there_is_only_replaced_if_that_is_said(tmp_path: Path) -> None:
    there = tmp_path / "usage.jsonl"
    there.write_text("mine")
    there.chmod(0o644)
    with opened() as book:
        book.record_usage("s", tokens_in=1)
        with pytest.raises(InvalidInput, match="is there already"):
            export(book, "usage", there)
        assert there.read_text() == "mine"
        assert others(tmp_path) == ["usage.jsonl"]
        export(book, "usage", there, replace=True)
        assert len(read(there.read_bytes(), "jsonl")) == 1
        assert stat.S_IMODE(there.stat().st_mode) == 0o644
        link = tmp_path / "link"
        link.symlink_to(there)
        book.record_usage("s", tokens_in=1)
        export(book, "usage", link, replace=True)
        assert link.is_symlink()
        assert len(read(there.read_bytes(), "jsonl")) == 2


def test_what_comes_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    there = tmp_path / "usage.jsonl"

    def somebody_else(_: int) -> None:
        there.write_text("mine")

    with opened() as book:
        book.record_usage("s", tokens_in=1)
        with pytest.raises(InvalidInput, match="is there already"):
            export(book, "usage", there, progress=somebody_else)
    assert there.read_text() == "mine"
    assert others(tmp_path) == ["usage.jsonl"]


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_book_is_not_exported_over_itself(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "book.db"
    with rollbook.open(path) as book:
        book.record_usage("s", tokens_in=1)
        (tmp_path / "link").symlink_to(f"{path}{ending}")
        for name in (Path(f"{path}{ending}"), tmp_path / "link"):
            with pytest.raises(InvalidInput, match="is the book itself"):
                export(book, "usage", name, replace=True)
        assert book.verify().ok


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda folder: folder, "is a folder"),
        (lambda folder: folder / "nowhere" / "x.csv", "no folder"),
        (lambda folder: folder / ("x" * 300), "too long"),
    ],
)
def test_places_where_nothing_can_be(tmp_path: Path, make: Callable[[Path], Path], named: str) -> None:
    with opened() as book, pytest.raises(RollbookError, match=named):
        export(book, "usage", make(tmp_path), replace=True)
    assert others(tmp_path) == []


def test_a_folder_without_permission(tmp_path: Path) -> None:
    """As root everything is allowed, so the folder is one that nobody may write to: a process's own."""
    with opened() as book, pytest.raises(RollbookError, match="cannot be written"):
        export(book, "usage", "/proc/self/usage.jsonl")


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_failure_on_the_way_leaves_nothing(tmp_path: Path, form: str) -> None:
    def fail(_: int) -> None:
        raise KeyboardInterrupt

    with opened() as book:
        book.record_usage("s", tokens_in=1)
        with pytest.raises(KeyboardInterrupt):
            export(book, "usage", tmp_path / "x", format=form, progress=fail)
    assert others(tmp_path) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_crash_leaves_nothing_under_the_name(tmp_path: Path, form: str) -> None:
    url = long_book(tmp_path / "book.db", 5000)
    name = tmp_path / f"usage.{form}"
    process = started(SLOW, url, name, form)
    assert process.stdout is not None
    assert process.stdout.readline() == "part\n"
    process.kill()
    process.communicate()
    assert not name.exists()
    with rollbook.open(url) as book:  # what the crash left beside is in nobody's way
        assert export(book, "usage", name, format=form) == 5000
    assert len(read(name.read_bytes(), form)) == 5000


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    url = long_book(tmp_path / "book.db", 5000)
    process = started(SLOW, url, tmp_path / "usage.csv", "csv")
    assert process.stdout is not None
    assert process.stdout.readline() == "part\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert others(tmp_path) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, form: str) -> None:
    url = long_book(tmp_path / "book.db", 50_000)
    with rollbook.open(url):  # so that the other process, whose files may not grow, finds the log in place
        process = started(
            PLAIN, url, tmp_path / "usage", form,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )  # fmt: skip
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "cannot be written: file too large; no part of it was kept" in out
    assert others(tmp_path) == []
    with opened() as book:
        book.record_usage("s", tokens_in=1)
        with pytest.raises(RollbookError, match="no space is left"):
            export(book, "usage", "/dev/full", format=form)


def test_a_named_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with opened() as book:
        book.record_usage("s", tokens_in=1)
        assert export(book, "usage", pipe, format="parquet") == 1
    reader.join(timeout=60)
    assert len(read(found[0], "parquet")) == 1


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_errors_of_an_open_file_are_passed_on(form: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with opened() as book, os.fdopen(writing, "wb", buffering=0) as file:
        book.record_usage("s", tokens_in=1)
        with pytest.raises(BrokenPipeError):
            export(book, "usage", file, format=form)


#: Prints the most memory that the process ever had, in kB, after an export.
WEIGHED = """
import os, sys, rollbook
from pathlib import Path
from rollbook.exporters import export
with rollbook.open(sys.argv[1]) as book, open(os.devnull, "wb") as file:
    assert export(book, "usage", file, format=sys.argv[2]) == int(sys.argv[3])
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_memory_does_not_grow_with_the_ledger(tmp_path: Path, form: str) -> None:
    peaks = []
    for rows in (50_000, 200_000):
        url = long_book(tmp_path / f"{rows}.db", rows)
        process = started(WEIGHED, url, form, rows)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        peaks.append(int(out))
    # 150,000 more rows held as values would be 200 MB more, as text 100 MB; SQLite's own cache is up to 32 MB.
    assert peaks[1] < peaks[0] + 40_000, peaks


def test_a_slow_reader_holds_up_no_writer(tmp_path: Path) -> None:
    url = long_book(tmp_path / "book.db", 5000)
    process = started(SLOW, url, tmp_path / "usage.csv", "csv")
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "part\n"
    with rollbook.open(url) as book:
        for number in range(50):
            assert book.record_usage("other", tokens_in=1, usage_id=f"w{number}") == "counted"
        process.communicate("\n" * 10, timeout=60)
        assert len(read((tmp_path / "usage.csv").read_bytes(), "csv")) == 5000
        assert len(list(book.iterate_usage())) == 5050
