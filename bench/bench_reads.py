"""What reading a large book takes, and what becomes of it at ten times the sessions.

    python bench/bench_reads.py [--small] [--sessions N] [--users N] [--days N]

Two books are loaded by plain SQL (see bulk.py), one with N sessions and one with a tenth of them: 30 days, 2,000 users
of whom one owns 12 of 100 sessions, three models each. Then, in turns, a new process opens one of the books and asks
each question many times, for the largest user and for all users. The table shows the median in each book, their ratio,
the 99th percentile in the larger, the mark, and what the same question takes when it is put to the tables by plain SQL
without kept sums or cursors: statuses by CASE, a page by offset together with its count, figures by adding up rows.

The answers are held against those of plain SQL, and a book of 20,000 sessions made in the same way is verified.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import apsw

import bulk
import harness
import rollbook
from rollbook.rules.checks import since as range_start
from rollbook.rules.checks import utc_now
from rollbook.settings import DEFAULT_ABANDON_AFTER_S

_VERIFIED: Final = 20_000
_PAGE_MS: Final = 2.0
_FIGURES_MS: Final = 10.0
_AT_LEAST_S: Final = 0.25  #: how long each question is asked, again and again
_AT_MOST: Final = 400
STATUSES: Final = ("running", "abandoned", "completed", "failed", "cancelled", "unknown")

Ask = Callable[[], Any]


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--sessions", type=int, default=None)
    parser.add_argument("--users", type=int, default=bulk.USERS)
    parser.add_argument("--days", type=int, default=bulk.DAYS, help="over which the sessions lie")
    given = parser.parse_args(argv)
    sessions = given.sessions or (20_000 if given.small else 1_000_000)
    sizes = (sessions // 10, sessions)
    with harness.workplace(given.folder) as folder:
        harness.apart(_verified, str(folder / "verified.db"), given.users)
        for size in sizes:
            started = time.perf_counter()
            harness.apart(bulk.build, str(folder / f"reads-{size}.db"), size, given.users, given.days)
            print(f"a book of {size:,} sessions loaded in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        plain = harness.apart(_plain, str(folder / f"reads-{sessions}.db"))
        runs: dict[int, list[dict[str, tuple[float, float]]]] = {size: [] for size in sizes}
        for _ in range(given.rounds or harness.ROUNDS):
            for size in sizes:
                runs[size].append(harness.apart(asked, f"sqlite:///{folder}/reads-{size}.db"))
    _report(sessions, given.users, runs[sizes[0]], runs[sizes[1]], plain)
    return 0


def _verified(path: str, users: int) -> None:
    bulk.build(path, _VERIFIED, users)
    with rollbook.open(f"sqlite:///{path}") as book:
        found = book.verify()
    if not found.ok or found.sessions != _VERIFIED:
        raise SystemExit(f"a loaded book does not balance: {found.problems[:3]}")


def _marks(question: str) -> float | None:
    if question.startswith("page"):
        return _PAGE_MS
    return _FIGURES_MS if question.startswith(("stats", "models")) else None


def _questions(book: rollbook.Rollbook) -> dict[str, Ask]:
    """What is asked of a book; whose sessions it shows is settled by how it was opened."""
    first = book.list()
    middle = book.list(offset=first.total // 2).next_cursor
    some = first.sessions[0]
    questions: dict[str, Ask] = {
        "page, first": book.list,
        "page, in the middle by cursor": lambda: book.list(cursor=middle),
        "page, 24h": lambda: book.list(since="24h"),
    }
    for status in STATUSES:
        questions[f"page, {status}"] = partial(book.list, status=status)
    for since in ("24h", "30d", "all"):
        questions[f"stats, {since}"] = partial(book.stats, since=since)
        questions[f"models, {since}"] = partial(book.cost_by_model, since=since)
        questions[f"agents, {since}"] = partial(book.cost_by_agent, since=since)
        for stack in ("model", "agent"):
            questions[f"series by {stack}, {since}"] = partial(book.spend_series, stack=stack, since=since)
    away = "America/Los_Angeles"
    questions[f"series by model, all, {away}"] = partial(book.spend_series, since="all", tz=away)
    return questions | {
        "get": lambda: book.get(some.session_id, user_id=some.user_id),
        "usage": lambda: book.usage(some.session_id, user_id=some.user_id),
        "spend by day, 30d": lambda: book.spend(by="day"),
        "spend by model, 30d": lambda: book.spend(by="model"),
        "spend by agent, 30d": lambda: book.spend(by="agent"),
        "list of one agent": lambda: book.list(agent="codex"),
        "list of one model": lambda: book.list(model="model-3"),
        "list by cost": lambda: book.list(order_by="cost_usd"),
        "list by cost, 24h": lambda: book.list(order_by="cost_usd", since="24h"),
    }


def asked(url: str) -> dict[str, tuple[float, float]]:
    """The median and the 99th percentile of every question, in milliseconds."""
    found: dict[str, tuple[float, float]] = {}
    for whose, everybody in (("one", False), ("all", True)):
        with rollbook.open(url, user=bulk.BIGGEST, all_users=everybody) as book:
            for question, ask in _questions(book).items():
                found[f"{question} | {whose}"] = harness.latencies(_repeated(ask))
    found["peak MB | "] = (harness.peak_mb(), 0.0)
    return found


def _repeated(ask: Ask) -> list[float]:
    began = harness.now()
    ask()
    # What takes long is asked a few times only.
    times = max(3, min(_AT_MOST, int(_AT_LEAST_S / (harness.now() - began + 1e-6))))
    seconds = []
    for _ in range(times):
        began = harness.now()
        ask()
        seconds.append(harness.now() - began)
    return seconds


# The same by plain SQL

_STATUS: Final = """case when status = 0 and last_activity_at < :cutoff then 'abandoned'
    when status = 0 then 'running' when status = 1 then 'completed' when status = 2 then 'failed'
    when status = 3 then 'cancelled' else 'unknown' end"""
_PLAIN_PAGE: Final = """select session_id, count(*) over () from session
    where {scope} and last_activity_at >= :since and (:status is null or {status} = :status)
    order by last_activity_at desc, user_no desc, session_no desc limit 50 offset :offset"""
_PLAIN_STATS: Final = """select count(*), sum(cost), sum(tokens_in), sum(tokens_out), sum(agent_time),
    sum({status} = 'completed'), sum({status} = 'abandoned'), sum({status} = 'running')
    from session where {scope} and last_activity_at >= :since"""
_PLAIN_MODELS: Final = """select model.name, count(*), sum(model_usage.cost), sum(model_usage.tokens_in) from session
    join model_usage using (user_no, session_no) join model using (model_no)
    where session.{scope} and last_activity_at >= :since group by model.name order by 3 desc, 4 desc"""


class _Plain:
    """Questions put to the tables."""

    def __init__(self, path: str, *, everybody: bool) -> None:
        self.connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        self.connection.pragma("cache_size", -32_000)
        self.scope = "user_no > 0" if everybody else "user_no = 1"

    def ask(self, text: str, since: str, status: str | None = None, offset: int = 0) -> list[tuple[Any, ...]]:
        now = utc_now()
        values = {
            "since": range_start(since, now) or 0,
            "cutoff": now - DEFAULT_ABANDON_AFTER_S * 1_000_000,
            "status": status,
            "offset": offset,
        }
        spelt = text.format(scope=self.scope, status=_STATUS)
        return self.connection.execute(
            spelt, {name: value for name, value in values.items() if f":{name}" in spelt}
        ).fetchall()


def _plain(path: str) -> dict[str, float]:
    """What plain SQL takes, in milliseconds, after its answers have been held against the library's."""
    found: dict[str, float] = {}
    for whose, everybody in (("one", False), ("all", True)):
        plain = _Plain(path, everybody=everybody)
        with rollbook.open(f"sqlite:///{path}", user=bulk.BIGGEST, all_users=everybody) as book:
            _compare(book, plain)
            total = book.list(limit=1).total
        questions: dict[str, Ask] = {
            "page, first": partial(plain.ask, _PLAIN_PAGE, "all"),
            "page, in the middle by cursor": partial(plain.ask, _PLAIN_PAGE, "all", None, total // 2),
        }
        for status in STATUSES:
            questions[f"page, {status}"] = partial(plain.ask, _PLAIN_PAGE, "all", status)
        for since in ("24h", "30d", "all"):
            questions[f"stats, {since}"] = partial(plain.ask, _PLAIN_STATS, since)
            questions[f"models, {since}"] = partial(plain.ask, _PLAIN_MODELS, since)
        for question, ask in questions.items():
            began = harness.now()
            ask()
            found[f"{question} | {whose}"] = (harness.now() - began) * 1000
    return found


def _compare(book: rollbook.Rollbook, plain: _Plain) -> None:
    """Stop unless the library and plain SQL answer the same."""
    for status in (None, *STATUSES):
        page, rows = book.list(status=status), plain.ask(_PLAIN_PAGE, "all", status)
        _same(f"page, {status}", [session.session_id for session in page.sessions], [row[0] for row in rows])
        _same(f"total, {status}", page.total, rows[0][1] if rows else 0)
    # A relative range begins a moment later for the one that is asked second, so a session may lie between.
    for back in ("24h", "30d", "all"):
        stats = book.stats(since=back)
        again = plain.ask(_PLAIN_STATS, back)[0]
        near = abs(stats.sessions - again[0]) <= max(3, stats.sessions // 10_000)
        exact = (stats.sessions, stats.total_spend_nano_usd, stats.tokens_in, stats.tokens_out) == again[:4]
        if not (exact or (near and back != "all")):
            raise SystemExit(f"stats of {back}: {stats} is not {again}")
    models = [
        (row.model, row.session_count, row.cost_nano_usd, row.tokens_in) for row in book.cost_by_model(since="all")
    ]
    _same("models", models, plain.ask(_PLAIN_MODELS, "all"))


def _same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise SystemExit(f"{what}: the library says {found}, plain SQL {expected}")


def _report(
    sessions: int,
    users: int,
    small: list[dict[str, tuple[float, float]]],
    large: list[dict[str, tuple[float, float]]],
    plain: dict[str, float],
) -> None:
    head = ("question", "of", f"{sessions // 10:,}", f"{sessions:,}", "growth", "p99", "mark", "", "plain SQL", "times")
    rows: list[tuple[str, ...]] = [head]
    kept = {}
    for key in large[0]:
        question, whose = key.split(" | ")
        before, after = (statistics.median(run[key][0] for run in runs) for runs in (small, large))
        p99 = statistics.median(run[key][1] for run in large)
        mark, other = _marks(question), plain.get(key)
        kept[key] = {"before_ms": before, "after_ms": after, "p99_ms": p99, "mark_ms": mark, "plain_ms": other}
        rows.append(
            (
                question,
                whose,
                f"{before:.2f}",
                f"{after:.2f}",
                f"{after / before:.2f}",
                f"{p99:.2f}" if p99 else "",
                "" if mark is None else f"{mark:g}",
                "" if mark is None else "met" if after <= mark else "MISSED",
                "" if other is None else f"{other:,.1f}",
                "" if other is None else f"{other / after:,.0f}",
            )
        )
    print(f"\nreads, milliseconds (median), {users:,} users:")
    harness.table(rows)
    harness.keep("reads", {"sessions": sessions, "users": users}, kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
