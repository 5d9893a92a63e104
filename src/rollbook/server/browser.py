"""Browsers: signing in and out, and the cookie by which one is known from then on.

A cookie says who signed in and holds a secret of which the book keeps a hash. It is of this site alone, no script sees
it, and requests that another site makes a browser send are refused before anybody looks at it (``guard``). It lets in
only as long as the key does with which its owner signed in.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec
from msgspec import UNSET

from rollbook.principals import READER, Principal
from rollbook.server.faults import Refused
from rollbook.server.routing import OPEN, Answer, At, Nothing, Reply, Route
from rollbook.server.shelf import HTML, shelf

if TYPE_CHECKING:
    from rollbook.server.running import Server

NAME: Final = "rollbook"
LASTS: Final = timedelta(days=7)
_LOCAL: Final = "local"
_FORM: Final = re.compile(r"([0-9a-f-]{36})\.([0-9a-f]{12}|local)\.([A-Za-z0-9_-]{43})")
#: Pages of who has signed in, with what is asked of them and the place within.
_BEYOND: Final = re.compile(r"/(sessions?|compare|settings)?([?#][!-~]*)?|/session/[!-~]*")
_REFUSED: Final = "That key lets nobody in."
_USED: Final = "That link was used before, or is older than ten minutes."
#: A page may show itself, ask this server, and nothing else.
POLICY: Final = (
    (
        "content-security-policy",
        ("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
         "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    ),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)  # fmt: skip


class Shown(NamedTuple):
    """A cookie, as a browser shows it."""

    user_id: str
    key_id: str | None  #: None: the local user, by this machine's token
    secret: str

    @property
    def text(self) -> str:
        """The cookie's value."""
        return f"{self.user_id}.{self.key_id or _LOCAL}.{self.secret}"


def cookie_in(headers: Mapping[str, str]) -> Shown | None:
    """The cookie of a request, if it has one that can be."""
    # By hand, since other servers of the machine leave cookies here in whatever form, and a parser gives up at those.
    for pair in headers.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == NAME and (found := _FORM.fullmatch(value)) is not None:
            return Shown(found[1], None if found[2] == _LOCAL else found[2], found[3])
    return None


async def principal_by(server: Server, shown: Shown) -> Principal | None:
    """Who signed in and has this cookie since; None where it lets nobody in."""
    asker = server.book.acting(Principal(user_id=shown.user_id, role=READER))
    key_id = await asker.signed_in(shown.secret)
    if key_id is UNSET or key_id is None:
        return None
    if shown.key_id is None:
        local = server.doorkeeper.local_user
        return local if local is not None and local.key_id == key_id else None
    return await server.book.known_as(key_id) if key_id == shown.key_id else None


def mark_of(shown: Shown) -> bytes:
    """By what a cookie is remembered."""
    return hashlib.sha256(b"cookie " + shown.text.encode()).digest()


# Routes


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code that signs in once."""

    once: str | None = None


async def page(at: At, asked: Code) -> Reply:
    """The page on which one signs in; with a code that signs in once, it is done."""
    if asked.once is None:
        return Reply(content=_signing_in(), media_type=HTML, headers=POLICY)
    local = at.server.doorkeeper.local_user
    if local is None or not at.server.doorkeeper.redeem(asked.once):
        return _refused(at, _USED)
    return await _welcome(at, local)


async def enter(at: At, asked: Nothing) -> Reply:  # noqa: ARG001 - the shape of what answers a route
    """Sign in with a key or this machine's token, as a form gives it."""
    try:
        form = parse_qs(at.body.decode(), max_num_fields=8)
    except (UnicodeDecodeError, ValueError):
        raise Refused(400, "the form cannot be read") from None
    given, there = (form.get(name, [""])[0].strip() for name in ("key", "there"))
    guest = await at.server.doorkeeper.by_secret(given) if given else None
    if guest is None:
        return _refused(at, _REFUSED, there)
    return await _welcome(at, guest.principal, there)


