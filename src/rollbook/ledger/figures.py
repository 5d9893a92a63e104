"""Stats, cost by model and spend: read from the kept sums, exact to the microsecond at the edges (R4, R8, R9)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

import msgspec

from rollbook.ledger.names import ALL_TIME, of_quarter
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
    to_micros,
)
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

if TYPE_CHECKING:
    from rollbook.ledger.reads import Clock, Scope

SPEND_BY: Final = ("hour", "day", "model", "agent", "project", "user", "kind")
_FOREVER: Final = 2**62
_DELETED: Final = "(deleted)"


class _Span(msgspec.Struct, frozen=True):
    """The sessions since a time: whole hours of sums, and a part of one from the sessions, added or taken away."""

    hours: tuple[tuple[int, int], ...]
    edge: tuple[int, int] | None = None
    factor: int = 1


def _span(since: int | None, scope: Scope) -> _Span:
    if since is None:
        return _Span(((ALL_TIME, ALL_TIME),))
    # Everybody's sums are kept by the quarter hour as well, since an hour of everybody's sessions may be very many.
    width = QUARTER_US if scope.everybody else HOUR_US
    first, inside = divmod(max(since, 0), width)
    edge, factor = None, 1
    if 0 < inside < width // 2:  # fewer sessions to look at before the time than after it
        edge, factor = (first * width, since), -1
    elif inside:
        edge, first = (since, (first + 1) * width), first + 1
    if not scope.everybody:
        return _Span(((first, _FOREVER),), edge, factor)
    hour = -(-first // QUARTERS)
    hours = [(hour, _FOREVER)]
    if first < hour * QUARTERS:
        hours.append((of_quarter(hour * QUARTERS - 1), of_quarter(first)))
    return _Span(tuple(hours), edge, factor)


def _gathered(sums: list[Row], edges: list[Row], factor: int) -> dict[int | str | None, list[int]]:
    """Rows of a key and its amounts, the edge's added or taken away."""
    found: dict[int | str | None, list[int]] = {}
    for rows, sign in ((sums, 1), (edges, factor)):
        for row in rows:
            into = found.setdefault(row[0], [0] * (len(row) - 1))
            for place, value in enumerate(row[1:]):
                into[place] += sign * value
    return found


def _by_status(tx: Reading, scope: Scope, since: int | None, slices: str | None) -> dict[int | str | None, list[int]]:
    span = _span(since, scope)
    words = {"slices": "every_slice" if slices is None else "these_slices", "scope": scope.words}
    sums: list[Row] = []
    for first, last in span.hours:
        sums += tx.compose("activity_sums", words, user_no=scope.sums_of, first=first, last=last, slices=slices)
    edges: list[Row] = []
    if span.edge:
        start, end = span.edge
        edges = tx.compose("activity_edge", words, user_no=scope.user_no, since=start, until=end, slices=slices)
    return _gathered(sums, edges, span.factor)


def _still_running(tx: Reading, scope: Scope, since: int | None, clock: Clock, slices: str | None) -> int:
    """Running sessions that were active since a time and are not abandoned."""
    words = {"slices": "every_slice" if slices is None else "these_slices", "scope": scope.words}
    start = clock.cutoff if since is None else max(since, clock.cutoff)
    hour = start // HOUR_US + 1
    whole = tx.compose("running_hours", words, user_no=scope.sums_of, first=hour, slices=slices)[0][0]
    part = tx.compose("running_edge", words, user_no=scope.user_no, since=start, until=hour * HOUR_US, slices=slices)
    return int(whole + part[0][0])


def counts_by_status(
    tx: Reading, scope: Scope, since: int | None, clock: Clock, slices: str | None = None
) -> dict[str, int]:
    """Sessions by effective status."""
    found = _by_status(tx, scope, since, slices)
    return _effective(found, _still_running(tx, scope, since, clock, slices))


def _effective(found: dict[int | str | None, list[int]], running: int) -> dict[str, int]:
    counts = {str(lives.STATUS_NAMES[int(code or 0)]): sums[0] for code, sums in found.items()}
    stored = counts.get(Status.RUNNING, 0)
    counts[Status.RUNNING] = running
    counts[Status.ABANDONED] = stored - running
    return {str(status): counts.get(status, 0) for status in Status}


def stats(tx: Reading, scope: Scope, since: int | None, clock: Clock, *, named: str) -> Stats:
    """R8, over the sessions active since a time."""
    found = _by_status(tx, scope, since, None)
    counts = _effective(found, _still_running(tx, scope, since, clock, None))
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


def cost_by_model(tx: Reading, scope: Scope, since: int | None) -> list[ModelCost]:
    """R9: most expensive first, and as much as :func:`stats` in all."""
    span = _span(since, scope)
    sums: list[Row] = []
    for first, last in span.hours:
        sums += tx.rows("model_sums", user_no=scope.sums_of, first=first, last=last)
    edges: list[Row] = []
    if span.edge:
        start, end = span.edge
        edges = tx.compose("model_edge", {"scope": scope.words}, user_no=scope.user_no, since=start, until=end)
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
        for name, (sessions, calls, tokens_in, tokens_out, cost, unpriced) in _gathered(
            sums, edges, span.factor
        ).items()
        if sessions
    ]
    return sorted(rows, key=lambda row: (-row.cost_nano_usd, -row.tokens_in - row.tokens_out, row.model))


# Spend: by when calls happened


def spend(tx: Reading, scope: Scope, since: int | None, *, by: str, zone: tzinfo, tz: str) -> Spend:
    """Spend since a time, by a period or a name.

    Periods are whole: ``since`` is taken back to the start of its hour or day in the zone (of its quarter hour
    otherwise). What sessions that were deleted since had spent stands on a line of its own.
    """
    first = 0 if since is None else _start(since, by, zone) // QUARTER_US
    if by in ("hour", "day"):
        rows = tx.rows("spend_by_quarter", user_no=scope.sums_of, first=first)
        # In the order of time, which the names of hours do not have where clocks go back.
        keyed = [(_period(row[0] * QUARTER_US, by, zone), *row[1:]) for row in sorted(rows)]
    elif by == "model":
        keyed = tx.rows("spend_by_model", user_no=scope.sums_of, first=first)
    else:
        words = {"name": f"spend_{by}", "whose": "spend_of_all" if scope.everybody else "spend_of_user"}
        keyed = tx.compose("spend_by_slice", words, user_no=scope.user_no, first=first)
    sums: dict[tuple[bool, str], list[int]] = defaultdict(lambda: [0] * 7)
    for name, gone, *amounts in keyed:
        into = sums[bool(gone), _DELETED if gone else str(name)]
        for place, value in enumerate(amounts):
            into[place] += value
    lines = [_line(name, amounts, deleted=gone) for (gone, name), amounts in sums.items() if any(amounts)]
    total = [sum(amounts[place] for amounts in sums.values()) for place in range(7)]
    if by in ("hour", "day"):
        lines.sort(key=lambda line: line.deleted)
    else:
        lines.sort(key=lambda line: (line.deleted, -line.cost_nano_usd, -line.tokens_in - line.tokens_out, line.key))
    return Spend(by=by, tz=tz, rows=lines, total=_line("total", total, deleted=False))


def _start(since: int, by: str, zone: tzinfo) -> int:
    if by not in ("hour", "day"):
        return since
    local = from_micros(since).astimezone(zone).replace(minute=0, second=0, microsecond=0)
    # Midnight may come twice where clocks go back: the day begins with the first.
    return to_micros(local.replace(hour=0, fold=0) if by == "day" else local)


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
