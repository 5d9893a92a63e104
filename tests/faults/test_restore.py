"""A restore takes what is proven to be a whole book, and then everything of it in one step, for everybody."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.errors import RollbookError, StoreError
from rollbook.store import sqlite_copies
from rollbook.store.turns import Turns

from . import released
from .restoring import OWN, book, copy, path, there, unsigned
from .test_backup import CALLS, checksum, fill, names
from .test_migrations import NEWEST, RELEASED, kept
from .tools import Program, holds, ids_in, opened, raw, sound, url_of, wait_until

__all__ = ["book", "copy", "path"]


def test_a_backup_comes_back_and_what_was_there_is_kept(book: rollbook.Rollbook, path: Path, copy: Path) -> None:
    told: list[tuple[str, int, int]] = []
    done = book.restore(copy, progress=lambda *step: told.append(step))
    assert (done.path, done.bytes, done.sha256) == (str(copy), copy.stat().st_size, checksum(copy))
    assert (done.sessions, done.ledger_rows, done.schema) == (17, CALLS, NEWEST)
    assert [step[0] for step in told if step[1] == step[2]] == ["read", "check", "keep", "replace"]
    assert list(released.dumped(path)) == list(released.dumped(copy))
    holds(book, names(CALLS))
    assert done.replaced is not None
    before = Path(done.replaced)
    assert before.parent == path.parent
    assert before.name.startswith("book.db.before-restore-")
    assert before.suffix == ".db"
    with rollbook.open(url_of(before) + "?mode=ro") as other:
        holds(other, OWN)
    assert sorted(one.name for one in path.parent.iterdir() if "-restore-" in one.name) == [
        before.name,
        f"{before.name}.sha256",
    ]
    assert not list(path.parent.glob(".rollbook-*"))
    # And back again, with a kept one of its own.
    again = book.restore(before)
    holds(book, OWN)
    assert again.replaced not in (None, done.replaced)


def test_the_book_is_used_as_before_after_a_restore(book: rollbook.Rollbook, path: Path, copy: Path) -> None:
    with rollbook.open(url_of(path)) as other:
        for one in (book, other):  # their caches know the old book
            one.record_usage("s1", usage_id="known to both")
        book.restore(copy)
        for number, one in enumerate((book, other)):
            assert one.record_usage("s1", usage_id="u5") == "duplicate"
            assert one.record_usage("s1", usage_id="u5001" if number else "known to both") == "counted"
            assert one.record_usage("another model", usage_id=f"new{number}", model=f"m{number}") == "counted"
            assert one.touch(f"t{number}", agent="x", project="y").agent == "x"
        holds(other, [*names(CALLS), "u5001", "known to both", "new0", "new1"])


def test_other_processes_see_the_new_contents_and_go_on_with_them(
    book: rollbook.Rollbook, path: Path, copy: Path
) -> None:
    with Program("echo", url_of(path)) as one, Program("echo", url_of(path)) as two:

        def said(program: Program, what: str) -> str:
            program.tell(what)
            return program.line()

        assert said(one, "use mine") == said(two, "use yours") == "counted"
        book.restore(copy)
        assert said(one, "ids").split() == sorted(names(CALLS))
        assert said(one, "use mine") == said(two, "use yours") == "counted"
        assert said(two, "use u7") == said(one, "use yours") == "duplicate"
        assert said(one, "sound") == said(two, "sound") == "True"
    holds(book, [*names(CALLS), "mine", "yours"])


def test_a_reader_in_the_midst_of_something_sees_the_old_book_to_its_end(book: rollbook.Rollbook, copy: Path) -> None:
    with book._plans.store.read() as tx:
        before = tx.rows("every_ledger_row")
        book.restore(copy)
        assert tx.rows("every_ledger_row") == before
    holds(book, names(CALLS))


def test_nothing_acknowledged_is_lost_under_writes_of_other_processes(path: Path, copy: Path) -> None:
    """Each call that was acknowledged is in a kept book or in the book."""
    log = path.with_name("log")

    def acknowledged() -> set[str]:
        lines = log.read_text().splitlines() if log.exists() else []
        return {line.split()[1] for line in lines if line.startswith("< ")}

    kept_ones: set[str] = set()
    with (
        rollbook.open(url_of(path)) as book,
        Program("caller", url_of(path), log, "p1", "threads"),
        Program("caller", url_of(path), log, "p2", "tasks"),
    ):
        for _ in range(4):
            before = len(acknowledged())
            wait_until(lambda before=before: len(acknowledged()) > before + 50, "progress")  # type: ignore[misc]
            done = book.restore(copy)
            assert done.replaced is not None
            with rollbook.open(url_of(done.replaced) + "?mode=ro") as old:
                kept_ones |= set(ids_in(old))
                sound(old)
    with rollbook.open(url_of(path)) as book:
        now = set(ids_in(book))
        sound(book)
    assert len(acknowledged()) > 200
    assert acknowledged() <= kept_ones | now
    assert set(names(CALLS)) <= now


def test_two_restores_at_once(book: rollbook.Rollbook, path: Path, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with rollbook.open("sqlite:///:memory:") as small:
        fill(small, 0, 7)
        small.backup(other)
    with (
        Program("copying", "restore", url_of(path), copy) as one,
        Program("copying", "restore", url_of(path), other) as two,
    ):
        for program in (one, two):
            for _ in range(1000):
                program.tell()
        assert one.finished()[-1] == f"done 17 {CALLS}"
        assert two.finished()[-1] == "done 7 7"
    assert sorted(ids_in(book)) in (sorted(names(7)), sorted(names(CALLS)))
    sound(book)
    assert len(list(path.parent.glob("*before-restore*.db"))) == 2


def test_a_program_that_takes_no_turns_loses_nothing(
    book: rollbook.Rollbook, path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def write(what: str, done: int, total: int) -> None:
        nonlocal written
        if what == "keep" and done == total and written < most:
            written += 1
            raw(path, f"insert into label (name) values ('sneaked {written}')")

    most = 2
    done = book.restore(copy, progress=write)
    assert (written, done.ledger_rows) == (2, CALLS)
    assert done.replaced is not None
    assert raw(done.replaced, "select count(*) from label where name like 'sneaked%'") == [(2,)]
    assert len(list(path.parent.glob("*before-restore*.db"))) == 1
    holds(book, names(CALLS))
    most = 1000
    with pytest.raises(StoreError, match="takes no turns"):
        book.restore(copy, progress=write)
    assert raw(path, "select count(*) from label where name like 'sneaked%'")[0][0] > 0
    assert len(list(path.parent.glob("*before-restore*.db"))) == 1
    holds(book, names(CALLS))


def test_a_book_held_by_another_for_too_long_is_left_alone(path: Path, copy: Path) -> None:
    with opened(path, busy_timeout_s=0.5) as book:
        book.record_usage("s", usage_id="1")
        other = Turns(path)
        assert other.take(float("inf"))
        with pytest.raises(StoreError, match="locked by another process"):
            book.restore(copy)
        other.close()
        holds(book, ["1"])
        book.restore(copy)
        holds(book, names(CALLS))


# What comes from elsewhere


@pytest.mark.parametrize("schema", sorted(RELEASED))
def test_a_backup_of_a_released_version_is_brought_up_to_date(tmp_path: Path, path: Path, schema: int) -> None:
    old = tmp_path / "old.db"
    released.build(schema, old)
    before = old.read_bytes()
    with rollbook.open(url_of(path)) as book:
        done = book.restore(old, checksum=False)
        assert (done.schema, done.replaced) == (schema, None)
    assert old.read_bytes() == before
    assert kept(released.expected(schema), released.answers(path)) == []
    assert raw(path, "pragma user_version") == [(NEWEST,)]


def test_a_copy_with_pages_of_another_size_is_taken(book: rollbook.Rollbook, copy: Path) -> None:
    raw(copy, "pragma page_size = 1024", "vacuum")
    unsigned(copy)
    before = copy.read_bytes()
    assert book.restore(copy, checksum=False).ledger_rows == CALLS
    assert copy.read_bytes() == before
    holds(book, names(CALLS))


def test_a_damaged_book_can_be_restored(path: Path, copy: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        fill(book, 5000, 300)
    data = bytearray(path.read_bytes())
    for (page,) in raw(path, "select rootpage from sqlite_schema where name in ('ledger', 'session_by_id')"):
        data[(page - 1) * 4096 : page * 4096] = random.Random(page).randbytes(4096)
    path.write_bytes(data)
    with rollbook.open(url_of(path)) as book:
        with pytest.raises(RollbookError):
            book.verify()
        done = book.restore(copy)
        holds(book, names(CALLS))
        assert all(finding.ok for finding in book.doctor())
    assert done.replaced is not None
    assert Path(done.replaced).stat().st_size == len(data)


def test_a_book_too_damaged_to_be_opened_is_moved_away(path: Path, copy: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        fill(book, 5000, 300)
    data = bytearray(path.read_bytes())
    data[100:4000] = bytes(3900)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="move it away with the files beside it, and restore a backup"):
        rollbook.open(url_of(path)).verify()
    path.rename(path.with_name("moved away"))
    with rollbook.open(url_of(path)) as book:
        assert book.restore(copy).replaced is None
        holds(book, names(CALLS))


def test_a_book_in_memory_takes_a_backup(copy: Path) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        fill(book, 5000, 30)
        assert book.restore(copy).replaced is None
        holds(book, names(CALLS))
        assert book.record_usage("s1", usage_id="u5") == "duplicate"
        assert book.record_usage("s1", usage_id="u5001", model="another") == "counted"
        holds(book, [*names(CALLS), "u5001"])


# What is broken off


def test_kill_9_at_any_step_leaves_the_old_book_or_the_new_one(path: Path, copy: Path) -> None:
    with rollbook.open(url_of(path)) as book:
        fill(book, 5000, 300)
    first = path.with_name("first.db")
    shutil.copy(path, first)
    old, steps, said, seen = list(released.dumped(path)), 0, "", set()
    new = list(released.dumped(copy))
    for steps in range(200):
        with Program("copying", "restore", url_of(path), copy) as program:
            for _ in range(steps):
                program.line()
                program.tell()
            said = program.line()
            program.kill()
        seen.add(said.split()[0])
        if said.startswith("done"):
            break
        assert list(released.dumped(path)) == (new if _is_last(said) else old), said
        with rollbook.open(url_of(path)) as book:
            holds(book, names(CALLS) if _is_last(said) else OWN)
            assert book.record_usage("s", usage_id="after") == "counted"
            book.restore(first, checksum=False)
        for left in (*path.parent.glob("*before-restore*"), *path.parent.glob(".rollbook-*")):
            left.unlink()
    assert seen == {"opened", "read", "check", "keep", "replace", "done"}
    assert steps >= 10
    with rollbook.open(url_of(path)) as book:
        holds(book, names(CALLS))


def _is_last(said: str) -> bool:
    what, done, total = said.split()
    return what == "replace" and done == total


@pytest.mark.parametrize("stage", ["read", "check", "keep", "replace"])
def test_what_is_broken_off_leaves_the_book_and_nothing_beside_it(
    book: rollbook.Rollbook, path: Path, copy: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copies, "STEP_PAGES", 8)
    count = 0

    def step(what: str, _done: int, _total: int) -> None:
        nonlocal count
        count += what == stage
        if count == (2 if stage in ("keep", "replace") else 1):
            raise KeyboardInterrupt

    listed = set(there(path.parent))
    with pytest.raises(KeyboardInterrupt):
        book.restore(copy, progress=step)
    assert set(there(path.parent)) == listed
    assert book.record_usage("s", usage_id="after") == "counted"
    holds(book, [*OWN, "after"])
    book.restore(copy)
    holds(book, names(CALLS))


def _answers(book: rollbook.Rollbook) -> Any:
    return [(one.session_id, one.calls, one.tokens_in, one.cost_nano_usd) for one in book.iterate()]


def test_figures_are_the_same_after_backup_and_restore(book: rollbook.Rollbook, tmp_path: Path) -> None:
    book.backup(tmp_path / "same.db")
    before = (_answers(book), book.stats(since="all"), book.spend(by="model", since="all"))
    book.record_usage("s1", usage_id="more", tokens_in=5)
    book.delete("s3")
    book.restore(tmp_path / "same.db")
    assert (_answers(book), book.stats(since="all"), book.spend(by="model", since="all")) == before
