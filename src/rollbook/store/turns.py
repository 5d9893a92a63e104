"""Turns between processes that write to one SQLite file.

SQLite's own lock has no queue: a busy process takes it again at once, and others may wait without end. Two locks make
turns of it. Whoever wants to write takes *next*, waits there for *turn*, then gives *next* away; whoever has just
written finds *next* taken by the one who waits. The kernel releases both when their holder dies.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on this platform: SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment]

_POLL_S: Final = 0.0005
_POLL_MOST_S: Final = 0.01


class Turns:
    """The two locks of one file, held by one writer at a time."""

    def __init__(self, base: Path) -> None:
        self._next = self._open(base.with_name(base.name + "-next"))
        self._turn = self._open(base.with_name(base.name + "-turn"))

    @staticmethod
    def _open(path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) if fcntl else -1

    def take(self, deadline: float) -> bool:
        """Wait for the turn until the monotonic deadline; False if it did not come."""
        if fcntl is None:
            return True
        if not self._lock(self._next, deadline):
            return False
        try:
            return self._lock(self._turn, deadline)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def give(self) -> None:
        """Let the next one write."""
        if fcntl is not None:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        for descriptor in (self._next, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._next = self._turn = -1

    @staticmethod
    def _lock(descriptor: int, deadline: float) -> bool:
        pause = _POLL_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(pause)
                pause = min(pause * 1.5, _POLL_MOST_S)
            else:
                return True
