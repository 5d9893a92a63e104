"""Spend over time, told apart by model or agent: what a chart shows, from the kept sums (R6, R9)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from rollbook.ledger import spending
from rollbook.ledger.figures import DELETED
from rollbook.model import from_micros
from rollbook.rules.windows import Window
from rollbook.store import Reading

if TYPE_CHECKING:
    from rollbook.ledger.scopes import Scope

SERIES_BY: Final = spending.PERIODS
NAMES: Final = {"model": "model", "agent": "agent", "none": "whole"}  #: of stacks, and what of the sums makes them
STACKS: Final = tuple(NAMES)
_AMOUNTS: Final = 5


class SpendLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent under one name, an amount for each period."""

    key: str
    deleted: bool  #: the line of sessions that were deleted since
    calls: list[int]
    tokens_in: list[int]
    tokens_out: list[int]
    cost_nano_usd: list[int]  #: of the priced calls
    unpriced_calls: list[int]


class SpendSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Spend by hour or day. Periods in which nothing was called are left out."""

    by: str
    stack: str
    tz: str
    starts: list[datetime]  #: when each period begins
    lines: list[SpendLine]  #: the costliest first


def spend_series(
    tx: Reading, scope: Scope, window: Window, *, by: str, stack: str, zone: tzinfo, tz: str
) -> SpendSeries:
    """The same calls as :func:`rollbook.ledger.figures.spend` counts, in the same whole periods."""
    found = spending.by_period(tx, scope.parts, NAMES[stack], window, by=by, zone=zone)
    sums: dict[tuple[bool, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * _AMOUNTS))
    for (name, gone), periods in found.items():
        line = sums[gone, DELETED if gone else name]
        for start, amounts in periods.items():
            into = line[start]
            for place in range(_AMOUNTS):
                into[place] += amounts[place]
    kept = {line: _not_empty(periods) for line, periods in sums.items()}
    starts = sorted({at for periods in kept.values() for at in periods})
    lines = [_line(key, periods, starts, deleted=gone) for (gone, key), periods in kept.items() if periods]
    lines.sort(key=lambda line: (line.deleted, -sum(line.cost_nano_usd), -sum(line.calls), line.key))
    return SpendSeries(by=by, stack=stack, tz=tz, starts=[from_micros(at) for at in starts], lines=lines)


def _not_empty(periods: dict[int, list[int]]) -> dict[int, list[int]]:
    return {at: amounts for at, amounts in periods.items() if any(amounts)}


def _line(key: str, periods: dict[int, list[int]], starts: list[int], *, deleted: bool) -> SpendLine:
    nothing = [0] * _AMOUNTS
    calls, tokens_in, tokens_out, cost, unpriced = (
        [periods.get(at, nothing)[place] for at in starts] for place in range(_AMOUNTS)
    )
    return SpendLine(
        key=key, deleted=deleted, calls=calls, tokens_in=tokens_in, tokens_out=tokens_out, cost_nano_usd=cost,
        unpriced_calls=unpriced,
    )  # fmt: skip
