"""Metered calls: counted once, whatever the door and however often (R3, R14, R15).

What turns out to be no call of its own is *retracted*: its row is reversed, and its names stay known as those of no
call (``RETRACTED``: no row stands for them), so that whatever else is reported of it is a duplicate. The name of what
was not reported yet is noted the same way, so the order does not matter. Where its rows are pruned or purged, its names
go the way of all others.

*Metrics* sum up calls that other doors report one by one, under names of which none is known to the other doors. So in
a session to which any call of better evidence was reported they count nothing: they are reversed when it comes, and
are duplicates when they come later. The session's flags say which of both it has. What was folded of them is not taken
back.
"""

from __future__ import annotations

from typing import Final

from rollbook.errors import InvalidInput
from rollbook.ledger import alike
from rollbook.ledger import state as st
from rollbook.ledger.ops import Call, Retract
from rollbook.ledger.state import LedgerRow, State
from rollbook.ledger.work import RETRACTED, Key, Work
from rollbook.model import Evidence, Outcome
from rollbook.rules import life as lives
from rollbook.rules.evidence import Claim, better, same_content

_MOST: Final = 2**62
_METRIC: Final = int(Evidence.METRIC)
_METERING: Final = st.FLAG_METRICS | st.FLAG_METERED
_SOURCES: Final = {name: number for number, name in enumerate(st.COST_SOURCES)}
_BILLINGS: Final = {name: number for number, name in enumerate(st.BILLINGS)}
_TIERS: Final = {name: number for number, name in enumerate(st.TIERS)}


def metric_name(session_id: str, model: str | None) -> str:
    """The usage id of what metrics tell of a model in a session: one call, whose larger total stands."""
    return f"metric:{session_id}:{model or ''}"


def apply_call(work: Work, op: Call) -> Outcome:
    """Count a call, or find that it was counted before."""
    work.outdone.clear()  # an operation that was refused may have left something
    outcome = _reported(work, op)
    for state in work.outdone:
        _outdo(work, state)
    return outcome


def _reported(work: Work, op: Call) -> Outcome:
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    if op.alike is not None:
        op = alike.placed(work, op, user_no)
    known = [] if op.fresh else work.known(op.usage_id, op.aliases, user_no)
    if known and any(work.is_pruned(name, user_no) for name in known):
        work.find(user_no, op.session_id)  # Gone goes before: nothing is reported to a session that was purged
        return Outcome.TOO_OLD
    # A stated time is a sign of life in the session it names, whatever becomes of the call: so a report that turns out
    # to be a duplicate leaves the same traces as one that came first. A retry without a time says nothing new.
    state = _session(work, op, user_no) if op.timed else None
    if known and any(work.is_retracted(name, user_no) for name in known):
        return _no_call(work, op, user_no, known)
    if op.evidence == _METRIC and op.usage_id.startswith(metric_name(op.session_id, None)):
        state = state or _session(work, op, user_no)
        if _metered(work, state):
            return Outcome.DUPLICATE
        state.flags |= st.FLAG_METRICS
    if known:
        return _again(work, op, user_no, known)
    state = state or _session(work, op, user_no)
    row = _ledger_row(work, op, state, st.ENTRY_CALL)
    fits(state)
    post(work, state, row)
    first_key = Key(None, state.session_no, row[st.L_ROW])
    if op.fresh:
        work.new_keys[op.usage_id, user_no] = first_key
    else:
        work.set_key(op.usage_id, user_no, first_key)
        _alias(work, op, user_no, op.usage_id)
    return Outcome.LATE if row[st.L_LATE] or state.deleted else Outcome.COUNTED


def _session(work: Work, op: Call, user_no: int) -> State:
    """The call's session, made if need be, with the call as a sign of life."""
    state = work.find(user_no, op.session_id)
    if state is None:
        state = work.create(user_no, op.session_id, op.occurred_at, op.occurred_at)
    else:
        state.sign(op.occurred_at)
    if op.flagged:
        state.flags |= st.FLAG_CLOCK
    if op.evidence > _METRIC and state.flags & _METERING != st.FLAG_METERED:
        work.outdone.append(state)
    return state


