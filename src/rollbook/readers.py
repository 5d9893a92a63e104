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
_SLOW_S: Final = 0.02  #: where no read was begun for so long and some wait, another thread is started


class Job(NamedTuple):
    """One read, and who waits for it."""

    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


Told = list[tuple[asyncio.Future[Any], Any, BaseException | None]]


class Readers:
    """The threads of one open book; they start when they are needed, up to so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._begun = 0  #: reads so far
        self._watched = 0.0  #: until when a loop looks whether reads are begun

    async def run(self, work: Callable[[], Any]) -> Any:
        """What a function returns or raises, run in one of the threads."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop, loop.create_future())
        with self._lock:
            if self._closed:
                raise StoreError("the book is closed")
            self._queue.put(job)
            if not self._threads:
                self._start()
            elif len(self._threads) < self._most:
                self._watch(loop)
        return await job.future

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that a slow read holds nobody up who comes after it; one loop looks for all."""
        now = time.monotonic()
        if now > self._watched:
            self._watched = now + 2 * _SLOW_S  # if that loop is closed meanwhile, another one looks
            loop.call_later(_SLOW_S, self._look, loop, self._begun)

    def _look(self, loop: asyncio.AbstractEventLoop, begun: int) -> None:
        with self._lock:
            self._watched = 0.0
            if self._closed or not self._queue.qsize() or len(self._threads) >= self._most:
                return
            if self._begun == begun:
                self._start()
            self._watch(loop)

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
            began = began if count else time.monotonic()
            self._begun += 1
            told.setdefault(job.loop, []).append(_done(job))
            count += 1
            if count >= _TELL_MOST or time.monotonic() - began > _TELL_S:
                _tell(told)
                count = 0

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
