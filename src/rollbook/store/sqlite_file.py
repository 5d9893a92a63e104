"""A SQLite file as a book: what its URL says, whose file it is, and its schema."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

import apsw

from rollbook.errors import InvalidInput, StoreError
from rollbook.store import statements
from rollbook.store.sqlite_connection import DIALECT

_PAUSE_S: Final = 0.002
APPLICATION_ID: Final = 0x524F4C42  # "ROLB"
#: What stands beside a book under its name and an ending: SQLite's own files, and the locks of turns.
COMPANIONS: Final = ("-wal", "-shm", "-journal", "-next", "-turn", "-refresh")


def beside(path: Path, ending: str) -> Path:
    """The file with the same name and an ending."""
    return path.with_name(path.name + ending)


def parse(url: str) -> tuple[Path | None, bool]:
    rest = url.removeprefix("sqlite://")
    if not rest.startswith("/"):
        raise InvalidInput(f"{url!r} names no file; write sqlite:///book.db, or sqlite:////full/path/book.db")
    path, _, query = rest[1:].partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    mode = options.pop("mode", "rw")
    if options or mode not in ("rw", "ro"):
        raise InvalidInput(f"unknown option in {url!r}; the one option is mode=ro")
    if path == ":memory:":
        return None, False
    if not path:
        raise InvalidInput(f"{url!r} names no file; write sqlite:///book.db, or sqlite:////full/path/book.db")
    return Path(unquote(path)).expanduser().absolute(), mode == "ro"


def prepare(path: Path, where: str) -> None:
    """Make the folder and the file, private to their owner."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Only a file that is not there yet is opened here: closing any descriptor of a book would drop the locks that
        # another book of this process holds on the same file.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except PermissionError as error:
        raise StoreError(f"{where} is read-only; give write access to the file and its folder") from error
    except OSError as error:
        raise StoreError(f"{where} cannot be opened: {error.strerror}") from error


def newest() -> int:
    """The schema's number that this version writes."""
    return statements.migrations()[-1][0]


def check(raw: apsw.Connection, where: str) -> int:
    """The schema's number of a book; 0 for an empty file. Anything else is refused untouched."""
    with _moment(raw):
        version, application = int(raw.pragma("user_version")), raw.pragma("application_id")
        anything = version or raw.execute("select count(*) from sqlite_schema").fetchall()[0][0]
    if application != APPLICATION_ID:
        if anything:
            raise StoreError(f"{where} is a database of another program; nothing in it was changed")
        return 0
    if version > newest() and _oldest_writer(raw, version) > newest():
        raise StoreError(
            f"{where} was written by a newer Rollbook (schema {version}, this one knows {newest()}); upgrade"
        )
    return version


def _oldest_writer(raw: apsw.Connection, version: int) -> int:
    """The oldest schema whose library may write to a book: its own, unless the book says an older one."""
    if not raw.table_exists("main", "book_fact"):
        return version
    found = raw.execute("select value from book_fact where name = 'oldest_writer'").fetchall()
    return int(str(found[0][0])) if found else version


@contextlib.contextmanager
def _moment(raw: apsw.Connection) -> Iterator[None]:
    """All that is read in the block is as it was at one moment: another process may be making the book meanwhile."""
    if raw.in_transaction:
        yield
        return
    raw.execute("begin")
    try:
        yield
    finally:
        if raw.in_transaction:
            raw.execute("rollback")


def current(raw: apsw.Connection, where: str) -> None:
    """Refuse a book that only a writer can bring up to date."""
    version = check(raw, where)
    if not version:
        raise StoreError(f"{where} holds no book yet; the first write makes one")
    if version < newest():
        raise StoreError(
            f"{where} was written by an older Rollbook (schema {version}, this one reads {newest()}); open it once for "
            f"writing ('rollbook summary' does), and it is brought up to date"
        )


def migrate(raw: apsw.Connection, where: str) -> None:
    """Bring the schema up to date, within the caller's transaction."""
    version = check(raw, where)
    oldest = _oldest_writer(raw, version)
    for number, _, text in statements.migrations():
        if number > version:
            raw.execute(statements.spell(text, DIALECT))
            raw.pragma("user_version", number)
            oldest = max(oldest, statements.writable_from(text) or number)
    raw.pragma("application_id", APPLICATION_ID)
    raw.execute("delete from book_fact where name = 'oldest_writer'")
    if oldest < max(version, newest()):
        raw.execute("insert into book_fact (name, value) values ('oldest_writer', ?)", (str(oldest),))


def begin(raw: apsw.Connection) -> None:
    """Make a book in memory: a copy of an empty one, which is made once, as its schema takes twenty times as long."""
    with contextlib.closing(apsw.Connection(":memory:")) as model:
        model.deserialize("main", _empty())
        with raw.backup("main", model, "main") as copy:
            copy.step()


@functools.cache
def _empty() -> bytes:
    with contextlib.closing(apsw.Connection(":memory:")) as raw:
        migrate(raw, "an empty book")
        return raw.serialize("main")


def lacking(raw: apsw.Connection, version: int) -> list[str]:
    """Tables and indexes that a book of a schema has and this database does not."""
    words = "select type || ' ' || name from sqlite_schema where name not like 'sqlite_%'"
    with contextlib.closing(apsw.Connection(":memory:")) as model:
        for number, _, text in statements.migrations():
            if number <= version:
                model.execute(statements.spell(text, DIALECT))
        wanted = [str(row[0]) for row in model.execute(words)]
    there = {str(row[0]) for row in raw.execute(words)}
    return [name for name in wanted if name not in there]


def tune(raw: apsw.Connection, wait_s: float) -> None:
    """Readers beside the writer, and a commit that is on the disk before it is acknowledged.

    A new file changes to the write-ahead log once. SQLite does not wait for that where several processes open the file
    in the same moment, so it is tried again until one of them has done it.
    """
    deadline = time.monotonic() + wait_s
    while raw.pragma("journal_mode") != "wal":
        try:
            raw.pragma("journal_mode", "wal")
        except apsw.BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
    raw.pragma("synchronous", "full")
