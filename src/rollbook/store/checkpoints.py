"""Moving the write-ahead log into the file, without making callers wait for it.

SQLite's own automatic checkpoint runs inside the commit that crosses the limit, and that caller pays for it. Here a
thread does most of the copying, on a connection of its own and once for each time that the log fills: copying after
every commit would compete with the writer for the disk. The thread alone would never let the log start over under load,
because there is always a newer frame; so when it is done, the writer copies the short rest between two transactions.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final

import apsw

_MARK: Final = 8_000  #: pages in the log at which the thread begins to copy
_LIMIT: Final = 24_000  #: pages at which the writer finishes the copying itself


class Checkpoints:
    """Keeps one file's log short."""

    def __init__(self, writer: apsw.Connection, connect: Callable[[], apsw.Connection]) -> None:
        self._writer = writer
        self._connect = connect
        self._pages = 0
        self._asked = self._copied = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = False
        self.busy = threading.Lock()  #: held while something is copied
        self.own: apsw.Connection | None = None  #: the thread's connection
        writer.set_wal_hook(self._grown)

    def _grown(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._pages = pages
        return 0

    def after_commit(self) -> None:
        """Called by the writer between transactions."""
        if self._pages < _MARK:
            return
        if self._copied or self._pages >= _LIMIT:
            self._copied = self._asked = False
            with self.busy:
                self._copy(self._writer)
        elif not self._asked:
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rollbook-checkpoint", daemon=True)
                self._thread.start()
            self._wake.set()

    def _run(self) -> None:
        try:
            with self.busy:
                connection = self.own = self._connect()
        except apsw.Error:  # the writer copies alone until a later commit tries again
            self._thread = None
            return
        try:
            while self._wake.wait() and not self._closing:
                self._wake.clear()
                # The second time for what was committed during the first, so that little is left for the writer.
                for _ in range(2):
                    with self.busy:
                        self._copy(connection)
                self._copied = True
        finally:
            connection.close()

    @staticmethod
    def _copy(connection: apsw.Connection) -> None:
        # A log that cannot be copied now is copied later; the commit that called for it is durable in the log.
        with contextlib.suppress(apsw.Error):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join()
