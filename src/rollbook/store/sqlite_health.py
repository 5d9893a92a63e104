"""How a SQLite book is: where its file lies, who may get at it, and what SQLite says of its structure."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import apsw

from rollbook.errors import StoreError
from rollbook.store import Check
from rollbook.store.sqlite_connection import translated
from rollbook.store.sqlite_file import beside, lacking, newest, parse
from rollbook.store.sqlite_parts import PARTS

if TYPE_CHECKING:
    from rollbook.store.sqlite import SqliteStore

_LEAST_FREE: Final = 100_000_000  #: bytes on a disk below which a book soon takes no more
_LOG_MOST: Final = 256 << 20  #: bytes in the log that a busy book may come to; or twice the book
_LEFT_S: Final = 3600  #: after which nobody works on a part any more
_MOUNTS: Final = Path("/proc/self/mounts")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
#: File systems on which processes of several machines may meet, or locks do not hold.
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|9p|afs|afpfs|ceph|glusterfs|lustre|beegfs|gpfs|ncpfs|davfs2?|virtiofs|vboxsf|prl_fs|"
    r"fuse\.(sshfs|s3fs|rclone|gcsfuse|glusterfs|ceph|davfs2?|smbnetfs|curlftpfs|goofys|mfs|grpcfuse|osxfs)"
)


def survey(url: str) -> list[Check]:
    """What can be said of a book's file without opening it."""
    path, reading_only = parse(url)
    if path is None:
        return [("file", True, "the book is in memory, and gone when it is closed")]
    checks: list[tuple[str, Callable[[Path], tuple[bool, str]]]] = [
        ("file", _present),
        ("access", lambda path: _access(path, reading_only=reading_only)),
        ("privacy", _privacy),
        ("space", _space),
        ("disk", _disk),
        ("log", _log),
        ("locks", _locks),
        ("leftovers", _leftovers),
    ]
    found: list[Check] = []
    for name, check in checks:
        try:
            found.append((name, *check(path)))
        except OSError as error:
            found.append((name, False, f"cannot be looked at: {(error.strerror or str(error)).lower()}"))
        if not found[-1][1] and name == "file":
            break
    return found


@contextlib.contextmanager
def traceless(url: str) -> Iterator[None]:
    """Leave no log beside a book that had none. A reader makes one and may not remove it; who may write, may."""
    path, _ = parse(url)
    logs = [] if path is None else [beside(path, ending) for ending in ("-wal", "-shm")]
    had = [log for log in logs if log.exists()]
    try:
        yield
    finally:
        if path is not None and not had and any(log.exists() for log in logs):
            # SQLite removes them, and only where nobody else has the book open by now.
            with (
                contextlib.suppress(apsw.Error),
                contextlib.closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as raw,
            ):
                raw.pragma("schema_version")


def structure(store: SqliteStore) -> Iterator[Check]:
    """What SQLite says of an open book."""
    for name, check in (("sqlite", _version), ("structure", _structure)):
        try:
            with store.read() as connection, translated(store.where):
                yield (name, *check(connection.raw))
        except StoreError as error:
            yield name, False, str(error)


def _version(raw: apsw.Connection) -> tuple[bool, str]:
    schema, size = raw.pragma("user_version"), raw.pragma("page_count") * raw.pragma("page_size")
    return schema == newest(), f"SQLite {apsw.sqlite_lib_version()}, schema {schema}, {size:,} bytes"


def _structure(raw: apsw.Connection) -> tuple[bool, str]:
    said = [" ".join(str(row[0]).split()) for row in raw.execute("pragma quick_check(5)")]
    said = [line for line in said if line != "ok"] + [f"there is no {name}" for name in lacking(raw, newest())]
    if not said:
        return True, "sound"
    return False, f"{'; '.join(said)}. Copy the book and the files beside it to a safe place, then restore a backup"


def _present(path: Path) -> tuple[bool, str]:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False, f"there is no book at {path}; the first write, such as 'rollbook import', makes one"
    if not stat.S_ISREG(mode):
        return False, f"{path} is not a file; name a book with --db"
    return True, f"{path}, {path.stat().st_size:,} bytes"


