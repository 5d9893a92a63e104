"""OpenCode's databases while they live: written meanwhile, locked, left over, foreign, damaged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rollbook
from importers.opencode_tools import NOW, TRAPS, Writer, answer, contents, small, take
from rollbook.importers import source
from rollbook.importers.opencode import OpenCode
from rollbook.importers.opencode_db import COPIED_MOST
from rollbook.importers.runs import run_import


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


# where it looks


def test_the_machines_own_folder() -> None:
    agent = OpenCode()
    assert agent.roots({"HOME": "/home/me"}) == ["/home/me/.local/share/opencode"]
    assert agent.roots({"HOME": "/home/me", "XDG_DATA_HOME": "/data"}) == ["/data/opencode"]
    assert agent.roots({"HOME": "/home/me", "XDG_DATA_HOME": "/data", "OPENCODE_DATA_DIR": "/oc"}) == ["/oc"]


def test_databases_and_files_of_a_folder_and_nothing_else(book: rollbook.Rollbook, tmp_path: Path) -> None:
    for name in ("opencode.db", "opencode-dev.db", "opencodex.db", "other.db"):
        Writer(tmp_path / name).fill(f"ses_{name}", 1)
    files = shutil.copytree(TRAPS / "older-files" / "storage", tmp_path / "storage")
    (tmp_path / "storage" / "part" / "msg_a2").mkdir(parents=True)
    (tmp_path / "storage" / "part" / "msg_a2" / "prt_1.json").write_text("{}")
    (tmp_path / "storage" / "message" / "notes.txt").write_text("no session's folder")
    report = take(book, tmp_path)
    assert report.problems == []
    assert report.files == 2 + len(list(files.rglob("ses_*.json"))) + len(list(files.rglob("msg_*.json")))
    assert {session.session_id for session in book.iterate()} == {
        "ses_opencode.db",
        "ses_opencode-dev.db",
        "ses_aaaa0001",
        "ses_bbbb0002",
    }


@pytest.mark.parametrize("place", ["opencode.db", "storage", "storage/message/ses_aaaa0001/msg_a2.json"])
def test_a_path_may_be_one_of_them(book: rollbook.Rollbook, tmp_path: Path, place: str) -> None:
    small(tmp_path / "opencode.db")
    shutil.copytree(TRAPS / "older-files" / "storage", tmp_path / "storage")
    report = take(book, tmp_path / place)
    assert (report.calls, report.problems) == ({"opencode.db": 3, "storage": 2}.get(place, 1), [])


def test_a_name_that_is_no_text(book: rollbook.Rollbook, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 #1?%20"))
    folder.mkdir()
    small(tmp_path / "made").raw.close()
    (tmp_path / "made").rename(folder / "opencode.db")
    assert take(book, folder).calls == 3
    assert take(book, folder).calls == 0


def test_a_link_that_leads_nowhere_and_a_pipe_are_told(book: rollbook.Rollbook, tmp_path: Path) -> None:
    (tmp_path / "opencode.db").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "opencode-x.db")
    assert sorted(take(book, tmp_path).problems) == [
        f"{tmp_path}/opencode-x.db: not a regular file",
        f"{tmp_path}/opencode.db: No such file or directory",
    ]


# a database that lives


def test_only_what_is_new_is_read_also_while_it_stands_in_the_log_alone(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    path = tmp_path / "opencode.db"
    writer = small(path)
    assert take(book, path).new_calls == 3
    before = path.stat()
    assert (take(book, path).bytes, take(book, path).calls) == (0, 0)
    writer.message("msg_later", "ses_a", answer(60, 60), 60)
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    report = take(book, path)
    assert (report.calls, report.new_calls) == (1, 1)
    assert book.get("ses_a").tokens_in == 1 + 2 + 3 + 60


PROGRAM = """
import json, sys, time
sys.path.insert(0, sys.argv[3])
from opencode_tools import Writer, answer, prompt
from pathlib import Path
writer = Writer(Path(sys.argv[1]), journal=sys.argv[2])
print("ready", flush=True)
for session in range(4):
    writer.session(f"ses_{session}", session * 1000)
    for number in range(1, 101):
        at = session * 1000 + number
        name = f"msg_{session}{number:04d}"
        begun = answer(at, 0, 0, cost=0, time={"created": answer(at)["time"]["created"]})
        writer.message(name, f"ses_{session}", begun, at)
        time.sleep(0.001)
        writer.message(name, f"ses_{session}", answer(at, number), at)
