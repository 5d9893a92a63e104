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
from rollbook.store.postgres_connection import Connection, translated

if TYPE_CHECKING:
    from rollbook.store.postgres import PostgresStore

_SLOTS: Final = 32  #: rows that a sum is spread over at the most
_PAUSE_S: Final = 0.2
_KEPT_S: Final = 86_400  #: how long it stays known what a lane did last


class Lane:
    """One writer of a book. It connects with its first transaction, and anew where the connection was lost."""

    def __init__(self, store: PostgresStore, number: int) -> None:
        self._store = store
        self._number = number
        self._raw: psycopg.Connection[Any] | None = None
        self._lane_no = 0  #: under which the server knows it
        self._batch = 0
        self._generation: int | None = None
        self._changed = True
        self.busy = threading.Lock()

    @contextmanager
    def transaction(self, *, alone: bool) -> Iterator[Connection]:
        """A transaction, under the lock of the whole book or beside other writers; see ``Store.write``."""
        with self.busy, translated(self._store.where):
            raw = self._connected()
            sent = False
            try:
                with raw.pipeline():
                    tx = self._begin(raw, alone=alone)
                    yield tx
                    self._batch += 1
                    tx.rows_later("mark_batch", lane_no=self._lane_no, batch=self._batch, at=int(time.time() * 1e6))
                    if alone:
                        tx.rows_later("bump_generation")
                    sent = True
                    raw.execute("commit")
            except BaseException as error:
                if not self._undo(raw, error, sent=sent):
                    raise

    def _begin(self, raw: psycopg.Connection[Any], *, alone: bool) -> Connection:
        tx = Connection(raw, self._store.room, shared=not alone)
        raw.execute("begin")
        tx.rows_later("write_alone" if alone else "join_writers")
        generation = tx.rows("generation")[0][0]
        self._changed = alone or generation != self._generation
        self._generation = generation + 1 if alone else generation
        return tx

    def changed(self) -> bool:
        """Whether what was remembered of the book does not hold any more; of sessions that is told by their versions."""
        changed, self._changed = self._changed, False
        return changed

    def _undo(self, raw: psycopg.Connection[Any], error: BaseException, *, sent: bool) -> bool:
        """After an error: end the transaction; whether it was kept nevertheless."""
        self._generation = None
        if not raw.closed:
            with contextlib.suppress(psycopg.Error):
                raw.execute("rollback")
                return False
        self._drop()
        return sent and isinstance(error, psycopg.OperationalError) and self._kept(error)

    def _kept(self, error: psycopg.OperationalError) -> bool:
        """Whether the last transaction, whose answer was lost, was committed."""
        until = time.monotonic() + self._store.patience_s
        while True:
            try:
                with translated(self._store.where), contextlib.closing(self._store.connect()) as raw:
                    found = Connection(raw, self._store.room).rows("batch_of", lane_no=self._lane_no)
                    return bool(found) and found[0][0] == self._batch
            except TryAgain as again:
                if time.monotonic() > until:
                    raise StoreError(
                        f"{self._store.where} was lost while it answered ({again}): what was written last may have been "
                        f"kept or not; write it again with the same ids, which counts it once"
                    ) from error
                time.sleep(_PAUSE_S)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._raw is not None and self._raw.closed:
            self._drop()
        if self._raw is None:
            raw = self._store.connect(writer=True)
            tx = Connection(raw, self._store.room)
            self._lane_no = tx.rows("lane_number")[0][0]
            self._batch = 0
            raw.execute("select set_config('rollbook.slot', %s, false)", [str(self._lane_no % _SLOTS)])
            tx.rows("drop_lane", lane_no=self._lane_no, before=int((time.time() - _KEPT_S) * 1e6))
            self._raw = raw
        return self._raw

    def _drop(self) -> None:
        """Let go of the connection; what was remembered may not hold at the server that is found next."""
        raw, self._raw = self._raw, None
        self._generation = None
        if raw is not None:
            with contextlib.suppress(psycopg.Error):
                raw.close()

    def close(self) -> None:
        """Finish what is under way, and close the connection."""
        with self.busy:
            self._drop()
