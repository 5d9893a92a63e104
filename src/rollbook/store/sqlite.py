"""Books in one SQLite file, through apsw, which brings a current SQLite of its own.

One connection writes, under turns between processes; others read snapshots beside it (write-ahead log). A commit is
synced before it is acknowledged (``synchronous=FULL``). A file is only ever opened through apsw in one process: a
second SQLite library on the same file would drop the first one's locks.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import apsw

from rollbook.errors import StoreError
from rollbook.settings import Settings
from rollbook.store import Check, Copied, Progress, Proof, Replaced, forks
from rollbook.store.checkpoints import Checkpoints
from rollbook.store.half import refuse_half
from rollbook.store.sqlite_connection import Connection, translated
from rollbook.store.sqlite_file import begin, check, current, migrate, newest, parse, prepare, tune
from rollbook.store.sqlite_words import teach
from rollbook.store.turns import Turns

_BUSY_PAUSE_S: Final = 0.002
_FORGET_S: Final = 5.0  #: how long is waited for others until traces of what was removed can be
_REWRITTEN_BYTES: Final = 1 << 29  #: a book that is larger is not rewritten: nobody could write for too long


class SqliteStore:
    """A book in one SQLite file, or in memory."""

    shared: Final = False
    lanes: Final = 1

    def __init__(self, url: str, settings: Settings, room: str) -> None:
        self.url = url
        self._settings = settings
        self.room = room
        self.busy_timeout_s = self.patience_s = settings.busy_timeout_s
        self.path, self.read_only = parse(url)
        self.where = str(self.path) if self.path else "the book in memory"
        self._busy_ms = int(settings.busy_timeout_s * 1000)
        self._idle: list[Connection] = []
        self._reading = threading.Semaphore(settings.readers)
        self._writing = threading.Lock()
        self._memory = threading.RLock()
        self._version = self._looked = -1
        self._watching: apsw.Connection | None = None  # writes nothing, so it is told of every commit
        self._watch = threading.Lock()
        self._replaced = False  # the book in memory, by another
        self._turns: Turns | None = None
        self._writer: Connection | None = None
        self._checkpoints: Checkpoints | None = None
        self._closed = False
        self._file: tuple[int, int] | None = None  # what the path named when it was opened
        forks.watch(self)
        try:
            with translated(self.where):
                self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        if self.path is not None and _is_folder(self.path):
            raise StoreError(f"{self.where} cannot be opened: it is a folder")
        if self.path is not None and not self.read_only:
            prepare(self.path, self.where)
        first = Connection(self._bare(), self.room)
        self._file = self._named()
        if self.read_only:
            self._idle.append(first)
            current(first.raw, self.where)
            return
        self._writer = first
        if self.path is not None:
            # Whose file it is comes first: not a byte of another program's database is changed.
            check(first.raw, self.where)
            self._turns = self._turns_of(self.path)
            tune(first.raw, self.busy_timeout_s)
            self._checkpoints = Checkpoints(first.raw, self.connect)
        if self.path is None:
            begin(first.raw)
        elif check(first.raw, self.where) < newest():
            with self.write() as tx:
                migrate(tx.raw, self.where)
        first.raw.set_busy_timeout(0)  # _begin() does the waiting

    def _turns_of(self, path: Path) -> Turns:
        try:
            return Turns(path)
        except PermissionError as error:
            raise StoreError(f"{self.where} is read-only; give write access to the file and its folder") from error
        except OSError as error:
            raise StoreError(f"{self.where} cannot be opened: {error.strerror}") from error

    def _bare(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY if self.read_only else apsw.SQLITE_OPEN_READWRITE
        if self._file is None and not self.read_only:  # of one that is gone there must be no second
            flags |= apsw.SQLITE_OPEN_CREATE
        raw = apsw.Connection(str(self.path or ":memory:"), flags=flags, statementcachesize=256)
        raw.set_busy_timeout(self._busy_ms)
        raw.pragma("cache_size", -32_000)
        raw.pragma("temp_store", "memory")
        raw.pragma("secure_delete", "on")  # what is removed is overwritten, not merely forgotten
        teach(raw)
        return raw

    def connect(self) -> apsw.Connection:
        raw = self._bare()
        if not self.read_only:
            tune(raw, self.busy_timeout_s)
        return raw

    @contextmanager
    def write(self, lane: int = 0, *, alone: bool = True) -> Iterator[Connection]:  # noqa: ARG002 - always alone
        if self._writer is None:
            raise StoreError(f"{self.where} was opened for reading only")
        self._look_at_file()
        with self._memory if self.path is None else nullcontext(), translated(self.where):
            raw = self._begin(self._writer.raw)
            try:
                yield self._writer
                raw.execute("commit")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("rollback")
                raise
            finally:
                self._end()
        if self._checkpoints is not None:
            self._checkpoints.after_commit()

    def _named(self) -> tuple[int, int] | None:
        """Which file the path names; None for a book in memory, and where there is none any more."""
        if self.path is None:
            return None
        try:
            found = os.stat(self.path)  # noqa: PTH116 - of each transaction, and a Path takes longer
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _look_at_file(self) -> None:
        """Raise where the path names the open file no more: what is written would be in one that nobody finds again."""
        if self._file is not None and self._named() != self._file:
            raise StoreError(
                f"{self.where} is not the file any more that was opened: it was moved, removed or replaced; put it"
                " back, and all goes on. Another book is put in its place by 'rollbook restore', while it is in use"
            )

    def _begin(self, raw: apsw.Connection) -> apsw.Connection:
        """Take the turn and begin a write transaction.

        Another process is waited for in short tries: a fork in this one waits for what is under way here, and must not
        wait for somebody else's lock with it.
        """
        deadline = time.monotonic() + self.busy_timeout_s
        if self._turns is not None and not self._turns.take(deadline):
            raise StoreError(f"{self.where} has been locked by another process for too long; try again")
        while True:
            self._writing.acquire()
            try:
                raw.execute("begin immediate")
            except apsw.BusyError:
                self._writing.release()
                if time.monotonic() > deadline:
                    self._give()
                    raise
                time.sleep(_BUSY_PAUSE_S)
            except BaseException:
                self._end()
                raise
            else:
                return raw

    def _end(self) -> None:
        self._writing.release()
        self._give()

    def _give(self) -> None:
        if self._turns is not None:
            self._turns.give()

    def changed_by_others(self, lane: int = 0) -> bool:  # noqa: ARG002 - there is one
        if self.path is None or self._writer is None:
            changed, self._replaced = self._replaced, False
            return changed
        version: Any = self._writer.raw.execute("pragma data_version").fetchall()[0][0]
        changed = version != self._version
        if changed:
            check(self._writer.raw, self.where)  # the schema may have been changed under a process that runs
            refuse_half(self._writer)
        self._version = version
        return bool(changed)

    def others_wrote(self, *, anew: bool = False) -> bool:
        """Whether another process committed since this was last asked, or (``anew``) from now on. Never waits.

        A connection is told of every commit but its own, so it is the writer's that is asked, between its transactions.
        """
        if self.path is None or self._closed:
            return False
        if self._writer is None:
            with translated(self.where):
                found: Any = self._told()
            changed, self._looked = found != self._looked, found
            return changed and not anew
        raw = self._writer.raw
        if not self._writing.acquire(blocking=False):
            self._looked = self._version if anew else self._looked  # of what came before this transaction
            return False
        try:
            found = raw.execute("pragma data_version").fetchall()[0][0]
        except apsw.Error:  # it is at work with something else: ask again
            return False
        finally:
            self._writing.release()
        changed = found != self._looked
        self._looked = found
        return bool(changed) and not anew

    def version(self) -> int | None:
        if self.path is None or self._closed:
            return None
        try:
            self._look_at_file()
            return self._told()
        except (apsw.Error, StoreError):
            return None

    def _told(self) -> int:
        """What SQLite tells a connection that writes nothing: another number after every commit."""
        with self._watch:
            if self._watching is None:
                self._watching = self.connect()
                self._watching.set_busy_timeout(0)
            version: Any = self._watching.execute("pragma data_version").fetchall()[0][0]
            return int(version)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        if self.path is None:
            assert self._writer is not None  # noqa: S101 - a book in memory has one connection for all
            with self._memory, translated(self.where):
                yield self._writer
            return
        self._look_at_file()
        with self._reading, translated(self.where):
            connection = self._idle.pop() if self._idle else Connection(self.connect(), self.room)
            try:
                connection.raw.execute("begin")
                # (Asked in this way, SQLite looks at the file, and all that follows is read as it was then.)
                state: Any = connection.raw.execute("pragma data_version").fetchall()[0][0]
                if connection.looked != state:  # others wrote, and may have changed the schema
                    check(connection.raw, self.where)
                    connection.looked = state
                yield connection
            finally:
                if connection.raw.in_transaction:
                    connection.raw.execute("rollback")
                self._idle.append(connection)

    def health(self) -> list[Check]:
        from rollbook.store import sqlite_health  # noqa: PLC0415 - see backup

        return list(sqlite_health.structure(self))

    def forget(self) -> None:
        """Leave no trace of what was removed, and give its room back, as far as nobody else is at work for long.

        Overwriting what is deleted is not enough: rows that were moved from page to page leave copies behind.
        """
        if self._writer is None or self.path is None:
            return
        deadline = time.monotonic() + min(self.busy_timeout_s, _FORGET_S)
        with translated(self.where):
            while self._when_free(self._merge_words, deadline):
                pass
            if self.path.stat().st_size <= _REWRITTEN_BYTES:
                self._when_free(_rewrite, deadline)
            self._when_free(_empty_log, deadline)

    def _merge_words(self, raw: apsw.Connection) -> bool:
        """A step, short enough for others to wait, in which the index lets go of words; whether there are more."""
        before = raw.total_changes()
        Connection(raw, self.room).run("journal.merge_texts", [()])
        return raw.total_changes() - before > 1  # the statement counts as one change itself

    def _when_free(self, work: Callable[[apsw.Connection], bool | None], deadline: float) -> bool | None:
        """Do something that is not worth an error, on a connection of its own, in short tries until a time."""
        while True:
            try:
                with self._writing, contextlib.closing(self.connect()) as raw:
                    raw.set_busy_timeout(0)
                    return work(raw)
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    return None
                time.sleep(_BUSY_PAUSE_S)
            except (apsw.FullError, apsw.IOError):  # there is no room for it
                return None

    def backup(self, path: str | os.PathLike[str], *, replace: bool, prove: Proof, progress: Progress) -> Copied:
        from rollbook.store import sqlite_copies  # noqa: PLC0415 - most programs that open a book copy none

        return sqlite_copies.backup(self, path, replace=replace, prove=prove, progress=progress)

    def restore(self, path: str | os.PathLike[str], *, checksum: bool, prove: Proof, progress: Progress) -> Replaced:
        if self._writer is None:
            raise StoreError(f"{self.where} was opened for reading only")
        from rollbook.store import sqlite_copies  # noqa: PLC0415 - see backup

        return sqlite_copies.restore(self, path, checksum=checksum, prove=prove, progress=progress)

    @contextmanager
    def in_memory(self) -> Iterator[apsw.Connection]:
        """The one connection of a book in memory, to put another book in its place."""
        assert self._writer is not None  # noqa: S101 - a book in memory has one connection for all
        with self._memory, translated(self.where):
            self._replaced = True
            yield self._writer.raw

    # A fork (see forks): nothing may be under way in the moment of it, and the child starts anew.

    def hold(self, deadline: float) -> Callable[[], None]:
        """Wait until nothing is under way, and let nothing begin until the returned function is called."""
        locks: list[threading.Lock | threading.Semaphore] = [
            self._writing,
            self._watch,
            *[self._reading] * self._settings.readers,
        ]
        if self._checkpoints is not None:
            locks.append(self._checkpoints.busy)
        held = [lock for lock in locks if lock.acquire(timeout=max(0.0, deadline - time.monotonic()))]

        def release() -> None:
            for lock in held:
                lock.release()

        return release

    def abandon(self) -> None:
        """In a forked child: close what was inherited. The locks on the file are the parent's and stay with it."""
        if self._closed or self.path is None:
            return
        self._closed = True
        own = [] if self._checkpoints is None or self._checkpoints.own is None else [self._checkpoints.own]
        own += [] if self._watching is None else [self._watching]
        for raw in [*(item.raw for item in self._idle), *([self._writer.raw] if self._writer else []), *own]:
            raw.close()
        self._idle.clear()
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
        if self._watching is not None:
            self._watching.close()
        self._idle.clear()
        if self._turns is not None:
            self._turns.close()


def _rewrite(raw: apsw.Connection) -> None:
    raw.pragma("temp_store", "file")  # the copy is as large as the book
    raw.execute("vacuum")


def _empty_log(raw: apsw.Connection) -> None:
    raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # not to be looked at: opening it says why
        return False
