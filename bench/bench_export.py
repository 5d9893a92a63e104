"""How many ledger rows a second are exported, and how much memory that takes at ten times the rows.

    python bench/bench_export.py [--small] [--rows N]

Two books are loaded by plain SQL (see bulk.py), one with N ledger rows and one with a tenth of them, over 2,000 users.
Then, in turns, a new process exports all usage of one of them in one of the formats. What is written is thrown away by
the system (/dev/null): the disk's speed is not asked for. The baseline is a plain apsw program that reads the same
table in the same order, 2,000 rows at a time from one open statement, and lets msgspec encode the tuples as they are:
numbers instead of names, no sums, no times as text, no keys.

A book of 6,000 rows that was made in the same way is exported to files first, and every row of every format is held
against plain SQL.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import pyarrow.parquet  # type: ignore[import-untyped]

import bulk
import harness
import rollbook
from harness import Measured, Variant
from rollbook.exporters import FORMATS, export

_VERIFIED: Final = 6_000
_STEP: Final = 2_000
_COLUMNS: Final = (
    "usage_id, session_no, user_no, entry, model_no, provider_no, occurred_at, recorded_at, calls, input, cache_read,"
    " cache_write, cache_write_1h, output, reasoning, audio_in, audio_out, cost, cost_source, price_no, billing, tier,"
    " source_no, evidence, errored, late"
)


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--rows", type=int, default=None)
    given = parser.parse_args(argv)
    rows = given.rows or (60_000 if given.small else 1_000_000)
    sizes = (rows // 10, rows)
    with harness.workplace(given.folder) as folder:
        harness.apart(_verified, str(folder))
        variants: list[Variant] = []
        for size in sizes:
            path = str(folder / f"export-{size}.db")
            harness.apart(bulk.build, path, -(-size // 3))
            variants += _variants(path, size)
        told = harness.alternate(variants, given.rounds or harness.ROUNDS)
    harness.report("export", told, {"rows": rows})
    return 0


def _variants(path: str, size: int) -> list[Variant]:
    def named(name: str) -> str:
        return f"{name}, {size:,} rows"

    plain = named("plain apsw and msgspec")
    ours: list[tuple[str, Callable[..., Measured], tuple[Any, ...]]] = [
        *((form, _exported, (path, form)) for form in FORMATS),
        ("iterate_usage", _iterated, (path,)),
    ]
    return [
        Variant(name=plain, run=_plain, arguments=(path,), must_agree=path),
        *(
            Variant(name=named(name), run=run, arguments=arguments, baseline=plain, must_agree=path)
            for name, run, arguments in ours
        ),
    ]


def _measured(rows: int, started: float) -> Measured:
    return Measured(rate=rows / (time.perf_counter() - started), checks=rows)


def _plain(path: str) -> Measured:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    connection.pragma("cache_size", -32_000)
    encoder, rows = msgspec.json.Encoder(), 0
    harness.settle()
    started = time.perf_counter()
    with Path(os.devnull).open("wb") as file:
        for block in _blocks(connection):
            file.write(encoder.encode_lines(block))
            rows += len(block)
    return _measured(rows, started)


def _blocks(connection: apsw.Connection) -> Iterator[list[Any]]:
    cursor = connection.cursor()
    cursor.execute(f"select {_COLUMNS} from ledger order by user_no, session_no, row_no")  # noqa: S608 - the words above
    while block := list(itertools.islice(cursor, _STEP)):
        yield block


def _exported(path: str, form: str) -> Measured:
    with rollbook.open(f"sqlite:///{path}?mode=ro", all_users=True) as book, Path(os.devnull).open("wb") as file:
        export(book, "usage", file, format=form, since="1h")  # what is loaded when it is first used
        harness.settle()
        started = time.perf_counter()
        return _measured(export(book, "usage", file, format=form), started)


def _iterated(path: str) -> Measured:
    with rollbook.open(f"sqlite:///{path}?mode=ro", all_users=True) as book:
        harness.settle()
        started = time.perf_counter()
        return _measured(sum(1 for _ in book.iterate_usage()), started)


def _verified(folder: str) -> None:
    path = f"{folder}/verified.db"
    bulk.build(path, _VERIFIED // 3)
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    expected: list[Any] = connection.execute(
        "select ledger.usage_id, session_id, user_id, model.name, ledger.input, ledger.output, ledger.cost from ledger"
        " join session using (user_no, session_no) join account using (user_no) join model using (model_no)"
        " order by user_no, session_no, row_no"
    ).fetchall()
    names = ("usage_id", "session_id", "user_id", "model", "tokens_in", "tokens_out", "cost_nano_usd")
    with rollbook.open(f"sqlite:///{path}", all_users=True) as book:
        for form in FORMATS:
            written = Path(f"{folder}/verified.{form}")
            export(book, "usage", written, format=form, replace=True)
            found = [tuple(row[name] for name in names) for row in _read(written)]
            if found != (expected if form != "csv" else [tuple(map(str, row)) for row in expected]):
                raise SystemExit(f"{written} does not hold what the ledger holds")


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
