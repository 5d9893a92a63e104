"""One reader of a feed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rollbook.feed.items import Change, Lost, Over
from rollbook.feed.waiting import Waker

if TYPE_CHECKING:
    from rollbook.feed.log import Feed


class Subscription:
    """The changes that a reader wants, from when it was made: for ``for`` and ``async for``, any thread or event loop.

    It ends when it is closed, or when the book is. In a child process after a fork it raises StoreError: ask the book
    again there.
    """

    def __init__(
        self,
        feed: Feed,
        user_id: str | None,
        session_id: str | None,
        told_to: int,
        sees: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._feed = feed
        self.wanted = (user_id, session_id)
        self.told_to = told_to
        self.page: deque[Change | Lost] = deque()  #: what it was told and has not taken
        self.closed = False
        self._sees = sees

    @property
    def id(self) -> str:
        """Up to where it was told: whoever comes back with it is told what came after."""
        return self._feed.id_of(self.told_to)

    def wants(self, name: tuple[str, str]) -> bool:
        """Whether it is to be told of a session."""
        user_id, session_id = self.wanted
        if user_id not in (None, name[0]) or session_id not in (None, name[1]):
            return False
        return self._sees is None or self._sees(*name)

    def next(self, timeout: float | None = None) -> Change | Lost | None:
        """The next change, waiting for it as long as it takes, or so many seconds: then None.

        Raises StoreError when it was closed, or the book.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = -1 if deadline is None else deadline - time.monotonic()
            if deadline is not None and left <= 0:
                return self._feed.ask(self, None)
            waker = Waker()
            if (item := self._feed.ask(self, waker)) is not None:
                return item
            try:
                waker.done.acquire(timeout=min(left, threading.TIMEOUT_MAX))
            finally:
                self._feed.leave(self, waker)

    async def anext(self, timeout: float | None = None) -> Change | Lost | None:  # noqa: ASYNC109 - as next() has it
        """The same for an event loop. A task that is cancelled while it waits loses nothing."""
        import asyncio  # noqa: PLC0415 - whoever blocks needs none, and it is slow to load

        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return self._feed.ask(self, None)
            waker = Waker(asyncio.get_running_loop())
            if (item := self._feed.ask(self, waker)) is not None:
                return item
            assert waker.future is not None  # noqa: S101 - it has a loop
            try:
                await asyncio.wait([waker.future], timeout=left)
            finally:
                self._feed.leave(self, waker)

    def close(self) -> None:
        """Listen no longer; whoever waits for a change is told that there is none."""
        self._feed.quit(self)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change | Lost:
        try:
            item = self.next()
        except Over:
            raise StopIteration from None
        assert item is not None  # noqa: S101 - it waits until there is one
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change | Lost:
        try:
            item = await self.anext()
        except Over:
            raise StopAsyncIteration from None
        assert item is not None  # noqa: S101 - it waits until there is one
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
