"""Model calls that clients report: one or many, with what became of each (R3)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput, RollbookError
from rollbook.plans.metering import Reported, Taken
from rollbook.rules import checks
from rollbook.server import faults
from rollbook.server.faults import Refused
from rollbook.server.routing import ANSWERS, WRITE, At, Nothing, Reply, Route
from rollbook.server.said import Named

_SHORT: Final = 500  #: characters of a message about one of many


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why one of many was not taken."""

    status: int  #: what it would have been answered with alone
    detail: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one call: the id under which it counts with its outcome, or the error it was refused with."""

    usage_id: str | None = None
    outcome: str | None = None  #: counted, late, duplicate, amended or too_old
    error: Problem | None = None


class AllRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of several calls, in their order."""

    results: list[Recorded]


class Call(Reported, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model call of the session that the path names."""

    session_id: str = ""  #: may be left out


_ONE: Final = msgspec.json.Decoder(Reported)
_MANY: Final = msgspec.json.Decoder(list[Reported])
_ONE_HERE: Final = msgspec.json.Decoder(Call)
_MANY_HERE: Final = msgspec.json.Decoder(list[Call])
_RAW: Final = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK: Final = b" \t\r\n"


def _read(one: msgspec.json.Decoder[Any], many: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """One call, or a list of calls in which errors stand for those that cannot be read."""
    if not body.lstrip(_BLANK).startswith(b"["):
        return one.decode(body)
    try:
        return many.decode(body)
    except msgspec.ValidationError:
        return [_each(one, raw) for raw in _RAW.decode(body)]


def _each(one: msgspec.json.Decoder[Any], raw: msgspec.Raw) -> Any:
    try:
        return one.decode(raw)
    except msgspec.ValidationError as error:
        return InvalidInput(str(error))


def read(body: bytes) -> Any:
    """The body of a report about any sessions."""
    return _read(_ONE, _MANY, body)


def read_here(body: bytes) -> Any:
    """The body of a report about one session."""
    return _read(_ONE_HERE, _MANY_HERE, body)


async def usage(at: At, _: Nothing) -> Any:
    """Meter calls of any sessions."""
    return await _metered(at, at.body)


async def usage_here(at: At, asked: Named) -> Any:
    """Meter calls of one session."""
    body = at.body
    checks.session_id(asked.session_id)  # even where there is no call that names it
    if asked.user_id is not None:
        checks.user(asked.user_id)
    return await _metered(at, [_here(each, asked) for each in body] if isinstance(body, list) else _here(body, asked))


def _here(item: Any, asked: Named) -> Any:
    if isinstance(item, RollbookError):
        return item
    if item.session_id not in ("", asked.session_id):
        return InvalidInput(f"the session_id {item.session_id!r} is not the one in the path")
    given = item.user_id if item.user_id is not None else asked.user_id
    return msgspec.structs.replace(item, session_id=asked.session_id, user_id=given)


async def _metered(at: At, items: Any) -> Any:
    plans, book = at.book._plans, at.book  # noqa: SLF001 - structs as they were decoded are for this door alone
    if not isinstance(items, list):
        (answer,) = await book._drive(plans.meter([items]))  # noqa: SLF001
        if isinstance(answer, RollbookError):
            raise answer
        return _recorded(answer)
    most = at.server.options.items
    if len(items) > most:
        raise Refused(413, f"at most {most:,} items are taken in one request; nothing was stored")
    answers = await book._drive(plans.meter(items))  # noqa: SLF001
    results = [_recorded(each) for each in answers]
    refused = [each.error.status for each in results if each.error is not None]
    whole = bool(refused) and len(refused) == len(results)
    return Reply(status=refused[0] if whole else 200, content=AllRecorded(results=results))


def _recorded(answer: Taken | RollbookError) -> Recorded:
    if isinstance(answer, RollbookError):
        return Recorded(error=Problem(status=faults.status_of(answer), detail=str(answer)[:_SHORT]))
    return Recorded(usage_id=answer.usage_id, outcome=answer.outcome)


_TOLD: Final[dict[str, Any]] = {
    "method": "POST", "gives": Recorded | AllRecorded, "needs": WRITE, "tag": "usage", "kept": ANSWERS,
}  # fmt: skip

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        path="/api/v1/sessions/{session_id}/usage", answer=usage_here, takes=Named, body=Call | list[Call],
        reads=read_here, does="Meter one model call of a session, or a list of them.", **_TOLD,
    ),
    Route(
        path="/api/v1/usage", answer=usage, body=Reported | list[Reported], reads=read,
        does="Meter model calls of any sessions.", **_TOLD,
    ),
)  # fmt: skip
