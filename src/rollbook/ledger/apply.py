"""Operations applied in a batch: load what they touch, run the rules in memory, save what changed (the write path).

An operation either does all that it says or raises before it has changed anything, so one that is refused fails alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from rollbook.access.ops import Adopt
from rollbook.errors import Conflict, Gone, InvalidInput, RollbookError
from rollbook.ledger import changes, instances, journaling, letting_in, merging, notes, pruning
from rollbook.ledger import state as st
from rollbook.ledger.cache import Cache
from rollbook.ledger.calls import apply_call, post, reshape, retract, settle
from rollbook.ledger.holding import Reach
from rollbook.ledger.instances import presume_crashed
from rollbook.ledger.names import Slice, guessed
from rollbook.ledger.ops import (
    Absolute,
    Call,
    Cleared,
    Delete,
    End,
    Facts,
    ForgetNotes,
    Jot,
    Jotted,
    Mark,
    MarkAllBut,
    Merge,
    Op,
    Prune,
    Purge,
    PurgeUser,
    Reopen,
    Reprice,
    Retract,
    SourceFile,
    Sweep,
    Together,
    Touch,
    Wipe,
)
from rollbook.ledger.preloading import preload
from rollbook.ledger.reprice import apply_reprice
from rollbook.ledger.saving import save
from rollbook.ledger.state import State
from rollbook.ledger.work import Work
from rollbook.rules import life as lives
from rollbook.store import Store, TryAgain

#: What touches more of the book than it names, and is rare: nobody else writes meanwhile.
_ALONE: Final = (MarkAllBut, Prune, Sweep, Purge, PurgeUser, Wipe, Adopt)
_REACHES_MOST: Final = 3  #: tries that each find more to hold; then the batch writes alone
_PARENTS_MOST: Final = 64  #: how deep a tree of sessions may be
MARKED_AT_ONCE: Final = 1_000  #: sessions that one MarkAllBut marks at the most; ask again until it marks fewer

Answer = Any  #: what an operation answers, or the error with which it alone was refused


def apply_batch(store: Store, cache: Cache, ops: Sequence[Op], now: int, lane: int = 0) -> list[Answer]:
    """Apply operations in order, in one transaction; their answers, after the commit.

    Raises what the store raises (StoreError): then nothing of the batch was kept. Where others write at the same time
    it may take several tries: one that was undone by them, or that turned out to change more than it held.
    """
    until = time.monotonic() + store.patience_s
    reach = Reach()
    alone = not store.shared or _reach_far(ops)
    tries = 0
    while True:
        began = time.monotonic()
        try:
            return _tried(store, cache, ops, now, lane, reach, alone=alone)
        except Reach as further:
            reach.widen(further)
            tries += 1
            alone = alone or tries > _REACHES_MOST
        except TryAgain as undone:
            if began > until:  # a process that was stopped for long in the middle of a try gets another one
                raise undone.told from undone
            time.sleep(undone.pause_s * random.random())  # noqa: S311 - so that two do not meet again


def _reach_far(ops: Sequence[Op]) -> bool:
    return any(_reach_far(op.ops) if type(op) is Together else type(op) in _ALONE for op in ops)


def _tried(  # noqa: PLR0917 - what apply_batch was given
    store: Store, cache: Cache, ops: Sequence[Op], now: int, lane: int, reach: Reach, *, alone: bool
) -> list[Answer]:
    try:
        with store.write(lane, alone=alone) as tx:
            if not tx.shared and store.changed_by_others(lane):
                cache.clear()
            work = Work(tx, cache, now)
            preload(work, ops, reach)
            # (Asked for together with what was loaded, which saves a round trip.)
            stale = tx.shared and store.changed_by_others(lane)
            reach.check(stale=stale)
            answers = [_apply(work, op) for op in ops]
            settle(work)
            save(work)
    except BaseException:
        cache.clear()
        raise
    if cache.feed is not None:
        changes.tell(cache.feed, work, ops, answers)
    cache.keep(state for place, state in work.states.items() if place not in work.purged_states)
    if work.purged_states or work.leaving:
        cache.clear()
    elif any(type(op) in _ALONE for op in ops):
        cache.taken.clear()  # what was pruned is not taken any more
    work.let_go()
    return answers


def _apply(work: Work, op: Op) -> Answer:
    try:
        return _APPLY[type(op)](work, op)
    except RollbookError as error:
        return error


def _found_or_made(work: Work, op: Touch | End | Reopen | Absolute, *, sign: int) -> State:
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    state = work.find(user_no, op.session_id)
    if state is None:
        return work.create(user_no, op.session_id, op.at, sign)
    if state.deleted:
        raise Gone(f"session {op.session_id!r} was deleted")
    return state


# Touch and facts (R1)


def _touch(work: Work, op: Touch) -> None:
    _check_parent(work, op.user_id, op.session_id, op.facts)
    state = _found_or_made(work, op, sign=op.at)
    state.sign(op.at)
    if op.flagged:
        state.flags |= st.FLAG_CLOCK
    if op.turns is not None:
        state.turns = max(state.turns, op.turns)
    _learn(work, state, op.facts, op.at)
    instances.claim(work, state, op.instance, loose=op.loose)


def _learn(work: Work, state: State, facts: Facts, at: int) -> None:
    info = work.info(state)
    above = None if facts.parent_id is None else work.names.find_user(work.tx, facts.parent_user_id or "")
    if not info.learn(facts, at, state.user_no if above is None else above):
        return
    work.dirty_infos.add((state.user_no, state.session_no))
    known = work.names.facts_of(work.tx, state.slice_no)
    told = Slice(
        state.user_no,
        info.get("dataset_id") or "",
        info.get("agent") or "",
        info.get("kind") or known.kind,
        info.get("project") or "",
        0,
        info.get("agent") or guessed(state.session_id),
    )
    if told != known:
        _move_slice(work, state, told)


def _move_slice(work: Work, state: State, told: Slice) -> None:
    """Let the session's spend follow it to where its facts say."""
    rows = work.rows_of(state) if state.ledger_rows else []
    for row in rows:
        work.add_spend(state, row, st.minus(st.ZERO, st.vector(row)))
    state.slice_no = work.names.slice(work.tx, told)
    for row in rows:
        work.add_spend(state, row, st.vector(row))


