"""Whether the server lives, and whether it is ready."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from rollbook.errors import RollbookError
from rollbook.server.routing import OPEN, At, Nothing, Reply, Route

_READY_S: Final = 5.0  #: in which the book must answer


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is."""

    status: str  #: ok | stopping | the book does not answer


async def alive(at: At, asked: Nothing) -> Health:  # noqa: ARG001 - the shape of what answers a route
    """It answers, so it does."""
    return Health(status="ok")


async def ready(at: At, asked: Nothing) -> Reply:  # noqa: ARG001
    """Whether requests are welcome: the book answers, and nobody is stopping the server."""
    if at.server.stopping:
        return Reply(status=503, content=Health(status="stopping"))
    try:
        async with asyncio.timeout(_READY_S):
            await at.server.book.any_key()
    except (RollbookError, TimeoutError):
        return Reply(status=503, content=Health(status="the book does not answer"))
    return Reply(content=Health(status="ok"))


ROUTES: Final = (
    Route(
        method="GET", path="/healthz", answer=alive, needs=OPEN, tag="server", gives=Health,
        does="Whether the server lives.",
    ),
    Route(
        method="GET", path="/readyz", answer=ready, needs=OPEN, tag="server", gives=Health,
        does="Whether the server is ready for requests.",
    ),
)  # fmt: skip
