"""The rules by which spans become what a book keeps, as they arrive: in any order, in any number of batches, or again.

*Whose a span is.* A span may name its session; where it does not, its nearest ancestor does that names one, or whatever
span of the trace does. Until a name is known, what the trace has to say waits in its note. A trace whose root has come
and that nobody named is a session of its own, ``trace:`` and the trace's id; so is one that nobody named for long
(:func:`settle`). When a name comes after all, as of a root that runs for hours, that session turns out to be part of
the one that is named.

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
from typing import Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from rollbook.ledger.ops import Call
from rollbook.model import MICROS
from rollbook.telemetry import names
from rollbook.telemetry.told import SpanTold

ROOM: Final = "trace"  #: of the notes
MOST_SPANS: Final = 4_000  #: of one trace whose places are remembered
MOST_BYTES: Final = 1_000_000  #: of one note; what waits in a larger one waits no longer
KEPT_US: Final = 86_400 * MICROS  #: how long a trace is remembered after its latest span
PATIENCE_US: Final = 900 * MICROS  #: how long what a trace says waits for a name
#: A note in which something waits is never too old: it is marked by when it began to wait, after all times there are.
WAITING: Final = 2**61

OWN: Final = "trace:"  #: how a session begins that is a trace nobody named

_DEPTH: Final = 64  #: ancestors of a span that are asked for a session, or whether they are the same call
_FAILED: Final = 1  #: how sure usage below a span is: a call that merely failed,
_USED: Final = 2  #: and one that used something

_WAITS: Final = 0  #: a call that is not handed over yet,
_COUNTS: Final = 1  #: one that is,
_DOUBLE: Final = 2  #: and one that another span tells as well

Placed = tuple[int | None, SpanTold]
Spans = Sequence[tuple[int, SpanTold]]


class Said(Struct, frozen=True, gc=False):
    """What a span says, and of which session."""

    session_id: str
    place: int | None  #: None: it came earlier
    told: SpanTold
    call: Call | None  #: its call, if that counts


class Apart(Struct, frozen=True, gc=False):
    """A session that is part of another one."""

    session_id: str
    into: str
    alike: tuple[tuple[str, str], ...]  #: names of its calls, and what these are like in the other


class Joined(Struct, frozen=True, gc=False):
    """What is made of spans and of the note about what came before of their trace."""

    value: str  #: the new note, JSON
    expires_at: int  #: when it may be forgotten, microseconds
    said: Sequence[Said]  #: what does not wait
    taken_back: Sequence[str]  #: names of calls that are none
    apart: Apart | None = None  #: a session that turns out to be part of another one


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """A call that counts as long as nothing is seen below it."""

    usage_id: str
    rank: int


class Made(Struct, frozen=True, array_like=True, gc=False):
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
    apart: bool = False  #: something was said of the session that goes by the trace's own id
    alike: dict[str, str] = field(default_factory=dict)  #: what calls of that are like, as far as they are


_decoder: Final = msgspec.json.Decoder(Trace)
_encoder: Final = msgspec.json.Encoder()


def fold(value: str | None, spans: Spans, *, now: int) -> Joined | None:
    """Take in spans of one trace; ``value`` is its note, if there is one. None where all of them were known already."""
    trace = _read(value)
    found: dict[str, tuple[int, SpanTold]] = {}
    for place, told in spans:
        if told.span_id not in trace.spans:
            found.setdefault(told.span_id, (place, told))
    if not found:
        return None
    new = list(found.values())
    for _, told in new:
        _learn(trace, told)
    taken_back = [usage for _, told in new for usage in _cover_above(trace, told)]
    if len(trace.made) > 1:  # so that there may be two for one
        taken_back += _doubles(trace, new)
    return _joined(trace, new, taken_back, now)


def settle(value: str, *, now: int) -> Joined:
    """Let what waits go by the trace's own id: nobody named it for long."""
    trace = _read(value)
    trace.own = True
    return _joined(trace, (), [], now)


def _read(value: str | None) -> Trace:
    """What is remembered; a note that cannot be read, or that another version wrote, is none."""
    try:
        return Trace() if value is None else _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Trace()


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
    above = told.parent_id
    if not above:
        return []
    rank = max(trace.covered.get(told.span_id, 0), 0 if told.call is None else _rank(told.call))
    taken_back: list[str] = []
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
            trace.made[double] = replace(trace.made[double], state=_DOUBLE)
    return taken_back


def _all_above(trace: Trace, span_id: str) -> Iterator[str]:
    """The ancestors of a span that are known, the nearest first."""
    for _ in range(_DEPTH):
        span_id = trace.spans.get(span_id, ("", ""))[0]
        if not span_id:
            return
        yield span_id


