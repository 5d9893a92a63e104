"""One connection that writes, one transaction after another, and what became of each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from rollbook.errors import StoreError
from rollbook.store import TryAgain
from rollbook.store.half import refuse_half
from rollbook.store.postgres_connection import Connection, translated
from rollbook.store.postgres_records import Shapes
from rollbook.store.postgres_schema import newer, newest

if TYPE_CHECKING:
    from rollbook.store.postgres import PostgresStore

_SLOTS: Final = 32  #: rows that a sum is spread over at the most
_PAUSE_S: Final = 0.2
_UNKNOWN: Final = -1  #: no book's generation
_KEPT_S: Final = 86_400  #: how long it stays known what a lane did last


@contextmanager
def _pipeline(raw: psycopg.Connection[Any]) -> Iterator[psycopg.Pipeline]:
    """A pipeline that is left quietly after an error: the driver would log each one that it meets besides."""
    met: BaseException | None = None
    try:
        with raw.pipeline() as pipe:
            try:
                yield pipe
            except BaseException as error:  # noqa: BLE001 - it is raised below
                met = error
    except psycopg.Error:
        if met is None:
            raise
    if met is not None:
        raise met


class Lane:
    """One writer of a book. It connects with its first transaction, and anew where the connection was lost."""

    def __init__(self, store: PostgresStore, number: int) -> None:
        self._store = store
        self._number = number
        self._raw: psycopg.Connection[Any] | None = None
        self._lane_no = 0  #: under which the server knows it
        self._batch = 0
        self._generation: int | None = None
        self._alone = False
        self._shapes: Shapes | None = None  #: the tables as they were when the schema was looked at
        self._looked: int | None = None  #: the generation at which the schema was looked at last
        self._tx: Connection
        self._joined: psycopg.Cursor[Any]
        self.busy = threading.Lock()

    @contextmanager
    def transaction(self, *, alone: bool) -> Iterator[Connection]:
        """A transaction, under the lock of the whole book or beside other writers; see ``Store.write``."""
        with self.busy, translated(self._store.where):
            raw = self._connected()
            sent = False
            try:
                with _pipeline(raw) as pipe:
                    tx = self._begin(raw, pipe, alone=alone)
                    yield tx
                    self._batch += 1
                    # (The time is so coarse that its index rarely changes.)
                    tx.put("mark_batch", [(self._lane_no, self._batch, int(time.time()) // 3600 * 3_600_000_000)])
                    tx.flush()
                    if alone:
                        tx.ask("bump_generation")
                    sent = True
                    ended = raw.execute("commit")
                self._confirmed(ended)
            except BaseException as error:
                if not self._undo(raw, error, sent=sent):
                    raise

    def _confirmed(self, ended: psycopg.Cursor[Any]) -> None:
        """A server answers a COMMIT of what failed before by a ROLLBACK, which is no error to it."""
        if ended.statusmessage != "COMMIT":
            raise StoreError(f"{self._store.where} undid a write ({ended.statusmessage}); nothing of it was kept")

    def _begin(self, raw: psycopg.Connection[Any], pipe: psycopg.Pipeline, *, alone: bool) -> Connection:
        self._tx = tx = Connection(raw, self._store.room, shared=not alone, pipe=pipe, shapes=self._shapes)
        raw.execute("begin")
        self._joined = tx.ask("write_alone" if alone else "join_writers")
        self._alone = alone
        return tx

    def changed(self) -> bool:
        """Whether what was remembered of the book does not hold any more; of sessions their versions tell that."""
        generation = self._tx.fetched(self._joined)[0][0]
        if generation != self._looked:
            self._look_at_schema()
            self._looked = generation
        changed = self._alone or self._generation not in (None, generation)
        self._generation = generation + 1 if self._alone else generation
        return changed

    def _look_at_schema(self) -> None:
        """It may have been changed under a process that runs: refuse one that this version must not write."""
        assert self._raw is not None  # noqa: S101 - within a transaction
        found = Connection(self._raw, "store").rows("schema_version")
        version, oldest = found[0] if found else (0, 0)
        if oldest > newest():
            raise StoreError(newer(self._store.where, version, oldest))
        self._tx.shapes = self._shapes = Shapes(Connection(self._raw, "store").rows("columns"))
        refuse_half(Connection(self._raw, self._store.room))

    def _undo(self, raw: psycopg.Connection[Any], error: BaseException, *, sent: bool) -> bool:
        """After an error: end the transaction; whether it was kept nevertheless."""
        self._generation = None
        if not raw.closed:
            with contextlib.suppress(psycopg.Error):
                raw.execute("rollback")
                return False
        self._drop()
        if not (sent and isinstance(error, psycopg.Error) and self._kept(error)):
            return False
        self._generation = _UNKNOWN  # what is remembered may be older than what others did meanwhile
        return True

    def _kept(self, error: psycopg.Error) -> bool:
        """Whether the last transaction, whose answer was lost, was committed."""
        until = time.monotonic() + self._store.patience_s
        while True:
            try:
                with translated(self._store.where), contextlib.closing(self._store.connect(writer=True)) as raw:
                    tx = Connection(raw, self._store.room)
                    # The server may still be at work on what it was sent, or may get it only now.
                    tx.rows("end_lane", lane_no=self._lane_no)
                    tx.rows("own_lane", lane_no=self._lane_no)
                    found = tx.rows("batch_of", lane_no=self._lane_no)
                    return bool(found) and found[0][0] == self._batch
            except (TryAgain, StoreError) as again:
                if time.monotonic() > until:
                    raise StoreError(
                        f"{self._store.where} was lost while it answered ({again}): what was written last may have "
                        f"been kept or not; write it again with the same ids, which counts it once"
                    ) from error
                time.sleep(_PAUSE_S)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._raw is not None and self._raw.closed:
            self._drop()
        if self._raw is None:
            raw = self._store.connect(writer=True)
            try:
                self._introduce(raw)
            except BaseException:
                raw.close()
                raise
            self._raw = raw
        return self._raw

    def _introduce(self, raw: psycopg.Connection[Any]) -> None:
        """Take a number. It is the connection's as long as the server has it, and who settles waits for its end."""
        tx = Connection(raw, self._store.room)
        self._lane_no = tx.rows("lane_number")[0][0]
        self._batch = 0
        tx.rows("own_lane", lane_no=self._lane_no)
        raw.execute("select set_config('rollbook.slot', %s, false)", [str(self._lane_no % _SLOTS)])
        tx.rows("drop_old_lanes", before=int((time.time() - _KEPT_S) * 1e6))

    def _drop(self) -> None:
        """Let go of the connection; what was remembered may not hold at the server that is found next."""
        raw, self._raw = self._raw, None
        self._shapes = self._looked = None  # another server may have other numbers for its tables
        self._generation = self._looked = None
        if raw is not None:
            with contextlib.suppress(psycopg.Error):
                raw.close()

    def close(self) -> None:
        """Finish what is under way, and close the connection."""
        with self.busy:
            if self._raw is not None and not self._raw.closed:
                with contextlib.suppress(psycopg.Error):
                    Connection(self._raw, self._store.room).rows("drop_lane", lane_no=self._lane_no)
            self._drop()