def _refused(at: At, why: str, there: str = "") -> Reply:
    """The page once more, with why it did not let in."""
    try:
        at.server.limits.guess(at.client)
    except Refused as refused:
        return _later(refused, there)
    return Reply(status=401, content=_signing_in(why, there), media_type=HTML, headers=POLICY)


def _later(refused: Refused, there: str) -> Reply:
    """The page once more, for who tried too often."""
    page, known = _signing_in(f"{refused}.".capitalize(), there), refused.reply
    return Reply(status=known.status, content=page, media_type=HTML, headers=(*POLICY, *known.headers))


async def _welcome(at: At, principal: Principal, there: str = "") -> Reply:
    try:
        at.server.limits.enter(principal)
    except Refused as refused:
        return _later(refused, there)
    secret = await at.server.book.acting(principal).sign_in(lasts=LASTS)
    local = at.server.doorkeeper.local_user
    by_token = local is not None and principal.key_id == local.key_id
    shown = Shown(principal.user_id, None if by_token else principal.key_id, secret)
    # (No redirect: a browser that came from elsewhere would leave the cookie behind.)
    return Reply(
        content=_welcoming(there), media_type=HTML, headers=(*POLICY, _cookie(at, shown.text, LASTS)),
    )  # fmt: skip


def _welcoming(there: str) -> bytes:
    """The page that goes on to the one for which somebody had to sign in."""
    known = there if _BEYOND.fullmatch(there) else "/"
    return _plain("welcome").replace(b"{there}", html.escape(known.replace("'", "%27")).encode())


async def leave(at: At, asked: Nothing) -> Reply:  # noqa: ARG001
    """Sign out: the cookie lets nobody in any more, wherever it is."""
    shown = cookie_in(at.headers)
    if shown is not None:
        await at.server.book.acting(Principal(user_id=shown.user_id, role=READER)).sign_out(shown.secret)
        at.server.doorkeeper.forget(mark_of(shown))
    return Reply(
        content=_signing_in(), media_type=HTML, headers=(*POLICY, _cookie(at, "", timedelta(0))),
    )  # fmt: skip


def asked_in() -> Reply:
    """The page on which one signs in, in the place of one that only those see who did."""
    return Reply(content=_signing_in(), media_type=HTML, headers=POLICY)


def nowhere() -> Reply:
    """The page of an address at which there is none, for people."""
    return Reply(status=404, content=_plain("nowhere"), media_type=HTML, headers=POLICY)


def _cookie(at: At, value: str, lasts: timedelta) -> tuple[str, str]:
    parts = [f"{NAME}={value}", "Path=/", f"Max-Age={round(lasts.total_seconds())}", "HttpOnly", "SameSite=Strict"]
    if at.secure:
        parts.append("Secure")
    return "set-cookie", "; ".join(parts)


def _signing_in(why: str = "", there: str = "") -> bytes:
    """The page on which one signs in, with why one is there again, and where one wanted to go."""
    told = f'<p class="alert" role="alert">{html.escape(why)}</p>\n' if why else ""
    page = _plain("signin").replace(b"{why}", told.encode())
    return page.replace(b"{there}", html.escape(there).encode())


def _plain(name: str) -> bytes:
    """A page beside the dashboard."""
    return shelf().pages[f"plain/{name}"].content


def _route(method: str, path: str, answer: Answer, does: str, takes: type[msgspec.Struct] = Nothing) -> Route:
    return Route(
        method=method, path=path, answer=answer, does=does, takes=takes, body=bytes if method == "POST" else None,
        needs=OPEN, tag="browser", gives=bytes, media_type=HTML, described=False,
    )  # fmt: skip


ROUTES: Final = (
    _route("GET", "/signin", page, "The page on which one signs in.", Code),
    _route("POST", "/signin", enter, "Sign in, as a form does."),
    _route("POST", "/signout", leave, "Sign out."),
    _route("GET", "/signout", page, "The page that one gets to by signing out, asked for again.", Code),
)
