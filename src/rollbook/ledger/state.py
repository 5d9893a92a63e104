"""A session as the writer holds it: the stored row, its sums per model, and what it looked like before the batch."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rollbook.model import QUARTER_US, Evidence
from rollbook.rules import life as lives

#: Places in a vector of sums, for a session and for each of its models.
CALLS, TOKENS_IN, TOKENS_OUT, CACHE_READ, CACHE_WRITE, REASONING, COST, UNPRICED, ERRORS = range(9)
ZERO: Final = (0,) * 9
_added: Final = operator.add

#: Places in a ledger row, in the order of the table's columns.
(
    L_USER,
    L_SESSION,
    L_ROW,
    L_ENTRY,
    L_MODEL,
    L_PROVIDER,
    L_OCCURRED,
    L_RECORDED,
    L_CALLS,
    L_INPUT,
    L_CACHE_READ,
    L_CACHE_WRITE,
    L_CACHE_WRITE_1H,
    L_OUTPUT,
    L_REASONING,
    L_AUDIO_IN,
    L_AUDIO_OUT,
    L_COST,
    L_UNPRICED,
    L_COST_SOURCE,
    L_PRICE,
    L_BILLING,
    L_TIER,
    L_SOURCE,
    L_EVIDENCE,
    L_WEIGHT,
    L_ERRORED,
    L_LATE,
    L_USAGE_ID,
) = range(29)

ENTRY_CALL: Final = 0
ENTRY_REVERSAL: Final = 1
ENTRY_CORRECTION: Final = 2
ENTRY_ADJUSTMENT: Final = 3
ENTRY_CLOSING: Final = 4  #: what pruned rows came to
ENTRIES: Final = ("call", "reversal", "correction", "adjustment", "closing")
COST_SOURCES: Final = ("unpriced", "computed", "reported")
BILLINGS: Final = ("unknown", "api", "subscription")
TIERS: Final = ("standard", "batch", "flex", "priority", "fast")
RANKS: Final = {int(item): item.name.lower() for item in Evidence}

FLAG_CLOCK: Final = 1
FLAG_ELSEWHERE: Final = 2  #: something of the session is kept outside of the database
FLAG_METRICS: Final = 4  #: it has calls of which only metrics tell
FLAG_METERED: Final = 8  #: a call of better evidence than metrics was reported to it

LedgerRow = list[Any]
Vector = tuple[int, ...]

_life_decoder = msgspec.json.Decoder(tuple[lives.Event, ...])


def tokens_in(row: Sequence[Any]) -> int:
    return int(sum(row[L_INPUT : L_CACHE_WRITE_1H + 1]) + row[L_AUDIO_IN])


def tokens_out(row: Sequence[Any]) -> int:
    return int(row[L_OUTPUT] + row[L_REASONING] + row[L_AUDIO_OUT])


def vector(row: Sequence[Any]) -> Vector:
    """What a ledger row adds to its session's and its model's sums."""
    _, read, write, write_1h, output, reasoning, audio_in, audio_out, cost, unpriced = row[L_INPUT : L_UNPRICED + 1]
    calls = row[L_CALLS]
    return (
        calls,
        row[L_INPUT] + read + write + write_1h + audio_in,
        output + reasoning + audio_out,
        read,
        write + write_1h,
        reasoning,
        cost or 0,
        unpriced,
        calls if row[L_ERRORED] else 0,
    )


def standing(row: Sequence[Any]) -> int:
    """How many calls a row says were made with its model at its time, or took away; adjustments speak for one."""
    return 1 if row[L_ENTRY] in (ENTRY_ADJUSTMENT, ENTRY_CLOSING) else int(row[L_CALLS])


def plus(left: Sequence[int], right: Sequence[int]) -> Vector:
    """The sum of two vectors."""
    if len(left) == len(ZERO):  # what most are, and written out it takes half the time
        a, b, c, d, e, f, g, h, i = left
        j, k, l, m, n, o, p, q, r = right  # noqa: E741 - nobody takes it for a one here
        return a + j, b + k, c + l, d + m, e + n, f + o, g + p, h + q, i + r
    return tuple(map(_added, left, right))


def minus(left: Sequence[int], right: Sequence[int]) -> Vector:
    """The difference of two vectors."""
    return tuple(map(operator.sub, left, right))


class State:
    """One session under the write lock. Copied at the first touch in a batch; the copy is kept only by the commit."""

    __slots__ = (
        "agent_time",
        "attempt",
        "attempt_started_at",
        "closed",
        "ended_at",
        "flags",
        "last_activity_at",
        "last_model_at",
        "last_model_no",
        "last_sign",
        "late_calls",
        "late_rows",
        "ledger_rows",
        "life",
        "models",
        "pruned_rows",
        "session_id",
        "session_no",
        "slice_no",
        "source",
        "started_at",
        "status",
        "step_errors",
        "sums",
        "turns",
        "user_no",
        "version",
    )

    def __init__(self, row: Sequence[Any]) -> None:
        (
            self.user_no,
            self.session_no,
            self.session_id,
            self.status,
            self.slice_no,
            self.started_at,
            self.last_activity_at,
            self.ended_at,
            self.last_sign,
            self.attempt,
            self.attempt_started_at,
            self.agent_time,
            self.turns,
        ) = row[:13]
        self.sums: Vector = tuple(row[13:22])
        (
            self.step_errors,
            self.late_calls,
            self.late_rows,
            self.ledger_rows,
            self.last_model_no,
            self.last_model_at,
            self.flags,
            text,
            self.pruned_rows,
            self.version,
        ) = row[22:32]
        self.life: tuple[lives.Event, ...] = _life_decoder.decode(text) if text else ()
        self.closed: tuple[tuple[int, int], ...] = ()
        if self.life:
            self.closed = lives.fold(self.life, self.started_at, self.last_sign).closed
        self.models: dict[int, Vector] = {}
        self.source: State | None = None

    def row(self) -> tuple[Any, ...]:
        """The row to store."""
        return (
            self.user_no,
            self.session_no,
            self.session_id,
            self.status,
            self.slice_no,
            self.started_at,
            self.last_activity_at,
            self.ended_at,
            self.last_sign,
            self.attempt,
            self.attempt_started_at,
            self.agent_time,
            self.turns,
            *self.sums,
            self.step_errors,
            self.late_calls,
            self.late_rows,
            self.ledger_rows,
            self.last_model_no,
            self.last_model_at,
            self.flags,
            msgspec.json.encode(self.life).decode() if self.life else "",
            self.pruned_rows,
            self.version,
        )

    def copy(self) -> State:
        """A copy to work on, which remembers the session as the kept sums know it."""
        twin = State.__new__(State)
        # Written out, because a batch makes one for every session that it touches.
        twin.user_no = self.user_no
        twin.session_no = self.session_no
        twin.session_id = self.session_id
        twin.status = self.status
        twin.slice_no = self.slice_no
        twin.started_at = self.started_at
        twin.last_activity_at = self.last_activity_at
        twin.ended_at = self.ended_at
        twin.last_sign = self.last_sign
        twin.attempt = self.attempt
        twin.attempt_started_at = self.attempt_started_at
        twin.agent_time = self.agent_time
        twin.turns = self.turns
        twin.sums = self.sums
        twin.step_errors = self.step_errors
        twin.late_calls = self.late_calls
        twin.late_rows = self.late_rows
        twin.ledger_rows = self.ledger_rows
        twin.pruned_rows = self.pruned_rows
        twin.version = self.version
        twin.last_model_no = self.last_model_no
        twin.last_model_at = self.last_model_at
        twin.flags = self.flags
        twin.life = self.life
        twin.closed = self.closed
        twin.models = self.models.copy()
        twin.source = self
        return twin

    @property
    def deleted(self) -> bool:
        return bool(self.status == lives.DELETED)

    def sign(self, at: int) -> None:
        """Something happened at that time: a touch or a call."""
        if at > self.last_sign:
            self.last_sign = at
        elif at >= self.started_at:
            # Between two known times: it can change nothing that was folded from the outermost ones.
            return
        self.started_at = min(self.started_at, at)
        if self.life:
            self.refold()
        elif not self.deleted:
            self.last_activity_at = self.last_sign
            self.attempt_started_at = self.started_at
            self.agent_time = self.last_sign - self.started_at

    def refold(self) -> None:
        """Status, times and attempts anew from the session's life."""
        if self.deleted:
            return
        folded = lives.fold(self.life, self.started_at, self.last_sign)
        self.status = folded.status
        self.last_activity_at = folded.last_activity
        self.ended_at = folded.ended_at
        self.attempt = folded.attempt
        self.attempt_started_at = folded.attempt_started
        self.agent_time = folded.agent_time
        self.closed = folded.closed


