"""R5: outages, closing and missing threads: what keeps somebody from listening is not taken for others' silence."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import settings as example_settings
from hypothesis import strategies as some

from rollbook.aio import AsyncRollbook
from rollbook.book import Rollbook
from rollbook.core import Plan
from rollbook.errors import StoreError
from rollbook.ledger.instances import Stored
from rollbook.model import MICROS
from rollbook.plans import Plans
from rollbook.plans.instances import Watch
from rollbook.rules.liveness import Known
from rollbook.settings import Settings

from .tools import QUIET, SLOW_S, Clock, Peer, here, opened, plans_of, rows

BEAT_S: Final = 4
LEASE_S: Final = 12
PATIENCE_S: Final = 30  #: for how long a beat waits for the book


class Ticking:
    """A clock like that of this process, in seconds, which goes only where the test puts it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    made = Ticking()
    monkeypatch.setattr("rollbook.plans.instances.time", made)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def book(path: Path) -> Iterator[Rollbook]:
    with opened(path, settings=Settings(beat_s=BEAT_S, lease_s=LEASE_S, reconcile_s=0)) as made:
        yield made


def _peer(book: Rollbook, name: str) -> Peer:
    """A process of the same boot that cannot be seen from here, as one in another container."""
    return Peer(book, name, **here(pid_namespace="pid:[1]", lease_us=LEASE_S * MICROS))


def _goes_on(book: Rollbook, ticking: Ticking, *peers: Peer) -> str:
    """A beat's time passes, and this process and others beat; what has become of a session of one that does not."""
    ticking.now += BEAT_S
    for peer in peers:
        peer.beat()
    plans_of(book).beat()
    plans_of(book).look_around()
    return book.get("d").status


def _marks_the_dead_alone(book: Rollbook, ticking: Ticking, alive: Peer) -> None:
    assert [_goes_on(book, ticking, alive) for _ in range(4)] == ["running"] * 3 + ["unknown"]
    assert book.get("a").status == "running"


def test_R5_an_outage_in_which_beats_wait_is_nobodys_silence(book: Rollbook, ticking: Ticking) -> None:
    alive, dead = _peer(book, "a"), _peer(book, "d")
    for _ in range(3):
        _goes_on(book, ticking, alive, dead)
    ticking.now += 20
    plans_of(book).beat()  # it waited, and is back before the others
    plans_of(book).look_around()
    assert [book.get(name).status for name in ("a", "d")] == ["running"] * 2
    _marks_the_dead_alone(book, ticking, alive)


