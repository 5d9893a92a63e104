"""What is refused before anybody looks at it: requests that another site makes a browser send here.

On loopback a server is open to every page that a browser on the machine shows. So the name by which it was asked for
must be one of its own (which a page that had its name moved here cannot say), and a browser that says where a request
comes from must say that it comes from here, over the same scheme: whoever is on the way can be any page of plain HTTP.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from rollbook.server.routing import Reply

if TYPE_CHECKING:
    from rollbook.server.running import Options

_LOOKED_AT: Final = frozenset({b"host", b"origin", b"sec-fetch-site", b"x-forwarded-proto"})
_ELSEWHERE: Final = "requests from other sites are refused"
_OTHER_SCHEME: Final = (
    "this one comes from {0} and came here over {1}: a proxy in between must be named (--proxy), and must say"
    " X-Forwarded-Proto"
)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def refused(scope: MutableMapping[str, Any], options: Options) -> Reply | None:
    """Why a request is not looked at; None where it is."""
    said = {name: value.decode("latin-1") for name, value in scope["headers"] if name in _LOOKED_AT}
    host, origin = said.get(b"host", ""), said.get(b"origin", "")
    if not known_host(host, options):
        return Reply(status=421, content={"detail": "this server is not known by that name"})
    if said.get(b"sec-fetch-site", "") not in ("", "same-origin", "none"):
        return Reply(status=403, content={"detail": _ELSEWHERE})
    if not origin:
        return None
    scheme, _, where = origin.partition("://")
    if where != host:
        return Reply(status=403, content={"detail": _ELSEWHERE})
    own = "https" if is_secure(scope, said.get(b"x-forwarded-proto", ""), options) else "http"
    if scheme != own:
        return Reply(status=403, content={"detail": f"{_ELSEWHERE}; {_OTHER_SCHEME.format(scheme, own)}"})
    return None


def is_secure(scope: MutableMapping[str, Any], forwarded: str, options: Options) -> bool:
    """Whether whoever asks came over HTTPS, to this server or to a proxy that is trusted, which says so."""
    client = scope.get("client")
    if forwarded and client and client[0] in options.proxies:
        return forwarded.rpartition(",")[2].strip().lower() == "https"
    return bool(scope.get("scheme") == "https")


def known_host(host: str, options: Options) -> bool:
    """Whether a server is known by a name."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name in _LOOPBACK or name == options.host.lower() or name in options.hosts:
        return True
    return not (options.host in _LOOPBACK or options.host.startswith("127.") or options.hosts)
