"""Run the server until it is told to stop; then what was begun is finished, and the book's queue is drained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import uvicorn

from rollbook.aio import AsyncRollbook
from rollbook.errors import StoreError
from rollbook.server.app import App
from rollbook.server.chores import Chores
from rollbook.server.connection import Impatient
from rollbook.server.running import Options, Server

_log: Final = logging.getLogger("rollbook.server")
_FINISH_S: Final = 20  #: for requests that are being answered when the server is told to stop
_CLOSE_S: Final = 5  #: after that, for what else is under way: of it nothing is acknowledged any more
_SPARE: Final = 512  #: connections beside the streams
_ROOM: Final = 64  #: of them, kept free by those that are idle
_FILES: Final = 192  #: that a server opens beside connections, for its book most of all
_FEWEST: Final = 2 * _ROOM  #: connections, whatever the system allows
_HANDSHAKE_S: Final = 10  #: in which a connection must be a safe one, over HTTPS
_GOODBYE_S: Final = 1  #: in which a client must answer that a safe connection ends; who is idle mostly does not
_TWICE_S: Final = 0.5  #: in which a signal is the same as the one before: some who pass it on do so twice
#: That of a terminal that is closed is among them, where there is such a thing.
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


class _Uvicorn(uvicorn.Server):
    """One that tells the streams before it waits for them, and whose process ends when it was told to."""

    def __init__(self, config: uvicorn.Config, server: Server, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._server = server
        self._started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at the first signal. Until the process ends nobody else takes the next one."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # whoever started it may want it to stay (nohup)
                loop.add_signal_handler(number, self.end)
        yield

    def end(self) -> None:
        """Stop. A second signal, or time that has run out, ends the process: what was acknowledged is on the disk."""
        if self.should_exit:
            return
        self.should_exit = True
        asyncio.get_running_loop().call_later(_TWICE_S, self._let_go)
        last = threading.Timer(_FINISH_S + _CLOSE_S, _end_at_once)
        last.daemon = True
        last.start()
        self._server.stop()

    @staticmethod
    def _let_go() -> None:
        """From here on the system itself ends the process at a signal, whatever that waits for."""
        loop = asyncio.get_running_loop()
        for number in _STOPS:
            if loop.remove_signal_handler(number):
                signal.signal(number, signal.SIG_DFL)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as it does itself, but wait only so long for what makes a connection safe."""
        config, loop = self.config, asyncio.get_running_loop()

        def made(_loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state={}, _loop=_loop
            )

        patience: dict[str, Any] = {}
        if config.ssl is not None:
            patience = {"ssl_handshake_timeout": _HANDSHAKE_S, "ssl_shutdown_timeout": _GOODBYE_S}
        self.servers = [
            await loop.create_server(made, sock=each, ssl=config.ssl, backlog=config.backlog, **patience)
            for each in sockets or ()
        ]
        self.started = True
        self._started()


def _end_at_once() -> None:
    """The book has not let go, since its database does not answer, say."""
    _log.warning("ended without the book, which does not answer; what was not acknowledged may not be in it")
    os._exit(1)


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
        raise StoreError(f"the server cannot listen on {where} ({_said(error)}); choose another --port") from error
    # Connections have it from here: asyncio (uvloop does) sets it for none that it did not make itself, and then each
    # answer waits 40 milliseconds for the client to acknowledge its head.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _said(error: OSError) -> str:
    """What the system says of it, without what is said already."""
    return str(error.strerror or error).partition(" (")[0]


def _connection(options: Options, most: int) -> type[Impatient]:
    """How connections of this server are looked after."""
    own = {
        "most": most - _ROOM, "spared": frozenset(options.proxies),
        "_unasked": Counter(), "_idle": {}, "_looking": False,
    }  # fmt: skip
    return type("Connection", (Impatient,), own)


def _most(options: Options) -> int:
    """How many connections there may be at once: as many as are wanted, if the system lets a process have so many."""
    most = options.streams + _SPARE
    try:
        import resource  # noqa: PLC0415 - not every platform has it
    except ModuleNotFoundError:
        return most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + _FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            most = max(_FEWEST, soft - _FILES)
            _log.warning("this system allows a process %s open files: enough for %s connections", soft, most)
    return most


async def serve(
    book: AsyncRollbook,
    options: Options,
    *,
    on: socket.socket | None = None,
    started: Callable[[Server], None] = lambda _: None,
) -> None:
    """Serve a book, opened for all users, until SIGINT, SIGTERM or SIGHUP; a second one ends the process.

    It ends in any case 25 seconds after the first: whoever waits for a database that is away may wait for long.
    """
    most = _most(options)
    streams = min(options.streams, max(_ROOM, most - _SPARE))
    server = Server(book, msgspec.structs.replace(options, streams=streams))
    config = uvicorn.Config(
        App(server), log_level="warning", log_config=None, access_log=False, lifespan="off", server_header=False,
        proxy_headers=False, http=_connection(options, most), loop="none", ws="none", timeout_keep_alive=75,
        timeout_graceful_shutdown=_FINISH_S, limit_concurrency=most, ssl_certfile=options.cert,
        ssl_keyfile=options.cert_key, h11_max_incomplete_event_size=64 << 10,
    )  # fmt: skip
    sock = on or listening(options)
    try:
        async with Chores(server):
            await _Uvicorn(config, server, lambda: started(server)).serve([sock])
    finally:
        sock.close()
