"""How many model calls a second a book on PostgreSQL meters, beside plain psycopg and beside cognee's approach.

    python bench/bench_postgres.py [--small] [--calls N] [--sessions N] [--callers N] [--processes N] [--url URL]

A server is started that waits for the disk at every commit, or ``--url`` names a database of one that is there (its
database ``rollbook_bench_run`` and those beside it are made and removed). Every call has a usage id and a cost of its
caller's and falls on one of the sessions and three models at random. A metered call is a row in the ledger under a
unique key, its session's and its model's sums, and the sums of spend and activity, durable when the caller is told.

- ``one process``: 64 asyncio callers; ``8 processes``: eight callers in each; ``one caller``: each call in turn;
- ``library`` is ``record_usage``; ``plain`` is a connection for every caller and one statement a call that writes the
  same rows and decides nothing; ``cognee's`` is a transaction a call over SQLAlchemy and asyncpg (postgres_ways.py);
- ``library on SQLite`` is the same program on a file, where several processes take turns.

The sums of every table are held against the calls after each run, and the library's books are verified.

Then the server is killed under the load of 64 callers and started again: how long until it takes callers, and until
the first call is acknowledged? Each caller tries the same call again until it is; nothing may be missing or counted
twice.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from msgspec import structs

import harness
import postgres_place as place
import rollbook
from calls import Workload, calls
from harness import Measured, Variant
from load import drive
from postgres_ways import FILLS, expected, sums
from restart import restarted

_NAME: Final = "rollbook_bench"
_RUN: Final = f"{_NAME}_run"
_FEWER: Final = 4  #: cognee's approach makes a part of the calls: its rate does not depend on their number


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--calls", type=int, default=None, help="timed calls of all callers; one caller makes a tenth")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--only", help="variants whose names contain this, with their baselines; or restart")
    parser.add_argument("--url", help="a server to use, as postgresql://…/database; it is not killed")
    given = parser.parse_args(argv)
    total = given.calls or (4_000 if given.small else 32_000)
    sessions = given.sessions or (1_000 if given.small else 10_000)
    work = Workload(sessions=sessions, warm=total // 10, calls=total, callers=given.callers)
    with harness.workplace(given.folder) as folder:
        with place.server_url(given.url, given.folder) as server:
            about = place.versions(server)
            variants = _wanted(_variants(server, folder, work, given.processes), given.only)
            _filled(server, folder, variants, work)
            told = harness.alternate(variants, given.rounds or harness.ROUNDS)
            for name in (*FILLS, "run"):
                place.dropped(server, f"{_NAME}_{name}")
        if told:
            harness.report("postgres", told, {"sessions": sessions, "calls": total, "callers": work.callers})
        print(", ".join(f"{name} {value}" for name, value in about.items()))
        if given.url is None and given.only in {None, "restart"}:
            _restart(given.folder, work, given.rounds or harness.ROUNDS)
    return 0


def _wanted(variants: list[Variant], only: str | None) -> list[Variant]:
    names = {each.name for each in variants if only is None or only in each.name}
    for each in reversed(variants):  # a baseline stands before what is held against it
        names |= {each.baseline} if each.name in names and each.baseline else set()
    return [each for each in variants if each.name in names]


def _variants(server: str, folder: Path, work: Workload, processes: int) -> list[Variant]:
    alone = structs.replace(work, warm=work.warm // 10, calls=work.calls // 10, callers=1)
    kinds = (("one process", work, 1), (f"{processes} processes", work, processes), ("one caller", alone, 1))
    found = []
    for how, size, count in kinds:
        limit, ours, here = f"plain, {how}", f"library, {how}", (server, str(folder))
        fewer = structs.replace(size, warm=size.warm // _FEWER, calls=size.calls // _FEWER)
        found += [
            Variant(name=limit, run=_on_server, arguments=("plain", *here, size, count)),
            Variant(name=ours, run=_on_server, arguments=("library", *here, size, count), baseline=limit),
            Variant(name=f"cognee's, {how}", run=_on_server, arguments=("cognee", *here, fewer, count), baseline=ours),
            Variant(name=f"library on SQLite, {how}", run=_on_file, arguments=(*here, size, count), baseline=ours),
        ]
    return found


def _filled(server: str, folder: Path, variants: list[Variant], work: Workload) -> None:
    """What the runs begin with, for those that run."""
    for way in {str(each.arguments[0]) for each in variants if each.run is _on_server}:
        harness.apart(FILLS[way], place.made(server, f"{_NAME}_{way}"), work)
    if any(each.run is _on_file for each in variants):
        harness.apart(FILLS["library"], f"sqlite:///{folder}/filled.db", work)


def _on_server(way: str, server: str, _folder: str, work: Workload, processes: int) -> Measured:
    url = place.made(server, _RUN, like=f"{_NAME}_{way}")
    return _measured(way, url, work, processes)


def _on_file(_server: str, folder: str, work: Workload, processes: int) -> Measured:
    for old in Path(folder).glob("run.db*"):
        old.unlink()
    with rollbook.open(f"sqlite:///{folder}/filled.db") as book:
        book.backup(f"{folder}/run.db")
    return _measured("library", f"sqlite:///{folder}/run.db", work, processes)


def _measured(way: str, url: str, work: Workload, processes: int) -> Measured:
    must = expected(sums(url, way), calls(work), way)
    measured = drive(way, url, work, processes)
    _check(url, way, must)
    return measured


def _check(url: str, way: str, must: dict[str, list[int]]) -> None:
    found = sums(url, way)
    if found != must:
        raise SystemExit(f"{way} on {url} holds {found}, not {must}")
    if way == "library":
        with rollbook.open(url) as book:
            verified = book.verify()
        if not verified.ok:
            raise SystemExit(f"{url} does not balance: {verified.problems[:3]}")


def _restart(folder: Path | None, work: Workload, rounds: int) -> None:
    """Kill a server under load, as often as there are rounds."""
    rows: list[tuple[str, ...]] = [("killed", "calls before", "takes callers", "first call", "after that", "refused")]
    kept: list[dict[str, Any]] = []
    with place.started(folder) as server:
        filled = place.made(server.url(), f"{_NAME}_library")
        harness.apart(FILLS["library"], filled, work)
        for number in range(rounds):
            url = place.made(server.url(), _RUN, like=f"{_NAME}_library")
            before = sums(url, "library")
            found, made = restarted(server, url, work.sessions, work.callers)
            _check(url, "library", expected(before, made, "library"))
            kept.append(found)
            rows.append(
                (
                    f"round {number + 1}",
                    f"{found['calls_before']:,}",
                    f"{found['ready_s']:.3f} s",
                    f"{found['first_s']:.3f} s",
                    f"{found['first_s'] - found['ready_s']:.3f} s",
                    " ".join(f"{name} {count}" for name, count in found["refused"].items()) or "none",
                )
            )
    print("\nrestart after a kill, seconds from the start of the new server:")
    harness.table(rows)
    harness.keep("postgres-restart", {"callers": work.callers}, kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
