"""How many model calls a second a book meters, beside the limit and beside cognee's approach.

    python bench/bench_metering.py [--small] [--calls N] [--sessions N] [--users N] [--scattered]

Every call has a usage id and a cost of its caller's and falls on one of 10,000 sessions and three models at random;
the sessions and their models are in the book before the clock starts. A metered call is one row in the ledger under a
unique key, its session's and its model's sums, and the sums of spend and activity, durable when the caller is told.

- ``library, 64 callers``: asyncio callers that each wait for their call; ``limit, 64 a commit`` is a plain apsw program
  that commits the same rows in groups of 64 (see recorded.py);
- ``library, one caller`` waits for each call in turn; ``limit, one a commit`` commits the same rows call by call, and
  ``same statements, one a commit`` runs the library's queries as well;
- ``record_many of 100`` hands over 100 calls at a time;
- ``cognee's approach`` is metering through SQLAlchemy's async engine with a connection for each call and SQLite as it
  comes; ``pooled, WAL`` treats it kindly (see cognee_style.py). Their ratio is to the library with as many callers.

The limit's and the library's books are compared, and the library's are verified.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

import cognee_style
import harness
import recorded
import rollbook
from calls import Call, Workload, balanced, calls, contents, fill
from harness import Measured, Variant, latencies, now, settle
from rollbook import aio

_GROUP: Final = 64
_MANY: Final = 100
_FEWER: Final = 500  #: calls that cognee's approach is given: its rate does not depend on their number


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--calls", type=int, default=None, help="timed calls of 64 callers; one caller makes a tenth")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--scattered", action="store_true", help="usage ids that do not grow with time")
    parser.add_argument("--only", help="variants whose names contain this, with their baselines")
    given = parser.parse_args(argv)
    small = given.small
    total = given.calls or (6_400 if small else 64_000)
    work = Workload(
        sessions=given.sessions or (2_000 if small else 10_000),
        warm=_rounded(total // 10),
        calls=_rounded(total),
        callers=given.callers,
        users=given.users,
        scattered=given.scattered,
    )
    with harness.workplace(given.folder) as folder:
        told = harness.alternate(_variants(str(folder), work, given.only), given.rounds or harness.ROUNDS)
    sizes = {"sessions": work.sessions, "calls": work.calls, "callers": work.callers, "users": work.users}
    name = "metering" + ("-scattered" if work.scattered else "") + (f"-{work.users}-users" if work.users > 1 else "")
    harness.report(name, told, sizes)
    return 0


def _rounded(count: int) -> int:
    """A number of calls that makes whole groups of every size."""
    return max(1, count // (_GROUP * _MANY // 4)) * (_GROUP * _MANY // 4)


def _variants(folder: str, work: Workload, only: str | None) -> list[Variant]:
    alone = Workload(
        sessions=work.sessions, warm=work.warm // 10, calls=work.calls // 10, callers=1, users=work.users,
        scattered=work.scattered,
    )  # fmt: skip
    limit, single, same = f"limit, {_GROUP} a commit", "limit, one a commit", "same statements, one a commit"
    several = f"library, {work.callers} callers"
    variants = [
        Variant(name=limit, run=_limit, arguments=(folder, work, _GROUP), must_agree="all"),
        Variant(name=several, run=_callers, arguments=(folder, work), baseline=limit, must_agree="all"),
        Variant(name=f"record_many of {_MANY}", run=_many, arguments=(folder, work), baseline=limit, must_agree="all"),
        Variant(name=single, run=_limit, arguments=(folder, alone, 1), must_agree="one"),
        Variant(name=same, run=_same_statements, arguments=(folder, alone, 1), baseline=single, must_agree="one"),
        Variant(name="library, one caller", run=_alone, arguments=(folder, alone), baseline=single, must_agree="one"),
        Variant(name="cognee's approach", run=_cognee, arguments=(folder, work, False), baseline=several, rounds=2),
        Variant(name="cognee's, pooled, WAL", run=_cognee, arguments=(folder, work, True), baseline=several, rounds=2),
    ]
    wanted = {variant.name for variant in variants if only is None or only in variant.name}
    wanted |= {variant.baseline for variant in variants if variant.name in wanted and variant.baseline}
    harness.apart(fill, f"sqlite:///{folder}/filled.db", work)
    for variant in variants:
        if variant.name in wanted and variant.run is _limit:
            _prepare(folder, variant.arguments[1], variant.arguments[2])
    harness.apart(cognee_style.fill, f"{folder}/cognee.db", work)
    return [variant for variant in variants if variant.name in wanted]


def _prepare(folder: str, work: Workload, group: int) -> None:
    """What the library executes for the calls, in groups of that size."""
    recording = f"{folder}/recorded-{group}.bin"
    if not Path(recording).exists():
        harness.apart(recorded.record, _copy(folder, "filled"), work, group, recording)


def _copy(folder: str, what: str) -> str:
    """A fresh copy of a database, written out, so that nobody pays for the copying."""
    path = f"{folder}/run.db"
    for old in Path(folder).glob("run.db*"):
        old.unlink()
    connection = apsw.Connection(f"{folder}/{what}.db")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()
    shutil.copyfile(f"{folder}/{what}.db", path)
    with open(path, "rb") as file:  # noqa: PTH123 - its descriptor is wanted
        os.fsync(file.fileno())
    return path


def _limit(folder: str, work: Workload, group: int) -> Measured:
    path = _copy(folder, "filled")
    return recorded.replay(path, f"{folder}/recorded-{group}.bin", work.warm, group, work.calls)


def _same_statements(folder: str, work: Workload, group: int) -> Measured:
    path = _copy(folder, "filled")
    return recorded.replay(path, f"{folder}/recorded-{group}.bin", work.warm, group, work.calls, reads=True)


def _callers(folder: str, work: Workload) -> Measured:
    path = _copy(folder, "filled")
    found = asyncio.run(_metered(path, work))
    found.checks = contents(path)
    balanced(path)
    return found


async def _metered(path: str, work: Workload) -> Measured:
    made = calls(work)
    async with aio.open(f"sqlite:///{path}") as book:
        await _all(book, work, iter(made[: work.warm]))
        timed = iter(made[work.warm :])
        settle()
        started = now()
        waits = await _all(book, work, timed)
        seconds = now() - started
        peak = harness.peak_mb()
    p50, p99 = latencies(waits)
    return Measured(rate=work.calls / seconds, p50_ms=p50, p99_ms=p99, peak_mb=peak)


async def _all(book: aio.AsyncRollbook, work: Workload, queue: Iterator[Call]) -> list[float]:
    waits: list[float] = []

    async def caller() -> None:
        for call in queue:
            began = now()
            await book.record_usage(**call)
            waits.append(now() - began)

    await asyncio.gather(*(caller() for _ in range(work.callers)))
    return waits


def _many(folder: str, work: Workload) -> Measured:
    path = _copy(folder, "filled")
    found = recorded.many(path, work, _MANY)
    balanced(path)
    return found


def _alone(folder: str, work: Workload) -> Measured:
    path = _copy(folder, "filled")
    made = calls(work)
    waits = []
    with rollbook.open(f"sqlite:///{path}") as book:
        for call in made[: work.warm]:
            book.record_usage(**call)
        settle()
        started = now()
        for call in made[work.warm :]:
            began = now()
            book.record_usage(**call)
            waits.append(now() - began)
        seconds = now() - started
    p50, p99 = latencies(waits)
    found = Measured(rate=work.calls / seconds, p50_ms=p50, p99_ms=p99, checks=contents(path))
    balanced(path)
    return found


def _cognee(folder: str, work: Workload, kindly: bool) -> Measured:
    return cognee_style.run(_copy(folder, "cognee"), work, _FEWER, kindly=kindly)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
