"""What the answers look like: the columns of each table, and how a row fills them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rollbook.cli import format as say
from rollbook.cli.screen import Screen
from rollbook.cli.table import Column
from rollbook.instances import Instance
from rollbook.model import ModelCost, Session, Spend, SpendRow, Stats, Usage, cost_usd

STATUS_STYLES: Final = {
    "running": "green",
    "completed": "dim",
    "failed": "red",
    "cancelled": "yellow",
    "unknown": "magenta",
    "abandoned": "yellow",
}
_FAINT: Final = {say.NONE: "dim"}
_BAR_CELLS: Final = 24
_SHORT_BAR_CELLS: Final = 12  #: in a narrow terminal
_NARROW: Final = 80


def _number(title: str, *, spare: int = 0) -> Column:
    return Column(title=title, right=True, spare=spare, styles=_FAINT)


#: In a narrow terminal a column goes before what identifies a session or a model becomes too short to tell them apart.
_SESSIONS: Final = (
    Column(title="ID", least=13),
    Column(title="STATUS", styles=STATUS_STYLES),
    Column(title="AGENT", least=11, spare=6, styles=_FAINT),
    Column(title="MODEL", least=16, spare=3, styles=_FAINT),
    _number("CALLS", spare=4),
    _number("IN", spare=2),
    _number("OUT", spare=2),
    _number("COST"),
    Column(title="ACTIVE", right=True),
    Column(title="PROJECT", least=12, from_left=True, spare=7, styles=_FAINT),
    Column(title="TITLE", least=16, spare=5, styles=_FAINT),
)
_USER: Final = Column(title="USER", least=8, spare=8)


def sessions(screen: Screen, found: Sequence[Session], *, users: bool = False) -> None:
    """One line for each session; with their users where there may be several."""
    now = datetime.now(UTC)
    columns = (*_SESSIONS, _USER) if users else _SESSIONS
    rows = [_session(session, now) for session in found]
    if users:
        rows = [[*row, session.user_id] for row, session in zip(rows, found, strict=True)]
    screen.table(columns, rows)


def _session(session: Session, now: datetime) -> list[str]:
    return [
        say.clean(session.session_id),
        session.effective_status,
        say.clean(session.agent),
        say.clean(session.last_model),
        f"{session.calls:,}",
        say.tokens(session.tokens_in),
        say.tokens(session.tokens_out),
        say.cost(session),
        say.ago(session.last_activity_at, now),
        say.clean(_homely(session.project)),
        say.clean(session.title or session.goal_text),
    ]


def _homely(project: str | None) -> str | None:
    """A folder below one's own home the way people write it."""
    home = str(Path.home())
    if project and home != "/" and (project == home or project.startswith(home + os.sep)):
        return "~" + project[len(home) :]
    return project


def session(screen: Screen, one: Session, runs: Instance | None = None) -> None:
    """Everything that is known of a session, and of the process that runs it."""
    screen.pairs([(name, value) for name, value in _facts(one, runs) if value != say.NONE])


def _facts(one: Session, runs: Instance | None) -> list[tuple[str, str]]:
    now = datetime.now(UTC)
    return [
        ("session", say.clean(one.session_id)),
        ("user", one.user_id),
        ("dataset", say.clean(one.dataset_id)),
        ("status", _state(one)),
        ("process", _process(runs, now)),
        ("agent", say.clean(one.agent)),
        ("kind", one.kind),
        ("channel", say.clean(one.channel)),
        ("project", say.clean(one.project)),
        ("title", say.clean(one.title)),
        ("goal", say.clean(one.goal_text)),
        ("parent", say.clean(one.parent_id)),
        ("actor", say.clean(one.actor)),
        ("tags", say.clean(", ".join(one.tags)) if one.tags else say.NONE),
        *((f"metadata.{say.clean(key)}", say.clean(str(value))) for key, value in one.metadata.items()),
        ("started", _when(one.started_at, now)),
        ("last active", _when(one.last_activity_at, now)),
        ("ended", say.NONE if one.ended_at is None else _when(one.ended_at, now)),
        ("agent time", say.duration(one.agent_time_s) + (f" in {one.attempt} attempts" if one.attempt > 1 else "")),
        ("turns", f"{one.turns:,}"),
        ("last model", say.clean(one.last_model)),
        ("calls", _calls(one)),
        ("tokens in", _tokens_in(one)),
        ("tokens out", _tokens_out(one)),
        ("cost", say.cost(one) if one.cost_usd is not None else f"{say.NONE} (no price is known)"),
        ("clock", "a time ahead of the clock was taken as now" if one.clock_flagged else say.NONE),
    ]


def _when(then: datetime, now: datetime) -> str:
    return f"{say.moment(then)} ({say.ago(then, now)})"


def _state(one: Session) -> str:
    text = one.effective_status
    if one.decided_by:
        text += f" (decided by {say.clean(one.decided_by)})"
    if one.end_reason:
        text += f": {say.clean(one.end_reason)}"
    return text


_PROCESSES: Final = {
    "alive": "alive",
    "dead": "dead ('rollbook reconcile' marks what it ran)",
    "silent": "silent ('rollbook reconcile' finds out whether it is dead)",
    "ended": "dead",
    "unknown": "not known whether it lives",
}


def _process(runs: Instance | None, now: datetime) -> str:
    if runs is None:
        return say.NONE
    heard = f"last heard of {say.ago(runs.last_beat_at, now)}"
    return f"{runs.pid} on {say.clean(runs.host)}, {_PROCESSES[runs.state]}, {heard}"


