"""A range that ends holds what one that does not holds more than the one that begins there (R7, R8, R9)."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from rollbook import Rollbook
from rollbook.errors import InvalidInput
from rollbook.model import HOUR_US, MICROS, QUARTER_US, from_micros, to_micros
from rollbook.principals import READER, Principal

from .test_series import DATASET, FIELDS, filled
from .tools import DAY, HOUR, MINUTE, NOW, Clock, call, opened, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

STATS: Final = (
    "sessions", "completed", "failed", "abandoned", "running", "cancelled", "unknown", "calls", "unpriced_calls",
    "errors", "tokens_in", "tokens_out", "tokens_total", "total_spend_nano_usd",
)  # fmt: skip
MODELS: Final = ("session_count", "calls", "tokens_in", "tokens_out", "cost_nano_usd", "unpriced_calls")
EDGES: Final = (0, 1, QUARTER_US // 2 - 1, QUARTER_US // 2, QUARTER_US - 1, HOUR_US // 2, HOUR_US // 2 + 1, HOUR_US - 1)


def _ranges(chance: random.Random) -> list[tuple[int, int]]:
    """Ranges of all lengths, whose ends lie at and beside hours, quarter hours and their middles."""
    hour = NOW // HOUR * HOUR
    found = [(hour, hour), (hour - HOUR, hour), (hour - 1, hour + 1), (NOW - HOUR // 2, NOW + 1)]
    found.append((NOW - 9_000 * DAY, NOW - DAY))
    while len(found) < 15:
        ends = [hour - chance.choice((0, 1, 2, 30, 96)) * HOUR + chance.choice(EDGES) for _ in range(2)]
        found.append((min(ends), max(ends)))
    return found


def _asking(book: Rollbook) -> list[Rollbook]:
    sees = Principal(user_id=user(1), role=READER, reads=frozenset({DATASET}))
    return [book, book.acting(sees), book.acting(Principal(user_id=user(2), role=READER))]


def _less(more: dict[Any, list[int]], less: dict[Any, list[int]]) -> dict[Any, list[int]]:
    nothing = [0] * len(next(iter(more.values()), ()))
    left = {key: [a - b for a, b in zip(more[key], less.get(key, nothing), strict=True)] for key in more}
    assert set(less) <= set(more)
    return {key: amounts for key, amounts in left.items() if any(amounts)}


def test_r8_r9_figures_of_a_range_are_the_difference_of_two() -> None:
    with opened(Clock(NOW), all_users=True) as book:
        filled(book)
        for number in range(30):  # around the silence after which what runs is abandoned
            at = NOW - 30 * MINUTE + (number - 15) * MINUTE // 3
            write(book, [touch(f"r{number}", at, user(number % 3), agent="codex")])
        for asking in _asking(book):
            for since, until in _ranges(random.Random(5)):
                start, end = from_micros(since), from_micros(until)
                ranges: list[dict[str, Any]] = [{"since": start}, {"since": end}, {"since": start, "until": end}]
                stats = [asking.stats(since=at) for at in (start, end)]
                found = asking.stats(since=start, until=end)
                for name in STATS:
                    assert getattr(found, name) == getattr(stats[0], name) - getattr(stats[1], name), (name, start, end)
                assert round(found.agent_time_s * MICROS) == round(
                    stats[0].agent_time_s * MICROS - stats[1].agent_time_s * MICROS
                )
                models = [
                    {line.model: [getattr(line, name) for name in MODELS] for line in asking.cost_by_model(**asked)}
                    for asked in ranges
                ]
                assert models[2] == _less(models[0], models[1])
                agents = [
                    {
                        (line.user_id, line.agent): [getattr(line, name) for name in MODELS]
                        for line in asking.cost_by_agent(**asked)
                    }
                    for asked in ranges
                ]
                assert agents[2] == _less(agents[0], agents[1])


@pytest.mark.parametrize("order_by", ["last_activity_at", "cost_usd"])
def test_r7_a_list_ends_where_its_range_does(order_by: str) -> None:
    with opened(Clock(NOW), all_users=True) as book:
        filled(book)
        for asking in _asking(book):
            sessions = list(asking.iterate())
            for since, until in _ranges(random.Random(8))[::2]:
                asked: dict[str, Any] = {"since": from_micros(since), "until": from_micros(until)}
                for status in (None, "running", "abandoned"):
                    expected = sorted(
                        one.session_id
                        for one in sessions
                        if since <= to_micros(one.last_activity_at) < until and status in (None, one.effective_status)
                    )
                    found, cursor = [], None
                    while True:
                        page = asking.list(**asked, status=status, order_by=order_by, limit=15, cursor=cursor)
                        found += [one.session_id for one in page.sessions]
                        assert (page.total, page.total_exact) == (len(expected), True)
                        if (cursor := page.next_cursor) is None:
                            break
                    assert sorted(found) == expected
                told = f"since:{asked['since'].isoformat()} until:{asked['until'].isoformat()}"
                for query in (
                    told,
                    told.replace("since:", "active>=").replace("until:", "active<"),
                    f"{told} calls>=0",
                ):
                    assert asking.list(query=query, order_by=order_by).total == asking.list(**asked).total, query
                assert len(_extracted(asking, "sessions", asked)) == asking.list(**asked).total
                calls = [row for row in asking.iterate_usage() if since <= to_micros(row.occurred_at) < until]
                assert len(_extracted(asking, "usage", asked)) == len(calls)


def _extracted(book: Rollbook, what: str, asked: dict[str, Any]) -> list[Any]:
    found, after = [], None
    while True:
        step = book.extract(what=what, after=after, **asked)
        found += step.rows
        if (after := step.after) is None:
            return found


def test_r9_spend_of_a_range_is_the_difference_of_two() -> None:
    """A range ends with a whole quarter hour, hour or day; then what comes behind it begins there."""
    with opened(Clock(NOW), all_users=True) as book:
        filled(book)
        for asking in _asking(book):
            for since, until in _ranges(random.Random(6)):
                for by in ("model", "agent", "project", "user", "kind"):
                    behind = -(-until // QUARTER_US) * QUARTER_US
                    _differ(asking, since, until, behind, by=by, zone="UTC")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Havana", "Australia/Lord_Howe"])
@pytest.mark.parametrize("by", ["hour", "day"])
def test_r9_periods_at_the_end_of_a_range_are_whole(by: str, zone: str) -> None:
    place = ZoneInfo(zone)
    with opened(Clock(NOW), all_users=True) as book:
        filled(book)
        for day in (datetime(2025, 11, 2), datetime(2025, 4, 6)):  # noqa: DTZ001 - made one of the zone's below
            at = to_micros(day.replace(tzinfo=place))
            write(book, [call("c", f"{day} {n}", at + n * QUARTER_US, 1, user(1)) for n in range(-8, 120)])
            for step in (0, 1, 7 * QUARTER_US + 5, 9 * QUARTER_US, 99 * QUARTER_US):
                _differ(book, at - DAY, at + step, _end(at + step, by, place), by=by, zone=zone)
        for asking in _asking(book):
            for since, until in _ranges(random.Random(7))[::3]:
                _differ(asking, since, until, _end(until, by, place), by=by, zone=zone)


def _end(until: int, by: str, zone: ZoneInfo) -> int:
    """When the hour or day of a zone is over in which the last moment before a time is; found quarter by quarter."""

    def period(at: int) -> str:
        local = from_micros(at).astimezone(zone)
        return local.date().isoformat() if by == "day" else local.replace(minute=0).isoformat(timespec="hours")

    last = until - 1
    at = last // QUARTER_US * QUARTER_US
    while period(at) == period(last):
        at += QUARTER_US
    return at


def _differ(book: Rollbook, since: int, until: int, behind: int, *, by: str, zone: str) -> None:
    start, end, rest = from_micros(since), from_micros(until), from_micros(behind)
    ranges: list[dict[str, Any]] = [{"since": start}, {"since": rest}, {"since": start, "until": end}]
    spent = [
        {
            (row.deleted, row.key): [getattr(row, name) for name in FIELDS]
            for row in book.spend(by=by, tz=zone, **asked).rows
        }
        for asked in ranges
    ]
    assert spent[2] == _less(spent[0], spent[1]), (by, start, end)
    if by in ("hour", "day"):
        for stack in ("model", "agent", "none"):
            series = [book.spend_series(by=by, stack=stack, tz=zone, **asked) for asked in ranges]
            cells = [
                {
                    (line.key, line.deleted, at): [getattr(line, name)[place] for name in FIELDS]
                    for line in each.lines
                    for place, at in enumerate(each.starts)
                }
                for each in series
            ]
            assert {key: found for key, found in cells[2].items() if any(found)} == _less(cells[0], cells[1])


def test_ends_are_said_like_beginnings() -> None:
    with opened(Clock(NOW)) as book:
        for hours in range(5):
            book.touch(f"s{hours}", at=from_micros(NOW - hours * HOUR))
        assert book.list(since="all", until="1h").total == 3
        assert book.list(since="3h", until=timedelta(hours=1)).total == 2
        assert book.list(since="3h", until="all").total == 4
        assert book.stats(since="3h", until="1h").range == "3h/1h"
        assert book.stats(since="3h", until="all").range == "3h"
        assert book.stats(since="2h", until="2h").sessions == 0
        for wrong in ({"since": "1h", "until": "2h"}, {"until": "yesterday"}, {"until": datetime(2026, 1, 1)}):  # noqa: DTZ001
            for method in (
                book.list,
                book.stats,
                book.cost_by_model,
                book.cost_by_agent,
                book.spend,
                book.spend_series,
            ):
                with pytest.raises(InvalidInput):
                    method(**wrong)
        assert book.list(query="active<1h active>2h").total == 0


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Midway", "UTC"])
def test_ends_of_the_calendar_are_no_ends_of_the_world(zone: str) -> None:
    with opened(Clock(NOW)) as book:
        write(book, [call("s", "u", NOW - DAY, 1)])
        first, last = "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
        for by in ("hour", "day", "model"):
            assert book.spend(by=by, since=last, tz=zone).rows == []
            assert book.spend(by=by, since=first, until=last, tz=zone).total.calls == 1
            assert book.spend(by=by, since=first, until=first, tz=zone).rows == []
            if by != "model":
                assert len(book.spend_series(by=by, since="0001-01-01T00:00:00Z", until=last, tz=zone).starts) == 1
        assert book.stats(since=last).sessions == 0
        assert book.stats(since=first, until=last).sessions == 1
