"""The limit: a plain program that commits the very rows that the library commits, and does nothing else.

The rows are obtained from the library itself. Once, before anything is timed, it meters the same calls over a copy of
the same book in groups of a given size, one transaction each, while apsw's execution trace of the writing connection
notes every statement with its values. The plain program then runs the noted inserts, updates and deletes, group after
group, on prepared statements, over another copy of that book: the same tables, indexes and rows, the same journal
(write-ahead log), the same durability (``synchronous=FULL``) and the same page cache, without rules, without reading,
without a queue and in one thread. Its values lie ready in memory. What it leaves behind is compared with what the
library leaves behind.
"""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import apsw

import rollbook
from calls import Call, Workload, calls, contents
from harness import Measured, latencies, now, settle

Statement = tuple[int, Any]  #: the number of a text, and its values
_WRITES: Final = ("insert", "update", "delete", "replace")
_CACHE_KIB: Final = 32_000
_LOG_PAGES: Final = 8_000  #: pages in the log at which it is copied into the file: a rate close to the best one found


def record(path: str, work: Workload, group: int, into: str) -> None:
    """Meter the calls in groups of that size, and note what is executed."""
    made = calls(work)

    def meter(book: rollbook.Rollbook) -> None:
        for start in range(0, len(made), group):
            book.record_many(made[start : start + group])

    note(path, meter, into)


def note(path: str, work: Callable[[rollbook.Rollbook], None], into: str, *, redact: bool = True) -> None:
    """Note what is executed while something is done with a book."""
    texts: dict[str, int] = {}
    transactions: list[list[Statement]] = []

    def trace(_cursor: Any, text: str, values: Any) -> bool:
        if text.startswith("begin"):
            transactions.append([])
        elif transactions and text != "commit":
            transactions[-1].append((texts.setdefault(text, len(texts)), _plain(values)))
        return True

    with rollbook.open(f"sqlite:///{path}", redact=redact) as book:
        # The one place where a benchmark looks inside: nothing else sees what a transaction holds.
        book._plans.store._writer.raw.exec_trace = trace  # type: ignore[attr-defined]  # noqa: SLF001
        work(book)
    with Path(into).open("wb") as file:
        pickle.dump((list(texts), transactions), file, protocol=5)


def _plain(values: Any) -> Any:
    """Values as the driver stores them, without the library's own types."""
    if values is None:
        return None
    if isinstance(values, dict):
        return {name: _plain([value])[0] for name, value in values.items()}
    return [next((kind(value) for kind in (int, str) if isinstance(value, kind)), value) for value in values]


def replay(
    path: str,
    recording: str,
    warm: int,
    group: int,
    timed: int,
    *,
    reads: bool = False,
    checks: Callable[[], Any] | None = None,
) -> Measured:
    """Execute what was noted; the first ``warm`` calls are not timed."""
    with Path(recording).open("rb") as file:
        texts, transactions = pickle.load(file)  # noqa: S301 - written by this program a moment ago
    wanted = [reads or text.lstrip().startswith(_WRITES) for text in texts]
    ready = [[(texts[number], values) for number, values in one if wanted[number]] for one in transactions]
    del transactions
    settle()
    gc.disable()
    connection = apsw.Connection(path, statementcachesize=256)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("wal_autocheckpoint", _LOG_PAGES)
    first = warm // group
    _execute(connection, ready[:first])
    started = now()
    waits = _execute(connection, ready[first:])
    seconds = now() - started
    connection.close()
    p50, p99 = latencies(waits)
    left = contents(path) if checks is None else checks()
    return Measured(rate=timed / seconds, p50_ms=p50, p99_ms=p99, checks=left)


def _execute(connection: apsw.Connection, transactions: Sequence[Sequence[tuple[str, Any]]]) -> list[float]:
    execute = connection.execute
    waits = []
    for one in transactions:
        began = now()
        execute("begin immediate")
        for text, values in one:
            rows = execute(text, values)
            if rows is not None:
                rows.fetchall()
        execute("commit")
        waits.append(now() - began)
    return waits


def many(path: str, work: Workload, group: int) -> Measured:
    """The library, handed the calls in groups by one caller."""
    made: list[Call] = calls(work)
    waits = []
    with rollbook.open(f"sqlite:///{path}") as book:
        for start in range(0, work.warm, group):
            book.record_many(made[start : start + group])
        settle()
        started = now()
        for start in range(work.warm, len(made), group):
            began = now()
            book.record_many(made[start : start + group])
            waits.append(now() - began)
        seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=work.calls / seconds, p50_ms=p50, p99_ms=p99, checks=contents(path))