Where = tuple[int, int, int, int]  #: user, quarter hour, status, slice


def place(state: State) -> Where | None:
    """Where Activity keeps a session; nowhere if it was deleted."""
    if state.status == lives.DELETED:
        return None
    return (state.user_no, state.last_activity_at // QUARTER_US, state.status, state.slice_no)


def activity(state: State) -> tuple[int, ...]:
    """What a session adds to its place in Activity: itself, calls, tokens in and out, cost, unpriced, errors, time."""
    sums = state.sums
    return (
        1,
        sums[CALLS],
        sums[TOKENS_IN],
        sums[TOKENS_OUT],
        sums[COST],
        sums[UNPRICED],
        sums[ERRORS] + state.step_errors,
        state.agent_time,
    )


def activity_change(old: State, now: State) -> tuple[int, ...]:
    """What a session adds to its place in Activity beside what it did before, where that is the same place."""
    before, after = old.sums, now.sums
    return (
        0,
        after[CALLS] - before[CALLS],
        after[TOKENS_IN] - before[TOKENS_IN],
        after[TOKENS_OUT] - before[TOKENS_OUT],
        after[COST] - before[COST],
        after[UNPRICED] - before[UNPRICED],
        after[ERRORS] - before[ERRORS] + now.step_errors - old.step_errors,
        now.agent_time - old.agent_time,
    )


def model_activity(sums: Sequence[int] | None) -> tuple[int, ...]:
    """What one model of a session adds to Activity: the session, calls, tokens in and out, cost, unpriced."""
    if sums is None:
        return NO_MODEL
    return (1, sums[CALLS], sums[TOKENS_IN], sums[TOKENS_OUT], sums[COST], sums[UNPRICED])


NOTHING: Final = (0,) * 8
NO_MODEL: Final = (0,) * 6
