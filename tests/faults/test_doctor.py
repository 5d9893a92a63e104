"""The doctor finds what is wrong with a book, says what to do, changes nothing, and never falls ill itself."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import examine
from rollbook.errors import InvalidInput
from rollbook.model import Finding
from rollbook.store import sqlite_health

from . import released
from .restoring import there
from .test_backup import fill
from .test_disk import FULL
from .test_migrations import NEWEST
from .tools import Program, raw, url_of

ALL = (
    "file", "access", "privacy", "space", "disk", "log", "locks", "leftovers", "user", "sqlite", "structure", "balance",
    "names", "prices", "sources", "running", "instances", "clock", "removals", "tables",
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can reach, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="rollbook-faults-"))
    made.chmod(0o755)
    yield made
    subprocess.run(["chmod", "-R", "u+rwx", str(made)], check=True)
    shutil.rmtree(made)


@pytest.fixture
def path(folder: Path) -> Path:
    """A closed book that is well."""
    with rollbook.open(url_of(folder / "book.db")) as book:
        fill(book, 0, 60)
    return folder / "book.db"


def said(path: Path | str, mode: str = "") -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(url_of(path) + mode)}


def wrong(path: Path | str) -> dict[str, str]:
    return {name: finding.detail for name, finding in said(path).items() if not finding.ok}


def test_a_book_that_is_well(path: Path) -> None:
    found = said(path)
    assert tuple(found) == ALL
    assert wrong(path) == {}
    with rollbook.open(url_of(path)) as book:
        assert tuple(finding.name for finding in book.doctor()) == ALL
        assert all(finding.ok for finding in book.doctor())
    with rollbook.open("sqlite:///:memory:") as book:
        assert all(finding.ok for finding in book.doctor())


def test_nothing_is_made_or_changed(path: Path, folder: Path) -> None:
    path.chmod(0o644)
    before, changed = there(folder), path.stat().st_mtime_ns
    for mode in ("", "?mode=ro"):
        # Nor does it find fault with what it made itself.
        assert said(path, mode)["privacy"].detail.endswith(f"run: chmod o-rwx {path}")
        assert (there(folder), path.stat().st_mtime_ns) == (before, changed)
        assert not list(folder.glob("*-shm"))
    path.chmod(0o600)
    assert wrong(folder / "none.db").keys() == {"file"}
    assert "there is no book at" in wrong(folder / "none.db")["file"]
    assert wrong(folder / "nowhere" / "none.db").keys() == {"file"}
    assert wrong(path / "below.db").keys() == {"file"}
    assert said(folder / "none.db", "?mode=rw").keys() == {"file"}
    assert not list(folder.glob("no*"))
    with pytest.raises(InvalidInput, match="unknown option"):
        said(path, "?mode=rw&x=1")


def test_what_is_no_book(folder: Path) -> None:
    (folder / "text").write_text("Dear reader,\n" * 1000)
    (folder / "empty").touch()
    raw(folder / "foreign", "create table cats (name text)")
    released.build(1, folder / "older")
    raw(folder / "newer", f"pragma application_id = {0x524F4C42}", f"pragma user_version = {NEWEST + 1}")
    for one in folder.iterdir():
        one.chmod(0o600)
    before = there(folder)
    assert "is not a file" in wrong(folder)["file"]
    for name, line in (
        ("text", "is not a database"),
        ("empty", "holds no book yet"),
        ("foreign", "another program"),
        ("older", "open it once for writing"),
        ("newer", "upgrade"),
    ):
        assert wrong(folder / name).keys() == {"open"}
        (folder / name).chmod(0o644)
        assert wrong(folder / name).keys() == {"privacy", "open"}
        assert line in wrong(folder / name)["open"]
    assert there(folder) == before
    assert not list(folder.glob("*-shm"))


def test_what_somebody_wrote_and_did_not_close_stays(path: Path, folder: Path) -> None:
    with Program("echo", url_of(path)) as program:
        program.tell("use left")
        assert program.line() == "counted"
        program.kill()
    before = there(folder)
    assert before["book.db-wal"]
    assert wrong(path) == {}
    assert there(folder) == before


def test_a_book_that_comes_into_use_meanwhile_keeps_its_log(path: Path) -> None:
    with Program("echo", url_of(path)) as program, sqlite_health.traceless(url_of(path)):
        program.tell("use seen")
        assert program.line() == "counted"
        log = path.with_name("book.db-wal").read_bytes()
    with sqlite_health.traceless(url_of(path)):
        book = rollbook.open(url_of(path))
        assert book.record_usage("s", usage_id="mine") == "counted"
    assert path.with_name("book.db-wal").exists()
    assert book.record_usage("s", usage_id="mine") == "duplicate"
    book.close()
    assert log
    assert wrong(path) == {}


@pytest.mark.parametrize("table", ["ledger", "session", "spend", "usage_key", "source_file", "session_by_activity_all"])
def test_a_damaged_book_is_still_answered_for(path: Path, table: str) -> None:
    ((page,),) = raw(path, f"select rootpage from sqlite_schema where name = '{table}'")
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = random.Random(1).randbytes(4096)
    path.write_bytes(data)
    for found in (said(path), {item.name: item for item in rollbook.open(url_of(path)).doctor()}):
        assert tuple(found) == ALL
        assert not found["structure"].ok
        assert "restore a backup" in found["structure"].detail
        assert found["file"].ok
        assert found["privacy"].ok
        assert all("\n" not in item.detail for item in found.values())


def test_no_damage_makes_the_doctor_fail(path: Path) -> None:
    good, chance, ill = path.read_bytes(), random.Random(7), 0
    for number in range(40):
        data = bytearray(good)
        if number % 4 == 0:
            del data[chance.randrange(len(data)) :]
        else:
            start = chance.randrange(200 if number % 4 == 1 else len(data))
            data[start : start + 300] = chance.randbytes(300)
        path.write_bytes(data)
        ill += bool(wrong(path))
    assert ill >= 15


def test_a_sum_that_is_wrong(path: Path) -> None:
    raw(path, "update session set calls = calls + 1 where session_no = 2")
    assert wrong(path).keys() == {"balance"}
    assert "calls is" in wrong(path)["balance"]
    assert "rollbook verify" in wrong(path)["balance"]


def test_a_table_or_an_index_that_is_missing(path: Path) -> None:
    raw(path, "drop index session_by_activity")
    assert "there is no index session_by_activity" in wrong(path)["structure"]


def test_a_book_that_others_can_read(path: Path, folder: Path) -> None:
    path.chmod(0o644)
    told = wrong(path)
    assert told.keys() == {"privacy"}
    assert "everybody on this machine may open it" in told["privacy"]
    # What it says to do helps.
    subprocess.run(told["privacy"].partition("run: ")[2], shell=True, check=True)
    assert wrong(path) == {}
    path.chmod(0o644)
    folder.chmod(0o700)
    assert wrong(path) == {}
    path.chmod(0o660)
    assert "its group" in said(path)["privacy"].detail


def test_what_it_says_to_run_runs_whatever_the_folder_is_called(path: Path, folder: Path) -> None:
    odd = folder / "my books; touch 'x'"
    odd.mkdir()
    path = path.rename(odd / "a $(b).db")
    (odd / ".rollbook-restore-a.part").touch()
    os.utime(odd / ".rollbook-restore-a.part", (1, 1))
    path.chmod(0o644)
    odd.chmod(0o755)
    for name in ("privacy", "leftovers"):
        subprocess.run(wrong(path)[name].partition("run: ")[2], shell=True, check=True)
    odd.chmod(0o757)
    subprocess.run(wrong(path)["privacy"].partition("run: ")[2], shell=True, check=True)
    assert wrong(path) == {}


def test_a_folder_in_which_others_can_write(path: Path, folder: Path) -> None:
    folder.chmod(0o757)
    told = wrong(path)
    assert told.keys() == {"privacy"}
    subprocess.run(told["privacy"].partition("run: ")[2].split(), check=True)
    assert wrong(path) == {}


def as_nobody(path: Path) -> dict[str, str]:
    with Program("examining", url_of(path)) as program:
        lines = [line.split(" ", 2) for line in program.finished()]
    return {name: detail for name, ok, detail in lines if ok == "False"}


def test_a_book_of_somebody_else(path: Path, folder: Path) -> None:
    assert "cannot be read by this user" in as_nobody(path)["access"]
    path.chmod(0o644)
    assert "the file cannot be written to" in as_nobody(path)["access"]
    path.chmod(0o666)
    told = as_nobody(path)
    assert "the folder cannot be written to" in told["access"]
    assert "book.db-next belongs to root" in told["locks"]
    for one in folder.iterdir():
        one.chmod(0o666)
    folder.chmod(0o1777)
    assert as_nobody(path).keys() == {"privacy"}


#: Where file systems may not be mounted, the rights of the files have to show it alone.
@pytest.mark.parametrize("kind", ["rights", *(["medium"] if "device" in FULL else [])])
def test_a_place_that_cannot_be_written_to(path: Path, folder: Path, kind: str) -> None:
    path.chmod(0o666)
    folder.chmod(0o1777 if kind == "medium" else 0o555)
    mount = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"')
    with Program("examining", url_of(path), prefix=[*mount, str(folder)] if kind == "medium" else []) as program:
        (line,) = [line for line in program.finished() if line.startswith("access")]
    assert line.startswith("access False")
    assert ("the file system is read-only: mount it for writing" in line) is (kind == "medium")
    assert "mode=ro" in line


def test_a_network_file_system(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(sqlite_health, "_MOUNTS", mounts)
    real = os.path.realpath(path.parent)
    for kind, well in (("nfs4", False), ("cifs", False), ("fuse.sshfs", False), ("9p", False), ("ext4", True)):
        mounts.write_text(f"/dev/x / ext4 rw 0 0\nserver:/y {real} {kind} rw 0 0\nz {real}x nfs rw 0 0\n")
        assert said(path)["disk"].ok is well
        assert kind in said(path)["disk"].detail
        assert ("move the book to a disk of this machine" in said(path)["disk"].detail) is not well


def test_where_a_path_is_mounted() -> None:
    mounts = """dev / ext4 rw
