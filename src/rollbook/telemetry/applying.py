"""What is to be applied of what spans say: of each session once, however many traces of a batch tell of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import asdict, replace

from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import NO_FACTS, Facts, Jot, Merge, Op, Retract, Touch
from rollbook.telemetry.traces import Joined, Said

SUMMED: Final = "its children report what it used"

User = tuple[str, str | None]  #: whose everything is, and how it was named
Places = tuple[int, ...]  #: of what an operation comes from, among what was told; what came earlier has none
_About = tuple[Facts, int | None]  #: what a span says of its session: facts, and turns


def ops(joined: Sequence[Joined], user: User) -> list[tuple[Places, Op]]:
    """What is to be applied, in an order in which none of it is late because of the rest.

    Each call says whose it is; what else spans say gets its owner here.
    """
    of_session: dict[str, list[Said]] = {}
    found: list[tuple[Places, Op]] = [
        ((), Merge(user_id=user[0], user_name=user[1], **asdict(one.apart))) for one in joined if one.apart is not None
    ]
    for one in joined:
        for said in one.said:
            of_session.setdefault(said.session_id, []).append(said)
    for name, of_it in of_session.items():
        found += _touches(name, of_it, user)
        found += [(_place(said), said.call) for said in of_it if said.call is not None]
        found += _jots(name, of_it, user)
        found += [
            (_place(said), replace(said.told.end, session_id=name)) for said in of_it if said.told.end is not None
        ]
    found += [
        ((), Retract(user_id=user[0], usage_id=usage_id, reason=SUMMED, user_name=user[1]))
        for one in joined
        for usage_id in one.taken_back
    ]
    return found


def _place(said: Said) -> Places:
    return () if said.place is None else (said.place,)


def _places(said: Iterable[Said]) -> Places:
    return tuple([one.place for one in said if one.place is not None])


def _touches(session_id: str, found: Sequence[Said], user: User) -> list[tuple[Places, Op]]:
    """Signs of life: what was said of the session, when first and when last; and its latest activity."""
    about: dict[_About, list[Said]] = {}
    services: dict[str, list[Said]] = {}
    for said in found:
        told = said.told
        about.setdefault((told.facts, told.turns), []).append(said)
        if told.service and told.facts.agent is None:
            services.setdefault(told.service, []).append(said)
    moments: dict[tuple[int, Facts, int | None], Places] = {}
    for (facts, turns), of_it in about.items():
        times, places = [said.told.at for said in of_it], _places(of_it)
        moments[min(times), facts, turns] = moments[max(times), facts, turns] = places
    for service, of_it in services.items():
        # The first name stays, and whoever has one of its own has begun before anything ends.
        times, places, facts = [said.told.until for said in of_it], _places(of_it), Facts(agent=service)
        for at in (min(times), max(times)):
            moments.setdefault((at, facts, None), places)
    last = max(said.told.until for said in found)
    if all(at < last for at, _, _ in moments):
        moments[last, NO_FACTS, None] = _places(found)
    user_id, user_name = user
    return [
        (places, Touch(user_id=user_id, session_id=session_id, at=at, facts=facts, turns=turns, user_name=user_name))
        for (at, facts, turns), places in moments.items()
    ]


def _jots(session_id: str, found: Sequence[Said], user: User) -> list[tuple[Places, Op]]:
    """What was said and done in a session, in the order of time."""
    streams: dict[str, list[New]] = {}
    told_of = [said for said in found if said.told.steps]
    if not told_of:
        return []
    for said in told_of:
        for stream, new in said.told.steps:
            streams.setdefault(stream, []).append(new)
    at = max(said.told.until for said in told_of)
    changes = tuple(Append(stream, tuple(sorted(entries, key=_when))) for stream, entries in streams.items())
    step = Step(user[0], session_id, at, changes)
    return [(_places(told_of), Jot(user_id=user[0], session_id=session_id, at=at, step=step, user_name=user[1]))]


def _when(new: New) -> int:
    return new.created_at
