"""R8, R9: figures are what one would add up by hand; spend is the ledger's, in every time zone."""

from __future__ import annotations

import functools
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

import rollbook
from rollbook.ledger.ops import End, Op
from rollbook.model import MICROS, NANO, Tokens, from_micros, to_micros

from .tools import DAY, HOUR, MINUTE, NOW, Clock, call, opened, sound, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

SPEND: Final = (
    "calls",
    "tokens_in",
    "tokens_out",
    "cost_nano_usd",
    "unpriced_calls",
    "late_calls",
    "late_cost_nano_usd",
)
MODELS: Final = ("session_count", "calls", "tokens_in", "tokens_out", "cost_nano_usd", "unpriced_calls")
ZONES: Final = (
    "UTC", "Europe/Vienna", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
    "America/St_Johns", "America/Havana", "Asia/Tehran", "Pacific/Kiritimati",
)  # fmt: skip


def _history(chance: random.Random, owner: str, count: int, around: int) -> list[Op]:
    ops: list[Op] = []
    for number in range(count):
        name = f"s{number}"
        start = around - chance.choice([0, HOUR, DAY, chance.randrange(3 * DAY)]) // HOUR * HOUR
        start += chance.choice([-1, 0, 1, HOUR // 2 - 1, HOUR // 2, chance.randrange(HOUR)])
        ops.append(
            touch(
                name, start, owner, agent=chance.choice([None, "x", "y"]), kind=chance.choice([None, "acp"]),
                project=chance.choice([None, "p", "q"]),
            )
        )  # fmt: skip
        for index in range(chance.choice([0, 1, 3])):
            tokens = Tokens(input=chance.randrange(99), cache_read=chance.randrange(9), output=chance.randrange(9))
            ops.append(
                call(
                    name, f"{name} {index}", start + chance.randrange(HOUR), owner=owner, tokens=tokens,
                    model=chance.choice([None, "m1", "m2", "m3"]),
                    cost_nano=chance.choice([None, 0, 5, chance.randrange(NANO)]), errored=chance.random() < 0.2,
                )
            )  # fmt: skip
        status = chance.choice([None, "completed", "failed", "cancelled"])
        if status:
            ops.append(End(user_id=owner, session_id=name, status=status, at=start + chance.randrange(HOUR)))
    return ops


@pytest.fixture(scope="module", params=range(3))
def book(request: pytest.FixtureRequest, engine: str) -> Iterator[rollbook.Rollbook]:
    chance = random.Random(request.param)
    with opened(Clock(NOW), all_users=True) as one:
        for number in range(2):
            write(one, _history(chance, user(number), 60, NOW - HOUR))
        one.mark_unknown(next(s.session_id for s in one.iterate(status="abandoned", user_id=user(0))), user_id=user(0))
        # A call that is told again, better, in another session; and sessions that are deleted.
        write(
            one, [call("s1", "s0 0", NOW - 2 * HOUR, 1000, user(0), model="m1"), call("s2", "s1 0", NOW, 1000, user(1))]
        )
        one.delete("s3", user_id=user(0))
        sound(one)
        yield one


def _sessions(book: rollbook.Rollbook, owner: str | None) -> list[rollbook.Session]:
    return [one for one, _ in _written(book) if owner in (None, one.user_id)]


def _rows(book: rollbook.Rollbook, owner: str | None) -> list[tuple[rollbook.Session, rollbook.Usage]]:
    return [(one, row) for one, rows in _written(book) if owner in (None, one.user_id) for row in rows]


@functools.lru_cache(maxsize=1)
def _written(book: rollbook.Rollbook) -> list[tuple[rollbook.Session, list[rollbook.Usage]]]:
    """Every session of a book that nobody writes to any more, and what the ledger says of it."""
    return [(one, book.usage(one.session_id, user_id=one.user_id)) for one in book.iterate()]


def _moments(book: rollbook.Rollbook) -> list[int | None]:
    """Since when: always, hour boundaries and the microseconds beside them, both halves of an hour, last activities."""
    hour = NOW // HOUR * HOUR
    edges = [hour + step for step in (-HOUR, -1, 0, 1, -HOUR // 2, -HOUR // 2 - 1, HOUR, -DAY)]
    active = [to_micros(one.last_activity_at) + step for one in _sessions(book, None)[::9] for step in (-1, 0, 1)]
    return [None, *edges, *active, NOW + DAY, 1]


@pytest.mark.parametrize("owner", [user(0), user(1), user(9), None])
def test_r8_stats_are_what_the_sessions_come_to(book: rollbook.Rollbook, owner: str | None) -> None:
    sessions = _sessions(book, owner)
    for since in _moments(book):
        found = [one for one in sessions if since is None or to_micros(one.last_activity_at) >= since]
        answer = book.stats(since="all" if since is None else from_micros(since), user_id=owner)
        count: dict[str, int] = defaultdict(int)
        for one in found:
            count[one.effective_status] += 1
        decided = len(found) - count["running"]
        assert answer.sessions == len(found)
        for status in ("completed", "failed", "cancelled", "running", "unknown", "abandoned"):
            assert getattr(answer, status) == count[status], (since, status)
        assert answer.success_rate == (count["completed"] / decided if decided else 1.0)
        assert answer.total_spend_nano_usd == sum(one.cost_nano_usd for one in found)
        assert answer.total_spend_usd == answer.total_spend_nano_usd / NANO
        assert answer.avg_spend_per_session_usd == pytest.approx(answer.total_spend_usd / max(1, len(found)))
        assert answer.tokens_in == sum(one.tokens_in for one in found)
        assert answer.tokens_out == sum(one.tokens_out for one in found)
        assert answer.tokens_total == answer.tokens_in + answer.tokens_out
        assert (answer.calls, answer.unpriced_calls, answer.errors) == (
            sum(one.calls for one in found),
            sum(one.unpriced_calls for one in found),
            sum(one.error_count for one in found),
        )
        worked = sum(round(one.agent_time_s * MICROS) for one in found)
        assert answer.agent_time_s == worked / MICROS
        assert answer.avg_session_s == pytest.approx(worked / MICROS / max(1, len(found)))
        assert answer.agent_time_s >= 0


@pytest.mark.parametrize("owner", [user(0), user(1), None])
def test_r9_models_sum_to_the_stats_exactly(book: rollbook.Rollbook, owner: str | None) -> None:
    rows = [(one, row) for one, row in _rows(book, owner) if not row.late]
    for since in _moments(book):
        asked: Any = "all" if since is None else from_micros(since)
        found = book.cost_by_model(since=asked, user_id=owner)
        stats = book.stats(since=asked, user_id=owner)
        assert sum(line.cost_nano_usd for line in found) == stats.total_spend_nano_usd
        assert sum(line.calls for line in found) == stats.calls
        assert sum(line.unpriced_calls for line in found) == stats.unpriced_calls
        assert sum(line.tokens_in for line in found) == stats.tokens_in
        assert sum(line.tokens_out for line in found) == stats.tokens_out
        # By hand, from the ledger.
        net: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0] * 5)
        for one, row in rows:
            if since is None or to_micros(one.last_activity_at) >= since:
                sums = net[row.model or "unknown", one.user_id, one.session_id]
                unpriced = row.calls if row.cost_nano_usd is None else 0
                for place, value in enumerate(
                    (row.calls, row.tokens_in, row.tokens_out, row.cost_nano_usd or 0, unpriced)
                ):
                    sums[place] += value
        expected: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
        for (model, _, _), sums in net.items():
            if any(sums):
                expected[model] = [left + right for left, right in zip(expected[model], [1, *sums], strict=True)]
        assert {line.model: [getattr(line, key) for key in MODELS] for line in found} == expected
        costs = [line.cost_nano_usd for line in found]
        assert costs == sorted(costs, reverse=True)
        for line in found:
            unknown = line.unpriced_calls >= line.calls and line.unpriced_calls and not line.cost_nano_usd
            assert line.cost_usd == (None if unknown else line.cost_nano_usd / NANO)


def test_r9_sessions_are_counted_as_pairs_of_user_and_id() -> None:
    with opened(all_users=True) as book:
        for owner in (user(0), user(1)):
            for number in range(2):
                book.record_usage("same", user_id=owner, model="m1", tokens_in=1, usage_id=f"u{number}")
        (line,) = book.cost_by_model(since="all")
        assert (line.session_count, line.calls) == (2, 4)


def test_r9_the_model_that_is_not_known_is_one_line() -> None:
    with opened() as book:
        book.record_usage("s", tokens_in=1, cost_usd=1)
        book.record_usage("s", model="unknown", tokens_in=2, cost_usd=2)
        book.record_usage("r", model="unknown", tokens_in=4, cost_usd=4)
        found = [(line.model, line.calls, line.tokens_in) for line in book.cost_by_model(since="all")]
        assert found == [("unknown", 3, 7)]
        assert book.list(model="unknown").total == 2
        assert [(row.key, row.calls) for row in book.spend(by="model", since="all").rows] == [("unknown", 3)]


def _key(one: rollbook.Session, row: rollbook.Usage, by: str, zone: ZoneInfo) -> str:
    local = row.occurred_at.astimezone(zone)
    return {
        "hour": local.replace(minute=0).isoformat(timespec="minutes"),
        "day": local.date().isoformat(),
        "model": row.model or "unknown",
        "agent": one.agent or "(none)",
        "project": one.project or "(none)",
        "kind": one.kind,
        "user": one.user_id,
    }[by]


def _added(into: list[int], row: rollbook.Usage) -> None:
    cost, unpriced = row.cost_nano_usd or 0, row.calls if row.cost_nano_usd is None else 0
    late = int(row.late)
    amounts = (row.calls, row.tokens_in, row.tokens_out, cost, unpriced, row.calls * late, cost * late)
    for place, value in enumerate(amounts):
        into[place] += value


@pytest.mark.parametrize("owner", [user(0), user(1), None])
@pytest.mark.parametrize("by", ["hour", "day", "model", "agent", "project", "kind", "user"])
def test_r9_spend_by_anything_is_the_sum_of_the_ledger(book: rollbook.Rollbook, by: str, owner: str | None) -> None:
    rows = _rows(book, owner)
    for since in (None, NOW - 2 * HOUR + 17, NOW - DAY, NOW + DAY):
        first = 0 if since is None else since // (15 * MINUTE) * 15 * MINUTE
        if since is not None and by in ("hour", "day"):
            first = since // (HOUR if by == "hour" else DAY) * (HOUR if by == "hour" else DAY)
        expected: dict[str, list[int]] = defaultdict(lambda: [0] * len(SPEND))
        for one, row in rows:
            if to_micros(row.occurred_at) >= first:
                _added(expected[_key(one, row, by, ZoneInfo("UTC"))], row)
        expected = {key: sums for key, sums in expected.items() if any(sums)}
        answer = book.spend(by=by, since="all" if since is None else from_micros(since), user_id=owner)
        found = {row.key: [getattr(row, key) for key in SPEND] for row in answer.rows if not row.deleted}
        assert found == expected
        assert len(found) == sum(not row.deleted for row in answer.rows)
        total = [sum(getattr(row, key) for row in answer.rows) for key in SPEND]
        assert [getattr(answer.total, key) for key in SPEND] == total


@pytest.mark.parametrize("zone", ZONES)
def test_r9_periods_are_those_of_the_askers_time_zone(zone: str) -> None:
    """Calls around every change of the clocks of a year, and through some days beside them."""
    place = ZoneInfo(zone)
    quarter = timedelta(minutes=15)
    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    changes = [
        day
        for day in days
        if day.astimezone(place).utcoffset() != (day + timedelta(days=1)).astimezone(place).utcoffset()
    ]
    moments = [day + number * quarter for day in (*changes, days[40]) for number in range(-96, 192)]
    clock = Clock(to_micros(end))
    with opened(clock) as book:
        write(book, [call("s", f"u{n}", to_micros(at) + n, n + 1, cost_nano=n) for n, at in enumerate(moments)])
        one, rows = book.get("s"), book.usage("s")
        for by in ("hour", "day"):
            expected: dict[str, list[int]] = defaultdict(lambda: [0] * len(SPEND))
            for row in rows:
                _added(expected[_key(one, row, by, place)], row)
            answer = book.spend(by=by, since="all", tz=zone)
            assert {row.key: [getattr(row, key) for key in SPEND] for row in answer.rows} == expected
            if by == "day":
                assert [row.key for row in answer.rows] == sorted(expected)


@pytest.fixture(scope="module")
def days(engine: str) -> Iterator[rollbook.Rollbook]:
    """A user for each of some days on which clocks are put back in the autumn, or forward in spring."""
    del engine  # which says where it is
    with opened(Clock(NOW), all_users=True) as book:
        for number, day in enumerate(
            (datetime(2025, 11, 2, tzinfo=UTC), datetime(2025, 10, 26, tzinfo=UTC), datetime(2025, 4, 6, tzinfo=UTC))
        ):
            moments = [day + timedelta(minutes=15 * quarter) for quarter in range(-48, 144)]
            write(book, [call("s", f"u{n}", to_micros(at), 1, user(number)) for n, at in enumerate(moments)])
        yield book


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("by", ["hour", "day"])
def test_r9_a_period_is_whole_whenever_within_it_the_range_begins(days: rollbook.Rollbook, by: str, zone: str) -> None:
    place = ZoneInfo(zone)
    for one, rows in _written(days):
        assert len(rows) == 192
        sizes: dict[str, int] = defaultdict(int)
        for row in rows:
            sizes[_key(one, row, by, place)] += 1
        for row in rows[::5]:
            key = _key(one, row, by, place)
            answer = days.spend(by=by, since=row.occurred_at, tz=zone, user_id=one.user_id)
            assert {line.key: line.calls for line in answer.rows}[key] == sizes[key], (zone, row.occurred_at)


def test_r9_hours_stand_in_the_order_in_which_they_were() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(hours=number) for number in range(365 * 24)]
    with opened(Clock(NOW)) as book:
        for begin in range(0, len(moments), 2000):
            write(book, [call("s", f"u{to_micros(at)}", to_micros(at), 1) for at in moments[begin : begin + 2000]])
        for zone in ("Europe/Vienna", "America/Havana", "Australia/Lord_Howe"):
            keys = [datetime.fromisoformat(row.key) for row in book.spend(by="hour", since="all", tz=zone).rows]
            assert keys == sorted(keys)


def test_r9_the_deleted_and_the_late_have_lines_of_their_own() -> None:
    with opened() as book:
        at = from_micros(NOW - HOUR)
        for name in ("kept", "gone"):
            book.touch(name, agent="x", at=at)
            book.record_usage(name, tokens_in=3, cost_usd=3, usage_id=f"{name} 1", occurred_at=at, model="m")
            book.end(name, "completed", at=from_micros(NOW - HOUR + 1))
            book.record_usage(name, tokens_in=5, cost_usd=5, usage_id=f"{name} 2", model="m")
        book.delete("gone")
        for by in ("hour", "day", "model", "agent", "project", "kind"):
            *lines, last = book.spend(by=by, since="all").rows
            assert (last.key, last.deleted, last.calls, last.cost_usd) == ("(deleted)", True, 2, 8.0)
            assert sum(line.calls for line in lines) == 2
            assert sum(line.late_calls for line in lines) == 1
            assert sum(line.late_cost_nano_usd for line in lines) == 5 * NANO
        assert book.stats(since="all").calls == 1
        sound(book)


def test_r12_a_late_call_of_a_deleted_session_stays_late_when_it_is_amended() -> None:
    with opened() as book:
        book.touch("s", at=from_micros(NOW - HOUR))
        book.end("s", "completed", at=from_micros(NOW - HOUR + 1))
        book.record_usage("s", usage_id="u", tokens_in=5, cost_usd=5, occurred_at=from_micros(NOW))
        book.delete("s")
        book.record_usage("s", usage_id="u", tokens_in=8, cost_usd=8, occurred_at=from_micros(NOW))
        (line,) = book.spend(by="day", since="all").rows
        assert (line.calls, line.cost_nano_usd) == (1, 8 * NANO)
        assert (line.late_calls, line.late_cost_nano_usd) in [(0, 0), (1, 8 * NANO)]


def test_r4_r8_a_session_is_abandoned_a_microsecond_after_half_an_hour() -> None:
    clock = Clock(NOW)
    with opened(clock) as book:
        book.touch("s")
        for later, status in ((0, "running"), (1800 * MICROS, "running"), (1800 * MICROS + 1, "abandoned")):
            clock.now = NOW + later
            assert book.get("s").effective_status == status
            assert book.get("s").status == "running"
            for since in ("all", "1h", from_micros(NOW)):
                stats = book.stats(since=since)
                assert (stats.running, stats.abandoned) == ((1, 0) if status == "running" else (0, 1))
            assert [one.session_id for one in book.list(status=status).sessions] == ["s"]
