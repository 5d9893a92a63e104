"""Files on their way to becoming a backup: where one may be written, its checksum, and how it gets its name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from rollbook.errors import InvalidInput, RollbookError, StoreError
from rollbook.store import Progress
from rollbook.store.sqlite_file import COMPANIONS, beside

CHECKSUM: Final = ".sha256"
PARTS: Final = ".rollbook-*.part*"  #: what an interruption may leave in a folder
_BLOCK: Final = 1 << 20
_LISTED: Final = re.compile(r"\\?([0-9a-fA-F]{64}) [ *](.+)")
_CHECKSUM_MOST: Final = 65_536


@contextlib.contextmanager
def disk(where: str) -> Iterator[None]:
    """The errors of files as ours."""
    try:
        yield
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(f"no space is left for {where}; nothing was changed") from error
        raise StoreError(f"{where} cannot be used: {said}; nothing was changed") from error


def named(path: str | os.PathLike[str]) -> Path:
    """A file's full path, behind every link."""
    text: Any = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInput(f"a file is named by its path, not by {path!r}")
    with disk(text):
        return Path(os.path.realpath(Path(text).expanduser()))


def free(path: str | os.PathLike[str], book: Path | None, *, replace: bool) -> Path:
    """The path under which a backup may be written."""
    target = named(path)
    with disk(str(target)):
        if not target.parent.is_dir():
            raise InvalidInput(f"there is no folder {target.parent}; make it first")
        _not_of_the_book(target, book)
        _not_in_use(target, InvalidInput)
        for one in (target, beside(target, CHECKSUM)):
            if one.exists() and not one.is_file():
                raise InvalidInput(f"{one} is not a file; name one to be written")
            if one.exists() and not replace:
                raise InvalidInput(f"{one} is there already; name another file, or say that it is replaced (--replace)")
    return target


def given(path: str | os.PathLike[str], book: Path | None) -> Path:
    """The path of a backup that is to be read."""
    source = named(path)
    with disk(str(source)):
        try:
            mode = source.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise InvalidInput(f"there is no file {source}; nothing was restored") from None
        if not stat.S_ISREG(mode):
            raise InvalidInput(f"{source} is not a file; nothing was restored")
        _not_of_the_book(source, book)
        _not_in_use(source, StoreError)
    return source


def _not_of_the_book(path: Path, book: Path | None) -> None:
    if book is None:
        return
    for own in (book, *(beside(book, ending) for ending in COMPANIONS)):
        if path == own or (path.exists() and own.exists() and path.samefile(own)):
            raise InvalidInput(f"{path} is the book itself, or belongs to it; name another file")


def _not_in_use(path: Path, refusal: type[RollbookError]) -> None:
    """A log beside a file belongs to it, and holds what the file does not; under another file it would destroy it."""
    for ending in ("-wal", "-shm", "-journal"):
        if (log := beside(path, ending)).exists():
            raise refusal(
                f"{path} is in use, or was not closed: {log.name} is beside it; a book is copied with 'rollbook backup'"
            )


@contextlib.contextmanager
def part_beside(target: Path | None, what: str) -> Iterator[Path]:
    """An empty private file in the target's folder, removed after the block unless it got its name by then."""
    folder = None if target is None else target.parent
    descriptor, name = tempfile.mkstemp(prefix=f".rollbook-{what}-", suffix=".part", dir=folder)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(name + ending)  # noqa: PTH108 - a str


def stage(source: Path, part: Path, progress: Progress) -> tuple[int, str]:
    """Copy a file into a part, so that what was proven is what is used; its size and checksum."""
    total, done, seen = source.stat().st_size, 0, hashlib.sha256()
    with source.open("rb") as reading, part.open("r+b") as writing:
        while block := reading.read(_BLOCK):
            seen.update(block)
            writing.write(block)
            done += len(block)
            progress("read", done, total)
    return done, seen.hexdigest()


def digest(part: Path) -> tuple[int, str]:
    """Sync a file that nobody has open, and read it back; its size and checksum."""
    with part.open("r+b") as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END), _hashed(part)


def _hashed(part: Path) -> str:
    with part.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksum(part: Path, checksum: str, name: str) -> None:
    """As ``sha256sum`` writes it, so that ``sha256sum -c`` reads it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    line = f"{'' if escaped == name else chr(92)}{checksum}  {escaped}\n"
    with part.open("wb") as file:
        file.write(os.fsencode(line))
        file.flush()
        os.fsync(file.fileno())


def checksum_of(source: Path, *, needed: bool) -> str | None:
    """The checksum that stands beside a backup; None where there is none to be read and none is needed."""
    try:
        return _listed(source)
    except StoreError:
        if needed:
            raise
        return None


def _listed(source: Path) -> str:
    listed = beside(source, CHECKSUM)
    with disk(str(listed)):
        if not listed.exists():
            raise StoreError(
                f"there is no checksum {listed.name} beside {source}; to restore it all the same, say --no-checksum"
            )
        with listed.open("rb") as file:
            lines = os.fsdecode(file.read(_CHECKSUM_MOST)).splitlines()
    found = [match for line in lines if (match := _LISTED.fullmatch(line.rstrip()))]
    # A file that lists one checksum is the backup's, whatever the backup was called when it was made.
    mine = [match for match in found if match[2] == source.name] or (found if len(found) == 1 else [])
    if not mine:
        raise StoreError(
            f"{listed} holds no checksum of {source.name}; nothing was restored. To do without one, say --no-checksum"
        )
    return mine[0][1].lower()


def place(part: Path, listed: Path, target: Path, *, replace: bool) -> None:
    """Give a proven backup and its checksum their names. An old backup never stands beside the new one's checksum."""
    checksum = beside(target, CHECKSUM)
    if replace:
        checksum.unlink(missing_ok=True)
        part.replace(target)
        listed.replace(checksum)
    else:
        _linked(part, target)
        try:
            _linked(listed, checksum)
        except BaseException:
            target.unlink()
            raise
    sync_folder(target.parent)


def _linked(part: Path, target: Path) -> None:
    """A name that nobody took meanwhile."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise InvalidInput(f"{target} is there by now; nothing was replaced") from None
    except OSError:  # a file system without links
        if target.exists():
            raise InvalidInput(f"{target} is there by now; nothing was replaced") from None
        part.replace(target)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable, where folders can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
