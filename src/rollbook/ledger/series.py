"""Spend over time, told apart by model or agent: what a chart shows, from the kept sums (R6, R9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from rollbook.ledger.figures import DELETED, start_of
from rollbook.model import QUARTER_US, from_micros
from rollbook.store import Reading, Row

if TYPE_CHECKING:
    from rollbook.ledger.scopes import Part, Scope

SERIES_BY: Final = ("hour", "day")
STACKS: Final = ("model", "agent", "none")
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
    tx: Reading, scope: Scope, since: int | None, *, by: str, stack: str, zone: tzinfo, tz: str
) -> SpendSeries:
    """The same calls as :func:`rollbook.ledger.figures.spend` counts, in the same whole periods."""
    first = 0 if since is None else start_of(since, by, zone) // QUARTER_US
    begins = _periods(by, zone)
    sums: dict[tuple[bool, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0] * _AMOUNTS))
    for part in scope.parts:
        for quarter, name, gone, *amounts in _rows(tx, part, stack, first):
            into = sums[bool(gone), DELETED if gone else str(name)][begins(quarter)]
            for place, value in enumerate(amounts):
                into[place] += value
    kept = {line: _not_empty(periods) for line, periods in sums.items()}
    starts = sorted({at for periods in kept.values() for at in periods})
    lines = [_line(key, periods, starts, deleted=gone) for (gone, key), periods in kept.items() if periods]
    lines.sort(key=lambda line: (line.deleted, -sum(line.cost_nano_usd), -sum(line.calls), line.key))
    return SpendSeries(by=by, stack=stack, tz=tz, starts=[from_micros(at) for at in starts], lines=lines)


def _rows(tx: Reading, part: Part, stack: str, first: int) -> list[Row]:
    """Rows of a quarter hour, a name, whether they are of deleted sessions, and amounts."""
    words = {"whose": "spend_of_user" if part.slices is None else "spend_of_slices"}
    if stack == "agent":
        if part.everybody:
            words["whose"] = "spend_of_all"
        return tx.compose("series_of_agents", words, user_no=part.user_no, slices=part.slices, first=first)
    words["name"] = "series_model" if stack == "model" else "series_whole"
    return tx.compose("series_of_models", words, user_no=part.user_no, slices=part.slices, first=first)


def _periods(by: str, zone: tzinfo) -> Callable[[int], int]:
    """When the period of a quarter hour begins."""
    known: dict[int, int] = {}

    def begins(quarter: int) -> int:
        if quarter not in known:
            known[quarter] = start_of(quarter * QUARTER_US, by, zone)
        return known[quarter]

    return begins


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