@pytest.mark.parametrize("called", ["beat", "look_around"])
def test_R5_an_outage_in_which_calls_fail_is_nobodys_silence(book: Rollbook, ticking: Ticking, called: str) -> None:
    alive, dead = _peer(book, "a"), _peer(book, "d")
    for _ in range(3):
        _goes_on(book, ticking, alive, dead)
    plans = plans_of(book)

    def refuse(_: Plan[object]) -> None:
        raise StoreError("the server is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "drive", refuse)
        for _ in range(5):
            ticking.now += BEAT_S
            with pytest.raises(StoreError):
                getattr(plans, called)()
    plans.look_around()
    assert [book.get(name).status for name in ("a", "d")] == ["running"] * 2
    _marks_the_dead_alone(book, ticking, alive)


def _stored(beat: int) -> Stored:
    known = Known("twin", "boot", "pid:[1]", 7, "1", LEASE_S * MICROS)
    return Stored("peer", known, registered_at=0, beat=beat, beat_at=0, ended_at=None)


def test_R5_a_short_gap_counts_as_one_beat_and_a_long_one_as_none(ticking: Ticking) -> None:
    watch = Watch(BEAT_S)

    def after(seconds: float) -> int | None:
        ticking.now += seconds
        return watch.quiet(_stored(1))

    assert [after(seconds) for seconds in (0, 1, 2 * BEAT_S)] == [None, MICROS, 5 * MICROS]
    assert [after(seconds) for seconds in (2 * BEAT_S + 1, 1)] == [None, MICROS]


class Beating:
    """A process that beats, and where the book does not answer waits for it, and after a while tries again later."""

    def __init__(self, at: float, outages: list[tuple[float, float]]) -> None:
        self.next, self.waits, self.outages = at, 0.0, outages

    def step(self) -> bool:
        """Whether the book answered, at the time that :attr:`next` was; which is then that of the next call."""
        end = max((end for begin, end in self.outages if begin <= self.next < end), default=None)
        if end is None:
            self.next, self.waits = self.next + BEAT_S, 0.0
            return True
        waited = min(end - self.next, PATIENCE_S - self.waits)
        self.waits += waited
        self.next += waited
        if self.waits >= PATIENCE_S:
            self.next, self.waits = self.next + BEAT_S, 0.0
        return False


lengths = some.lists(some.tuples(some.integers(1, 12), some.integers(1, 45)), min_size=1, max_size=6)


@example_settings(max_examples=200)
@given(lengths, some.integers(0, 8), some.integers(1, 3))
@example([(5, 20)], 3, 1)  # both wait for the book, and this process is the first to be answered
@example([(5, 31)], 3, 1)  # its own call fails
def test_R5_no_outages_make_a_live_peer_look_dead(spans: list[tuple[int, int]], phase: int, every: int) -> None:
    outages, at = [], 0.0
    for up, down in spans:
        outages.append((at + up, at + up + down))
        at += up + down
    ticking, beat, looks = Ticking(), 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rollbook.plans.instances.time", ticking)
        watch = Watch(BEAT_S)
        own, peer = Beating(0, outages), Beating(phase / 2, outages)
        while own.next < at + 60:
            if peer.next < own.next:
                beat += peer.step()
                continue
            ticking.now = own.next
            if not own.step():
                if own.waits == 0.0:
                    _fails(watch)
                continue
            looks += 1
            with watch.reaching():
                pass
            if looks % every == 0:
                assert (watch.quiet(_stored(beat)) or 0) <= LEASE_S * MICROS


def _fails(watch: Watch) -> None:
    with pytest.raises(StoreError), watch.reaching():
        raise StoreError("the server is away")


# Closing


def _silent(path: Path, clock: Clock) -> None:
    """Let there be a process that has to be listened to for longer than a test waits."""
    with opened(path, clock) as book:
        Peer(book, "s1", lease_us=int(4 * SLOW_S) * MICROS)
    clock.passes(24 * 3600)


def test_a_book_can_be_closed_while_it_listens(path: Path) -> None:
    clock = Clock()
    _silent(path, clock)
    listens = threading.Event()
    book = opened(path, clock)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: book.reconcile(listening=lambda *_: listens.set()))
        assert listens.wait(SLOW_S)
        book.close()
        with pytest.raises(StoreError, match="the book is closed"):
            asked.result(SLOW_S)
    with opened(path, clock) as later:
        assert later.get("s1").status == "running"


def test_an_asyncio_book_can_be_closed_while_it_listens(path: Path) -> None:
    clock = Clock()
    _silent(path, clock)

    async def main() -> None:
        book = AsyncRollbook(Plans(f"sqlite:///{path}", user=None, all_users=False, settings=QUIET, clock=clock))
        listens = asyncio.Event()
        asked = asyncio.create_task(book.reconcile(listening=lambda *_: listens.set()))
        await asyncio.wait_for(listens.wait(), SLOW_S)
        await book.get("s1")  # by now a thread listens
        await asyncio.wait_for(book.close(), SLOW_S)
        with pytest.raises(StoreError, match="the book is closed"):
            await asked

    asyncio.run(main())


# Without a thread


def test_R5_the_silence_of_a_process_that_gets_no_thread_says_nothing(
    path: Path, book: Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    start: Callable[[threading.Thread], None] = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if thread.name == "rollbook-beat":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        book.session("s1").__enter__()
    assert rows(path, "select lease_us from instance") == [(0,)]
    with book.session("s2"):  # now there is one
        plans_of(book).beat()
        assert rows(path, "select lease_us from instance") == [(LEASE_S * MICROS,)]
