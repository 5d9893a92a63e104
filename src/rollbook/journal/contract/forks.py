"""Forks: sessions that share the past of another one."""

from __future__ import annotations

import pytest

from rollbook.errors import Conflict, InvalidInput, NotFound
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import OTHER, QA, Place, Session, is_refused, new, raws
from rollbook.journal.steps import Append, DropHead, Fork, MoveHead, Patch, Pop, Remove, Replace, SetState


def forked(journals: Journals) -> tuple[Session, Session]:
    """A session with a to c, and a fork of it at b."""
    source = Session(journals, "source")
    source.append("a", "b", "c")
    return source, source.fork("fork", at="b", stream=QA)


class Forks(Place):
    """Forks of sessions, and what the two owe each other."""

    def test_a_fork_shares_the_past_and_both_grow_apart(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.append("d")
        fork.append("x")
        source.append("e")
        fork.append("y")
        assert source.names() == ["a", "b", "c", "d", "e"]
        assert fork.names() == ["a", "b", "x", "y"]
        assert (source.length(), fork.length()) == (5, 4)
        assert fork.names(most=3) == ["b", "x", "y"]

    def test_a_fork_at_the_tip(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a", "b")
        source.append("t", stream="trace")
        fork = source.fork("fork")
        assert (fork.names(), fork.names("trace")) == (["a", "b"], ["t"])
        source.append("c")
        assert fork.names() == ["a", "b"]

    def test_a_fork_of_one_stream(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        source.append("t", stream="trace")
        fork = source.fork("fork", stream="trace")
        assert fork.heads() == {("trace", "main")}

    def test_forks_of_two_streams_in_one_step(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a", "b")
        source.append("t", "u", stream="trace")
        fork = Session(journals, "fork")
        fork.make(Fork("source", QA, at="a"), Fork("source", "trace", at="t"), Append(QA, (new("x"),)))
        assert (fork.names(), fork.names("trace")) == (["a", "x"], ["t"])

    def test_a_fork_at_an_entry_that_the_source_left(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a", "b", "c")
        source.make(MoveHead(QA, "main", "a"))
        assert source.fork("fork", at="c", stream=QA).names() == ["a", "b", "c"]

    def test_a_fork_of_a_head_that_has_no_entries(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        source.make(MoveHead(QA, "main", None))
        fork = source.fork("fork")
        assert (fork.names(), fork.length()) == ([], 0)
        fork.append("x")
        source.append("b")
        assert (fork.names(), source.names()) == (["x"], ["b"])

    def test_a_fork_of_a_fork(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.append("x", "y")
        third = fork.fork("third", at="x", stream=QA)
        third.append("p")
        assert third.names() == ["a", "b", "x", "p"]
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["a", "b", "x", "y"])

    def test_ids_are_of_what_a_session_sees(self, journals: Journals) -> None:
        source, fork = forked(journals)
        assert fork.append("a", "b").added == 0
        assert fork.append("c").added == 1
        assert source.append("c").added == 0
        fork.make(Replace(QA, "c", b"3"))
        assert (fork.bodies()["c"], source.names()) == (b"3", ["a", "b", "c"])
        assert source.bodies()["c"] != b"3"

    def test_state_is_copied_if_asked_for(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        source.make(SetState(raws({"k": b"1", "n": b"null"})))
        assert source.fork("without").state() == {}
        fork = source.fork("fork", state=True)
        assert fork.state() == {"k": b"1", "n": b"null"}
        fork.make(SetState(raws({"k": b"2"})))
        assert (fork.state()["k"], source.state()["k"]) == (b"2", b"1")

    def test_a_fork_and_its_first_entries_in_one_step(self, journals: Journals) -> None:
        Session(journals, "source").append("a", "b")
        fork = Session(journals, "fork")
        fork.make(Fork("source", QA, at="a"), Append(QA, (new("a"), new("x"))), SetState(raws({"k": b"1"})))
        assert (fork.names(), fork.state()) == (["a", "x"], {"k": b"1"})

    # Edits of what is shared

    def test_an_edit_of_a_shared_entry_is_seen_by_both(self, journals: Journals) -> None:
        source, fork = forked(journals)
        before = source.revision(), fork.revision()
        fork.make(Replace(QA, "a", b"1"))
        assert source.bodies()["a"] == fork.bodies()["a"] == b"1"
        assert source.revision() > before[0]
        assert fork.revision() > before[1]

    def test_an_edit_of_what_is_not_shared_leaves_the_other(self, journals: Journals) -> None:
        source, fork = forked(journals)
        before = fork.revision()
        source.make(Replace(QA, "c", b"3"))
        assert fork.revision() == before
        assert fork.make(Replace(QA, "c", b"4")).answers == (None,)

    def test_a_fork_removes_nothing_of_its_source(self, journals: Journals) -> None:
        source, fork = forked(journals)
        is_refused(fork, Conflict, Append(QA, (new("x"),)), Remove(QA, "a"))
        assert source.names() == ["a", "b", "c"]

    def test_what_the_source_removes_its_forks_lose(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.append("x")
        source.make(Remove(QA, "b"))
        assert (source.names(), fork.names(), fork.length()) == (["a", "c"], ["a", "x"], 2)

    def test_a_pop_of_the_fork_leaves_the_source(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.append("x")
        fork.make(Pop(QA, count=2))
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["a"])
        assert fork.append("b").added == 1
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["a", "b"])

    def test_a_pop_of_the_source_leaves_its_forks(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.make(Pop(QA, count=2))
        assert (source.names(), fork.names()) == (["a"], ["a", "b"])
        assert source.append("b").added == 1
        source.make(Replace(QA, "b", b"2"))
        assert (source.names(), fork.names()) == (["a", "b"], ["a", "b"])
        assert fork.bodies()["b"] != b"2"

    def test_a_pop_of_the_fork_leaves_what_the_source_left(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.make(MoveHead(QA, "main", "a"))
        fork.make(Pop(QA))
        source.make(MoveHead(QA, "main", "c"))
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["a"])

    def test_a_fork_that_moves_back_loses_sight_of_what_it_left(self, journals: Journals) -> None:
        _, fork = forked(journals)
        fork.make(MoveHead(QA, "main", "a"))
        is_refused(fork, NotFound, MoveHead(QA, "main", "b"))
        assert fork.append("b").added == 1

    def test_a_step_of_a_fork_names_its_past_before_it_moves(self, journals: Journals) -> None:
        _, fork = forked(journals)
        is_refused(fork, InvalidInput, MoveHead(QA, "main", None), MoveHead(QA, "side", "b"))
        fork.make(MoveHead(QA, "side", "b"), MoveHead(QA, "main", None))
        assert (fork.names(head="side"), fork.names()) == (["a", "b"], [])

    # Dropping

    def test_a_deleted_source_leaves_what_its_forks_share(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.append("d")
        fork.append("x")
        assert source.drop()
        assert (source.lines(), source.heads()) == ([], set())
        assert (fork.names(), fork.length()) == (["a", "b", "x"], 3)
        fork.append("y", "c", "d")
        assert fork.names() == ["a", "b", "x", "y", "c", "d"]

    def test_a_deleted_fork_leaves_the_source(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.append("x")
        assert fork.drop()
        assert (source.names(), fork.names()) == (["a", "b", "c"], [])
        source.append("d")
        assert source.names() == ["a", "b", "c", "d"]

    def test_a_source_that_begins_anew_has_nothing_of_its_first_life(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.drop()
        assert source.append("b", "a").added == 2
        assert (source.names(), fork.names()) == (["b", "a"], ["a", "b"])
        source.make(Replace(QA, "a", b"1"), Remove(QA, "b"))
        assert (source.names(), fork.names()) == (["a"], ["a", "b"])
        assert fork.bodies()["a"] != b"1"

    def test_a_fork_that_begins_anew(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.drop()
        fork.append("b")
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["b"])

    def test_a_fork_may_remove_what_its_deleted_source_left(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.drop()
        fork.make(Remove(QA, "a"))
        assert fork.names() == ["b"]

    def test_a_dropped_stream_leaves_what_forks_share(self, journals: Journals) -> None:
        source, fork = forked(journals)
        source.make(DropHead(QA), Append(QA, (new("a"), new("z"))))
        assert (source.names(), fork.names()) == (["a", "z"], ["a", "b"])

    def test_what_a_fork_left_outlives_a_head_of_its_source(self, journals: Journals) -> None:
        source, fork = forked(journals)
        fork.append("x", "y")
        fork.make(MoveHead(QA, "main", "a"))
        source.drop()
        fork.make(MoveHead(QA, "main", "y"))
        assert fork.names() == ["a", "b", "x", "y"]

    def test_nothing_stays_when_everything_is_deleted(self, journals: Journals) -> None:
        source, fork = forked(journals)
        third = fork.fork("third")
        third.append("p")
        sessions = [source, third, fork]
        assert [session.drop() for session in sessions] == [True] * 3
        assert [session.drop() for session in sessions] == [False] * 3
        assert list(journals.sessions()) == []
        assert [session.kept() for session in sessions] == [[]] * 3

    def test_forks_live_on_when_they_are_read_in_any_order(self, journals: Journals) -> None:
        source, fork = forked(journals)
        third = fork.fork("third")
        fork.drop()
        third.append("p")
        source.drop()
        third.append("q")
        assert third.names() == ["a", "b", "p", "q"]
        again = third.fork("fork")
        again.append("r")
        assert (again.names(), third.names()) == (["a", "b", "p", "q", "r"], ["a", "b", "p", "q"])

    # Refused

    def test_a_session_that_is_not_there_is_not_forked(self, journals: Journals) -> None:
        Session(journals, "source", OTHER).append("a")
        is_refused(Session(journals, "fork"), NotFound, Fork("source"))

    def test_a_deleted_session_is_not_forked(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        source.drop()
        is_refused(Session(journals, "fork"), NotFound, Fork("source"))

    @pytest.mark.parametrize(
        "change", [Fork("source", QA, at="z"), Fork("source", "trace", at="a"), Fork("source", QA, "side", at="a")]
    )
    def test_an_entry_that_is_not_there_is_not_forked_at(self, journals: Journals, change: Fork) -> None:
        Session(journals, "source").append("a")
        is_refused(Session(journals, "fork"), NotFound, change)

    @pytest.mark.parametrize("stream", [None, QA, "trace"])
    def test_a_session_that_has_a_journal_becomes_no_fork(self, journals: Journals, stream: str | None) -> None:
        Session(journals, "source").append("a")
        own = Session(journals, "own")
        own.append("b")
        is_refused(own, Conflict, Fork("source", stream))

    def test_a_session_that_has_state_becomes_no_fork(self, journals: Journals) -> None:
        Session(journals, "source").append("a")
        own = Session(journals, "own")
        own.make(SetState(raws({"k": b"1"})))
        is_refused(own, Conflict, Fork("source"))

    def test_a_fork_becomes_no_other_fork(self, journals: Journals) -> None:
        source, fork = forked(journals)
        Session(journals, "second").append("z")
        is_refused(fork, Conflict, Fork("second"))
        is_refused(fork, Conflict, Fork("source"))
        is_refused(source, Conflict, Fork("fork"))

    def test_no_session_is_a_fork_of_itself(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        (answer,) = journals.apply([source.plan(Fork("source"))])
        assert isinstance(answer, InvalidInput | Conflict)
        assert source.names() == ["a"]

    @pytest.mark.parametrize(
        "change", [Remove(QA, "a"), Patch(QA, "a", {}), MoveHead(QA, "main", "a"), Append(QA, (new("x"),), after="a")]
    )
    def test_a_step_that_forks_does_nothing_to_the_past(self, journals: Journals, change: Remove | Patch) -> None:
        Session(journals, "source").append("a")
        is_refused(Session(journals, "fork"), InvalidInput, Fork("source"), change)

    def test_a_fork_comes_first_in_its_step(self, journals: Journals) -> None:
        Session(journals, "source").append("a")
        is_refused(Session(journals, "fork"), InvalidInput, Append(QA, (new("x"),)), Fork("source"))
