"""Threads that read for event loops: everybody is told, in whatever loop, whatever a read comes to."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from typing import Any

import pytest

from rollbook import aio
from rollbook.errors import StoreError
from rollbook.readers import Readers


def test_everybody_gets_an_answer_or_the_error() -> None:
    readers = Readers(4)

    def work(number: int) -> int:
        if number % 3 == 0:
            raise ValueError(number)
        return number

    async def run() -> list[Any]:
        jobs = (readers.run(functools.partial(work, number)) for number in range(500))
        return await asyncio.gather(*jobs, return_exceptions=True)

    told = asyncio.run(run())
    readers.close()
    assert [one.args[0] if isinstance(one, ValueError) else one for one in told] == list(range(500))


def test_a_slow_read_holds_nobody_up_for_ever() -> None:
    readers = Readers(3)
    gate = threading.Event()

    async def run() -> None:
        slow = [asyncio.ensure_future(readers.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        # Nobody is there to take them but another thread.
        assert await asyncio.gather(*(readers.run(lambda: 1) for _ in range(3))) == [1, 1, 1]
        assert not any(one.done() for one in slow)
        gate.set()
        assert await asyncio.gather(*slow) == [True, True]

    asyncio.run(run())
    readers.close()


def test_a_read_is_told_while_others_still_wait() -> None:
    readers = Readers(1)
    done: list[int] = []

    async def run() -> None:
        async def one(number: int) -> None:
            await readers.run(lambda: time.sleep(0.02))
            done.append(number)

        jobs = [asyncio.ensure_future(one(number)) for number in range(10)]
        await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) < 10
        await asyncio.gather(*jobs)

    asyncio.run(run())
    readers.close()
    assert sorted(done) == list(range(10))


def test_one_who_went_away_and_a_loop_that_was_closed_harm_nobody() -> None:
    readers = Readers(1)
    gate = threading.Event()

    async def leave() -> None:
        waiting = asyncio.ensure_future(readers.run(gate.wait))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(leave())  # its loop is closed now
    gate.set()

    async def stay() -> int:
        return int(await readers.run(lambda: 7))

    assert asyncio.run(stay()) == 7
    readers.close()


def test_a_closed_one_says_so_and_closing_waits_for_what_was_asked() -> None:
    readers = Readers(2)

    async def run() -> None:
        asked = asyncio.ensure_future(readers.run(lambda: time.sleep(0.05) or 5))  # type: ignore[func-returns-value]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(readers.close)
        assert await asked == 5
        with pytest.raises(StoreError, match="closed"):
            await readers.run(lambda: 1)

    asyncio.run(run())
    readers.close()


def test_one_book_serves_several_loops_at_once(tmp_path: Any) -> None:
    book = asyncio.run(_opened(f"sqlite:///{tmp_path}/book.db"))
    told: list[list[Any]] = []

    def loop(number: int) -> None:
        async def run() -> list[Any]:
            for step in range(20):
                await book.append(f"s{number}", "x", entries=[step])
                await book.entries(f"s{number}", "x", last_n=1)
            return [entry.body for entry in await book.entries(f"s{number}", "x")]

        told.append(asyncio.run(run()))

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(book.close())
    assert told == [list(range(20))] * 4


async def _opened(url: str) -> aio.AsyncRollbook:
    book: aio.AsyncRollbook = await aio.open(url)
    return book


def test_an_answer_does_not_wait_for_the_slow_read_behind_it() -> None:
    readers = Readers(1)
    gate = threading.Event()

    async def run() -> None:
        await readers.run(lambda: 0)
        quick = asyncio.ensure_future(readers.run(lambda: 1))
        slow = asyncio.ensure_future(readers.run(gate.wait))
        assert await quick == 1
        assert not slow.done()
        gate.set()
        assert await slow

    asyncio.run(run())
    readers.close()