def _rank(call: Call) -> int:
    return _USED if call.cost_nano or call.tokens.total else _FAILED


def _joined(trace: Trace, new: Sequence[Placed], taken_back: list[str], now: int) -> Joined:
    told_of = [(place, told) for place, told in new if _says(told)]
    if trace.waiting:
        told_of = [*((None, told) for told in trace.waiting.values()), *told_of]
    if trace.name is None and not trace.own:
        trace.waiting, trace.since = {told.span_id: told for _, told in told_of}, trace.since or now
        if not trace.waiting:
            return Joined(_written(trace), now + KEPT_US, (), taken_back)
        written = _encoder.encode(trace)
        if len(trace.spans) <= MOST_SPANS and len(written) <= MOST_BYTES:
            return Joined(written.decode(), WAITING + trace.since, (), taken_back)
        trace.own = True
    trace.waiting, trace.since = {}, 0
    said = _said(trace, told_of)
    apart = _apart(trace, new, said)
    return Joined(_written(trace), now + KEPT_US, said, taken_back, apart)


def _apart(trace: Trace, new: Sequence[Placed], said: Sequence[Said]) -> Apart | None:
    """The session of the trace's own id and the one that it is part of, now that a span has named that."""
    if trace.name is None:
        trace.apart = trace.apart or bool(said)
        return None
    if not trace.apart or not new:
        return None
    into, alike = trace.name[2], trace.alike
    trace.apart, trace.alike = False, {}
    own = OWN + new[0][1].trace_id
    return Apart(own, into, tuple((name, names.alike_in(text, into)) for name, text in alike.items()))


def _says(told: SpanTold) -> bool:
    """Whether a span has anything to say of its session."""
    return told.ours or told.call is not None or bool(told.steps) or told.end is not None


def _written(trace: Trace) -> str:
    """A note as it is stored; of one that is too large the oldest structure is forgotten."""
    keep = len(trace.spans)
    while keep:
        keep = min(keep, MOST_SPANS)
        if keep < len(trace.spans):
            _forget(trace, len(trace.spans) - keep)
        written = _encoder.encode(trace)
        if len(written) <= MOST_BYTES:
            return written.decode()
        keep //= 2
    return _encoder.encode(Trace(name=trace.name, own=True, apart=trace.apart)).decode()


def _forget(trace: Trace, many: int) -> None:
    for name in list(trace.alike)[: max(0, len(trace.alike) - len(trace.spans) + many)]:
        del trace.alike[name]
    for span_id in list(trace.spans)[:many]:
        del trace.spans[span_id]
        trace.counted.pop(span_id, None)
        trace.made.pop(span_id, None)
    for span_id in list(trace.covered)[: max(0, len(trace.covered) - 2 * MOST_SPANS)]:
        del trace.covered[span_id]


def _said(trace: Trace, told_of: Iterable[Placed]) -> list[Said]:
    """What spans say, now that it is known whose they are."""
    several = len(trace.spans) > 1 and len({session for _, session in trace.spans.values() if session}) > 1
    found = []
    for place, told in told_of:
        name = told.session_id or (_above(trace, told) if several else None)
        if name is None:
            name = OWN + told.trace_id if trace.name is None else trace.name[2]
        call = None if told.call is None else _call(trace, name, told, told.call)
        if call is not None and trace.name is None:
            call = replace(call, weight=call.weight - 1)  # so that it goes where the trace does, if somebody names it
            if call.alike is not None and told.call is not None and told.call.alike is not None:
                trace.alike[call.usage_id] = told.call.alike
        found.append(Said(name, place, told, call))
    return found


def _above(trace: Trace, told: SpanTold) -> str | None:
    """The session that the nearest ancestor names which names one."""
    sessions = (trace.spans[above][1] for above in _all_above(trace, told.span_id) if above in trace.spans)
    return next(filter(None, sessions), None)


def _call(trace: Trace, session_id: str, told: SpanTold, call: Call) -> Call | None:
    """The call of a span, if it counts as far as is known."""
    if told.sure:
        made = trace.made.get(told.span_id)
        if made is not None and made.state == _DOUBLE:
            return None
        if made is not None:
            trace.made[told.span_id] = replace(made, state=_COUNTS)
        if call.session_id == session_id and call.alike is None:
            return call
        alike = None if call.alike is None else names.alike_in(call.alike, session_id)
        return replace(call, session_id=session_id, alike=alike)
    rank = _rank(call)
    if trace.covered.get(told.span_id, 0) >= rank:
        return None
    # Its own name alone: a sum may carry the id of the last response that it is a sum of, or take what that took.
    name = names.span(told.trace_id, told.span_id)
    trace.counted[told.span_id] = Counted(name, rank)
    return replace(call, session_id=session_id, usage_id=name, aliases=(), alike=None)
