"""OpenCode's sessions: where its databases and older files are, and how one is read.

``docs/reference/importers/opencode.md`` has each table and field with its meaning, and each trap with how it is
handled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Final

from rollbook.importers import follow, opencode_read
from rollbook.importers.base import Batch, Context
from rollbook.importers.follow import Found
from rollbook.importers.opencode_db import LOG
from rollbook.importers.opencode_files import MESSAGE, SESSION, Files, is_file, listing
from rollbook.importers.opencode_sessions import AGENT
from rollbook.importers.sessions import settle
from rollbook.ledger.ops import SourceFile

STORAGE: Final = "storage"


class OpenCode:
    """The source of OpenCode's databases and of the files that came before them."""

    name = AGENT

    def __init__(self) -> None:
        self._files = Files()

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """``OPENCODE_DATA_DIR`` where it is set, else OpenCode's folder among the user's data."""
        given = env.get("OPENCODE_DATA_DIR", "").strip()
        if given:
            return [str(Path(given).expanduser())]
        data = env.get("XDG_DATA_HOME") or Path(env.get("HOME") or Path.home()) / ".local" / "share"
        return [str(Path(data) / "opencode")]

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """A database, one of the older files, a folder of databases, of older files, or of both."""
        if not follow.is_folder(path):
            yield from _one(path, trouble)
            return
        seen: set[tuple[int, int]] = set()
        for place in sorted(Path(path).glob("opencode*.db")):
            if place.name == "opencode.db" or place.name.startswith("opencode-"):
                for found in _one(str(place), trouble):
                    if (found.device, found.inode) not in seen:
                        seen.add((found.device, found.inode))
                        yield found
        storage = Path(path) / STORAGE
        yield from listing(str(storage) if follow.is_folder(str(storage)) else path, trouble)

    def transcript(self, path: str) -> str | None:
        """A database, also where only its log was written; an older file of a session or of a message."""
        place = PurePath(path.removesuffix(LOG))
        if place.match("opencode.db") or place.match("opencode-*.db"):
            return str(place)
        return path if is_file(path) and place.parent.parent.name in (SESSION, MESSAGE) else None

    def read(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """What is new in a database, or in one of the older files."""
        if is_file(found.path):
            return self._files.read(found, context)
        return opencode_read.read(found, known, context)

    def settle(self, known: SourceFile, context: Context) -> Batch | None:
        """The ends of sessions whose last messages spoke of one, and that have been silent for long enough since."""
        return settle(AGENT, known, opencode_read.load(known.state), context) if known.state else None


def _one(path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
    try:
        found = follow.look(path)
    except OSError as error:
        trouble(follow.reason(path, error))
        return
    if found is None:
        trouble(f"{follow.as_key(path)}: not a regular file")
    else:
        yield found if is_file(path) else _with_log(found)


def _with_log(found: Found) -> Found:
    """A database as large, and as lately written, as it is together with its log."""
    try:
        log = Path(found.path + LOG).stat()
    except OSError:
        return found
    return found._replace(size=found.size + log.st_size, mtime_ns=max(found.mtime_ns, log.st_mtime_ns))
