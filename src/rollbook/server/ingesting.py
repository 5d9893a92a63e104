"""What the doors on other machines send: events of agents' hooks, and transcripts that were read there."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from rollbook.errors import InvalidInput, Overloaded, RollbookError, StoreError
from rollbook.hooks import claude_code
from rollbook.remote import wire
from rollbook.rules import checks
from rollbook.server.routing import ANEW, ANSWERS, WRITE, At, Nothing, Reply, Route

Events = dict[str, Any] | Annotated[list[dict[str, Any]], msgspec.Meta(max_length=1_000)]


class Hooked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of events."""

    taken: int
    refused: list[str]  #: why others were not


async def claude_hooks(at: At, asked: Nothing) -> Hooked:  # noqa: ARG001 - the shape of what answers a route
    """Events of Claude Code's hooks, of whoever's key came with them; no path that they name is opened."""
    events = at.body if isinstance(at.body, list) else [at.body]
    who, now = at.principal, checks.utc_now()
    refused: list[str] = []
    made: list[Any] = []
    for later, event in enumerate(events):  # of several each is after the one before it
        try:
            at_us = now + later
            made.append(claude_code.ops(event, at=at_us, user_id=who.user_id, user_name=who.user_name))
        except InvalidInput as error:
            refused.append(str(error))
    answers = iter(await at.book.ingest([op for ops in made for op in ops]))
    taken = 0
    for ops in made:
        answered = [next(answers) for _ in ops]
        wrong = [each for each in answered if isinstance(each, RollbookError)]
        for each in wrong:
            if isinstance(each, StoreError | Overloaded):
                raise each
        taken += not wrong
        refused += [str(each) for each in wrong[:1]]
    if not taken and len(refused) == 1 == len(events):
        raise InvalidInput(refused[0])
    return Hooked(taken=taken, refused=refused)


async def pushed(at: At, asked: Nothing) -> Reply:  # noqa: ARG001
    """What was read of transcripts on another machine, and how far they have been read."""
    who = at.principal
    found = wire.decode(at.body, user_id=who.user_id, user_name=who.user_name, prices=at.book.prices)
    answers = await at.book.ingest(found.taken, files=found.files)
    at.server.meters.taken("push", len(answers), len(found.items) - len(answers))
    return Reply(content=wire.answered(found, answers))


async def known_files(at: At, asked: Nothing) -> Reply:  # noqa: ARG001
    """How far files have been read that a machine pushed."""
    source, files = wire.decode_wanted(at.body)
    return Reply(content=wire.files_answered(await at.book.source_files(source, files=files)))


ROUTES: Final = (
    Route(
        method="POST", path="/api/v1/hooks/claude-code", answer=claude_hooks, body=Events, gives=Hooked, needs=WRITE,
        tag="telemetry", does="Take in events of Claude Code's hooks, one or several.",
    ),
    Route(
        method="POST", path="/api/v1/ingest", answer=pushed, body=bytes, gives=bytes, needs=WRITE, tag="telemetry",
        kept=ANSWERS,
        does="What 'rollbook push' sends: transcripts as they were read.", described=False,
    ),
    Route(
        method="POST", path="/api/v1/ingest/files", answer=known_files, body=bytes, gives=bytes, needs=WRITE,
        tag="telemetry", does="How far 'rollbook push' has come.", described=False, kept=ANEW,
    ),
)  # fmt: skip
