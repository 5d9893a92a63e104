"""Books in one SQLite file, through apsw, which brings a current SQLite of its own.

One connection writes, under turns between processes; others read snapshots beside it (write-ahead log). A commit is
synced before it is acknowledged (``synchronous=FULL``). A file is only ever opened through apsw in one process: a
second SQLite library on the same file would drop the first one's locks.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import apsw

from rollbook.errors import InvalidInput, StoreError
from rollbook.settings import Settings
from rollbook.store import Row, statements
from rollbook.store.checkpoints import Checkpoints
from rollbook.store.turns import Turns

DIALECT: Final = {"identity": "integer primary key", "clustered": "without rowid", "bytes": "blob"}
APPLICATION_ID: Final = 0x524F4C42  # "ROLB"
_CHUNKS: Final = (64, 16, 4, 1)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """The one place where the driver's errors become ours."""
    try:
        yield
    except apsw.NotADBError as error:
        raise StoreError(f"{where} is not a database; nothing in it was changed") from error
    except apsw.ReadOnlyError as error:
        raise StoreError(f"{where} is read-only; give write access to the file and its folder") from error
    except apsw.FullError as error:
        raise StoreError(f"no space is left for {where}; nothing of this write was kept") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError(f"{where} has been locked by another process for too long; try again") from error
    except apsw.CantOpenError as error:
        raise StoreError(f"{where} cannot be opened; is it a file in a folder that you may write to?") from error
    except apsw.CorruptError as error:
        raise StoreError(f"{where} is damaged ({error}); restore it from a backup") from error
    except apsw.IOError as error:
        raise StoreError(f"the disk failed while using {where} ({error}); nothing of this write was kept") from error


@cache
def _text(room: str, name: str, count: int = 0, width: int = 0) -> str:
    text = statements.spell(statements.load(room)[name], DIALECT)
    if count:
        row = "(" + ",".join("?" * width) + ")"
        text = text.replace("{values}", ",".join([row] * count))
    return text


