"""The life of a session as a function of what is known of it, whatever the order in which that arrived (R1, R2).

A session's record keeps its *life*: every end, reopening and presumed crash that anybody stated, each with its own
time, and two marks of its activity: the first and the last time at which anything happened. From those alone
:func:`fold` tells status, attempts and times. So a late end closes the attempt that was open then, a late reopening
makes later calls count, and every permutation of the same events gives the same session.

What an event means:

- a *hard* end (a client's, a hook's) closes the attempt that is open at its time; the first one in time wins;
- a reopening opens the next attempt if the session was closed at its time, and says nothing otherwise;
- a *mark* (presumed crashed) stands while nothing later is known; what is later revives the session as a new attempt;
- a *base* is what the older part of a long life came to, once more than :data:`LIFE_CAP` events were known;
- a *soft* end (inferred by an importer) stands while nothing later is known; later activity shows that it was no end at
  all, so that importing once or every day tells the same story, and an explicit reopening starts a new attempt.

Time between a presumed crash and the revival counts as agent time: only an end and a reopening take a gap out, because
only they have times that somebody stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from rollbook.model import Status

BASE: Final = -1  #: what everything up to its time came to: attempts in ``status``, agent time in ``reason``
END: Final = 0  #: a hard end
REOPEN: Final = 1
MARK: Final = 2  #: presumed crashed
SOFT: Final = 3  #: an inferred end

#: Stored codes of a session's status; ``DELETED`` never leaves the store.
RUNNING: Final = 0
COMPLETED: Final = 1
FAILED: Final = 2
CANCELLED: Final = 3
UNKNOWN: Final = 4
DELETED: Final = 5

STATUS_NAMES: Final = (Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.UNKNOWN, "deleted")
STATUS_CODES: Final = {str(name): code for code, name in enumerate(STATUS_NAMES)}

#: Events that one session's record keeps; beyond it the older half is settled.
LIFE_CAP: Final = 256


class Event(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One statement about a session's life; the order of the fields is that in which events of one instant apply."""

    at: int
    what: int  #: BASE, END, REOPEN, MARK or SOFT
    status: int = RUNNING
    reason: str = ""
    by: str = ""


class Fold(msgspec.Struct, frozen=True):
    """What a life comes to."""

    status: int
    last_activity: int
    ended_at: int | None
    attempt: int
    attempt_started: int
    agent_time: int  #: microseconds over closed attempts and the open one
    closed: tuple[tuple[int, int], ...]  #: spans (end, reopening) in which nothing counts; the last may be open-ended
    decided: Event | None  #: the event that gave the status


NEVER: Final = 2**62  #: the end of a span that has none


def add(life: Sequence[Event], event: Event, first: int) -> tuple[Event, ...]:
    """The life with one more event; the same event again, or one older than what is settled, changes nothing."""
    if event in life or event.at <= floor(life):
        return tuple(life)
    kept = sorted([*life, event])
    return tuple(kept if len(kept) <= LIFE_CAP else _settled(kept, first))


def floor(life: Sequence[Event]) -> int:
    """The time up to which a life is settled: what happened before it stays as it was decided."""
    return life[0].at if life and life[0].what == BASE else -1


def _settled(life: Sequence[Event], first: int) -> list[Event]:
    """The life with as much of its older half as possible put into one event.

    That can be done wherever the session was open. If it was closed all the while, the ends that were refused because
    an earlier one stands are forgotten instead.
    """
    half, walk = len(life) // 2, _Walk(first)
    base, settled, refused = life[0], 1, []
    for number, event in enumerate(life[:half]):
        if number and walk.ended is None:
            walk.revoke(new_attempt=event.what == REOPEN)
            at = life[number - 1].at
            worked = walk.worked + max(0, at - walk.started)
            base, settled = Event(at, BASE, walk.attempt, str(worked)), number
        elif walk.ended is not None and event.what != REOPEN:
            refused.append(number)
        walk.take(event)
    if settled > 1:
        return [base, *life[settled:]]
    return [event for number, event in enumerate(life) if number not in refused]


class _Walk:
    """One pass over a life: the attempt that is open, or the end that closed it."""

    def __init__(self, first: int) -> None:
        self.attempt, self.started, self.worked = 1, first, 0
        self.closed: list[tuple[int, int]] = []
        self.ended: Event | None = None
        self.pending: Event | None = None  # a mark or a soft end that nothing later has revoked yet
        self.reopened = 0

    def take(self, event: Event) -> None:
        if event.what == BASE:
            self.attempt, self.started, self.worked = event.status, event.at, int(event.reason)
            self.reopened = event.at
            return
        if event.what == REOPEN:
            self.reopened = event.at
        if self.ended is not None:
            if event.what == REOPEN:
                self.closed.append((self.ended.at, event.at))
                self.attempt, self.started, self.ended = self.attempt + 1, event.at, None
            return
        self.revoke(new_attempt=event.what == REOPEN)
        if event.what == END:
            self.ended = event
            self.worked += max(0, event.at - self.started)
        elif event.what != REOPEN:
            self.pending = event

    def revoke(self, *, new_attempt: bool) -> None:
        """What was pending turned out to be no end; a presumed crash was the end of an attempt all the same."""
        pending, self.pending = self.pending, None
        if pending is not None and (new_attempt or pending.what == MARK):
            self.attempt += 1
            self.worked += max(0, pending.at - self.started)
            self.started = pending.at

    def result(self, last: int) -> Fold:
        if self.ended is not None:
            span = (self.ended.at, NEVER)
            return self._fold(self.ended, self.ended.at, self.ended.at, 0, (*self.closed, span))
        # What is open was last active at the latest sign of it, or at a reopening. A mark is no sign of life.
        latest = max(last, self.reopened)
        if self.pending is not None and self.pending.at < latest:
            self.revoke(new_attempt=False)
        ended_at = None
        if self.pending is not None and self.pending.what == SOFT:
            latest = ended_at = self.pending.at
        open_for = max(0, latest - self.started)
        return self._fold(self.pending, latest, ended_at, open_for, tuple(self.closed))

    def _fold(
        self,
        decided: Event | None,
        latest: int,
        ended_at: int | None,
        open_for: int,
        closed: tuple[tuple[int, int], ...],
    ) -> Fold:
        status = RUNNING if decided is None else decided.status
        return Fold(status, latest, ended_at, self.attempt, self.started, self.worked + open_for, closed, decided)


def fold(life: Sequence[Event], first: int, last: int) -> Fold:
    """What a life comes to, where ``first`` and ``last`` are the times of the first and the last sign of activity."""
    walk = _Walk(first)
    for event in life:
        walk.take(event)
    return walk.result(last)


def within(closed: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether a call of that time happened within an attempt, and so counts in its session (R3)."""
    return not any(end < at < reopened for end, reopened in closed)


def effective_status(status: int, last_activity: int, now: int, abandon_after: int) -> str:
    """R4: running and silent for longer than ``abandon_after`` microseconds is abandoned; all else is as stored."""
    if status == RUNNING and last_activity < now - abandon_after:
        return Status.ABANDONED
    return STATUS_NAMES[status]
