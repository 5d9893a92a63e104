"""Branches: several heads of one stream share their past and grow apart."""

from __future__ import annotations

import pytest

from rollbook.errors import InvalidInput, NotFound
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Place, Session, is_refused, new
from rollbook.journal.steps import Append, DropHead, MoveHead, Pop, Remove, Replace


def branched(journals: Journals) -> Session:
    """A session whose head ``side`` left ``main`` behind b."""
    session = Session(journals)
    session.append("a", "b", "c")
    session.append("x", head="side", after="b")
    session.append("d")
    session.append("y", head="side")
    return session


class Heads(Place):
    """Heads within one session."""

    def test_branches_share_their_past_and_grow_apart(self, journals: Journals) -> None:
        session = branched(journals)
        assert session.names() == ["a", "b", "c", "d"]
        assert session.names(head="side") == ["a", "b", "x", "y"]
        assert (session.length(), session.length(head="side")) == (4, 4)

    def test_the_newest_of_a_branch(self, journals: Journals) -> None:
        session = branched(journals)
        assert session.names(head="side", most=3) == ["b", "x", "y"]
        assert session.names(most=3) == ["b", "c", "d"]
        assert session.page(2, "x", head="side") == ["a", "b"]

    def test_no_page_before_an_entry_of_another_branch(self, journals: Journals) -> None:
        session = branched(journals)
        with pytest.raises(LookupError):
            session.page(2, "x")

    def test_an_id_of_another_branch_is_left_out(self, journals: Journals) -> None:
        session = branched(journals)
        assert session.append("x").added == 0
        assert session.names() == ["a", "b", "c", "d"]

    def test_a_head_steps_back_and_on(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        session.make(MoveHead(QA, "main", "a"))
        assert (session.names(), session.length()) == (["a"], 1)
        session.make(MoveHead(QA, "main", "c"))
        assert (session.names(), session.length()) == (["a", "b", "c"], 3)

    def test_what_a_head_left_is_not_on_its_new_line(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        session.append("d", after="a")
        assert (session.names(), session.length()) == (["a", "d"], 2)
        session.make(Replace(QA, "b", b"2"), Remove(QA, "c"))
        assert (session.names(), session.length()) == (["a", "d"], 2)
        session.make(MoveHead(QA, "main", "b"))
        assert (session.names(), session.length()) == (["a", "b"], 2)

    def test_a_new_beginning(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.append("c", after=None)
        assert (session.names(), session.length()) == (["c"], 1)
        session.append("d")
        assert session.names() == ["c", "d"]
        session.make(MoveHead(QA, "main", None))
        assert (session.names(), session.length()) == ([], 0)
        session.append("e")
        assert session.names() == ["e"]

    def test_an_append_behind_an_entry_made_again_changes_nothing(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        step = session.plan(Append(QA, (new("c"),), after="a"))
        journals.apply([step])
        session.append("d")
        before = session.everything()
        journals.apply([step])
        assert session.everything() == before

    def test_a_step_may_append_behind_what_it_appended(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a"), new("b"))), Append(QA, (new("c"),), "side", "a"), MoveHead(QA, "old", "b"))
        assert session.names() == ["a", "b"]
        assert session.names(head="side") == ["a", "c"]
        assert session.names(head="old") == ["a", "b"]

    def test_no_head_stands_at_an_entry_that_is_not_there(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", stream="trace")
        session.append("b")
        is_refused(session, NotFound, Append(QA, (new("c"),)), MoveHead(QA, "main", "a"))
        is_refused(session, NotFound, Append(QA, (new("c"),)), Append(QA, (new("d"),), after="z"))

    def test_what_a_step_removes_from_it_cannot_stand_behind(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        is_refused(session, InvalidInput, Remove(QA, "a"), MoveHead(QA, "main", "a"))
        is_refused(session, InvalidInput, Pop(QA), Append(QA, (new("c"),), after="b"))

    # Removing on branches

    def test_a_shared_entry_is_removed_from_every_branch(self, journals: Journals) -> None:
        session = branched(journals)
        session.make(Remove(QA, "b"))
        assert session.names() == ["a", "c", "d"]
        assert session.names(head="side") == ["a", "x", "y"]
        assert (session.length(), session.length(head="side")) == (3, 3)

    def test_the_first_entry_is_removed_from_every_branch(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.append("x", head="side", after="a")
        session.make(MoveHead(QA, "start", "a"))
        session.make(Remove(QA, "a"))
        assert session.names() == ["b"]
        assert session.names(head="side") == ["x"]
        assert session.names(head="start") == []
        session.append("s", head="start")
        assert session.names(head="start") == ["s"]

    def test_the_first_entry_of_a_branch_is_removed(self, journals: Journals) -> None:
        session = branched(journals)
        session.make(Remove(QA, "x"))
        assert session.names(head="side") == ["a", "b", "y"]
        assert session.names() == ["a", "b", "c", "d"]

    def test_an_edit_of_a_shared_entry_is_seen_on_every_branch(self, journals: Journals) -> None:
        session = branched(journals)
        before = session.revision(), session.revision(head="side")
        done = session.make(Replace(QA, "a", b"1"))
        assert session.bodies()["a"] == session.bodies(head="side")["a"] == b"1"
        assert done.revisions == {(QA, name): session.revision(head=name) for name in ("main", "side")}
        assert session.revision() > before[0]
        assert session.revision(head="side") > before[1]

    def test_an_edit_of_one_branch_leaves_the_revision_of_the_other(self, journals: Journals) -> None:
        session = branched(journals)
        before = session.revision()
        session.make(Replace(QA, "x", b"1"), Remove(QA, "y"))
        assert session.revision() == before

    def test_pop_leaves_what_another_head_shows(self, journals: Journals) -> None:
        session = branched(journals)
        session.make(Pop(QA, count=3))
        assert session.names() == ["a"]
        assert session.names(head="side") == ["a", "b", "x", "y"]
        assert session.append("b").added == 0

    # Dropping heads

    def test_a_dropped_head_takes_what_only_it_showed(self, journals: Journals) -> None:
        session = branched(journals)
        assert session.make(DropHead(QA, "main")).answers == (True,)
        assert session.heads() == {(QA, "side")}
        assert session.names(head="side") == ["a", "b", "x", "y"]
        assert session.append("c", "d", head="side").added == 2
        assert session.names(head="side") == ["a", "b", "x", "y", "c", "d"]

    def test_positions_are_not_given_twice(self, journals: Journals) -> None:
        session = branched(journals)
        session.append("z", head="side")
        top = session.lines(head="side")[-1].position
        session.make(DropHead(QA, "side"))
        session.append("e")
        assert session.lines()[-1].position > top
        assert session.names() == ["a", "b", "c", "d", "e"]

    def test_every_head_of_a_stream_is_dropped(self, journals: Journals) -> None:
        session = branched(journals)
        session.append("t", stream="trace")
        assert session.make(DropHead(QA)).answers == (True,)
        assert session.heads() == {("trace", "main")}
        assert session.kept() == []

    def test_a_head_that_is_not_there_is_not_dropped(self, journals: Journals) -> None:
        session = branched(journals)
        assert session.make(DropHead(QA, "z"), DropHead("trace")).answers == (False, False)

    def test_a_stream_is_dropped_and_written_anew_in_one_step(self, journals: Journals) -> None:
        session = branched(journals)
        session.make(DropHead(QA), Append(QA, (new("b"), new("a"))))
        assert session.heads() == {(QA, "main")}
        assert session.names() == ["b", "a"]

    def test_a_branch_of_a_branch(self, journals: Journals) -> None:
        session = branched(journals)
        session.append("p", head="third", after="x")
        session.make(DropHead(QA, "side"))
        assert session.names(head="third") == ["a", "b", "x", "p"]
        assert session.names() == ["a", "b", "c", "d"]
        session.append("y", head="third")
        assert session.names(head="third") == ["a", "b", "x", "p", "y"]
