"""``GET /api/v1/events``: what changes, as server-sent events, to whoever may see it (R6).

An event is a hint that a session changed, and how; whoever shows the session asks for it anew. Its id is where the feed
stood, so that a browser that comes back with ``Last-Event-ID`` is told what it missed, as far as the feed remembers;
else it gets a ``reset``, which means: look at everything anew. The feed numbers what everybody changes, so whoever does
not see everybody's sessions gets ids that nobody but this process can read.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes
from typing import Any, Final

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent

from rollbook.feed import Change, Lost, Subscription
from rollbook.feed.items import Over
from rollbook.model import from_micros
from rollbook.server import wire
from rollbook.server.endpoint import Receive, Scope, Send
from rollbook.server.routing import At, Route

PING_S: Final = 15.0  #: after so much silence an event says that the stream lives: scripts of browsers hear no comments
ASKED_ANEW_S: Final = 5.0  #: how often a silent stream asks whether its key still lets anybody in
_SEND_S: Final = 30.0  #: in which a client must take an event
_GRACE_S: Final = 3.0
_RETRY_MS: Final = 2_000
_SECRET: Final = token_bytes(32)
_NONCE_BYTES: Final = 8
_PROOF_BYTES: Final = 16


class Watching(msgspec.Struct, frozen=True, kw_only=True):
    """Of what changes are to be told."""

    session_id: str | None = None
    user_id: str | None = None
    after: str | None = None  #: the id of the last event that was seen; a browser says it in a header instead


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A session changed."""

    user_id: str
    session_id: str  #: empty where it is what is kept of the user itself
    kinds: list[str]  #: life, usage, content, facts, state, removed
    at: Any  #: when it was stored last


def _pad(nonce: bytes) -> bytes:
    return blake2b(nonce, key=_SECRET, person=b"pad").digest()


def _proof(text: bytes) -> bytes:
    return blake2b(text, key=_SECRET, person=b"proof", digest_size=_PROOF_BYTES).digest()


def sealed(known: str) -> str:
    """An id of the feed, as it is told to somebody who is not to count what others do."""
    nonce = token_bytes(_NONCE_BYTES)
    said = nonce + bytes(a ^ b for a, b in zip(known.encode(), _pad(nonce), strict=False))
    return (_proof(said) + said).hex()


def unsealed(given: str) -> str:
    """The same back; of anything else an id that no feed knows."""
    try:
        proof, said = (found := bytes.fromhex(given))[:_PROOF_BYTES], found[_PROOF_BYTES:]
    except ValueError:
        return ""
    if not compare_digest(proof, _proof(said)):
        return ""
    nonce, text = said[:_NONCE_BYTES], said[_NONCE_BYTES:]
    return bytes(a ^ b for a, b in zip(text, _pad(nonce), strict=False)).decode()


class Stream:
    """One open stream."""

    def __init__(self, at: At, changes: Subscription) -> None:
        self._at = at
        self._changes = changes
        self._asked = time.monotonic()

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """What is sent, until the client goes, its key is revoked or the server stops."""
        at = self._at
        # Said at once, so that a client knows that it listens and from where on.
        yield ServerSentEvent(event="ready", data="{}", retry=_RETRY_MS, id=self._id(self._changes.id))
        silent = 0.0
        while True:
            try:
                item = await self._changes.anext(ASKED_ANEW_S)
            except Over:
                break
            if not await self._still_in():
                yield ServerSentEvent(event="stop", data='{"reason":"what the key allows has changed"}')
                return
            if item is None:
                silent += ASKED_ANEW_S
                if silent >= PING_S:
                    silent = 0.0
                    yield ServerSentEvent(event="alive", data="{}")
                continue
            silent = 0.0
            if isinstance(item, Lost):
                yield ServerSentEvent(event="reset", id=self._id(item.id), data=_text({"reason": item.reason}))
            elif await at.book.may_see(item.user_id, item.session_id):
                yield ServerSentEvent(event="change", id=self._id(item.id), data=_text(_told(item)))
        yield ServerSentEvent(event="stop", data='{"reason":"the server stops"}')

    def _id(self, known: str) -> str:
        return known if self._at.principal.unrestricted else sealed(known)

    async def _still_in(self) -> bool:
        now = time.monotonic()
        if now - self._asked < 1.0:
            return True
        self._asked = now
        guest = await self._at.server.doorkeeper.known(self._at.headers)
        if guest is None:
            return False
        # What it may see may be another now; what it listens to stays, so it is to come again.
        return guest.principal == self._at.principal


def _text(value: Any) -> str:
    return wire.encoded(value).decode()


def _told(item: Change) -> Told:
    return Told(
        user_id=item.user_id, session_id=item.session_id, kinds=sorted(item.kinds), at=wire.told(from_micros(item.at))
    )


async def watch(at: At, given: tuple[Watching, Scope, Receive, Send]) -> int:
    """Answer with a stream."""
    asked, scope, receive, send = given
    after = at.headers.get("last-event-id") or asked.after
    if after is not None and not at.principal.unrestricted:
        after = unsealed(after)
    # What is seen by its dataset alone takes a look into the book; of all else the feed itself knows whose it is.
    book = at.server.book if at.principal.datasets and not at.principal.unrestricted else at.book
    changes = book.changes(user_id=asked.user_id, session_id=asked.session_id, after=after)
    with at.server.limits.stream(at, changes):
        answer = EventSourceResponse(
            Stream(at, changes).events(), ping=0, send_timeout=_SEND_S, sep="\n", shutdown_grace_period=_GRACE_S
        )
        await answer(scope, receive, send)
    return 200


ROUTES: Final = (
    Route(
        method="GET", path="/api/v1/events", answer=watch, takes=Watching, gives=Told, tag="events", streams=True,
        media_type="text/event-stream",
        does="What changes, as server-sent events; an event named reset means: look at everything anew.",
    ),
)  # fmt: skip
