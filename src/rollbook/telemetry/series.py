"""What metrics say of a session: sums that grow, told in points that come late, twice and in any order.

Where nothing better tells of a session's calls, its metrics stand for them: one call for each session and model, that
grows. What it comes to is the sum of its series. A *series* is one counter of one process; a point of it says either
what was added since the point before (delta), or what it stands at since a start (cumulative). Several processes that
share a session have a series each, and a process that starts anew starts counting anew: all of these are added up.

A note remembers each series: of a delta one its sum and which points were the last, so that none is added twice; of a
cumulative one the largest value since each start. What is too old to be known again is taken as known: rather too
little than twice. A point changes nothing if it was there before, and the order does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call, Touch
from rollbook.model import MICROS, Evidence, Tokens
from rollbook.rules import checks
from rollbook.telemetry import names
from rollbook.telemetry.told import Folded, PointTold

ROOM: Final = "series"
COST: Final = "cost"  #: dollars
INPUT_ALL: Final = "input_all"  #: input with what was read from the cache
OUTPUT_ALL: Final = "output_all"  #: output with reasoning
FIELDS: Final = frozenset({*Tokens.__struct_fields__, COST, INPUT_ALL, OUTPUT_ALL})

KEPT_US: Final = 30 * 86_400 * MICROS  #: a session of which nothing was heard for so long is not counted on
SERIES_MOST: Final = 512  #: of one session and model; further ones are left out
POINTS_MOST: Final = 32  #: of a delta series that are known again; older ones are taken as known
STARTS_MOST: Final = 32  #: of a cumulative series, likewise

Points = Sequence[tuple[int, PointTold]]  #: with their places in what was told
User = tuple[str, str | None]


class _Series(Struct, array_like=True):
    """What is known of one series. Amounts are tokens, or nano-dollars."""

    field: str
    cumulative: bool
    sum: int = 0  #: of delta points, and of what was counted since starts that are too old to be told apart
    floor: int = -1  #: what is not newer is taken as known: a time, or a start
    known: list[tuple[int, int]] = msgspec.field(default_factory=list)  #: points (at, start); starts, with their values


class _Meter(Struct, array_like=True):
    """What is known of one session and model."""

    series: dict[str, _Series] = msgspec.field(default_factory=dict)
    first: int = 0  #: when the first point was made
    last: int = 0
    changes: int = 0


_meter: Final = msgspec.json.Decoder(_Meter)


def check(point: PointTold) -> None:
    """Refuse a point whose numbers are none. Raises InvalidInput."""
    if point.field not in FIELDS:
        raise InvalidInput(f"unknown field {checks.said(point.field)} of a metric; it is one of {', '.join(FIELDS)}")
    checks.count(point.start, "the start of a point", checks.LAST_TIME)
    checks.count(point.at, "the time of a point", checks.LAST_TIME)
    amount(point)


def amount(point: PointTold) -> int:
    """What a point says, in whole tokens or nano-dollars. Raises InvalidInput."""
    value = point.value
    if point.field == COST:
        return checks.cost(value, checks.MAX_TOTAL_USD) or 0
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(Decimal(value))
    return checks.count(value, "a number of tokens", checks.MAX_TOKENS)


def fold(value: str | None, points: Points, *, user: User, now: int) -> Folded | None:
    """What a note says with more points; None if they say nothing new.

    Every point has to be of the same session and model, and checked.
    """
    meter = _Meter() if value is None else _meter.decode(value)
    grew = [(place, point) for place, point in points if _take(meter, point)]
    if not grew:
        return None
    for _, point in grew:
        at = now if point.at > now + checks.CLOCK_SLACK_US else point.at
        meter.first, meter.last = min(at, meter.first or at), max(at, meter.last)
    meter.changes += 1
    place, point = grew[-1]
    touch = Touch(user_id=user[0], user_name=user[1], session_id=point.session_id, at=meter.last, facts=point.facts)
    ops: list[tuple[int | None, Touch | Call]] = [(place, touch)]
    call = _call(meter, point, user)
    if call is not None:
        ops.append((place, call))
    return Folded(msgspec.json.encode(meter).decode(), now + KEPT_US, [*ops])


def _take(meter: _Meter, point: PointTold) -> bool:
    """Count a point; whether it changed anything."""
    name = f"{point.series}:{'c' if point.cumulative else 'd'}:{point.field}"
    series = meter.series.get(name)
    if series is None:
        if len(meter.series) >= SERIES_MOST:
            return False
        series = meter.series[name] = _Series(point.field, point.cumulative)
    return _stands(series, point) if point.cumulative else _adds(series, point)


def _adds(series: _Series, point: PointTold) -> bool:
    mark = (point.at, point.start)
    if point.at <= series.floor or mark in series.known:
        return False
    series.known.append(mark)
    series.sum += amount(point)
    if len(series.known) > POINTS_MOST:
        series.known.sort()
        series.floor = series.known.pop(0)[0]
    return True


def _stands(series: _Series, point: PointTold) -> bool:
    """The largest value is the newest one: what counts only grows until it starts anew."""
    if point.start <= series.floor:
        return False
    starts, value = dict(series.known), amount(point)
    before = starts.get(point.start, 0)
    starts[point.start] = max(before, value)
    series.known = sorted(starts.items())
    if len(series.known) > STARTS_MOST:
        series.floor, oldest = series.known.pop(0)
        series.sum += oldest
    return value > before


def _call(meter: _Meter, point: PointTold, user: User) -> Call | None:
    """The call that stands for what was metered so far."""
    sums = dict.fromkeys(FIELDS, 0)
    for series in meter.series.values():
        sums[series.field] += series.sum
        if series.cumulative:
            sums[series.field] += sum(value for _, value in series.known)
    tokens = Tokens(
        **{name: sums[name] for name in Tokens.__struct_fields__ if name not in ("input", "output")},
        input=sums["input"] + max(0, sums[INPUT_ALL] - sums["cache_read"]),
        output=sums["output"] + max(0, sums[OUTPUT_ALL] - sums["reasoning"]),
    )
    if not tokens.total and not sums[COST]:
        return None
    reported = any(series.field == COST for series in meter.series.values())
    return Call(
        user_id=user[0],
        user_name=user[1],
        session_id=point.session_id,
        usage_id=names.metered(point.session_id, point.model),
        # The first moment: a last point often comes when the session has ended, and what it completes was used before.
        occurred_at=meter.first,
        tokens=tokens,
        model=point.model,
        cost_nano=sums[COST] if reported else None,
        cost_source="reported" if reported else "unpriced",
        source=point.facts.agent or "otlp",
        evidence=Evidence.METRIC,
        weight=meter.changes,  # of what comes to the same total, the later report knows more
    )
