"""What a restore refuses, and that the book is then as it was."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

import rollbook
from rollbook.errors import InvalidInput, RollbookError, StoreError

from .restoring import OWN, book, copy, path, there, unsigned
from .test_backup import CALLS, names
from .test_migrations import NEWEST
from .tools import holds, raw, sound, url_of

__all__ = ["book", "copy", "path"]


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
