"""Connections: whoever holds many of them, and asks nothing, keeps nobody out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import uvicorn

from rollbook.server.running import Options
from rollbook.server.serve import _ROOM, _connection

_SOON_S: Final = 20.0
_MOST: Final = _ROOM + 40
_ASK: Final = b"GET /%s HTTP/1.1\r\nhost: localhost\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Place:
    """A server of a small application, most of whose connections may be held: of ``/slow`` until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.port = 0

    async def app(self, scope: Any, _: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        if scope["path"] == "/slow":
            await self.go.wait()
        await send({"type": "http.response.body", "body": b"ok"})

    async def line(self, stack: AsyncExitStack, host: int) -> Line:
        """A connection from an address of its own."""
        line = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(f"127.0.0.{host}", 0))
        stack.callback(line[1].close)
        return line


@asynccontextmanager
async def _place() -> AsyncIterator[tuple[Place, AsyncExitStack]]:
    place = Place()
    kind = _connection(Options(), _MOST)
    config = uvicorn.Config(
        place.app,
        http=kind,
        ws="none",
        lifespan="off",
        log_level="critical",
        limit_concurrency=_MOST,
        interface="asgi3",
    )
    config.load()
    state = uvicorn.server.ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0, backlog=1024
    )
    place.port = server.sockets[0].getsockname()[1]
    async with AsyncExitStack() as stack:
        yield place, stack
        server.close()


async def _answer(line: Line, path: bytes) -> bytes:
    line[1].write(_ASK % path)
    return await asyncio.wait_for(line[0].readuntil(b"ok"), _SOON_S)


def test_connections_that_ask_nothing_make_room_for_those_that_do() -> None:
    async def run() -> None:
        async with _place() as (place, stack):
            first = await place.line(stack, 2)
            first[1].write(_ASK % b"slow")
            await asyncio.wait_for(first[0].readuntil(b"\r\n\r\n"), _SOON_S)
            used = await place.line(stack, 2)
            assert b" 200 " in await _answer(used, b"")
            held = [await place.line(stack, 3 + number % 50) for number in range(3 * _MOST)]
            assert b" 200 " in await _answer(await place.line(stack, 99), b""), "whoever comes is served"
            assert await asyncio.wait_for(used[0].read(), _SOON_S) == b"", "the ones that were idle for longest go"
            assert await asyncio.wait_for(held[0][0].read(), _SOON_S) == b""
            assert b" 200 " in await _answer(held[-1], b""), "and no more than have to"
            place.go.set()
            assert b"ok" in await asyncio.wait_for(first[0].readuntil(b"ok"), _SOON_S), "what is answered stays"

    asyncio.run(run())


def test_where_all_are_being_answered_more_are_told_so() -> None:
    async def run() -> None:
        async with _place() as (place, stack):
            lines, told = [], []
            for number in range(_MOST):
                lines.append(await place.line(stack, 2 + number % 50))
                lines[-1][1].write(_ASK % b"slow")
                told.append(await asyncio.wait_for(lines[-1][0].readline(), _SOON_S))
            assert [b" 200 " in line for line in told] == [True] * (_MOST - 1) + [False]
            assert b" 503 " in told[-1]
            place.go.set()
            for line in lines[:-1]:
                await asyncio.wait_for(line[0].readuntil(b"ok"), _SOON_S)

    asyncio.run(run())
