"""A server as it runs: the book that it serves, and what all requests share."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from rollbook.aio import AsyncRollbook
from rollbook.principals import READER, Principal
from rollbook.server.doorkeeper import Doorkeeper
from rollbook.server.guard import is_secure
from rollbook.server.inspecting import Looks
from rollbook.server.limits import Limits
from rollbook.server.meters import Meters
from rollbook.server.once import Once
from rollbook.server.shared import Shared
from rollbook.server.turns import Turns


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 7655
    token: str | None = None  #: of the local user, on loopback; None: only keys let anybody in
    hosts: tuple[str, ...] = ()  #: further names under which browsers may know the server
    proxies: tuple[str, ...] = ()  #: addresses whose forwarded headers are believed
    body_bytes: int = 16 << 20  #: of one request, compressed and not
    items: int = 10_000  #: in one request
    requests_per_minute: int = 600_000  #: of one key; 0: any number
    streams: int = 2_000  #: open at once
    streams_per_key: int = 1_000
    failures_per_minute: int = 60  #: requests of one address that show nothing that lets anybody in
    idle_s: float = 20.0  #: of silence after which nothing more of a request is waited for
    slowest_bytes_s: int = 10_000  #: at which a body must come at least
    cert: str | None = None  #: a file with the certificate, for HTTPS
    cert_key: str | None = None  #: a file with its private key
    spool: bool = True  #: whether what this machine's hooks left is delivered
    log: bool = False  #: whether a line is written for each request


class Server:
    """The book, and what all requests share."""

    def __init__(self, book: AsyncRollbook, options: Options) -> None:
        self.book = book
        self.options = options
        self.nobody = Principal(user_id="", role=READER)  #: who comes to what is open to all
        self.doorkeeper = Doorkeeper(self)
        self.limits = Limits(options)
        self.meters = Meters(self)
        self.once = Once()
        self.shared = Shared(book._plans.store.version)  # noqa: SLF001 - nothing that a book's callers ask for
        self.turns = Turns()
        self.looks = Looks()
        self.stopping = False

    def stop(self) -> None:
        """Begin to stop: streams are told, what was begun goes on."""
        self.stopping = True
        self.limits.end_streams()

    def is_secure(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Whether whoever asks came over HTTPS, to this server or to a proxy that is trusted."""
        return is_secure(scope, headers.get("x-forwarded-proto", ""), self.options)

    def client_of(self, scope: MutableMapping[str, Any], headers: Mapping[str, str]) -> str:
        """The address of whoever asks; behind a proxy that is trusted, the one that it names."""
        client = scope.get("client")
        address = client[0] if client else ""
        named = headers.get("x-forwarded-for")
        if named and address in self.options.proxies:
            return named.rpartition(",")[2].strip()
        return address
