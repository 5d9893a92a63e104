"""Threads that read for event loops: a loop is woken once for all the answers that wait for it.

A thread that is handed one read after another by an executor spends as much time on waking the loop as on reading, and
several threads that compete for the interpreter read less than one. So one thread reads as a rule; it tells when there
is nothing more to read, or after a millisecond, and where one read takes long the loop looks by itself. Another thread
is started only where no read was begun for a while.
"""

from __future__ import annotations

import asyncio
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


Answer = tuple[asyncio.Future[Any], Any, BaseException | None]


class Readers:
    """The threads of one open book; they start when they are needed, up to so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._telling = threading.Lock()
        self._told: dict[asyncio.AbstractEventLoop, list[Answer]] = {}  #: answers that wait for their loops
        self._busy: set[int] = set()  #: threads that do not wait for a read
        self._begun = 0  #: reads so far, roughly: it tells whether any was begun
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
            self._watch(loop)
        return await job.future

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that a slow read holds nobody up, before or after it; one loop looks for all."""
        now = time.monotonic()
        if now > self._watched:
            self._watched = now + 2 * _SLOW_S  # if that loop is closed meanwhile, another one looks
            loop.call_later(_SLOW_S, self._look, loop, self._begun)

    def _look(self, loop: asyncio.AbstractEventLoop, begun: int) -> None:
        self._wake()
        with self._lock:
            self._watched = 0.0
            if self._closed or not (self._busy or self._queue.qsize()):
                return
            if self._queue.qsize() and self._begun == begun and len(self._threads) < self._most:
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
        told, began, own = 0, 0.0, threading.get_ident()
        self._busy.add(own)
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                self._wake()
                self._busy.discard(own)
                told, job = 0, self._queue.get()
                self._busy.add(own)
            if job is None:
                self._wake()
                self._busy.discard(own)
                return
            began = began if told else time.monotonic()
            self._begun += 1
            if not job.future.done():  # whoever asked may have gone away
                answer = _done(job)
                with self._telling:
                    self._told.setdefault(job.loop, []).append(answer)
            told += 1
            if told >= _TELL_MOST or time.monotonic() - began > _TELL_S:
                self._wake()
                told = 0

    def _wake(self) -> None:
        """Let every loop look for the answers that wait for it."""
        with self._telling:
            loops = list(self._told)
        for loop in loops:
            try:
                loop.call_soon_threadsafe(self._settle, loop)
            except RuntimeError:  # the loop was closed meanwhile: nobody is left to tell
                with self._telling:
                    self._told.pop(loop, None)

    def _settle(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._telling:
            answers = self._told.pop(loop, [])
        for future, answer, error in answers:
            if future.done():
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)

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


def _done(job: Job) -> Answer:
    try:
        return job.future, job.work(), None
    except Exception as error:  # noqa: BLE001 - it is the caller's, wherever it came from
        return job.future, None, error