class Connection:
    """One SQLite connection that runs named statements."""

    def __init__(self, raw: apsw.Connection, room: str) -> None:
        self.raw = raw
        self._room = room

    def rows(self, name: str, /, **values: Any) -> list[Row]:
        return self.raw.execute(_text(self._room, name), values).fetchall()

    def each(self, name: str, /, **values: Any) -> Iterable[Row]:
        return self.raw.execute(_text(self._room, name), values)

    def compose(self, name: str, words: dict[str, str], /, **values: Any) -> list[Row]:
        known = statements.load(self._room)
        filled = {word: known[part] for word, part in words.items()}
        # Twice, because a fragment may itself hold a word.
        text = statements.spell(statements.spell(_text(self._room, name), filled), filled)
        return self.raw.execute(text, values).fetchall()

    def among(self, name: str, keys: Sequence[Row]) -> list[Row]:
        found: list[Row] = []
        for text, chunk in self._chunks(name, keys):
            found.extend(self.raw.execute(text, chunk).fetchall())
        return found

    def put(self, name: str, rows: Sequence[Row]) -> None:
        for text, chunk in self._chunks(name, rows):
            self.raw.execute(text, chunk)

    def run(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            self.raw.executemany(_text(self._room, name), rows)

    def _chunks(self, name: str, rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
        start, total = 0, len(rows)
        for size in _CHUNKS:
            while total - start >= size:
                chunk = rows[start : start + size]
                yield _text(self._room, name, size, len(chunk[0])), [value for row in chunk for value in row]
                start += size


class SqliteStore:
    """A book in one SQLite file, or in memory."""

    def __init__(self, url: str, settings: Settings, room: str) -> None:
        self.url = url
        self._settings = settings
        self._room = room
        self.path, self.read_only = _parse(url)
        self.where = str(self.path) if self.path else "the book in memory"
        self._idle: list[Connection] = []
        self._reading = threading.BoundedSemaphore(settings.readers)
        self._memory = threading.RLock()
        self._version = -1
        self._turns: Turns | None = None
        self._writer: Connection | None = None
        self._checkpoints: Checkpoints | None = None
        self._closed = False
        with translated(self.where):
            self._open()

    def _open(self) -> None:
        if self.path is None:
            self._writer = self._connect()
            _migrate(self._writer.raw, self.where)
            return
        if not self.read_only:
            _prepare(self.path, self.where)
            self._turns = Turns(self.path)
            self._writer = self._connect()
            with self._turn():
                _migrate(self._writer.raw, self.where)
            self._checkpoints = Checkpoints(self._writer.raw, self._connect_raw)
        else:
            reader = self._connect()
            _check(reader.raw, self.where)
            self._idle.append(reader)

    def _connect(self) -> Connection:
        return Connection(self._connect_raw(), self._room)

    def _connect_raw(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY if self.read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        raw = apsw.Connection(str(self.path or ":memory:"), flags=flags, statementcachesize=256)
        raw.set_busy_timeout(int(self._settings.busy_timeout_s * 1000))
        if self.path is not None and not self.read_only:
            raw.pragma("journal_mode", "wal")
            raw.pragma("synchronous", "full")
        raw.pragma("cache_size", -32_000)
        raw.pragma("temp_store", "memory")
        return raw

    @contextmanager
    def _turn(self) -> Iterator[None]:
        turns = self._turns
        if turns is not None and not turns.take(time.monotonic() + self._settings.busy_timeout_s):
            raise StoreError(f"{self.where} has been locked by another process for too long; try again")
        try:
            yield
        finally:
            if turns is not None:
                turns.give()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self._writer is None:
            raise StoreError(f"{self.where} was opened for reading only")
        with self._memory if self.path is None else _nothing(), translated(self.where), self._turn():
            raw = self._writer.raw
            raw.execute("begin immediate")
            try:
                yield self._writer
                raw.execute("commit")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("rollback")
                raise
        if self._checkpoints is not None:
            self._checkpoints.after_commit()

    def changed_by_others(self) -> bool:
        if self.path is None or self._writer is None:
            return False
        version = self._writer.raw.pragma("data_version")
        changed = version != self._version
        self._version = version
        return bool(changed)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        if self.path is None:
            assert self._writer is not None  # noqa: S101 - a book in memory has one connection for all
            with self._memory, translated(self.where):
                yield self._writer
            return
        with self._reading, translated(self.where):
            connection = self._idle.pop() if self._idle else self._connect()
            try:
                connection.raw.execute("begin")
                yield connection
            finally:
                if connection.raw.in_transaction:
                    connection.raw.execute("rollback")
                self._idle.append(connection)

    def health(self) -> list[tuple[str, bool, str]]:
        with self.read() as connection:
            answer = [str(row[0]) for row in connection.raw.execute("pragma quick_check(20)")]
            pages = connection.raw.pragma("page_count") * connection.raw.pragma("page_size")
            schema = connection.raw.pragma("user_version")
        sound = answer == ["ok"]
        return [
            ("sqlite", True, f"SQLite {apsw.sqlite_lib_version()}, schema {schema}, {pages:,} bytes"),
            ("structure", sound, "sound" if sound else "; ".join(answer)),
        ]

    def abandon(self) -> None:
        """In a child process: let go of what was inherited without disturbing the parent, who still uses it."""
        self._closed = True
        if self._turns is not None:
            self._turns.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._checkpoints is not None:
            self._checkpoints.close()
        for connection in [*self._idle, *([self._writer] if self._writer else [])]:
            connection.raw.close()
        self._idle.clear()
        if self._turns is not None:
            self._turns.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _parse(url: str) -> tuple[Path | None, bool]:
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


def _prepare(path: Path, where: str) -> None:
    """Make the folder and the file, private to their owner."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except PermissionError as error:
        raise StoreError(f"{where} is read-only; give write access to the file and its folder") from error
    except OSError as error:
        raise StoreError(f"{where} cannot be opened: {error.strerror}") from error


def _check(raw: apsw.Connection, where: str) -> int:
    """The schema's number of a book; 0 for an empty file. Anything else is refused untouched."""
    newest = statements.migrations()[-1][0]
    version = int(raw.pragma("user_version"))
    if raw.pragma("application_id") != APPLICATION_ID:
        if version or raw.execute("select count(*) from sqlite_schema").fetchall()[0][0]:
            raise StoreError(f"{where} is a database of another program; nothing in it was changed")
        return 0
    if version > newest:
        raise StoreError(
            f"{where} was written by a newer Rollbook (schema {version}, this one knows {newest}); upgrade"
        )
    return version


def _migrate(raw: apsw.Connection, where: str) -> None:
    """Bring the schema up to date, in one transaction."""
    if _check(raw, where) == statements.migrations()[-1][0]:
        return
    raw.execute("begin immediate")
    try:
        version = _check(raw, where)
        for number, _, text in statements.migrations():
            if number > version:
                raw.execute(statements.spell(text, DIALECT))
                raw.pragma("user_version", number)
        raw.pragma("application_id", APPLICATION_ID)
        raw.execute("commit")
    except BaseException:
        if raw.in_transaction:
            raw.execute("rollback")
        raise


Connector = Callable[[], apsw.Connection]
