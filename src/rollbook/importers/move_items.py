"""What other systems' records come to in a book: signs of life, ends, and counters that have no calls.

A counter becomes one row of usage for each session and model, under an id made from its place in the source. The same
counter again is a duplicate; one that grew is an amendment; what order they come in does not matter (decision 18).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.importers.moving import Item, Move
from rollbook.ledger.ops import Call, End, Facts, Mark, Touch
from rollbook.model import Evidence, Status, Tokens
from rollbook.rules import checks

_ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Record(Struct, kw_only=True):
    """One session as a source has it."""

    user_id: str
    user_name: str | None = None
    session_id: str
    status: str  #: running, unknown, or how it ended
    started: int | None  #: microseconds
    active: int | None
    ended: int | None = None
    turns: int | None = None
    facts: Facts
    later: Facts | None = None  #: what of it is known as of its last activity


class Lived(Struct):
    """When a session lived, as far as its times are believed."""

    started: int
    active: int
    ended: int | None

    def within(self, at: int | None) -> int:
        """A time of the session's life: the given one, or the end of it where it is later or not known."""
        last = self.active if self.ended is None else self.ended
        return last if at is None else min(at, last) if self.ended is not None else at


def lived(record: Record, move: Move) -> Lived:
    """The times of a session. Those that are ahead of the clock say nothing; others of the session stand for them."""
    times = [move.believed(at) for at in (record.started, record.active, record.ended)]
    believed = [at for at in times if at is not None]
    if not believed:
        believed = [move.first(record.user_id, record.session_id)]
    started = min(believed) if times[0] is None else times[0]
    active = max(believed) if times[1] is None else max(times[1], started)
    ended = None
    if record.status in _ENDED:
        ended = active if times[2] is None else max(times[2], started)
    return Lived(started, active, ended)


def life(record: Record, times: Lived) -> Iterator[Item]:
    """The operations that tell a session's life."""
    user_id, session_id, name = record.user_id, record.session_id, record.user_name
    last = times.active if times.ended is None else min(times.active, times.ended)
    yield Touch(user_id=user_id, session_id=session_id, user_name=name, at=times.started, facts=record.facts)
    yield Touch(
        user_id=user_id,
        session_id=session_id,
        user_name=name,
        at=last,
        facts=record.later or Facts(),
        turns=record.turns,
    )
    if times.ended is not None:
        yield End(
            user_id=user_id,
            session_id=session_id,
            user_name=name,
            status=record.status,
            at=times.ended,
            decided_by="importer",
        )
    elif record.status == Status.UNKNOWN:
        yield Mark(user_id=user_id, session_id=session_id, at=last, decided_by="importer")


class Counter(Struct, kw_only=True):
    """What a source says that a session used of one model."""

    name: tuple[str, ...]  #: where it stands in the source
    tokens: Tokens
    cost_nano: int
    model: str | None
    at: int  #: microseconds


def usage(source: str, record: Record, counter: Counter) -> Iterator[Call]:
    """A counter as a row of usage; nothing where nothing was counted.

    A cost of 0 is no price: these sources count what they have no price for as free (R14). Between two states of a
    counter with as many tokens, the larger cost is the later one.
    """
    if not counter.tokens.total and not counter.cost_nano:
        return
    yield Call(
        user_id=record.user_id,
        user_name=record.user_name,
        session_id=record.session_id,
        usage_id=usage_id(source, *counter.name),
        occurred_at=counter.at,
        tokens=counter.tokens,
        model=checks.model(counter.model),
        cost_nano=counter.cost_nano or None,
        cost_source="reported" if counter.cost_nano else "unpriced",
        source=source,
        evidence=Evidence.METRIC,
        weight=counter.cost_nano,
    )


def usage_id(source: str, *name: str) -> str:
    """The id of a row of usage, made from where it stands in the source."""
    text = "".join(f"{len(part)}:{part}" for part in name)
    return f"{source}:{blake2b(text.encode(errors='replace'), digest_size=16).hexdigest()}"


def count(value: int, what: str) -> int:
    """A counter. Raises InvalidInput for one that is negative or beyond what a book takes."""
    if value < 0:
        raise InvalidInput(f"{what} is negative ({value}): it left the range of its column")
    return checks.count(value, what, checks.MAX_TOKENS)
