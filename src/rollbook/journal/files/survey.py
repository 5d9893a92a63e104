"""What a whole folder of journals holds: its sessions, and removing them all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from rollbook.errors import StoreError
from rollbook.journal.backend import Kept
from rollbook.journal.files import disk, written
from rollbook.journal.files.names import is_fork, is_log, is_user, user_name
from rollbook.journal.files.place import Place

_LAST_BYTES: Final = 64 * 1024  #: in which the last line of a log mostly is


def sessions(place: Place, user_id: str | None = None) -> Iterator[Kept]:
    """The sessions of which something is kept."""
    with disk.explained(place.folder):
        listed = users(place) if user_id is None else [user_name(user_id)]
    for user in listed:
        yield from _sessions_of(place, user)


def users(place: Place) -> list[str]:
    """The names of users' folders. Raises StoreError where the folder was taken away."""
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
        for user in users(place):
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
