"""Threads that read for event loops: whoever waits is told together with the others, one call into the loop for all.

A thread that is handed one read after another by an executor spends more time on waking the loop than on reading. Here
a thread goes on as long as there is something to read, and tells at the latest after a millisecond.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from rollbook.errors import StoreError

_TELL_S: Final = 0.001
_TELL_MOST: Final = 64
_SLOW_S: Final = 0.02  #: a read that has waited for so long gets another thread


class Job(NamedTuple):
    """One read, and who waits for it."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    since: float


Told = list[tuple[asyncio.Future[Any], Any, BaseException | None]]


class Readers:
    """The threads of one open book; they start when they are needed, up to so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def run(self, work: Callable[[], Any]) -> Any:
        """What a function returns or raises, run in one of the threads."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future(), time.monotonic())
        self.put(job)
        return await job.future

    def put(self, job: Job) -> None:
        """Hand a read over."""
        with self._lock:
            if self._closed:
                raise StoreError("the book is closed")
            self._queue.put(job)
            if not self._threads:
                self._start()

    def _start(self) -> None:
        thread = threading.Thread(target=self._read, name=f"rollbook-read-{len(self._threads)}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._threads:
                raise StoreError(f"the machine gives no thread to read with: {error}") from error
            return
        self._threads.append(thread)

    def _read(self) -> None:
        told: dict[asyncio.AbstractEventLoop, Told] = {}
        began, count = 0.0, 0
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                _tell(told)
                count, job = 0, self._queue.get()
            if job is None:
                _tell(told)
                return
            now = time.monotonic()
            began = began if count else now
            if now - job.since > _SLOW_S:
                self._grow()
            told.setdefault(job.loop, []).append(_done(job))
            count += 1
            if count >= _TELL_MOST or time.monotonic() - began > _TELL_S:
                _tell(told)
                count = 0

    def _grow(self) -> None:
        with self._lock:
            if not self._closed and len(self._threads) < self._most:
                self._start()

    def close(self) -> None:
        """Finish what waits, then end the threads. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)
        for thread in self._threads:
            thread.join()


def _done(job: Job) -> tuple[asyncio.Future[Any], Any, BaseException | None]:
    try:
        return job.future, job.work(), None
    except Exception as error:  # noqa: BLE001 - it is the caller's, wherever it came from
        return job.future, None, error


def _tell(told: dict[asyncio.AbstractEventLoop, Told]) -> None:
    for loop, answers in told.items():
        # A loop that was closed meanwhile has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answers)
    told.clear()


def _settle(answers: Told) -> None:
    for future, answer, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
