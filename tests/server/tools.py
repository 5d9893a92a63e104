"""Servers for the tests: real ones on ports of their own, and the application in process, which is faster."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

import rollbook
import rollbook.aio
from rollbook.aio import AsyncRollbook
from rollbook.principals import Principal
from rollbook.server.app import App
from rollbook.server.running import Options, Server

TOKEN: Final = "t0ken-of-the-tests"
#: For clients of plain HTTP, each of which would read all certificates of this machine otherwise. It trusts nobody.
PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_SOON_S: Final = 20.0


def bearer(key: str) -> dict[str, str]:
    """The headers that show a key."""
    return {"authorization": f"Bearer {key}"}


def url_of(path: Path | str) -> str:
    """The URL of a book: of a file, or what is one already."""
    return path if isinstance(path, str) and "://" in path else f"sqlite:///{path}"


def key_of(url: Path | str, user: str, role: str = "writer", **said: Any) -> str:
    """A new key of a user in a book that may be open elsewhere too."""
    with rollbook.open(url_of(url), all_users=True, redact=False) as book:
        return book.create_key(user, role=role, **said).key


class Running:
    """A server that runs, and clients of it."""

    def __init__(self, url: str, options: Options) -> None:
        self._url = url
        self._options = options
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="server-of-a-test")
        # (A socket of this kind by name: of others asyncio does not know that they are TCP, and does not hurry them.)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind((options.host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.base = f"http://{options.host}:{self.port}"
        self.uvicorn: uvicorn.Server
        self.server: Server

    def start(self) -> None:
        """Serve, and wait until somebody can be served."""
        self._thread.start()
        assert self._ready.wait(_SOON_S), "the server did not start"
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Stop serving, and close the book."""
        self.uvicorn.should_exit = True
        self._thread.join(_SOON_S)
        self._socket.close()
        assert not self._thread.is_alive(), "the server did not stop"

    def client(self, key: str | None = TOKEN, **said: Any) -> httpx.Client:
        """A client that shows a key."""
        headers = {} if key is None else bearer(key)
        return httpx.Client(base_url=self.base, headers=headers, timeout=_SOON_S, verify=PLAIN, **said)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - the test shall see it
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        async with rollbook.aio.open(self._url, all_users=True) as book:
            self.server = Server(book, self._options)
            config = uvicorn.Config(
                App(self.server), log_level="warning", access_log=False, lifespan="off", server_header=False,
                date_header=False, proxy_headers=False, timeout_graceful_shutdown=5, ws="none",
            )  # fmt: skip
            self.uvicorn = uvicorn.Server(config)
            serving = asyncio.create_task(self.uvicorn.serve(sockets=[self._socket]))
            while not self.uvicorn.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0.005)
            self._ready.set()
            await serving


@contextmanager
def served(book: Path | str, **options: Any) -> Iterator[Running]:
    """A real server of a book, in a thread, on a port of its own; its local user shows ``TOKEN``."""
    running = Running(url_of(book), Options(**{"token": TOKEN, **options}))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@asynccontextmanager
async def in_process(book: Path | str, **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, AsyncRollbook]]:
    """The application without a socket: a client of the local user, and the book."""
    async with rollbook.aio.open(url_of(book), all_users=True) as opened:
        app = App(Server(opened, Options(**{"token": TOKEN, **options})))
        async with client_of(app) as client:
            yield client, opened


def client_of(app: App, key: str | None = TOKEN) -> httpx.AsyncClient:
    """A client of an application in process that shows a key."""
    headers = {} if key is None else bearer(key)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost", headers=headers)


class Asking:
    """An application in process for tests that block: each call runs to its end in a loop of its own kept open."""

    def __init__(self, book: Path | str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self.book = self._loop.run_until_complete(_opened(url_of(book)))
        self.server = Server(self.book, Options(**{"token": TOKEN, **options}))
        self.app = App(self.server)
        self._clients: dict[str | None, httpx.AsyncClient] = {}

    def run(self, doing: Any) -> Any:
        """What a coroutine answers."""
        return self._loop.run_until_complete(doing)

    def request(self, method: str, path: str, *, key: str | None = TOKEN, **said: Any) -> httpx.Response:
        """One request."""
        if key not in self._clients:
            self._clients[key] = client_of(self.app, key)
        answer: httpx.Response = self.run(self._clients[key].request(method, path, **said))
        return answer

    def get(self, path: str, *, key: str | None = TOKEN, **asked: Any) -> httpx.Response:
        """One GET with parameters."""
        return self.request("GET", path, key=key, params=asked)

    def json(self, path: str, *, key: str | None = TOKEN, **asked: Any) -> Any:
        """The contents of one GET that succeeds."""
        answer = self.get(path, key=key, **asked)
        assert answer.status_code == httpx.codes.OK, (answer.status_code, answer.text)
        return answer.json()

    def acting(self, principal: Principal) -> AsyncRollbook:
        """The book as somebody."""
        return self.book.acting(principal)

    def close(self) -> None:
        """Close the book."""
        self.run(self.book.close())
        self._loop.close()


async def _opened(url: str) -> AsyncRollbook:
    book: AsyncRollbook = await rollbook.aio.open(url, all_users=True)
    return book


@contextmanager
def asking(book: Path | str, **options: Any) -> Iterator[Asking]:
    """The application in process, for tests that block."""
    made = Asking(book, **options)
    try:
        yield made
    finally:
        made.close()
