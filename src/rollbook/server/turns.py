"""Turns: what was sent at the same time, and belongs together, is taken in one after the other.

A book finds out by itself when others wrote the same trace meanwhile, other servers too, and joins anew. Many at once
would be in each other's way again and again; those that come to the same server wait for each other instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager

from rollbook.telemetry.names import metered
from rollbook.telemetry.told import PointTold, SpanTold, Told

_Turn = asyncio.Future[None]  #: done when it is over
_Name = tuple[str, str]  #: a user, and what is written


class Turns:
    """Who writes which traces and sums now, and who comes after: in the order in which they came."""

    def __init__(self) -> None:
        self._last: dict[_Name, _Turn] = {}  #: of those that want the same, the one that came last

    @asynccontextmanager
    async def of(self, user_id: str, told: Iterable[Told]) -> AsyncIterator[None]:
        """Around what writes what a user's telemetry told."""
        names = {(user_id, _name(each)) for each in told if isinstance(each, SpanTold | PointTold)}
        before = {self._last[name] for name in names if name in self._last}
        mine: _Turn = asyncio.get_running_loop().create_future()
        self._last.update(dict.fromkeys(names, mine))
        try:
            if before:
                await asyncio.wait(before)
            yield
        finally:
            self._leave(names, mine, before)

    def _leave(self, names: Iterable[_Name], mine: _Turn, before: Collection[_Turn]) -> None:
        left = [turn for turn in before if not turn.done()]
        if left:  # who waited is gone, but not those that it waited for: who comes after it waits for them too
            left[0].add_done_callback(lambda _: self._leave(names, mine, left))
            return
        for name in names:
            if self._last.get(name) is mine:
                del self._last[name]
        mine.set_result(None)


def _name(told: SpanTold | PointTold) -> str:
    """Of that with which it is joined."""
    return told.trace_id if isinstance(told, SpanTold) else metered(told.session_id, told.model)
