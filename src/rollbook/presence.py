"""A process's presence in a book: which instance it is there, and the one thread that says that it lives.

The thread starts with the first session that the process runs and ends with the book. It holds on to nothing: a book
that nobody uses any more takes it along.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from typing import Final, Protocol

import uuid_utils

from rollbook.errors import RollbookError
from rollbook.settings import Settings

_PRESENT: Final[weakref.WeakSet[Presence]] = weakref.WeakSet()


class Attended(Protocol):
    """A book as its thread uses it."""

    def beat(self) -> None:
        """Say that the process lives."""
        ...

    def look_around(self) -> None:
        """Mark what dead processes of this machine ran."""
        ...

    def leave(self) -> None:
        """Say that the process lets go of what it runs."""
        ...


class Presence:
    """This process in one open book. After a fork the child has one of its own."""

    def __init__(self, book: Attended, settings: Settings) -> None:
        self.instance_id = str(uuid_utils.uuid7())
        self.known = False  #: whether the book has heard of the instance
        self.beats = False  #: whether there was a thread for it: without one, its silence says nothing
        self.pid = os.getpid()
        self._book = weakref.ref(book)
        self._settings = settings
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._thread: threading.Thread | None = None

    def attend(self) -> None:
        """Let the thread run. A machine that gives no thread goes without: where processes are seen, that is enough."""
        with self._lock:
            if self._thread is None and not self._told.is_set():
                _PRESENT.add(self)
                thread = threading.Thread(target=self._run, name="rollbook-beat", daemon=True)
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread, self.beats = thread, True

    def end(self) -> None:
        """End the thread, and wait until it has. A second call does nothing."""
        with self._lock:
            self._told.set()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._told.wait(self._settings.beat_s):
            book = self._book()
            if book is None:
                return
            due = 0 < self._settings.reconcile_s <= time.monotonic() - looked
            with contextlib.suppress(RollbookError):  # the next beat says the same
                if self.known:
                    book.beat()
                if due:
                    looked = time.monotonic()
                    book.look_around()
            del book

    def leave(self) -> None:
        """At the end of the program."""
        book = self._book()
        if book is not None and self.pid == os.getpid():
            book.leave()


def _at_exit() -> None:
    for presence in list(_PRESENT):
        presence.leave()


atexit.register(_at_exit)
