"""A folder of journals: whose it is, what of it is kept in memory, and what a fork of the process does with both."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from rollbook.errors import StoreError
from rollbook.journal.backend import DamageError, WrongPlaceError, of_another
from rollbook.journal.files import disk, written
from rollbook.journal.files.log import Log
from rollbook.journal.files.names import MARKER, USER_LOG, fork_name, is_fork, log_name, user_name
from rollbook.journal.files.shelf import LogShelf

CACHE_BYTES: Final = 64 * 1024 * 1024
_LOG_BYTES: Final = 2048  #: memory that a log takes beside what is on its shelf
#: What systems put into folders by themselves; with nothing else in it a folder counts as empty.
_NOBODYS: Final = frozenset({".DS_Store", "lost+found", MARKER + disk.NEW})


class Cache:
    """The logs that were used last, up to so many bytes of memory, and always the very last one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._logs: OrderedDict[str, Log] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._lock = threading.Lock()

    def log(self, path: str, user_id: str, session_id: str | None) -> Log:
        with self._lock:
            log = self._logs.get(path)
            if log is None:
                log = self._logs[path] = Log(path, user_id, session_id)
            self._logs.move_to_end(path)
            return log

    def settle(self, log: Log) -> None:
        """Take account of a log that has grown, and let go of others for it; it stays itself, whatever its size."""
        size = log.shelf.memory + _LOG_BYTES
        with self._lock:
            if self._logs.get(log.path) is not log:
                return
            self._total += size - self._sizes.get(log.path, 0)
            self._sizes[log.path] = size
            self._logs.move_to_end(log.path)
            while self._total > self._most and len(self._logs) > 1:
                path, _ = self._logs.popitem(last=False)
                self._total -= self._sizes.pop(path, 0)


class Gate:
    """Lets a fork wait until nothing is under way.

    While it is shut its lock is held: of a lock that another thread holds in the moment of a fork the child would have
    a copy that nobody ever lets go of.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._under_way = 0
        self._shut = False

    def __enter__(self) -> None:
        with self._changed:
            while self._shut:
                self._changed.wait()
            self._under_way += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    def shut(self, deadline: float) -> None:
        self._changed.acquire()
        self._shut = True
        self._changed.wait_for(lambda: not self._under_way, max(0.0, deadline - time.monotonic()))

    def open(self) -> None:
        self._shut = False
        self._changed.notify_all()
        self._changed.release()


class Place:
    """The folder."""

    def __init__(
        self, folder: Path, wait_s: float, *, durable: bool, make: bool = True, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.durable = durable
        self.wait_s = wait_s
        self._cache_bytes = cache_bytes
        with disk.explained(str(folder)):
            if make:
                _make(folder, durable=durable)
            # A link to the folder is followed here and now, and none inside it ever.
            self.folder = os.path.realpath(folder)
            _recognise(self.folder, durable=durable, make=make)
        self._renew()

    def claim(self, book_id: str) -> None:
        """Let the folder be that of one book. Raises StoreError."""
        with disk.explained(self.folder), _alone(self.folder):
            said = _said(self.folder)
            owner = said.get("book")
            if owner is None:
                _mark(self.folder, {**said, "book": book_id}, durable=self.durable)
            elif owner != book_id:
                raise of_another(self.folder, "name another folder")

    def _renew(self) -> None:
        self.cache = Cache(self._cache_bytes)
        self.locks = disk.Locks(self.wait_s)
        self.gate = Gate()

    def log(self, user_id: str, session_id: str | None) -> Log:
        """A session's log, or, without a session, the user's. Raises InvalidInput for ids that cannot be."""
        name = USER_LOG if session_id is None else log_name(session_id)
        return self.cache.log(os.path.join(self.folder, user_name(user_id), name), user_id, session_id)

    def fork_path(self, user_id: str, session_id: str) -> str:
        """The path of the line that says in whose log a fork's journal is."""
        return os.path.join(self.folder, user_name(user_id), fork_name(session_id))

    def root_of(self, user_id: str, session_id: str) -> str:
        """The session in whose log the journal of a session is: its own, or that of the first one it was forked from.

        No lock is needed to see it: the line is there whole from its first moment on. It changes only while the logs
        that it leads to before and after are locked. Raises InvalidInput and StoreError.
        """
        path = self.fork_path(user_id, session_id)
        with disk.explained(path):
            try:
                first = disk.first_line(path)
            except FileNotFoundError:
                return session_id
        try:
            header = written.header(first)
            written.checked(header, path, user_id, session_id)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            raise DamageError(f"{path}, line 1, is damaged ({error}); restore the file from a backup") from None
        return header.root or session_id

    def has_forks(self, user_id: str, session_id: str) -> bool:
        """Whether a session's log holds the journals of others, as far as can be told without reading it.

        What cannot be read may lead there too. The log is locked, so that none comes or goes. Raises StoreError.
        """
        folder = os.path.join(self.folder, user_name(user_id))
        with disk.explained(folder):
            for name in filter(is_fork, os.listdir(folder)):
                try:
                    root = written.header(disk.first_line(os.path.join(folder, name))).root
                except FileNotFoundError:
                    continue
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    return True
                if root == session_id:
                    return True
        return False

    def set_root(self, user_id: str, session_id: str, root: str) -> None:
        """Let the journal of a session be in another one's log. Raises OSError."""
        path = self.fork_path(user_id, session_id)
        header = written.encoded(written.header_of(user_id, session_id, root))
        self.locks.release(disk.replaced(path, [header], self.locks, durable=self.durable))
        self._sync_folder_of(path)

    def drop_root(self, user_id: str, session_id: str) -> None:
        """Let the journal of a session be in its own log. Raises OSError."""
        path = self.fork_path(user_id, session_id)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            self._sync_folder_of(path)

    def _sync_folder_of(self, path: str) -> None:
        if self.durable:
            disk.sync_folder(os.path.dirname(path))

    def make_room(self, log: Log) -> None:
        """Make the folder of a log's user. Raises OSError or StoreError."""
        folder = os.path.dirname(log.path)
        if os.path.islink(folder):
            raise StoreError(f"{folder} is a symbolic link, which is not followed; put the folder itself there")
        if not os.path.isdir(folder):
            self.must_be_there()
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700)
                if self.durable:
                    disk.sync_folder(self.folder)

    def must_be_there(self) -> None:
        """Raise StoreError where the folder was taken away, which must not look like journals that are empty."""
        if not os.path.exists(os.path.join(self.folder, MARKER)):
            raise StoreError(
                f"{self.folder} is no folder of journals any more; put it back, or open the journals again"
            )

    def refresh(self, log: Log) -> None:
        """Know everything that is in a log; the caller holds its ``lock``. Raises StoreError."""
        with disk.explained(log.path):
            if not log.current():
                self.read_whole(log)
            if not log.end:
                self.must_be_there()
        self.cache.settle(log)

    @contextlib.contextmanager
    def looking(self, user_id: str, session_id: str | None) -> Iterator[tuple[LogShelf, int]]:
        """The shelf that a session's journal is on, and when it was changed last; nobody changes it meanwhile."""
        looker = object()
        with self.gate:
            log = self.log(user_id, session_id if session_id is None else self.root_of(user_id, session_id))
            with log.lock:
                self.refresh(log)
                shelf, changed_at = log.shelf, log.changed_at
                shelf.lookers.add(looker)
        try:
            yield shelf, changed_at
        finally:
            shelf.lookers.discard(looker)

    def read_whole(self, log: Log) -> None:
        """Read what is new in a log. Raises StoreError for what is wrong with it."""
        with disk.explained(log.path):
            fd = self.locks.read(log.path)
            if fd is None:
                log.forget()
            else:
                try:
                    log.catch_up(fd, repair=False)
                finally:
                    self.locks.release(fd)

    def clear(self) -> None:
        """Let go of what is kept in memory."""
        self.cache = Cache(self._cache_bytes)

    # A fork (see store.forks): nothing may be under way in the moment of it, and the child starts anew.

    def hold(self, deadline: float) -> Callable[[], None]:
        """Wait until nothing is under way, and let nothing begin until the returned function is called."""
        self.gate.shut(deadline)
        return self.gate.open

    def abandon(self) -> None:
        """In a forked child: close what was inherited, and know nothing."""
        self.locks.abandon()
        self._renew()


