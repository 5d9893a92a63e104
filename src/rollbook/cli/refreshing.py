"""A background import that a status line may start: never waited for, one at a time, at most every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

from rollbook import settings
from rollbook.store.sqlite_file import parse

if TYPE_CHECKING:
    from rollbook.cli.statusline import Asked

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on this platform: it does without the background
    fcntl = None  # type: ignore[assignment]

EVERY_S: Final = 10.0
_NICE: Final = 10
_DESCRIPTORS: Final = 65_536
#: What a user may have set for imports by hand, and what would make one of these go on for ever or store nothing.
_NOT_FOR_IT: Final = ("ROLLBOOK_IMPORT_WATCH", "ROLLBOOK_IMPORT_DRY_RUN")


def start(ask: Asked) -> None:
    """Begin an import of the agent's transcripts, unless one is under way or was begun a moment ago.

    It holds a lock on a file beside the book for as long as it lives, so that however it dies the next may begin.
    """
    if fcntl is None or not hasattr(os, "fork") or not sys.executable:
        return
    path, read_only = parse(settings.default_url() if ask.db is None else ask.db)
    if path is None or read_only:
        return
    try:
        lock = os.open(path.with_name(path.name + "-refresh"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a folder that may not be written to: whoever keeps that book imports into it
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        before = os.fstat(lock)
        if before.st_size and 0 <= time.time() - before.st_mtime < EVERY_S:
            return
        os.pwrite(lock, b"1", 0)  # its time of change is that of the last beginning
        if os.fork() == 0:
            _become_import(ask, lock)
    except OSError:  # one is under way, or there is no room for another process
        return
    finally:
        os.close(lock)


def _become_import(ask: Asked, lock: int) -> None:
    """In the child: let go of the terminal and of everything inherited but the lock, and run the import."""
    try:
        os.setsid()
        os.nice(_NICE)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.closerange(3, lock)
        os.closerange(lock + 1, _DESCRIPTORS)
        os.set_inheritable(lock, True)
        words = [sys.executable, "-P", "-m", "rollbook", "import", ask.agent]
        words += [] if ask.db is None else ["--db", ask.db]
        words += [] if ask.user is None else ["--user", ask.user]
        env = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_IT}
        os.execve(sys.executable, words, env)  # noqa: S606 - this very program
    finally:
        os._exit(127)