def _ledger_row(work: Work, op: Call, state: State, entry: int) -> LedgerRow:
    tokens = op.tokens
    priced = op.cost_nano is not None
    return [
        state.user_no,
        state.session_no,
        -1,
        entry,
        work.names.model(work.tx, op.model),
        work.names.label(work.tx, op.provider),
        op.occurred_at,
        work.now,
        1,
        tokens.input,
        tokens.cache_read,
        tokens.cache_write,
        tokens.cache_write_1h,
        tokens.output,
        tokens.reasoning,
        tokens.audio_in,
        tokens.audio_out,
        op.cost_nano,
        0 if priced else 1,
        _SOURCES[op.cost_source] if priced else 0,
        work.names.label(work.tx, op.price_version),
        _BILLINGS[op.billing],
        _TIERS[op.tier],
        work.names.label(work.tx, op.source),
        op.evidence,
        op.weight,
        int(op.errored),
        0,
        op.usage_id,
    ]


def fits(state: State, more: st.Vector = st.ZERO) -> None:
    """No sum may leave 64 bits. What one call may add is far smaller than the room that is left above the bound."""
    if max(state.sums) > _MOST or (more is not st.ZERO and max(st.plus(state.sums, more)) > _MOST):
        raise InvalidInput(f"the sums of session {state.session_id!r} are full; nothing was stored")


def post(work: Work, state: State, row: LedgerRow) -> None:
    """Append a row to the ledger, as late as its session's life makes it, and to every sum that it belongs to."""
    row[st.L_LATE] = 0 if not state.closed or lives.within(state.closed, row[st.L_OCCURRED]) else 1
    enter(work, state, row)


def enter(work: Work, state: State, row: LedgerRow) -> None:
    """The same for a row that is as late as the one that it reverses or replaces."""
    work.add_row(state, row)
    weigh(work, state, row)


def weigh(work: Work, state: State, row: LedgerRow, *, remove: bool = False) -> None:
    """Add a ledger row to the sums as they stand for its session now, or take it away."""
    amounts = st.vector(row)
    if remove:
        amounts = st.minus(st.ZERO, amounts)
    work.add_spend(state, row, amounts)
    if row[st.L_LATE]:
        state.late_rows += -1 if remove else 1
        state.late_calls += amounts[st.CALLS]
        return
    if state.deleted:
        return
    state.sums = st.plus(state.sums, amounts)
    model_no = row[st.L_MODEL]
    known = state.models.get(model_no)
    sums = amounts if known is None else st.plus(known, amounts)
    if any(sums):
        state.models[model_no] = sums
    else:
        state.models.pop(model_no, None)
    if not remove and model_no and (row[st.L_CALLS] > 0 or row[st.L_ENTRY] == st.ENTRY_ADJUSTMENT):
        _newest_model(work, state, row[st.L_OCCURRED], model_no)


def _newest_model(work: Work, state: State, at: int, model_no: int) -> None:
    if at > state.last_model_at or not state.last_model_no:
        newer = True
    elif at < state.last_model_at or model_no == state.last_model_no:
        newer = False
    else:  # two models at one instant: the order of their names decides, so that the order of arrival does not
        newer = work.names.model_name(work.tx, model_no) > work.names.model_name(work.tx, state.last_model_no)
    if newer:
        state.last_model_no, state.last_model_at = model_no, at


def settle(work: Work) -> None:
    """Find anew, once a batch, the last model of each session that rows were taken out of."""
    for place in sorted(work.unsettled):
        state = work.state(*place)
        if not state.deleted:
            remodel(work, state)


