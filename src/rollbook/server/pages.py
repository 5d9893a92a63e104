"""The dashboard: its page, and the modules, styles and libraries of which that is made.

All of them are read once, at the start, and served from memory; no path that a client names is looked for on a disk.
Their address has a mark of what they all hold, so a browser may keep them for as long as it likes, and asks for all of
them anew when any of them is another one.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from rollbook.server import browser
from rollbook.server.routing import OPEN, Answer, At, Nothing, Reply, Route

_WEB: Final = Path(__file__).parent / "web"
_HTML: Final = "text/html; charset=utf-8"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: The names by which libraries know each other. They are kept as they were published, so their names become addresses
#: here: a page would need a script of its own inside it to say so, which its policy forbids.
_KNOWN: Final = {
    "preact": "preact.mjs",
    "preact/hooks": "hooks.mjs",
    "@preact/signals-core": "signals-core.mjs",
}
_IMPORTED: Final = re.compile(rb'(\bfrom|\bimport)(\s*)"([@a-z][^"]*)"')
_MAPPED: Final = re.compile(rb"//# sourceMappingURL=\S+\s*$")
_FOREVER: Final = "public, max-age=31536000, immutable"
_SMALLEST: Final = 200  #: bytes below which compressing gains nothing
#: Modules that the first page needs. Said in the page, they are fetched together instead of one behind the other.
_FIRST: Final = re.compile(rb'(?:^|[;}])(?:import|export)\b[^"=()]*"(\.[^"]+)"', re.MULTILINE)


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    packed: bytes | None  #: with gzip, where that is smaller
    media_type: str
    mark: str


class Shelf:
    """Every file of the dashboard, as it is sent."""

    def __init__(self, folder: Path = _WEB) -> None:
        plain = {path.relative_to(folder).as_posix(): _read(path) for path in sorted(_files(folder))}
        page = (folder / "index.html").read_bytes()
        whole = hashlib.sha256(page)
        for name, content in plain.items():
            whole.update(f"{name} {len(content)} ".encode() + content)
        self.mark = whole.hexdigest()[:12]
        self.files = {name: _file(name, content) for name, content in plain.items()}
        self.page = page.replace(b"/web/", f"/web/{self.mark}/".encode()).replace(b"<!-- first -->", self._first(plain))

    def _first(self, plain: dict[str, bytes]) -> bytes:
        names: dict[str, None] = {}
        _needed("app/main.js", plain, names)
        return "\n".join(f'<link rel="modulepreload" href="/web/{self.mark}/{name}">' for name in names).encode()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in _TYPES and path.is_file())


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".mjs":
        return content
    return _MAPPED.sub(b"", _IMPORTED.sub(_address, content))


def _address(found: re.Match[bytes]) -> bytes:
    return found[1] + found[2] + b'"./' + _KNOWN[found[3].decode()].encode() + b'"'


def _needed(name: str, plain: dict[str, bytes], into: dict[str, None]) -> None:
    """A module and those that it imports, and so on."""
    if name in into:
        return
    into[name] = None
    for found in _FIRST.findall(plain[name]):
        _needed(_flat(f"{Path(name).parent.as_posix()}/{found.decode()}"), plain, into)


def _flat(path: str) -> str:
    parts: list[str] = []
    for part in path.strip("/").split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _file(name: str, content: bytes) -> File:
    packed = gzip.compress(content, 9, mtime=0) if len(content) > _SMALLEST else None
    return File(content, packed, _TYPES[Path(name).suffix], hashlib.sha256(content).hexdigest()[:16])


SHELF: Final = Shelf()


def shelf() -> Shelf:
    """The files that are served."""
    return SHELF


class OfShelf(msgspec.Struct, frozen=True, kw_only=True):
    """One file."""

    mark: str
    name: str


async def page(at: At, asked: Nothing) -> Reply:  # noqa: ARG001 - the shape of what answers a route
    """The dashboard, whichever of its pages is asked for; to whoever did not sign in the page for that."""
    if await at.server.doorkeeper.known(at.headers) is None:
        return browser.asked_in()
    return Reply(content=shelf().page, media_type=_HTML, headers=browser.POLICY)


async def file(at: At, asked: OfShelf) -> Reply:
    """A module, a style or a library."""
    found = shelf()
    it = found.files.get(asked.name) if asked.mark == found.mark else None
    if it is None:  # a tab that was opened before the server was another one: it loads its page anew
        return Reply(status=404, content={"detail": "Not Found"})
    said = (("etag", f'"{it.mark}"'), ("cache-control", _FOREVER), ("vary", "accept-encoding"))
    if f'"{it.mark}"' in at.headers.get("if-none-match", ""):
        return Reply(status=304, headers=said)
    if it.packed is not None and "gzip" in at.headers.get("accept-encoding", ""):
        return Reply(content=it.packed, media_type=it.media_type, headers=(*said, ("content-encoding", "gzip")))
    return Reply(content=it.content, media_type=it.media_type, headers=said)


class OfPage(msgspec.Struct, frozen=True, kw_only=True):
    """One session's page."""

    user: str
    session_id: str


def _route(path: str, answer: Answer, does: str, takes: type[msgspec.Struct] = Nothing) -> Route:
    return Route(
        method="GET", path=path, answer=answer, does=does, takes=takes, needs=OPEN, tag="browser", gives=bytes,
        media_type=_HTML, described=False,
    )  # fmt: skip


ROUTES: Final = (
    _route("/", page, "The fleet."),
    _route("/sessions", page, "The table of sessions."),
    _route("/session/{user}/{session_id}", page, "One session.", OfPage),
    _route("/compare", page, "Sessions side by side."),
    _route("/settings", page, "Keys, prices and the health of the book."),
    _route("/web/{mark}/{name:path}", file, "What pages are made of.", OfShelf),
)
