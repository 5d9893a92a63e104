"""The rules by which spans become what a book keeps, as they arrive: in any order, in any number of batches, or again.

*Whose a span is.* A span may name its session; where it does not, its nearest ancestor does that names one, or whatever
span of the trace does. Until a name is known, what the trace has to say waits in its note. A trace whose root has come
and that nobody named is a session of its own, ``trace:`` and the trace's id; so is one that nobody named for long
(:func:`settle`). Once that was done, a name that comes after all is for what comes with it and later.

*What counts.* A model's call counts, whatever is above or below it. Some emitters write usage on spans without saying
whether they are calls or sums of calls: such a span counts as long as no span below it has usage. When one comes, the
call of the span above is taken back. Where two libraries report the same call, one within the other, there are two
spans of a model's call with the same amounts, one below the other: the one that has no id of the provider's is the same
call, and is taken back. The result is the same in whatever order they come.

A note is what is remembered of a trace: which spans it has, and below which of them usage was seen. It is bounded; of a
trace with more, the oldest structure is forgotten, but nothing that waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Call, Facts, Jot, Op, Retract, Touch
from rollbook.model import MICROS
from rollbook.telemetry import names
from rollbook.telemetry.told import Folded, SpanTold

ROOM: Final = "trace"  #: of the notes
MOST_SPANS: Final = 4_000  #: of one trace whose places are remembered
MOST_BYTES: Final = 1_000_000  #: of one note; what waits in a larger one waits no longer
KEPT_US: Final = 86_400 * MICROS  #: how long a trace is remembered after its latest span
PATIENCE_US: Final = 900 * MICROS  #: how long what a trace says waits for a name
#: A note in which something waits is never too old: it is marked by when it began to wait, after all times there are.
WAITING: Final = 2**61

OWN: Final = "trace:"  #: how a session begins that is a trace nobody named
SUMMED: Final = "its children report what it used"

_DEPTH: Final = 64  #: ancestors of a span that are asked for a session, or whether they are the same call
_FAILED: Final = 1  #: how sure usage below a span is: a call that merely failed,
_USED: Final = 2  #: and one that used something

_WAITS: Final = 0  #: a call that is not handed over yet,
_COUNTS: Final = 1  #: one that is,
_DOUBLE: Final = 2  #: and one that another span tells as well

Placed = tuple[int | None, SpanTold]
User = tuple[str, str | None]  #: whose everything is, and how it was named
Spans = Sequence[tuple[int, SpanTold]]


class _Here(NamedTuple):
    """Which trace it is, whose, and when."""

    trace_id: str
    user: User
    now: int


class Counted(NamedTuple):
    """A call that counts as long as nothing is seen below it."""

    usage_id: str
    rank: int


class Made(NamedTuple):
    """A model's call that is one for certain."""

    took: int
    gave: int
    own: bool  #: it is known by its span alone
    state: int


class Trace(Struct, array_like=True):
    """What is remembered of a trace."""

    since: int = 0  #: when the first began to wait that waits, by the clock
    name: tuple[int, int, str] | None = None  #: a name that a span gave it: the root's rather, or the earliest one's
    own: bool = False  #: without a name it goes by its own id
    spans: dict[str, tuple[str, str]] = field(default_factory=dict)  #: parent and session, in the order of arrival
    covered: dict[str, int] = field(default_factory=dict)  #: below which spans usage was seen, and how sure it is
    counted: dict[str, Counted] = field(default_factory=dict)  #: calls that may turn out to be sums
    waiting: dict[str, SpanTold] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)


_decoder: Final = msgspec.json.Decoder(Trace)
_encoder: Final = msgspec.json.Encoder()


def fold(value: str | None, spans: Spans, *, user: User, now: int) -> Folded | None:
    """Take in spans of one trace; ``value`` is its note, if there is one. None where all of them were known already.

    Each span's operations are checked and say whose they are, but for the session, which is put in here.
    """
    trace = _read(value)
    new = [(place, told) for place, told in _once(spans) if told.span_id not in trace.spans]
    if not new:
        return None
    for _, told in new:
        _learn(trace, told)
    taken_back = [usage for _, told in new for usage in _cover_above(trace, told)]
    taken_back += _doubles(trace, new)
    return _folded(trace, new, taken_back, _Here(new[0][1].trace_id, user, now))


def settle(value: str, trace_id: str, *, user: User, now: int) -> Folded:
    """Let what waits go by the trace's own id: nobody named it for long."""
    trace = _read(value)
    trace.own = True
    return _folded(trace, (), [], _Here(trace_id, user, now))


