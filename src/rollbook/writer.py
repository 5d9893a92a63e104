"""One thread that writes: it takes whatever waits, applies it in one transaction, and tells the callers.

Under load many callers share a commit; alone, a caller pays for one. The queue is bounded: when it is full, callers
wait for a while and are then told Overloaded. Nothing is dropped and nothing is acknowledged before it is durable.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from rollbook.errors import Overloaded, RollbookError, StoreError
from rollbook.settings import Settings

if TYPE_CHECKING:
    import asyncio

_FULL_PAUSE_S: Final = 0.005
_GATHER_S: Final = 0.0002  #: how long a busy writer waits for the callers that it has just answered

Answers = list[Any]
#: Makes operations durable, in order; an answer or an error for each. Raises StoreError where none of them was kept.
Apply = Callable[[Sequence[Any]], Answers]


class Job:
    """Operations that one caller handed over, and where the answers go."""

    __slots__ = ("done", "future", "loop", "ops", "result")

    def __init__(self, ops: Sequence[Any]) -> None:
        self.ops = ops
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Answers] | None = None
        #: Held until the result is there, if a thread waits for it: its cheapest way to wait for another once.
        self.done: threading.Lock | None = None
        self.result: Answers | BaseException | None = None


class Writer:
    """The queue and the thread of one open book. The thread starts with the first write."""

    def __init__(self, apply: Apply, settings: Settings) -> None:
        self._apply = apply
        self._settings = settings
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._left: Job | None = None  # taken from the queue, and too large for the batch that was full
        self._waiting = 0  # operations in the queue
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many operations wait."""
        return self._waiting

    def submit(self, ops: Sequence[Any]) -> Answers:
        """Hand operations over and wait until they are durable; an answer or an error for each.

        Raises Overloaded if the queue stays full, and StoreError if the database refuses the transaction.
        """
        job = Job(ops)
        job.done = done = threading.Lock()
        done.acquire()
        deadline = time.monotonic() + self._settings.queue_wait_s
        while not self._put(job):
            if time.monotonic() > deadline:
                raise Overloaded
            time.sleep(_FULL_PAUSE_S)
        done.acquire()
        if isinstance(job.result, BaseException):
            raise job.result
        return job.result or []

    async def submit_async(self, ops: Sequence[Any]) -> Answers:
        """The same for an event loop. A caller that is cancelled does not take its write back."""
        import asyncio  # noqa: PLC0415 - whoever blocks needs none, and it is slow to load

        job = Job(ops)
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        deadline = time.monotonic() + self._settings.queue_wait_s
        while not self._put(job):
            if time.monotonic() > deadline:
                raise Overloaded
            await asyncio.sleep(_FULL_PAUSE_S)
        return await job.future

    def _put(self, job: Job) -> bool:
        with self._lock:
            if self._closing:
                raise StoreError("the book is closed")
            if self._waiting and self._waiting + len(job.ops) > self._settings.queue_size:
                return False
            if self._thread is None:
                self._thread = self._started()
            self._waiting += len(job.ops)
            self._queue.put(job)
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
        first, self._left = self._left or self._queue.get(), None
        if first is None:
            return []
        if self._queue.qsize() + 1 < previous // 2:
            # The callers that were answered a moment ago are about to write again; one commit can serve them all.
            time.sleep(_GATHER_S)
        jobs, size = [first], len(first.ops)
        with contextlib.suppress(Empty):
            while (job := self._queue.get_nowait()) is not None:
                if size + len(job.ops) > self._settings.batch_items:
                    self._left = job
                    break
                jobs.append(job)
                size += len(job.ops)
            else:
                self._queue.put(None)  # the end, for the next round
        with self._lock:
            self._waiting -= size
        return jobs

    def _commit(self, jobs: list[Job]) -> list[Answers | BaseException]:
        """The answers of each job, or the error that all of its operations met."""
        ops = [op for job in jobs for op in job.ops]
        try:
            answers = self._apply(ops)
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
        by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        for job, result in zip(jobs, results, strict=True):
            job.result = result
            if job.done is not None:
                job.done.release()
            elif job.loop is not None:
                by_loop.setdefault(job.loop, []).append(job)
        for loop, told in by_loop.items():
            # A loop that was closed meanwhile has nobody left to tell.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, told)

    def close(self) -> None:
        """Write what is queued, then end the thread. A second call does nothing."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._queue.put(None)
        if self._thread is not None:
            self._thread.join()


def _unforeseen(error: Exception) -> RollbookError:
    wrapped = StoreError(f"the write failed and nothing of it was kept: {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def _tell(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future is None or job.future.done():
            continue
        if isinstance(job.result, BaseException):
            job.future.set_exception(job.result)
        else:
            job.future.set_result(job.result or [])
