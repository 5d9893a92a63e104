"""A writer may say which revision of a head it saw last (R11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from rollbook.errors import Conflict
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Place, Session, is_refused, new, now, raws
from rollbook.journal.steps import Append, Done, DropHead, Expect, MoveHead, Patch, Pop, Remove, Replace, SetState, Step


class Revisions(Place):
    """Expected revisions, and what changes a revision."""

    def test_a_head_that_is_not_there_is_at_0(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a"),)), expects=[Expect(QA, 0)])
        is_refused(session, Conflict, Append(QA, (new("b"),)), expects=[Expect(QA, 0)])

    def test_a_step_answers_the_revision(self, journals: Journals) -> None:
        session = Session(journals)
        done = session.make(Append(QA, (new("a"),)), Append("trace", (new("x"),)))
        assert done.revisions == {(QA, "main"): session.revision(), ("trace", "main"): session.revision("trace")}
        session.make(Append(QA, (new("b"),)), expects=[Expect(QA, done.revisions[QA, "main"])])
        assert session.names() == ["a", "b"]

    def test_a_revision_that_moved_on_is_a_conflict_that_says_both(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        old = session.revision()
        session.append("b")
        error = is_refused(session, Conflict, Append(QA, (new("c"),)), expects=[Expect(QA, old)])
        assert isinstance(error, Conflict)
        assert (error.expected, error.found) == (old, session.revision())

    def test_every_expectation_must_hold(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        expects = [Expect(QA, session.revision()), Expect("trace", 7)]
        is_refused(session, Conflict, Append(QA, (new("b"),)), expects=expects)

    def test_an_expectation_is_of_one_head(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        side = session.make(MoveHead(QA, "side", "a")).revisions[QA, "side"]
        session.append("b")
        session.make(Append(QA, (new("c"),), "side"), expects=[Expect(QA, side, "side")])
        assert session.names(head="side") == ["a", "c"]

    def test_state_can_be_set_under_an_expectation(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        old = session.revision()
        session.append("b")
        is_refused(session, Conflict, SetState(raws({"k": b"1"})), expects=[Expect(QA, old)])

    def test_every_change_of_what_a_head_shows_is_another_revision(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c", "d")
        seen = [session.revision()]
        for change in (
            Append(QA, (new("e"),)),
            Replace(QA, "a", b"{}"),
            Patch(QA, "a", {}),
            Remove(QA, "b"),
            Pop(QA),
            MoveHead(QA, "main", "c"),
        ):
            done = session.make(change)
            seen.append(session.revision())
            assert done.revisions == {(QA, "main"): seen[-1]}
        assert seen == sorted(set(seen))

    def test_what_changes_nothing_leaves_the_revision(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        before = session.revision()
        for change in (
            Replace(QA, "z", b"{}"),
            Patch(QA, "z", {}),
            Remove(QA, "z"),
            Pop(QA, count=0),
            DropHead(QA, "z"),
        ):
            assert session.make(change).revisions == {}
        for named in (Append(QA, (new("a"),)), MoveHead(QA, "main", "a")):
            assert session.make(named).revisions == {(QA, "main"): before}
        assert session.make(Append(QA, (), "none")).revisions == {(QA, "none"): 0}
        assert session.revision() == before

    def test_other_streams_keep_their_revision(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        before = session.revision()
        session.append("x", stream="trace")
        assert session.revision() == before

    def test_a_head_that_was_dropped_is_at_0(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        assert session.make(DropHead(QA)).revisions == {(QA, "main"): 0}
        session.make(Append(QA, (new("b"),)), expects=[Expect(QA, 0)])

    def test_a_revision_never_comes_again(self, journals: Journals) -> None:
        session = Session(journals)
        seen = []
        for _ in range(3):
            session.append("a")
            seen.append(session.revision())
            session.append("b")
            seen.append(session.revision())
            session.drop()
        assert len(set(seen)) == len(seen)

    def test_steps_of_one_moment_have_revisions_of_their_own(self, journals: Journals) -> None:
        session = Session(journals)
        at = now()
        seen = []
        for earlier, name in enumerate("abc"):
            journals.apply([Step(session.user, session.name, at - earlier, (Append(QA, (new(name),)),))])
            seen.append(session.revision())
        assert seen == sorted(set(seen))

    def test_an_expectation_from_before_a_deletion_is_a_conflict(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        old = session.revision()
        session.drop()
        session.append("a")
        is_refused(session, Conflict, Append(QA, (new("b"),)), expects=[Expect(QA, old)])

    def test_of_several_with_one_expectation_one_wins(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("first")
        expects = [Expect(QA, session.revision())]
        barrier = Barrier(4)

        def write(name: str) -> bool:
            barrier.wait()
            (answer,) = journals.apply([session.plan(Append(QA, (new(name),)), expects=expects)])
            assert isinstance(answer, Done | Conflict)
            return isinstance(answer, Done)

        with ThreadPoolExecutor(4) as threads:
            won = list(threads.map(write, "abcd"))
        assert won.count(True) == 1
        assert session.names() == ["first", "abcd"[won.index(True)]]

    def test_of_several_in_one_batch_with_one_expectation_one_wins(self, journals: Journals) -> None:
        session = Session(journals)
        steps = [session.plan(Append(QA, (new(name),)), expects=[Expect(QA, 0)]) for name in "abc"]
        assert [type(answer) for answer in journals.apply(steps)] == [Done, Conflict, Conflict]
        assert session.names() == ["a"]
