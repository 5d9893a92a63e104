"""A session as the writer holds it: the stored row, its sums per model, and what it looked like before the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rollbook.rules import life as lives

#: Places in a vector of sums, for a session and for each of its models.
CALLS, TOKENS_IN, TOKENS_OUT, CACHE_READ, CACHE_WRITE, REASONING, COST, UNPRICED, ERRORS = range(9)
ZERO: Final = (0,) * 9

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
    L_SOURCE,
    L_EVIDENCE,
    L_WEIGHT,
    L_ERRORED,
    L_LATE,
    L_USAGE_ID,
) = range(28)

ENTRY_CALL: Final = 0
ENTRY_REVERSAL: Final = 1
ENTRY_CORRECTION: Final = 2
ENTRY_ADJUSTMENT: Final = 3
ENTRIES: Final = ("call", "reversal", "correction", "adjustment")
COST_SOURCES: Final = ("unpriced", "computed", "reported")
BILLINGS: Final = ("unknown", "api", "subscription")

FLAG_CLOCK: Final = 1

LedgerRow = list[Any]
Vector = list[int]

_life_decoder = msgspec.json.Decoder(tuple[lives.Event, ...])


def tokens_in(row: Sequence[Any]) -> int:
    return int(sum(row[L_INPUT : L_CACHE_WRITE_1H + 1]) + row[L_AUDIO_IN])


def tokens_out(row: Sequence[Any]) -> int:
    return int(row[L_OUTPUT] + row[L_REASONING] + row[L_AUDIO_OUT])


def vector(row: Sequence[Any]) -> Vector:
    """What a ledger row adds to its session's and its model's sums."""
    _, read, write, write_1h, output, reasoning, audio_in, audio_out, cost, unpriced = row[L_INPUT : L_UNPRICED + 1]
    calls = row[L_CALLS]
    return [
        calls,
        row[L_INPUT] + read + write + write_1h + audio_in,
        output + reasoning + audio_out,
        read,
        write + write_1h,
        reasoning,
        cost or 0,
        unpriced,
        calls if row[L_ERRORED] else 0,
    ]


def add(into: Vector, what: Sequence[int], factor: int) -> None:
    """Add a vector, or take it away."""
    for place, value in enumerate(what):
        if value:
            into[place] += factor * value


class State:
    """One session under the write lock. Copied at the first touch in a batch; the copy is kept only by the commit."""

    __slots__ = (
        "agent_time",
        "attempt",
        "attempt_started_at",
        "before",
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
        "session_id",
        "session_no",
        "slice_no",
        "started_at",
        "status",
        "step_errors",
        "sums",
        "turns",
        "user_no",
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
        self.sums: Vector = list(row[13:22])
        (
            self.step_errors,
            self.late_calls,
            self.late_rows,
            self.ledger_rows,
            self.last_model_no,
            self.last_model_at,
            self.flags,
            text,
        ) = row[22:30]
        self.life: tuple[lives.Event, ...] = _life_decoder.decode(text) if text else ()
        self.closed: tuple[tuple[int, int], ...] = ()
        if self.life:
            self.closed = lives.fold(self.life, self.started_at, self.last_sign).closed
        self.models: dict[int, Vector] = {}
        self.before: Before | None = None

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
        )

    def copy(self) -> State:
        """A copy to work on, which remembers what the sums hold of the session now."""
        twin = State.__new__(State)
        for name in _PLAIN:
            setattr(twin, name, getattr(self, name))
        twin.sums = self.sums.copy()
        twin.models = {number: sums.copy() for number, sums in self.models.items()}
        twin.before = Before(self)
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


_PLAIN: Final = tuple(name for name in State.__slots__ if name not in ("sums", "models", "before"))


class Before:
    """What the kept sums hold of a session: where, and how much."""

    __slots__ = ("amounts", "hour", "models", "place", "source")

    def __init__(self, state: State) -> None:
        self.source = state
        self.hour = state.last_activity_at // 3_600_000_000
        self.place = None if state.deleted else (state.user_no, self.hour, state.status, state.slice_no)
        self.amounts = activity(state)
        self.models = {} if state.deleted else {number: model_activity(sums) for number, sums in state.models.items()}


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


def model_activity(sums: Vector) -> tuple[int, ...]:
    """What one model of a session adds to Activity: the session, calls, tokens in and out, cost, unpriced."""
    return (1, sums[CALLS], sums[TOKENS_IN], sums[TOKENS_OUT], sums[COST], sums[UNPRICED])
