"""A session that turns out to be another one's part: its calls and its facts become the other's (R15).

Its calls are reported again, as those of the other session and with more weight than they had. So each is reversed
where it stood and counted where it belongs, under the names that it has, and is known whoever reports it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from rollbook.errors import Stale
from rollbook.ledger import state as st
from rollbook.ledger.calls import apply_call, fits
from rollbook.ledger.ops import Call, End, Facts, Merge, Op, Touch
from rollbook.ledger.pruning import delete
from rollbook.ledger.scopes import number_of
from rollbook.ledger.state import LedgerRow, State
from rollbook.ledger.work import Key, Work
from rollbook.model import Tokens
from rollbook.rules import life as lives
from rollbook.store import Reading

_BY_HAND: Final = "client"  #: who ended a session that somebody ended by its own name


def version(tx: Reading, user_id: str, session_id: str) -> int:
    """How often a session was changed; 0 of one that is not there."""
    user_no = number_of(tx, user_id)
    found = [State(row) for row in tx.among("sessions_by_id", [(user_no, session_id)])]
    return _version(found[0] if found else None)


def _version(state: State | None) -> int:
    return 0 if state is None or state.deleted else state.version


def check(work: Work, op: Merge) -> None:
    """Raise Stale where something was said of the session since it was copied: it would go with it."""
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    changed = (user_no, work.cache.by_id.get((user_no, op.session_id))) in work.states  # by others of the same batch
    found = -1 if changed else _version(work.find(user_no, op.session_id))
    if found != op.seen:
        raise Stale(f"session {op.session_id!r} was changed", expected=op.seen, found=found)


def merge(work: Work, op: Merge, apply: Callable[[Work, Op], Any]) -> int:
    """Let all that a session is be another one's; how many calls moved.

    Raises InvalidInput where the other's sums would be too large, and Gone where it was purged. What was folded or
    adjusted is no call, and stays as spend where it is.
    """
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    source, target = work.find(user_no, op.session_id), work.find(user_no, op.into)
    if source is None or source.deleted or source is target:
        return 0
    if target is not None:
        fits(target, source.sums)
    if target is None or not target.deleted:
        _tell(work, source, op, apply)
    alike = dict(op.alike)
    rows = _standing(work, source)
    for row in rows[: op.part or None]:
        apply_call(work, _call(work, row, op, alike.get(row[st.L_USAGE_ID])))
    if op.part:
        return len(rows[: op.part])
    delete(work, source)
    return len(rows)


def _tell(work: Work, source: State, op: Merge, apply: Callable[[Work, Op], Any]) -> None:
    """Say of the other session what was said of this one; what is not taken of it is left out."""
    said = partial(Touch, user_id=op.user_id, session_id=op.into, user_name=op.user_name)
    flagged = bool(source.flags & st.FLAG_CLOCK)
    for at in (source.started_at, source.last_sign or source.started_at):
        apply(work, said(at=at, turns=source.turns, flagged=flagged))
    for at, facts in _facts(work, source, op.dataset_id):
        apply(work, said(at=at, facts=facts))
    for event in source.life:
        if event.what == lives.END and event.by != _BY_HAND:
            apply(work, End(
                user_id=op.user_id, session_id=op.into, status=str(lives.STATUS_NAMES[event.status]), at=event.at,
                reason=event.reason or None, decided_by=event.by, user_name=op.user_name,
            ))  # fmt: skip


def _facts(work: Work, source: State, dataset_id: str | None) -> Iterator[tuple[int, Facts]]:
    """What was said of a session, with its times; of datasets none but one."""
    for at, name, value in work.info(source).told():
        if name == "dataset_id" and value != dataset_id:
            continue
        if name == "parent":
            yield at, Facts(parent_id=value[1], parent_user_id=work.names.user_id(work.tx, value[0]))
        else:
            said: dict[str, Any] = {name: tuple(value) if name == "tags" else value}
            yield at, Facts(**said)


def _standing(work: Work, source: State) -> list[LedgerRow]:
    """The ledger rows of a session that stand for calls."""
    rows = [row for row in work.rows_of(source) if row[st.L_ENTRY] in (st.ENTRY_CALL, st.ENTRY_CORRECTION)]
    work.preload_keys((row[st.L_USAGE_ID], source.user_no) for row in rows)
    keys = ((work.keys[row[st.L_USAGE_ID], source.user_no], row) for row in rows)
    return [row for key, row in keys if key == Key(None, row[st.L_SESSION], row[st.L_ROW])]


def _call(work: Work, row: LedgerRow, op: Merge, alike: str | None) -> Call:
    """What a ledger row says, as a report of the call in a session."""
    names, tx = work.names, work.tx
    return Call(
        user_id=op.user_id,
        session_id=op.into,
        usage_id=row[st.L_USAGE_ID],
        occurred_at=row[st.L_OCCURRED],
        tokens=Tokens(**dict(zip(Tokens.__struct_fields__, row[st.L_INPUT : st.L_AUDIO_OUT + 1], strict=True))),
        model=names.model_name(tx, row[st.L_MODEL]) or None,
        provider=names.label_name(tx, row[st.L_PROVIDER]) or None,
        cost_nano=row[st.L_COST],
        cost_source=st.COST_SOURCES[row[st.L_COST_SOURCE]],
        price_version=names.label_name(tx, row[st.L_PRICE]) or None,
        billing=st.BILLINGS[row[st.L_BILLING]],
        tier=st.TIERS[row[st.L_TIER]],
        source=names.label_name(tx, row[st.L_SOURCE]),
        evidence=row[st.L_EVIDENCE],
        errored=bool(row[st.L_ERRORED]),
        weight=row[st.L_WEIGHT] + 1,
        alike=alike,
    )