def _read(value: str | None) -> Trace:
    """What is remembered; a note that cannot be read, or that another version wrote, is none."""
    try:
        return Trace() if value is None else _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Trace()


def _once(spans: Spans) -> list[tuple[int, SpanTold]]:
    """Spans without those that came twice in one batch."""
    found: dict[str, tuple[int, SpanTold]] = {}
    for place, told in spans:
        found.setdefault(told.span_id, (place, told))
    return list(found.values())


def _learn(trace: Trace, told: SpanTold) -> None:
    """Note a span's place, what it says of whose the trace is, and its call."""
    call = told.call
    if call is not None and told.sure:
        own = call.usage_id == names.span(told.trace_id, told.span_id)
        trace.made[told.span_id] = Made(call.tokens.tokens_in, call.tokens.tokens_out, own, _WAITS)
    trace.spans[told.span_id] = (told.parent_id, told.session_id or "")
    if told.session_id:
        said = (int(bool(told.parent_id)), told.at, told.session_id)
        trace.name = said if trace.name is None else min(trace.name, said)
    elif not told.parent_id:
        trace.own = True


def _cover_above(trace: Trace, told: SpanTold) -> list[str]:
    """Note that there is usage at or below a span, for all above it; the calls that turn out to be sums."""
    rank = max(trace.covered.get(told.span_id, 0), 0 if told.call is None else _rank(told.call))
    taken_back: list[str] = []
    above = told.parent_id
    while above and trace.covered.get(above, 0) < rank:
        trace.covered[above] = rank
        if (counted := trace.counted.get(above)) is not None and counted.rank <= rank:
            del trace.counted[above]
            taken_back.append(counted.usage_id)
        above = trace.spans.get(above, ("", ""))[0]
    return taken_back


def _doubles(trace: Trace, new: Sequence[tuple[int, SpanTold]]) -> list[str]:
    """Find calls that two spans tell, one below the other; those that were handed over and are to be taken back."""
    fresh = {told.span_id for _, told in new}
    parents = {parent for span_id, (parent, _) in trace.spans.items() if span_id not in fresh}
    # Only a span that comes after one below it can stand between spans that were there before.
    asked = trace.made if fresh & parents else fresh & trace.made.keys()
    taken_back: list[str] = []
    for lower in list(asked):
        for upper in _all_above(trace, lower):
            made, above = trace.made[lower], trace.made.get(upper)
            if above is None or (made.took, made.gave) != (above.took, above.gave) or not (made.own or above.own):
                continue
            double = upper if above.own else lower
            if trace.made[double].state == _COUNTS:
                taken_back.append(names.span(new[0][1].trace_id, double))
            trace.made[double] = trace.made[double]._replace(state=_DOUBLE)
    return taken_back


def _all_above(trace: Trace, span_id: str) -> Iterator[str]:
    """The ancestors of a span that are known, the nearest first."""
    for _ in range(_DEPTH):
        span_id = trace.spans.get(span_id, ("", ""))[0]
        if not span_id:
            return
        yield span_id


def _rank(call: Call) -> int:
    return _USED if call.tokens.total or call.cost_nano else _FAILED


def _folded(trace: Trace, new: Sequence[Placed], taken_back: list[str], here: _Here) -> Folded:
    now, user = here.now, here.user
    held: list[Placed] = [(None, told) for told in trace.waiting.values()]
    told_of = [*held, *((place, told) for place, told in new if _says(told))]
    trace.waiting = {told.span_id: told for _, told in told_of}
    full = bool(trace.waiting) and (len(trace.spans) > MOST_SPANS or len(_encoder.encode(trace)) > MOST_BYTES)
    if trace.name is None and not trace.own and not full:
        trace.since = trace.since or now
        return Folded(_written(trace), WAITING + trace.since if trace.waiting else now + KEPT_US, [])
    trace.own = trace.own or full
    trace.waiting, trace.since = {}, 0
    ops = _ops(trace, here.trace_id, told_of, user)
    ops += [
        (None, Retract(user_id=user[0], usage_id=usage_id, reason=SUMMED, user_name=user[1])) for usage_id in taken_back
    ]
    return Folded(_written(trace), now + KEPT_US, ops)


def _says(told: SpanTold) -> bool:
    """Whether a span has anything to say of its session."""
    return told.ours or told.call is not None or bool(told.steps) or told.end is not None


def _written(trace: Trace) -> str:
    """A note as it is stored; of one that is too large the oldest structure is forgotten."""
    keep = len(trace.spans)
    while keep:
        keep = min(keep, MOST_SPANS)
        _forget(trace, len(trace.spans) - keep)
        written = _encoder.encode(trace)
        if len(written) <= MOST_BYTES:
            return written.decode()
        keep //= 2
    return _encoder.encode(Trace(name=trace.name, own=True)).decode()