print("done", flush=True)
sys.stdin.read()
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, "-c", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    return program


def stopped(program: subprocess.Popen[str]) -> None:
    program.communicate()
    assert program.returncode == 0


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_may_be_written_while_it_is_read(book: rollbook.Rollbook, tmp_path: Path, journal: str) -> None:
    path = tmp_path / "opencode.db"
    program = started(PROGRAM, str(path), journal, str(Path(__file__).parent))
    passes = 0
    while book.stats(since="all").calls < 400:
        problems = run_import(book, source("opencode"), [path], now=NOW).problems
        passes += 1
        time.sleep(0.01)
        assert all("at the next import" in problem for problem in problems), problems
        assert journal == "delete" or problems == []
        assert program.poll() is None
    stopped(program)
    assert passes > 1
    assert take(book, path).new_calls == 0
    for session in range(4):
        found = book.get(f"ses_{session}")
        assert (found.calls, found.tokens_in, found.tokens_out) == (100, 5050, 100)


HOLDER = """
import sys
sys.path.insert(0, sys.argv[2])
from opencode_tools import Writer, SQL, answer
from pathlib import Path
writer = Writer(Path(sys.argv[1]), journal="delete")
writer.fill("ses_a", 3)
writer.raw.pragma("cache_size", 1)
writer.run("exclusive")
writer.fill_more = [writer.message(f"msg_{n}", "ses_a", answer(n, 5, x="y" * 5000), n) for n in range(10, 60)]
print("ready", flush=True)
sys.stdin.read()
writer.run("commit")
"""


def test_one_that_is_locked_is_told_and_read_the_next_time(book: rollbook.Rollbook, tmp_path: Path) -> None:
    program = started(HOLDER, str(tmp_path / "opencode.db"), str(Path(__file__).parent))
    small(tmp_path / "opencode-dev.db")
    report = take(book, tmp_path)
    assert report.problems == [
        f"{tmp_path}/opencode.db: it is locked by another program; it is read at the next import"
    ]
    assert report.calls == 3
    stopped(program)
    assert take(book, tmp_path).problems == []
    assert book.get("ses_a").calls == 3 + 50


