"""Run the server until it is told to stop; then what was begun is finished, and the book's queue is drained."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from rollbook.aio import AsyncRollbook
from rollbook.errors import StoreError
from rollbook.server.app import App
from rollbook.server.chores import Chores
from rollbook.server.connection import Impatient
from rollbook.server.running import Options, Server

_FINISH_S: Final = 20  #: for requests that are being answered when the server is told to stop
_SPARE: Final = 512  #: connections beside the streams
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


class _Uvicorn(uvicorn.Server):
    """One that tells the streams before it waits for them, and leaves signals to those who called it."""

    def __init__(self, config: uvicorn.Config, server: Server, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._server = server
        self._started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal, and at once at the second."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            loop.add_signal_handler(number, self.end)
        try:
            yield
        finally:
            for number in _STOPS:
                loop.remove_signal_handler(number)

    def end(self) -> None:
        """Stop; whoever says so twice does not want to wait."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._server.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()


def listening(options: Options, *, or_any: bool = False) -> socket.socket:
    """The socket that a server listens on; ``or_any``: on another port where that one is taken.

    Raises StoreError where there is none to be had.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        try:
            made = socket.create_server((options.host, options.port), family=family, backlog=1024)
        except OSError:
            if not or_any:
                raise
            made = socket.create_server((options.host, 0), family=family, backlog=1024)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise StoreError(f"the server cannot listen on {where} ({error.strerror}); choose another --port") from error
    # Connections have it from here: asyncio (uvloop does) sets it for none that it did not make itself, and then each
    # answer waits 40 milliseconds for the client to acknowledge its head.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _connection(options: Options) -> type[Impatient]:
    """How connections of this server are looked after."""
    return type("Connection", (Impatient,), {"spared": frozenset(options.proxies), "_unasked": Counter()})


async def serve(
    book: AsyncRollbook,
    options: Options,
    *,
    on: socket.socket | None = None,
    started: Callable[[Server], None] = lambda _: None,
) -> None:
    """Serve a book, opened for all users, until SIGINT or SIGTERM."""
    server = Server(book, options)
    config = uvicorn.Config(
        App(server), log_level="warning", log_config=None, access_log=False, lifespan="off", server_header=False,
        proxy_headers=False, http=_connection(options), loop="none", ws="none", timeout_graceful_shutdown=_FINISH_S,
        timeout_keep_alive=75, limit_concurrency=options.streams + _SPARE, ssl_certfile=options.cert,
        ssl_keyfile=options.cert_key, h11_max_incomplete_event_size=64 << 10,
    )  # fmt: skip
    sock = on or listening(options)
    try:
        async with Chores(server):
            await _Uvicorn(config, server, lambda: started(server)).serve([sock])
    finally:
        sock.close()
