"""An agent's own SQLite database, opened so that nothing is written in its folder, and read in short steps.

A database that somebody is writing has a write-ahead log and its index beside it: it is read beside the writer, the
index only looked at. One that nobody has open has neither, and SQLite would make both: it is read as a file that does
not change, and every step makes sure that it did not. A log without its index, as a copy may have it, is read from a
private copy.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import apsw

from rollbook.store import Row, statements

WAIT_MS: Final = 500  #: for a lock; what is busy for longer is read at the next import
_PAUSE_S: Final = 0.002
COPIED_MOST: Final = 1 << 30  #: bytes of a database that is read from a copy
LOG: Final = "-wal"
INDEX: Final = "-shm"
JOURNAL: Final = "-journal"
_ROOM: Final = "importers"

Stamp = tuple[int, int, int]  #: inode, size, time of the last write


class Database:
    """One database, read only. A context manager; what goes wrong is an OSError that says why."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._still: tuple[Stamp | None, ...] | None = None
        self._copy: TemporaryDirectory[str] | None = None
        log, index, journal = (_stamp(path + end) for end in (LOG, INDEX, JOURNAL))
        place, how = path, "mode=ro"
        if log is not None and index is not None:
            how += "&readonly_shm=1"
        elif log is not None and log[1]:
            place = self._copied()
        elif journal is None:
            self._still, how = self._stamps(), "immutable=1"
        try:
            with _told():
                self._raw = apsw.Connection(
                    f"file:{quote(os.fsencode(place))}?{how}", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
                )
                self._raw.set_busy_timeout(WAIT_MS)
                self._raw.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        except BaseException:
            self._drop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()
        self._drop()

    def rows(self, name: str, words: Mapping[str, str] | None = None, /, **values: Any) -> list[Row]:
        """All that a named statement finds: one short transaction."""
        text = statements.spell(statements.load(_ROOM)[name], words or {})
        try:
            with _told():
                return self._patiently(text, values)
        finally:
            if self._still is not None and self._still != self._stamps():
                raise OSError(errno.EAGAIN, "it was written while it was read; the rest is read at the next import")

    def _patiently(self, text: str, values: dict[str, Any]) -> list[Row]:
        """The rows of a statement. Where the index of a log is caught half written, it is whole a moment later."""
        deadline = time.monotonic() + WAIT_MS / 1_000
        while True:
            try:
                return self._raw.execute(text, values).fetchall()
            except apsw.ReadOnlyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_S)

    def one(self, name: str, words: Mapping[str, str] | None = None, /, **values: Any) -> Any:
        """The first value that a named statement finds, or None."""
        found = self.rows(name, words, **values)
        return found[0][0] if found else None

    def _stamps(self) -> tuple[Stamp | None, ...]:
        log = _stamp(self.path + LOG)
        return _stamp(self.path), log if log is not None and log[1] else None, _stamp(self.path + JOURNAL)

    def _copied(self) -> str:
        before = (_stamp(self.path), _stamp(self.path + LOG))
        size = sum(stamp[1] for stamp in before if stamp is not None)
        if size > COPIED_MOST:
            raise OSError(errno.EFBIG, f"it has a {LOG} file without its {INDEX} file; open it once with its agent")
        self._copy = TemporaryDirectory(prefix="rollbook-")
        place = str(Path(self._copy.name) / "copy.db")
        try:
            for end in ("", LOG):
                shutil.copyfile(self.path + end, place + end)
        except BaseException:
            self._drop()
            raise
        if before != (_stamp(self.path), _stamp(self.path + LOG)):
            self._drop()
            raise OSError(errno.EAGAIN, "it was written while it was copied; it is read at the next import")
        return place

    def _drop(self) -> None:
        if self._copy is not None:
            self._copy.cleanup()


def _stamp(path: str) -> Stamp | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _told() -> Iterator[None]:
    """The driver's errors as what the report says of a file."""
    try:
        yield
    except apsw.NotADBError as error:
        raise OSError(errno.EINVAL, "it is not a database") from error
    except (apsw.BusyError, apsw.LockedError, apsw.ReadOnlyError) as error:
        raise OSError(errno.EBUSY, "it is locked by another program; it is read at the next import") from error
    except (apsw.CantOpenError, apsw.PermissionsError) as error:
        raise OSError(errno.EACCES, f"it cannot be opened for reading ({error})") from error
    except (apsw.CorruptError, apsw.IOError) as error:
        raise OSError(errno.EIO, f"it is damaged, or its disk is ({error})") from error
    except apsw.SQLError as error:
        raise OSError(errno.EINVAL, f"its tables are of a version that is not known ({error})") from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise OSError(errno.EINVAL, f"it cannot be read ({error})") from error
