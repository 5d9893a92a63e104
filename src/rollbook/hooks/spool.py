"""Where a hook leaves an event until a book has taken it: a private folder with one file for each event.

A hook stands in an agent's way for as long as it runs, so what it does with an event is a file and nothing else. It
is written under a name of its own kind, brought to the disk, and given its name, in which files sort by the order of
events. It is removed when a book has acknowledged it: whoever is killed in between delivers it twice, which a book does
not notice.

This module is loaded with nothing but the standard library, and with as little of that as will do.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from rollbook.settings import data_folder

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on this platform: a server or `push` delivers there
    fcntl = None  # type: ignore[assignment]

EVENTS_MOST: Final = 10_000  #: that may wait; of more the oldest are dropped
EVENT_BYTES: Final = 8_192  #: of one event at the most
UNFINISHED_S: Final = 60.0  #: after which whoever was writing an event is taken to be gone
RETRY_S: Final = 10.0  #: after which delivery is tried again where it failed
DROPPED_KEPT_S: Final = 7 * 86_400.0  #: for how long it is said that events were dropped

_EVENT: Final = ".json"
_WRITING: Final = ".new"
_LOCK: Final = "lock"
_DROPPED: Final = "dropped"  #: a byte for each event that was dropped
_COUNTED_MOST: Final = 1 << 20
_OTHERS: Final = 0o077

_BEGUN, _WELL = "began", "delivers"

_count = 0


class State(NamedTuple):
    """What is in a spool."""

    waiting: int
    oldest: float | None  #: when the first of those that wait was left, in seconds since 1970
    dropped: int  #: events that were dropped lately because too many waited


def folder(env: Mapping[str, str] | None = None) -> str:
    """``ROLLBOOK_SPOOL``, or a folder in the user's data folder."""
    env = os.environ if env is None else env
    return env.get("ROLLBOOK_SPOOL") or os.path.join(data_folder(env), "spool")


def put(place: str, event: bytes) -> str:
    """Leave an event; the name of its file. Raises OSError, and ValueError for an event that is too large."""
    global _count  # noqa: PLW0603 - two events of one process may have the same time
    if len(event) > EVENT_BYTES:
        raise ValueError(f"an event has at most {EVENT_BYTES} bytes, not {len(event)}")
    _make(place)
    names = waiting(place)
    if len(names) >= EVENTS_MOST:
        _drop(place, names[: len(names) - EVENTS_MOST + 1])
    stamp = time.time_ns()
    if names:  # a clock that was set back does not change the order
        stamp = max(stamp, _stamp(names[-1]) + 1)
    name = f"{stamp:020d}-{os.getpid():08x}-{_count:04x}{_EVENT}"
    _count += 1
    _write(place, name, event)
    return name


def _write(place: str, name: str, event: bytes) -> None:
    path, written = _in(place, name), _in(place, name + _WRITING)
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        left = memoryview(event)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(written)
        raise
    finally:
        os.close(descriptor)
    os.rename(written, path)


def waiting(place: str) -> list[str]:
    """The names of the events that wait, in their order."""
    try:
        return sorted(name for name in os.listdir(place) if name.endswith(_EVENT) and name[:1].isdigit())
    except FileNotFoundError:
        return []


def read(place: str, name: str) -> bytes | None:
    """An event; None where it has been dropped meanwhile. Raises OSError."""
    try:
        descriptor = os.open(_in(place, name), os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(EVENT_BYTES + 1)


def remove(place: str, name: str) -> None:
    """Let go of an event; one that is gone already is no error."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_in(place, name))


def tidy(place: str) -> None:
    """See to what was left half done: an event whose writer was killed, or lost power, before it had its name.

    It is taken in if it is whole, which an event shows by its last character. Old news of dropped events is forgotten.
    """
    now = time.time()
    try:
        names = sorted(name for name in os.listdir(place) if name.endswith(_EVENT + _WRITING))
    except FileNotFoundError:
        return
    for name in names:
        path = _in(place, name)
        with contextlib.suppress(OSError):
            if now - os.stat(path).st_mtime > UNFINISHED_S:
                text = read(place, name) or b""
                if text.startswith(b"{") and text.endswith(b"}"):
                    os.rename(path, path.removesuffix(_WRITING))
                else:
                    os.unlink(path)
    with contextlib.suppress(OSError):
        if now - os.stat(_in(place, _DROPPED)).st_mtime > DROPPED_KEPT_S:
            os.unlink(_in(place, _DROPPED))


def state(place: str) -> State:
    """What is in a spool. Raises OSError where that may not be looked at."""
    names = waiting(place)
    try:
        dropped = os.stat(_in(place, _DROPPED)).st_size
    except FileNotFoundError:
        dropped = 0
    return State(len(names), _stamp(names[0]) / 1e9 if names else None, dropped)


def lock(place: str) -> int | None:
    """Become the one who delivers: a descriptor that holds the lock for as long as it is open; None if somebody is."""
    if fcntl is None:
        return None
    _make(place)
    descriptor = os.open(_in(place, _LOCK), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def sign(descriptor: int, *, well: bool) -> None:
    """Say in the lock's file who holds it, and whether they have come as far as to deliver. It is not handed on."""
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the system call has it so
    says = f"{os.getpid()} {_WELL if well else _BEGUN}\n".encode("ascii")
    os.pwrite(descriptor, says, 0)  # (and cut then: whoever reads meanwhile never finds it empty)
    os.ftruncate(descriptor, len(says))


def failed_lately(descriptor: int) -> bool:
    """Whether whoever held the lock last failed, and so lately that it is too early to try again."""
    found = os.fstat(descriptor)
    return 0 <= time.time() - found.st_mtime < RETRY_S and _BEGUN.encode() in os.pread(descriptor, 64, 0)


def _make(place: str) -> None:
    """The folder, private: others may neither read what is in it nor leave anything there."""
    try:
        os.mkdir(place, 0o700)
    except FileExistsError:
        found = os.stat(place)
        if not stat.S_ISDIR(found.st_mode):
            raise
        if hasattr(os, "getuid") and found.st_uid != os.getuid():
            raise PermissionError(f"the spool {place} is another user's") from None
        if found.st_mode & _OTHERS:
            os.chmod(place, 0o700)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(os.path.abspath(place)), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(place, 0o700)


def _drop(place: str, names: list[str]) -> None:
    descriptor = os.open(_in(place, _DROPPED), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for name in names:
            remove(place, name)
        if os.fstat(descriptor).st_size < _COUNTED_MOST:
            os.write(descriptor, b"." * len(names))
    finally:
        os.close(descriptor)


def _in(place: str, name: str) -> str:
    return os.path.join(place, name)


def _stamp(name: str) -> int:
    number = name.partition("-")[0]
    return int(number) if number.isdigit() else 0
