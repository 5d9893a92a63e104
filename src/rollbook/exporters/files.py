"""Where an export goes: a file under whose name there is nothing, or what was there, until all is written."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from rollbook.errors import InvalidInput, RollbookError
from rollbook.store import sqlite_file

#: What belongs to a SQLite file, after its name.
_OF_A_BOOK: Final = ("", "-wal", "-shm", "-journal")


@contextmanager
def opened(target: str | os.PathLike[str] | IO[bytes], *, replace: bool, book_url: str) -> Iterator[IO[bytes]]:
    """The file to write to: the one that is given, a device, or one beside the path that takes its name at the end."""
    if not isinstance(target, str | os.PathLike):
        yield target
        return
    shown, path = Path(target), Path(os.path.realpath(target))
    try:
        if _is_device(path):
            with path.open("wb", buffering=0) as file:
                yield file
            return
        _free(path, shown, replace=replace, book_url=book_url)
        with _beside(path) as file:
            yield file
            _free(path, shown, replace=replace, book_url=book_url)
    except BrokenPipeError:  # a named pipe that nobody reads any more
        raise
    except OSError as error:
        why = "no space is left" if error.errno == errno.ENOSPC else str(error.strerror or error).lower()
        raise RollbookError(f"{shown} cannot be written: {why}; no part of it was kept") from error


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _free(path: Path, shown: Path, *, replace: bool, book_url: str) -> None:
    """Whether a file of that name may be made."""
    if path.is_dir():
        raise InvalidInput(f"{shown} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {shown.parent}; make it first")
    if not path.exists():
        return
    if book_url.startswith("sqlite://") and (book := sqlite_file.parse(book_url)[0]) is not None:
        own = [Path(f"{book}{ending}") for ending in _OF_A_BOOK]
        if any(one.exists() and one.samefile(path) for one in own):
            raise InvalidInput(f"{shown} is the book itself; export to another file")
    if not replace:
        raise InvalidInput(f"{shown} is there already; name another file, or say that it is replaced (--replace)")


@contextmanager
def _beside(path: Path) -> Iterator[IO[bytes]]:
    """A file in the same folder, private to its owner; durable under its name after the block, or gone."""
    descriptor, name = tempfile.mkstemp(prefix=".rollbook-export-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if path.exists():  # who may read the old one may read the new one
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
