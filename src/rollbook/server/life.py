"""The life of sessions: they begin, go on, end, go on again and are deleted (R1, R2, R12)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from rollbook.errors import NotFound
from rollbook.model import Session
from rollbook.rules import checks
from rollbook.rules.shapes import Moment
from rollbook.rules.shapes import optional as text
from rollbook.server.routing import WRITE, At, Nothing, Route
from rollbook.server.said import Body, Deleted, Id, Name, Named, Title, optional


class Facts(Body, frozen=True, kw_only=True):
    """A sign of life, with what is known of the session. What is left out stays as it is."""

    dataset_id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})] | None = None
    kind: Literal["interactive", "autonomous", "acp"] | None = None
    channel: Literal["cli", "tui", "telegram", "discord", "slack", "acp", "web", "api", "ide", "other"] | None = None
    agent: Name | None = None
    project: Annotated[str, text("A folder or a name.", 4096)] | None = None
    parent: Id | None = None  #: the id of the session that began this one
    parent_user_id: Id | None = None
    title: Title | None = None
    goal_text: Annotated[str, Meta(max_length=checks.MAX_GOAL_BYTES)] | None = None
    tags: Annotated[list[Name], Meta(max_length=checks.MAX_TAGS)] | None = None
    metadata: dict[str, Any] | None = None
    actor: Name | None = None  #: whom telemetry names
    turns: Annotated[int, Meta(ge=0, le=checks.MAX_COUNT)] | None = None  #: known so far
    at: Moment | None = None  #: when; none: now


class Begun(Facts, frozen=True, kw_only=True):
    """A session that begins or goes on; without an id one is made."""

    session_id: Id | None = None
    user_id: Id | None = None  #: whose, where it is not one's own


class Ending(Body, frozen=True, kw_only=True):
    """How a session ended."""

    status: Literal["completed", "failed", "cancelled"]
    reason: Title | None = None
    at: Moment | None = None  #: when; none: now


class When(Body, frozen=True, kw_only=True):
    """At what time."""

    at: Moment | None = None  #: none: now


class Why(Body, frozen=True, kw_only=True):
    """For what reason."""

    reason: Title | None = None


def _facts(body: Facts) -> dict[str, Any]:
    return {name: getattr(body, name) for name in body.__struct_fields__ if getattr(body, name) is not None}


async def begin(at: At, _: Nothing) -> Session:
    """R1, of the session that the body names, or of a new one."""
    return await at.book.touch(**_facts(at.body))


async def touch(at: At, asked: Named) -> Session:
    """R1."""
    return await at.book.touch(asked.session_id, user_id=asked.user_id, **_facts(at.body))


async def end(at: At, asked: Named) -> Session:
    """R2."""
    said: Ending = at.body
    return await at.book.end(asked.session_id, said.status, user_id=asked.user_id, reason=said.reason, at=said.at)


async def reopen(at: At, asked: Named) -> Session:
    """R2; a session that is not known is made only where the time is said."""
    return await at.book.reopen(asked.session_id, user_id=asked.user_id, at=at.body.at)


async def mark_unknown(at: At, asked: Named) -> Session:
    """R2: presumed crashed; any later sign of life revives it."""
    return await at.book.mark_unknown(asked.session_id, user_id=asked.user_id, reason=at.body.reason)


async def delete(at: At, asked: Named) -> Deleted:
    """R12."""
    if not await at.book.delete(asked.session_id, user_id=asked.user_id):
        raise NotFound(f"there is no session {asked.session_id!r}")
    return Deleted()


_ONE: Final = "/api/v1/sessions/{session_id}"
_TOLD: Final[dict[str, Any]] = {"takes": Named, "needs": WRITE}

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/sessions", answer=begin, body=Begun, reads=optional(Begun), gives=Session,
        needs=WRITE, does="Begin a session, or say that it is alive, with what is known of it.",
    ),
    Route(
        method="POST", path=f"{_ONE}/touch", answer=touch, body=Facts, reads=optional(Facts), gives=Session,
        does="Say that a session is alive, with what is known of it; creates it.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/end", answer=end, body=Ending, gives=Session, does="End a session.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/reopen", answer=reopen, body=When, reads=optional(When), gives=Session,
        does="Let an ended session run again, as a new attempt.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/unknown", answer=mark_unknown, body=Why, reads=optional(Why), gives=Session,
        does="Presume a running session crashed.", **_TOLD,
    ),
    Route(
        method="DELETE", path=_ONE, answer=delete, gives=Deleted,
        does="Delete a session: its contents go, what it cost stays as spend.", **_TOLD,
    ),
    Route(
        method="DELETE", path="/api/v1/session", answer=delete, gives=Deleted,
        does="Delete a session whatever its id looks like.", **_TOLD,
    ),
)  # fmt: skip
