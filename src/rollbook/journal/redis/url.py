"""What a Redis URL says: where the server is and how it is to be used."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from rollbook.errors import InvalidInput

_PORT: Final = 6379
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:~/-]{1,64}")
_SHARE: Final = 0.3  #: of the whole time, what one answer may take


class Options(NamedTuple):
    """A Redis URL, read."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None
    db: int
    shown: str  #: the URL without its password
    ttl: int | None = None  #: seconds after its last write for which a journal is kept; None: for ever
    prefix: str = "rollbook:"  #: of every key
    cluster: bool | None = None  #: None: the server is asked
    wait: int | None = None  #: replicas that must have a write before it is acknowledged; None: one where there are any
    fsync: str = "auto"  #: auto, no, local or replicas: whose append-only files must hold it on disk
    wait_ms: int | None = None  #: how long is waited for that; None: 1,500 and within the timeout
    timeout: float = 10.0  #: seconds after which a call gives up

    @property
    def answer_s(self) -> float:
        """How long one answer may take."""
        return max(self.timeout * _SHARE, self.wait_milliseconds / 1000 * 2.2)

    @property
    def wait_milliseconds(self) -> int:
        return int(min(1500, self.timeout * _SHARE * 1000)) if self.wait_ms is None else self.wait_ms

    @property
    def connect_s(self) -> float:
        return min(2.0, self.timeout * _SHARE)


def parse(url: str) -> Options:
    """Read a URL. Raises InvalidInput, which never shows the password."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORT
    except ValueError as error:
        raise InvalidInput(f"not a Redis URL: {error}; write redis://host:6379/0") from None
    if parts.scheme not in ("redis", "rediss"):
        raise InvalidInput("not a Redis URL; write redis://host:6379/0, or rediss:// for TLS")
    path = parts.path.strip("/")
    if path and not (path.isascii() and path.isdigit()):
        raise InvalidInput(f"the path of a Redis URL is the number of a database, not {path!r}")
    found = Options(
        host=parts.hostname or "localhost",
        port=port,
        tls=parts.scheme == "rediss",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        db=int(path or 0),
        shown=_shown(parts),
        **_queried(parts.query),
    )
    if found.cluster and found.db:
        raise InvalidInput("a Redis cluster has only database 0")
    if found.wait_milliseconds / 1000 > found.timeout * _SHARE:
        raise InvalidInput(f"wait_ms= may be {_SHARE:.0%} of timeout= at the most")
    return found


def _shown(parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2]
    user = f"{parts.username or ''}:***@" if parts.password else f"{parts.username}@" if parts.username else ""
    return parts._replace(netloc=user + place).geturl()


def _queried(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        read = _READ.get(name)
        if read is None:
            raise InvalidInput(f"a Redis URL has no option {name!r}; there are {', '.join(sorted(_READ))}")
        if name in found:
            raise InvalidInput(f"the option {name}= of a Redis URL is given twice")
        found[name] = read(name, value)
    return found


def _whole(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise InvalidInput(f"the option {name}= of a Redis URL is a whole number from {least} to {most}")
        return int(value)

    return read


def _one_of(words: dict[str, Any]) -> Callable[[str, str], Any]:
    def read(name: str, value: str) -> Any:
        if value not in words:
            raise InvalidInput(f"the option {name}= of a Redis URL is one of {', '.join(words)}")
        return words[value]

    return read


def _prefix(name: str, value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise InvalidInput(f"the option {name}= of a Redis URL is 1 to 64 of the characters A-Z a-z 0-9 _ . : ~ / -")
    return value


def _seconds(name: str, value: str) -> float:
    return float(_whole(1, 600)(name, value))


_READ: Final[dict[str, Callable[[str, str], Any]]] = {
    "cluster": _one_of({"auto": None, "true": True, "false": False}),
    "fsync": _one_of({word: word for word in ("auto", "no", "local", "replicas")}),
    "prefix": _prefix,
    "timeout": _seconds,
    "ttl": _whole(1, 10 * 366 * 86_400),
    "wait": _whole(0, 100),
    "wait_ms": _whole(1, 60_000),
}
