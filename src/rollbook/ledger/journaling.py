"""Steps in the journals of sessions: each is a sign of life of its session (R1), in one transaction with it (R13)."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.errors import Gone, NotFound
from rollbook.journal.sql_peek import OF_USER
from rollbook.journal.steps import Appended, Done, Fork
from rollbook.ledger import instances
from rollbook.ledger import state as st
from rollbook.ledger.ops import Cleared, Jot, Jotted, Wipe
from rollbook.ledger.state import State
from rollbook.ledger.work import Work


def preload(work: Work, wanted: Sequence[tuple[int, Jot]]) -> None:
    """Ask once for everything that the steps of a batch will look at."""
    if wanted:
        by_id = work.cache.by_id
        known = ((user_no, by_id.get((user_no, op.session_id)), op.step) for user_no, op in wanted)
        work.journal.preload([(user_no, number, step) for user_no, number, step in known if number is not None])


def jot(work: Work, op: Jot) -> Done:
    """Make a step. One that is refused makes no session."""
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    if not op.session_id:  # the state of the user, which is no session
        return work.journal.apply(user_no, OF_USER, op.step, None)
    state = _writable(work, user_no, op)
    source_no = _source(work, user_no, op)
    work.journal.refuse(user_no, None if state is None else state.session_no, op.step, source_no)
    if state is None:
        state = work.create(user_no, op.session_id, op.at, op.at)
        work.journal.begin(user_no, state.session_no)
    done = work.journal.apply(user_no, state.session_no, op.step, source_no)
    state.step_errors += failures_of(done)[1]
    _sign(work, state, op)
    return done


def _writable(work: Work, user_no: int, op: Jot | Jotted) -> State | None:
    state = work.find(user_no, op.session_id)
    if state is not None and state.deleted:
        raise Gone(f"session {op.session_id!r} was deleted; it takes no new content")
    return state


def _source(work: Work, user_no: int, op: Jot) -> int | None:
    """The number of the session that a fork is made from."""
    for change in op.step.changes:
        if isinstance(change, Fork):
            source = work.find(user_no, change.source)
            if source is None or source.deleted:
                raise NotFound(f"there is no session {change.source!r} to fork")
            return int(source.session_no)
    return None


def _sign(work: Work, state: State, op: Jot | Jotted) -> None:
    state.sign(op.at)
    instances.claim(work, state, op.instance, loose=True)
    if op.flagged:
        state.flags |= st.FLAG_CLOCK


def jotted(work: Work, op: Jotted) -> None:
    """Take note of a step that was made in a journal elsewhere; the same again changes nothing."""
    user_no = work.names.user(work.tx, op.user_id, op.user_name)
    state = _writable(work, user_no, op) or work.create(user_no, op.session_id, op.at, op.at)
    state.flags |= st.FLAG_ELSEWHERE
    # The number of all heals what was not told because a program died in between.
    state.step_errors = max(state.step_errors + op.failures, op.failed)
    _sign(work, state, op)


def cleared(work: Work, op: Cleared) -> None:
    """Take note that what was to be removed elsewhere is removed."""
    work.cleared.append((op.user_id, op.session_id, op.at))


def wipe(work: Work, _: Wipe) -> None:
    """Remove every journal of everybody, and notes that hold contents; the ledger stays."""
    work.journal.wipe()
    work.notes.wipe()
    work.names.streams.clear()


def failures_of(done: Done) -> tuple[int, int]:
    """How many failed steps a line of the journal ever had, at least, and how many of them were added now."""
    told = [answer for answer in done.answers if isinstance(answer, Appended)]
    return max((answer.failed for answer in told), default=0), sum(answer.failures for answer in told)