OWNER = """
import sys
sys.path.insert(0, sys.argv[2])
from opencode_tools import Writer
from pathlib import Path
writer = Writer(Path(sys.argv[1]), locking="exclusive")
writer.fill("ses_a", 3)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_log_whose_index_is_in_its_writers_memory_is_read_from_a_copy(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    program = started(OWNER, str(tmp_path / "opencode.db"), str(Path(__file__).parent))
    before = contents(tmp_path)
    assert sorted(before) == ["opencode.db", "opencode.db-wal"]
    report = take(book, tmp_path)
    assert (report.problems, report.calls) == ([], 3)
    assert contents(tmp_path) == before
    stopped(program)


# nothing is written where it lies


def killed(path: Path) -> None:
    """A database whose writer was killed: its log and index are still there."""
    program = started(PROGRAM, str(path), "wal", str(Path(__file__).parent))
    assert program.stdout is not None
    assert program.stdout.readline() == "done\n"
    program.kill()
    program.communicate()


def laid_out(folder: Path, how: str) -> int:
    """A database that lies there in one of the ways in which it may; how many calls are in it."""
    path = folder / "opencode.db"
    if how in ("killed", "copied"):
        killed(path)
        if how == "copied":
            (folder / "opencode.db-shm").unlink()
        return 400
    writer = small(path, journal="delete" if how == "no log" else "wal")
    if how == "closed":
        writer.raw.close()
        assert sorted(contents(folder)) == ["opencode.db"]
    elif how == "open":
        assert sorted(contents(folder)) == ["opencode.db", "opencode.db-shm", "opencode.db-wal"]
    return 3


@pytest.mark.parametrize("how", ["closed", "open", "killed", "copied", "no log"])
@pytest.mark.parametrize("mode", [0o755, 0o555])
def test_nothing_is_changed_in_its_folder(book: rollbook.Rollbook, tmp_path: Path, how: str, mode: int) -> None:
    folder = tmp_path / "opencode"
    folder.mkdir()
    calls = laid_out(folder, how)
    folder.chmod(mode)
    before = contents(folder)
    report = take(book, folder)
    assert contents(folder) == before
    assert (report.problems, report.new_calls) == ([], calls)
    assert take(book, folder).calls == 0
    assert contents(folder) == before
    folder.chmod(0o755)


def test_a_large_copy_without_the_logs_index_is_told(book: rollbook.Rollbook, tmp_path: Path) -> None:
    killed(tmp_path / "opencode.db")
    (tmp_path / "opencode.db-shm").unlink()
    os.truncate(tmp_path / "opencode.db", COPIED_MOST + 1)  # a hole, which takes no space
    assert take(book, tmp_path).problems == [
        f"{tmp_path}/opencode.db: it has a -wal file without its -shm file; open it once with its agent"
    ]


# what is no database of OpenCode's


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_of_another_program_is_told(book: rollbook.Rollbook, tmp_path: Path, journal: str) -> None:
    Writer(tmp_path / "opencode.db", "foreign", journal)
    small(tmp_path / "opencode-dev.db")
    report = take(book, tmp_path)
    assert report.problems == [
        f"{tmp_path}/opencode.db: it is no database of OpenCode: it has no tables of sessions and messages"
    ]
    assert report.calls == 3


def test_a_version_that_is_not_known_is_told(book: rollbook.Rollbook, tmp_path: Path) -> None:
    Writer(tmp_path / "opencode.db", "too_old")
    (problem,) = take(book, tmp_path).problems
    assert problem == (
        f"{tmp_path}/opencode.db: its tables are of a version that is not known: session has no parent_id, directory,"
        " title, version, time_created, time_updated"
    )


def test_the_oldest_tables_lack_much(book: rollbook.Rollbook, tmp_path: Path) -> None:
    small(tmp_path / "opencode.db", tables="oldest")
    assert (take(book, tmp_path).calls, book.get("ses_a").title) == (3, "Mend the till")


@pytest.mark.parametrize("text", [b"", b"not a database" * 100, b"SQLite format 3\0" + bytes(200)])
def test_what_is_no_database_is_told_unless_it_is_empty(book: rollbook.Rollbook, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "opencode.db").write_bytes(text)
    report = take(book, tmp_path)
    assert (report.calls, len(report.problems)) == (0, 1 if text else 0)


def test_a_damaged_database_gives_what_is_whole(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    writer.fill("ses_a", 4000)
    writer.raw.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096 * 8)
    small(tmp_path / "opencode-dev.db")
    report = take(book, tmp_path)
    assert [problem.partition(" (")[0] for problem in report.problems] == [f"{path}: it is damaged, or its disk is"]
    assert 3 < report.new_calls < 4003
    assert take(book, tmp_path).new_calls == 0


def test_a_replaced_database_is_read_from_its_start(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    small(path).raw.close()
    take(book, path)
    other = Writer(tmp_path / "new", "version_1")
    other.fill("ses_b", 2, first=-5000)  # older than all that was read
    other.raw.close()
    (tmp_path / "new").replace(path)
    assert take(book, path).new_calls == 2
    third = Writer(tmp_path / "new", "version_1")
    third.fill("ses_c", 2, first=-9000)
    third.raw.close()
    with path.open("r+b") as file:  # the same file with other contents
        file.truncate()
        file.write((tmp_path / "new").read_bytes())
    assert take(book, path).new_calls == 2
    assert book.list().total == 3
