"""Asking a server, with what the standard library has. No answer is sure to arrive, so everything may be asked again.

A request that was lost, or turned away for now (429, 502, 503, 504), is sent again after a pause. What is pushed twice
changes nothing, so no key is sent under which the server would have to keep its answer.
"""

from __future__ import annotations

import gzip
import http.client
import ipaddress
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from rollbook.errors import Forbidden, InvalidInput, Overloaded, StoreError, TooLarge
from rollbook.settings import data_dir

TOKEN_FILE: Final = "server-token"  # noqa: S105 - a name. In the data folder: what a server on this machine lets its user in with

_AGAIN: Final = frozenset({429, 502, 503, 504})
_TIMEOUT_S: Final = 60.0
_PATIENCE_S: Final = 300.0  #: for which one request is tried again
_PAUSE_S, _PAUSE_MOST_S = 0.5, 30.0
_ANSWER_MOST: Final = 64 << 20
_ZIP_LEVEL: Final = 3
_ZIP_LEAST: Final = 1_024


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key is sent nowhere but where its owner said."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client:
    """A server by its URL. Errors are those of a book: StoreError where it is not reached or does not understand."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        allow_http: bool = False,
        patience_s: float = _PATIENCE_S,
        waiting: Callable[[str, float], None] = lambda _why, _seconds: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = server_url(url)
        if urlsplit(self.url).scheme == "http" and not (allow_http or is_loopback(self.url)):
            raise InvalidInput(
                f"{self.url} is not encrypted: whoever is on the way reads the key and what is sent. Name https://, or"
                " say --allow-http (ROLLBOOK_PUSH_ALLOW_HTTP=1) where nobody is on the way"
            )
        self._token = token
        self._patience_s = patience_s
        self._waiting = waiting
        self._pause = pause
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if is_loopback(self.url):
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def post(self, path: str, body: bytes) -> bytes:
        """Ask, and ask again while that may help; the body of the answer."""
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "rollbook"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if len(body) >= _ZIP_LEAST:
            body, headers["Content-Encoding"] = gzip.compress(body, _ZIP_LEVEL), "gzip"
        until, pause = time.monotonic() + self._patience_s, _PAUSE_S
        while True:
            found, why, wait = self._once(path, body, headers)
            if found is not None:
                return found
            wait = min(wait, _PAUSE_MOST_S) if wait is not None else pause * (0.5 + random.random() / 2)  # noqa: S311
            if time.monotonic() + wait > until:
                raise StoreError(f"the server {self.url} {why}; what was not sent is sent next time")
            self._waiting(f"the server {self.url} {why}", wait)
            self._pause(wait)
            pause = min(pause * 2, _PAUSE_MOST_S)

    def _once(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[bytes | None, str, float | None]:
        """The answer; or why there is none, and for how long the server wants to be left alone."""
        request = urllib.request.Request(self.url + path, body, dict(headers), method="POST")  # noqa: S310 - checked
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return answer.read(_ANSWER_MOST), "", None
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in _AGAIN:
                    raise self._refused(error) from None
                return None, f"answers {error.code}", _seconds(error.headers.get("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            return None, f"is not reached ({getattr(reason, 'strerror', None) or reason or type(error).__name__})", None

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        said = _message(error)
        if error.code in (401, 403):
            return Forbidden(said or "the server does not let this key in; give it with --token or ROLLBOOK_TOKEN")
        if error.code == 413:  # noqa: PLR2004 - the status of what is too large
            return TooLarge(said or "the server takes less at once")
        if error.code in (404, 405):
            return StoreError(f"{self.url} is no Rollbook server that takes what is pushed ({error.code})")
        if 300 <= error.code < 400:  # noqa: PLR2004
            return InvalidInput(f"{self.url} is elsewhere: {error.headers.get('Location', '')[:200]!r}; name that")
        if error.code >= 500:  # noqa: PLR2004
            return Overloaded(said or f"the server failed ({error.code})")
        return InvalidInput(f"the server refused what was pushed ({error.code}): {said}")


def _message(error: urllib.error.HTTPError) -> str:
    """What a server says is wrong."""
    try:
        found = msgspec.json.decode(error.read(65_536))
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, UnicodeError):
        return ""
    for name in ("detail", "error", "message"):
        value = found.get(name) if isinstance(found, dict) else None
        if isinstance(value, dict):
            value = value.get("message")
        if isinstance(value, str) and value.isprintable():
            return value[:300]
    return ""


def _seconds(said: str | None) -> float | None:
    return float(said) if said is not None and said.isascii() and said.isdigit() and len(said) < 6 else None  # noqa: PLR2004


def server_url(url: str) -> str:
    """A server's URL without a slash at its end. Raises InvalidInput."""
    try:
        parts = urlsplit(url.strip())
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        known = plain = False
    if not known or not plain:
        raise InvalidInput(f"a server is named like https://rollbook.example.org:7655, not {url!r}")
    return url.strip().rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether a server is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_for(url: str, given: str | None = None, env: Mapping[str, str] | None = None) -> str | None:
    """What a server lets us in with: what is given, ``ROLLBOOK_TOKEN``, or for one on this machine its private file."""
    env = os.environ if env is None else env
    token = (given or env.get("ROLLBOOK_TOKEN") or "").strip()
    if not token and is_loopback(server_url(url)):
        try:
            token = (Path(data_dir(env)) / TOKEN_FILE).read_text("utf-8").strip()
        except (OSError, ValueError):
            return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidInput("a token is one word of plain characters")
    return token or None
