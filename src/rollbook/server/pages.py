"""The dashboard: its pages, and the files of which they are made (``shelf``)."""

from __future__ import annotations

from typing import Final

import msgspec

from rollbook.server import browser, packing
from rollbook.server.packing import takes_gzip
from rollbook.server.routing import OPEN, Answer, At, Nothing, Reply, Route
from rollbook.server.shelf import HTML, File, shelf

_FOREVER: Final = "max-age=31536000, immutable"


class OfShelf(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    mark: str
    name: str


class OfPage(msgspec.Struct, frozen=True, kw_only=True):
    """One session's page."""

    user: str
    session_id: str


def _page(name: str) -> Answer:
    async def page(at: At, asked: object) -> Reply:  # noqa: ARG001 - the shape of what answers a route
        """A page of the dashboard; to whoever did not sign in the page for that."""
        if await at.server.doorkeeper.known(at.headers) is None:
            return browser.asked_in()
        return _as_taken(shelf().pages[name], at, browser.POLICY)

    return page


async def file(at: At, asked: OfShelf) -> Reply:
    """A module, a style or a library."""
    found = shelf()
    it = found.files.get(asked.name) if asked.mark == found.mark else None
    if it is None:  # a tab that was opened before the server was another one: it loads its page anew
        return Reply(status=404, content={"detail": "Not Found"})
    return _as_taken(it, at, (("cache-control", _FOREVER),))


def _as_taken(it: File, at: At, said: tuple[tuple[str, str], ...]) -> Reply:
    """A file, compressed for who takes it so."""
    said = (*said, ("vary", "accept-encoding"))
    if it.packed is not None and takes_gzip(at.headers):
        return Reply(content=it.packed, media_type=it.media_type, headers=(*said, packing.PACKED))
    return Reply(content=it.content, media_type=it.media_type, headers=said)


def _route(path: str, answer: Answer, does: str, takes: type[msgspec.Struct] = Nothing) -> Route:
    return Route(
        method="GET", path=path, answer=answer, does=does, takes=takes, needs=OPEN, tag="browser", gives=bytes,
        media_type=HTML, described=False,
    )  # fmt: skip


ROUTES: Final = (
    _route("/", _page("fleet"), "The fleet."),
    _route("/sessions", _page("sessions"), "The table of sessions."),
    _route("/session/{user}/{session_id}", _page("session"), "One session.", OfPage),
    _route("/session", _page("session"), "One session, whose id no path can hold."),
    _route("/compare", _page("compare"), "Sessions side by side."),
    _route("/settings", _page("settings"), "Keys, prices and the health of the book."),
    _route("/web/{mark}/{name:path}", file, "What pages are made of.", OfShelf),
)
