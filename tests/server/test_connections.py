"""Connections: whoever holds many of them keeps nobody out, and whatever a client asks for beside is borne."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn

from rollbook.server.limits import neighbourhood
from rollbook.server.logs import Seldom
from rollbook.server.running import Options
from rollbook.server.serve import _ROOM, _connection

from .tools import TOKEN, served

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
async def _place(**config_of: Any) -> AsyncIterator[tuple[Place, AsyncExitStack]]:
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
        **config_of,
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


def test_connections_over_which_nothing_more_is_asked_are_let_go_each_in_its_time() -> None:
    async def run() -> None:
        async with _place(timeout_keep_alive=0.4) as (place, stack):
            slow, first, later = [await place.line(stack, host) for host in (2, 3, 4)]
            slow[1].write(_ASK % b"slow")
            await _answer(first, b"")
            await _answer(later, b"")
            for _ in range(3):
                await asyncio.sleep(0.25)
                await _answer(later, b"")  # whoever goes on asking stays
            assert await asyncio.wait_for(first[0].read(), _SOON_S) == b""
            await _answer(later, b"")
            assert await asyncio.wait_for(later[0].read(), _SOON_S) == b"", "and goes when nothing more comes"
            place.go.set()
            assert b"ok" in await asyncio.wait_for(slow[0].readuntil(b"ok"), _SOON_S), "what is answered stays"

    asyncio.run(run())


def test_whoever_was_idle_and_never_ends_the_head_of_a_request_makes_room_as_well() -> None:
    async def run() -> None:
        async with _place(timeout_keep_alive=0.5) as (place, stack):
            held = [await place.line(stack, 2) for _ in range(_MOST - _ROOM)]
            for line in held:
                await _answer(line, b"")
                line[1].write(b"GET /")
            await asyncio.sleep(0.8)
            assert b" 200 " in await _answer(await place.line(stack, 3), b"")
            assert await asyncio.wait_for(held[0][0].read(), _SOON_S / 4) == b"", "long before it is given up"
            held[-1][1].write(b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert b"ok" in await asyncio.wait_for(held[-1][0].readuntil(b"ok"), _SOON_S), "and no more than have to"

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


# A request that asks for another protocol is one like any other

_UPGRADE: Final = (
    b"POST /api/v1/sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n"
    b"content-type: application/json\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n"
)


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A connection of a real server whose connections are looked after as the command's are."""
    kind = _connection(Options(), 1_000)
    plain = uvicorn.Config
    monkeypatch.setattr(uvicorn, "Config", lambda app, **said: plain(app, http=kind, **said))
    with served(tmp_path / "book.db") as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.settimeout(_SOON_S)
        yield raw


def _answers(raw: socket.socket, number: int) -> list[tuple[int, bytes]]:
    """The next answers: their status and body."""
    file = raw.makefile("rb")
    found = []
    for _ in range(number):
        status = int(file.readline().split()[1])
        length = 0
        while (header := file.readline().strip()) != b"":
            name, _, value = header.partition(b":")
            length = int(value) if name == b"content-length" else length
        found.append((status, file.read(length)))
    return found


@pytest.mark.parametrize("step", [1, 40, 10_000])
def test_the_body_of_a_request_that_asks_for_http_2_is_taken(line: socket.socket, step: int) -> None:
    sized = b"content-length: 20\r\n\r\n" + b'{"session_id":"one"}'
    chunked = b'transfer-encoding: chunked\r\n\r\n9\r\n{"session\r\nb\r\n_id":"two"}\r\n0\r\n\r\n'
    empty = b"content-length: 0\r\n\r\n"
    ask = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
    sent = _UPGRADE + sized + _UPGRADE + chunked + _UPGRADE + empty + ask
    for start in range(0, len(sent), step):
        line.sendall(sent[start : start + step])
    found = _answers(line, 4)
    assert [status for status, _ in found] == [200] * 4
    assert [json.loads(body)["session_id"] for _, body in found[:2]] == ["one", "two"]
    assert found[3][1] == b'{"status":"ok"}', "what comes behind it as well"


def _head_of(line: socket.socket, method: bytes, path: bytes) -> tuple[int, bytes | None]:
    """The status, and how long the content is said to be."""
    key = b"authorization: Bearer " + TOKEN.encode()
    line.sendall(method + b" " + path + b" HTTP/1.1\r\nhost: localhost\r\n" + key + b"\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    length = re.search(rb"content-length: (\d+)", head)
    return int(head.split()[1]), length and length[1]


@pytest.mark.parametrize("path", [b"/healthz", b"/api/v1/sessions", b"/api/v1/nothing", b"/signin"])
def test_a_head_is_a_get_without_content(line: socket.socket, path: bytes) -> None:
    without = _head_of(line, b"HEAD", path)
    assert _head_of(line, b"GET", path) == without, "which comes next: there was no content"


def test_a_stream_has_but_content(line: socket.socket) -> None:
    assert _head_of(line, b"HEAD", b"/api/v1/events")[0] == 405


def test_whoever_has_ipv6_counts_once() -> None:
    assert neighbourhood("2001:db8:1:2::1") == neighbourhood("2001:db8:1:2:ffff::9") != neighbourhood("2001:db8:1:3::1")
    assert neighbourhood("::ffff:192.0.2.1") == neighbourhood("192.0.2.1") != neighbourhood("192.0.2.2")


def test_what_anybody_can_bring_about_is_told_once_a_minute() -> None:
    seldom = Seldom()
    records = [logging.makeLogRecord({"msg": msg, "levelno": logging.WARNING}) for msg in ("odd", "odd", "other")]
    assert [seldom.filter(record) for record in records] == [True, False, True]
    error = logging.makeLogRecord({"msg": "odd", "levelno": logging.ERROR})
    assert seldom.filter(error)
    assert seldom.filter(error)
