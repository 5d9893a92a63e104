"""What the reads of bench_reads.py take on PostgreSQL, beside the same book on SQLite.

    python bench/bench_postgres_reads.py [--small] [--sessions N] [--users N] [--url URL]

A book of N sessions is loaded into a file by plain SQL (see bulk.py) and copied row by row into a server that is
started, or that ``--url`` names. Then, in turns, a new process opens one of them and asks each question many times, for
the largest user and for all users. The table shows the medians, their ratio, and the 99th percentile on PostgreSQL.

Both must give the same answers, and the copied book is verified as far as 20,000 sessions.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import bulk
import harness
import postgres_place as place
import rollbook
from bench_reads import STATUSES, asked
from postgres_copy import copy

_VERIFIED: Final = 20_000
_DATABASE: Final = "rollbook_bench_reads"

Answers = dict[str, tuple[float, float]]


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--users", type=int, default=bulk.USERS)
    parser.add_argument("--url", help="a server to use, as postgresql://…/database")
    given = parser.parse_args(argv)
    sessions = given.sessions or (20_000 if given.small else 100_000)
    with harness.workplace(given.folder) as folder, place.server_url(given.url, given.folder) as server:
        about = place.versions(server)
        file = f"sqlite:///{folder}/reads.db"
        url = place.made(server, _DATABASE)
        _loaded(folder / "reads.db", url, sessions, given.users)
        harness.apart(_compare, file, url, sessions)
        runs: dict[str, list[Answers]] = {file: [], url: []}
        for _ in range(given.rounds or harness.ROUNDS):
            for each, found in runs.items():
                found.append(harness.apart(asked, each))
        place.dropped(server, _DATABASE)
    _report({"sessions": sessions, "users": given.users}, runs[file], runs[url])
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    return 0


def _loaded(path: Path, url: str, sessions: int, users: int) -> None:
    for work, arguments in ((bulk.build, (str(path), sessions, users)), (copy, (str(path), url))):
        began = time.perf_counter()
        harness.apart(work, *arguments)
        print(f"{work.__name__}: {sessions:,} sessions in {time.perf_counter() - began:.0f} s", file=sys.stderr)


def _compare(file: str, url: str, sessions: int) -> None:
    """Stop unless both give the same answers."""
    for everybody in (False, True):
        answers = []
        for each in (file, url):
            with rollbook.open(each, user=bulk.BIGGEST, all_users=everybody) as book:
                answers.append(_answers(book))
        for question, first in answers[0].items():
            if first != answers[1][question]:
                raise SystemExit(f"{question}: SQLite says {first}, PostgreSQL {answers[1][question]}")
    if sessions <= _VERIFIED:
        with rollbook.open(url) as book:
            found = book.verify()
        if not found.ok or found.sessions != sessions:
            raise SystemExit(f"the copied book does not balance: {found.problems[:3]}")


def _answers(book: rollbook.Rollbook) -> dict[str, Any]:
    """Answers that do not depend on the moment but for sessions that are given up meanwhile."""
    stats = book.stats(since="all")
    answers: dict[str, Any] = {
        "stats": (stats.sessions, stats.total_spend_nano_usd, stats.tokens_in, stats.tokens_out),
        "models": [(row.model, row.session_count, row.cost_nano_usd) for row in book.cost_by_model(since="all")],
        "by cost": [session.session_id for session in book.list(order_by="cost_usd").sessions],
        "spend by agent": [(row.key, row.cost_nano_usd) for row in book.spend(by="agent").rows],
    }
    for status in (None, *(each for each in STATUSES if each not in ("running", "abandoned"))):
        page = book.list(status=status)
        answers[f"page, {status}"] = ([session.session_id for session in page.sessions], page.total)
    return answers


def _report(sizes: dict[str, int], before: list[Answers], after: list[Answers]) -> None:
    rows: list[tuple[str, ...]] = [("question", "of", "SQLite", "PostgreSQL", "ratio", "p99")]
    kept = {}
    for key in after[0]:
        question, whose = key.split(" | ")
        file, server = (statistics.median(run[key][0] for run in runs) for runs in (before, after))
        p99 = statistics.median(run[key][1] for run in after)
        kept[key] = {"sqlite_ms": file, "postgres_ms": server, "p99_ms": p99}
        rows.append(
            (question, whose, f"{file:.2f}", f"{server:.2f}", f"{server / file:.2f}", f"{p99:.2f}" if p99 else "")
        )
    print(f"\nreads, milliseconds (median), {sizes['sessions']:,} sessions of {sizes['users']:,} users:")
    harness.table(rows)
    harness.keep("postgres-reads", sizes, kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
