"""Figures over all sessions, the search in what they contain, and who asks."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from rollbook.content import Found
from rollbook.ledger.people import UserName
from rollbook.ledger.series import SpendSeries
from rollbook.model import Spend
from rollbook.rules import shapes
from rollbook.server import asked as kinds
from rollbook.server.routing import At, Nothing, Route

By = Literal["hour", "day", "model", "agent", "project", "user", "kind"]


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """How spend is asked for."""

    by: Annotated[By, msgspec.Meta(description="The period or the name by which it is gathered.")] = "day"
    since: shapes.Since = "30d"
    until: shapes.Until | None = None
    tz: kinds.Zone = "UTC"
    user_id: kinds.OfUser | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """How spend over time is asked for."""

    by: Annotated[Literal["hour", "day"], msgspec.Meta(description="The period.")] = "day"
    stack: Annotated[
        Literal["model", "agent", "none"], msgspec.Meta(description="By what the spend of a period is told apart.")
    ] = "model"
    since: shapes.Since = "30d"
    until: shapes.Until | None = None
    tz: kinds.Zone = "UTC"
    user_id: kinds.OfUser | None = None


class Looking(msgspec.Struct, frozen=True, kw_only=True):
    """What is searched for, and where."""

    text: Annotated[
        str,
        shapes.said(
            'Words that must be there; `"a phrase"`, `begin*` and `-not` mean what they say.', 1000, minLength=1
        ),
    ]
    session_id: kinds.SessionId | None = None
    user_id: kinds.OfUser | None = None
    since: shapes.Since | None = None
    agent: kinds.Agent | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=100, description="Places, the best first.")] = 20


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, the best first."""

    found: list[Found]


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what that one may see and change."""

    user_id: str
    user_name: str | None
    role: str  #: reader | writer | admin
    everybody: bool  #: whether reads that name no user are about everybody's sessions
    key_id: str | None  #: of the key that was shown; none of the local user's token
    children: list[str]  #: users whose sessions are one's own to see and change as well
    reads: list[str]  #: datasets whose sessions may be seen
    writes: list[str]  #: datasets into which sessions may be put


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Users in the order of their names."""

    users: list[UserName]


async def spend(at: At, asked: Spending) -> Spend:
    """By when calls happened."""
    return await at.book.spend(by=asked.by, since=asked.since, until=asked.until, tz=asked.tz, user_id=asked.user_id)


async def series(at: At, asked: Series) -> SpendSeries:
    """By when calls happened, and what they were of."""
    return await at.book.spend_series(
        by=asked.by, stack=asked.stack, since=asked.since, until=asked.until, tz=asked.tz, user_id=asked.user_id
    )


async def search(at: At, asked: Looking) -> Places:
    """In what sessions contain."""
    found = await at.book.search(
        asked.text, session_id=asked.session_id, user_id=asked.user_id, since=asked.since, agent=asked.agent or None,
        limit=asked.limit,
    )  # fmt: skip
    return Places(found=found)


async def users(at: At, asked: Nothing) -> Users:  # noqa: ARG001 - the shape of what answers a route
    """Whose sessions whoever asks may see."""
    return Users(users=await at.book.users())


async def me(at: At, asked: Nothing) -> Me:  # noqa: ARG001 - the shape of what answers a route
    """Who asks."""
    who, local = at.principal, at.server.doorkeeper.local_user
    key_id = None if local is not None and who.key_id == local.key_id else who.key_id
    return Me(
        user_id=who.user_id, user_name=who.user_name, role=who.role, everybody=who.everybody, key_id=key_id,
        children=sorted(who.children), reads=sorted(who.reads), writes=sorted(who.writes),
    )  # fmt: skip


ROUTES: Final = (
    Route(
        method="GET", path="/api/v1/spend", shared=True, answer=spend, takes=Spending, gives=Spend, tag="figures",
        does="What was spent, by when calls happened.",
    ),
    Route(
        method="GET", path="/api/v1/spend/series", shared=True, answer=series, takes=Series, gives=SpendSeries,
        tag="figures", does="What was spent over time, told apart by model or agent.",
    ),
    Route(
        method="GET", path="/api/v1/search", answer=search, takes=Looking, gives=Places, tag="contents",
        does="Find questions, answers, messages and steps that hold every word.",
    ),
    Route(
        method="GET", path="/api/v1/me", answer=me, gives=Me, tag="access", does="Who asks, and what that one may do.",
    ),
    Route(
        method="GET", path="/api/v1/users", answer=users, gives=Users, tag="access",
        does="Whose sessions one may see, and what they are called.",
    ),
)  # fmt: skip
