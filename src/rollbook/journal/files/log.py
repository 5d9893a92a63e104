"""One log: kept in memory as far as it was read, appended to, written anew without what is dead in it, removed.

Whatever fails here leaves the log as it was, and nothing in memory of it: it is read again.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from rollbook.journal.backend import DamageError
from rollbook.journal.files import disk, written
from rollbook.journal.files.shelf import LogShelf

_BLOCK: Final = 1 << 20
DEAD_BYTES: Final = 64 * 1024  #: as much may be dead in a log before it is looked at whether that is most of it

Stamp = tuple[int, int, int, int]


class Log:
    """What is known of one log; used under its ``lock`` only, and the file under a lock of its own."""

    def __init__(self, path: str, user_id: str, session_id: str | None) -> None:
        self.path = path
        self.user_id = user_id
        self.session_id = session_id  #: None: the user's state
        self.lock = threading.Lock()
        self.folder_waits = False  #: a name in the folder may not be on the disk yet
        self.spared = 0  #: the size that the log was written anew at, or could not be
        self.forget()

    def forget(self) -> None:
        """Know nothing of the file."""
        self.damaged = False  #: whether it holds what no journal is, which is all that is known of it
        self.shelf = LogShelf()
        self.end = 0  #: bytes of whole lines
        self.changed_at = 0  #: of the latest step
        self._lines = 0
        self._first = b""
        self._stamp: Stamp | None = None

    def own_shelf(self) -> LogShelf:
        """The shelf to change: a copy of the one that somebody is looking at."""
        if self.shelf.lookers:
            self.shelf = self.shelf.copy()
        return self.shelf

    # Reading

    def current(self) -> bool:
        """Whether everything in the file is known. Raises OSError."""
        found = disk.regular(self.path)
        if found is None:
            if self._stamp is not None:
                self.forget()
            return True
        return _stamp(found) == self._stamp

    def catch_up(self, fd: int, *, repair: bool) -> None:
        """Read what is new in the file; with ``repair`` (and the file locked alone) cut off a line that was torn.

        Raises StoreError for a log that is damaged, of something else or of a newer version, and OSError.
        """
        found = os.fstat(fd)
        if _stamp(found) != self._stamp:
            if not self._goes_on(fd, found):
                self.forget()
            self._read(fd, found.st_size)
            self._stamp = _stamp(found)
        if repair and found.st_size > self.end:
            os.ftruncate(fd, self.end)
            self._stamp = _stamp(os.fstat(fd))

    def _goes_on(self, fd: int, found: os.stat_result) -> bool:
        return (
            self._stamp is not None
            and self._stamp[:2] == (found.st_dev, found.st_ino)
            and found.st_size >= self.end
            and os.pread(fd, len(self._first), 0) == self._first
        )

    def _read(self, fd: int, size: int) -> None:
        shelf = self.own_shelf()
        for raw in _whole_lines(fd, self.end):
            try:
                self._take(shelf, raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, ValueError) as error:
                if b"\0" in raw and self.end + len(raw) == size:
                    return  # room that was given to a line that never came: a torn one, too
                number = self._lines + 1
                self.forget()
                self.damaged = True
                raise DamageError(
                    f"{self.path}, line {number}, is damaged ({error}); nothing was changed. Restore the file from a "
                    f"backup, or delete the session."
                ) from None
            self.end += len(raw)
            self._lines += 1

    def _take(self, shelf: LogShelf, raw: bytes) -> None:
        if not self.end:
            self._begin(raw)
            return
        record = written.record(raw)
        for op in record.ops:
            shelf.take(op)
        self.changed_at = max(self.changed_at, record.at)

    def _begin(self, raw: bytes) -> None:
        written.checked(written.header(raw), self.path, self.user_id, self.session_id)
        self._first = raw

    # Writing, with the file locked alone

    def put(self, fd: int, records: list[bytes]) -> None:
        """Append lines; they are not on the disk yet. Raises OSError, and then there is nothing of them."""
        first = b"" if self.end else self._header()
        data = first + b"".join(records)
        try:
            disk.write(fd, data)
        except OSError:
            self.undo(fd)
            raise
        self.folder_waits |= not self.end
        self._first = self._first or first
        self.end += len(data)
        self._lines += len(records) + bool(first)
        self._stamp = _stamp(os.fstat(fd))

    def undo(self, fd: int, end: int | None = None) -> None:
        """Cut off what is behind the last line that is well; if not even that can be done, the next one does it."""
        with contextlib.suppress(OSError):
            os.ftruncate(fd, self.end if end is None else end)
            disk.sync(fd)
        self.forget()

    def wasteful(self) -> bool:
        """Whether most of the log is dead."""
        return self.end > 2 * max(self.shelf.weight, self.spared) + DEAD_BYTES

    def anew(self, locks: disk.Locks, *, durable: bool) -> int:
        """Put a log in this one's place that holds only what is alive; answers the new file, locked.

        Raises OSError, and then the old log is in its place, or both it and the new one are whole.
        """
        header = self._header()
        ops = (written.encoded(written.Record(self.changed_at, [op])) for op in self.shelf.whole_log())
        count = 0

        def counted() -> Iterator[bytes]:
            nonlocal count
            for block, held in _blocks(chain([header], ops)):
                count += held
                yield block

        fd = disk.replaced(self.path, counted(), locks, durable=durable)
        self.folder_waits = True
        self._first, self._lines = header, count
        self._stamp = _stamp(os.fstat(fd))
        self.end = self.spared = self._stamp[2]
        return fd

    def remove(self) -> None:
        """Let there be no log. Raises OSError."""
        for path in (self.path + disk.NEW, self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
                self.folder_waits = True
        self.forget()

    def sync_folder(self) -> None:
        """Let the log's name be on the disk as it is now. Raises OSError."""
        if self.folder_waits:
            disk.sync_folder(os.path.dirname(self.path))
            self.folder_waits = False

    def _header(self) -> bytes:
        return written.encoded(written.header_of(self.user_id, self.session_id))


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _whole_lines(fd: int, start: int) -> Iterator[bytes]:
    """The lines from a place on that have an end, with it."""
    rest: list[bytes] = []
    while block := os.pread(fd, _BLOCK, start):
        start += len(block)
        *whole, last = block.split(b"\n")
        for line in whole:
            yield b"".join((*rest, line, b"\n"))
            rest.clear()
        rest.append(last)


def _blocks(records: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Lines in blocks that are worth a write, and how many are in each."""
    block: list[bytes] = []
    size = 0
    for record in records:
        block.append(record)
        size += len(record)
        if size > _BLOCK:
            yield b"".join(block), len(block)
            block, size = [], 0
    yield b"".join(block), len(block)
