"""All or nothing: a step that is refused has changed nothing, and leaves the others of its batch alone (R13)."""

from __future__ import annotations

import pytest

from rollbook.errors import Conflict, InvalidInput, NotFound, RollbookError, StoreError
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Opener, Place, Session, is_refused, new, now, raws
from rollbook.journal.steps import (
    Append,
    Change,
    Done,
    Drop,
    DropHead,
    Expect,
    Fork,
    MoveHead,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
)  # fmt: skip

_GOOD: tuple[Change, ...] = (
    Append(QA, (new("new"),)),
    Append("other", (new("new"),), "side"),
    Replace(QA, "a", b"9"),
    Patch(QA, "b", {}),
    Remove(QA, "a"),
    Pop("trace"),
    DropHead("trace"),
    SetState(raws({"k": b"9", "new": b"9"})),
)
_BAD: dict[str, tuple[type[RollbookError], Change]] = {
    "a move to what is not there": (NotFound, MoveHead("more", "main", "z")),
    "an append behind what is not there": (NotFound, Append("more", (new("n"),), after="z")),
    "a patch of no object": (InvalidInput, Patch(QA, "number", {})),
}


def filled(journals: Journals) -> Session:
    session = Session(journals)
    session.append("a", "b", "c")
    session.append("t", stream="trace")
    session.make(Append(QA, (new("number", b"1"),)), SetState(raws({"k": b"1"})))
    return session


