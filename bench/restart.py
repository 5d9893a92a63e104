"""When callers are served again after the server was killed under their load, and started anew."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from typing import Any, Final

from calls import Call, Workload, calls
from harness import now
from postgres_ways import WAYS, Meter
from rollbook.errors import RollbookError

_CALLS: Final = 100_000  #: more than there is time for
_WARM_S: Final = 2.0  #: under load before the kill
_AFTER_S: Final = 3.0  #: and after the start
_PAUSE_S: Final = 0.01  #: of a caller who was refused
_PATIENCE_S: Final = 120.0


def restarted(server: Any, url: str, sessions: int, callers: int) -> tuple[dict[str, Any], list[Call]]:
    """What was seen, and the calls that were acknowledged."""
    work = Workload(sessions=sessions, warm=0, calls=_CALLS, callers=callers)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    begun, enough = context.Event(), context.Event()
    process = context.Process(target=_callers, args=(there, url, work, begun, enough))
    process.start()
    there.close()
    if not begun.wait(_PATIENCE_S):
        raise SystemExit("no call was acknowledged")
    time.sleep(_WARM_S)
    killed = now()
    server.kill()
    started = now()
    server.start()
    ready = now()
    time.sleep(_AFTER_S)
    enough.set()
    if not here.poll(_PATIENCE_S):
        raise SystemExit("callers did not come to an end after the restart")
    acknowledged, refused = here.recv()
    process.join()
    after = [at for at, _ in acknowledged if at > started]
    if not after:
        raise SystemExit("no call was acknowledged after the restart")
    found = {
        "calls_before": sum(at < killed for at, _ in acknowledged),
        "ready_s": ready - started,
        "first_s": min(after) - started,
        "calls_after": len(after),
        "refused": refused,
    }
    return found, [call for _, call in acknowledged]


def _callers(there: Any, url: str, work: Workload, begun: Any, enough: Any) -> None:
    there.send(asyncio.run(_load(url, work, begun, enough)))


async def _load(url: str, work: Workload, begun: Any, enough: Any) -> tuple[list[tuple[float, Call]], dict[str, int]]:
    acknowledged: list[tuple[float, Call]] = []
    refused: Counter[str] = Counter()
    queue = iter(calls(work))

    async def caller(meter: Meter) -> None:
        for call in queue:
            await _until_served(meter, call, refused)
            acknowledged.append((now(), call))
            begun.set()
            if enough.is_set():
                return

    async with WAYS["library"](url, work.callers) as meters:
        await asyncio.gather(*map(caller, meters))
    return acknowledged, dict(refused)


async def _until_served(meter: Meter, call: Call, refused: Counter[str]) -> None:
    while True:
        try:
            await meter(call)
        except RollbookError as error:
            refused[type(error).__name__] += 1
            await asyncio.sleep(_PAUSE_S)
        else:
            return
