"""A loader of HTTP servers: so many connections, each with one request at a time, on a core of its own.

Requests are bytes that are ready before the clock starts, and of an answer only its status and its length are looked
at, so that what is measured is the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from harness import Measured, latencies, now, settle

_LENGTH: Final = b"content-length:"
_END: Final = b"\r\n\r\n"


def request(method: str, path: str, *, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers)]
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + _END + body


class _Connection(asyncio.Protocol):
    """One connection, which asks again as soon as it was answered."""

    def __init__(self, queue: Iterator[bytes], waits: list[float], done: asyncio.Future[None]) -> None:
        self._queue, self._waits, self._done = queue, waits, done
        self._buffer = b""
        self._wanted = -1
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        assert self._transport is not None
        asked = next(self._queue, None)
        if asked is None:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._buffer, self._wanted = b"", -1
        self._began = now()
        self._transport.write(asked)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._wanted < 0:
            head = self._buffer.find(_END)
            if head < 0:
                return
            lower = self._buffer[:head].lower()
            if not lower.startswith(b"http/1.1 200"):
                self._fail(f"answered {self._buffer[:300]!r}")
                return
            length = lower.partition(_LENGTH)[2].partition(b"\r\n")[0]
            self._wanted = head + len(_END) + int(length)
        if len(self._buffer) >= self._wanted:
            self._waits.append(now() - self._began)
            self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error}")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(SystemExit(why))
            if self._transport is not None:
                self._transport.close()


async def _all(port: int, queue: Iterator[bytes], connections: int) -> list[float]:
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    ends = [loop.create_future() for _ in range(connections)]
    for end in ends:
        await loop.create_connection(lambda end=end: _Connection(queue, waits, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return waits


def load(port: int, warm: Sequence[bytes], timed: Sequence[bytes], connections: int, *, items: int = 1) -> Measured:
    """Send requests over some connections; what they came to, in items a second."""

    async def run() -> Measured:
        await _all(port, iter(warm), connections)
        settle()
        began = now()
        waits = await _all(port, iter(timed), connections)
        seconds = now() - began
        p50, p99 = latencies(waits)
        return Measured(rate=len(timed) * items / seconds, p50_ms=p50, p99_ms=p99)

    return asyncio.run(run())
