"""The ASGI application: the table of routes behind what guards all of them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from rollbook.server import browser
from rollbook.server.endpoint import Endpoint, Receive, Scope, Send, headers_of, sent
from rollbook.server.faults import Unacceptable
from rollbook.server.guard import refused
from rollbook.server.params import query_of
from rollbook.server.paths import Paths
from rollbook.server.routes import ROUTES
from rollbook.server.routing import Reply
from rollbook.server.running import Server

_SESSIONS: Final = "/api/v1/sessions/"
_NAMED: Final = "/api/v1/session/"  #: the same, with the session's id in the query


class App:
    """The server as an ASGI application."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._paths = Paths((route, Endpoint(server, route)) for route in ROUTES)

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
        found = self._paths.find(scope["method"], scope["path"])
        if found is None:
            await _unknown(scope, send)
        elif found.answers is None:
            allow = ("allow", ", ".join(sorted(found.methods)))
            await sent(send, Reply(status=405, content={"detail": "Method Not Allowed"}, headers=(allow,)))
        else:
            scope["path_params"] = found.named
            await found.answers(scope, receive, send)


def _whole(scope: Scope) -> str:
    """The path of what is asked of a session whose id no client can write there: ``.`` and ``..`` lead elsewhere."""
    try:
        session_id = query_of(scope.get("query_string", b"")).get("session_id", "")
    except Unacceptable:
        session_id = ""
    rest: str = scope["path"].removeprefix(_NAMED)
    return f"{_SESSIONS}{quote(session_id, safe='')}/{rest}" if session_id else scope["path"]


async def _unknown(scope: Scope, send: Send) -> None:
    if scope["method"] == "GET" and "text/html" in headers_of(scope).get("accept", ""):
        await sent(send, browser.nowhere())
        return
    await sent(send, Reply(status=404, content={"detail": "Not Found"}))
