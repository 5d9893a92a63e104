"""OpenCode's databases while they live: written meanwhile, locked, left over, foreign, damaged; and its older files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from rollbook.importers import SAMPLES, source
from rollbook.importers.base import Batch, Context, ImportReport, Item
from rollbook.importers.opencode import OpenCode
from rollbook.importers.opencode_db import COPIED_MOST
from rollbook.importers.opencode_read import OPEN_MOST, OPEN_MS, load
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import Call, SourceFile
from rollbook.model import Evidence, to_micros
from rollbook.settings import LOCAL_USER

DATA = Path(__file__).parents[1] / "data"
TRAPS = DATA / "traps" / "opencode"
NOW = 1_780_000_000_000_000
T0 = 1_772_445_600_000  #: 2026-03-02T10:00:00Z, in milliseconds
PARTS = re.split(r"^-- (\w+) --$", (DATA / "opencode" / "statements.sql").read_text(), flags=re.MULTILINE)
SQL = dict(zip(PARTS[1::2], PARTS[2::2], strict=True))


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


def take(book: rollbook.Rollbook, *paths: Path, now: int = NOW) -> ImportReport:
    report = run_import(book, source("opencode"), list(paths), now=now)
    assert book.verify().ok
    return report


def answer(at: int, tokens_in: int = 10, tokens_out: int = 1, **more: Any) -> dict[str, Any]:
    """What stands in an assistant's message of that second."""
    return {
        "role": "assistant",
        "time": {"created": T0 + at * 1000, "completed": T0 + at * 1000 + 500},
        "modelID": "claude-sonnet-4-5",
        "providerID": "anthropic",
        "cost": 0.01,
        "tokens": {"input": tokens_in, "output": tokens_out, "reasoning": 0, "cache": {"read": 0, "write": 0}},
        "finish": "stop",
        **more,
    }


def prompt(at: int) -> dict[str, Any]:
    return {"role": "user", "time": {"created": T0 + at * 1000}}


class Writer:
    """A database as OpenCode writes it."""

    def __init__(self, path: Path, tables: str = "version_1", journal: str = "wal", locking: str = "normal") -> None:
        self.raw = apsw.Connection(str(path))
        self.raw.set_busy_timeout(5000)
        self.raw.pragma("locking_mode", locking)
        self.raw.pragma("journal_mode", journal)
        self.writes = 0
        self.run(tables)

    def run(self, name: str, /, **values: Any) -> None:
        self.raw.execute(SQL[name], values).fetchall()

    def session(self, name: str, made: int = 0, changed: int | None = None, **more: Any) -> None:
        facts = {"title": "Mend the till", "parent": None, **more}
        self.run("add_session", id=name, made=T0 + made * 1000, changed=T0 + (changed or made) * 1000, **facts)

    def message(self, name: str, session: str, data: object, at: int, statement: str = "add_message") -> None:
        text = data if isinstance(data, str | bytes) else json.dumps(data, separators=(",", ":"))
        self.writes += 1
        stamp = T0 + at * 1000
        self.run(statement, id=name, session=session, made=stamp, written=max(stamp, T0) + self.writes, data=text)

    def fill(self, session: str, calls: int, first: int = 1) -> None:
        self.session(session)
        with self.raw:
            for at in range(first, first + calls):
                self.message(f"msg_{session}{at:06d}", session, answer(at, abs(at)), at)


def small(path: Path, **more: Any) -> Writer:
    writer = Writer(path, **more)
    writer.fill("ses_a", 3)
    return writer


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())}


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
from test_opencode import Writer, answer, prompt
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
from test_opencode import Writer, SQL, answer
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
from test_opencode import Writer
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


# what its rows say


