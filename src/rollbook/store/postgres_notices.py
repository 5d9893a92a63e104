"""Texts between the processes that use a book on PostgreSQL, by LISTEN and NOTIFY on one channel.

NOTIFY takes a lock that all transactions which notify wait for until they are committed, so nothing is told within a
transaction that writes: a text goes by a connection of its own, after the commit.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from typing import Any, Final

import psycopg
from psycopg import sql

from rollbook.errors import StoreError

Connect = Callable[[], "psycopg.Connection[Any]"]

_TICK_S: Final = 1.0  #: how often a listener looks how long it heard nothing
_END_S: Final = 5.0  #: how long is waited for a listener to end, which takes long only where it is just connecting
_SILENCE_S: Final = 15.0  #: of silence, until it is seen whether the server is still there
_PAUSES_S: Final = (0.1, 5.0)  #: before a lost connection is made anew: at first, and at the most


def channel_of(schema: str) -> str:
    """The channel of the book in a schema; every database has channels of its own."""
    return f"rollbook_{blake2b(schema.encode(), digest_size=16).hexdigest()}"


class Notices:
    """One book's channel. ``connect`` makes a connection that commits by itself; it is called in threads of its own."""

    def __init__(self, connect: Connect, channel: str) -> None:
        self._connect = connect
        self._channel = channel
        self._lock = threading.Lock()
        self._teller: psycopg.Connection[Any] | None = None
        self._listeners: set[_Listener] = set()

    def notify(self, payloads: Sequence[str]) -> None:
        """Tell every process that listens, this one too; see :class:`rollbook.store.Notifies`."""
        with self._lock:
            known = self._teller is not None
            try:
                self._send(payloads)
            except (psycopg.Error, StoreError) as error:
                self._hang_up()
                if not known:
                    raise _unheard(error) from error
            else:
                return
            try:  # the connection was an old one: the server may have been started anew since
                self._send(payloads)
            except (psycopg.Error, StoreError) as error:
                self._hang_up()
                raise _unheard(error) from error

    def _send(self, payloads: Sequence[str]) -> None:
        if self._teller is None:
            self._teller = self._connect()
        self._teller.execute(
            "select pg_notify(%s, told) from unnest(%s::text[]) as told", (self._channel, list(payloads))
        )

    def _hang_up(self) -> None:
        if self._teller is not None:
            with suppress(psycopg.Error):
                self._teller.close()
            self._teller = None

    def listen(self, told: Callable[[str | None], None]) -> Callable[[], None]:
        """Listen until the returned function is called; see :class:`rollbook.store.Notifies`."""
        listener = _Listener(self._connect, self._channel, told)
        try:
            listener.start()
        except RuntimeError as error:
            raise StoreError(f"the machine gives no thread to follow changes with: {error}") from error
        self._listeners.add(listener)

        def stop() -> None:
            self._listeners.discard(listener)
            listener.stop()

        return stop

    def close(self) -> None:
        """End whoever listens, and let go of the connections."""
        while self._listeners:
            self._listeners.pop().stop()
        with self._lock:
            self._hang_up()


def _unheard(error: Exception) -> StoreError:
    return StoreError(f"other processes cannot be told what changed: {error}")


class _Listener(threading.Thread):
    """Hears what is told, over a connection that is made anew whenever it is lost."""

    def __init__(self, connect: Connect, channel: str, told: Callable[[str | None], None]) -> None:
        super().__init__(name="rollbook-listen", daemon=True)
        self._connect = connect
        self._listen = sql.SQL("listen {}").format(sql.Identifier(channel))
        self._told = told
        self._ended = threading.Event()
        self._guard = threading.Lock()  #: held while a connection comes or goes
        self._open: psycopg.Connection[Any] | None = None

    def run(self) -> None:
        """Listen, and again after each failure."""
        pause = _PAUSES_S[0]
        while not self._ended.is_set():
            try:
                with self._connected() as connection:
                    connection.execute(self._listen)
                    pause = _PAUSES_S[0]
                    self._told(None)
                    self._hear(connection)
            except psycopg.errors.ReadOnlySqlTransaction:  # a replica, on which nobody can listen: it is looked at
                pause = _PAUSES_S[1]
                self._told(None)
            except (psycopg.Error, StoreError):
                pass
            # Not all at once, where a server comes back to many.
            self._ended.wait(pause * (0.5 + random.random()))  # noqa: S311 - no secret
            pause = min(2 * pause, _PAUSES_S[1])

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        connection = self._connect()
        with self._guard:
            self._open = connection
        try:
            yield connection
        finally:
            with self._guard:
                self._open = None
                connection.close()

    def _hear(self, connection: psycopg.Connection[Any]) -> None:
        heard = time.monotonic()
        while not self._ended.is_set():
            for notice in connection.notifies(timeout=_TICK_S):
                heard = time.monotonic()
                self._told(notice.payload)
                if self._ended.is_set():
                    return
            if time.monotonic() - heard > _SILENCE_S:
                connection.execute("select 1")
                heard = time.monotonic()

    def stop(self) -> None:
        """Listen no more; who waits on the line hears that it is cut."""
        self._ended.set()
        with self._guard, suppress(OSError, psycopg.Error):
            if self._open is not None:
                with socket.fromfd(self._open.fileno(), socket.AF_INET, socket.SOCK_STREAM) as line:
                    line.shutdown(socket.SHUT_RDWR)
        if self.is_alive() and threading.current_thread() is not self:
            self.join(_END_S)
