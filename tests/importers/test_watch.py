"""import --watch: what is written appears in the book, and nothing that happens to a folder or a book ends it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import apsw
import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.importers import SAMPLES, SOURCES, source
from rollbook.importers.base import ImportReport
from rollbook.importers.watching import Watch

TRAPS: Final = Path(__file__).parents[1] / "data" / "traps"
#: One trap of each source, with more than one file or session.
SOME: Final = (
    ("claude-code", "sub-agent"),
    ("codex", "archived-twin"),
    ("gemini-cli", "sub-agent"),
    ("opencode", "child-session"),
)
PATIENCE_S: Final = 60.0
FOLLOWING: Final = "following"


def eventually(found: Callable[[], Any], wanted: Any = True) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (last := found()) != wanted:
        assert time.monotonic() < deadline, f"still {last!r}, not {wanted!r}"
        time.sleep(0.02)


class Watcher:
    """The program, watching. Leaving the block ends it as a service is ended."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rollbook", "import", "--watch", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=into.extend, args=(stream,))
            for into, stream in ((self.out, self.process.stdout), (self.err, self.process.stderr))
            if stream is not None
        ]

    def __enter__(self) -> Self:
        for reader in self._readers:
            reader.start()
        eventually(lambda: self.said(FOLLOWING) or self.process.poll() is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGTERM if kind is None else signal.SIGKILL)

    def said(self, text: str) -> bool:
        return text in "".join(self.err)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE_S)
        for reader in self._readers:
            reader.join(timeout=PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = f"sqlite:///{tmp_path / 'book.db'}"
    monkeypatch.setenv("ROLLBOOK_DB", made)
    return made


@pytest.fixture
def book(url: str) -> Iterator[Rollbook]:
    with rollbook.open(url) as opened:
        yield opened


@pytest.fixture
def projects() -> Path:
    """The usual folder of Claude Code's transcripts, which is not there yet."""
    return Path.home() / ".claude" / "projects"


def line(number: int, session: str = "s1", at: datetime | None = None) -> str:
    """A line of Claude Code with one call."""
    record = {
        "type": "assistant",
        "uuid": f"u{number}",
        "sessionId": session,
        "timestamp": f"{at or datetime(2026, 5, 1, 12, tzinfo=UTC):%Y-%m-%dT%H:%M:%S.000Z}",
        "requestId": f"req{number}",
        "message": {
            "id": f"msg{number}",
            "model": "claude-sonnet-4-5",
            "role": "assistant",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "Done."}],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    }
    return json.dumps(record) + "\n"


def write(path: Path, *numbers: int, session: str = "s1") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(line(number, session) for number in numbers))


def calls(book: Rollbook) -> int:
    return book.stats(since="all").calls


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
            watcher = stack.enter_context(Watcher(name, "--path", str(place)))
            shutil.copytree(SAMPLES / name, place, dirs_exist_ok=True)
        else:
            shutil.copytree(SAMPLES / name, place, dirs_exist_ok=True)
            watcher = stack.enter_context(Watcher(name, "--path", str(place)))
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
