"""R5: what a process owns, and what is answered, kept and proven of those that own."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

import rollbook
from rollbook.aio import AsyncRollbook
from rollbook.book import Rollbook
from rollbook.errors import InvalidInput, NotFound
from rollbook.plans.instances import KEPT_US
from rollbook.rules.checks import user
from rollbook.settings import load

from .beating import DAY_S, book, changed, clock, path
from .tools import Clock, Peer, opened, plans_of, rows

__all__ = ["book", "clock", "path"]


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
    clock.passes(DAY_S)
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
    changed(path, "delete from instance" if lost == "instance" else "update session_instance set session_no = 9")
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
