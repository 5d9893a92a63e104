"""An open database with its writers and its feed, shared by a book and by everybody who acts on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from rollbook.elsewhere import Elsewhere
from rollbook.errors import StoreError
from rollbook.feed import Feed
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.cache import Cache
from rollbook.ledger.ops import Op
from rollbook.peers import peers_of
from rollbook.settings import Settings
from rollbook.store import Store, open_store
from rollbook.writer import Writer

_LONG: Final = 96  #: operations that wait for one writer; others help from then on

#: Held while a book is opened anew in a child process, so that two threads there do not both do it.
_reopening = threading.Lock()


def _renew() -> None:
    global _reopening  # noqa: PLW0603 - the parent's lock may be held by a thread that the child does not have
    _reopening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Opened:
    """What is open. After a fork the child process opens it anew by itself."""

    def __init__(self, url: str, settings: Settings, clock: Callable[[], int]) -> None:
        self._url = url
        self._settings = settings
        self._clock = clock
        self._closed = False
        self.spared_until = 0.0  #: until when nothing is removed from journals elsewhere, as the place is away
        self._open()

    def _open(self) -> None:
        self.lock = threading.Lock()
        self.attending: Any = None  #: how this process attends to the book, once it does
        self.store = store = open_store(self._url, self._settings)
        self.elsewhere = self.scribe = None
        try:
            if self._settings.journal is not None:
                self.elsewhere = Elsewhere(self._settings.journal, self._settings, store)
                self.elsewhere.reach()
                self.scribe = Writer(self.elsewhere.apply, self._settings)
        except BaseException:
            store.close()
            raise
        self.feed = Feed()
        self._peers = peers_of(self.feed, store)
        self.writers = [self._writing(store, lane) for lane in range(store.lanes)]
        self.pid = os.getpid()

    def _writing(self, store: Store, lane: int) -> Writer:
        cache, clock = Cache(self.feed), self._clock
        cache.journal.outside = self.elsewhere is not None
        return Writer(lambda ops: apply_batch(store, cache, ops, clock(), lane), self._settings)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def alive(self) -> Self:
        """Itself; raise if it is closed. After a fork it is opened anew: threads do not survive into a child."""
        if self._closed:
            raise StoreError("the book is closed")
        if self.pid != os.getpid():
            with _reopening:
                if self.pid != os.getpid():
                    self._open()
        return self

    def writer(self, ops: Sequence[Op]) -> Writer:
        """Who is to write operations: one, as long as it keeps up, since a commit that many share costs each the least.

        Beside it, what is of one session goes one way, so that it is remembered there.
        """
        writers = self.writers
        if len(writers) == 1 or writers[0].waiting < _LONG or not ops:
            return writers[0]
        first = ops[0]
        return writers[hash((getattr(first, "user_id", ""), getattr(first, "session_id", ""))) % len(writers)]

    def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        with self.lock:
            if self._closed:
                return
            if self.pid == os.getpid():
                if self.scribe is not None and self.elsewhere is not None:
                    self.scribe.close()
                    self.elsewhere.close()
                for writer in self.writers:
                    writer.close()
                self.feed.close()
                if self._peers is not None:
                    self._peers.close()
                self.store.close()
            self._closed = True
