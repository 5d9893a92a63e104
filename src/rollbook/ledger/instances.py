"""Which process runs which session, what of that is changed, and what is known of it (R5).

What is written here is written at once and not when the batch is saved, so that an operation sees what the ones before
it did. Sessions are held before instances by whoever changes both, so that no two writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from rollbook.errors import Gone, NotFound
from rollbook.instances import Instance
from rollbook.ledger.calls import reshape
from rollbook.ledger.ops import Beat, Bury, Forget, Leave, Lost, Revive
from rollbook.ledger.state import State
from rollbook.ledger.work import Work
from rollbook.model import from_micros
from rollbook.rules import life as lives
from rollbook.rules.liveness import Known, Life, Verdict
from rollbook.store import Reading, Row

DECIDED_BY: Final = "reconcile"
OWNED_AT_ONCE: Final = 500  #: sessions that one step marks


class Stored(NamedTuple):
    """An instance as the book has it."""

    instance_id: str
    known: Known
    registered_at: int
    beat: int
    beat_at: int
    ended_at: int | None


class Owned(NamedTuple):
    """A running session of an instance."""

    user_no: int
    session_no: int
    user_id: str
    session_id: str


# What is written


def claim(work: Work, state: State, instance_id: str | None, *, loose: bool) -> None:
    """An instance runs a session from now on, whoever ran it before."""
    if instance_id is not None:
        if state.status == lives.UNKNOWN:  # marked by a clock that is ahead of the caller's
            state.sign(state.life[-1].at + 1)
        work.tx.run("claim_session", [(state.user_no, state.session_no, instance_id, int(loose))])


def release(work: Work, state: State, instance_id: str | None) -> None:
    """An instance has let go of a session; if another one has it meanwhile, that stays."""
    if instance_id is not None:
        work.tx.run("release_session", [(state.user_no, state.session_no, instance_id)])


def presume_crashed(work: Work, state: State, at: int, reason: str | None, by: str) -> bool:
    """Mark a session unknown, if it is running; any later sign of it takes that back. Its last activity stays."""
    if state.status != lives.RUNNING:
        return False
    event = lives.Event(max(at, state.last_activity_at), lives.MARK, lives.UNKNOWN, reason or "", by)
    state.life = lives.add(state.life, event, state.started_at)
    reshape(work, state)
    return True


def _beat(work: Work, op: Beat) -> list[tuple[str, str]]:
    """Take an instance in, or that it lives; sessions of its own that are marked unknown (user and id)."""
    known = op.known
    said = (known.host, known.boot_id, known.pid_namespace, known.pid, known.started)
    work.tx.run("beat_instance", [(op.instance_id, *said, work.now, work.now, known.lease_us)])
    return [(row[0], row[1]) for row in work.tx.rows("marked_of", instance_id=op.instance_id)]


def _leave(work: Work, op: Leave) -> None:
    work.tx.run("release_all", [(op.instance_id,)])
    work.tx.run("drop_instance", [(op.instance_id,)])


def _revive(work: Work, op: Revive) -> bool:
    """The instance lives after all: what was marked because it seemed dead runs again (a mark by itself says more)."""
    try:
        state = work.existing(op.user_id, op.session_id)
    except (NotFound, Gone):
        return False
    if state.status != lives.UNKNOWN or not _owns(work, state, op.instance_id):
        return False
    decided = lives.fold(state.life, state.started_at, state.last_sign).decided
    if decided is None or decided.by != DECIDED_BY or not decided.reason:  # whoever marks all but one says no reason
        return False
    state.sign(max(work.now, decided.at + 1))
    return True


def _lost(work: Work, op: Lost) -> bool:
    """Mark a session whose instance is dead, if it has neither beaten nor ended nor let go since that was found."""
    try:
        state = work.existing(op.user_id, op.session_id)
    except (NotFound, Gone):
        return False
    if not _unheard(work, op.instance_id, op.beat) or not _owns(work, state, op.instance_id):
        return False
    return presume_crashed(work, state, work.now, op.reason, DECIDED_BY)


def _bury(work: Work, op: Bury) -> bool:
    unheard = _unheard(work, op.instance_id, op.beat)
    if unheard:
        work.tx.run("end_instance", [(work.now, op.instance_id)])
    return unheard


def _unheard(work: Work, instance_id: str, beat: int) -> bool:
    """Whether an instance has not ended, and was heard of so often and no more; it cannot be heard of meanwhile."""
    work.tx.run("hold_instance", [(instance_id,)])
    found = work.tx.rows("heard_of", instance_id=instance_id)
    return bool(found) and found[0] == (beat, None)


def _owns(work: Work, state: State, instance_id: str) -> bool:
    found = work.tx.rows("owner_of", user_no=state.user_no, session_no=state.session_no)
    return bool(found) and found[0][0] == instance_id


def _forget(work: Work, op: Forget) -> None:
    work.tx.run("forget_owners", [(op.before,)])
    work.tx.run("forget_instances", [(op.before,)])


APPLY: Final[dict[type, Callable[[Work, Any], Any]]] = {
    Beat: _beat,
    Leave: _leave,
    Revive: _revive,
    Lost: _lost,
    Bury: _bury,
    Forget: _forget,
}


# What is read


def not_ended(tx: Reading, boot_id: str | None) -> list[Stored]:
    """Instances that have not ended; with a boot id, those of that boot of a machine."""
    return [_stored(row) for row in tx.rows("open_instances", boot_id=boot_id)]


def runs(tx: Reading, instance_id: str, after: Owned | None, silent_since: int) -> list[Owned]:
    """Running sessions of an instance, in the order of their keys.

    Of those that it runs only while something happens, the ones that were active since a time.
    """
    user_no, session_no = (0, 0) if after is None else after[:2]
    found = tx.rows(
        "owned_by",
        instance_id=instance_id,
        after_user=user_no,
        after_session=session_no,
        silent_since=silent_since,
        most=OWNED_AT_ONCE,
    )
    return [Owned(*row) for row in found]


def owner(tx: Reading, user_no: int, session_no: int) -> Stored | None:
    """The instance that runs a session, or ran it last."""
    found = tx.rows("instance_of", user_no=user_no, session_no=session_no)
    return _stored(found[0]) if found else None


def any_older(tx: Reading, before: int) -> bool:
    """Whether there are instances that ended before a time."""
    return bool(tx.rows("old_instance", before=before))


def told(stored: Stored, verdict: Verdict) -> Instance:
    """An instance as it is answered."""
    ended = stored.ended_at is not None
    return Instance(
        instance_id=stored.instance_id,
        host=stored.known.host,
        pid=stored.known.pid,
        registered_at=from_micros(stored.registered_at),
        last_beat_at=from_micros(stored.beat_at),
        ended_at=None if stored.ended_at is None else from_micros(stored.ended_at),
        state="ended" if ended else str(verdict.life),
        reason=verdict.reason if verdict.life is Life.DEAD and not ended else None,
    )


def astray(tx: Reading) -> Iterable[Row]:
    """Sessions that are run by nothing, and what is run that is no session: user, session, instance, which is missing.

    For ``verify``.
    """
    return tx.each("every_stray_owner")


def _stored(row: Row) -> Stored:
    return Stored(row[0], Known(*row[1:7]), *row[7:11])
