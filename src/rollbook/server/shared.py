"""Answers that follow from the book alone: worked out once for all who ask the same while the book stays as it is.

A hundred dashboards that are told of one change ask for the same page in the same moment, and again whenever somebody
looks at them. So what was answered is given again to whoever sees the same and asks in the same words, until anything
at all is written, by this process or another one, or a second has passed: states and ranges go by the time. Who asks
while an answer is worked out waits for it. What was acknowledged before a request came is always in the answer to it.

Where a book cannot say at once whether it changed (PostgreSQL, a book in memory) every answer is worked out.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from rollbook.principals import Principal
from rollbook.server import wire
from rollbook.server.packing import packed, takes_gzip
from rollbook.server.routing import At, Reply

KEPT_S: Final = 1.0
_MOST: Final = 256  #: answers
_MOST_BYTES: Final = 8 << 20  #: of all of them
_OK: Final = 200

Name = tuple[Principal, str, bytes, bool]  #: who asks, the path and the query as they came, and whether it is packed


class _Answer(msgspec.Struct, eq=False):
    """An answer, or the wait for one."""

    version: int  #: of the book, from before it was worked out
    until: float
    coming: asyncio.Future[Reply | None]
    reply: Reply | None = None
    size: int = 0


class Shared:
    """The answers that are kept."""

    def __init__(self, version: Callable[[], int | None]) -> None:
        self._version = version
        self._kept: OrderedDict[Name, _Answer] = OrderedDict()
        self._bytes = 0

    async def answered(self, at: At, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """The answer to a request, as it was worked out before or by ``work`` now."""
        version, small = self._version(), takes_gzip(at.headers)
        if version is None:
            return await packed(await work()) if small else await work()
        name: Name = (at.principal, at.path, at.query, small)
        kept = self._kept.get(name)
        if kept is not None and kept.version == version and (kept.reply is None or time.monotonic() < kept.until):
            reply = kept.reply or await asyncio.shield(kept.coming)
            if reply is not None:
                return reply
        return await self._worked_out(name, version, work)

    async def _worked_out(self, name: Name, version: int, work: Callable[[], Awaitable[Reply]]) -> Reply:
        answer = _Answer(version, time.monotonic() + KEPT_S, asyncio.get_running_loop().create_future())
        self._drop(name)
        self._kept[name] = answer
        try:
            reply = await work()
            reply = _as_bytes(await packed(reply) if name[-1] else reply)
            answer.reply = reply if reply.status == _OK else None
        finally:
            answer.coming.set_result(answer.reply)  # None: whoever waits works it out
            if self._kept.get(name) is answer:
                self._weigh(name, answer)
        return reply

    def _weigh(self, name: Name, answer: _Answer) -> None:
        if answer.reply is None:
            self._drop(name)
            return
        answer.size = len(answer.reply.content)
        self._bytes += answer.size
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: Name) -> None:
        answer = self._kept.pop(name, None)
        self._bytes -= 0 if answer is None else answer.size


def _as_bytes(reply: Reply) -> Reply:
    """A reply whose contents are written."""
    if isinstance(reply.content, bytes):
        return reply
    return msgspec.structs.replace(reply, content=wire.encoded(reply.content))
