"""One thread that writes: it takes whatever waits, applies it in one transaction, and tells the callers.

Under load many callers share a commit; alone, a caller pays for one. The queue is bounded: when it is full, callers
wait for a while and are then told Overloaded. Nothing is dropped and nothing is acknowledged before it is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from rollbook.errors import Overloaded, RollbookError, StoreError
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.ops import Op
from rollbook.ledger.work import Cache
from rollbook.rules.checks import utc_now
from rollbook.settings import Settings
from rollbook.store import Store

_FULL_PAUSE_S: Final = 0.005
_GATHER_S: Final = 0.0002  #: how long a busy writer waits for the callers that it has just answered

Answers = list[Any]


class Job:
    """Operations that one caller handed over, and where the answers go."""

    __slots__ = ("future", "loop", "ops")

    def __init__(self, ops: Sequence[Op], future: Any, loop: asyncio.AbstractEventLoop | None) -> None:
        self.ops = ops
        self.future = future
        self.loop = loop


class Writer:
    """The queue and the thread of one open book. The thread starts with the first write."""

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], int] = utc_now) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._cache = Cache()
        self._queue: deque[Job] = deque()
        self._waiting = 0  # operations in the queue
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closing = False

    def submit(self, ops: Sequence[Op]) -> Answers:
        """Hand operations over and wait until they are durable; an answer or an error for each.

        Raises Overloaded if the queue stays full, and StoreError if the database refuses the transaction.
        """
        future: Future[Answers] = Future()
        job = Job(ops, future, None)
        deadline = time.monotonic() + self._settings.queue_wait_s
        while not self._put(job):
            if time.monotonic() > deadline:
                raise Overloaded
            time.sleep(_FULL_PAUSE_S)
        return future.result()

    async def submit_async(self, ops: Sequence[Op]) -> Answers:
        """The same for an event loop. A caller that is cancelled does not take its write back."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answers] = loop.create_future()
        job = Job(ops, future, loop)
        deadline = time.monotonic() + self._settings.queue_wait_s
        while not self._put(job):
            if time.monotonic() > deadline:
                raise Overloaded
            await asyncio.sleep(_FULL_PAUSE_S)
        return await future

    def _put(self, job: Job) -> bool:
        with self._lock:
            if self._closing:
                raise StoreError("the book is closed")
            if self._waiting and self._waiting + len(job.ops) > self._settings.queue_size:
                return False
            if self._thread is None:
                self._thread = self._started()
            self._queue.append(job)
            self._waiting += len(job.ops)
            self._work.notify()
            return True

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="rollbook-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise StoreError(f"the machine gives no thread to write with: {error}") from error
        return thread

    def _run(self) -> None:
        previous = 0
        while True:
            jobs = self._take(previous)
            if not jobs:
                return
            previous = len(jobs)
            self._settle(jobs, self._commit(jobs))

    def _take(self, previous: int) -> list[Job]:
        """Whatever waits, up to a batch; an empty list when the writer is to end."""
        with self._lock:
            while not self._queue:
                if self._closing:
                    return []
                self._work.wait()
            alone = len(self._queue) < previous // 2
        if alone:
            # The callers that were answered a moment ago are about to write again; one commit can serve them all.
            time.sleep(_GATHER_S)
        jobs: list[Job] = []
        size = 0
        with self._lock:
            while self._queue and (not jobs or size + len(self._queue[0].ops) <= self._settings.batch_items):
                job = self._queue.popleft()
                jobs.append(job)
                size += len(job.ops)
            self._waiting -= size
        return jobs

    def _commit(self, jobs: list[Job]) -> list[Answers | BaseException]:
        """The answers of each job, or the error that all of its operations met."""
        ops = [op for job in jobs for op in job.ops]
        try:
            answers = apply_batch(self._store, self._cache, ops, self._clock())
        except StoreError as error:
            return [error] * len(jobs)
        except Exception as error:  # noqa: BLE001 - the thread must outlive every error, and every caller must hear of it
            if len(jobs) == 1:
                return [_unforeseen(error)]
            # One of them is at fault: alone, each tells for itself.
            return [self._commit([job])[0] for job in jobs]
        found: list[Answers | BaseException] = []
        start = 0
        for job in jobs:
            found.append(answers[start : start + len(job.ops)])
            start += len(job.ops)
        return found

    @staticmethod
    def _settle(jobs: list[Job], results: list[Answers | BaseException]) -> None:
        """Tell every caller, with one call into each event loop."""
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Answers | BaseException]]] = {}
        for job, result in zip(jobs, results, strict=True):
            if job.loop is not None:
                by_loop.setdefault(job.loop, []).append((job.future, result))
            elif isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        for loop, told in by_loop.items():
            # A loop that was closed meanwhile has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, told)

    def close(self) -> None:
        """Write what is queued, then end the thread. A second call does nothing."""
        with self._lock:
            self._closing = True
            self._work.notify()
        if self._thread is not None:
            self._thread.join()


def _unforeseen(error: Exception) -> RollbookError:
    wrapped = StoreError(f"the write failed and nothing of it was kept: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def _tell(told: list[tuple[Any, Answers | BaseException]]) -> None:
    for future, result in told:
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
