"""R5: how a process says that it lives, what it owns, and what happens where that is doubted."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

import rollbook
from rollbook.aio import AsyncRollbook
from rollbook.book import Rollbook
from rollbook.errors import InvalidInput, NotFound
from rollbook.instances import Reconciled
from rollbook.ledger.ops import Revive
from rollbook.plans.instances import KEPT_US
from rollbook.rules.checks import user
from rollbook.settings import LOCAL_USER, Settings, load

from .tools import Clock, Peer, here, opened, plans_of, rows, waits_for, written

_DAY_S: Final = 24 * 3600
_SHORT_US: Final = 200_000  #: a lease that may be waited for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(path: Path, clock: Clock) -> Iterator[Rollbook]:
    with opened(path, clock) as made:
        yield made


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
    clock.passes(_DAY_S)
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
    clock.passes(-_DAY_S)
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
    clock.passes(_DAY_S)
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
            _changed(path, "update instance set boot_id = 'another boot'")  # as if it were not seen from here
            clock.passes(_DAY_S)
            assert [one.session_id for one in other.reconcile(wait=False).sessions] == ["s1"]
        assert book.get("s1").status == "unknown"
        plans.beat()
        assert (book.get("s1").status, book.get("s1").attempt) == ("running", 2)
        ran = book.instance("s1")
        assert ran is not None
        assert (ran.state, ran.ended_at) == ("alive", None)
    assert book.get("s1").status == "completed"


def _changed(path: Path, statement: str) -> None:
    """Change the book's file, past the book."""
    with contextlib.closing(apsw.Connection(str(path))) as raw:
        raw.execute(statement)


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


# What a process owns


def test_entering_owns_and_leaving_lets_go(path: Path, book: Rollbook) -> None:
    assert not rows(path, "select * from instance")
    book.touch("touched")
    assert book.instance("touched") is None
    with book.session("s1") as session:
        ran = book.instance("s1")
        assert ran is not None
        assert (ran.pid, ran.state, ran.ended_at) == (os.getpid(), "alive", None)
        session.end("failed")
        assert book.instance("s1") is None
    with pytest.raises(ValueError, match="no"), book.session("s2"):
        raise ValueError("no")
    assert book.instance("s2") is None
    with pytest.raises(NotFound):
        book.instance("nobody's")


def test_leaving_lets_go_also_where_the_end_is_refused(book: Rollbook, clock: Clock) -> None:
    with book.session("s1"):
        book.end("s1", "failed")
        clock.passes(1)
        assert book.instance("s1") is not None
    assert (book.get("s1").status, book.instance("s1")) == ("failed", None)


def test_whoever_entered_last_runs_a_session(path: Path, book: Rollbook, clock: Clock) -> None:
    with book.session("s1"), opened(path, clock) as other:
        with other.session("s1"):
            ran = book.instance("s1")
            assert ran is not None
            assert ran.instance_id == plans_of(other).presence.instance_id
            book.end("s1", "completed")
            assert book.instance("s1") == ran
        assert book.instance("s1") is None


def test_entering_revives_what_was_marked_by_a_clock_that_is_ahead(path: Path, book: Rollbook, clock: Clock) -> None:
    book.touch("s1")
    ahead = Clock()
    ahead.passes(3600)
    with opened(path, ahead) as other:
        other.mark_unknown("s1")
    with book.session("s1"):
        assert book.get("s1").status == "running"


def test_a_clean_close_is_no_crash(path: Path, clock: Clock) -> None:
    with opened(path, clock) as book:
        book.session("s1").__enter__()
    with opened(path, clock) as later:
        assert (later.get("s1").status, later.instance("s1")) == ("running", None)
        assert later.reconcile(wait=False).looked_at == 0
        assert rows(path, "select * from session_instance") == []


def test_a_session_may_be_run_only_while_something_happens(book: Rollbook, clock: Clock) -> None:
    peer = Peer(book)
    peer.runs("silent", loose=True)
    peer.runs("held")
    peer.runs("held", loose=True)  # a block holds it whatever else is said
    clock.passes(1800)
    peer.runs("active", loose=True)
    clock.passes(75)
    assert [one.session_id for one in book.reconcile(wait=False).sessions] == ["held", "active"]
    assert book.get("silent").effective_status == "abandoned"


def test_both_faces_run_sessions(path: Path) -> None:
    async def main() -> None:
        async with rollbook.aio.open(f"sqlite:///{path}") as book:
            async with book.session("s1"):
                ran = await book.instance("s1")
                assert ran is not None
                assert ran.pid == os.getpid()
                assert (await book.reconcile(wait=False)).looked_at == 0
                assert len(await book.tree("s1")) == 1
            assert await book.instance("s1") is None
            assert isinstance(book, AsyncRollbook)

    asyncio.run(main())
    assert rows(path, "select * from instance") == []


