"""Books on a PostgreSQL server, written by many processes at once.

A few *lanes* write, each a connection of its own; others read snapshots. A transaction goes out as a
pipeline, so it costs a round trip for each answer that is waited for. What it was is noted in its own transaction under
the lane's number, so a commit whose answer was lost is settled by looking.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakSet

from rollbook.errors import NotSupported, StoreError

try:
    import psycopg
except ImportError as missing:
    raise NotSupported(
        "postgresql:// URLs need psycopg; install it with: pip install 'rollbook[postgres]'"
    ) from missing

from rollbook.settings import Settings
from rollbook.store import Check, Copied, Replaced, TryAgain, forks, postgres_health, postgres_records
from rollbook.store.postgres_arrays import teach
from rollbook.store.postgres_connection import Connection, translated
from rollbook.store.postgres_lane import Lane
from rollbook.store.postgres_notices import Notices, channel_of
from rollbook.store.postgres_readers import Readers
from rollbook.store.postgres_schema import prepare
from rollbook.store.postgres_url import parse

#: How a line to the server is made, and how one that leads nowhere any more is noticed, unless the URL says otherwise:
#: what was sent, or nothing at all, is not acknowledged by the other machine for half a minute.
_LINE: Final[dict[str, Any]] = {
    "application_name": "rollbook",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_FORK_WAITS_S: Final = 0.5
_START_S: Final = 8.0  #: how long is waited for a server when a book is opened
_START_PAUSE_S: Final = 0.1
#: What a server that is started anew, or has no place left for the moment, says. Anything else does not pass by itself.
_PASSING: Final = re.compile(
    "refused|starting up|shutting down|recovery|too many|remaining connection slots|closed the connection|reset by peer"
    "|others changed the same"
)
_READS_MS: Final = 3_600_000  #: how long a snapshot may wait for whoever reads it
_STATEMENTS_MOST: Final = 500  #: that a connection keeps prepared


class PostgresStore:
    """A book in one schema of a PostgreSQL database."""

    shared: Final = True

    def __init__(self, url: str, settings: Settings, room: str) -> None:
        self.url = url
        self.room = room
        self._settings = settings
        self._place = parse(url)
        self.read_only = self._place.read_only
        self.patience_s = settings.busy_timeout_s
        self.lanes = settings.writers
        self.where = f"the book at {self._place.shown}"
        self._own: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self._closed = False
        self._readers = Readers(self.connect, settings.readers, self.patience_s, self.where)
        self._notices = Notices(self.connect, channel_of(self._place.schema))
        self._lanes = [Lane(self, number) for number in range(self.lanes)]
        forks.watch(self)
        self._prepared(time.monotonic() + min(self.patience_s, _START_S))

    def _prepared(self, until: float) -> None:
        """Make the book ready; a server that is just starting is waited for."""
        while True:
            try:
                with translated(self.where), contextlib.closing(self.connect()) as raw:
                    prepare(raw, self._place.schema, self.where, read_only=self.read_only)
            except TryAgain as again:
                if time.monotonic() > until or not _PASSING.search(str(again)):
                    raise again.told from again.__cause__
                time.sleep(_START_PAUSE_S)
            else:
                return

    @contextmanager
    def _met(self) -> Iterator[None]:
        """Where nobody tries again: what would be tried again is an error."""
        try:
            with translated(self.where):
                yield
        except TryAgain as again:
            raise again.told from again.__cause__

    def connect(self, *, writer: bool = False, reader: bool = False) -> psycopg.Connection[Any]:
        """A new connection, on which every statement is a transaction of its own; a reader's sees one snapshot."""
        given = psycopg.conninfo.conninfo_to_dict(self._place.conninfo)
        options = [*self._wishes(writer), str(given.pop("options", None) or ""), *self._demands(writer, reader)]
        # Whatever the environment says: what is sent as bytes is UTF-8.
        known = _LINE | {**given, "client_encoding": "UTF8", "options": " ".join(filter(None, options))}
        raw: psycopg.Connection[Any] = psycopg.connect(**known, autocommit=True)
        self._prepare(raw)
        return raw

    def _wishes(self, writer: bool) -> list[str]:  # noqa: FBT001 - see connect
        """Settings of a connection that the URL may set otherwise."""
        wait_ms = int(self.patience_s * 1000)
        # A process that was stopped in the middle of a transaction is thrown out before those who wait for it give up.
        idle_ms = max(1000, wait_ms * 2 // 3) if writer else _READS_MS
        return [f"-c lock_timeout={wait_ms}", f"-c idle_in_transaction_session_timeout={idle_ms}"]

    def _demands(self, writer: bool, reader: bool) -> list[str]:  # noqa: FBT001 - see connect
        return [f"-c {name}={value}" for name, value in self._set(writer, reader)]

    def _set(self, writer: bool, reader: bool) -> Iterator[tuple[str, str]]:  # noqa: FBT001 - see connect
        yield "search_path", self._place.schema
        # Whatever the database's own default: what was waited for is looked at as it is after the wait.
        yield "default_transaction_isolation", r"repeatable\ read" if reader else r"read\ committed"
        yield "default_transaction_read_only", "on" if self.read_only or reader else "off"
        if writer:
            yield "synchronous_commit", "on"
            # What a batch asks for it asks for by keys; a plan that was made while a table was small stays right.
            yield "plan_cache_mode", "force_generic_plan"
            yield "enable_seqscan", "off"
            yield "enable_hashjoin", "off"
            yield "enable_mergejoin", "off"
            yield "jit", "off"

    def _prepare(self, raw: psycopg.Connection[Any]) -> None:
        raw.prepare_threshold = 0
        raw.prepared_max = _STATEMENTS_MOST
        teach(raw)
        postgres_records.teach(raw)
        self._own.add(raw)

    # Writing

    @contextmanager
    def write(self, lane: int = 0, *, alone: bool = True) -> Iterator[Connection]:
        if self.read_only:
            raise StoreError(f"{self.where} was opened for reading only")
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        with self._lanes[lane].transaction(alone=alone) as tx:
            yield tx

    def changed_by_others(self, lane: int = 0) -> bool:
        return self._lanes[lane].changed()

    # Reading

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._closed:
            raise StoreError(f"{self.where} is closed")
        with translated(self.where), self._readers.lent() as raw:
            # (The driver's own transactions log what a lost line makes of them.)
            raw.execute("begin isolation level repeatable read read only")
            try:
                yield Connection(raw, self.room)
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    raw.execute("rollback")
                raise
            raw.execute("commit")

    # Between processes

    def notify(self, payloads: Sequence[str]) -> None:
        self._notices.notify(payloads)

    def listen(self, told: Callable[[str | None], None]) -> Callable[[], None]:
        return self._notices.listen(told)

    def version(self) -> int | None:
        return None

    def health(self) -> list[Check]:
        with self._met(), contextlib.closing(self.connect()) as raw:
            return postgres_health.checks(raw, self._place.schema)

    def forget(self) -> None:
        """What was removed is overwritten in time by the server itself, which vacuums its tables."""

    def backup(self, *_: object, **__: object) -> Copied:
        raise NotSupported(
            "a book on PostgreSQL is backed up by the server's own tools (pg_dump, or base backups), or copied into a "
            "file: rollbook copy"
        )

    def restore(self, *_: object, **__: object) -> Replaced:
        raise NotSupported("a book on PostgreSQL is restored by the server's own tools, or filled by: rollbook copy")

    # A fork (see forks): connections are the parent's, and the child opens its own.

    def hold(self, deadline: float) -> Callable[[], None]:
        """Wait a little for transactions to end. A child can do with one under way, and others may hold it up."""
        until = min(deadline, time.monotonic() + _FORK_WAITS_S)
        held = [lane.busy for lane in self._lanes if lane.busy.acquire(timeout=max(0.0, until - time.monotonic()))]

        def release() -> None:
            for lock in held:
                lock.release()

        return release

    def abandon(self) -> None:
        """In a forked child: let go of the parent's connections without a word to the server.

        A copy of a connection that stays open here would keep the parent's transaction alive after the parent.
        """
        self._closed = True
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for raw in self._own:
                with contextlib.suppress(psycopg.Error, OSError):
                    os.dup2(nowhere, raw.pgconn.socket)
            os.close(nowhere)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._notices.close()
        for lane in self._lanes:
            lane.close()
        self._readers.close()
