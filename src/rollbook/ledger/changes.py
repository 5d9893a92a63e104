"""What a batch changed, for the feed: found from the sessions that it touched, after its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from rollbook.errors import RollbookError
from rollbook.feed import Feed, items
from rollbook.feed.items import Name, Told
from rollbook.journal.steps import SetState
from rollbook.ledger import state as st
from rollbook.ledger.notes import Repeated
from rollbook.ledger.ops import Jot, Jotted, Op, Prune, PurgeUser, Together, Wipe
from rollbook.ledger.state import State
from rollbook.ledger.work import Work
from rollbook.model import Pruned


def tell(to: Feed, work: Work, ops: Sequence[Op], answers: Sequence[Any]) -> None:
    """Publish what a committed batch changed, before its sessions forget what they were. Never raises."""
    if not to.wanted:
        return
    try:
        told = changes_of(work, ops, answers)
    except Exception:  # noqa: BLE001 - the commit stands, and whoever wrote must not be told otherwise for a hint's sake
        told = None
    if told is None or told:
        to.publish(told, work.now)


def changes_of(work: Work, ops: Sequence[Op], answers: Sequence[Any]) -> list[Told] | None:
    """The sessions that a batch changed, and how; None where it may have been all."""
    found: dict[Name, int] = {}
    name_of = work.names.user_ids
    for place, state in work.states.items():
        kinds = items.REMOVED if place in work.purged_states else _kinds(state)
        if place in work.dirty_infos and not state.deleted:
            kinds |= items.FACTS
        if kinds:
            # What is spent by a session that was deleted is still its user's.
            named = "" if state.deleted and not kinds & items.REMOVED else state.session_id
            name = (name_of[state.user_no], named)
            found[name] = found.get(name, 0) | kinds
    for op, answer in _each(ops, answers):
        if isinstance(op, Wipe):
            return None
        said = None if isinstance(answer, RollbookError) else _SAID.get(type(op))
        for name, kinds in said(op, answer) if said else ():
            found[name] = found.get(name, 0) | kinds
    return [(*name, kinds) for name, kinds in found.items()]


def _each(ops: Sequence[Op], answers: Sequence[Any]) -> Iterator[tuple[Op, Any]]:
    """Operations and their answers, also of those that were made together."""
    for op, answer in zip(ops, answers, strict=True):
        if not isinstance(op, Together):
            yield op, answer
        elif not isinstance(answer, RollbookError | Repeated):
            yield from _each(op.ops, answer)


def _kinds(now: State) -> int:
    """How a session differs from what it was before the batch."""
    was = now.source
    if was is None:
        return items.LIFE | (items.USAGE if now.ledger_rows else 0)
    if now.deleted and not was.deleted:
        return items.REMOVED
    kinds = 0
    if (now.ledger_rows, now.pruned_rows) != (was.ledger_rows, was.pruned_rows):
        kinds = items.USAGE
    if (now.turns, now.slice_no) != (was.turns, was.slice_no) or (now.flags ^ was.flags) & st.FLAG_CLOCK:
        kinds |= items.FACTS
    if (now.status, now.attempt, now.started_at, now.ended_at) != (
        was.status, was.attempt, was.started_at, was.ended_at,
    ) or now.life != was.life:  # fmt: skip
        kinds |= items.LIFE
    if not kinds and now.last_activity_at != was.last_activity_at:
        kinds = items.LIFE  # nothing but a sign of life
    return kinds


def _jot(op: Jot, _: Any) -> Iterator[tuple[Name, int]]:
    for change in op.step.changes:
        if isinstance(change, SetState):
            yield (op.user_id, "" if change.of_user else op.session_id), items.STATE
        else:
            yield (op.user_id, op.session_id), items.CONTENT


def _jotted(op: Jotted, _: Any) -> Iterator[tuple[Name, int]]:
    yield (op.user_id, op.session_id), items.CONTENT


def _prune(op: Prune, answer: Pruned) -> Iterator[tuple[Name, int]]:
    if answer.contents:
        yield (op.user_id, op.session_id), items.CONTENT


def _purge_user(op: PurgeUser, _: Any) -> Iterator[tuple[Name, int]]:
    yield (op.user_id, ""), items.REMOVED


#: What operations change beside the session's own row.
_SAID: Final[dict[type, Callable[[Any, Any], Iterator[tuple[Name, int]]]]] = {
    Jot: _jot,
    Jotted: _jotted,
    Prune: _prune,
    PurgeUser: _purge_user,
}
