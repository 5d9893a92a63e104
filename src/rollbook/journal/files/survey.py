"""What is to be said of a whole folder of journals: which sessions it holds, how well it is; and removing them all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import Final

import msgspec

from rollbook.errors import RollbookError, StoreError
from rollbook.journal.backend import Check, Kept
from rollbook.journal.files import disk
from rollbook.journal.files import written
from rollbook.journal.files.log import Log
from rollbook.journal.files.names import is_fork, is_log, is_user, user_name
from rollbook.journal.files.place import Place

_LAST_BYTES: Final = 64 * 1024  #: in which the last line of a log mostly is
_SEEN: Final = 500  #: logs that are read to say how well the folder is
_SEEN_BYTES: Final = 64 * 1024 * 1024
_NAMED: Final = 3  #: damaged logs that are named


def sessions(place: Place, user_id: str | None = None) -> Iterator[Kept]:
    """The sessions of which something is kept."""
    with disk.explained(place.folder):
        users = _users(place) if user_id is None else [user_name(user_id)]
    for user in users:
        yield from _sessions_of(place, user)


def _users(place: Place) -> list[str]:
    place.must_be_there()
    return sorted(name for name in os.listdir(place.folder) if is_user(name))


def _files(folder: str, wanted: Callable[[str], bool]) -> list[str]:
    """The paths of a user's files by their names, without links and anything else that is no file."""
    try:
        with os.scandir(folder) as found:
            return [each.path for each in found if wanted(each.name) and each.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _sessions_of(place: Place, user: str) -> Iterator[Kept]:
    folder = os.path.join(place.folder, user)
    with disk.explained(folder):
        own = {head.session: path for path in _files(folder, is_log) if (head := _head(path)) is not None}
        forks = {head.session: head.root for path in _files(folder, is_fork) if (head := _head(path)) is not None}
    shared = set(forks.values())
    for session in own.keys() | forks.keys():
        if session is None:
            continue
        with disk.explained(folder):
            changed_at = None if session in forks or session in shared else _last(own[session])
        if changed_at is None:
            changed_at = _read(place, user, session)
        if changed_at is not None:
            yield Kept(user, session, changed_at)


def _head(path: str) -> written.Header | None:
    """The first line of a log; None where there is none that can be read."""
    try:
        first = disk.first_line(path)
        return written.header(first) if first else None
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _last(path: str) -> int | None:
    """When the last step of a log was; None where the last line is too long, or is none."""
    try:
        tail = disk.last_bytes(path, _LAST_BYTES)
        _, found, last = tail[: tail.rfind(b"\n")].rpartition(b"\n")
        return written.record(last).at if found else None
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _read(place: Place, user: str, session: str) -> int | None:
    """When a session changed last, from the whole log; None where nothing is kept of it."""
    try:
        with place.looking(user, session) as (shelf, changed_at):
            if not shelf.holds(session):
                return None
            return max((head.changed_at for head in shelf.heads_of(session)), default=changed_at)
    except StoreError:
        return _changed(place.log(user, session).path)  # damaged, but there


def _changed(path: str) -> int | None:
    found = disk.regular(path)
    return None if found is None else found.st_mtime_ns // 1000


def wipe(place: Place) -> int:
    """Remove every log; how many sessions there were."""
    count = sum(1 for _ in sessions(place))
    with disk.explained(place.folder):
        for user in _users(place):
            folder = os.path.join(place.folder, user)
            _wipe_forks(place, user, folder)
            for path in _files(folder, is_log):
                _remove(place, path)
            for path in _files(folder, _is_left_over):
                os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(folder)  # something else in it keeps it
        if place.durable:
            disk.sync_folder(place.folder)
    return count


def _wipe_forks(place: Place, user: str, folder: str) -> None:
    """Remove what says where forks are, each while the log that it leads to is locked."""
    for path in _files(folder, is_fork):
        head = _head(path)
        root = None if head is None else head.root
        fd = None if root is None else place.locks.write(place.log(user, root).path, make=True)
        try:
            os.unlink(path)
        finally:
            if fd is not None:
                place.locks.release(fd)


def _remove(place: Place, path: str) -> None:
    fd = place.locks.write(path, make=False)
    if fd is not None:
        try:
            os.unlink(path)
        finally:
            place.locks.release(fd)


def _is_left_over(name: str) -> bool:
    """Whether it is what a crash has left of a file that was to take another one's place."""
    own = name.removesuffix(disk.NEW)
    return own != name and (is_log(own) or is_fork(own))


def health(place: Place) -> list[Check]:
    """What is to be said of the folder."""
    with disk.explained(place.folder):
        return [_durability(place), _writable(place), _readable(place)]


def _durability(place: Place) -> Check:
    if place.durable:
        return "durability", True, "a step is acknowledged when it is on this machine's disk"
    return "durability", False, "fsync=never: a step that was acknowledged can be lost when the machine stops"


def _writable(place: Place) -> Check:
    well = os.access(place.folder, os.R_OK | os.W_OK | os.X_OK)
    return "folder", well, place.folder if well else f"{place.folder} can be read only; give this user write access"


def _readable(place: Place) -> Check:
    found = [
        (os.stat(path), path, user)
        for user in _users(place)
        for path in _files(os.path.join(place.folder, user), is_log)
    ]
    bad, seen, size = [], 0, 0
    for about, path, user in nlargest(_SEEN, found, key=lambda each: each[0].st_mtime_ns):
        size += about.st_size
        if size > _SEEN_BYTES and seen:
            break
        seen += 1
        if (error := _wrong(place, path, user)) is not None:
            bad.append(str(error))
    detail = f"the latest {seen} of {len(found)} logs can be read"
    if bad:
        detail = f"{len(bad)} of the latest {seen} logs cannot be read: {'; '.join(bad[:_NAMED])}"
    return "logs", not bad, detail


def _wrong(place: Place, path: str, user: str) -> RollbookError | None:
    """Why a log cannot be read, from the file and not from memory."""
    try:
        first = disk.first_line(path)
        if first:
            session = written.header(first).session
            place.read_whole(Log(path, user, session))
    except FileNotFoundError:
        return None
    except RollbookError as error:
        return error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        return StoreError(f"{path}, line 1, is damaged ({error})")
    return None
