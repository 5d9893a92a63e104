"""The ASGI application: the table of routes behind what guards all of them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.routing import Route as Path
from starlette.routing import Router

from rollbook.server import browser
from rollbook.server.endpoint import Endpoint, Receive, Scope, Send, headers_of, sent
from rollbook.server.faults import Unacceptable
from rollbook.server.guard import refused
from rollbook.server.params import query_of
from rollbook.server.routes import ROUTES
from rollbook.server.routing import Reply, Route
from rollbook.server.running import Server

_SESSIONS: Final = "/api/v1/sessions/"
_NAMED: Final = "/api/v1/session/"  #: the same, with the session's id in the query


class App:
    """The server as an ASGI application."""

    def __init__(self, server: Server) -> None:
        self.server = server
        paths = _paths(server)
        self._router = Router(paths, redirect_slashes=False, default=_unknown)
        #: Paths without parameters, which most requests are for. The router tries one pattern after another.
        self._plain = {
            (method, one.path): one.app for one in paths if "{" not in one.path for method in one.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            return
        # Segments of a path may hold slashes, written as %2F: they are told apart before they are read.
        scope["path"] = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        why = refused(scope, self.server.options)
        if why is not None:
            await sent(send, why)
            return
        if scope["path"].startswith(_NAMED):
            scope["path"] = _whole(scope)
        await self._plain.get((scope["method"], scope["path"]), self._router)(scope, receive, send)


def _whole(scope: Scope) -> str:
    """The path of what is asked of a session whose id no client can write there: ``.`` and ``..`` lead elsewhere."""
    try:
        session_id = query_of(scope.get("query_string", b"")).get("session_id", "")
    except Unacceptable:
        session_id = ""
    rest: str = scope["path"].removeprefix(_NAMED)
    return f"{_SESSIONS}{quote(session_id, safe='')}/{rest}" if session_id else scope["path"]


class _Path(Path):
    """A path with one of the methods that it is there for."""

    also: frozenset[str] = frozenset()  #: all of them

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):
            await self.app(scope, receive, send)
            return
        allow = ("allow", ", ".join(sorted(self.also)))
        await sent(send, Reply(status=405, content={"detail": "Method Not Allowed"}, headers=(allow,)))


def _paths(server: Server) -> list[_Path]:
    methods: dict[str, set[str]] = {}
    for route in ROUTES:
        methods.setdefault(route.path, set()).add(route.method)
    return [_path(server, route, methods[route.path]) for route in ROUTES]


def _path(server: Server, route: Route, methods: set[str]) -> _Path:
    made = _Path(route.path, Endpoint(server, route), methods=[route.method])
    # A HEAD is answered like a GET, without the content, which the connection leaves out; a stream has but content.
    made.methods = {route.method, "HEAD"} if route.method == "GET" and not route.streams else {route.method}
    made.also = frozenset(methods | made.methods)
    return made


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the shape of an application
    if scope["method"] == "GET" and "text/html" in headers_of(scope).get("accept", ""):
        await sent(send, browser.nowhere())
        return
    await sent(send, Reply(status=404, content={"detail": "Not Found"}))
