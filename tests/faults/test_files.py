"""Files that are not a book, or not one that may be used: one clear error, and the file as it was."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.errors import StoreError

from .tools import Program, holds, opened, raw, sound, url_of

BUSY_S = 0.3


@pytest.fixture
def book_file(tmp_path: Path) -> Path:
    """A closed book with a few sessions and sixty calls."""
    path = tmp_path / "book.db"
    with opened(path) as book:
        for number in range(60):
            book.record_usage(f"s{number % 9}", usage_id=f"u{number}", model="m" * (number % 7 + 1), cost_usd="0.01")
        book.touch("s1", title="t" * 900, goal_text="g" * 9000)
    return path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="rollbook-faults-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def everything_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


def refused(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as caught:
        opened(url.removeprefix("sqlite:///"), busy_timeout_s=BUSY_S)
    assert "\n" not in str(caught.value)


def _text(path: Path) -> None:
    path.write_text("this is not a database\n" * 1000)


def _short_text(path: Path) -> None:
    path.write_text("hello")


def _binary(path: Path) -> None:
    path.write_bytes(random.Random(3).randbytes(50_000))


def _others(path: Path) -> None:
    raw(path, "create table cats (name text)", "insert into cats values ('Tom')")


def _others_with_numbers(path: Path) -> None:
    raw(path, "create table cats (name text)", "pragma application_id = 77", "pragma user_version = 1")


def _numbers_alone(path: Path) -> None:
    raw(path, "pragma user_version = 3")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_text, "not a database"),
        (_short_text, "not a database"),
        (_binary, "not a database"),
        (_others, "another program"),
        (_others_with_numbers, "another program"),
        (_numbers_alone, "another program"),
    ],
)
def test_a_file_that_is_not_a_book_is_refused_untouched(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "file.db"
    make(path)
    before = everything_in(tmp_path)
    refused(url_of(path), said)
    assert everything_in(tmp_path)["file.db"] == before["file.db"], "the file was changed"
    refused(url_of(path) + "?mode=ro", said)
    assert everything_in(tmp_path) == before, "something was left beside the file"


def test_a_book_of_a_newer_version_is_refused_untouched_and_opens_after_the_upgrade(book_file: Path) -> None:
    ((version,),) = raw(book_file, "pragma user_version")
    raw(book_file, f"pragma user_version = {version + 1}")
    before = everything_in(book_file.parent)["book.db"]
    refused(url_of(book_file), "newer")
    refused(url_of(book_file) + "?mode=ro", "newer")
    assert everything_in(book_file.parent)["book.db"] == before
    raw(book_file, f"pragma user_version = {version}")
    with opened(book_file) as book:
        holds(book, (f"u{number}" for number in range(60)))


def test_a_folder_or_a_path_through_a_file_is_refused(tmp_path: Path, book_file: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(url_of(tmp_path / "folder"), "cannot be opened")
    refused(url_of(tmp_path / "folder") + "?mode=ro", "cannot be opened")
    refused(url_of(book_file / "below.db"), "cannot be opened")
    refused(url_of(tmp_path / "nowhere.db") + "?mode=ro", "cannot be opened")
    assert not (tmp_path / "nowhere.db").exists()


def test_an_empty_file_becomes_a_book(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with opened(tmp_path / "empty.db") as book:
        book.record_usage("s", usage_id="1")
        holds(book, ["1"])


def test_opening_that_fails_leaves_no_open_files(tmp_path: Path) -> None:
    others, newer = tmp_path / "others.db", tmp_path / "newer.db"
    _others(others)
    with opened(newer) as book:
        book.touch("s")
    raw(newer, "pragma user_version = 999")
    count = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        refused(url_of(others), "another program")
        refused(url_of(newer), "newer")
    assert len(list(Path("/dev/fd").iterdir())) <= count + 2


def _as_nobody(path: Path, mode: str = "") -> list[str]:
    with Program("unprivileged", url_of(path) + mode, env={"ROLLBOOK_BUSY_TIMEOUT": "1"}) as program:
        return program.finished()


@pytest.mark.parametrize(
    ("file_mode", "folder_mode"), [(0o444, 0o777), (0o444, 0o555), (0o666, 0o555), (0o000, 0o777), (0o666, 0o000)]
)
def test_a_book_that_may_not_be_written_is_a_clear_error(
    open_folder: Path, book_file: Path, file_mode: int, folder_mode: int
) -> None:
    path = open_folder / "book.db"
    shutil.copy(book_file, path)
    before = everything_in(open_folder)
    path.chmod(file_mode)
    open_folder.chmod(folder_mode)
    *read, said = _as_nobody(path)
    assert read in ([], ["read 7"]), read  # it may be found out at once, or when something is to be written
    assert said.startswith("StoreError"), said
    assert any(word in said for word in ("read-only", "cannot be opened")), said
    open_folder.chmod(0o755)
    path.chmod(0o600)
    assert everything_in(open_folder)["book.db"] == before["book.db"]
    # With the rights, everything is there.
    open_folder.chmod(0o777)
    path.chmod(0o666)
    for beside in open_folder.iterdir():
        os.chown(beside, open_folder.stat().st_uid, open_folder.stat().st_gid)
        beside.chmod(0o666)
    assert _as_nobody(path) == ["read 7", "wrote counted"]


def test_a_folder_that_may_not_be_written_takes_no_new_book(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    (said,) = _as_nobody(open_folder / "book.db")
    assert said.startswith("StoreError"), said
    (said,) = _as_nobody(open_folder / "further" / "book.db")
    assert said.startswith("StoreError"), said
    assert everything_in(open_folder) == {}


def test_reading_only_needs_no_right_to_write(open_folder: Path, book_file: Path) -> None:
    path = open_folder / "book.db"
    shutil.copy(book_file, path)
    path.chmod(0o444)
    open_folder.chmod(0o777)
    told = _as_nobody(path, "?mode=ro")
    assert told[0] == "read 7", told
    assert told[1].startswith("StoreError"), told
    assert "reading only" in told[1], told


def _use(book: rollbook.Rollbook) -> list[Any]:
    """Every kind of use, each of which may fail; the errors."""
    errors: list[Any] = []
    uses: list[Callable[[], Any]] = [
        lambda: book.record_usage("s2", usage_id="again", model="other"),
        lambda: book.record_usage("s2", usage_id="u3"),
        lambda: book.touch("s1", title="other"),
        lambda: book.end("s3", "completed"),
        lambda: book.get("s1"),
        lambda: list(book.iterate()),
        lambda: book.usage("s4"),
        lambda: book.stats(since="all"),
        lambda: book.cost_by_model(since="all"),
        lambda: book.spend(by="model", since="all"),
        lambda: book.delete("s5"),
        book.verify,
        book.doctor,
    ]
    for use in uses:
        try:
            use()
        except rollbook.RollbookError as error:
            errors.append(error)
    return errors


def _damages(data: bytes) -> Iterator[tuple[str, bytes]]:
    chance, size = random.Random(11), 4096
    for length in (50, 100, 511, 512, size - 1, size, size + 1, len(data) // 2, len(data) // 2 // size * size):
        yield f"cut to {length}", data[:length]
    for page in range(len(data) // size):
        for name, filling in (("zeros", bytes(size)), ("garbage", chance.randbytes(size))):
            start = page * size + (100 if page == 0 else 0)
            yield f"page {page} {name}", data[:start] + filling[: size - start % size] + data[(page + 1) * size :]
    for number in range(30):
        changed = bytearray(data)
        for _ in range(20):
            changed[chance.randrange(100, len(data))] = chance.randrange(256)
        yield f"bytes {number}", bytes(changed)


def test_a_damaged_file_gives_clear_errors_and_its_backup_opens(tmp_path: Path, book_file: Path) -> None:
    good = book_file.read_bytes()
    unclear, unnoticed = [], []
    for number, (name, data) in enumerate(_damages(good)):
        path = tmp_path / f"damaged{number}.db"
        path.write_bytes(data)
        errors: list[Any] = []
        try:
            with opened(path, busy_timeout_s=BUSY_S) as book:
                errors = _use(book)
        except rollbook.RollbookError as error:
            errors = [error]
        except Exception as error:  # noqa: BLE001 - every other error is what this test looks for
            unclear.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if name.startswith("cut") and not errors:
            unnoticed.append(name)
    assert not unclear, "\n".join(unclear)
    assert not unnoticed
    path = tmp_path / "damaged0.db"
    path.write_bytes(good)
    with opened(path) as book:
        holds(book, (f"u{number}" for number in range(60)))
        sound(book)


@pytest.mark.parametrize("how", ["moved", "removed", "replaced", "with its folder"])
def test_a_book_that_loses_its_file_writes_nothing_more(tmp_path: Path, how: str) -> None:
    """What it acknowledged would be in a file that nobody finds again, or beside another book."""
    path, aside = tmp_path / "of" / "book.db", tmp_path / "aside.db"
    path.parent.mkdir()
    with opened(aside) as other:
        other.touch("another-one")
    with opened(path) as book:
        book.touch("before")
        if how == "removed":
            path.unlink()
        elif how == "with its folder":
            path.parent.rename(tmp_path / "elsewhere")
        elif how == "replaced":
            aside.replace(path)
        else:
            path.rename(aside)
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            book.touch("after")
        with pytest.raises(StoreError, match="moved, removed or replaced"):
            book.get("before")
        assert path.exists() == (how == "replaced"), "no other one is made in its place"
        if how == "moved":
            aside.rename(path)
            book.touch("after")
            assert book.get("before").status == "running", "put back it goes on"
