"""R5 where several processes write at once: the same on every database, and nobody waits for each other for ever."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollbook.book import Rollbook
from rollbook.ledger.ops import Revive

from .tools import Clock, Peer, Program, opened_at, plans_of, written


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'book.db'}"
    made: str = request.getfixturevalue("postgres_url")
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(url: str, clock: Clock) -> Iterator[Rollbook]:
    with opened_at(url, clock) as made:
        yield made


def _revives(book: Rollbook, peer: Peer) -> None:
    marked = peer.beat()
    if marked:
        written(book, *(Revive(user_id=user, session_id=name, instance_id=peer.instance_id) for user, name in marked))


def test_R5_what_a_killed_process_ran_is_presumed_crashed(url: str, book: Rollbook) -> None:
    with book.session("mine"), Program("runs", url, "s1", "mine") as program:
        pid = int(program.line().split()[0])
        before = book.get("s1")
        program.kill()
        found = book.reconcile()
        assert [one.session_id for one in found.sessions] == ["s1"]
        after = book.get("s1")
        assert (after.status, after.decided_by) == ("unknown", "reconcile")
        assert (after.end_reason or "").startswith(f"process {pid} on host ")
        assert after.last_activity_at == before.last_activity_at
        assert [one.status for one in book.tree("mine")] == ["running", "unknown"]
        ran = book.instance("mine")
        assert ran is not None
        assert (ran.pid, ran.state) == (os.getpid(), "alive")
    assert book.verify().ok


def test_R5_leases_beats_and_what_is_forgotten(book: Rollbook, clock: Clock) -> None:
    alive, dead = Peer(book, "a"), Peer(book, "d1", "d2")
    clock.passes(75)
    alive.beat()
    assert sorted(one.session_id for one in book.reconcile(wait=False).sessions) == ["d1", "d2"]
    _revives(book, dead)
    assert [book.get(name).status for name in ("a", "d1", "d2")] == ["running"] * 3
    clock.passes(75)
    alive.beat()
    assert len(book.reconcile(wait=False).sessions) == 2
    clock.passes(8 * 24 * 3600)
    alive.beat()
    plans_of(book).look_around()
    assert (book.instance("a") is None, book.instance("d1") is None) == (False, True)
    book.delete("a")
    assert book.verify().ok


def test_R5_many_that_beat_run_and_reconcile_at_once(url: str, book: Rollbook, clock: Clock) -> None:
    peers = [Peer(book, *(f"p{number}-{each}" for each in range(4))) for number in range(3)]
    stop = threading.Event()

    def beats(peer: Peer) -> None:
        while not stop.is_set():
            clock.passes(20)
            _revives(book, peer)

    def reconciles() -> None:
        with opened_at(url, clock) as other:
            for _ in range(15):
                other.reconcile(wait=False)

    def runs(number: int) -> None:
        with opened_at(url, clock) as other:
            for each in range(10):
                with other.session(f"r{number}-{each}"):
                    peers[number].runs(f"p{number}-{each % 4}")

    with ThreadPoolExecutor(9) as pool:
        beating = [pool.submit(beats, peer) for peer in peers]
        try:
            others = [pool.submit(reconciles), pool.submit(reconciles), *(pool.submit(runs, n) for n in range(3))]
            for each in others:
                each.result(120)
        finally:
            stop.set()
        for each in beating:
            each.result(120)
    for peer in peers:
        _revives(book, peer)
    names = [f"p{number}-{each}" for number, each in itertools.product(range(3), range(4))]
    assert {book.get(name).status for name in names} == {"running"}
    assert {session.status for session in book.iterate(text="r")} <= {"completed", "running"}
    assert book.verify().ok
