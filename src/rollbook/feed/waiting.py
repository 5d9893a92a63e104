"""Threads and tasks that wait to be told."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Waker:
    """One thread, or one task of an event loop, that waits."""

    __slots__ = ("done", "future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.loop = loop
        self.future: asyncio.Future[None] | None = None if loop is None else loop.create_future()
        self.done = threading.Lock()
        self.done.acquire()


def wake(woken: Iterable[Waker]) -> None:
    """Tell those who wait, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waker]] = {}
    for waker in woken:
        if waker.loop is None:
            waker.done.release()
        else:
            by_loop.setdefault(waker.loop, []).append(waker)
    for loop, told in by_loop.items():
        with suppress(RuntimeError):  # a loop that was closed meanwhile has nobody left to tell
            loop.call_soon_threadsafe(_settle, told)


def _settle(told: Sequence[Waker]) -> None:
    for waker in told:
        if waker.future is not None and not waker.future.done():
            waker.future.set_result(None)
