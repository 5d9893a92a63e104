"""Importing whatever is written, as it is written.

The system says which files change (inotify and its like, by watchfiles), and only those are imported. Everything else
is a clock: folders that are not there yet, or not any more, are looked for twice a second; a file that was written is
seen to once more when its sessions have been silent for long enough to have ended; and now and then everything is
imported, for what no system tells of (a folder of another machine, a link's target, notices that were dropped). How
often that is depends on how long it takes, so that watching stays cheap however much there is to watch.

A book may go back to what it was earlier (a restored backup) while the files stay as they are. It is asked every few
seconds how far it has read the newest file of each source: where that is less than it was, everything is imported.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import Struct, field
from watchfiles import Change, watch
from watchfiles.main import FileChange

from rollbook.errors import InvalidInput, RollbookError
from rollbook.importers import follow
from rollbook.importers.base import QUIET_US, Book, ImportReport, Source, registered
from rollbook.importers.follow import Found
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import SourceFile

TICK_MS: Final = 500  #: between two looks at the clock and at the places
STEP_MS: Final = 100  #: of silence after which a write is imported
GATHER_MS: Final = 400  #: for which writes that do not cease are gathered
ALL_S: Final = 300.0  #: between two imports of everything, at the least
ALL_SHARE: Final = 100  #: one part in so many of the time may go into them
POLL_S: Final = 1.0  #: the same two where nothing tells of changes
POLL_SHARE: Final = 50
QUIET_S: Final = QUIET_US / 1_000_000 + 5
CHECK_S: Final = 5.0  #: between two looks at whether the book went back
PENDING_MOST: Final = 20_000  #: changed files that are remembered; where there are more, everything is imported
RETRY_S: Final = 1.0
RETRY_MOST_S: Final = 60.0
_LOST: Final = "\ufffd"  #: stands in a name for what is no text


class Place(Struct, kw_only=True):
    """A folder or file to follow, whether or not it is there."""

    source: Source
    path: str
    real: str = ""  #: where it is, links resolved
    folder: bool = False
    seen: tuple[int, ...] = ()  #: what it was when it was last looked at; nothing while it is not there

    def look(self) -> bool:
        """Whether it is another than it was, or has come or gone; for a file, whether it was written."""
        before = self.seen
        try:
            now = Path(self.path).stat()
        except (OSError, ValueError):
            self.seen = ()
        else:
            self.folder = stat.S_ISDIR(now.st_mode)
            self.seen = (now.st_dev, now.st_ino) + (() if self.folder else (now.st_size, now.st_mtime_ns))
        if self.seen == before:
            return False
        self.real = os.path.realpath(self.path)
        return True

    def holds(self, path: str) -> bool:
        """Whether something with that name is this folder, or is in it."""
        return self.folder and bool(self.seen) and f"{path}{os.sep}".startswith(self.real.rstrip(os.sep) + os.sep)


class Pending(Struct):
    """What of one source waits to be imported."""

    paths: dict[str, None] = field(default_factory=dict)  #: in the order in which they changed
    settle: dict[str, float] = field(default_factory=dict)  #: when to see to a file once more
    newest: Found | None = None  #: of the files that were imported
    known: SourceFile | None = None  #: how far the book had read that one


class Watch:
    """Follows places, and imports what changes in them. A context manager: it begins to listen when it is entered."""

    def __init__(
        self,
        book: Book,
        sources: Sequence[tuple[Source, Sequence[str] | None]],
        *,
        env: Mapping[str, str] | None = None,
        told: Callable[[ImportReport], None],
        notice: Callable[[str], None],
        all_s: float = ALL_S,
        quiet_s: float = QUIET_S,
        content: bool = False,
    ) -> None:
        self._book = book
        self._env = os.environ if env is None else env
        self._told = told
        self._notice = notice
        self._all_s = all_s
        self._quiet_s = quiet_s
        self._content = content
        self._pending = {source.name: Pending() for source, _ in sources}
        self._sources = {source.name: source for source, _ in sources}
        self._places = [
            Place(source=source, path=os.path.expanduser(path))  # noqa: PTH111 - nobody's home is a path like others
            for source, paths in sources
            for path in (source.roots(self._env) if paths is None else paths)
        ]
        self._listening: Generator[set[FileChange], None, None] | None = None
        self._heard: set[FileChange] = set()  #: while it began to listen
        self._polling = False
        self._listen_at = 0.0
        self._everything_at = time.monotonic() + all_s
        self._check_at = 0.0
        self._trouble = ""
        self._retry_s = RETRY_S
        self._not_before = 0.0

    def __enter__(self) -> Self:
        for place in self._places:
            place.look()
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def everything(self) -> None:
        """Import everything soon."""
        self._everything_at = time.monotonic()

    def remember(self) -> None:
        """Everything was just imported by somebody else: remember how far the book has come with that."""
        try:
            for name, source in self._sources.items():
                self._remember(source, self._pending[name], self._present(source))
        except RollbookError as error:
            self.failed(str(error))

    def failed(self, why: str) -> None:
        """Say what is wrong, once, and try again later: what changed stays remembered."""
        if why != self._trouble:
            self._notice(f"{why.removesuffix('; try again')}; trying again")
        self._trouble = why
        self._not_before = time.monotonic() + self._retry_s
        self._retry_s = min(RETRY_MOST_S, self._retry_s * 2)

    def run(self) -> None:
        """Import what changes, until an exception (Ctrl-C) ends it."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Wait for half a second or a change, and do what is due."""
        for change in sorted(self._changes()):
            self._note(*change)
        self._look_around()
        if time.monotonic() >= self._not_before:
            self._import()

    # What changes

    def _listen(self) -> None:
        """Have the system tell of changes in the folders that are there; where it cannot, say so and look oneself."""
        self._close()
        folders = sorted({place.real for place in self._places if place.seen and place.folder})
        if not folders:
            return
        listening = watch(
            *folders,
            watch_filter=None,
            debounce=GATHER_MS,
            step=STEP_MS,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        try:
            self._heard |= next(listening)  # it begins with being asked
        except FileNotFoundError:  # gone in this moment: the next look at the places sees it
            return
        except (OSError, RuntimeError) as error:
            self._poll(error)
            return
        self._listening = listening
        if self._polling:
            self._polling = False
            self._notice("the system tells of changes again")

    def _poll(self, why: Exception) -> None:
        self._close()
        self.everything()
        self._listen_at = time.monotonic() + self._all_s
        if not self._polling:
            self._polling = True
            self._notice(f"the system does not tell of changes ({why}); looking for them from time to time instead")

    def _close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        self._listening = None

    def _changes(self) -> set[FileChange]:
        """What the system told since the last time; waits for it a little."""
        heard, self._heard = self._heard, set()
        if heard:
            return heard
        if self._listening is None:
            time.sleep(TICK_MS / 1000)
            return set()
        try:
            return next(self._listening)
        except (OSError, RuntimeError) as error:
            self._poll(error)
            return set()

    def _note(self, change: Change, path: str) -> None:
        """Remember a change. A folder may have been filled before the system could tell of what is in it."""
        whole = change is Change.added
        if _LOST in path:
            path, whole = os.path.dirname(path.partition(_LOST)[0]), True  # noqa: PTH120
        for place in self._places:
            if not place.holds(path):
                continue
            if change is Change.deleted:
                if path == place.real:
                    place.seen = ()  # even if what came in its place cannot be told from it
                continue
            pending = self._pending[place.source.name]
            for name in _below(path) if whole else (path,):
                if len(pending.paths) > PENDING_MOST:
                    break
                transcript = place.source.transcript(name)
                if transcript is not None:
                    pending.paths[transcript] = None

    def _look_around(self) -> None:
        """See whether a place came, went, or was put in place of another; and whether a single file was written."""
        changed = [place for place in self._places if place.look()]
        for place in changed:
            if place.seen and not place.folder:
                self._pending[place.source.name].paths[place.path] = None
        again = self._polling and time.monotonic() >= self._listen_at
        if again or any(place.folder for place in changed):
            self._listen()
            self.everything()  # for what was not told while nobody listened

    # What is due

    def _import(self) -> None:
        now = time.monotonic()
        try:
            if now >= self._check_at:
                self._check()
            if now >= self._everything_at or any(len(it.paths) > PENDING_MOST for it in self._pending.values()):
                self._import_everything()
                return
            for name, pending in self._pending.items():
                due = [path for path, at in pending.settle.items() if at <= now]
                if pending.paths or due:
                    self._import_some(self._sources[name], pending, due)
        except RollbookError as error:
            self.failed(str(error))
        else:
            self._trouble, self._retry_s = "", RETRY_S

    def _import_some(self, source: Source, pending: Pending, due: Sequence[str]) -> None:
        for path in (*pending.paths, *due):
            if not _exists(path):
                pending.paths.pop(path, None)
                pending.settle.pop(path, None)
        wanted = list(dict.fromkeys((*pending.paths, *(path for path in due if path in pending.settle))))
        try:
            if wanted:
                self._tell(run_import(self._book, source, wanted, env=self._env, content=self._content))
        except InvalidInput:
            if all(map(_exists, wanted)):
                raise
            return  # one went away in this moment: the others are imported with the next turn
        quiet = time.monotonic() + self._quiet_s
        for path in due:
            pending.settle.pop(path, None)
        pending.settle.update(dict.fromkeys(pending.paths, quiet))
        self._remember(source, pending, pending.paths)
        pending.paths.clear()

    def _import_everything(self) -> None:
        began = time.monotonic()
        for name, source in self._sources.items():
            paths = self._present(source)
            self._tell(run_import(self._book, source, paths, env=self._env, content=self._content))
            self._pending[name].paths.clear()
            self._remember(source, self._pending[name], paths)
        took = time.monotonic() - began
        wait = max(POLL_S, POLL_SHARE * took) if self._polling else max(self._all_s, ALL_SHARE * took)
        self._everything_at = time.monotonic() + wait

    def _present(self, source: Source) -> list[str]:
        return [place.path for place in self._places if place.source is source and place.seen]

    def _tell(self, report: ImportReport) -> None:
        if report.sessions or report.skipped_lines or report.problems or report.too_old:
            self._told(report)

    # Whether the book went back

    def _remember(self, source: Source, pending: Pending, paths: Iterable[str]) -> None:
        """How far the book has read the newest of the files at these paths."""
        found = (found for path in paths for found in _found(source, path))
        newest = max(found, key=lambda found: found.mtime_ns, default=None)
        if newest is not None:
            pending.newest, pending.known = newest, self._read_of(source, newest)

    def _read_of(self, source: Source, found: Found) -> SourceFile | None:
        asked = [(found.key, found.device, found.inode)]
        return self._book.source_files(registered(source.name, content=self._content), files=asked).get(found.key)

    def _check(self) -> None:
        """Import everything where the book has read less of a file than it had."""
        self._check_at = time.monotonic() + CHECK_S
        for name, pending in self._pending.items():
            if pending.newest is None or pending.known is None:
                continue
            known = self._read_of(self._sources[name], pending.newest)
            if known is None or _progress(known) < _progress(pending.known):
                self._notice("the book is not as far as it was; importing everything again")
                self.everything()
                for each in self._pending.values():
                    each.newest = None  # said once; the import remembers them anew
                return


def _progress(file: SourceFile) -> tuple[int, int]:
    return file.mtime_ns, file.offset


def _found(source: Source, path: str) -> Iterator[Found]:
    """The transcripts at a path that may go away in this moment."""
    with contextlib.suppress(OSError):
        yield from source.files(path, lambda _: None)


def _exists(path: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return Path(path).exists()
    return False


def _below(path: str) -> Iterator[str]:
    """A file; of a folder all the files in it."""
    if not follow.is_folder(path):
        yield path
        return
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.join(folder, name)  # noqa: PTH118 - a name that is no text must stay as it is