def test_fork_a_child_has_an_instance_of_its_own(path: Path, book: Rollbook) -> None:
    with book.session("s1"):
        ours = plans_of(book).presence.instance_id
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            status = 1
            with contextlib.suppress(BaseException), book.session("s2"):
                ran = book.instance("s2")
                status = 0 if ran is not None and ran.pid == os.getpid() and ran.instance_id != ours else 2
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        ran = book.instance("s1")
        assert ran is not None
        assert (ran.instance_id, ran.state) == (ours, "alive")
        assert [one.session_id for one in book.reconcile().sessions] == []
    assert book.get("s2").status == "completed"


# What is answered, what stays, what is proven


def test_R6_of_other_users_it_is_only_said_how_many(path: Path, book: Rollbook, clock: Clock) -> None:
    somebody = user("ann@example.org")[0]
    peer = Peer(book, "mine")
    peer.runs("theirs", user_id=somebody)
    clock.passes(75)
    found = book.reconcile(wait=False)
    assert ([one.session_id for one in found.sessions], found.hidden) == (["mine"], 1)
    assert book.get("theirs", user_id=somebody).status == "unknown"
    Peer(book, "theirs again", user_id=somebody)
    clock.passes(75)
    with opened(path, clock, everybody=True) as everybodys:
        found = everybodys.reconcile(wait=False)
        assert ([one.session_id for one in found.sessions], found.hidden) == (["theirs again"], 0)


def test_R5_many_sessions_are_marked_in_steps(book: Rollbook, clock: Clock) -> None:
    Peer(book, *(f"s{number}" for number in range(7)))
    clock.passes(75)
    before = book.verify().sessions
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rollbook.ledger.instances.OWNED_AT_ONCE", 3)
        assert len(book.reconcile(wait=False).sessions) == 7
    assert (book.verify().ok, book.list(status="unknown").total) == (True, before)


def test_what_cannot_be_decided_is_said(book: Rollbook, clock: Clock) -> None:
    Peer(book, "s1", lease_us=0)
    clock.passes(_DAY_S)
    found = book.reconcile(wait=False)
    assert (found.looked_at, found.undecided, found.instances) == (1, 1, [])
    ran = book.instance("s1")
    assert ran is not None
    assert ran.state == "unknown"


def test_instances_that_ended_are_forgotten_after_a_week(path: Path, book: Rollbook, clock: Clock) -> None:
    Peer(book, "s1")
    clock.passes(75)
    book.reconcile(wait=False)
    clock.passes(KEPT_US / 1e6)
    book.reconcile(wait=False)
    assert len(rows(path, "select * from instance")) == len(rows(path, "select * from session_instance")) == 1
    clock.passes(1)
    book.reconcile(wait=False)
    assert rows(path, "select * from instance") == rows(path, "select * from session_instance") == []
    assert (book.get("s1").status, book.instance("s1")) == ("unknown", None)


def test_R12_of_a_deleted_session_nobody_is_said_to_run_it(path: Path, book: Rollbook) -> None:
    Peer(book, "deleted", "purged")
    book.delete("deleted")
    book.purge("purged")
    assert rows(path, "select * from session_instance") == []
    assert book.verify().ok


@pytest.mark.parametrize("lost", ["instance", "session"])
def test_verify_finds_a_session_that_nothing_runs_and_what_runs_none(path: Path, book: Rollbook, lost: str) -> None:
    peer = Peer(book, "s1")
    assert book.verify().ok
    _changed(path, "delete from instance" if lost == "instance" else "update session_instance set session_no = 9")
    (problem,) = book.verify().problems
    assert (problem.what, problem.field) == ("instance", lost)
    assert peer.instance_id in problem.where
    (balance,) = [one for one in book.doctor() if one.name == "balance"]
    assert not balance.ok


def test_the_doctor_says_how_many_are_silent(book: Rollbook, clock: Clock) -> None:
    Peer(book, "s1")
    Peer(book, "s2", lease_us=0)
    (said,) = [one for one in book.doctor() if one.name == "instances"]
    assert (said.ok, said.detail) == (True, "2 processes run sessions, and all have been heard of")
    clock.passes(75)
    (said,) = [one for one in book.doctor() if one.name == "instances"]
    assert said.detail.startswith("of 2 processes that run sessions 1 are silent; 'rollbook reconcile'")


@pytest.mark.parametrize(("beat", "lease"), [("0", "60"), ("15", "44"), ("x", "60")])
def test_a_lease_shorter_than_three_beats_is_refused(beat: str, lease: str) -> None:
    with pytest.raises(InvalidInput, match="ROLLBOOK_"):
        load({"ROLLBOOK_BEAT": beat, "ROLLBOOK_LEASE": lease})
