"""Entries come in the order in which they were appended, once each; pages of them (R11)."""

from __future__ import annotations

import pytest

from rollbook.journal import lines
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Place, Session, body_of, new
from rollbook.journal.steps import Append, Appended


class Order(Place):
    """Order, duplicates, pages."""

    def test_a_session_that_is_not_there_is_empty(self, journals: Journals) -> None:
        session = Session(journals)
        assert (session.lines(), session.heads(), session.state()) == ([], set(), {})

    def test_entries_come_in_the_order_of_their_steps(self, journals: Journals) -> None:
        session = Session(journals)
        for name in ("b", "a", "c"):
            session.append(name)
        assert session.names() == ["b", "a", "c"]

    def test_entries_of_one_step_come_in_their_order(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("c", "b", "a")
        session.append("e", "d")
        assert session.names() == ["c", "b", "a", "e", "d"]

    def test_steps_of_one_batch_come_in_their_order(self, journals: Journals) -> None:
        session = Session(journals)
        journals.apply([session.plan(Append(QA, (new(f"e{n}"),))) for n in range(20)])
        assert session.names() == [f"e{n}" for n in range(20)]

    def test_positions_only_grow(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.append("c")
        positions = [line.position for line in session.lines()]
        assert positions == sorted(set(positions))
        assert positions[0] > 0

    def test_an_entry_keeps_its_own_time(self, journals: Journals) -> None:
        session = Session(journals)
        entry = new("a")
        session.make(Append(QA, (entry,)))
        assert session.lines()[0].created_at == entry.created_at

    def test_streams_do_not_mix(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", stream="one")
        session.append("a", stream="two")
        session.append("c", stream="one")
        assert session.names("one") == ["a", "b", "c"]
        assert session.names("two") == ["a"]

    def test_one_step_appends_to_several_streams(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append("one", (new("a"),)), Append("two", (new("b"),)), Append("one", (new("c"),)))
        assert (session.names("one"), session.names("two")) == (["a", "c"], ["b"])

    def test_the_answer_counts(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        answer = session.append("b", "c")
        assert (answer.added, answer.length, len(answer.duplicates)) == (1, 3, 1)

    def test_an_append_of_nothing_makes_nothing(self, journals: Journals) -> None:
        session = Session(journals)
        assert session.append() == Appended(0, (), 0, 0)
        assert session.heads() == set()

    def test_failed_steps_are_counted_for_ever(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", failed=True), new("b"), new("c", failed=True))))
        (answer,) = session.make(Append(QA, (new("c", failed=True), new("d", failed=True)))).answers
        assert isinstance(answer, Appended)
        assert answer.failed == 3

    # The same id again

    def test_an_id_that_is_there_is_left_out(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.append("a")
        assert session.names() == ["a", "b"]

    def test_a_duplicate_answers_what_is_stored(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        (answer,) = session.make(Append(QA, (new("b", b'"another"'), new("c")))).answers
        assert isinstance(answer, Appended)
        (kept,) = answer.duplicates
        stored = session.lines()[1]
        assert (kept.entry_id, kept.body, kept.position) == ("b", body_of("b"), stored.position)
        assert (kept.created_at, kept.session) == (stored.created_at, stored.who)

    def test_the_first_of_one_id_in_one_step_stands(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", b"1"), new("b", b"2"), new("a", b"3"))))
        assert list(session.bodies().items()) == [("a", b"1"), ("b", b"2")]

    def test_the_first_of_one_id_in_two_changes_stands(self, journals: Journals) -> None:
        session = Session(journals)
        done = session.make(Append(QA, (new("a", b"1"),)), Append(QA, (new("a", b"2"), new("b", b"3"))))
        assert session.bodies() == {"a": b"1", "b": b"3"}
        assert [len(each.duplicates) for each in done.answers if isinstance(each, Appended)] == [0, 1]

    def test_the_first_of_one_id_in_one_batch_stands(self, journals: Journals) -> None:
        session = Session(journals)
        journals.apply([session.plan(Append(QA, (new("a", b"%d" % n),))) for n in range(3)])
        assert session.bodies() == {"a": b"0"}

    def test_a_step_made_again_changes_nothing(self, journals: Journals) -> None:
        session = Session(journals)
        step = session.plan(Append(QA, (new("a"), new("b"))), Append("trace", (new("x"),)))
        journals.apply([step])
        before = session.everything()
        journals.apply([step])
        assert session.everything() == before

    def test_ids_are_of_one_stream(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", stream="one")
        assert session.append("a", stream="two").added == 1

    def test_an_id_that_was_removed_may_come_again(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.drop()
        assert session.append("b").added == 1
        assert session.names() == ["b"]

    def test_an_entry_said_to_be_fresh_is_found_later(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", fresh=True),)))
        session.make(Append(QA, (new("b", fresh=True),)))
        assert session.append("a", "b").added == 0

    # Pages

    @pytest.mark.parametrize(
        ("most", "expected"), [(0, []), (1, ["d"]), (3, ["b", "c", "d"]), (9, ["a", "b", "c", "d"])]
    )
    def test_the_newest_entries(self, journals: Journals, most: int, expected: list[str]) -> None:
        session = Session(journals)
        session.append("a", "b", "c", "d")
        assert session.names(most=most) == expected

    def test_a_page_before_an_entry(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c", "d", "e")
        assert session.page(2, "e") == ["c", "d"]
        assert session.page(2, "c") == ["a", "b"]
        assert session.page(2, "a") == []
        assert session.page(None, "d") == ["a", "b", "c"]

    def test_no_page_before_an_entry_that_is_not_there(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        with pytest.raises(LookupError):
            session.page(2, "z")

    def test_one_entry_is_found_by_its_id(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        with journals.read(session.user, session.name) as (peek, who):
            found = lines.seen(peek, who, QA, "b")
            assert found is not None
            assert (found.entry_id, found.body) == ("b", body_of("b"))
            assert peek.line(QA, found.position) == found
            assert lines.seen(peek, who, QA, "z") is None

    def test_a_huge_session(self, journals: Journals) -> None:
        session = Session(journals)
        names = [f"e{n}" for n in range(self.huge)]
        for first in range(0, self.huge, 1000):
            session.append(*names[first : first + 1000])
        assert session.length() == self.huge
        assert session.names(most=20) == names[-20:]
        assert session.page(20, names[self.huge // 2]) == names[self.huge // 2 - 20 : self.huge // 2]
        assert session.append(names[0], "last").added == 1
        assert session.names() == [*names, "last"]
