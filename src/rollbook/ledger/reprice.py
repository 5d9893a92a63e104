"""The ledger through other prices: reversals and corrections of calls whose cost was looked up (R14).

A step reads so many ledger rows and prices what stands among them; writing looks again, under the write lock, whether
each row still stands as it was read. Rows are never changed: what a call cost before stays in the ledger. A correction
keeps all else of the row that it replaces, lateness and evidence too, so that nothing but amounts is different
afterwards: another report of the same call is the same duplicate or amendment as before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from rollbook.ledger import state as st
from rollbook.ledger.calls import enter, fits, opposite
from rollbook.ledger.ops import Reprice
from rollbook.ledger.scopes import Scope
from rollbook.ledger.work import Key, Work
from rollbook.model import Tokens
from rollbook.pricing import Price
from rollbook.rules import windows
from rollbook.rules.windows import FOREVER, Window
from rollbook.store import Reading, Row

STEP: Final = 1_000  #: ledger rows that a step looks at; at most so many calls are repriced in one transaction

_NAMES: Final = 4  #: what ``standing_between`` has before the row of the ledger: user, session, model, provider
_COMPUTED: Final = st.COST_SOURCES.index("computed")
_LOWEST: Final = -(2**62)

Pricer = Callable[..., Price | None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls to price again, checked."""

    window: Window = windows.ALL
    model: str | None = None
    agent: str | None = None
    only_unpriced: bool = False


class Looked(msgspec.Struct, frozen=True):
    """A call that was priced again, and what to do about it; nothing where its amount stays."""

    model: str
    old: int | None
    new: int | None
    op: Reprice | None


class Place(msgspec.Struct, frozen=True):
    """Where a step ended, and how many rows the session that it ended in had before any of them was repriced.

    The corrections of a session stand behind its other rows: without that number they would be looked at in turn.
    """

    key: tuple[int, int, int]
    rows: int


class Step(msgspec.Struct, frozen=True):
    """One step: what it looked at, and what the next one is to be given; None where there is nothing more."""

    looked: list[Looked]
    after: Place | None


def step(tx: Reading, scope: Scope, asked: Asked, price: Pricer, *, after: Place | None) -> Step:
    """Price the standing calls among the next ledger rows."""
    lowest, highest = (0, FOREVER) if scope.everybody else (scope.user_no, scope.user_no)
    first = (lowest, -1, -1) if after is None else after.key
    bounds = _named("first", first) | _named("last", (highest, FOREVER, FOREVER))
    ending = tx.rows("ledger_step", **bounds, passed=STEP - 1)
    if ending:
        bounds |= _named("last", ending[0])
    held = Place((-1, -1, -1), 0) if after is None else after
    rows = tx.rows(
        "standing_between",
        **bounds,
        held_user=held.key[0],
        held_session=held.key[1],
        held_rows=held.rows,
        since=_LOWEST if asked.window.since is None else asked.window.since,
        until=asked.window.end,
        model=asked.model,
        agent=asked.agent,
        unpriced=int(asked.only_unpriced),
    )
    return Step([_looked(row, price) for row in rows], _place(tx, ending[0], held) if ending else None)


def _named(end: str, key: tuple[int, ...]) -> dict[str, int]:
    return dict(zip((f"{end}_user", f"{end}_session", f"{end}_row"), key, strict=True))


def _place(tx: Reading, key: Row, held: Place) -> Place:
    user_no, session_no, row_no = key
    if (user_no, session_no) == held.key[:2]:
        rows = held.rows
    else:
        rows = tx.rows("rows_made", user_no=user_no, session_no=session_no)[0][0]
    return Place((user_no, session_no, FOREVER if row_no + 1 >= rows else row_no), rows)


def _looked(found: Row, price: Pricer) -> Looked:
    user_id, session_id, model, provider = found[:_NAMES]
    row = found[_NAMES:]
    tokens = Tokens(
        input=row[st.L_INPUT],
        cache_read=row[st.L_CACHE_READ],
        cache_write=row[st.L_CACHE_WRITE],
        cache_write_1h=row[st.L_CACHE_WRITE_1H],
        output=row[st.L_OUTPUT],
        reasoning=row[st.L_REASONING],
        audio_in=row[st.L_AUDIO_IN],
        audio_out=row[st.L_AUDIO_OUT],
    )
    named = price(model, provider or None, tokens, row[st.L_OCCURRED], tier=st.TIERS[row[st.L_TIER]])
    old = row[st.L_COST]
    if named is None or named.cost_nano == old:
        return Looked(model or "unknown", old, None if named is None else old, None)
    op = Reprice(
        user_id=user_id,
        session_id=session_id,
        usage_id=row[st.L_USAGE_ID],
        seen=_said(row),
        cost_nano=named.cost_nano,
        price_version=named.version,
    )
    return Looked(model or "unknown", old, named.cost_nano, op)


def _said(row: Any) -> tuple[Any, ...]:
    """What of a row never changes."""
    return tuple(row[st.L_ENTRY : st.L_SOURCE])


def apply_reprice(work: Work, op: Reprice) -> bool:
    """Reverse a call's row and append it again with another amount; False if it stands no longer as it was seen."""
    user_no = work.names.find_user(work.tx, op.user_id)
    if user_no is None:
        return False
    work.preload_keys([(op.usage_id, user_no)])
    key = work.keys[op.usage_id, user_no]
    # An alias, and a call whose row was folded, have no row of their own.
    row = None if key is None else work.rows.get((user_no, key.session_no, key.row_no))
    if row is None or _said(row) != op.seen:
        return False
    state = work.state(user_no, row[st.L_SESSION])
    fits(state)
    correction = row.copy()
    correction[st.L_ENTRY], correction[st.L_RECORDED] = st.ENTRY_CORRECTION, work.now
    correction[st.L_COST], correction[st.L_UNPRICED] = op.cost_nano, 0
    correction[st.L_COST_SOURCE] = _COMPUTED
    correction[st.L_PRICE] = work.names.label(work.tx, op.price_version)
    enter(work, state, opposite(row, work.now))
    enter(work, state, correction)
    work.set_key(op.usage_id, user_no, Key(None, state.session_no, correction[st.L_ROW]))
    return True
