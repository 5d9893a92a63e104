"""What is asked of a disk: locks that die with their holder, durable writes, and its errors in words."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable, Iterator
from typing import Final

from rollbook.errors import StoreError

NEW: Final = ".new"  #: behind the name of a file that is to take another one's place

_PAUSES_S: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005)  #: between looks at a lock that another one holds
_FULL: Final = getattr(fcntl, "F_FULLFSYNC", None)  #: where fsync alone leaves data in the drive's cache
_FIRST_BYTES: Final = 16 * 1024  #: longer than any first line of a log
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_NO_ROOM: Final = "no room is left; free some space and try again"
_NO_RIGHT: Final = "it cannot be written to; give this user write access to the folder and what is in it"
_WORDS: Final[dict[int | None, str]] = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "the file has reached the largest size that is allowed here; raise the limit",
    errno.EROFS: _NO_RIGHT,
    errno.EACCES: "this user may not use it; give them access to the folder and what is in it",
    errno.EPERM: _NO_RIGHT,
    errno.ELOOP: "it is a symbolic link, which is not followed; put the file itself there",
    errno.ENOENT: "it is gone; put the folder back, or open the journals again",
    errno.ENOTDIR: "a file stands where a folder should be; move it away",
    errno.EMFILE: "too many files are open; raise the limit on open files",
    errno.ENFILE: "too many files are open; raise the limit on open files",
    errno.EIO: "the disk reports an error; look at its health before anything else",
}


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Errors of the system within the block leave it as StoreError."""
    try:
        yield
    except OSError as error:
        words = _WORDS.get(error.errno, f"{error.strerror}; nothing more is known")
        raise StoreError(f"{where}: {words}") from error


def sync(fd: int) -> None:
    """Let a file, its size included, be on the disk."""
    if _FULL is not None:
        fcntl.fcntl(fd, _FULL)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_folder(path: str) -> None:
    """Let the names in a folder be on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(fd: int, data: bytes) -> None:
    """Write all of it; a disk that is nearly full may take a part first."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def regular(path: str) -> os.stat_result | None:
    """What is known of a file, without following a link; None where there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return None
    _must_be_regular(found)
    return found


def first_line(path: str) -> bytes:
    """The first line of a file with its end, without a lock; nothing where there is no whole one. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        head, found, _ = os.read(fd, _FIRST_BYTES).partition(b"\n")
        return head + found if found else b""
    finally:
        os.close(fd)


def last_bytes(path: str, most: int) -> bytes:
    """The end of a file, without a lock. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | _FLAGS)
    try:
        return os.pread(fd, most, max(0, os.fstat(fd).st_size - most))
    finally:
        os.close(fd)


def is_empty(fd: int, path: str) -> bool:
    """Whether an open file holds nothing and is still the one with that name. Raises OSError."""
    mine = os.fstat(fd)
    if mine.st_size:
        return False
    now = regular(path)
    return now is not None and (now.st_dev, now.st_ino) == (mine.st_dev, mine.st_ino)


def _must_be_regular(found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no file")


class Locks:
    """Advisory locks on files, of this process and its threads among others; each stands on an open file of its own."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._open: set[int] = set()

    def read(self, path: str) -> int | None:
        """Open and lock a file beside others that read it; None where there is none."""
        return self._take(path, os.O_RDONLY, fcntl.LOCK_SH)

    def write(self, path: str, *, make: bool) -> int | None:
        """Open and lock a file alone, to append to it; None where there is none and none is to be made."""
        return self._take(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT if make else 0), fcntl.LOCK_EX)

    def fresh(self, path: str) -> int:
        """Make an empty file and lock it, whatever a crash has left under the name."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        fd = self._opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else knows of it
        return fd

    def release(self, fd: int) -> None:
        """Unlock and close. Said aloud, since a child that was forked meanwhile may hold the same open file."""
        self._open.discard(fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_UN)
        finally:
            os.close(fd)

    def abandon(self) -> None:
        """In a forked child: close what was inherited; the locks are the parent's and stay."""
        while self._open:
            os.close(self._open.pop())

    def _opened(self, path: str, flags: int) -> int:
        fd = os.open(path, flags | _FLAGS, 0o600)
        self._open.add(fd)
        return fd

    def _take(self, path: str, flags: int, kind: int) -> int | None:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                fd = self._opened(path, flags)
            except FileNotFoundError:
                if flags & os.O_CREAT:
                    raise
                return None
            try:
                self._lock(fd, path, kind, deadline)
                mine = os.fstat(fd)
                _must_be_regular(mine)
                now = regular(path)
                if now is not None and (now.st_dev, now.st_ino) == (mine.st_dev, mine.st_ino):
                    return fd
            except BaseException:
                self.release(fd)
                raise
            self.release(fd)  # another file has taken its place while it was waited for

    @staticmethod
    def _lock(fd: int, path: str, kind: int, deadline: float) -> None:
        tries = 0
        while True:
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreError(
                        f"{path} is locked by another process that does not let go; end it, or wait longer"
                    ) from None
                time.sleep(_PAUSES_S[min(tries // 20, len(_PAUSES_S) - 1)])
                tries += 1
            else:
                return


def replaced(path: str, blocks: Iterable[bytes], locks: Locks, *, durable: bool) -> int:
    """Put a file with these contents in a place, whole or not at all; answers the new file, locked. Raises OSError."""
    fd = locks.fresh(path + NEW)
    try:
        for block in blocks:
            write(fd, block)
        if durable:
            sync(fd)
        os.rename(path + NEW, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path + NEW)
        locks.release(fd)
        raise
    return fd
