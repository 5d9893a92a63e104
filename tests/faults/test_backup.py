"""A backup is the book at one moment, proven and whole under its name, or it is not there."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import rollbook
from rollbook.errors import InvalidInput, StoreError
from rollbook.store import forks, sqlite_copies

from .test_disk import FULL, MOUNT
from .tools import Program, holds, ids_in, raw, sound, url_of, wait_until

CALLS: Final = 600


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the book of a test is."""
    folder = tmp_path / "books"
    folder.mkdir()
    return folder / "book.db"


@pytest.fixture
def book(path: Path) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(url_of(path)) as opened:
        fill(opened)
        yield opened


def fill(book: rollbook.Rollbook, first: int = 0, count: int = CALLS) -> None:
    book.record_many(
        {"session_id": f"s{number % 17}", "usage_id": f"u{number}", "tokens_in": number, "model": "gpt-4o"}
        for number in range(first, first + count)
    )


def names(*numbers: int) -> list[str]:
    return [f"u{number}" for number in range(*numbers)]


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_backup_is_one_proven_file_with_its_checksum(book: rollbook.Rollbook, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    made = book.backup(tmp_path / "copy.db", progress=lambda *step: told.append(step))
    copy = tmp_path / "copy.db"
    assert (made.path, made.bytes, made.sha256) == (str(copy), copy.stat().st_size, checksum(copy))
    assert (made.sessions, made.ledger_rows) == (17, CALLS)
    assert made.seconds > 0
    assert (tmp_path / "copy.db.sha256").read_text() == f"{made.sha256}  copy.db\n"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["books", "copy.db", "copy.db.sha256"]
    assert {step[0] for step in told} == {"copy", "check"}
    assert all(0 <= done <= total for _, done, total in told)
    # Neither the file nor anything in it asks for a log beside it.
    assert copy.read_bytes()[18:20] == b"\x01\x01"
    before = copy.read_bytes()
    with rollbook.open(url_of(copy) + "?mode=ro") as other:
        holds(other, names(CALLS))
    assert copy.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["books", "copy.db", "copy.db.sha256"]


@pytest.mark.parametrize("name", ["copy.db", "-copy", "with space.db", "back\\slash", "new\nline", "löschen"])
def test_sha256sum_reads_the_checksum(book: rollbook.Rollbook, tmp_path: Path, name: str) -> None:
    book.backup(tmp_path / name)
    check = ["sha256sum", "--check", "--strict", "--status", "--", f"{name}.sha256"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    assert book.restore(tmp_path / name).ledger_rows == CALLS
    with (tmp_path / name).open("ab") as file:
        file.write(b"x")
    assert subprocess.run(check, cwd=tmp_path, check=False, stderr=subprocess.DEVNULL).returncode == 1


def test_a_backup_is_private(book: rollbook.Rollbook, tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        book.backup(tmp_path / "copy.db")
    finally:
        os.umask(mask)
    for name in ("copy.db", "copy.db.sha256"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_backup_is_the_book_at_the_moment_it_began(
    book: rollbook.Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copies, "STEP_PAGES", 10)
    written: list[str] = []

    def write(_what: str, _done: int, _total: int) -> None:
        name = f"meanwhile{len(written)}"
        assert book.record_usage(f"s{len(written) % 20}", usage_id=name, tokens_in=1) == "counted"
        written.append(name)

    made = book.backup(tmp_path / "copy.db", progress=write)
    assert len(written) >= 5
    assert made.ledger_rows == CALLS
    with rollbook.open(url_of(tmp_path / "copy.db") + "?mode=ro") as copy:
        holds(copy, names(CALLS))
    holds(book, [*names(CALLS), *written])


def test_backups_under_writes_of_other_processes_hold_all_that_was_acknowledged_before(path: Path) -> None:
    log = path.with_name("log")

    def acknowledged() -> set[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        return {line.split()[1] for line in lines if line.startswith("< ")}

    with Program("caller", url_of(path), log, "p1", "threads"), Program("caller", url_of(path), log, "p2", "tasks"):
        wait_until(lambda: len(acknowledged()) > 50, "some acknowledgements")
        with rollbook.open(url_of(path)) as book:
            for number in range(5):
                before = acknowledged()
                target = path.with_name(f"copy{number}.db")
                book.backup(target)
                with rollbook.open(url_of(target) + "?mode=ro") as copy:
                    there = ids_in(copy)
                    sound(copy)
                assert len(there) == len(set(there))
                assert before <= set(there), sorted(before - set(there))[:5]
                wait_until(lambda before=before: len(acknowledged()) > len(before), "progress")  # type: ignore[misc]


def test_nothing_is_overwritten_unless_it_is_said(book: rollbook.Rollbook, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    with pytest.raises(InvalidInput, match=r"is there already.*--replace"):
        book.backup(copy)
    assert copy.read_text() == "mine"
    copy.unlink()
    listed = tmp_path / "copy.db.sha256"
    listed.write_text("mine too")
    with pytest.raises(InvalidInput, match=r"copy.db.sha256 is there already.*--replace"):
        book.backup(copy)
    assert listed.read_text() == "mine too"
    assert not copy.exists()
    assert book.backup(copy, replace=True).ledger_rows == CALLS
    fill(book, CALLS, 10)
    made = book.backup(copy, replace=True)
    assert made.ledger_rows == CALLS + 10
    assert (tmp_path / "copy.db.sha256").read_text().split()[0] == checksum(copy) == made.sha256


@pytest.mark.parametrize("name", ["copy.db", "copy.db.sha256"])
def test_a_name_that_somebody_took_meanwhile_stays_theirs(book: rollbook.Rollbook, tmp_path: Path, name: str) -> None:
    taken = tmp_path / name

    def take(_what: str, _done: int, _total: int) -> None:
        taken.write_text("theirs")

    with pytest.raises(InvalidInput, match="is there by now"):
        book.backup(tmp_path / "copy.db", progress=take)
    assert taken.read_text() == "theirs"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["books", name]


def test_places_where_no_backup_can_be(book: rollbook.Rollbook, path: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "used.db-wal").touch()
    before = path.read_bytes()
    for place, said in (
        (path, "the book itself"),
        (tmp_path / "link.db", "the book itself"),
        (path.with_name("book.db-wal"), "belongs to it"),
        (path.with_name("book.db-turn"), "belongs to it"),
        (tmp_path, "is not a file"),
        (tmp_path / "pipe", "is not a file"),
        (Path("/dev/null"), "is not a file"),
        (tmp_path / "nowhere" / "copy.db", "there is no folder"),
        (path / "copy.db", "there is no folder"),
        (tmp_path / "used.db", "is in use"),
        ("", "named by its path"),
        ("a\0b", "named by its path"),
        (b"copy.db", "named by its path"),
        (None, "named by its path"),
    ):
        for replace in (False, True):
            with pytest.raises(InvalidInput, match=said):
                book.backup(place, replace=replace)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert Path("/dev/null").is_char_device()
    holds(book, names(CALLS))


def test_a_folder_without_permission_is_a_clear_error(book: rollbook.Rollbook) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rollbook-faults-"))
    book.backup(folder / "book.db")
    os.chown(folder / "book.db", 65534, 65534)
    (folder / "locked").mkdir(mode=0o555)
    os.chown(folder, 65534, 65534)
    try:
        with Program("unprivileged", url_of(folder / "book.db"), folder / "locked" / "copy.db") as program:
            (said,) = [line for line in program.finished() if "copy.db" in line]
        assert re.fullmatch(r"StoreError \S+copy\.db cannot be used: permission denied; nothing was changed", said)
        assert list((folder / "locked").iterdir()) == []
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)


def test_a_book_that_does_not_balance_makes_no_backup(book: rollbook.Rollbook, path: Path, tmp_path: Path) -> None:
    book.backup(tmp_path / "copy.db")
    before = checksum(tmp_path / "copy.db")
    raw(path, "update session set calls = calls + 1 where session_no = 3")
    with pytest.raises(StoreError, match=r"other.db was not made: the books do not balance: "):
        book.backup(tmp_path / "other.db")
    with pytest.raises(StoreError, match="do not balance"):
        book.backup(tmp_path / "copy.db", replace=True)
    assert checksum(tmp_path / "copy.db") == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["books", "copy.db", "copy.db.sha256"]


@pytest.mark.parametrize("at", range(6))
def test_what_is_broken_off_leaves_nothing(
    book: rollbook.Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(sqlite_copies, "STEP_PAGES", 8)
    steps = iter(range(1000))

    def step(_what: str, _done: int, _total: int) -> None:
        if next(steps) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        book.backup(tmp_path / "copy.db", progress=step)
    assert [one.name for one in tmp_path.iterdir()] == ["books"]
    book.record_usage("s", usage_id="after")
    assert book.backup(tmp_path / "copy.db").ledger_rows == CALLS + 1


def test_ctrl_c_between_two_steps(book: rollbook.Rollbook, path: Path, tmp_path: Path) -> None:
    with Program("copying", "backup", url_of(path), tmp_path / "copy.db") as program:
        for _ in range(3):
            program.line()
            program.tell()
        program.line()
        program.process.send_signal(signal.SIGINT)
        assert program.finished()[-1].startswith("KeyboardInterrupt")
    assert [one.name for one in tmp_path.iterdir()] == ["books"]
    holds(book, names(CALLS))


def test_kill_9_at_any_step_leaves_no_backup_and_the_book_as_it_was(
    book: rollbook.Rollbook, path: Path, tmp_path: Path
) -> None:
    copy, steps = tmp_path / "copy.db", 0
    for steps in range(100):
        with Program("copying", "backup", url_of(path), copy) as program:
            for _ in range(steps):
                program.line()
                program.tell()
            said = program.line()
            program.kill()
        if said.startswith("done"):
            break
        assert not copy.exists()
        assert not copy.with_name("copy.db.sha256").exists()
        book.record_usage("s", usage_id=f"u{CALLS + steps}")
    assert 6 < steps < 100
    assert book.restore(copy).ledger_rows == CALLS + steps
    for part in tmp_path.glob(".rollbook-*"):
        assert part.name.startswith(".rollbook-backup-")
        assert part.stat().st_mode & 0o077 == 0
    # What was left beside a book, the doctor finds when nobody can be at work on it any more.
    left = next(tmp_path.glob(".rollbook-*")).rename(path.with_name(".rollbook-backup-x.part"))
    findings = {finding.name: finding for finding in book.doctor()}
    assert findings["leftovers"].ok
    os.utime(left, (1, 1))
    findings = {finding.name: finding for finding in book.doctor()}
    assert not findings["leftovers"].ok
    assert str(left) in findings["leftovers"].detail


def test_a_book_in_memory_is_backed_up(tmp_path: Path) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        fill(book)
        assert book.backup(tmp_path / "copy.db").ledger_rows == CALLS
        fill(book, CALLS, 1)
        holds(book, names(CALLS + 1))
    with rollbook.open(url_of(tmp_path / "copy.db")) as copy:
        holds(copy, names(CALLS))
        fill(copy, CALLS, 1)


def test_a_book_that_is_only_read_is_backed_up(book: rollbook.Rollbook, path: Path, tmp_path: Path) -> None:
    with rollbook.open(url_of(path) + "?mode=ro") as other:
        assert other.backup(tmp_path / "copy.db").ledger_rows == CALLS


def test_an_empty_book_is_backed_up(tmp_path: Path) -> None:
    with rollbook.open(url_of(tmp_path / "book.db")) as book:
        assert book.backup(tmp_path / "copy.db").sessions == 0
        assert book.restore(tmp_path / "copy.db").replaced is None


def test_the_asynchronous_face_goes_on_meanwhile(tmp_path: Path) -> None:
    async def run() -> tuple[int, int]:
        async with rollbook.aio.open(url_of(tmp_path / "book.db")) as book:
            await book.record_many({"session_id": "s", "usage_id": f"u{n}"} for n in range(200))
            making = asyncio.create_task(book.backup(tmp_path / "copy.db"))
            while not making.done():
                await book.record_usage("s", tokens_in=1)
            made = await making
            done = await book.restore(tmp_path / "copy.db")
            return made.ledger_rows, done.ledger_rows

    first, second = asyncio.run(run())
    assert first == second >= 200


@pytest.mark.parametrize("kind", FULL)
def test_no_space_is_a_clear_error_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    prefix = [*MOUNT, str(tmp_path)] if kind == "device" else []
    with Program("no_room", tmp_path, kind, prefix=prefix) as program:
        assert len(program.finished()) == 3


def test_a_fork_in_the_midst_of_a_backup_leaves_both_with_a_book(
    book: rollbook.Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[int] = []

    def fork(_what: str, _done: int, _total: int) -> None:
        if children:
            return
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                book.record_usage("s", usage_id="child")
                os._exit(0)
            os._exit(1)
        children.append(child)
        assert os.waitpid(child, 0)[1] == 0

    monkeypatch.setattr(forks, "_WAIT_S", 0.2)
    assert book.backup(tmp_path / "copy.db", progress=fork).ledger_rows == CALLS
    holds(book, [*names(CALLS), "child"])