def _check_parent(work: Work, user_id: str, session_id: str, facts: Facts) -> None:
    """R6: a parent is the same user's, or of the user above or below, and nobody is their own ancestor."""
    if facts.parent_id is None:
        return
    user_no = work.names.find_user(work.tx, user_id)
    above = user_no
    if facts.parent_user_id not in (None, user_id):
        above = work.names.find_user(work.tx, facts.parent_user_id or "")
        if user_no is None or above is None or not letting_in.related(work, user_no, above):
            raise InvalidInput("a parent must be a session of the same user, or of the user above or below it")
    parent: tuple[int | None, str] | None = (above, facts.parent_id)
    for _ in range(_PARENTS_MOST):
        if parent == (user_no, session_id):
            raise InvalidInput(f"session {session_id!r} cannot be its own ancestor")
        if parent is None or parent[0] is None:
            return
        parent = _parent_of(work, parent[0], parent[1])
    raise InvalidInput(f"sessions may be at most {_PARENTS_MOST} levels deep")


def _parent_of(work: Work, user_no: int, session_id: str) -> tuple[int | None, str] | None:
    number = work.cache.by_id.get((user_no, session_id))
    info = None if number is None else work.infos.get((user_no, number))
    if info is not None:
        said = info.get("parent")
        return None if said is None else (said[0], said[1])
    found = work.tx.rows("parent_of", user_no=user_no, session_id=session_id)
    return (found[0][0], found[0][1]) if found and found[0][1] is not None else None


# Ends (R2)


def _end(work: Work, op: End) -> None:
    state, at = _at(work, op)
    what = lives.SOFT if op.soft else lives.END
    event = lives.Event(at, what, lives.STATUS_CODES[op.status], op.reason or "", op.decided_by)
    _live(work, state, event)
    # (Asked afterwards: of two ends at one instant their kinds decide which stands, not which came first.)
    deciding = None if op.soft else _closing(state, at)
    refused = deciding is not None and deciding.status != event.status
    if op.flagged and not refused:
        state.flags |= st.FLAG_CLOCK
    instances.release(work, state, op.instance)
    if deciding is not None and refused:
        said = lives.STATUS_NAMES[deciding.status]
        raise Conflict(f"session {op.session_id!r} had {said} before; it stays {said}")


def _at(work: Work, op: End | Reopen) -> tuple[State, int]:
    """The session and the time of an event. One that is about now comes after all that is known, whatever the clock."""
    if op.create:
        return _found_or_made(work, op, sign=0), op.at
    state = work.existing(op.user_id, op.session_id)
    return state, max(op.at, state.last_activity_at)


def _closing(state: State, at: int) -> lives.Event | None:
    """The end that closed the attempt which was open at a time, or that had closed it before."""
    closing = None
    for event in state.life:
        if event.at > at:
            break
        if event.what == lives.REOPEN:
            closing = None
        elif event.what == lives.END and closing is None:
            closing = event
    return closing


def _live(work: Work, state: State, event: lives.Event, *, flagged: bool = False) -> None:
    """Take an event into the session's life.

    An end that is refused because an earlier one stands is taken in as well: it changes nothing by itself, but a
    reopening that arrives later may turn out to lie between the two.
    """
    if flagged:
        state.flags |= st.FLAG_CLOCK
    state.life = lives.add(state.life, event, state.started_at)
    if event.what != lives.MARK:
        state.started_at = min(state.started_at, event.at)
    reshape(work, state)


