"""The feed by itself: what readers are told, whatever they do, and that no writer waits for them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from rollbook.errors import InvalidInput, StoreError
from rollbook.feed import Change, Feed, Lost, Subscription, items, log

LIFE, USAGE = items.LIFE, items.USAGE
PATIENCE_S = 30.0


def told(reader: Subscription) -> list[tuple[str, frozenset[str]] | str]:
    """Everything that a reader is told without waiting, without the users."""
    found: list[tuple[str, frozenset[str]] | str] = []
    while (item := reader.next(0)) is not None:
        found.append(item.reason if isinstance(item, Lost) else (item.session_id, item.kinds))
    return found


def publish(feed: Feed, *names: str, user: str = "u", kinds: int = LIFE) -> None:
    feed.publish([(user, name, kinds) for name in names], 1)


def only(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


def test_changes_of_a_session_are_told_together_and_the_session_that_changed_last_comes_last() -> None:
    feed = Feed()
    reader = feed.subscribe()
    publish(feed, "a", "b", kinds=LIFE)
    publish(feed, "a", kinds=USAGE)
    assert told(reader) == [("b", only("life")), ("a", only("life", "usage"))]
    assert told(reader) == []
    publish(feed, "a", kinds=USAGE)
    assert told(reader) == [("a", only("usage"))]


def test_a_reader_is_told_nothing_of_before_it_came() -> None:
    feed = Feed()
    first = feed.subscribe()
    publish(feed, "a", kinds=LIFE)
    second = feed.subscribe()
    publish(feed, "a", kinds=USAGE)
    assert told(second) == [("a", only("usage"))]
    assert told(first) == [("a", only("life", "usage"))]


@pytest.mark.parametrize(
    ("user", "session", "seen"),
    [
        (None, None, ["1a", "1b", "2a"]),
        ("1", None, ["1a", "1b"]),
        (None, "a", ["1a", "2a"]),
        ("2", "a", ["2a"]),
        ("3", None, []),
    ],
)
def test_r6_a_reader_is_told_of_whom_it_asked_for_alone(user: str | None, session: str | None, seen: list[str]) -> None:
    feed = Feed()
    reader = feed.subscribe(user, session)
    publish(feed, "a", "b", user="1")
    publish(feed, "a", user="2")
    found = [item.user_id + item.session_id for item in iter(lambda: reader.next(0), None) if isinstance(item, Change)]
    assert found == seen


@pytest.mark.parametrize(("user", "session"), [(None, None), ("1", None), (None, "a"), ("1", "a")])
def test_r6_a_reader_that_waits_is_woken_by_its_own_alone(user: str | None, session: str | None) -> None:
    feed = Feed()
    reader = feed.subscribe(user, session)
    found: list[Change | Lost | None] = []
    thread = threading.Thread(target=lambda: found.append(reader.next(PATIENCE_S)))
    thread.start()
    wait_until(lambda: bool(feed._waiting))
    if user or session:
        publish(feed, "b" if session else "a", user="2")
        publish(feed, "c" if session else "a", user="3" if user else "1")
        assert feed._waiting, "nobody may have woken it"
    publish(feed, "a", user="1")
    assert not feed._waiting
    thread.join()
    assert [item.user_id + item.session_id for item in found if isinstance(item, Change)] == ["1a"]


def wait_until(so: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S * 1000)):
        if so():
            return
        threading.Event().wait(0.001)
    raise TimeoutError


def test_who_is_too_slow_is_told_once_that_it_lost_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REMEMBERED", 100)
    feed = Feed()
    slow, quick = feed.subscribe(), feed.subscribe()
    for number in range(250):
        publish(feed, f"s{number}")
        assert told(quick) == [(f"s{number}", only("life"))]
    assert len(feed._entries) == 100
    (lost,) = told(slow)
    assert "more sessions changed" in str(lost)
    publish(feed, "a")
    assert told(slow) == told(quick) == [("a", only("life"))]


def test_a_busy_session_costs_a_slow_reader_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REMEMBERED", 2)
    feed = Feed()
    slow = feed.subscribe()
    for _ in range(1000):
        publish(feed, "a", "b", kinds=USAGE)
    assert told(slow) == [("a", only("usage")), ("b", only("usage"))]


def test_what_others_do_loses_nothing_of_a_reader_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REMEMBERED", 10)
    feed = Feed()
    reader = feed.subscribe("mine")
    found: list[Change | Lost | None] = []
    thread = threading.Thread(target=lambda: found.append(reader.next(PATIENCE_S)))
    thread.start()
    wait_until(lambda: bool(feed._waiting))
    for number in range(100):
        publish(feed, f"s{number}", user="theirs")
    publish(feed, "s", user="mine")
    thread.join()
    assert [type(item) for item in found] == [Change]


def test_what_others_do_loses_nothing_of_a_reader_that_waited_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "REMEMBERED", 10)
    feed = Feed()
    reader = feed.subscribe("mine")
    thread = threading.Thread(target=lambda: reader.next(0.2))
    thread.start()
    wait_until(lambda: bool(feed._waiting))
    for number in range(100):
        publish(feed, f"s{number}", user="theirs")
    thread.join()
    assert not feed._waiting
    publish(feed, "s", user="mine")
    assert told(reader) == [("s", only("life"))]


# Writers


def test_a_writer_waits_for_nobody_not_even_for_a_lock() -> None:
    feed = Feed()
    reader = feed.subscribe()
    with feed._lock:  # a reader is looking, and takes for ever
        for number in range(log._INBOX_MOST):
            publish(feed, f"s{number}")
    assert len(feed._inbox) == log._INBOX_MOST
    assert len(told(reader)) == log._INBOX_MOST  # whoever comes by next takes it in


def test_what_a_writer_leaves_is_bounded() -> None:
    feed = Feed()
    reader = feed.subscribe()
    with feed._lock:
        for number in range(2 * log._INBOX_MOST):
            publish(feed, f"s{number}")
        assert len(feed._inbox) == log._INBOX_MOST
    assert told(reader) == ["more changed at once than is remembered"]


def test_whoever_held_the_lock_wakes_those_who_wait_for_what_came_meanwhile() -> None:
    feed = Feed()
    reader = feed.subscribe("u")
    found: list[Change | Lost | None] = []
    thread = threading.Thread(target=lambda: found.append(reader.next(PATIENCE_S)))
    thread.start()
    wait_until(lambda: bool(feed._waiting))
    with feed._held():
        publish(feed, "a")
        assert feed._waiting
    thread.join()
    assert [type(item) for item in found] == [Change]


def test_nothing_is_remembered_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    publish(feed, "a")
    assert not feed.wanted
    assert (len(feed._entries), len(feed._inbox)) == (0, 0)
    with feed.subscribe() as reader:
        assert feed.wanted
        assert told(reader) == []
    assert feed.wanted, "it may come back"
    monkeypatch.setattr(feed, "_until", 0.0)
    assert not feed.wanted


def test_a_reader_that_is_forgotten_is_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    feed.subscribe()
    gc.collect()
    monkeypatch.setattr(feed, "_until", 0.0)
    assert not feed.recording


# Coming back


def test_whoever_comes_back_is_told_what_it_missed() -> None:
    feed = Feed()
    with feed.subscribe() as reader:
        publish(feed, "a", "b")
        reader.next(0)
        last = reader.next(0)
        assert isinstance(last, Change)
    publish(feed, "c")
    publish(feed, "a", kinds=USAGE)
    assert told(feed.subscribe(after=last.id)) == [("c", only("life")), ("a", only("usage"))]


def test_whoever_breaks_off_within_a_page_misses_nothing_of_it() -> None:
    feed = Feed()
    reader = feed.subscribe()
    publish(feed, "a", kinds=LIFE)
    publish(feed, "b", "c", "a", kinds=USAGE)
    for taken in range(1, 4):
        last = reader.next(0)
        assert isinstance(last, Change)
        again = told(feed.subscribe(after=last.id))
        if taken < 3:
            assert again == [("b", only("usage")), ("c", only("usage")), ("a", only("life", "usage"))]
        else:
            assert again == []


@pytest.mark.parametrize("known", ["", "x", "00000000-1", "{name}-x", "{name}-999", "{name}-", "{name}-" + "9" * 5000])
def test_an_id_that_is_not_known_is_answered_by_lost(known: str) -> None:
    feed = Feed()
    feed.subscribe()
    publish(feed, "a")
    assert told(feed.subscribe(after=known.format(name=feed.name))) == ["what came after that id is not remembered"]


def test_an_id_is_a_text() -> None:
    wrong: Any = 5
    with pytest.raises(InvalidInput):
        Feed().subscribe(after=wrong)


def test_whoever_comes_back_too_late_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    with feed.subscribe() as reader:
        publish(feed, "a")
        last = reader.next(0)
        assert last is not None
    monkeypatch.setattr(feed, "_until", 0.0)
    publish(feed, "b")  # nobody listens
    assert told(feed.subscribe(after=last.id)) == ["what came after that id is not remembered"]


def test_when_everything_may_have_changed_it_is_said_once_and_to_those_who_wait_too() -> None:
    feed = Feed()
    readers = [feed.subscribe(), feed.subscribe("u", "s")]
    found: list[Change | Lost | None] = []
    threads = [threading.Thread(target=lambda: found.append(readers[1].next(PATIENCE_S)))]
    threads[0].start()
    wait_until(lambda: bool(feed._waiting))
    publish(feed, "a")
    for _ in range(3):
        feed.publish(None, 1, "told so")
    threads[0].join()
    assert [item.lost for item in found if item] == [True]
    assert told(readers[0]) == ["told so"]


# Threads, loops, ends


def test_threads_share_a_reader_and_each_change_goes_to_one_of_them() -> None:
    feed = Feed()
    reader = feed.subscribe()
    found: list[str] = []

    def read() -> None:
        found.extend(item.session_id for item in reader if isinstance(item, Change))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(500):
        publish(feed, f"s{number}")
    wait_until(lambda: len(found) >= 500)
    reader.close()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"s{number}" for number in range(500))


async def seen_there(reader: Subscription, most: int) -> set[str]:
    seen: set[str] = set()
    async for item in reader:
        assert isinstance(item, Change)
        seen.add(item.session_id)
        if len(seen) == most:
            break
    return seen


def seen_here(reader: Subscription, most: int) -> set[str]:
    seen: set[str] = set()
    while len(seen) < most:
        item = reader.next(PATIENCE_S)
        assert isinstance(item, Change)
        seen.add(item.session_id)
    return seen


def test_several_loops_and_threads_are_told_everything() -> None:
    feed = Feed()
    most, found = 300, []
    ready = threading.Barrier(5)

    async def several() -> list[set[str]]:
        readers = [feed.subscribe() for _ in range(20)]
        await asyncio.to_thread(ready.wait)
        return await asyncio.gather(*(seen_there(reader, most) for reader in readers))

    def plain() -> None:
        reader = feed.subscribe()
        ready.wait()
        found.append(seen_here(reader, most))

    loops = [threading.Thread(target=lambda: found.extend(asyncio.run(several()))) for _ in range(2)]
    threads = [*loops, *(threading.Thread(target=plain) for _ in range(2))]
    for thread in threads:
        thread.start()
    ready.wait()
    for number in range(most):
        publish(feed, f"s{number}")
    for thread in threads:
        thread.join()
    assert [len(seen) for seen in found] == [most] * 42


def test_a_task_that_is_cancelled_while_it_waits_loses_nothing() -> None:
    feed = Feed()

    async def run() -> None:
        reader = feed.subscribe()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await reader.anext()
        assert not feed._waiting
        task = asyncio.ensure_future(reader.anext())
        await asyncio.sleep(0)
        publish(feed, "a")  # it is woken, and cancelled before it runs
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told(reader) == [("a", only("life"))]
        assert await reader.anext(0.01) is None
        assert await reader.anext(0) is None

    asyncio.run(run())


def test_a_loop_that_was_closed_while_a_task_waited_troubles_nobody() -> None:
    feed = Feed()
    reader = feed.subscribe()
    loop = asyncio.new_event_loop()
    task = loop.create_task(reader.anext())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    publish(feed, "a")
    assert told(feed.subscribe()) == []
    assert told(reader) == [("a", only("life"))]
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was left on purpose


def test_closing_a_reader_ends_whoever_waits_for_it() -> None:
    feed = Feed()
    reader = feed.subscribe()
    ended: list[list[Change | Lost]] = []
    threads = [threading.Thread(target=lambda: ended.append(list(reader))) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(len(each.get(reader, ())) for each in feed._waiting.values()) == 3)
    reader.close()
    reader.close()
    for thread in threads:
        thread.join()
    assert ended == [[], [], []]
    with pytest.raises(StoreError, match="closed"):
        reader.next(0)
    assert feed._waiting == {}


def test_closing_the_feed_gives_everybody_what_is_left_and_an_end() -> None:
    feed = Feed()
    reader = feed.subscribe()

    async def wait() -> list[Change | Lost]:
        return [item async for item in feed.subscribe()]

    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(len(asyncio.run(wait()))))
    thread.start()
    wait_until(lambda: bool(feed._waiting))
    publish(feed, "a", "b")
    feed.close()
    thread.join()
    assert ended == [2]
    assert len(list(reader)) == 2
    with pytest.raises(StoreError, match="closed"):
        feed.subscribe()


def test_after_a_fork_a_child_is_told_to_ask_again() -> None:
    feed = Feed()
    reader = feed.subscribe()
    with feed._lock:  # as another thread may hold it in that moment
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                reader.next()
            except StoreError:
                reader.close()
                code = 0
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    publish(feed, "a")
    assert told(reader) == [("a", only("life"))]
