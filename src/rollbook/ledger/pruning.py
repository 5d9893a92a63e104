"""Keeping a book small for years: what a retention rule removes, and what is left in its place (R12).

Old ledger rows of a session are folded into *closing* rows: one for each model, provider, terms and quarter hour, apart
for late and failed calls. Those are all that the kept sums are told apart by, so folding changes no sum at all: not a
session's, not a model's, not the spend of a quarter hour. What goes is which calls they were. So that a pruned or
purged call that is reported again adds nothing, hashes of its names stay. A time alone, below which nothing unknown is
taken, would not do: forks and retries report old calls with new times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from rollbook.errors import Gone, NotFound, RollbookError
from rollbook.ledger import state as st
from rollbook.ledger.calls import weigh
from rollbook.ledger.names import Slice
from rollbook.ledger.ops import Delete, Prune, Purge, PurgeUser, Sweep
from rollbook.ledger.state import LedgerRow, State
from rollbook.ledger.work import Work
from rollbook.model import QUARTER_US, Pruned
from rollbook.rules import life as lives

FOLDED_AT_ONCE: Final = 5_000  #: ledger rows that one operation folds at the most; ask again until it folds fewer

_KEY: Final = (st.L_MODEL, st.L_PROVIDER, st.L_BILLING, st.L_TIER, st.L_ERRORED, st.L_LATE)
_SUMMED: Final = (st.L_CALLS, *range(st.L_INPUT, st.L_AUDIO_OUT + 1), st.L_UNPRICED)

Group = tuple[int, ...]


def group_of(row: LedgerRow) -> Group:
    """What a closing row keeps apart."""
    return (row[st.L_OCCURRED] // QUARTER_US, *(row[place] for place in _KEY))


def folded(rows: Iterable[LedgerRow], source_no: int, now: int) -> dict[Group, LedgerRow]:
    """What rows of one session come to, as closing rows; a group that comes to nothing has none."""
    closing: dict[Group, LedgerRow] = {}
    standing: dict[Group, Counter[int]] = {}
    for row in rows:
        key = group_of(row)
        into = closing.get(key)
        if into is None:
            into, standing[key] = [*row], Counter()
            closing[key] = into
            for place in _SUMMED:
                into[place] = 0
            into[st.L_ENTRY], into[st.L_RECORDED], into[st.L_COST] = st.ENTRY_CLOSING, now, 0
            into[st.L_COST_SOURCE] = into[st.L_PRICE] = into[st.L_EVIDENCE] = into[st.L_WEIGHT] = 0
            into[st.L_SOURCE] = source_no
        for place in _SUMMED:
            into[place] += row[place]
        into[st.L_COST] += row[st.L_COST] or 0
        standing[key][row[st.L_OCCURRED]] += st.standing(row)
    kept = {key: row for key, row in closing.items() if any(st.vector(row))}
    for key, row in kept.items():
        # The latest of what was not reversed: a session's last model is found by it.
        times = standing[key]
        row[st.L_OCCURRED] = max([at for at, count in times.items() if count > 0] or times)
        if row[st.L_UNPRICED] and row[st.L_UNPRICED] >= row[st.L_CALLS] and not row[st.L_COST]:
            row[st.L_COST] = None
        elif row[st.L_COST]:
            row[st.L_COST_SOURCE] = st.COST_SOURCES.index("computed")
    return kept


def due(status: int, last_activity: int, op: Prune) -> tuple[bool, bool, bool]:
    """What a retention rule says of a session: whether it goes, whether what it says goes, whether old rows fold.

    A running session is left alone. One that was presumed running but is silent for long (abandoned) is not running.
    """
    if status == lives.RUNNING and last_activity >= op.running_since:
        return False, False, False
    if op.status is not None and op.status != status:
        return False, False, False
    if status == lives.DELETED:
        return False, False, op.ledger_before > 0
    return last_activity < op.sessions_before, last_activity < op.content_before, op.ledger_before > 0


def prune(work: Work, op: Prune) -> Pruned:
    """Apply a retention rule to one session as it is now."""
    try:
        state = work.existing(op.user_id, op.session_id, deleted=True)
    except (NotFound, Gone):
        return Pruned()
    whole, content, ledger = due(state.status, state.last_activity_at, op)
    gone, wiped = 0, 0
    if whole:
        gone = int(delete(work, state))
    elif content:
        wiped = int(_wipe(work, state, op.now))
    removed, added = _fold(work, state, op) if ledger else (0, 0)
    return Pruned(sessions=gone, contents=wiped, ledger_rows=removed, closing_rows=added)


def delete_one(work: Work, op: Delete) -> bool:
    """R12: hide a session and forget what was said of it; its ledger rows stay as spend."""
    try:
        state = work.existing(op.user_id, op.session_id)
    except (NotFound, Gone) as error:
        _note_unknown(work, op, error)
        return False
    return delete(work, state)


def delete(work: Work, state: State) -> bool:
    rows = work.rows_of(state)
    for row in rows:
        weigh(work, state, row, remove=True)
    state.status = lives.DELETED
    state.life, state.closed, state.ended_at = (), (), None
    state.turns = state.step_errors = state.agent_time = 0
    state.last_model_no = state.last_model_at = 0
    known = work.names.facts_of(work.tx, state.slice_no)
    state.slice_no = work.names.slice(work.tx, Slice(state.user_no, known.dataset_id, "", "", "", 1, ""))
    for row in rows:
        weigh(work, state, row)
    place = (state.user_no, state.session_no)
    work.infos.pop(place, None)
    work.dirty_infos.add(place)
    work.unsettled.discard(place)
    work.tx.run("drop_owner", [place])
    _clear_journal(work, state)
    return True


def _clear_journal(work: Work, state: State) -> bool:
    """Remove what a session contains; from a place outside, what is to be removed there is noted."""
    elsewhere = bool(state.flags & st.FLAG_ELSEWHERE)
    if elsewhere or work.cache.journal.outside:  # a step may be there of which the book was not told any more
        state.flags &= ~st.FLAG_ELSEWHERE
        _note(work, work.names.user_id(work.tx, state.user_no), state.session_id, lives_on=not state.deleted)
    return work.journal.drop(state.user_no, state.session_no, work.now) or elsewhere


def _note(work: Work, user_id: str, session_id: str, *, lives_on: bool) -> None:
    """Note what is to be removed elsewhere: as it is now, of what may have new contents afterwards."""
    work.journal.gone[user_id, session_id] = (work.now, work.now if lives_on else None)


def _note_unknown(work: Work, op: Delete | Purge, error: RollbookError) -> None:
    """Of a session that the book does not have something may be elsewhere all the same, of a step that it missed."""
    if work.cache.journal.outside:
        _note(work, op.user_id, op.session_id, lives_on=isinstance(error, NotFound))


def _wipe(work: Work, state: State, now: int) -> bool:
    """Forget what was said of a session; what it was and came to stays."""
    cleared = _clear_journal(work, state)
    if not work.info(state).forget(now):
        return cleared
    work.dirty_infos.add((state.user_no, state.session_no))
    return True


def _fold(work: Work, state: State, op: Prune) -> tuple[int, int]:
    """Fold old rows of a session; how many went, and how many closing rows there are more."""
    rows = work.foldable(state, op.ledger_before, FOLDED_AT_ONCE)
    if not rows:
        return 0, 0
    before = [row for row in work.closings(state) if row[st.L_OCCURRED] < op.ledger_before]
    work.lose_keys_of(rows)
    closing = folded([*before, *rows], work.names.label(work.tx, "prune"), work.now)
    for row in (*before, *rows):
        work.drop_row(state, row)
        state.late_rows -= 1 if row[st.L_LATE] else 0
    for row in sorted(closing.values(), key=lambda row: (row[st.L_OCCURRED], *group_of(row))):
        row[st.L_USAGE_ID] = f"closing:{state.ledger_rows}"
        work.add_row(state, row)
        state.late_rows += 1 if row[st.L_LATE] else 0
    return len(rows), len(closing) - len(before)


def sweep(work: Work, op: Sweep) -> None:
    """Keep but a hash of those names, in a stretch, that lead to no call any more."""
    for name, user_no in work.loose_keys(op.after, op.upto):
        work.lose_key(name, user_no)


def purge(work: Work, op: Purge) -> bool:
    """Remove a session wholly, but for a hash that lets a later import know that it was here."""
    try:
        state = work.existing(op.user_id, op.session_id, deleted=True)
    except (NotFound, Gone) as error:
        _note_unknown(work, op, error)
        return False
    if not state.deleted:
        delete(work, state)
    for row in work.rows_of(state):
        weigh(work, state, row, remove=True)
    work.purge(state)
    return True


def purge_user(work: Work, op: PurgeUser) -> None:
    """Remove what is kept of a user beside sessions; the sessions went before."""
    user_no = work.names.find_user(work.tx, op.user_id)
    if user_no is not None:
        work.leaving.append(user_no)
        work.journal.drop_user_state(user_no)
    if work.cache.journal.outside:
        _note(work, op.user_id, "", lives_on=True)  # the state of the user