def _reopen(work: Work, op: Reopen) -> None:
    state, at = _at(work, op)
    _live(work, state, lives.Event(at, lives.REOPEN), flagged=op.flagged)


def _mark(work: Work, op: Mark) -> bool:
    state = work.existing(op.user_id, op.session_id)
    return presume_crashed(work, state, op.at, op.reason, op.decided_by)


def _mark_all_but(work: Work, op: MarkAllBut) -> int:
    user_no = work.names.find_user(work.tx, op.user_id)
    if user_no is None:
        return 0
    marked = 0
    # Sessions that this very batch made or ended are in memory, not in the table yet.
    here = {place[1] for place in work.states if place[0] == user_no}
    stored = work.tx.rows("running_of", user_no=user_no, session_id=op.session_id, most=MARKED_AT_ONCE + len(here))
    for number in sorted(here | {row[0] for row in stored}):
        if marked == MARKED_AT_ONCE:
            break
        if number in here and work.states[user_no, number].session_id == op.session_id:
            continue
        state = work.state(user_no, number)
        marked += presume_crashed(work, state, op.at, None, "reconcile")
    return marked


# Absolute counters (R16)


def _absolute(work: Work, op: Absolute) -> None:
    _check_parent(work, op.user_id, op.session_id, op.facts)
    state = _found_or_made(work, op, sign=op.at)
    target = lives.STATUS_CODES.get(op.status or "", state.status)
    if state.status not in (lives.RUNNING, target):
        again = max(op.at, (state.ended_at or state.last_activity_at) + 1)
        _live(work, state, lives.Event(again, lives.REOPEN))
    state.sign(op.at)
    state.sign(op.started_at)
    if op.turns is not None:
        state.turns = op.turns
    _learn(work, state, op.facts, op.at)
    _adjust(work, state, op)
    at = max(op.at, state.last_activity_at)
    if target == lives.UNKNOWN:
        presume_crashed(work, state, at, None, "client")
    elif target != lives.RUNNING and state.status == lives.RUNNING:
        _live(work, state, lives.Event(at, lives.END, target, "", "client"))


def _adjust(work: Work, state: State, op: Absolute) -> None:
    """One adjustment row for the difference between what is said and what the rows come to."""
    sums = state.sums

    def difference(value: int | None, place: int) -> int:
        return 0 if value is None else value - sums[place]

    reasoning = difference(op.reasoning, st.REASONING)
    output = difference(op.tokens_out, st.TOKENS_OUT) - reasoning
    added = difference(op.tokens_in, st.TOKENS_IN)
    cost = difference(op.cost_nano, st.COST)
    model_no = work.names.model(work.tx, op.model)
    renamed = bool(model_no) and model_no != state.last_model_no
    if not (reasoning or output or added or cost or renamed):
        return
    tokens = (added, 0, 0, 0, output, reasoning, 0, 0)
    at = state.last_activity_at
    head = (state.user_no, state.session_no, -1, st.ENTRY_ADJUSTMENT, model_no, 0, at, work.now, 0)
    source = work.names.label(work.tx, "upsert")
    reported = st.COST_SOURCES.index("reported")
    row = [*head, *tokens, cost, 0, reported, 0, 0, 0, source, 0, 0, 0, 0, f"adjustment:{state.ledger_rows}"]
    state.sign(at)
    post(work, state, row)
    if renamed:
        state.last_model_no, state.last_model_at = model_no, at


def _file(work: Work, op: SourceFile) -> None:
    work.files.append((work.names.user(work.tx, op.user_id, None), op))


def _together(work: Work, op: Together) -> list[Answer]:
    for each in op.ops:
        if isinstance(each, Merge):
            merging.check(work, each)
    return notes.together(work, op, _apply)


def _merge(work: Work, op: Merge) -> int:
    return merging.merge(work, op, _apply)


_APPLY: Final[dict[type, Callable[[Work, Any], Answer]]] = {
    Touch: _touch,
    Call: apply_call,
    End: _end,
    Reopen: _reopen,
    Mark: _mark,
    MarkAllBut: _mark_all_but,
    Absolute: _absolute,
    Delete: pruning.delete_one,
    Prune: pruning.prune,
    Sweep: pruning.sweep,
    Purge: pruning.purge,
    PurgeUser: pruning.purge_user,
    Reprice: apply_reprice,
    Retract: retract,
    Merge: _merge,
    Together: _together,
    ForgetNotes: notes.forget,
    SourceFile: _file,
    Jot: journaling.jot,
    Jotted: journaling.jotted,
    Cleared: journaling.cleared,
    Wipe: journaling.wipe,
    **instances.APPLY,
    **letting_in.APPLY,
}
