"""Turns: what was sent at the same time, and belongs together, is taken in one after the other.

A book finds out by itself when others wrote the same trace meanwhile, other servers too, and joins anew. Many at once
would be in each other's way again and again; those that come to the same server wait for each other instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from rollbook.telemetry.names import metered
from rollbook.telemetry.told import PointTold, SpanTold, Told


class Turns:
    """Who writes which traces and sums now."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, user_id: str, told: Iterable[Told]) -> AsyncIterator[None]:
        """Around what writes what a user's telemetry told."""
        # Everybody asks for them in the same order, so that no two wait for each other.
        names = sorted({_name(each) for each in told if isinstance(each, SpanTold | PointTold)})
        locks = [self._locks.setdefault((user_id, name), asyncio.Lock()) for name in names]
        held = 0
        try:
            for lock in locks:
                await lock.acquire()
                held += 1
            yield
        finally:
            for lock in locks[:held]:
                lock.release()


def _name(told: SpanTold | PointTold) -> str:
    """Of that with which it is joined."""
    return told.trace_id if isinstance(told, SpanTold) else metered(told.session_id, told.model)
