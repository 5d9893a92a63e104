"""Spend as its sums are kept: by quarter hours, and everybody's by hours and days as well, for long ranges (R6, R9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final, NamedTuple

from rollbook.ledger.names import EVERYBODY, spent_in_day, spent_in_hour
from rollbook.ledger.scopes import Group, Part, grouped
from rollbook.model import DAY_QUARTERS, QUARTER_US, QUARTERS, from_micros, to_micros
from rollbook.rules.checks import LAST_TIME
from rollbook.rules.windows import FOREVER, Window
from rollbook.store import Reading, Row

PERIODS: Final = ("hour", "day")
_HOURS: Final = "hour"
_DAY_HOURS: Final = DAY_QUARTERS // QUARTERS
_LAST: Final = LAST_TIME - 2 * DAY_QUARTERS * QUARTER_US  #: whose day is within the calendar in every zone
#: By what spend is told apart that everybody's sums tell apart too.
_KEPT: Final = frozenset(("model", "agent", "kind", "whole"))

Line = tuple[str, bool]  #: a name, and whether it is of sessions that were deleted since
Sums = dict[Line, dict[int, list[int]]]  #: amounts by line and the start of a period, in microseconds


class _Whole(NamedTuple):
    """A day, UTC, and the period of a zone in which most of it is."""

    day: int
    period: int


class _Moved(NamedTuple):
    """Quarter hours that are in another period than most of their day; None: in none, before the first or after all."""

    first: int
    last: int
    away: int | None
    to: int | None


def by_name(tx: Reading, parts: Sequence[Part], name: str, window: Window) -> list[Row]:
    """Rows of a name, whether they are of deleted sessions, and seven amounts, in the quarter hours of a range."""
    first, end = window.start // QUARTER_US, FOREVER if window.until is None else _quarter(window.until)
    statement, words = ("spend_by_model", {}) if name == "model" else ("spend_by_slice", {"name": f"spend_{name}"})
    found: list[Row] = []
    for of in _gathered(tx, parts):
        kept = of.everybody and name in _KEPT
        ranges = _ranges(first, end - 1) if kept else [(first, end - 1)]
        asked = _Asked(tx, of, words if kept or not of.everybody else words | {"whose": "whose_all"}, {})
        for low, high in ranges:
            found += asked.rows(statement, first=low, last=high)
    return found


def by_period(tx: Reading, parts: Sequence[Part], name: str, window: Window, *, by: str, zone: tzinfo) -> Sums:
    """The seven amounts of each hour or day of a zone, from that in which a range begins to that in which it ends."""
    first = 0 if window.since is None else _start_of(window.since, by, zone) // QUARTER_US
    end = FOREVER if window.until is None else _end_of(window.until, by, zone)
    found: Sums = defaultdict(lambda: defaultdict(lambda: [0] * 7))
    low, high = tx.rows("spend_ends")[0]
    if low is None or high < first or end <= max(first, low):
        return found
    if first < low:
        first = _quarter(to_micros(_midnight(from_micros(low * QUARTER_US).astimezone(zone))))
    starts = [] if by == _HOURS else list(_days(first, min(high, end - 1), zone))
    for of in _gathered(tx, parts):
        asked = _Asked(tx, of, {"name": f"spend_{name}"}, found)
        if by == _HOURS:
            _hours(asked, first, end, zone)
        elif of.everybody:
            _days_of_everybody(asked, starts)
        else:
            _days_of_users(asked, starts)
    return found


class _Asked(NamedTuple):
    """What is asked of the sums, and where the answer goes."""

    tx: Reading
    of: Group
    words: dict[str, str]
    into: Sums

    def rows(self, statement: str, **values: int) -> list[Row]:
        return self.tx.compose(statement, self.of.words | self.words, **self.of.values, **values)

    def add(self, line: Line, start: int, amounts: list[int], sign: int = 1) -> None:
        into = self.into[line][start]
        for place, value in enumerate(amounts):
            into[place] += sign * value


def _gathered(tx: Reading, parts: Sequence[Part]) -> list[Group]:
    """The parts; what the only one spent who did is what everybody did."""
    groups = grouped(parts)
    first = groups[0].user_no if groups else None
    if first and len(parts) == 1 and not tx.rows("spend_of_others", user_no=first)[0][0]:
        return [Group("[]", EVERYBODY)]
    return groups


# Times


def _quarter(at: int) -> int:
    """The first quarter hour that begins at a time or behind it."""
    return -(-at // QUARTER_US)


def _start_of(at: int, by: str, zone: tzinfo) -> int:
    """When the hour or day in a zone begins in which a time is."""
    local = from_micros(min(at, _LAST)).astimezone(zone)
    return to_micros(_midnight(local) if by == "day" else local.replace(minute=0, second=0, microsecond=0))


def _end_of(until: int, by: str, zone: tzinfo) -> int:
    """The quarter hour with which the hour or day in a zone ends in which a range does."""
    if until <= 0:
        return 0
    last = min(until, _LAST) - 1
    if by == _HOURS:
        begins, quarter = _hours_of(zone), last // QUARTER_US
        hour = begins(quarter)
        while begins(quarter) == hour:
            quarter += 1
        return quarter
    return _quarter(to_micros(_midnight(_midnight(from_micros(last).astimezone(zone)) + timedelta(days=1))))


def _midnight(local: datetime) -> datetime:
    # It may come twice where clocks go back: the day begins with the first.
    return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _days(first: int, last: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """The days of a zone that begin with a quarter hour or behind it, until one: their starts and quarter hours."""
    day = _midnight(from_micros(first * QUARTER_US).astimezone(zone))
    start, quarter = to_micros(day), first
    while quarter <= last:
        day = _midnight(day + timedelta(days=1))
        then = to_micros(day)
        if _quarter(then) > quarter:  # of a day that a zone left out nothing is there
            yield start, quarter
            quarter = _quarter(then)
        start = then
    yield start, quarter  # the end


def _ranges(first: int, last: int) -> list[tuple[int, int]]:
    """Where everybody's spend from one quarter hour to another is kept: whole days, hours, and quarter hours."""
    ranges = []
    if last >= FOREVER - 1:
        day = -(-first // DAY_QUARTERS)
        ranges = [(-FOREVER, spent_in_day(day))]
        last = day * DAY_QUARTERS - 1
    hour, end = -(-first // QUARTERS), (last + 1) // QUARTERS
    if hour > end:  # within an hour
        return [*ranges, (first, last)]
    day, end_day = -(-hour // _DAY_HOURS), end // _DAY_HOURS
    if day > end_day:  # within a day
        ranges.append((spent_in_hour(end - 1), spent_in_hour(hour)))
    else:
        ranges.append((spent_in_hour(day * _DAY_HOURS - 1), spent_in_hour(hour)))
        ranges.append((spent_in_day(end_day - 1), spent_in_day(day)))
        ranges.append((spent_in_hour(end - 1), spent_in_hour(end_day * _DAY_HOURS)))
    ranges += [(first, hour * QUARTERS - 1), (end * QUARTERS, last)]
    return [(low, high) for low, high in ranges if low <= high]


# Hours and days


def _hours(asked: _Asked, first: int, end: int, zone: tzinfo) -> None:
    begins = _hours_of(zone)
    if asked.of.everybody and first % QUARTERS == 0 and end % QUARTERS == 0:
        low = spent_in_day(0) + 1 if end == FOREVER else spent_in_hour(end // QUARTERS - 1)
        rows = asked.rows("spend_by_time", first=low, last=spent_in_hour(first // QUARTERS))
        hours = {kept: -1 - kept for kept in {row[0] for row in rows}}
        if all(begins(at * QUARTERS) == begins(at * QUARTERS + QUARTERS - 1) for at in hours.values()):
            for kept, line, gone, *amounts in rows:
                asked.add((str(line), bool(gone)), begins(hours[kept] * QUARTERS), amounts)
            return
    for quarter, line, gone, *amounts in asked.rows("spend_by_time", first=first, last=end - 1):
        asked.add((str(line), bool(gone)), begins(quarter), amounts)


def _hours_of(zone: tzinfo) -> Callable[[int], int]:
    """When the hour of a zone begins in which a quarter hour is."""
    known: dict[int, int] = {}

    def begins(quarter: int) -> int:
        if quarter not in known:
            at = quarter * QUARTER_US
            local = from_micros(at).astimezone(zone)
            # Where clocks are put forward, an hour's beginning may have been left out.
            known[quarter] = min(at, to_micros(local.replace(minute=0, second=0, microsecond=0)))
        return known[quarter]

    return begins


def _days_of_users(asked: _Asked, starts: list[tuple[int, int]]) -> None:
    """From quarter hours, days of one length at a time: nearly all are, but where clocks are put."""
    place = 0
    while place < len(starts) - 1:
        first, end = starts[place][1], place + 1
        width = starts[end][1] - first
        while end < len(starts) - 1 and starts[end + 1][1] - starts[end][1] == width:
            end += 1
        rows = asked.rows("spend_by_stretch", first=first, last=starts[end][1] - 1, width=width)
        for stretch, line, gone, *amounts in rows:
            asked.add((str(line), bool(gone)), starts[place + stretch][0], amounts)
        place = end


def _days_of_everybody(asked: _Asked, starts: list[tuple[int, int]]) -> None:
    """From days, UTC, of which those parts are moved that are in another day of the zone."""
    whole, moved = _laid(starts)
    if whole:
        periods = {spent_in_day(day): period for day, period in whole}
        low, high = min(periods), max(periods)
        for kept, line, gone, *amounts in asked.rows("spend_by_time", first=low, last=high):
            if kept in periods:
                asked.add((str(line), bool(gone)), periods[kept], amounts)
    ranges = {low: (low, high, move) for move in moved for low, high in _ranges(move.first, move.last)}
    for low, model, agent, gone, *amounts in asked.tx.among("spend_in_stretches", [it[:2] for it in ranges.values()]):
        line = {"spend_model": model, "spend_agent": agent}.get(asked.words["name"], "all")
        for period, sign in ((ranges[low][2].to, 1), (ranges[low][2].away, -1)):
            if period is not None:
                asked.add((str(line), bool(gone)), period, amounts, sign)


def _laid(starts: list[tuple[int, int]]) -> tuple[list[_Whole], list[_Moved]]:
    """How days, UTC, lie to those of a zone: in which most of each is, and what of it is in another."""
    pieces: dict[int, list[tuple[int, int, int | None]]] = defaultdict(list)  # of days: first, last, period
    begin, end = starts[0][1], starts[-1][1]
    if begin % DAY_QUARTERS:
        pieces[begin // DAY_QUARTERS].append((begin - begin % DAY_QUARTERS, begin - 1, None))
    for (start, first), (_, following) in pairwise(starts):
        for day in range(first // DAY_QUARTERS, (following - 1) // DAY_QUARTERS + 1):
            low, high = max(first, day * DAY_QUARTERS), min(following, (day + 1) * DAY_QUARTERS) - 1
            pieces[day].append((low, high, start))
    if end % DAY_QUARTERS:
        pieces[end // DAY_QUARTERS].append((end, end - end % DAY_QUARTERS + DAY_QUARTERS - 1, None))
    whole, moved = [], []
    for day, parts in pieces.items():
        most = max(parts, key=lambda part: part[1] - part[0])[2]
        if most is not None:
            whole.append(_Whole(day, most))
        moved += [_Moved(low, high, most, period) for low, high, period in parts if period != most]
    return whole, moved