class Whole(Place):
    """Atomicity, closing, opening again."""

    @pytest.mark.parametrize(("error", "bad"), _BAD.values(), ids=_BAD)
    def test_a_refused_step_changes_nothing(self, journals: Journals, error: type[RollbookError], bad: Change) -> None:
        is_refused(filled(journals), error, *_GOOD, bad)

    def test_a_step_that_meets_another_revision_changes_nothing(self, journals: Journals) -> None:
        is_refused(filled(journals), Conflict, *_GOOD, expects=[Expect("trace", 1)])

    def test_a_fork_that_is_refused_changes_nothing(self, journals: Journals) -> None:
        session = filled(journals)
        is_refused(Session(journals, "fork"), NotFound, Fork(session.name, QA, at="z"))
        assert [each.session_id for each in journals.sessions()] == [session.name]

    def test_a_removal_that_is_refused_changes_nothing(self, journals: Journals) -> None:
        fork = filled(journals).fork("fork")
        is_refused(fork, Conflict, *_GOOD[:4], Remove(QA, "a"))

    def test_a_refused_step_makes_no_session(self, journals: Journals) -> None:
        session = Session(journals)
        is_refused(session, NotFound, Append(QA, (new("a"),)), MoveHead(QA, "main", "z"))
        assert list(journals.sessions()) == []

    def test_the_good_part_alone_is_made(self, journals: Journals) -> None:
        # Otherwise the tests above would hold of a place that refuses everything.
        session = filled(journals)
        session.make(*_GOOD)
        assert session.names() == ["b", "c", "number", "new"]

    def test_a_refused_step_leaves_the_others_of_its_batch_alone(self, journals: Journals) -> None:
        one, two = Session(journals, "one"), Session(journals, "two")
        answers = journals.apply(
            [
                one.plan(Append(QA, (new("a"),))),
                one.plan(Append(QA, (new("b"),)), MoveHead(QA, "main", "z")),
                two.plan(Append(QA, (new("c"),)), expects=[Expect(QA, 7)]),
                one.plan(Append(QA, (new("d"),))),
                two.plan(Append(QA, (new("e"),))),
                Drop(one.user, "three", now()),
            ]
        )
        assert [type(answer) for answer in answers] == [Done, NotFound, Conflict, Done, Done, bool]
        assert (one.names(), two.names()) == (["a", "d"], ["e"])

    def test_an_empty_batch(self, journals: Journals) -> None:
        assert journals.apply([]) == []

    def test_a_step_without_changes(self, journals: Journals) -> None:
        session = Session(journals)
        assert session.make().answers == ()
        assert session.heads() == set()

    def test_drops_and_steps_of_one_batch_are_made_in_order(self, journals: Journals) -> None:
        session = Session(journals)
        append = [session.plan(Append(QA, (new(name),))) for name in "ab"]
        answers = journals.apply([append[0], Drop(session.user, session.name, now()), append[1]])
        assert answers[1] is True
        assert session.names() == ["b"]

    def test_a_drop_with_a_time_leaves_what_was_changed_since(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        session.make(SetState(raws({"k": b"1"})))
        drop = Drop(session.user, session.name, now(), since=now())
        assert journals.apply([drop]) == [True]
        assert (session.names(), session.state()) == ([], {})
        session.append("a", "b")
        assert journals.apply([drop]) == [False]
        assert session.names() == ["a", "b"]
        assert journals.apply([Drop(session.user, session.name, now(), since=now())]) == [True]
        assert journals.apply([drop]) == [False]

    @pytest.mark.parametrize("of_user", [False, True])
    def test_a_drop_with_a_time_leaves_state_that_was_set_since(self, journals: Journals, of_user: bool) -> None:  # noqa: FBT001 - a parameter of the test
        session = Session(journals)
        session.make(SetState(raws({"k": b"1"}), of_user))
        drop = Drop(session.user, "" if of_user else session.name, now(), since=now())
        state = session.user_state if of_user else session.state
        assert journals.apply([drop]) == [True]
        assert state() == {}
        session.make(SetState(raws({"k": b"1"}), of_user))
        assert journals.apply([drop]) == [False]
        assert state() == {"k": b"1"}

    def test_a_drop_with_a_time_goes_by_its_own_session(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        fork = session.fork("fork")
        drop = Drop(session.user, session.name, now(), since=now())
        fork.append("b")
        assert journals.apply([drop]) == [True]
        assert (session.names(), fork.names()) == ([], ["a", "b"])

    def test_forks_and_their_sources_in_one_batch(self, journals: Journals) -> None:
        source, fork = Session(journals, "source"), Session(journals, "fork")
        answers = journals.apply(
            [
                source.plan(Append(QA, (new("a"), new("b")))),
                fork.plan(Fork("source", QA, at="a")),
                fork.plan(Append(QA, (new("x"),))),
                source.plan(Append(QA, (new("c"),))),
            ]
        )
        assert [type(answer) for answer in answers] == [Done] * 4
        assert (source.names(), fork.names()) == (["a", "b", "c"], ["a", "x"])

    def test_what_was_kept_is_there_when_it_is_opened_again(self, journals: Journals, opener: Opener) -> None:
        if not self.opens_twice:
            pytest.skip("nothing outlives the place")
        session = filled(journals)
        fork = session.fork("fork", at="b", stream=QA, state=True)
        fork.append("x", "y")
        fork.make(Remove(QA, "x"))
        session.make(MoveHead(QA, "main", "b"), Pop("trace"))
        seen = session.everything(), fork.everything()
        journals.close()
        again = opener()
        try:
            session.journals = fork.journals = again
            assert (session.everything(), fork.everything()) == seen
            fork.append("z")
            session.make(MoveHead(QA, "main", "c"))
            assert (session.names(), fork.names()) == (["a", "b", "c"], ["a", "b", "y", "z"])
        finally:
            again.close()

    def test_two_that_are_open_see_each_others_steps(self, journals: Journals, opener: Opener) -> None:
        if not self.opens_twice:
            pytest.skip("it can be open once only")
        other = opener()
        try:
            here, there = Session(journals), Session(other)
            here.append("a")
            assert there.append("a", "b").added == 1
            assert here.append("b", "c").added == 1
            assert here.names() == there.names() == ["a", "b", "c"]
            there.make(Remove(QA, "b"))
            here.make(Pop(QA))
            assert here.names() == there.names() == ["a"]
            there.drop()
            assert here.append("a").added == 1
            assert here.names() == there.names() == ["a"]
            fork = here.fork("fork")
            assert Session(other, "fork").append("x").length == 2
            assert fork.append("y").length == 3
        finally:
            other.close()

    def test_a_closed_place_says_so(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        journals.close()
        journals.close()
        with pytest.raises(StoreError):
            session.append("b")
        with pytest.raises(StoreError):
            session.names()
        with pytest.raises(StoreError):
            session.user_state()
        with pytest.raises(StoreError):
            list(journals.sessions())

    def test_its_health_is_told(self, journals: Journals) -> None:
        assert all(
            isinstance(name, str) and isinstance(well, bool) and detail for name, well, detail in journals.health()
        )