def _access(path: Path, *, reading_only: bool) -> tuple[bool, str]:
    whose = "" if _mine(path) else f"; it belongs to {_owner(path)}"
    if not os.access(path, os.R_OK):
        return False, f"the file cannot be read by this user{whose}; give read access"
    if reading_only:
        return True, f"opened for reading only{whose}"
    if _is_read_only_medium(path):
        return False, "the file system is read-only: mount it for writing, or open the book with ?mode=ro"
    for one, what in ((path, "file"), (path.parent, "folder")):
        if not os.access(one, os.W_OK):
            return (
                False,
                f"the {what} cannot be written to by this user{whose}; give write access, or open with ?mode=ro",
            )
    return True, f"can be read and written{whose}"


def _privacy(path: Path) -> tuple[bool, str]:
    open_files = [one for one in (path, *(beside(path, end) for end in ("-wal", "-shm"))) if _mode(one) & 0o007]
    folder = _mode(path.parent)
    if folder & 0o002 and not folder & stat.S_ISVTX:
        return (
            False,
            f"everybody on this machine may replace files in its folder; run: chmod o-w {_quoted(path.parent)}",
        )
    if open_files and folder & 0o001:
        return False, f"everybody on this machine may open it; run: chmod o-rwx {_quoted(*open_files)}"
    if _mode(path) & 0o070:
        return True, "its owner and its group may open it"
    return True, "only its owner may open it"


def _space(path: Path) -> tuple[bool, str]:
    free = shutil.disk_usage(path.parent).free
    size = path.stat().st_size
    if free < _LEAST_FREE:
        return False, f"{free:,} bytes are left on the disk; make room before writes are refused"
    if free < 2 * size:
        return True, f"{free:,} bytes are left on the disk: too few for a restore, which takes twice the book's size"
    return True, f"{free:,} bytes are left on the disk"


def _disk(path: Path) -> tuple[bool, str]:
    if not _MOUNTS.exists():
        return True, "this system does not say what kind of disk it is"
    kind = kind_of_disk(path, _MOUNTS.read_text("utf-8", "surrogateescape"))
    if kind is not None and _NETWORK.fullmatch(kind):
        return False, (
            f"the file is on a network file system ({kind}), where locks may not hold and writes of two machines may "
            f"destroy each other; move the book to a disk of this machine"
        )
    return True, f"a disk of this machine ({kind})" if kind else "the kind of its disk is not known"


def kind_of_disk(path: Path, mounts: str) -> str | None:
    """The kind of the file system that holds a path, as the kernel lists what is mounted."""
    real = Path(os.path.realpath(path))
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        place = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), point))
        if point and real.is_relative_to(place):  # of two in one place, the later hides the earlier
            best = max((len(place.parts), kind), best or (0, ""), key=lambda found: found[0])
    return best[1] if best else None


def _log(path: Path) -> tuple[bool, str]:
    size = _size(beside(path, "-wal"))
    if size > max(_LOG_MOST, 2 * path.stat().st_size):
        return False, (
            f"the write-ahead log has grown to {size:,} bytes: some program has been reading from one moment for long; "
            f"end it, and the log is cut short when the book is next used"
        )
    return True, f"{size:,} bytes in the write-ahead log"


def _locks(path: Path) -> tuple[bool, str]:
    for one in (beside(path, "-next"), beside(path, "-turn")):
        if one.exists() and not os.access(one, os.R_OK | os.W_OK):
            return (
                False,
                f"{one.name} belongs to {_owner(one)} and cannot be used by this user; give read and write access",
            )
    missing = [one.name for one in (beside(path, "-next"), beside(path, "-turn")) if not one.exists()]
    if missing:
        return True, f"{' and '.join(missing)} will be made by the next write"
    return True, "writers take turns"


def _leftovers(path: Path) -> tuple[bool, str]:
    before = time.time() - _LEFT_S
    parts = [part for part in path.parent.glob(PARTS) if _changed(part) < before]
    if not parts:
        return True, "nothing was left behind by an interruption"
    size = sum(map(_size, parts))
    names = _quoted(*sorted(parts)[:5])
    return False, f"{len(parts)} files of {size:,} bytes were left by something that was interrupted; run: rm {names}"


def _quoted(*paths: Path) -> str:
    """Paths as a shell takes them."""
    return shlex.join(map(str, paths))


def _mode(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_mode
    return 0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _changed(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return float("inf")


def _mine(path: Path) -> bool:
    return not hasattr(os, "geteuid") or path.stat().st_uid == os.geteuid()


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except (KeyError, NotImplementedError, OSError):
        return f"user {path.stat().st_uid}"


def _is_read_only_medium(path: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(path).f_flag & os.ST_RDONLY)
