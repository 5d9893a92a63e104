"""What telemetry tells, whichever emitter said it and in whichever words: the doors make these, a book takes them.

Whose it is, is not said: everything is of the user who sends it, and the book fills in ``user_id`` of the operations.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from rollbook.errors import RollbookError
from rollbook.journal.steps import New
from rollbook.ledger.ops import NO_FACTS, Call, End, Facts, Jot, Op, Touch

Entry = tuple[str, New]  #: a stream, and what is to be appended to it


class SpanTold(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One span of a trace. Times are microseconds UTC."""

    trace_id: str
    span_id: str
    parent_id: str = ""  #: empty: the root of its trace
    session_id: str | None = None  #: as the span itself, or its resource, names it
    at: int  #: when it began
    until: int  #: when it ended
    ours: bool = True  #: it is of an agent's work; False: it merely stands between such spans
    facts: Facts = NO_FACTS  #: what it says of its session
    service: str | None = None  #: what to call the agent where nobody names it
    turns: int | None = None  #: how many turns it knows of
    call: Call | None = None  #: a metered call; its session is filled in when the span is joined
    sure: bool = False  #: the call is a model's for certain; else it may be the sum of calls below it
    steps: tuple[Entry, ...] = ()  #: steps of the trace and messages
    end: End | None = None  #: of its session, where the source states one
    failed: bool = False


class OpsTold(Struct, frozen=True, kw_only=True):
    """Something of a session that is known: what a log record says."""

    ops: tuple[Touch | Call | End | Jot, ...]


class PointTold(Struct, frozen=True, kw_only=True):
    """A point of a metric's series."""

    series: str  #: what tells it from every other series
    session_id: str
    model: str | None = None
    field: str  #: of ``Tokens``, or another one of ``series.FIELDS``
    value: int | float
    start: int  #: since when it counts, microseconds
    at: int
    cumulative: bool  #: the sum since ``start``; else what was added since the point before
    facts: Facts = NO_FACTS


Told = SpanTold | OpsTold | PointTold


class Folded(NamedTuple):
    """What is made of new points of a series and of the note about what came before."""

    value: str  #: the new note, JSON
    expires_at: int  #: when it may be forgotten, microseconds
    ops: list[tuple[int | None, Op]]  #: what is to be applied, with the place of what it comes from (None: earlier)


class Observed(Struct, frozen=True):
    """What became of telemetry."""

    accepted: int  #: how many of what was told were taken, redelivered ones too
    refused: dict[int, RollbookError]  #: why others were not, by their place
    remark: str = ""  #: what is wrong with something that was said besides, by what was taken otherwise
