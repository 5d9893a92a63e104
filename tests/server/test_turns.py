"""Turns: who tells of the same traces at once goes one after the other, in the order of arrival."""

from __future__ import annotations

import asyncio
import contextlib

from rollbook.server.turns import Turns
from rollbook.telemetry.told import SpanTold


def told(*traces: str) -> list[SpanTold]:
    return [SpanTold(trace_id=trace, span_id="1", at=1, until=2) for trace in traces]


async def take(turns: Turns, name: str, traces: str, log: list[str], user: str = "u") -> None:
    async with turns.of(user, told(*traces)):
        log.append(f"+{name}")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        log.append(f"-{name}")


def test_who_tells_of_the_same_waits_and_others_do_not() -> None:
    async def run() -> list[str]:
        turns, log = Turns(), list[str]()
        await asyncio.gather(
            take(turns, "a", "12", log), take(turns, "b", "23", log), take(turns, "c", "3", log),
            take(turns, "d", "4", log), take(turns, "e", "1", log, user="v"),
        )  # fmt: skip
        assert not turns._last, "nothing is remembered of turns that are over"
        return log

    log = asyncio.run(run())
    assert log.index("-a") < log.index("+b") < log.index("-b") < log.index("+c")
    assert max(log.index("+d"), log.index("+e")) < log.index("-a")


def test_who_gives_up_waiting_lets_nobody_pass_whom_it_waited_for() -> None:
    async def run() -> list[str]:
        turns, log = Turns(), list[str]()
        async with turns.of("u", told("1")):
            second = asyncio.create_task(take(turns, "b", "12", log))
            await asyncio.sleep(0)
            third = asyncio.create_task(take(turns, "c", "1", log))
            await asyncio.sleep(0)
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            await asyncio.sleep(0)
            log.append("-a")
        await third
        assert not turns._last
        return log

    assert asyncio.run(run()) == ["-a", "+c", "-c"]
