"""Callers in one process or in several, which meter calls in one of the ways of postgres_ways.py."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from collections.abc import Iterator
from typing import Any, Final

import msgspec

import harness
from calls import Call, Workload, calls
from harness import Measured, latencies, now, settle
from postgres_ways import WAYS, Meter

_PATIENCE_S: Final = 900.0

_gate: threading.Barrier | None = None  # of this process: when all have warmed up


class Done(msgspec.Struct):
    """What one process did."""

    began: float
    ended: float
    waits: list[float]
    peak_mb: float


def drive(way: str, url: str, work: Workload, processes: int = 1) -> Measured:
    """Meter all calls of the workload, whose callers are shared out to the processes."""
    if processes == 1:
        done = [_drive(way, url, work, 0, 1)]
    else:
        context = multiprocessing.get_context("spawn")
        gate: Any = context.Barrier(processes)
        with context.Pool(processes, _hold, (gate,)) as pool:
            jobs = [(way, url, work, number, processes) for number in range(processes)]
            done = pool.starmap(_drive, jobs, chunksize=1)
    seconds = max(each.ended for each in done) - min(each.began for each in done)
    p50, p99 = latencies([wait for each in done for wait in each.waits])
    peak = max(each.peak_mb for each in done)
    return Measured(rate=work.calls / seconds, p50_ms=p50, p99_ms=p99, peak_mb=peak)


def _hold(gate: threading.Barrier) -> None:
    global _gate  # noqa: PLW0603 - how a process of a pool is given what cannot be sent to it
    _gate = gate


def _drive(way: str, url: str, work: Workload, number: int, processes: int) -> Done:
    try:
        return asyncio.run(_driven(way, url, work, number, processes))
    except BaseException:
        if _gate is not None:
            _gate.abort()  # the others need not wait
        raise


async def _driven(way: str, url: str, work: Workload, number: int, processes: int) -> Done:
    made = calls(work)
    warm, timed = made[number : work.warm : processes], made[work.warm + number :: processes]
    async with WAYS[way](url, work.callers // processes) as meters:
        await _all(meters, iter(warm))
        settle()
        if _gate is not None:
            _gate.wait(_PATIENCE_S)
        began = now()
        waits = await _all(meters, iter(timed))
        return Done(began, now(), waits, harness.peak_mb())


async def _all(meters: list[Meter], queue: Iterator[Call]) -> list[float]:
    waits: list[float] = []

    async def caller(meter: Meter) -> None:
        for call in queue:
            at = now()
            await meter(call)
            waits.append(now() - at)

    await asyncio.gather(*map(caller, meters))
    return waits
