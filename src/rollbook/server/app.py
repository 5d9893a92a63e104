"""The ASGI application: the table of routes behind what guards all of them."""

from __future__ import annotations

from starlette.routing import Route as Path
from starlette.routing import Router

from rollbook.server import browser
from rollbook.server.endpoint import Endpoint, Receive, Scope, Send, headers_of, sent
from rollbook.server.guard import refused
from rollbook.server.routes import ROUTES
from rollbook.server.routing import Reply, Route
from rollbook.server.running import Server


class App:
    """The server as an ASGI application."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._router = Router(_paths(server), redirect_slashes=False, default=_unknown)

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
        await self._router(scope, receive, send)


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
