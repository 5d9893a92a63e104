"""Stats, cost by model and spend: read from the kept sums, exact to the microsecond at the edges (R4, R8, R9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final, NamedTuple

from rollbook.ledger import spending
from rollbook.ledger.names import ALL_TIME, of_quarter
from rollbook.ledger.scopes import grouped
from rollbook.model import (
    HOUR_US,
    MICROS,
    NANO,
    QUARTER_US,
    QUARTERS,
    ModelCost,
    Spend,
    SpendRow,
    Stats,
    Status,
    cost_usd,
    from_micros,
)
from rollbook.rules import life as lives
from rollbook.rules.windows import FOREVER, Edge, Window, pieces
from rollbook.store import Reading, Row

if TYPE_CHECKING:
    from rollbook.ledger.reads import Clock
    from rollbook.ledger.scopes import Group, Part, Scope

SPEND_BY: Final = ("hour", "day", "model", "agent", "project", "user", "kind")
DELETED: Final = "(deleted)"


class _Span(NamedTuple):
    """The sessions of a range: hours of sums, and parts of one from the sessions, added or taken away."""

    hours: tuple[tuple[int, int], ...]  #: first and last
    edges: tuple[Edge, ...] = ()


def _span(window: Window, group: Group) -> _Span:
    if window.everything:
        return _Span(((ALL_TIME, ALL_TIME),))
    if not group.everybody:
        first, end, edges = pieces(window, HOUR_US)
        return _Span(((first, end - 1),), edges)
    # Everybody's sums are kept by the quarter hour as well, since an hour of everybody's sessions may be very many.
    first, end, edges = pieces(window, QUARTER_US)
    hour, last = -(-first // QUARTERS), end // QUARTERS
    if hour > last:
        return _Span(((of_quarter(end - 1), of_quarter(first)),), edges)
    hours = [(hour, last - 1)]
    if first < hour * QUARTERS:
        hours.append((of_quarter(hour * QUARTERS - 1), of_quarter(first)))
    if last * QUARTERS < end < FOREVER:
        hours.append((of_quarter(end - 1), of_quarter(last * QUARTERS)))
    return _Span(tuple(hours), edges)


def _gathered(added: list[Row], taken: list[Row]) -> dict[int | str | None, list[int]]:
    """Rows of a key and its amounts, added up or taken away."""
    found: dict[int | str | None, list[int]] = {}
    for rows, sign in ((added, 1), (taken, -1)):
        for row in rows:
            into = found.setdefault(row[0], [0] * (len(row) - 1))
            for place, value in enumerate(row[1:]):
                into[place] += sign * value
    return found


def _by_status(tx: Reading, parts: Sequence[Part], window: Window) -> dict[int | str | None, list[int]]:
    added: list[Row] = []
    taken: list[Row] = []
    for group in grouped(parts):
        span, asked = _span(window, group), group.values
        for first, last in span.hours:
            added += tx.compose("activity_sums", group.words, first=first, last=last, **asked)
        for start, end, sign in span.edges:
            edge = tx.compose("activity_edge", group.words, since=start, until=end, **asked)
            (added if sign > 0 else taken).extend(edge)
    return _gathered(added, taken)


def _still_running(tx: Reading, parts: Sequence[Part], window: Window, clock: Clock) -> int:
    """Running sessions that were active within a range and are not abandoned."""
    start, end = max(window.start, clock.cutoff), window.end
    if start >= end:
        return 0
    first, last = -(-start // HOUR_US), end // HOUR_US
    edges = [(start, end)] if first > last else [(start, first * HOUR_US), (last * HOUR_US, end)]
    running = 0
    for group in grouped(parts):
        asked = group.values
        running += tx.compose("running_hours", group.words, first=first, end=last, **asked)[0][0]
        for low, high in edges:
            if low < high:
                running += tx.compose("running_edge", group.words, since=low, until=high, **asked)[0][0]
    return running


def counts_by_status(tx: Reading, parts: Sequence[Part], window: Window, clock: Clock) -> dict[str, int]:
    """Sessions by effective status."""
    return _effective(_by_status(tx, parts, window), _still_running(tx, parts, window, clock))


def _effective(found: dict[int | str | None, list[int]], running: int) -> dict[str, int]:
    counts = {str(lives.STATUS_NAMES[int(code or 0)]): sums[0] for code, sums in found.items()}
    stored = counts.get(Status.RUNNING, 0)
    counts[Status.RUNNING] = running
    counts[Status.ABANDONED] = stored - running
    return {str(status): counts.get(status, 0) for status in Status}


def stats(tx: Reading, scope: Scope, window: Window, clock: Clock, *, named: str) -> Stats:
    """R8, over the sessions that were last active within a range."""
    found = _by_status(tx, scope.parts, window)
    counts = _effective(found, _still_running(tx, scope.parts, window, clock))
    sessions, calls, tokens_in, tokens_out, cost, unpriced, errors, time = (
        sum(sums[place] for sums in found.values()) for place in range(8)
    )
    decided = sessions - counts[Status.RUNNING]
    return Stats(
        range=named,
        sessions=sessions,
        total_spend_usd=cost / NANO,
        avg_spend_per_session_usd=cost / NANO / sessions if sessions else 0.0,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_total=tokens_in + tokens_out,
        agent_time_s=time / MICROS,
        avg_session_s=time / MICROS / sessions if sessions else 0.0,
        success_rate=counts[Status.COMPLETED] / decided if decided else 1.0,
        completed=counts[Status.COMPLETED],
        failed=counts[Status.FAILED],
        abandoned=counts[Status.ABANDONED],
        running=counts[Status.RUNNING],
        cancelled=counts[Status.CANCELLED],
        unknown=counts[Status.UNKNOWN],
        calls=calls,
        unpriced_calls=unpriced,
        errors=errors,
        total_spend_nano_usd=cost,
    )


def cost_by_model(tx: Reading, scope: Scope, window: Window) -> list[ModelCost]:
    """R9: most expensive first, and as much as :func:`stats` in all."""
    added: list[Row] = []
    taken: list[Row] = []
    for group in grouped(scope.parts):
        if group.slices is None:
            span = _span(window, group)
            for first, last in span.hours:
                added += tx.compose("model_sums", group.words, **group.values, first=first, last=last)
        else:  # sums of models are not kept apart by slices
            span = _Span((), (Edge(window.start, window.end, 1),))
        for start, end, sign in span.edges:
            edge = tx.compose("model_edge", group.words, **group.values, since=start, until=end)
            (added if sign > 0 else taken).extend(edge)
    rows = [
        ModelCost(
            model=str(name or "unknown"),
            session_count=sessions,
            cost_usd=cost_usd(cost, calls, unpriced),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            calls=calls,
            unpriced_calls=unpriced,
            cost_nano_usd=cost,
        )
        for name, (sessions, calls, tokens_in, tokens_out, cost, unpriced) in _gathered(added, taken).items()
        if sessions
    ]
    return sorted(rows, key=lambda row: (-row.cost_nano_usd, -row.tokens_in - row.tokens_out, row.model))


# Spend: by when calls happened


def spend(tx: Reading, scope: Scope, window: Window, *, by: str, zone: tzinfo, tz: str) -> Spend:
    """Spend within a range, by a period or a name.

    Periods are whole: the range begins with the start of the hour or day in the zone (the quarter hour otherwise) in
    which its own start lies, and ends likewise with the end of one. What sessions that were deleted since had spent
    stands on a line of its own.
    """
    if by in spending.PERIODS:
        keyed = _by_period(tx, scope, window, by, zone)
    else:
        keyed = spending.by_name(tx, scope.parts, by, window)
    sums: dict[tuple[bool, str], list[int]] = defaultdict(lambda: [0] * 7)
    for name, gone, *amounts in keyed:
        into = sums[bool(gone), DELETED if gone else str(name)]
        for place, value in enumerate(amounts):
            into[place] += value
    lines = [_line(name, amounts, deleted=gone) for (gone, name), amounts in sums.items() if any(amounts)]
    total = [sum(amounts[place] for amounts in sums.values()) for place in range(7)]
    if by in spending.PERIODS:
        lines.sort(key=lambda line: line.deleted)
    else:
        lines.sort(key=lambda line: (line.deleted, -line.cost_nano_usd, -line.tokens_in - line.tokens_out, line.key))
    return Spend(by=by, tz=tz, rows=lines, total=_line("total", total, deleted=False))


def _by_period(tx: Reading, scope: Scope, window: Window, by: str, zone: tzinfo) -> list[Row]:
    """Rows of a period, whether they are of deleted sessions, and amounts, in the order of time."""
    found = spending.by_period(tx, scope.parts, "whole", window, by=by, zone=zone)
    # (Which the names of hours do not have where clocks go back.)
    lines = sorted((start, gone, amounts) for (_, gone), each in found.items() for start, amounts in each.items())
    return [(_period(start, by, zone), gone, *amounts) for start, gone, amounts in lines]


def _period(at: int, by: str, zone: tzinfo) -> str:
    local: datetime = from_micros(at).astimezone(zone)
    return local.date().isoformat() if by == "day" else local.replace(minute=0).isoformat(timespec="minutes")


def _line(key: str, amounts: list[int], *, deleted: bool) -> SpendRow:
    calls, tokens_in, tokens_out, cost, unpriced, late_calls, late_cost = amounts
    return SpendRow(
        key=key,
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost_usd(cost, calls, unpriced),
        unpriced_calls=unpriced,
        cost_nano_usd=cost,
        late_calls=late_calls,
        late_cost_nano_usd=late_cost,
        deleted=deleted,
    )
