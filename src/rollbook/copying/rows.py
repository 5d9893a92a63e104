"""Rows of one book compared with those of another, and what differs written."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from msgspec import Raw

from rollbook.errors import StoreError
from rollbook.journal.sql_search import INDEXES
from rollbook.rules import bodies, texts
from rollbook.store import Row, Store, TryAgain, Writing
from rollbook.store.tables import TABLES

_ROWS: Final = 5_000  #: that are written together
_BYTES: Final = 8 << 20  #: of bodies

_DOC, _BODY = (TABLES["entry"].columns.index(name) for name in ("doc_no", "body"))
_CREATED: Final = TABLES["entry"].columns.index("created_at")

Pair = tuple[Row | None, Row | None]  #: a row as it is stored and as it is wanted


def differences(wanted: Iterable[Row], stored: Iterable[Row], width: int) -> Iterator[Pair]:
    """Rows that are only in one of two, or not the same in both; both come in the order of their keys."""
    rows, others = iter(wanted), iter(stored)
    row, other = next(rows, None), next(others, None)
    while row is not None and other is not None:
        if row == other:
            row, other = next(rows, None), next(others, None)
            continue
        key, known = row[:width], other[:width]
        if key == known:
            yield other, row
            row, other = next(rows, None), next(others, None)
        elif key < known:
            yield None, row
            row = next(rows, None)
        else:
            yield other, None
            other = next(others, None)
    while other is not None:
        yield other, None
        other = next(others, None)
    while row is not None:
        yield None, row
        row = next(rows, None)


@contextmanager
def stored(target: Store, statement: str, **values: Any) -> Iterator[Iterator[Row]]:
    """The rows of a statement; nothing is held any more once they have been read."""

    def rows() -> Generator[Row, None, None]:
        with target.read() as tx:
            yield from tx.each(statement, **values)

    with closing(rows()) as found:
        yield found


def patiently(target: Store, work: Callable[[Writing], object]) -> None:
    """A transaction that is tried again if it was undone through no fault of its own."""
    until = time.monotonic() + target.patience_s
    while True:
        try:
            with target.write() as tx:
                work(tx)
        except TryAgain as undone:
            if time.monotonic() > until:
                raise undone.told from undone
            time.sleep(undone.pause_s * random.random())  # noqa: S311 - no secret
        else:
            return


class Sink:
    """Changes of the target, which wait until they are worth a transaction."""

    def __init__(self, target: Store, streams: dict[int, str]) -> None:
        self._target = target
        self._streams = streams
        self._gone: dict[str, list[Row]] = defaultdict(list)
        self._new: dict[str, list[Row]] = defaultdict(list)
        self._rows = self._bytes = 0
        self.added: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()

    def change(self, table: str, old: Row | None, new: Row | None) -> None:
        """Put one row in the place of another one, or of none."""
        if old is not None:
            self._gone[table].append(old)
        if new is not None:
            self._new[table].append(new)
            if table == "entry":
                self._bytes += len(new[_BODY])
        self._rows += 1
        if self._rows >= _ROWS or self._bytes >= _BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, in one transaction."""
        if self._rows:
            patiently(self._target, self._write)
            for counted, changed in ((self.removed, self._gone), (self.added, self._new)):
                counted.update({table: len(rows) for table, rows in changed.items()})
            self._gone.clear()
            self._new.clear()
            self._rows = self._bytes = 0

    def _write(self, tx: Writing) -> None:
        self._drop_texts(tx)
        for table, rows in self._gone.items():
            width = len(TABLES[table].key)
            tx.put(f"copying.drop@{table}", [row[:width] for row in rows])
        for table, rows in self._new.items():
            tx.put(f"copying.add@{table}", rows)
        self._add_texts(tx)

    # What a search finds entries by

    def _drop_texts(self, tx: Writing) -> None:
        docs = [(row[0], row[_DOC]) for row in self._gone.get("entry", ()) if row[_DOC] is not None]
        for statement in ("copying.drop_texts", "copying.drop_docs"):
            tx.run(statement, docs)

    def _add_texts(self, tx: Writing) -> None:
        rows = [row for row in self._new.get("entry", ()) if row[_DOC] is not None]
        rows.sort(key=lambda row: int(row[_DOC]))
        row_of = INDEXES[tx.index].row_of
        found = [row_of(row[_DOC], row[0], row[1], row[_CREATED], self._text(row)) for row in rows]
        if tx.index == "tsvector":  # where age and number are two columns
            found = [(*row[:2], *row[1:]) for row in found]
        tx.put("journal.add_docs", [(row[_DOC], *row[:4]) for row in rows])
        tx.put("copying.add_texts", found)

    def _text(self, row: Row) -> str:
        try:
            return texts.text_of(self._streams.get(row[2], ""), bodies.decoded(Raw(row[_BODY].encode())))
        except StoreError:  # it is damaged, as 'verify' says
            return ""
