"""A restore takes what is proven to be a whole book, and then everything of it in one step, for everybody."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import InvalidInput, RollbookError, StoreError
from rollbook.store import sqlite_copies
from rollbook.store.turns import Turns

from . import released
from .test_backup import CALLS, checksum, fill, names
from .test_migrations import NEWEST, RELEASED, kept
from .tools import Program, holds, ids_in, opened, raw, sound, url_of, wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the book of a test is."""
    folder = tmp_path / "books"
    folder.mkdir()
    return folder / "book.db"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A backup of another book."""
    made = tmp_path / "copy.db"
    with rollbook.open("sqlite:///:memory:") as book:
        fill(book)
        book.backup(made)
    return made


@pytest.fixture
def book(path: Path) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(url_of(path)) as opened:
        fill(opened, 5000, 300)
        yield opened


OWN: Final = names(5000, 5300)


def there(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for what reading leaves in the index of a log."""
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and not one.name.endswith("-shm")
    }


def unsigned(path: Path) -> None:
    path.with_name(path.name + ".sha256").unlink(missing_ok=True)


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


# What is refused


def _missing(copy: Path) -> None:
    copy.unlink()


def _folder(copy: Path) -> None:
    copy.unlink()
    copy.mkdir()


def _pipe(copy: Path) -> None:
    copy.unlink()
    os.mkfifo(copy)


def _empty(copy: Path) -> None:
    copy.write_bytes(b"")
    unsigned(copy)


def _text(copy: Path) -> None:
    copy.write_text("Dear reader,\n" * 1000)
    unsigned(copy)


def _foreign(copy: Path) -> None:
    copy.unlink()
    raw(copy, "create table cats (name text)", "pragma user_version = 1")
    unsigned(copy)


def _cut(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-5000])
    unsigned(copy)


def _no_checksum(copy: Path) -> None:
    unsigned(copy)


def _wrong_checksum(copy: Path) -> None:
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)


def _others_checksum(copy: Path) -> None:
    listed = copy.with_name("copy.db.sha256")
    line = listed.read_text().replace("copy.db", "other.db")
    listed.write_text(line + line.replace("other.db", "third.db"))


def _no_checksum_in_it(copy: Path) -> None:
    copy.with_name("copy.db.sha256").write_bytes(b"\xff\x00hello\n")


def _newer(copy: Path) -> None:
    raw(copy, f"pragma user_version = {NEWEST + 1}")
    unsigned(copy)


def _unbalanced(copy: Path) -> None:
    raw(copy, "update spend set calls = calls + 1")
    unsigned(copy)


def _nonsense(copy: Path) -> None:
    raw(copy, "update session set life = '{\"half' where session_no = 2")
    unsigned(copy)


def _without_a_table(copy: Path) -> None:
    raw(copy, "drop table purged")
    unsigned(copy)


def _without_an_index(copy: Path) -> None:
    raw(copy, "drop index session_by_activity")
    unsigned(copy)


def _without_a_column(copy: Path) -> None:
    raw(copy, "alter table session drop column pruned_rows")
    unsigned(copy)


def _in_use(copy: Path) -> None:
    copy.with_name("copy.db-wal").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "checked", "said"),
    [
        (_missing, True, "there is no file"),
        (_folder, True, "is not a file"),
        (_pipe, True, "is not a file"),
        (_empty, False, "holds no book"),
        (_text, False, "is not a database"),
        (_foreign, False, "another program.*nothing was restored"),
        (_cut, False, "is damaged"),
        (_no_checksum, True, "there is no checksum copy.db.sha256 .*--no-checksum"),
        (_wrong_checksum, True, "was changed or damaged since"),
        (_wrong_checksum, False, "was changed or damaged since"),
        (_others_checksum, True, "holds no checksum of copy.db"),
        (_no_checksum_in_it, True, "holds no checksum of copy.db.*--no-checksum"),
        (_newer, False, "newer Rollbook .* upgrade; nothing was restored"),
        (_unbalanced, False, "was not restored: the books do not balance"),
        (_nonsense, False, "cannot be read"),
        (_without_a_table, False, "has no table purged"),
        (_without_an_index, False, "has no index session_by_activity"),
        (_without_a_column, False, "no such column"),
        (_in_use, True, "is in use"),
    ],
)
def test_what_is_not_in_order_is_refused_and_the_book_untouched(
    book: rollbook.Rollbook, path: Path, copy: Path, make: Callable[[Path], None], *, checked: bool, said: str
) -> None:
    make(copy)
    files = there(path.parent)
    wrong_path = make in (_missing, _folder, _pipe)
    with pytest.raises(InvalidInput if wrong_path else StoreError, match=said) as caught:
        book.restore(copy, checksum=checked)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)
    assert there(path.parent) == files
    assert book.record_usage("s", usage_id="after") == "counted"
    holds(book, [*OWN, "after"])


@pytest.mark.parametrize("make", [_no_checksum, _others_checksum, _no_checksum_in_it])
def test_a_checksum_that_cannot_be_read_is_passed_over_where_none_is_wanted(
    book: rollbook.Rollbook, copy: Path, make: Callable[[Path], None]
) -> None:
    make(copy)
    assert book.restore(copy, checksum=False).ledger_rows == CALLS
    holds(book, names(CALLS))


def test_a_book_is_not_restored_from_itself(book: rollbook.Rollbook, path: Path) -> None:
    path.with_name("link.db").symlink_to(path)
    files = there(path.parent)
    for source in (path, path.with_name("link.db"), path.with_name("book.db-wal")):
        with pytest.raises(InvalidInput, match="the book itself"):
            book.restore(source, checksum=False)
    assert there(path.parent) == files


def test_a_checksum_goes_with_its_file_under_any_name(book: rollbook.Rollbook, copy: Path) -> None:
    copy.rename(copy.with_name("renamed.db"))
    copy.with_name("copy.db.sha256").rename(copy.with_name("renamed.db.sha256"))
    assert book.restore(copy.with_name("renamed.db")).ledger_rows == CALLS


def test_a_book_opened_for_reading_only_takes_no_restore(book: rollbook.Rollbook, path: Path, copy: Path) -> None:
    files = there(path.parent)
    with rollbook.open(url_of(path) + "?mode=ro") as other, pytest.raises(StoreError, match="for reading only"):
        other.restore(copy)
    assert there(path.parent) == files


def test_damage_of_any_kind_is_refused_or_did_no_harm(path: Path, copy: Path) -> None:
    """Without its checksum, SQLite and the sums themselves have to find what is wrong with a backup."""
    good, chance, refused = copy.read_bytes(), random.Random(5), list[str]()
    with rollbook.open(url_of(path)) as book:
        book.record_usage("s", usage_id="mine")
        unsigned(copy)
        for number in range(60):
            data = bytearray(good)
            if number % 3 == 0:
                del data[chance.randrange(len(data)) :]
            elif number % 3 == 1:
                start = chance.randrange(len(data))
                data[start : start + 200] = chance.randbytes(200)
            else:
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            copy.write_bytes(data)
            try:
                book.restore(copy, checksum=False)
            except RollbookError as error:
                refused.append(str(error))
                holds(book, ["mine"])
            else:
                sound(book)
                for kept_one in path.parent.glob("*before-restore*.db"):
                    book.restore(kept_one)
                    kept_one.unlink()
                for kept_one in path.parent.glob("*before-restore*"):
                    kept_one.unlink()
                holds(book, ["mine"])
    assert len(refused) >= 20
    assert all("\n" not in line and str(copy) in line for line in refused)
    assert not list(path.parent.glob(".rollbook-*"))


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
