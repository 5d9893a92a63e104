"""Requests that may come again: ``Idempotency-Key``.

What the book answers to the writes of a request under a key is kept in the transaction that makes them, for a day; see
:mod:`rollbook.repeats`. So whoever lost the answer sends the same again, and nothing is done twice, on whichever server
and whatever died in between. Where an answer says more than the book's answers to its writes, which is mostly what is
read after them, the reply itself is kept too before it is sent: then whoever asks again is told what was told before,
not what is the case by then. Of two equal requests at once one waits for the other.

What was refused before anything was written, and what failed, is not kept: sent again it is looked at anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.repeats import KEPT_US, Repeat
from rollbook.rules import checks
from rollbook.server import wire
from rollbook.server.routing import ADMIN, ANEW, ANSWERS, NEVER, WRITE, At, Reply, Route

HEADER: Final = "idempotency-key"
_KEY_MOST: Final = 255
_BAD: Final = 400


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A reply as it is kept."""

    body_hash: str
    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Once:
    """Answers a request, or gives again what was answered to the same one before."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[asyncio.Lock, list[None]]] = {}

    async def answered(self, at: At, route: Route, asked: Any) -> Reply:
        """The answer to a request. Raises Conflict where its key was used for another one."""
        key = at.headers.get(HEADER)
        if key is None or route.needs not in (WRITE, ADMIN) or route.method == "GET" or route.kept == ANEW:
            return await _carried_out(at, route, asked)
        if not 0 < len(key) <= _KEY_MOST or not (key.isascii() and key.isprintable()):
            raise InvalidInput(f"an Idempotency-Key is 1 to {_KEY_MOST} printable ASCII characters")
        if route.kept == NEVER:
            raise InvalidInput("the answer to this is not kept, so it cannot be sent again; leave out Idempotency-Key")
        repeat = Repeat(at.principal, key, _hash(at), checks.utc_now() + KEPT_US)
        at.book = at.book.acting(at.principal, repeat=repeat)
        if route.kept == ANSWERS:
            return await _carried_out(at, route, asked)
        async with self._alone((at.principal.user_id, key)):
            return await self._once(at, route, asked, repeat)

    async def _once(self, at: At, route: Route, asked: Any, repeat: Repeat) -> Reply:
        plain = at.server.book.acting(at.principal)
        plans = plain._plans  # noqa: SLF001 - what is kept for requests is nothing that a book's callers ask for
        kept = await plain._drive(plans.kept_reply(repeat.reply_name))  # noqa: SLF001
        if kept is None:
            reply = await _carried_out(at, route, asked)
            if reply.status >= _BAD:
                return reply
            content = reply.content if isinstance(reply.content, bytes) else wire.encoded(reply.content)
            told = _Kept(repeat.body_hash, reply.status, reply.media_type, content, reply.headers)
            text = msgspec.json.encode(told).decode()
            keeping = plans.keep_reply(repeat.reply_name, text, expires_at=repeat.expires_at)
            kept = await plain._drive(keeping)  # noqa: SLF001
        found = msgspec.json.decode(kept, type=_Kept)
        if found.body_hash != repeat.body_hash:
            raise repeat.other()
        return Reply(status=found.status, media_type=found.media_type, content=found.body, headers=found.headers)

    @contextlib.asynccontextmanager
    async def _alone(self, name: tuple[str, str]) -> AsyncIterator[None]:
        """Let nobody else in who has the same key; whoever waits for it counts."""
        lock, waiting = self._held.setdefault(name, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with lock:
                yield
        finally:
            waiting.pop()
            if not waiting:
                del self._held[name]


async def _carried_out(at: At, route: Route, asked: Any) -> Reply:
    answer = await route.answer(at, asked)
    return answer if isinstance(answer, Reply) else Reply(content=answer, status=route.status)


def _hash(at: At) -> str:
    """What tells one request from another."""
    said = blake2b(at.raw, digest_size=16)
    said.update(f"\0{at.method}\0{at.path}\0".encode() + at.query)
    return said.hexdigest()