def _forget(trace: Trace, many: int) -> None:
    for span_id in list(trace.spans)[:many]:
        del trace.spans[span_id]
        trace.counted.pop(span_id, None)
        trace.made.pop(span_id, None)
    for span_id in list(trace.covered)[: max(0, len(trace.covered) - 2 * MOST_SPANS) if many else 0]:
        del trace.covered[span_id]


def _ops(trace: Trace, trace_id: str, told_of: Iterable[Placed], user: User) -> list[tuple[int | None, Op]]:
    """What is to be applied of spans, now that it is known whose they are."""
    several = len({session for _, session in trace.spans.values() if session}) > 1
    default = OWN + trace_id if trace.name is None else trace.name[2]
    of_session: dict[str, list[Placed]] = {}
    for place, told in told_of:
        name = told.session_id or (_above(trace, told) if several else None) or default
        of_session.setdefault(name, []).append((place, told))
    ops: list[tuple[int | None, Op]] = []
    for name, found in of_session.items():
        ops += _touches(name, found, user)
        ops += [(place, call) for place, told in found if (call := _call(trace, name, told)) is not None]
        ops += _jots(name, found, user)
        ops += [(place, replace(told.end, session_id=name)) for place, told in found if told.end is not None]
    return ops


def _above(trace: Trace, told: SpanTold) -> str | None:
    """The session that the nearest ancestor names which names one."""
    sessions = (trace.spans[above][1] for above in _all_above(trace, told.span_id) if above in trace.spans)
    return next(filter(None, sessions), None)


def _call(trace: Trace, session_id: str, told: SpanTold) -> Call | None:
    """The call of a span, if it counts as far as is known."""
    call = told.call
    if call is None:
        return None
    if told.sure:
        made = trace.made.get(told.span_id)
        if made is not None and made.state == _DOUBLE:
            return None
        if made is not None:
            trace.made[told.span_id] = made._replace(state=_COUNTS)
        alike = None if call.alike is None else names.alike_in(call.alike, session_id)
        return replace(call, session_id=session_id, alike=alike)
    rank = _rank(call)
    if trace.covered.get(told.span_id, 0) >= rank:
        return None
    # Its own name alone: a sum may carry the id of the last response that it is a sum of, or take what that took.
    name = names.span(told.trace_id, told.span_id)
    trace.counted[told.span_id] = Counted(name, rank)
    return replace(call, session_id=session_id, usage_id=name, aliases=(), alike=None)


def _touches(session_id: str, found: Sequence[Placed], user: User) -> list[tuple[int | None, Op]]:
    """Signs of life: what was said of the session, when first and when last; and its latest activity."""
    user_id, user_name = user
    said: dict[tuple[Facts, int | None], list[tuple[int, int | None]]] = {}
    for place, told in found:
        said.setdefault((told.facts, told.turns), []).append((told.at, place))
        if told.service and told.facts.agent is None:
            # The first name stays, and whoever has one of its own has begun before anything ends.
            said.setdefault((Facts(agent=told.service), None), []).append((told.until, place))
    moments: dict[tuple[int, Facts, int | None], int | None] = {}
    for (facts, turns), times in said.items():
        for at, place in (min(times, key=_when), max(times, key=_when)):
            moments.setdefault((at, facts, turns), place)
    last = max(told.until for _, told in found)
    if all(at < last for at, _, _ in moments):
        at, facts, turns = max(moments, key=lambda moment: moment[0])
        moments[last, Facts(), None] = moments[at, facts, turns]
    return [
        (place, Touch(user_id=user_id, session_id=session_id, at=at, facts=facts, turns=turns, user_name=user_name))
        for (at, facts, turns), place in moments.items()
    ]


def _when(moment: tuple[int, int | None]) -> int:
    return moment[0]


def _jots(session_id: str, found: Sequence[Placed], user: User) -> list[tuple[int | None, Op]]:
    """What was said and done in a session, in the order of time."""
    streams: dict[str, list[New]] = {}
    places = []
    for place, told in found:
        for stream, new in told.steps:
            streams.setdefault(stream, []).append(new)
            places.append(place)
    if not streams:
        return []
    user_id, user_name = user
    at = max(told.until for _, told in found if told.steps)
    changes = tuple(
        Append(stream, tuple(sorted(entries, key=lambda new: new.created_at))) for stream, entries in streams.items()
    )
    step = Step(user_id, session_id, at, changes)
    return [(places[0], Jot(user_id=user_id, session_id=session_id, at=at, step=step, user_name=user_name))]
