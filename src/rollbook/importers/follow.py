"""Following files that others write: what is new in them, and nothing twice.

A file is known by device and inode, and how far it was read by an offset, always at the end of a line. What lies
before the offset is sealed by a hash of its first and of its last bytes: where the seal is broken, or the file is
shorter than it was, it is another file under the old name and is read from the start again (which a book takes
without counting anything twice).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from rollbook.ledger.ops import SourceFile

BLOCK_BYTES: Final = 1 << 20
LINE_CAP_BYTES: Final = 32 << 20  #: a longer line is passed over and counted
SEAL_BYTES: Final = 1024


class Found(NamedTuple):
    """A file that may be worth reading, as the folder's listing tells it."""

    path: str
    key: str  #: its real path as text that every database takes
    device: int
    inode: int
    size: int
    mtime_ns: int


def as_key(path: str) -> str:
    """The text under which a file is registered: a name that is not UTF-8 is spelt out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_folder(path: str) -> bool:
    """Whether there is a folder at a path; one that may not be looked at is none."""
    try:
        return stat.S_ISDIR(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def look(path: str) -> Found | None:
    """One file by its name; None where it is no regular file. A missing one is an OSError."""
    path = os.path.realpath(path)
    found = Path(path).stat()
    return _found(path, found) if stat.S_ISREG(found.st_mode) else None


def _found(path: str, found: os.stat_result) -> Found:
    return Found(path, as_key(path), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def walk(root: str, wanted: Callable[[str], bool], trouble: Callable[[str], None]) -> Iterator[Found]:
    """All regular files below a folder whose names are wanted. Each folder is entered once, so links may loop.

    Folders and links that cannot be read are told to ``trouble`` and passed over.
    """
    starts = {os.path.realpath(root)}
    folders = list(starts)
    twice: set[tuple[int, int]] = set()  # what may be met again: links' targets, and files with several names
    while folders:
        folder = folders.pop()
        try:
            entries = os.scandir(folder)
        except OSError as error:
            trouble(reason(folder, error))
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir():
                        below = _entered(entry, starts)
                        if below is not None:
                            folders.append(below)
                    elif wanted(entry.name):
                        found = _wanted(entry, wanted, starts, twice)
                        if found is not None:
                            yield found
                except OSError as error:
                    trouble(reason(entry.path, error))


def outermost(places: Iterable[str]) -> list[str]:
    """Places without those that lie within another one, each by its first name."""
    real = {os.path.realpath(place): place for place in reversed(list(places))}
    return [real[place] for place in reversed(real) if not _within(str(Path(place).parent), real.keys() - {place})]


def _within(path: str, places: Collection[str]) -> bool:
    """Whether a real path is one of these, or below one."""
    return path in places or any(str(parent) in places for parent in Path(path).parents)


def _entered(entry: os.DirEntry[str], starts: set[str]) -> str | None:
    """Where to go on for a folder; nowhere for a link to what is walked anyway. Only links can loop."""
    if not entry.is_symlink():
        return None if entry.path in starts else entry.path
    target = os.path.realpath(entry.path)
    if _within(target, starts):
        return None
    starts.add(target)
    return target


def _wanted(
    entry: os.DirEntry[str], wanted: Callable[[str], bool], starts: set[str], twice: set[tuple[int, int]]
) -> Found | None:
    """A file that is met for the first time."""
    if not entry.is_symlink():
        found, names = _regular(entry), entry.stat().st_nlink
    else:
        found, names = look(entry.path), 2
        if found is not None and wanted(Path(found.path).name) and _within(found.path, starts):
            return None
    if found is not None and names > 1:
        if (found.device, found.inode) in twice:
            return None
        twice.add((found.device, found.inode))
    return found


def _regular(entry: os.DirEntry[str]) -> Found | None:
    found = entry.stat()
    return _found(entry.path, found) if stat.S_ISREG(found.st_mode) else None


def reason(path: str, error: OSError) -> str:
    """One line that says which file cannot be read and why."""
    return f"{as_key(path)}: {error.strerror or type(error).__name__}"


def unchanged(found: Found, known: SourceFile | None) -> bool:
    """Whether the listing alone shows that there is nothing new, so that the file need not be opened."""
    return known is not None and (found.device, found.inode, found.size, found.mtime_ns) == (
        known.device,
        known.inode,
        known.size,
        known.mtime_ns,
    )


class Reading:
    """One file while it is read, from where the last reading stopped. A context manager."""

    def __init__(self, found: Found, known: SourceFile | None, source: str) -> None:
        self._file = Path(found.path).open("rb", buffering=0)  # noqa: SIM115 - __exit__ closes it
        try:
            self._stat = os.fstat(self._file.fileno())
            resumed = known is not None and self._continues(known)
        except BaseException:
            self._file.close()
            raise
        self._source = source
        self._key = found.key
        self.offset = known.offset if known is not None and resumed else 0
        self.state = known.state if known is not None and resumed else b""
        self.start = self.offset
        self.tail = b""  #: what follows the last end of a line, once the blocks are exhausted
        self.oversized = 0
        self.damage: str | None = None  #: why the rest of it cannot be read
        self._whole = False  #: all of it has been gone through

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def blocks(self) -> Iterator[bytes]:
        """Blocks of whole lines; ``offset`` is always the end of the block that was given last."""
        parts: list[bytes] = []
        held = 0
        for chunk in self._chunks():
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                held += len(chunk)
                if held > LINE_CAP_BYTES:
                    parts.clear()
                else:
                    parts.append(chunk)
                continue
            start = 0
            if held > LINE_CAP_BYTES:
                start = chunk.find(b"\n") + 1
                self.oversized += 1
            self.offset += held + cut
            parts.append(chunk[start:cut])
            block = b"".join(parts)
            parts, held = [chunk[cut:]], len(chunk) - cut
            if block:
                yield block
        self.tail = b"".join(parts)
        if held > LINE_CAP_BYTES:
            self.tail = b""
            self.oversized += 1
        self._whole = self.damage is None

    def accept_tail(self) -> None:
        """The last line has no end yet but is whole: it counts as read."""
        self.offset += len(self.tail)
        self.tail = b""

    def mark(self, state: bytes) -> SourceFile:
        """The registry's row for what has been read so far."""
        return SourceFile(
            source=self._source,
            path=self._key,
            device=self._stat.st_dev,
            inode=self._stat.st_ino,
            size=self._stat.st_size,
            offset=self.offset,
            head_hash=self._seal(self.offset),
            # one that was not gone through may not pass for unchanged when an import stops here
            mtime_ns=self._stat.st_mtime_ns if self._whole else 0,
            state=state,
        )

    def _chunks(self) -> Iterator[bytes]:
        """What is in it from the offset on."""
        self._file.seek(self.offset)
        while chunk := self._file.read(BLOCK_BYTES):
            yield chunk

    def _continues(self, known: SourceFile) -> bool:
        same = (known.device, known.inode) == (self._stat.st_dev, self._stat.st_ino)
        return same and self._stat.st_size >= known.offset and self._seal(known.offset) == known.head_hash

    def _seal(self, offset: int) -> str:
        size = min(SEAL_BYTES, offset)
        descriptor = self._file.fileno()
        seal = blake2b(os.pread(descriptor, size, 0), digest_size=16)
        seal.update(os.pread(descriptor, size, offset - size))
        return seal.hexdigest()