dev /data xfs rw
dev /data/my\\040books nfs rw
dev /data2 cifs rw
other /data btrfs rw
"""
    for place, kind in (
        ("/etc/x", "ext4"),
        ("/data/x", "btrfs"),
        ("/data/my books/x", "nfs"),
        ("/data/my", "btrfs"),
        ("/data2/x", "cifs"),
        ("/data22/x", "ext4"),
    ):
        assert sqlite_health.kind_of_disk(Path(place), mounts) == kind
    assert sqlite_health.kind_of_disk(Path("/x"), "") is None


def test_a_disk_with_little_space(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_health, "_LEAST_FREE", 1 << 62)
    assert wrong(path).keys() == {"space"}
    assert "make room" in wrong(path)["space"]


def test_a_log_that_has_grown(path: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        book.touch("s")
        with path.with_name("book.db-wal").open("ab") as log:
            log.truncate(300 << 20)
        told = {finding.name: finding for finding in book.doctor() if not finding.ok}
        assert told.keys() == {"log"}
        assert "end it" in told["log"].detail
    assert wrong(path) == {}


def test_what_an_interruption_left(path: Path) -> None:
    for name in (".rollbook-restore-a.part", ".rollbook-restore-a.part-journal", ".rollbook-export-b.part"):
        path.with_name(name).write_text("left")
        os.utime(path.with_name(name), (1, 1))
    told = wrong(path)
    assert told.keys() == {"leftovers"}
    assert "3 files of 12 bytes" in told["leftovers"]
    subprocess.run(told["leftovers"].partition("run: ")[2].split(), check=True)
    assert wrong(path) == {}


def test_names_of_calls_that_lead_nowhere(path: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        book.record_usage("s", usage_id="first", aliases=["second"])
    raw(path, "update usage_key set alias_of = 'nothing' where usage_key = 'second'")
    assert wrong(path).keys() == {"names"}


def test_what_is_only_worth_a_word(path: Path, tmp_path: Path) -> None:
    transcript = tmp_path / "transcripts"
    shutil.copytree(released.TRANSCRIPTS / "forked", transcript)
    released.imported(path, None, transcript)
    with rollbook.open(url_of(path)) as book:
        for number in range(7):
            book.record_usage("s", model=f"nobody-knows-{number}", tokens_in=1)
        book.record_usage("s", tokens_in=1)
        book.touch("silent", at="2026-01-05T09:00:00Z")
        book.touch("ahead", at="2999-01-05T09:00:00Z")
    shutil.rmtree(transcript)
    found = said(path)
    assert wrong(path) == {}
    details: dict[str, Any] = {name: finding.detail for name, finding in found.items()}
    assert details["prices"].startswith("8 calls have no price (")
    assert "and 3 more models" in details["prices"]
    assert "rollbook reprice" in details["prices"]
    assert details["sources"].startswith("2 of 2 files that were imported are gone")
    assert details["running"].startswith("1 sessions without an end have been silent")
    assert "2026-01-05T09:00:00.000000+00:00" in details["running"]
    assert details["clock"].startswith("1 sessions told of times ahead")
    assert "genai-prices/" in details["tables"]


def test_calls_that_no_price_can_be_given_are_not_promised_one(path: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        for number in range(5):
            book.record_usage("old", model="mystery", tokens_in=number, occurred_at="2026-01-05T09:00:00Z")
        assert said(path)["prices"].detail.startswith("5 calls have no price (mystery 5);")
        assert book.reprice(dry_run=True, only_unpriced=True).total.calls == 5
        book.prune(ledger="30d")
        assert book.reprice(dry_run=True, only_unpriced=True).total.calls == 0
        assert said(path)["prices"].detail.startswith("5 calls have no price and get none: they were pruned")
        book.record_usage("s", model="another", tokens_in=1)
    assert said(path)["prices"].detail.startswith("1 calls have no price (another 1);")


def test_a_price_file_that_cannot_be_used(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_PRICES", str(tmp_path / "none.toml"))
    assert wrong(path).keys() == {"tables"}
    assert "none.toml" in wrong(path)["tables"]


def test_the_doctor_for_everybody_and_there(path: Path) -> None:
    import asyncio  # noqa: PLC0415

    async def run() -> list[Finding]:
        async with rollbook.aio.open(url_of(path)) as book:
            return await book.doctor()

    assert tuple(finding.name for finding in asyncio.run(run())) == ALL
    assert examine(url_of(path), user="ann@example.org")[8].detail != examine(url_of(path))[8].detail
    assert [finding.ok for finding in examine("sqlite:///:memory:")] == [True] * (len(ALL) - 7)
