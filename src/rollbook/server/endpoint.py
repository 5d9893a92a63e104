"""What stands between a request and the function that answers it, for every route alike.

In this order: who asks, whether that one may come here, what is asked; then the answer, or what went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from rollbook.errors import StoreError
from rollbook.otlp.inflate import inflated
from rollbook.server import faults, params, wire
from rollbook.server.faults import Refused, Unacceptable
from rollbook.server.packing import packed, takes_gzip
from rollbook.server.routing import OPEN, At, Reply, Route
from rollbook.server.running import Server

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log: Final = logging.getLogger("rollbook.server")
_FORMS: Final = ("application/json", "text/json")
_NO_GUESS: Final = (b"x-content-type-options", b"nosniff")
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_FORWARDED: Final = b"x-forwarded-"
_STOPPED: Final = Reply(
    status=503,
    content={"detail": "the server was stopped before the book answered: write the same again, with the same ids"},
    headers=(("retry-after", "1"), ("connection", "close")),
)


class Endpoint:
    """A route as an ASGI application."""

    def __init__(self, server: Server, route: Route) -> None:
        self._server = server
        self.route = route
        self._read = route.reads
        if self._read is None and route.body not in (None, bytes):
            self._read = msgspec.json.Decoder(route.body).decode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route, server = self.route, self._server
        began = time.perf_counter()
        status = 500
        try:
            reply = await self._answered(scope, receive, send)
            if isinstance(reply, int):  # a stream, which answered by itself
                status = reply
                return
            status = reply.status
            await sent(send, reply)
        except asyncio.CancelledError:
            if not server.stopping:
                raise
            # The time in which requests are finished is over. What was begun of this one may be kept or not.
            status = _STOPPED.status
            await _last_words(send)
        finally:
            seconds = time.perf_counter() - began
            server.meters.request(route, status, seconds)
            if server.options.log:
                # The route and not the path: a path names sessions, and a query may hold more.
                facts = {"method": route.method, "route": route.path, "status": status, "ms": round(seconds * 1000, 1)}
                _log.info("request", extra={"facts": facts})

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> Reply | int:
        route, server = self.route, self._server
        trusted = False
        try:
            server.limits.headers(scope)
            headers = headers_of(scope)
            client = server.client_of(scope, headers)
            guest = await server.doorkeeper.admitted(headers, client, route)
            trusted = guest.principal.unrestricted
            at = At(
                server=server,
                book=guest.book,
                principal=guest.principal,
                method=scope["method"],
                path=scope["path"],
                headers=headers,
                body=None,
                secure=server.is_secure(scope, headers),
                client=client,
                query=scope.get("query_string", b""),
            )
            server.limits.spend(at)
            if route.shared:
                return await server.shared.answered(at, lambda: self._looked_up(at, scope))
            asked = params.taken(route.takes, scope.get("path_params") or {}, at.query)
            if route.body is not None:
                most = server.limits.most_of(route)
                if route.needs == OPEN:
                    at.raw = await server.limits.form(receive, headers, client)
                else:
                    at.raw = await server.limits.body(receive, headers, most)
                encoding = headers.get("content-encoding")
                if encoding and not route.coded:
                    at.raw = inflated(at.raw, encoding, most)
                at.body = self._decoded(at.raw, headers)
            if route.streams:
                return await route.answer(at, (asked, scope, receive, send))  # type: ignore[no-any-return]
            reply = await server.once.answered(at, route, asked)
            return await packed(reply) if takes_gzip(headers) else reply
        except Exception as error:  # noqa: BLE001 - whatever it was, the client is told something
            part = "query" if route.body is None else "body"
            if isinstance(error, StoreError) and not trusted:  # it may name paths and hosts of this server
                _log.warning("%s %s: %s", route.method, route.path, error)
                error = StoreError("the book cannot be used just now; try again")
            reply = faults.reply_to(error, part=part, failed=route.failed)
            if reply.status == 500:  # noqa: PLR2004
                _log.exception("%s %s failed", route.method, route.path)
            return reply

    async def _looked_up(self, at: At, scope: Scope) -> Reply:
        """The answer to a request without a body that changes nothing."""
        asked = params.taken(self.route.takes, scope.get("path_params") or {}, at.query)
        return await self._server.once.answered(at, self.route, asked)

    def _decoded(self, body: bytes, headers: Mapping[str, str]) -> Any:
        if self._read is None:
            return body
        form = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if form not in _FORMS:
            raise Refused(415, f"the body must be application/json, not {form}")
        try:
            return self._read(body)
        except msgspec.DecodeError as error:
            raise Unacceptable("body", error, _plain(body)) from None
        except (UnicodeError, RecursionError) as error:
            raise Unacceptable("body", msgspec.DecodeError(f"the body cannot be read: {error}")) from None


def _plain(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def headers_of(scope: Scope) -> dict[str, str]:
    """Headers by their names in lower case; of one that comes twice the first.

    But of what proxies say the last, which is what the nearest one said: others may have been sent by anybody.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name.startswith(_FORWARDED):
            found[name.decode("latin-1")] = value.decode("latin-1")
        else:
            found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


async def sent(send: Send, reply: Reply) -> None:
    """Send an answer."""
    content = reply.content
    body = content if isinstance(content, bytes) else b"" if content is None else wire.encoded(content)
    headers = [(b"content-length", b"%d" % len(body)), _NO_GUESS]
    if content is not None:  # an empty message of protobuf is one, too
        headers.append((b"content-type", reply.media_type.encode()))
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if not reply.headers or not any(name == "cache-control" for name, _ in reply.headers):
        headers.append(_NOT_KEPT)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _last_words(send: Send) -> None:
    """Say that there is no answer, where none was begun."""
    with contextlib.suppress(RuntimeError):
        await sent(send, _STOPPED)