def remodel(work: Work, state: State) -> None:
    """Find a session's last model from its rows."""
    state.last_model_no = state.last_model_at = 0
    net: dict[tuple[int, int], int] = {}
    for row in work.rows_of(state):
        if row[st.L_MODEL] and not row[st.L_LATE]:
            key = (row[st.L_OCCURRED], row[st.L_MODEL])
            net[key] = net.get(key, 0) + st.standing(row)
    for (at, model_no), count in net.items():
        if count > 0:
            _newest_model(work, state, at, model_no)


def reshape(work: Work, state: State) -> None:
    """After a session's life changed: let count what now lies within an attempt, and nothing else (R3)."""
    state.refold()
    if not state.ledger_rows or (not state.late_rows and not any(state.last_sign > end for end, _ in state.closed)):
        return
    moved = False
    floor = lives.floor(state.life)
    for row in work.rows_of(state):
        late = 0 if lives.within(state.closed, row[st.L_OCCURRED]) else 1
        if late != row[st.L_LATE] and row[st.L_OCCURRED] > floor:
            weigh(work, state, row, remove=True)
            row[st.L_LATE] = late
            weigh(work, state, row)
            work.changed_late[row[0], row[1], row[2]] = row
            moved = True
    if moved:
        work.unsettled.add((state.user_no, state.session_no))


# The same call again


def _again(work: Work, op: Call, user_no: int, known: list[str]) -> Outcome:
    """The call is in the book already, under one name or, until now unrecognised, under several."""
    claims = {name: _claim_of_row(work, work.row_of(name, user_no)) for name in known}
    survivor = max(known, key=lambda name: (claims[name], name))
    joined = len(known) > 1
    for name in known:
        if name != survivor:
            _reverse(work, work.row_of(name, user_no))
            work.set_key(name, user_no, Key(survivor, 0, 0))
    new, old = _claim_of_op(op), claims[survivor]
    _alias(work, op, user_no, survivor)
    row = work.row_of(survivor, user_no)
    if same_content(new, old) or not better(new, old):
        if better(new, old):
            row[st.L_EVIDENCE], row[st.L_SOURCE] = op.evidence, work.names.label(work.tx, op.source)
            row[st.L_WEIGHT] = op.weight
            work.changed_evidence[row[0], row[1], row[2]] = row
        return Outcome.AMENDED if joined else Outcome.DUPLICATE
    state = _session(work, op, user_no)
    correction = _ledger_row(work, op, state, st.ENTRY_CORRECTION)
    correction[st.L_USAGE_ID] = survivor
    fits(state)
    _reverse(work, row)
    post(work, state, correction)
    work.set_key(survivor, user_no, Key(None, state.session_no, correction[st.L_ROW]))
    return Outcome.AMENDED


def _reverse(work: Work, row: LedgerRow, why: str | None = None) -> None:
    """Take a row out of the sums by one that says the opposite."""
    state = work.state(row[st.L_USER], row[st.L_SESSION])
    reversal = opposite(row, work.now)
    if why is not None:
        reversal[st.L_SOURCE] = work.names.label(work.tx, why)
    enter(work, state, reversal)
    work.unsettled.add((state.user_no, state.session_no))


def opposite(row: LedgerRow, now: int) -> LedgerRow:
    """The row that reverses another."""
    reversal = row.copy()
    reversal[st.L_ENTRY], reversal[st.L_RECORDED] = st.ENTRY_REVERSAL, now
    for place in (st.L_CALLS, *range(st.L_INPUT, st.L_AUDIO_OUT + 1), st.L_UNPRICED):
        reversal[place] = -reversal[place]
    if reversal[st.L_COST] is not None:
        reversal[st.L_COST] = -reversal[st.L_COST]
    return reversal


def _alias(work: Work, op: Call, user_no: int, first: str) -> None:
    for name in (op.usage_id, *op.aliases):
        if name != first and work.keys.get((name, user_no)) is None:
            work.set_key(name, user_no, Key(first, 0, 0))


# No calls of their own


