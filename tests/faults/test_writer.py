"""The thread that writes: it answers everybody, whatever happens, and lives on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rollbook
import rollbook.aio
from rollbook.errors import Overloaded, RollbookError, StoreError
from rollbook.model import MICROS, Tokens
from rollbook.plans import Plans
from rollbook.settings import LOCAL_USER, Settings

from .tools import Lock, holds, ids_in, opened, sound, url_of, wait_until

WITHIN_S = 60


class Unknown(msgspec.Struct, frozen=True):
    """An operation that the book does not know."""

    user_id: str = LOCAL_USER
    session_id: str = "s"


def open_async(path: Path, **settings: Any) -> rollbook.aio.AsyncRollbook:
    plans = Plans(url_of(path), user=None, all_users=False, settings=Settings(**settings))
    return rollbook.aio.AsyncRollbook(plans)


def write_some(book: rollbook.Rollbook, name: str, number: int = 5) -> list[str]:
    ids = [f"{name}-{count}" for count in range(number)]
    assert [book.record_usage("s", usage_id=one) for one in ids] == ["counted"] * number
    return ids


@pytest.mark.parametrize("bad", [Unknown(), object(), None])
def test_an_unforeseen_error_reaches_its_callers_alone_and_the_thread_lives_on(tmp_path: Path, bad: Any) -> None:
    path = tmp_path / "book.db"
    plans = Plans(url_of(path), user=None, all_users=False, settings=Settings())
    with rollbook.Rollbook(plans) as book, ThreadPoolExecutor(24) as pool:
        book.touch("s")
        with Lock(path):
            # Behind the lock they gather into one batch.
            faulty = [pool.submit(plans.write, [bad]) for _ in range(6)]
            good = [pool.submit(book.record_usage, "s", usage_id=f"u{number}") for number in range(12)]
            time.sleep(0.3)
        for one in faulty:
            assert isinstance(one.exception(WITHIN_S), StoreError)
            assert "\n" not in str(one.exception())
        assert [one.result(WITHIN_S) for one in good] == ["counted"] * 12
        with pytest.raises(StoreError):
            plans.write([bad])
        holds(book, [*write_some(book, "after"), *(f"u{number}" for number in range(12))])


def test_r13_one_refused_item_of_a_batch_fails_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "book.db") as book:
        book.touch("gone")
        book.delete("gone")
        parent = book.touch("parent")
        book.touch("child", parent="parent")
        answers = book.record_many(
            [
                {"session_id": "s", "usage_id": "1", "tokens_in": 1},
                {"session_id": "s", "usage_id": "2", "tokens_in": -1},
                {"session_id": "s", "usage_id": "3", "tokens": Tokens(input=2)},
                {"session_id": "s\n", "usage_id": "4"},
                {"session_id": "s", "usage_id": "5", "cost_usd": float("nan")},
                {"session_id": "s", "usage_id": "6"},
            ]
        )
        assert [isinstance(answer, RollbookError) for answer in answers] == [False, True, False, True, True, False]
        with pytest.raises(RollbookError):
            book.touch("parent", parent="child")
        assert book.get("parent").parent_id == parent.parent_id
        holds(book, "136")


def test_a_full_queue_is_overloaded_after_the_set_wait_and_nothing_of_it_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path, queue_size=3, queue_wait_s=0.4, busy_timeout_s=60) as book, ThreadPoolExecutor(8) as pool:
        book.touch("s")
        with Lock(path):
            first = pool.submit(book.record_usage, "s", usage_id="first")
            time.sleep(0.3)  # it is in the writer's hands now
            queued = [pool.submit(book.record_usage, "s", usage_id=f"queued{number}") for number in range(3)]
            time.sleep(0.3)
            started = time.monotonic()
            with pytest.raises(Overloaded):
                book.record_usage("s", usage_id="refused")
            assert time.monotonic() - started >= 0.4
            with pytest.raises(Overloaded):
                book.record_many([{"session_id": "s", "usage_id": f"refused{number}"} for number in range(10)])
            assert not any(one.done() for one in [first, *queued])
            assert ids_in(book) == []
        assert [one.result(WITHIN_S) for one in [first, *queued]] == ["counted"] * 4
        # What fits in no queue is taken when nothing else waits.
        many = book.record_many([{"session_id": "s", "usage_id": f"many{number}"} for number in range(10)])
        assert many == ["counted"] * 10
        holds(book, ["first", "queued0", "queued1", "queued2", *(f"many{number}" for number in range(10))])


def test_a_full_queue_holds_up_no_event_loop(tmp_path: Path) -> None:
    path = tmp_path / "book.db"

    async def run() -> None:
        book = open_async(path, queue_size=2, queue_wait_s=0.5, busy_timeout_s=60)
        await book.touch("s")
        with Lock(path):
            tasks = [asyncio.create_task(book.record_usage("s", usage_id=f"u{number}")) for number in range(20)]
            ticks = 0
            # Two may be in the writer's hands, and two are in the queue.
            while sum(task.done() for task in tasks) < 16:
                await asyncio.sleep(0.01)
                ticks += 1
                assert ticks < 100 * WITHIN_S
            assert ticks > 3, "the loop stood still"
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Overloaded)]
        stored = [f"u{number}" for number, answer in enumerate(answers) if answer == "counted"]
        assert len(refused) + len(stored) == 20
        assert 2 <= len(stored) <= 4
        assert sorted(row.usage_id for row in await book.usage("s")) == sorted(stored)
        await book.close()

    asyncio.run(run())


def test_close_writes_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    book = opened(path, busy_timeout_s=60)
    book.touch("s")
    with ThreadPoolExecutor(12) as pool:
        with Lock(path):
            waiting = [pool.submit(book.record_usage, "s", usage_id=f"u{number}") for number in range(10)]
            time.sleep(0.3)
            closing = pool.submit(book.close)
            time.sleep(0.3)
            assert not closing.done()
            with pytest.raises(StoreError, match="closed"):
                book.record_usage("s", usage_id="late")
        assert [one.result(WITHIN_S) for one in waiting] == ["counted"] * 10
        closing.result(WITHIN_S)
    book.close()
    with opened(path) as again:
        holds(again, [f"u{number}" for number in range(10)])


def _uses(book: Any) -> list[Callable[[], Any]]:
    return [
        lambda: book.touch("s"),
        lambda: book.record_usage("s"),
        lambda: book.record_many([{"session_id": "s"}]),
        lambda: book.end("s", "failed"),
        lambda: book.delete("s"),
        lambda: book.get("s"),
        book.list,
        book.stats,
        book.verify,
        book.doctor,
        lambda: book.source_files("any"),
    ]


@pytest.mark.parametrize("memory", [False, True])
def test_a_closed_book_says_so(tmp_path: Path, memory: bool) -> None:
    book = opened(":memory:" if memory else tmp_path / "book.db")
    book.touch("s")
    book.get("s")
    book.close()
    for use in _uses(book):
        with pytest.raises(StoreError, match="closed"):
            use()
    book.close()


def test_a_closed_asynchronous_book_says_so(tmp_path: Path) -> None:
    async def run() -> None:
        book = open_async(tmp_path / "book.db")
        await book.touch("s")
        await book.get("s")
        await book.close()
        for use in _uses(book):
            with pytest.raises(StoreError, match="closed"):
                await use()
        await book.close()

    asyncio.run(run())


def _close_in_the_midst(path: Path) -> None:
    book = opened(path)
    write_some(book, "before")
    strange: list[Exception] = []
    told: list[str] = []
    start = threading.Barrier(7)

    def work(number: int) -> None:
        start.wait()
        try:
            for count in range(10_000):
                if number % 2:
                    book.usage("s")
                else:
                    book.record_usage("s", usage_id=f"{number}-{count}")
                    told.append(f"{number}-{count}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at below
            strange.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    start.wait()
    time.sleep(0.03)
    book.close()
    for thread in threads:
        thread.join(WITHIN_S)
    assert len(strange) == 6
    for error in strange:
        assert isinstance(error, StoreError), repr(error)
        assert "closed" in str(error)
    with opened(path) as again:
        holds(again, [*told, *(f"before-{number}" for number in range(5))])


def test_closing_while_others_read_and_write_gives_answers_or_clear_errors(tmp_path: Path) -> None:
    for number in range(10):
        _close_in_the_midst(tmp_path / f"book{number}.db")


def test_a_cancelled_caller_takes_nothing_back_and_hurts_nobody(tmp_path: Path) -> None:
    path = tmp_path / "book.db"

    async def run() -> None:
        book = open_async(path, busy_timeout_s=60)
        await book.touch("s")
        with Lock(path):
            tasks = [asyncio.create_task(book.record_usage("s", usage_id=f"u{number}")) for number in range(30)]
            await asyncio.sleep(0.2)
            for task in tasks[::2]:
                task.cancel()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(book.record_usage("s", usage_id="timeout"), 0.1)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert answers[1::2] == ["counted"] * 15
        assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
        for number in range(0, 30, 2):
            assert await book.record_usage("s", usage_id=f"u{number}") == "duplicate"
        assert await book.record_usage("s", usage_id="timeout") == "duplicate"
        assert (await book.verify()).ok
        await book.close()

    asyncio.run(run())
    with opened(path) as book:
        holds(book, ["timeout", *(f"u{number}" for number in range(30))])


def test_several_event_loops_and_threads_share_one_book(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    plans = Plans(url_of(path), user=None, all_users=False, settings=Settings())
    book, blocking = rollbook.aio.AsyncRollbook(plans), rollbook.Rollbook(plans)

    async def one(name: str) -> None:
        for number in range(15):
            assert await book.record_usage(f"s{number % 3}", usage_id=f"{name}-{number}") == "counted"
            assert (await book.get(f"s{number % 3}")).calls > 0

    async def several(name: str) -> None:
        await asyncio.gather(*(one(f"{name}-{task}") for task in range(4)))

    def loop(name: str) -> list[str]:
        asyncio.run(several(name))
        return [f"{name}-{task}-{number}" for task in range(4) for number in range(15)]

    with ThreadPoolExecutor(5) as pool:
        started = [pool.submit(loop, f"loop{number}") for number in range(3)]
        started += [pool.submit(write_some, blocking, f"thread{number}", 40) for number in range(2)]
        expected = [usage_id for done in started for usage_id in done.result(WITHIN_S)]
    holds(blocking, expected)
    asyncio.run(book.close())


def test_an_event_loop_that_is_gone_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    plans = Plans(url_of(path), user=None, all_users=False, settings=Settings(busy_timeout_s=60))
    book, blocking = rollbook.aio.AsyncRollbook(plans), rollbook.Rollbook(plans)
    blocking.touch("s")
    with ThreadPoolExecutor(2) as pool:
        with Lock(path):
            loop = asyncio.new_event_loop()
            task = loop.create_task(book.record_usage("s", usage_id="left"))
            loop.run_until_complete(asyncio.sleep(0.1))
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            loop.close()
            waiting = pool.submit(blocking.record_usage, "s", usage_id="stays")
            time.sleep(0.1)
        assert waiting.result(WITHIN_S) == "counted"
    holds(blocking, ["left", "stays"])
    blocking.close()


def test_a_machine_that_gives_no_thread_now_gives_one_later(tmp_path: Path) -> None:
    with opened(tmp_path / "book.db") as book:
        before = threading.stack_size(1 << 47)  # more than a process may address
        try:
            with pytest.raises((RollbookError, RuntimeError)):
                book.record_usage("s", usage_id="1")
        finally:
            threading.stack_size(before)
        answer: Future[Any] = Future()
        threading.Thread(target=lambda: answer.set_result(book.record_usage("s", usage_id="2")), daemon=True).start()
        assert answer.result(10) == "counted"
        # What was refused was not stored behind the caller's back.
        holds(book, ["2"])


def test_a_clock_that_jumps_keeps_the_books_balanced(tmp_path: Path) -> None:
    times = iter([2_000_000_000, 1_000_000_000, 1_999_999_999, 946_684_800, 4_000_000_000] * 40)
    plans = Plans(
        url_of(tmp_path / "book.db"), user=None, all_users=False, settings=Settings(),
        clock=lambda: next(times) * MICROS,
    )  # fmt: skip
    with rollbook.Rollbook(plans) as book:
        for number in range(12):
            book.record_usage("s", usage_id=f"u{number}")
            book.touch("s")
        book.end("s", "completed")
        book.record_usage("s", usage_id="late")
        sound(book)


def test_many_readers_and_writers_wait_for_connections_and_all_are_answered(tmp_path: Path) -> None:
    with opened(tmp_path / "book.db", readers=2) as book, ThreadPoolExecutor(16) as pool:
        book.touch("s")
        done: list[Future[Any]] = []
        for number in range(200):
            done.append(pool.submit(book.get, "s"))
            done.append(pool.submit(book.record_usage, "s", usage_id=f"u{number}"))
        for one in done:
            one.result(WITHIN_S)
        wait_until(lambda: book.get("s").calls == 200, "every call")
        holds(book, [f"u{number}" for number in range(200)])