def _calls(one: Session) -> str:
    beside = (
        (one.call_errors, "with errors"),
        (one.unpriced_calls, "without a price"),
        (one.late_calls, "late and not counted"),
    )
    return ", ".join([f"{one.calls:,}", *(f"{count:,} {words}" for count, words in beside if count)])


def _tokens_in(one: Session) -> str:
    cached = f" ({one.cache_read_tokens:,} read from and {one.cache_write_tokens:,} written to caches)"
    return f"{one.tokens_in:,}" + (cached if one.cache_read_tokens or one.cache_write_tokens else "")


def _tokens_out(one: Session) -> str:
    return f"{one.tokens_out:,}" + (f" ({one.reasoning_tokens:,} reasoning)" if one.reasoning_tokens else "")


def stats(screen: Screen, found: Stats, *, book: tuple[str, str] | None = None) -> None:
    """R8's figures in a few lines, under the name of the book where it is to be said."""
    known = cost_usd(found.total_spend_nano_usd, found.calls, found.unpriced_calls)
    spent = (
        say.NONE if known is None else (">=" if found.unpriced_calls else "") + say.money(found.total_spend_nano_usd)
    )
    each = say.NONE if known is None else say.money(found.total_spend_nano_usd // max(1, found.sessions))
    missing = f", {found.unpriced_calls:,} of {found.calls:,} calls without a price" if found.unpriced_calls else ""
    screen.pairs(
        [
            *([book] if book else []),
            ("sessions", f"{found.sessions:,}" + _tally(found)),
            ("success", f"{found.success_rate:.0%} of those that are over" if _decided(found) else say.NONE),
            ("spend", f"{spent} ({each} a session{missing})"),
            ("calls", f"{found.calls:,}" + (f", {found.errors:,} errors" if found.errors else "")),
            ("tokens", f"{say.tokens(found.tokens_in)} in, {say.tokens(found.tokens_out)} out"),
            ("agent time", f"{say.duration(found.agent_time_s)} ({say.duration(found.avg_session_s)} a session)"),
        ]
    )


def _tally(found: Stats) -> str:
    named = [f"{count:,} {name}" for name in STATUS_STYLES if (count := getattr(found, name))]
    return f": {', '.join(named)}" if named else ""


def _decided(found: Stats) -> int:
    return found.sessions - found.running


_MODELS: Final = (
    Column(title="MODEL", least=16),
    _number("SESSIONS", spare=2),
    _number("CALLS", spare=1),
    _number("IN"),
    _number("OUT"),
    _number("COST"),
)


def models(screen: Screen, found: Sequence[ModelCost]) -> None:
    """R9's lines."""
    rows = [
        [
            say.clean(row.model),
            f"{row.session_count:,}",
            f"{row.calls:,}",
            say.tokens(row.tokens_in),
            say.tokens(row.tokens_out),
            say.cost(row),
        ]
        for row in found
    ]
    screen.table(_MODELS, rows)


def spend(screen: Screen, found: Spend) -> None:
    """Spend by period or name, with a bar for each and the total below."""
    late = any(row.late_calls for row in found.rows)
    columns = [
        Column(title=found.by.upper(), least=8, from_left=found.by == "project"),
        _number("CALLS", spare=2),
        _number("IN", spare=1),
        _number("OUT", spare=1),
        _number("COST"),
        *([_number("LATE", spare=3)] if late else []),
        Column(title="", spare=4, style="cyan"),
    ]
    most = max((row.cost_nano_usd for row in found.rows), default=0)
    cells = _BAR_CELLS if screen.width is None or screen.width >= _NARROW else _SHORT_BAR_CELLS
    rows = [_spent(row, late=late, bar=_bar(row.cost_nano_usd, most, cells)) for row in found.rows]
    screen.table(columns, [*rows, _spent(found.total, late=late, bar="")])


def _spent(row: SpendRow, *, late: bool, bar: str) -> list[str]:
    return [
        say.clean(row.key),
        f"{row.calls:,}",
        say.tokens(row.tokens_in),
        say.tokens(row.tokens_out),
        say.cost(row),
        *([f"{row.late_calls:,}"] if late else []),
        bar,
    ]


def _bar(part: int, whole: int, cells: int) -> str:
    return "" if part <= 0 or whole <= 0 else "▇" * max(1, cells * part // whole)


_LEDGER: Final = (
    Column(title="WHEN"),
    Column(title="ENTRY", spare=3, styles={"reversal": "yellow", "correction": "yellow", "adjustment": "yellow"}),
    Column(title="MODEL", least=16, styles=_FAINT),
    _number("IN"),
    _number("CACHED", spare=1),
    _number("OUT"),
    _number("COST"),
    Column(title="SOURCE", least=6, spare=4),
    Column(title="NOTES", least=5, spare=2),
    Column(title="PRICES", least=8, spare=6, styles=_FAINT),
    Column(title="USAGE ID", least=8, spare=5),
)


def usage(screen: Screen, found: Sequence[Usage]) -> None:
    """The ledger's rows."""
    screen.table(_LEDGER, [_ledger_row(row) for row in found])


def _ledger_row(row: Usage) -> list[str]:
    notes = [word for word, true in (("late", row.late), ("errored", row.errored)) if true]
    notes += [row.cost_source] if row.cost_source != "computed" else []
    return [
        say.moment(row.occurred_at),
        row.entry,
        say.clean(row.model),
        say.tokens(row.tokens_in),
        say.tokens(row.cache_read + row.cache_write + row.cache_write_1h),
        say.tokens(row.tokens_out),
        say.NONE if row.cost_nano_usd is None else say.money(row.cost_nano_usd),
        say.clean(row.source),
        ", ".join(notes),
        say.clean(row.price_version),
        say.clean(row.usage_id),
    ]