def retract(work: Work, op: Retract) -> bool:
    """Take back what was, or will be, reported as a call and is none; whether it was counted until now."""
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    name = work.resolve(op.usage_id, user_no)
    if name is None:
        work.set_key(op.usage_id, user_no, RETRACTED)
        return False
    if work.is_retracted(name, user_no) or work.is_pruned(name, user_no):
        return False
    _take_back(work, name, user_no, op.reason)
    return True


def _take_back(work: Work, name: str, user_no: int, why: str | None) -> None:
    _reverse(work, work.row_of(name, user_no), why)
    work.set_key(name, user_no, RETRACTED)


def _no_call(work: Work, op: Call, user_no: int, known: list[str]) -> Outcome:
    """What was retracted is reported again, maybe together with names under which it was counted until now."""
    counted = [name for name in known if not work.is_retracted(name, user_no)]
    for name in counted:
        _take_back(work, name, user_no, None)
    for name in (op.usage_id, *op.aliases):
        if work.keys.get((name, user_no)) is None:
            work.set_key(name, user_no, RETRACTED)
    return Outcome.AMENDED if counted else Outcome.DUPLICATE


def _metered(work: Work, state: State) -> bool:
    """Whether a call of better evidence than metrics was reported to a session."""
    if state.flags & _METERING or not state.ledger_rows:
        return bool(state.flags & st.FLAG_METERED)
    # Nothing is noted of what was reported while books knew nothing of this.
    found = bool(work.tx.rows("better_told", user_no=state.user_no, session_no=state.session_no))
    state.flags |= st.FLAG_METERED if found else 0
    return found


def _outdo(work: Work, state: State) -> None:
    """A call of better evidence was reported to a session: what metrics told of it counts nothing."""
    if state.flags & st.FLAG_METRICS:
        user_no, told = state.user_no, metric_name(state.session_id, None)
        rows = [row for row in work.rows_of(state) if row[st.L_EVIDENCE] == _METRIC]
        names = sorted({row[st.L_USAGE_ID] for row in rows if row[st.L_USAGE_ID].startswith(told)})
        work.preload_keys((name, user_no) for name in names)
        for name in names:
            key = work.keys[name, user_no]
            row = None if key is None else work.rows.get((user_no, key.session_no, key.row_no))
            if row is not None and row[st.L_SESSION] == state.session_no and row[st.L_EVIDENCE] == _METRIC:
                _reverse(work, row)
                work.forget_key(name, user_no)
    state.flags = state.flags & ~st.FLAG_METRICS | st.FLAG_METERED


def _claim_of_op(op: Call) -> Claim:
    reported = op.cost_source == "reported" and op.cost_nano is not None
    tokens = op.tokens
    return Claim(
        op.evidence,
        tokens.total,
        reported,
        op.weight,
        -op.occurred_at,
        op.session_id,
        op.model or "",
        op.provider or "",
        _BILLINGS[op.billing],
        _TIERS[op.tier],
        (
            tokens.input,
            tokens.cache_read,
            tokens.cache_write,
            tokens.cache_write_1h,
            tokens.output,
            tokens.reasoning,
            tokens.audio_in,
            tokens.audio_out,
            (op.cost_nano or 0) if reported else 0,
            int(op.errored),
        ),
    )


def _claim_of_row(work: Work, row: LedgerRow) -> Claim:
    # A computed cost is left out: it depends on the price table of the day, and a newer table is no better evidence.
    reported = row[st.L_COST_SOURCE] == _SOURCES["reported"]
    return Claim(
        row[st.L_EVIDENCE],
        st.tokens_in(row) + st.tokens_out(row),
        reported,
        row[st.L_WEIGHT],
        -row[st.L_OCCURRED],
        work.state(row[st.L_USER], row[st.L_SESSION]).session_id,
        work.names.model_name(work.tx, row[st.L_MODEL]),
        work.names.label_name(work.tx, row[st.L_PROVIDER]),
        row[st.L_BILLING],
        row[st.L_TIER],
        (*row[st.L_INPUT : st.L_COST], row[st.L_COST] if reported else 0, row[st.L_ERRORED]),
    )
