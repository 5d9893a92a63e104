"""How well a folder of journals is: what is acknowledged when, and whether what stands in it fits together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from heapq import nlargest
from typing import Final, NamedTuple

import msgspec

from rollbook.errors import RollbookError
from rollbook.journal.backend import Check
from rollbook.journal.files import disk, written
from rollbook.journal.files.log import Log
from rollbook.journal.files.names import USER_LOG, fork_name, is_fork, is_log, log_name
from rollbook.journal.files.place import Place
from rollbook.journal.files.shelf import LogShelf
from rollbook.journal.files.survey import users

_SEEN: Final = 500  #: files that are read to say how well the folder is
_SEEN_BYTES: Final = 64 * 1024 * 1024
_NAMED: Final = 3  #: of what is damaged


class _File(NamedTuple):
    path: str
    name: str
    user: str
    size: int
    changed_at: int
    is_file: bool


def checks(place: Place) -> list[Check]:
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
    found = list(_all(place))
    bad = [f"{each.path} is no file, but stands where one should" for each in found if not each.is_file]
    seen, size = 0, 0
    for each in nlargest(_SEEN, filter(_is_file, found), key=_when):
        size += each.size
        if size > _SEEN_BYTES and seen:
            break
        seen += 1
        bad += _wrong(place, each)
    detail = f"the latest {seen} of {len(found)} logs are whole"
    if bad:
        detail = f"{len(bad)} faults in the latest {seen} of {len(found)} logs: {'; '.join(bad[:_NAMED])}"
    return "logs", not bad, detail


def _all(place: Place) -> Iterator[_File]:
    """Everything that has the name of a log or of a fork."""
    for user in users(place):
        folder = os.path.join(place.folder, user)
        if os.path.islink(folder) or not os.path.isdir(folder):
            yield _File(folder, "", user, 0, 0, is_file=False)
            continue
        with os.scandir(folder) as found:
            for each in found:
                if is_log(each.name) or is_fork(each.name):
                    with contextlib.suppress(FileNotFoundError):
                        about = each.stat(follow_symlinks=False)
                        well = each.is_file(follow_symlinks=False)
                        yield _File(each.path, each.name, user, about.st_size, about.st_mtime_ns, is_file=well)


def _is_file(file: _File) -> bool:
    return file.is_file


def _when(file: _File) -> int:
    return file.changed_at


def _wrong(place: Place, file: _File) -> list[str]:
    """What is wrong with a log, from the file and not from memory."""
    try:
        first = disk.first_line(file.path)
        if not first:
            return []
        header = written.header(first)
        if header.user != file.user or _name(header) != file.name:
            return [f"{file.path} is of {header.session!r} of the user {header.user}, under another name"]
        log = Log(file.path, file.user, header.session)
        if header.root is None:
            place.read_whole(log)
    except FileNotFoundError:
        return []
    except RollbookError as error:
        return [str(error)]
    except (OSError, msgspec.MsgspecError, UnicodeError) as error:
        return [f"{file.path}, line 1, is damaged ({error})"]
    return [f"{file.path}: {each}" for each in _gaps(log.shelf)]


def _name(header: written.Header) -> str:
    """The name of the file that begins so."""
    if header.session is None:
        return USER_LOG
    return log_name(header.session) if header.root is None else fork_name(header.session)


def _gaps(shelf: LogShelf) -> Iterator[str]:
    """Heads that do not lead to as many entries as they say, for a line that is missing."""
    for name in {head.stream for head in shelf.all_heads.values()} | shelf.streams.keys():
        depth, last = {0: 0}, 0
        for position, parent in shelf.whole(name):
            depth[position] = depth.get(last if parent is None else parent, 0) + 1
            last = position
        heads = shelf.heads(name)
        for head in heads:
            found = depth.get(head.tip)
            if found != head.length:
                yield f"the head {head.name} of {name} has {head.length} entries, of which {found or 0} are there"
        if last > max((head.top for head in heads), default=0):
            yield f"{name} has entries that no head knows of"
