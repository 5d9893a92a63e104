"""Who asks: by a key, by the local token, or by a browser's cookie (R6).

Who somebody is, is looked up in the book and remembered for a second, so that a key that was revoked lets nobody in
for longer than that, on whichever server.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from rollbook.aio import AsyncRollbook
from rollbook.principals import ADMIN as ADMIN_ROLE
from rollbook.principals import READER, Principal
from rollbook.server import browser
from rollbook.server.faults import Refused
from rollbook.server.routing import ADMIN, OPEN, WRITE, Route

if TYPE_CHECKING:
    from rollbook.server.running import Server

REMEMBERED_S: Final = 1.0
_CODE_S: Final = 600.0
_REMEMBERED_MOST: Final = 4096
_UNAUTHORIZED: Final = ("www-authenticate", 'Bearer realm="rollbook"')


class Guest(NamedTuple):
    """Whoever was let in, with the book as that one sees it."""

    principal: Principal
    book: AsyncRollbook


class Doorkeeper:
    """Lets in whoever may come."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._nobody = Guest(server.nobody, server.book)
        self._known: OrderedDict[bytes, tuple[float, Guest]] = OrderedDict()
        self._codes: dict[str, float] = {}  #: until when each signs in

    async def admitted(self, headers: Mapping[str, str], client: str, route: Route) -> Guest:
        """Who asks. Raises Refused where that one, or nobody at all, may come to the route."""
        if route.needs == OPEN:
            return self._nobody
        guest = await self.known(headers)
        if guest is None:
            self._server.limits.guess(client)
            raise Refused(401, "Unauthorized", _UNAUTHORIZED)
        if route.needs == ADMIN and not guest.principal.unrestricted:
            raise Refused(403, "only an administrator may do that [Forbidden]")
        if route.needs == WRITE and guest.principal.role == READER:
            raise Refused(403, "this key may only read; ask for one with the role of a writer [Forbidden]")
        return guest

    async def known(self, headers: Mapping[str, str]) -> Guest | None:
        """Who shows what these headers hold; None for nobody."""
        shown = shown_in(headers)
        if shown is not None:
            return await self.by_secret(shown)
        cookie = browser.cookie_in(headers)
        if cookie is None:
            return None
        return await self._known_by(browser.mark_of(cookie), lambda: browser.principal_by(self._server, cookie))

    async def by_secret(self, shown: str) -> Guest | None:
        """Who shows a key or the local token."""
        mark = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()
        guest = self._remembered(mark)
        if guest is not None:
            return guest
        if self._is_local(mark):
            return await self._known_by(mark, self._local)
        return await self._known_by(mark, lambda: self._server.book.known_by(shown))

    def _remembered(self, mark: bytes) -> Guest | None:
        found = self._known.get(mark)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def _known_by(self, mark: bytes, look: Callable[[], Awaitable[Principal | None]]) -> Guest | None:
        """Whoever is remembered by a mark, or is found by looking."""
        guest = self._remembered(mark)
        if guest is not None:
            return guest
        now, found = time.monotonic(), self._known.get(mark)
        principal = await look()
        if principal is None:
            self._known.pop(mark, None)
            return None
        if found is not None and found[1].principal == principal:
            guest = found[1]
        else:
            guest = Guest(principal, self._server.book.acting(principal))
        self._known[mark] = (now + REMEMBERED_S, guest)
        self._known.move_to_end(mark)
        if len(self._known) > _REMEMBERED_MOST:
            self._known.popitem(last=False)
        return guest

    def _is_local(self, mark: bytes) -> bool:
        token = self._server.options.token
        return token is not None and hmac.compare_digest(mark, hashlib.sha256(token.encode()).digest())

    async def _local(self) -> Principal | None:
        return self.local_user

    @property
    def local_user(self) -> Principal | None:
        """Whoever comes with this machine's token; None where only keys let anybody in."""
        token = self._server.options.token
        if token is None:
            return None
        # Of which token it was, so that who signed in with one that was changed since is out.
        key_id = f"local-{hashlib.sha256(token.encode()).hexdigest()[:16]}"
        return Principal(user_id=self._server.book.user_id, role=ADMIN_ROLE, everybody=True, key_id=key_id)

    def once_code(self) -> str:
        """A code that signs the local user in, once, within ten minutes."""
        now = time.monotonic()
        self._codes = {code: until for code, until in self._codes.items() if until > now}
        code = secrets.token_urlsafe(32)
        self._codes[code] = now + _CODE_S
        return code

    def redeem(self, code: str) -> bool:
        """Whether a code signs in; it does so once."""
        return self._codes.pop(code, 0.0) > time.monotonic()

    def forget(self, mark: bytes | None = None) -> None:
        """Look everybody up anew: a key was made or revoked here. With a mark only who is remembered by that."""
        if mark is None:
            self._known.clear()
        else:
            self._known.pop(mark, None)


def shown_in(headers: Mapping[str, str]) -> str | None:
    """The key or token that a request shows: Bearer, ``x-api-key``, or Basic with it as the password."""
    form, _, value = headers.get("authorization", "").strip().partition(" ")
    value = value.strip()
    if form.lower() == "bearer" and value:
        return value
    if form.lower() == "basic" and value:
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return password or name or None
    return headers.get("x-api-key") or None
