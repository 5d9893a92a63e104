"""What browsers are sent: pages, and the modules, styles and libraries of which they are made.

All of it is read and compressed once, at the start, and served from memory; no path that a client names is looked for
on a disk. Addresses have a mark of what all files hold, so a browser may keep them for as long as it likes, and asks
for all of them anew when any of them is another one.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Final, NamedTuple

HTML: Final = "text/html; charset=utf-8"
_WEB: Final = Path(__file__).parent / "web"
_TYPES: Final = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": HTML,
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
#: Comments that have lines of their own are for who reads the source. (Empty lines stay: others keep their numbers.)
_SAID: Final = {
    ".js": re.compile(rb"^[ \t]*//.*$", re.MULTILINE),
    ".css": re.compile(rb"^[ \t]*/\*.*\*/$", re.MULTILINE),
}
_OTHERS: Final = "vendor/"  #: files of others stay as they are, with what they say of whose they are
_SMALLEST: Final = 200  #: bytes below which compressing gains nothing
_PAGES: Final = "app/pages/"
#: Modules that a module needs. Said in the page, they are fetched together instead of one behind the other.
_NEEDED: Final = re.compile(rb'(?:^|[;}])(?:import|export)\b[^"=()]*"(\.[^"]+)"', re.MULTILINE)


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    packed: bytes | None  #: with gzip, where that is smaller
    media_type: str


class Shelf:
    """Everything that browsers are sent, by its name below the folder."""

    def __init__(self, folder: Path = _WEB) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES and path.is_file())
        plain = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        whole = hashlib.sha256()
        for name, content in plain.items():
            whole.update(f"{name} {len(content)} ".encode() + content)
        self.mark = whole.hexdigest()[:12]
        html = {name.removesuffix(".html"): plain.pop(name) for name in [*plain] if name.endswith(".html")}
        sources = {name: _sent(name, content) for name, content in plain.items()}
        self.files = {name: _file(name, content) for name, content in sources.items()}
        head = html.pop("head")
        dashboard = html.pop("index")
        for name in [*sources]:
            if name.startswith(_PAGES):
                page = Path(name).stem
                html[page] = dashboard.replace(b"<!-- first -->", _first(page, sources))
        self.pages = {name: _file(f"{name}.html", self._page(head + body)) for name, body in html.items()}

    def _page(self, text: bytes) -> bytes:
        return text.replace(b'"/web/', f'"/web/{self.mark}/'.encode())


def _sent(name: str, content: bytes) -> bytes:
    suffix = Path(name).suffix
    if suffix == ".mjs":
        return _MAPPED.sub(b"", _IMPORTED.sub(_address, content))
    said = None if name.startswith(_OTHERS) else _SAID.get(suffix)
    return content if said is None else said.sub(b"", content)


def _address(found: re.Match[bytes]) -> bytes:
    return found[1] + found[2] + b'"./' + _KNOWN[found[3].decode()].encode() + b'"'


def _first(page: str, sources: dict[str, bytes]) -> bytes:
    """What a page of the dashboard is told to fetch at once: its style, and every module that it needs."""
    names: dict[str, None] = {}
    _needed("app/main.js", sources, names)
    _needed(f"{_PAGES}{page}.js", sources, names)
    links = [f'<link rel="stylesheet" href="/web/style/{page}.css">']
    return "\n".join(links + [f'<link rel="modulepreload" href="/web/{name}">' for name in names]).encode()


def _needed(name: str, sources: dict[str, bytes], into: dict[str, None]) -> None:
    """A module and those that it imports, and so on."""
    if name in into:
        return
    into[name] = None
    for found in _NEEDED.findall(sources[name]):
        _needed(_flat(f"{Path(name).parent.as_posix()}/{found.decode()}"), sources, into)


def _flat(path: str) -> str:
    parts: list[str] = []
    for part in path.strip("/").split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _file(name: str, content: bytes) -> File:
    packed = gzip.compress(content, mtime=0) if len(content) > _SMALLEST else None  # as small as the library makes it
    return File(content, packed, _TYPES[Path(name).suffix])


SHELF: Final = Shelf()


def shelf() -> Shelf:
    """What is sent."""
    return SHELF
