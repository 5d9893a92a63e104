"""R5: how a process says that it lives, and what happens where that is doubted."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from rollbook.book import Rollbook
from rollbook.instances import Reconciled
from rollbook.ledger.ops import Revive
from rollbook.settings import LOCAL_USER, Settings

from .beating import DAY_S, book, changed, clock, path
from .tools import Clock, Peer, here, opened, plans_of, rows, waits_for, written

__all__ = ["book", "clock", "path"]


_SHORT_US: Final = 200_000  #: a lease that may be waited for


def _beaters() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "rollbook-beat"]


# Leases


def test_R5_what_a_silent_process_elsewhere_ran_is_presumed_crashed(book: Rollbook, clock: Clock) -> None:
    Peer(book, "s1", "s2")
    clock.passes(60)
    assert book.reconcile(wait=False).instances == []  # strictly longer
    assert _state(book, "s1") == "alive"
    clock.passes(15)
    assert _state(book, "s1") == "silent"
    found = book.reconcile(wait=False)
    assert [one.session_id for one in found.sessions] == ["s1", "s2"]
    assert {book.get(name).end_reason for name in ("s1", "s2")} == {"no beat for 75 s from process 7 on host twin"}
    assert _state(book, "s1") == "ended"


def _state(book: Rollbook, name: str) -> str | None:
    ran = book.instance(name)
    return None if ran is None else ran.state


def test_R5_who_beats_meanwhile_is_alive_whatever_the_clock_says(book: Rollbook, clock: Clock) -> None:
    alive, dead = Peer(book, "s1", lease_us=_SHORT_US), Peer(book, "s2", lease_us=_SHORT_US)
    clock.passes(DAY_S)
    told: list[tuple[int, float]] = []

    def listening(processes: int, seconds: float) -> None:
        told.append((processes, seconds))
        alive.beat()

    found = book.reconcile(listening=listening)
    assert told == [(2, 0.1)]
    assert [one.instance_id for one in found.instances] == [dead.instance_id]
    assert [one.session_id for one in found.sessions] == ["s2"]
    assert book.get("s1").status == "running"


def test_R5_a_clock_that_goes_back_marks_nobody(book: Rollbook, clock: Clock) -> None:
    Peer(book, "s1")
    clock.passes(-DAY_S)
    assert book.reconcile(wait=False).instances == []


def test_R5_a_beat_between_looking_and_marking_saves_what_it_runs(book: Rollbook, clock: Clock) -> None:
    peer = Peer(book, "s1")
    clock.passes(75)
    plan = plans_of(book).reconcile(wait=False)
    look = next(plan)
    judged = plans_of(book).perform(look)
    peer.beat()
    found = _driven(book, plan, judged)
    assert (found.instances, found.sessions) == ([], [])
    assert book.get("s1").status == "running"


def _driven(book: Rollbook, plan: Any, answer: Any) -> Reconciled:
    """What a plan that was begun comes to."""

    def rest() -> Any:
        given = answer
        while True:
            try:
                step = plan.send(given)
            except StopIteration as stop:
                return stop.value
            given = yield step

    found = plans_of(book).drive(rest())
    assert isinstance(found, Reconciled)
    return found


def test_R5_a_session_that_was_taken_over_or_ended_meanwhile_is_left_alone(book: Rollbook, clock: Clock) -> None:
    Peer(book, "taken", "ended", "deleted", "purged", "s1")
    clock.passes(75)
    plan = plans_of(book).reconcile(wait=False)
    answer = plans_of(book).perform(next(plan))
    owned = plans_of(book).perform(plan.send(answer))
    assert len(owned) == 5
    other = Peer(book, "taken")
    book.end("ended", "completed")
    book.delete("deleted")
    book.purge("purged")
    found = _driven(book, plan, owned)
    assert [one.session_id for one in found.sessions] == ["s1"]
    assert (book.get("taken").status, book.get("ended").status) == ("running", "completed")
    taken = book.instance("taken")
    assert taken is not None
    assert taken.instance_id == other.instance_id


def test_R5_a_process_that_lives_long_goes_by_beats_and_not_by_the_clock(book: Rollbook, clock: Clock) -> None:
    plans = plans_of(book)
    boot_id = here()["boot_id"]
    alive = Peer(book, "s1", boot_id=boot_id, lease_us=_SHORT_US)
    Peer(book, "s2", boot_id=boot_id, lease_us=_SHORT_US)
    Peer(book, "s3", lease_us=_SHORT_US)  # another machine's: it is nobody's business here
    clock.passes(DAY_S)
    plans.look_around()
    assert [book.get(name).status for name in ("s1", "s2", "s3")] == ["running"] * 3

    def look() -> bool:
        alive.beat()
        plans.look_around()
        return book.get("s2").status == "unknown"

    waits_for(look, "the lease to run out")
    assert [book.get(name).status for name in ("s1", "s3")] == ["running"] * 2


# Beats


def test_R5_a_beat_asserts_again_what_its_instance_owns(book: Rollbook, clock: Clock) -> None:
    names = ("s1", "ended", "marked", "deleted", "let go")
    peer = Peer(book, *names)
    clock.passes(75)
    assert len(book.reconcile(wait=False).sessions) == 5
    book.end("ended", "failed")
    book.touch("marked", at=clock.now / 1e6 + 1)
    book.mark_unknown("marked", reason="by hand")
    book.delete("deleted")
    Peer(book, "let go")
    clock.passes(75)
    assert [one.session_id for one in book.reconcile(wait=False).sessions] == ["let go"]  # another one's now
    marked = peer.beat()
    assert sorted(name for _, name in marked) == ["marked", "s1"]
    ops = [Revive(user_id=LOCAL_USER, session_id=name, instance_id=peer.instance_id) for name in names]
    assert written(book, *ops) == [True, False, False, False, False]
    assert (book.get("s1").status, book.get("s1").attempt) == ("running", 2)
    assert (book.get("ended").status, book.get("marked").decided_by) == ("failed", "client")
    assert (book.get("let go").status, book.get("let go").decided_by) == ("unknown", "reconcile")
    assert peer.beat() == [(LOCAL_USER, "marked")]
    book.reconcile_except("nobody's")  # says no reason: it asks nobody whether a process lives
    assert (LOCAL_USER, "s1") in peer.beat()
    assert written(book, ops[0]) == [False]
    assert book.verify().ok


def test_R5_a_live_process_that_was_declared_dead_goes_on(path: Path, book: Rollbook, clock: Clock) -> None:
    with book.session("s1"):
        plans = plans_of(book)
        with opened(path, clock) as other:
            changed(path, "update instance set boot_id = 'another boot'")  # as if it were not seen from here
            clock.passes(DAY_S)
            assert [one.session_id for one in other.reconcile(wait=False).sessions] == ["s1"]
        assert book.get("s1").status == "unknown"
        plans.beat()
        assert (book.get("s1").status, book.get("s1").attempt) == ("running", 2)
        ran = book.instance("s1")
        assert ran is not None
        assert (ran.state, ran.ended_at) == ("alive", None)
    assert book.get("s1").status == "completed"


def test_a_beat_is_one_row_for_all_sessions_and_one_thread(path: Path, book: Rollbook) -> None:
    before = len(_beaters())
    gate, left = threading.Barrier(50), threading.Barrier(50)

    def run(number: int) -> None:
        with book.session(f"s{number}"):
            gate.wait()
            if number == 0:
                (beat,) = rows(path, "select beat from instance")
                plans_of(book).beat()
                assert rows(path, "select beat from instance") == [(beat[0] + 1,)]
                assert len(rows(path, "select * from session_instance")) == 50
                assert len(_beaters()) == before + 1
            left.wait()

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(run, range(50)))
    assert rows(path, "select * from session_instance") == []
    assert book.list(status="completed").total == 50


def test_the_thread_beats_by_itself_and_ends_with_the_book(path: Path) -> None:
    before = len(_beaters())
    with opened(path, settings=Settings(beat_s=1, lease_s=3)) as book, book.session("s1"):
        (first,) = rows(path, "select beat from instance")
        waits_for(lambda: rows(path, "select beat from instance") > [first], "a beat")
    assert len(_beaters()) == before


def test_the_thread_keeps_no_book_alive(path: Path) -> None:
    before = len(_beaters())
    book = opened(path, settings=Settings(beat_s=1, lease_s=3))
    with book.session("s1"):
        pass
    assert len(_beaters()) == before + 1
    del book
    gc.collect()
    waits_for(lambda: len(_beaters()) == before, "the thread to end")


def test_an_instance_that_the_book_has_lost_is_taken_in_again(path: Path, book: Rollbook) -> None:
    with book.session("s1"):
        backup = path.with_name("backup.db")
        book.touch("s2")
        with opened(path.with_name("other.db")) as empty:
            empty.backup(backup)
        book.restore(backup)
        assert rows(path, "select * from instance") == []
        plans_of(book).beat()
        assert rows(path, "select pid from instance") == [(os.getpid(),)]
        book.touch("s1")