def test_a_table_that_version_1_uses_for_something_else_is_not_read(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    writer.message("evt_1", "ses_a", answer(40), 40, "add_other")
    assert take(book, tmp_path).calls == 3


def test_what_is_taken_over_from_elsewhere_is_read_although_it_is_old(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    writer.session("ses_old", -5000)
    writer.message("msg_0", "ses_old", answer(-4000), -4000)
    assert take(book, tmp_path).new_calls == 1


def test_what_is_taken_back_stays_spent(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    writer.run("drop_messages", **{"from": "msg_ses_a000002"})
    writer.message("msg_z", "ses_a", answer(30, 30), 30)
    assert take(book, tmp_path).new_calls == 1
    assert book.get("ses_a").tokens_in == 1 + 2 + 3 + 30


def test_r1_the_latest_title_stands_although_renaming_is_no_activity(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    take(book, tmp_path)
    active = book.get("ses_a").last_activity_at
    for waited, title in ((3600, "Zebra"), (86_400, "Ant"), (400 * 86_400, "Moth")):
        writer.run("rename", id="ses_a", title=title, changed=T0 + waited * 1000)
        take(book, tmp_path, now=NOW + 400 * 86_400_000_000)
        assert book.get("ses_a").title == title
    assert (book.get("ses_a").last_activity_at - active).total_seconds() < 0.001
    assert book.get("ses_a").status == "completed"


def test_r1_a_time_well_ahead_of_the_clock_is_now(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    late = answer(5, 50)
    late["time"]["completed"] = 4_102_444_800_000
    writer.message("msg_late", "ses_a", late, 5)
    writer.run("rename", id="ses_a", title="x", changed=9_999_999_999_999)
    assert take(book, tmp_path).new_calls == 4
    found = book.get("ses_a")
    assert found.clock_flagged
    assert to_micros(found.last_activity_at) // 1_000_000 == NOW // 1_000_000
    writer.message("msg_next", "ses_a", answer(6, 60), 6)
    assert take(book, tmp_path).new_calls == 1


def test_rows_that_nobody_could_have_meant(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = small(tmp_path / "opencode.db")
    writer.message("msg_\x01", "ses_a", answer(10), 10)
    writer.message("m" * 600, "ses_a", answer(11), 11)
    writer.message("msg_bytes", "ses_a", json.dumps(answer(12)).encode(), 12)
    writer.message("msg_nul", "ses_a", json.dumps(answer(13)) + "\0", 13)
    writer.message("msg_deep", "ses_a", "[" * 100_000, 14)
    writer.message("msg_large", "ses_a", answer(15, x="y" * (33 << 20)), 15)
    writer.message("msg_dear", "ses_a", answer(16, cost=1e300), 16)
    writer.message("msg_model", "ses_a", answer(17, modelID="m" * 300), 17)
    report = take(book, tmp_path)
    assert (report.problems, report.new_calls, report.skipped_lines) == ([], 4, 7)
    assert take(book, tmp_path).skipped_lines == 0


def test_a_parent_that_is_not_there_or_is_itself(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a", parent="ses_gone")
    writer.session("ses_b", parent="ses_b")
    writer.message("msg_a", "ses_a", answer(1), 1)
    writer.message("msg_b", "ses_b", answer(2, 20), 2)
    take(book, tmp_path)
    assert book.get("ses_a").calls == 1
    assert book.stats(since="all").calls == 2


def test_the_evidence_of_a_copy_and_of_what_is_still_written_is_lower(tmp_path: Path, book: rollbook.Rollbook) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a", 100)
    writer.message("msg_copy", "ses_a", answer(1), 1)
    writer.message("msg_open", "ses_a", answer(101, time={"created": T0 + 101_000}), 101)
    writer.message("msg_done", "ses_a", answer(102), 102)
    take(book, tmp_path)
    rows = {row.usage_id: row.evidence for row in book.usage("ses_a")}
    low, high = Evidence.SIDE_CHAIN.name.lower(), Evidence.TRANSCRIPT.name.lower()
    assert rows == {"opencode:msg_copy": low, "opencode:msg_open": low, "opencode:msg_done": high}


# steps, and what an interruption leaves


def batches(path: Path, known: SourceFile | None = None) -> Iterator[Batch]:
    agent = OpenCode()
    context = Context(user_id=LOCAL_USER, now=NOW, price=unpriced)
    (found,) = agent.files(str(path), print)
    return agent.read(found, known, context)


def unpriced(*_: Any, **__: Any) -> None:
    return None


def calls_of(given: Iterable[Batch]) -> list[str]:
    return [item.usage_id for batch in given for item in batch.items if isinstance(item, Call)]


def test_r13_an_interrupted_import_goes_on_where_it_stopped(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    writer.fill("ses_a", 3500)
    given = list(islice(batches(path), 2))
    assert len(calls_of(given)) == 2000
    items: Sequence[Item] = [item for batch in given for item in batch.items]
    last = given[-1].file
    assert last is not None
    book.ingest(items, files=[last])
    writer.message("msg_ses_a000007", "ses_a", answer(7, 1007), 4000)  # one of those that were read
    report = take(book, path)
    assert report.new_calls == 1500
    assert book.get("ses_a").calls == 3500
    assert book.get("ses_a").tokens_in == 3500 * 3501 // 2 + 1000
    assert book.get("ses_a").title == "Mend the till"


def test_each_step_is_a_transaction_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    writer.fill("ses_a", 2500)
    reading = batches(path)
    next(reading)
    assert writer.raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)[0] == 0  # no reader holds the log
    writer.message("msg_zz", "ses_a", answer(9000), 9000)
    assert calls_of(reading)[-1] == "opencode:msg_zz"


def test_a_session_of_many_messages_is_read_fast(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    writer = Writer(path)
    for number in range(20):
        writer.fill(f"ses_{number}", 500, first=1 + number * 500)
    started_at = time.perf_counter()
    assert take(book, path).new_calls == 10_000
    whole = time.perf_counter() - started_at
    writer.message("msg_zz", "ses_7", answer(20_000), 20_000)
    started_at = time.perf_counter()
    assert take(book, path).new_calls == 1
    assert time.perf_counter() - started_at < whole / 2


# clocks that are wrong, and rows that are seen late


def begun(at: int) -> dict[str, Any]:
    """What stands in an assistant's message of that second while it is being written."""
    data = answer(at, 0, 0, cost=0, time={"created": T0 + at * 1000})
    del data["finish"]
    return data


def test_r13_a_clock_that_was_ahead_for_a_while_loses_nothing(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now, ahead = T0 * 1000, 10 * 86_400
    writer.session("ses_a", -60)
    writer.message("msg_old", "ses_a", answer(-30, 1), -30)
    writer.message("msg_1", "ses_a", answer(ahead, 2), ahead)
    assert take(book, tmp_path, now=now + ahead * 1_000_000).new_calls == 2
    writer.message("msg_old", "ses_a", answer(-30, 31), 30)  # after the clock was set back
    writer.message("msg_2", "ses_a", begun(60), 60)
    assert take(book, tmp_path, now=now + 61_000_000).new_calls == 0
    assert book.get("ses_a").tokens_in == 31 + 2
    writer.message("msg_2", "ses_a", answer(60, 5000), 90)
    assert take(book, tmp_path, now=now + 100_000_000).new_calls == 1
    assert book.get("ses_a").tokens_in == 31 + 2 + 5000
    assert take(book, tmp_path, now=now + 160_000_000).calls == 0


def test_r13_an_answer_whose_clock_is_behind_those_read_before(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now, ahead = T0 * 1000, 10 * 86_400
    writer.session("ses_a", -60)
    writer.message("msg_1", "ses_a", answer(ahead, 2), ahead)  # with a clock that was ahead
    writer.message("msg_2", "ses_a", answer(0, 4), 0)
    assert take(book, tmp_path, now=now + 3_600_000_000).new_calls == 2
    writer.message("msg_2", "ses_a", answer(0, 40), 30)  # an hour behind the clock of the one who reads
    assert take(book, tmp_path, now=now + 3_630_000_000).calls == 1
    assert book.get("ses_a").tokens_in == 2 + 40


def test_r13_an_answer_that_is_seen_long_after_it_was_stamped(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    now = T0 * 1000
    writer.session("ses_a")
    writer.message("msg_1", "ses_a", begun(0), 0)
    take(book, tmp_path, now=now + 1_000_000)
    for at in (3600, 7200):
        writer.message(f"msg_{at}", "ses_a", answer(at, at), at)
        assert take(book, tmp_path, now=now + at * 1_000_000).new_calls == 1
    writer.message("msg_1", "ses_a", answer(0, 9000), 1)  # its writer slept before it was stored
    assert take(book, tmp_path, now=now + 7_300_000_000).new_calls == 1
    assert book.get("ses_a").tokens_in == 3600 + 7200 + 9000


def carried(path: Path, now: int, known: SourceFile | None = None) -> SourceFile:
    """How far a database was read at a time."""
    agent = OpenCode()
    (found,) = agent.files(str(path), print)
    *_, last = agent.read(found, known, Context(user_id=LOCAL_USER, now=now, price=unpriced))
    assert last.file is not None
    return last.file


def test_unfinished_answers_are_looked_at_for_a_week_and_not_without_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a")
    with writer.raw:
        for number in range(2 * OPEN_MOST):
            writer.message(f"msg_{number:04d}", "ses_a", begun(0), 0)
    (now, week) = T0 * 1000 + 60_000_000, OPEN_MS * 1000
    known = None
    for _ in range(2):
        known = carried(tmp_path, now, known)
        kept = [row for row, _, _ in load(known.state).marks["message"].open]
        assert kept == list(range(OPEN_MOST + 1, 2 * OPEN_MOST + 1))
    assert load(carried(tmp_path, now + week, known).state).marks["message"].open == []
    assert load(carried(tmp_path, now + week).state).marks["message"].open == []


@pytest.mark.parametrize("count", [200, 1100])
def test_the_ends_of_very_many_sessions_at_once(book: rollbook.Rollbook, tmp_path: Path, count: int) -> None:
    writer = Writer(tmp_path / "opencode.db")
    with writer.raw:
        for number in range(count):
            writer.session(f"ses_{number}", number)
            writer.message(f"msg_{number}", f"ses_{number}", answer(number), number)
    half_an_hour = 1_800_000_000
    last = T0 * 1000 + (count - 1) * 1_000_000 + 500_000
    time.sleep(0.2)  # so that the file is known as it is
    take(book, tmp_path, now=T0 * 1000 + 60_000_000)
    if count == 200:
        take(book, tmp_path, now=T0 * 1000 + half_an_hour + 100_000_000)
        assert 90 < book.list(status="completed").total < 110
    take(book, tmp_path, now=last + half_an_hour)
    assert book.list(status="completed").total == count
    assert take(book, tmp_path, now=last + half_an_hour + 1).sessions == 0
    assert run_import(book, source("opencode"), [tmp_path], now=last + 2 * half_an_hour).bytes == 0


# forks


def test_a_fork_whose_original_took_some_back(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a")
    writer.message("msg_a1", "ses_a", answer(1, 1), 1)
    writer.session("ses_b", 100, title="Mend the till (fork #1)")
    writer.message("msg_b1", "ses_b", answer(1, 1), 1)
    writer.message("msg_b2", "ses_b", answer(2, 2), 2)  # the original of this one is gone
    writer.message("msg_b3", "ses_b", answer(101, 4), 101)
    take(book, tmp_path)
    assert (book.get("ses_a").tokens_in, book.get("ses_b").tokens_in) == (1, 6)
    assert book.get("ses_b").metadata["forked_from"] == "ses_a"
    assert book.stats(since="all").calls == 3


def test_two_answers_of_one_moment_are_two(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    for name in ("ses_a", "ses_b"):
        writer.session(name)
        times = {"created": T0 + 1000, "completed": T0 + (1500 if name == "ses_a" else 1501)}
        writer.message(f"msg_{name}", name, answer(1, time=times), 1)
    assert take(book, tmp_path).new_calls == 2


@pytest.mark.parametrize("form", ["tables", "files"])
@pytest.mark.parametrize(("tokens", "said"), [(0, False), (0, True), (700, False), (700, True)])
def test_equal_answers_of_sub_agents_are_different_calls(
    book: rollbook.Rollbook, tmp_path: Path, form: str, tokens: int, said: bool
) -> None:
    writer = Writer(tmp_path / "opencode.db") if form == "tables" else None
    storage = tmp_path / "storage"
    for number in range(3):
        name, message = f"ses_{number}", f"msg_{number}"
        part = {"type": "tool", "tool": "read", "callID": f"call_{number}", "state": {"status": "completed"}}
        if writer is not None:
            writer.session(name, parent="ses_p")
            writer.message(message, name, answer(1, tokens, tokens // 10), 1)
            if said:
                writer.run("add_part", id=f"prt_{number}", message=message, session=name, data=json.dumps(part))
        else:
            put(storage / "session" / "p1" / f"{name}.json", {**stored(name), "parentID": "ses_p"})
            put(storage / "message" / name / f"{message}.json", answer(1, tokens, tokens // 10))
            if said:
                put(storage / "part" / message / f"prt_{number}.json", {"id": f"prt_{number}", **part})
    assert take(book, tmp_path).new_calls == 3


def test_a_fork_elsewhere_is_known_by_what_was_said(book: rollbook.Rollbook, tmp_path: Path) -> None:
    """Also one of a sub-agent: a copy has its parts' texts and calls of tools, under other ids."""
    tool = {"type": "tool", "tool": "read", "callID": "call_1", "state": {"status": "completed", "output": "o" * 900}}
    pruned = {**tool, "state": {**tool["state"], "time": {"compacted": T0}}}  # type: ignore[dict-item]
    text = {"type": "text", "text": 'Done: "é"', "time": {"start": T0, "end": T0 + 1}}
    for file, name, made, kept in (("opencode.db", "a", 0, pruned), ("opencode-dev.db", "b", 100, tool)):
        writer = Writer(tmp_path / file)
        writer.session(f"ses_{name}", made, parent="ses_p" if name == "a" else None)
        writer.message(f"msg_{name}", f"ses_{name}", answer(1, 700), 1)
        for number, part in enumerate((kept, {"type": "step-start"}, text)):
            values = {"id": f"prt_{name}{number}", "message": f"msg_{name}", "session": f"ses_{name}"}
            writer.run("add_part", data=json.dumps(part), **values)
    take(book, tmp_path)
    assert (book.get("ses_a").calls, book.get("ses_b").calls) == (1, 0)


# the older files


def put(path: Path, data: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2))


def stored(name: str, made: int = 0, title: str = "Mend the till") -> dict[str, Any]:
    times = {"created": T0 + made * 1000, "updated": T0 + made * 1000}
    return {"id": name, "directory": "/home/dev/shop", "title": title, "version": "0.5.29", "time": times}


def test_the_files_of_the_oldest_turns_have_their_steps_in_parts(book: rollbook.Rollbook, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    put(storage / "session" / "p1" / "ses_a.json", stored("ses_a"))
    message = {key: value for key, value in answer(1, 30, 3, cost=0.6).items() if key != "finish"}
    put(storage / "message" / "ses_a" / "msg_1.json", message)
    for number in (10, 20, 30):
        part = {"type": "step-finish", "tokens": answer(0, number, number // 10)["tokens"], "cost": number / 100}
        put(storage / "part" / "msg_1" / f"prt_{number}.json", part)
    put(storage / "part" / "msg_1" / "prt_40.json", {"type": "text", "text": "step-finish"})
    take(book, tmp_path)
    found = book.get("ses_a")
    assert (found.calls, found.tokens_in, found.tokens_out, found.cost_nano_usd) == (1, 60, 6, 600_000_000)


def test_files_whose_sessions_file_is_gone_are_spend(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 100))
    put(tmp_path / "message" / "ses_a" / "msg_2.json", prompt(2))
    report = take(book, tmp_path)
    assert (report.new_calls, report.skipped_lines) == (1, 0)
    assert (book.get("ses_a").tokens_in, book.get("ses_a").turns) == (100, 0)
    put(tmp_path / "session" / "p1" / "ses_a.json", stored("ses_a", 60))  # so the answer is a copy
    take(book, tmp_path)
    put(tmp_path / "session" / "p1" / "ses_b.json", stored("ses_b"))
    put(tmp_path / "message" / "ses_b" / "msg_0.json", answer(1, 100))
    take(book, tmp_path)
    assert (book.get("ses_a").calls, book.get("ses_b").calls) == (0, 1)


def test_a_file_that_is_written_again_is_read_again(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "session" / "p1" / "ses_a.json", stored("ses_a"))
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 0, 0, cost=0, time={"created": T0 + 1000}))
    assert take(book, tmp_path).calls == 0
    put(tmp_path / "message" / "ses_a" / "msg_1.json", answer(1, 70))
    assert take(book, tmp_path).new_calls == 1
    changed = stored("ses_a", title="Mend it")
    changed["time"]["updated"] += 60_000
    put(tmp_path / "session" / "p1" / "ses_a.json", changed)
    take(book, tmp_path)
    assert (book.get("ses_a").title, book.get("ses_a").status) == ("Mend it", "completed")


def test_odd_names_and_files(book: rollbook.Rollbook, tmp_path: Path) -> None:
    put(tmp_path / "session" / "p1" / "ses_[a]*.json", stored("x"))
    put(tmp_path / "message" / "ses_[a]*" / "msg_1.json", answer(1))
    put(tmp_path / "session" / "p1" / "ses_b.json", [1, 2])
    put(tmp_path / "session" / "p1" / "ses_c.json", {"time": {"created": -1}})
    put(tmp_path / "message" / "ses_d" / "msg_2.json", answer(2, modelID=7))
    (tmp_path / "message" / "ses_e").write_text("no folder")
    (tmp_path / "message" / "loop").symlink_to(tmp_path / "message")
    report = take(book, tmp_path)
    assert (report.problems, report.new_calls, report.skipped_lines) == ([], 1, 3)
    assert {session.session_id for session in book.iterate()} == {"ses_[a]*"}


def test_the_samples_are_read_wholly_and_priced(book: rollbook.Rollbook) -> None:
    report = take(book, SAMPLES / "opencode", now=1_800_000_000_000_000)
    assert (report.problems, report.skipped_lines, report.new_calls) == ([], 0, 5)
    assert {session.session_id: session.status for session in book.iterate()} == {
        "ses_sample_bakery": "completed",
        "ses_sample_tester": "completed",
        "ses_sample_fork": "failed",
    }
    assert book.inclusive("ses_sample_bakery").calls == 4
    assert book.stats(since="all").unpriced_calls == 0
