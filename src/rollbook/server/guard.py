"""What is refused before anybody looks at it: requests that another site makes a browser send here.

On loopback a server is open to every page that a browser on the machine shows. So the name by which it was asked for
must be one of its own (which a page that had its name moved here cannot say), and a browser that says where a request
comes from must say that it comes from here.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from rollbook.server.routing import Reply

if TYPE_CHECKING:
    from rollbook.server.running import Options

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def refused(scope: MutableMapping[str, Any], options: Options) -> Reply | None:
    """Why a request is not looked at; None where it is."""
    host = origin = site = ""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"sec-fetch-site":
            site = value.decode("latin-1")
    if not known_host(host, options):
        return Reply(status=421, content={"detail": "this server is not known by that name"})
    if site not in ("", "same-origin", "none"):
        return Reply(status=403, content={"detail": "requests from other sites are refused"})
    if origin and origin.partition("://")[2] != host:
        return Reply(status=403, content={"detail": "requests from other sites are refused"})
    return None


def known_host(host: str, options: Options) -> bool:
    """Whether a server is known by a name."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    name = name.strip("[]").lower()
    if name in _LOOPBACK or name == options.host.lower() or name in options.hosts:
        return True
    return not (options.host in _LOOPBACK or options.host.startswith("127.") or options.hosts)
