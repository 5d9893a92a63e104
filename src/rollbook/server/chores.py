"""What a server does beside answering: it looks after the book that it serves, and after its machine's hooks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from rollbook.book import Rollbook
from rollbook.errors import RollbookError
from rollbook.hooks import delivery, spool

if TYPE_CHECKING:
    from rollbook.server.running import Server

_log: Final = logging.getLogger("rollbook.server")
_FORGET_S: Final = 600.0
_SETTLE_S: Final = 60.0
_TOLD_S: Final = 60.0


class Chores:
    """Tasks, and a thread, that run while the server does."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = threading.Event()
        self._postman: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        book = self._server.book
        plans = book._plans  # noqa: SLF001 - two faces, the same plans
        if plans.store.read_only:  # all of them write
            return self
        plans.presence.attend()  # a program that goes on looks after what died on its machine
        self._begin(book.forget_notes, _FORGET_S)
        self._begin(book.settle, _SETTLE_S)
        self._begin(self._clear_outside, _FORGET_S)
        if self._server.options.spool:
            self._postman = threading.Thread(
                target=delivery.attend, args=(Rollbook(plans), spool.folder(), self._stop),
                kwargs={"told": _log.warning}, name="rollbook-hooks",
            )  # fmt: skip
            self._postman.start()
        return self

    async def _clear_outside(self) -> None:
        """Finish what was deleted while the place for journals was away, whoever did so."""
        book = self._server.book
        await book._drive(book._plans.clear_outside())  # noqa: SLF001 - two faces, the same plans

    def _begin(self, chore: Callable[[], Awaitable[object]], seconds: float) -> None:
        self._tasks.append(asyncio.create_task(_again_and_again(chore, seconds)))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._postman is not None:
            await asyncio.to_thread(self._postman.join)


async def _again_and_again(chore: Callable[[], Awaitable[object]], seconds: float) -> None:
    told = 0.0
    while True:
        try:
            await chore()
        except RollbookError as error:  # it may go better the next time
            if time.monotonic() - told > _TOLD_S:
                told = time.monotonic()
                _log.warning("%s: %s", getattr(chore, "__name__", "a chore"), error)
        await asyncio.sleep(seconds)