def _make(folder: Path, *, durable: bool) -> None:
    """Make a folder and those that it is in. Raises OSError."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError:
            raise WrongPlaceError(
                f"{path}: the system lets nobody make a folder in {path.parent}; name another"
            ) from None
        if durable:
            disk.sync_folder(str(path.parent))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _recognise(folder: str, *, durable: bool, make: bool) -> None:
    """See to it that a folder is one of journals: it says so, or it is empty and is made to say so. Raises OSError."""
    if not make and not os.path.isdir(folder):
        raise StoreError(f"there is no folder of journals {folder}; opening the book for writing makes it")
    with _alone(folder):
        if not os.path.exists(os.path.join(folder, MARKER)):
            if any(name not in _NOBODYS for name in os.listdir(folder)):
                raise WrongPlaceError(
                    f"{folder} holds something else; nothing in it was changed. Name an empty or new folder"
                )
            if not make:
                raise StoreError(f"{folder} is empty; opening the book for writing makes it a folder of journals")
            _mark(folder, {"rollbook": "journal", "format": written.FORMAT}, durable=durable)
        number = _said(folder)["format"]
    if not isinstance(number, int) or number > written.FORMAT:
        raise WrongPlaceError(
            f"{folder} was written by a newer Rollbook (format {number}, this one knows {written.FORMAT}); upgrade"
        )


def _said(folder: str) -> dict[str, object]:
    """What the marker says: the format, and whose journals these are. Raises OSError, and StoreError for damage."""
    marker = os.path.join(folder, MARKER)
    try:
        with open(marker, "rb") as file:
            said = msgspec.json.decode(file.read(), type=dict[str, object])
        said["format"]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise StoreError(f"{marker} is damaged ({error}); nothing was changed. Restore it from a backup") from None
    return said


def _mark(folder: str, said: dict[str, object], *, durable: bool) -> None:
    marker = os.path.join(folder, MARKER)
    fd = os.open(marker + disk.NEW, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        disk.write(fd, msgspec.json.encode(said) + b"\n")
        if durable:
            disk.sync(fd)
    finally:
        os.close(fd)
    os.rename(marker + disk.NEW, marker)
    if durable:
        disk.sync_folder(folder)


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Of those that open a folder at the same time, one looks at it and marks it before the next one looks."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
