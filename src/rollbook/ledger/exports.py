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
from rollbook.ledger import asking, lists, reads
from rollbook.ledger import state as st
from rollbook.ledger.filters import Filters
from rollbook.ledger.lists import Portion
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Part, Scope
from rollbook.model import NANO, Session, Usage, from_micros, to_micros
from rollbook.rules import checks
from rollbook.rules.windows import FOREVER
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
    asked = asking.worked_out(tx, scope, asked, clock)
    if asked.statuses is not None:
        asked = asking.in_one_go(asked, clock)
    portions = lists.portions_of(tx, scope, asked)
    if after is not None and not scope.everybody:
        portions = [portion for portion in portions if portion.part.user_no >= after.key[0]]
    if not portions:
        return Extract([], None)
    (part, values), *others = portions
    bounds = _bounds(part, 3 if what == "usage" else 2, after)
    ending = tx.rows("ledger_step" if what == "usage" else "session_step", **bounds, passed=most - 1)
    if ending:
        bounds |= _named("last", ending[0])
    portion = Portion(part, values | {"began": clock.now, "now": now} | bounds)
    rows = _usage(tx, asked, clock, portion) if what == "usage" else _sessions(tx, scope, asked, clock, portion)
    following = ending[0] if ending else _before(others, len(bounds) // 2)
    return Extract(rows, None if following is None else Place(clock.now, following))


def _bounds(part: Part, width: int, after: Place | None) -> dict[str, Any]:
    """The keys between which a step lies: behind the first, up to the last."""
    lowest, highest = (0, FOREVER) if part.everybody else (part.user_no, part.user_no)
    first = (lowest, *[-1] * (width - 1))
    if after is not None:
        first = max(first, after.key)
    return _named("first", first) | _named("last", (highest, *[FOREVER] * (width - 1)))


def _before(portions: list[Portion], width: int) -> tuple[int, ...] | None:
    """The key before all of those of what comes next."""
    return (portions[0].part.user_no, *[-1] * (width - 1)) if portions else None


def _named(end: str, key: tuple[int, ...]) -> dict[str, Any]:
    return {f"{end}_{name}": number for name, number in zip(_KEY, key, strict=False)}


def _whole(tx: Reading, part: Part, values: dict[str, Any], found: int | None) -> None:
    """Raise StoreError where rows are missing: a damaged page may hide some without SQLite noticing.

    Each session is counted in the step behind which the next one begins; ``found`` is what a step found where nothing
    was asked.
    """
    if found not in (None, tx.rows("count_between", **values)[0][0]):
        raise StoreError("rows of the ledger belong to no session: the book is damaged; see 'rollbook doctor'")
    visible = part.numbers
    for slice_no, session_id in tx.rows("missing_between", **values):
        if visible is None or slice_no in visible:
            raise StoreError(
                f"ledger rows of session {checks.said(session_id)} are missing: the book is damaged; see "
                "'rollbook doctor'"
            )


def _usage(tx: Reading, asked: Filters, clock: Clock, portion: Portion) -> list[Row]:
    """Ledger rows. Time and model are asked of the row, all else of its session, which must not be deleted then."""
    part, values = portion
    of_session = msgspec.structs.replace(asked, since=None, until=None, model=None)
    narrow = of_session.sliced or of_session.scanned or asked.status is not None
    visible = "no_filters" if part.slices is None else "filters"
    words = {"sessions": "sessions_asked" if narrow else visible, "filters": asked.filling}
    values = {**values, "row_model_no": values["model_no"], "model_no": None}
    values |= {"since": asked.window.start, "until": asked.window.end}
    rows = tx.compose("ledger_between", words, **values, **_spans(of_session, clock))
    everything = not narrow and asked.window.everything and asked.model is None and part.slices is None
    _whole(tx, part, values, len(rows) if everything else None)
    return _shown(rows)


def _sessions(tx: Reading, scope: Scope, asked: Filters, clock: Clock, portion: Portion) -> list[Row]:
    values = portion.values
    narrow = values["slices"] is not None or asked.scanned
    words = {"sessions": "sessions_asked", "filters": asked.filling if narrow else "no_filters"}
    keys = tx.compose("sessions_between", words, **values, **_spans(asked, clock))
    shown = reads.show(tx, scope, [(key[0], key[1]) for key in keys], clock)
    return [_plain(shown[key[0], key[1]]) for key in keys]


def _spans(asked: Filters, clock: Clock) -> dict[str, int]:
    spans = lists.spans_of(asked, clock)
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
