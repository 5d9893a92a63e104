"""Connections that read, lent one at a time; made by whoever needs one, so that an error comes to whom it concerns.

There are no threads behind it, so a fork finds nothing under way.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from rollbook.errors import StoreError

_IDLE_S: Final = 600.0  #: after which a connection that nobody needed is closed, when the next one is given back


class Readers:
    """At most so many connections; an idle one is used again."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], most: int, wait_s: float, where: str) -> None:
        self._connect = connect
        self._free = threading.Semaphore(most)
        self._wait_s = wait_s
        self._where = where
        self._idle: deque[tuple[float, psycopg.Connection[Any]]] = deque()  #: the one given back last is the last
        self._closed = False

    @contextmanager
    def lent(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection within the block. Raises StoreError if all are in use for too long."""
        if not self._free.acquire(timeout=self._wait_s):
            raise StoreError(f"{self._where}: all connections that read were busy for {self._wait_s:g} s; try again")
        try:
            raw = self._taken() or self._connect()
            try:
                yield raw
            finally:
                self._give_back(raw)
        finally:
            self._free.release()

    def _taken(self) -> psycopg.Connection[Any] | None:
        try:
            return self._idle.pop()[1]
        except IndexError:
            return None

    def _give_back(self, raw: psycopg.Connection[Any]) -> None:
        now = time.monotonic()
        if raw.closed:
            self._clear(now)  # the others were lost with it
        elif self._closed or raw.pgconn.transaction_status != TransactionStatus.IDLE:
            raw.close()
        else:
            self._idle.append((now, raw))
            self._clear(now - _IDLE_S)
            if self._closed:  # meanwhile
                self._clear(now)

    def _clear(self, before: float) -> None:
        """Close what has been idle since a time or longer."""
        with contextlib.suppress(IndexError):
            while self._idle[0][0] <= before:
                self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close what is idle; what is in use is closed when it is given back."""
        self._closed = True
        self._clear(time.monotonic())
