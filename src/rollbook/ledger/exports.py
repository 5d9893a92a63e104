"""Everything that is visible, in the order of its keys and in short steps: what exports are made of.

A step looks at so many rows and ends; the next one begins behind it, in a snapshot of its own. Keys never change, so
whatever was there when the first step began and is still there comes exactly once, however long it takes and whoever
writes meanwhile. Ledger rows recorded since then are left out, or a call that is amended or moved meanwhile could come
as it was and as it is, without the reversal between them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rollbook.errors import StoreError
from rollbook.ledger import reads
from rollbook.ledger import state as st
from rollbook.ledger.reads import FOREVER, Clock, Filters, Scope
from rollbook.model import NANO, Session, Usage, from_micros, to_micros
from rollbook.rules import checks
from rollbook.store import Reading, Row

WHATS: Final = ("usage", "sessions", "content")
STEP: Final = 2_000  #: rows that a step looks at; a snapshot is held for some ten milliseconds

_USAGE: Final = Usage.__struct_fields__
_USAGE_TIMES: Final = ("occurred_at", "recorded_at")
_SESSION_TIMES: Final = tuple(
    Session.__struct_fields__.index(name) for name in ("started_at", "last_activity_at", "ended_at")
)
_KEY: Final = ("user", "session", "row")


class Place(msgspec.Struct, frozen=True):
    """Where a step ended. All steps go by the time at which the first one began."""

    now: int
    key: tuple[int, ...]
    within: Any = None  #: where it ended between two such keys


class Extract(msgspec.Struct, frozen=True):
    """One step: each row's values in the order of the struct's fields, with times as integer microseconds."""

    rows: list[Row]
    after: Place | None  #: what the next step is to be given; None where there is nothing more


def step(
    tx: Reading, scope: Scope, asked: Filters, clock: Clock, *, now: int, what: str, after: Place | None, most: int
) -> Extract:
    """Those of the next so many rows that fit: there may be none, and yet there is more.

    The clock stands at the beginning of the first step; ``now`` is this one's.
    """
    values = reads.values_of(tx, scope, asked)
    if values is None:
        return Extract([], None)
    bounds = _bounds(scope, 3 if what == "usage" else 2, after)
    ending = tx.rows("ledger_step" if what == "usage" else "session_step", **bounds, passed=most - 1)
    if ending:
        bounds |= _named("last", ending[0])
    values |= {"began": clock.now, "now": now} | bounds
    rows = (_usage if what == "usage" else _sessions)(tx, asked, clock, values)
    return Extract(rows, Place(clock.now, ending[0]) if ending else None)


def _bounds(scope: Scope, width: int, after: Place | None) -> dict[str, Any]:
    """The keys between which a step lies: behind the first, up to the last."""
    lowest, highest = (0, FOREVER) if scope.everybody else (scope.user_no, scope.user_no)
    first = (lowest, *[-1] * (width - 1))
    if after is not None:
        first = max(first, after.key)
    return _named("first", first) | _named("last", (highest, *[FOREVER] * (width - 1)))


def _named(end: str, key: tuple[int, ...]) -> dict[str, Any]:
    return {f"{end}_{name}": number for name, number in zip(_KEY, key, strict=False)}


def _whole(tx: Reading, values: dict[str, Any], found: int | None) -> None:
    """Raise StoreError where rows are missing: a damaged page may hide some without SQLite noticing.

    Each session is counted in the step behind which the next one begins; ``found`` is what a step found where nothing
    was asked.
    """
    if found not in (None, tx.rows("count_between", **values)[0][0]):
        raise StoreError("rows of the ledger belong to no session: the book is damaged; see 'rollbook doctor'")
    for (session_id,) in tx.rows("missing_between", **values):
        raise StoreError(
            f"ledger rows of session {checks.said(session_id)} are missing: the book is damaged; see 'rollbook doctor'"
        )


def _usage(tx: Reading, asked: Filters, clock: Clock, values: dict[str, Any]) -> list[Row]:
    """Ledger rows. Time and model are asked of the row, all else of its session, which must not be deleted then."""
    of_session = msgspec.structs.replace(asked, since=None, model=None)
    narrow = of_session.sliced or of_session.scanned or asked.status is not None
    words = {"sessions": "sessions_asked" if narrow else "no_filters", "filters": "filters"}
    values = {**values, "row_model_no": values["model_no"], "model_no": None, "since": asked.since}
    rows = tx.compose("ledger_between", words, **values, **_spans(of_session, clock))
    everything = not narrow and asked.since is None and asked.model is None
    _whole(tx, values, len(rows) if everything else None)
    return _shown(rows)


def _sessions(tx: Reading, asked: Filters, clock: Clock, values: dict[str, Any]) -> list[Row]:
    narrow = asked.sliced or asked.scanned
    words = {"sessions": "sessions_asked", "filters": "filters" if narrow else "no_filters"}
    keys = tx.compose("sessions_between", words, **values, **_spans(asked, clock))
    shown = reads.show(tx.among("shown", keys), clock)
    return [_plain(shown[key[0], key[1]]) for key in keys]


def _spans(asked: Filters, clock: Clock) -> dict[str, int]:
    spans = reads.spans_of(asked, clock)
    return {"low": spans[0][0], "high": spans[-1][0], "active_from": spans[0][1], "active_until": spans[0][2]}


def _plain(session: Session) -> Row:
    values = list(msgspec.structs.astuple(session))
    for place in _SESSION_TIMES:
        if values[place] is not None:
            values[place] = to_micros(values[place])
    return tuple(values)


def _shown(rows: list[Row]) -> list[Row]:
    """Rows of ``ledger_between`` as the values of :class:`Usage`; one of a deleted session names no session."""
    entries, sources, billings, tiers, ranks = st.ENTRIES, st.COST_SOURCES, st.BILLINGS, st.TIERS, st.RANKS
    # Unpacked and packed again in one expression: a million rows are a million times this.
    return [
        (
            usage_id, session_id, user_id, entries[entry], model, provider, occurred_at, recorded_at, calls,
            plain + read + write + write_1h + audio_in, output + reasoning + audio_out, plain, read, write, write_1h,
            output, reasoning, audio_in, audio_out, None if cost is None else cost / NANO, cost, sources[cost_source],
            price, billings[billing], tiers[tier], source or "", ranks.get(evidence, "adjustment"), errored != 0,
            late != 0,
        )
        for (
            usage_id, session_id, user_id, entry, model, provider, occurred_at, recorded_at, calls, plain, read, write,
            write_1h, output, reasoning, audio_in, audio_out, cost, cost_source, price, billing, tier, source, evidence,
            errored, late,
        ) in rows
    ]  # fmt: skip


def usage_of(row: Row) -> Usage:
    """A ledger row of an :class:`Extract` as the struct that callers get."""
    values = dict(zip(_USAGE, row, strict=True))
    for name in _USAGE_TIMES:
        values[name] = from_micros(values[name])
    return Usage(**values)
