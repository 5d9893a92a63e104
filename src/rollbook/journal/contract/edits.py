"""Changing and removing what is there: Replace, Patch, Remove, Pop."""

from __future__ import annotations

import pytest
from msgspec import Raw

from rollbook.errors import InvalidInput
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Place, Session, body_of, is_refused, new, raws
from rollbook.journal.steps import Append, Entry, Patch, Pop, Remove, Replace


def patch(name: str, **fields: bytes) -> Patch:
    return Patch(QA, name, {key: value for key, value in raws({**fields}).items() if value is not None})


class Edits(Place):
    """Edits of a stream with one head."""

    def test_a_replaced_entry_stays_where_it_is(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        before = session.lines()[1]
        (answer,) = session.make(Replace(QA, "b", b"[2]")).answers
        assert isinstance(answer, Entry)
        assert (answer.entry_id, answer.body, answer.position) == ("b", b"[2]", before.position)
        after = session.lines()[1]
        assert (after.body, after.position, after.created_at) == (b"[2]", before.position, before.created_at)
        assert session.names() == ["a", "b", "c"]

    def test_what_is_not_there_is_not_replaced(self, journals: Journals) -> None:
        session = Session(journals)
        assert session.make(Replace(QA, "a", b"{}"), patch("a", x=b"1")).answers == (None, None)
        assert (session.lines(), session.heads()) == ([], set())

    def test_a_patch_sets_fields_and_leaves_the_others(self, journals: Journals) -> None:
        session = Session(journals)
        body = b'{"z":1.0,"big":123456789012345678901234567890,"a":[1 , 2],"s":"\\u00e9","t":true}'
        session.make(Append(QA, (new("a", body),)))
        (answer,) = session.make(patch("a", a=b"null", n=b'{"x" : 1}')).answers
        expected = b'{"z":1.0,"big":123456789012345678901234567890,"a":null,"s":"\\u00e9","t":true,"n":{"x" : 1}}'
        assert isinstance(answer, Entry)
        assert answer.body == expected
        assert session.bodies() == {"a": expected}

    def test_a_patch_sets_fields_inside_a_field(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", b'{"m":{"x":1.0,"y":[ ]},"n":null}'),)))
        inside = {"m": {"x": Raw(b"2")}, "n": {"z": Raw(b"3")}, "new": {"k": Raw(b"null")}}
        session.make(Patch(QA, "a", {}, inside))
        assert session.bodies() == {"a": b'{"m":{"x":2,"y":[ ]},"n":{"z":3},"new":{"k":null}}'}

    def test_what_is_no_object_has_nothing_inside_to_set(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", b'{"m":[]}'),)))
        is_refused(session, InvalidInput, Append(QA, (new("b"),)), Patch(QA, "a", {}, {"m": {"x": Raw(b"1")}}))

    def test_a_patch_twice_in_one_step(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a"),)), patch("a", x=b"1"), patch("a", y=b"2", x=b"3"))
        assert session.bodies() == {"a": b'{"x":3,"y":2}'}

    @pytest.mark.parametrize("body", [b"1", b"null", b"[]", b'"{}"'])
    def test_what_is_no_object_cannot_be_patched(self, journals: Journals, body: bytes) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a", body),)))
        is_refused(session, InvalidInput, Append(QA, (new("b"),)), patch("a", x=b"1"))

    def test_what_becomes_no_object_cannot_be_patched(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        is_refused(session, InvalidInput, Replace(QA, "a", b"1"), patch("a", x=b"1"))
        is_refused(session, InvalidInput, Append(QA, (new("b", b"1"),)), patch("b", x=b"1"))

    def test_a_patch_that_makes_an_entry_too_large_is_refused(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        large = Patch(QA, "a", {"x": Raw(b'"' + b"x" * 100 + b'"')}, most=80)
        is_refused(session, InvalidInput, Append(QA, (new("b"),)), large)
        is_refused(
            session, InvalidInput, Patch(QA, "a", {"x": Raw(b"1" * 50)}), Patch(QA, "a", {"y": Raw(b"1" * 50)}, most=80)
        )
        session.make(Patch(QA, "a", {"x": Raw(b"1" * 100)}))
        session.make(Patch(QA, "a", {"x": Raw(b"1" * 90)}, most=80))  # less than it was
        assert session.bodies()["a"].endswith(b'"x":' + b"1" * 90 + b"}")

    def test_an_entry_in_the_middle_is_removed(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c", "d")
        assert session.make(Remove(QA, "b")).answers == (True,)
        assert (session.names(), session.length()) == (["a", "c", "d"], 3)
        session.append("e")
        assert session.names() == ["a", "c", "d", "e"]
        assert session.page(2, "c") == ["a"]

    @pytest.mark.parametrize("name", ["a", "c"])
    def test_the_first_and_the_last_entry_are_removed(self, journals: Journals, name: str) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        session.make(Remove(QA, name))
        left = [each for each in "abc" if each != name]
        head = session.head()
        assert head is not None
        assert (session.names(), head.tip) == (left, session.lines()[-1].position)
        session.append("d")
        assert session.names() == [*left, "d"]
        assert session.names(most=2) == [left[-1], "d"]

    def test_every_entry_is_removed(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        top = session.lines()[-1].position
        session.make(Remove(QA, "a"), Remove(QA, "b"))
        assert (session.names(), session.length()) == ([], 0)
        session.append("b", "a")
        assert session.names() == ["b", "a"]
        assert session.lines()[0].position > top

    def test_what_is_not_there_is_not_removed(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        assert session.make(Remove(QA, "z"), Remove("trace", "a")).answers == (False, False)
        assert session.make(Remove(QA, "a"), Remove(QA, "a")).answers == (True, False)

    def test_pop_answers_what_it_took_oldest_first(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        (popped,) = session.make(Pop(QA, count=2)).answers
        assert isinstance(popped, tuple)
        assert [(each.entry_id, each.body) for each in popped] == [("b", body_of("b")), ("c", body_of("c"))]
        assert (session.names(), session.length()) == (["a"], 1)

    def test_pop_takes_no_more_than_there_is(self, journals: Journals) -> None:
        session = Session(journals)
        assert session.make(Pop(QA)).answers == ((),)
        session.append("a", "b")
        (popped,) = session.make(Pop(QA, count=9)).answers
        assert isinstance(popped, tuple)
        assert len(popped) == 2
        assert session.make(Pop(QA)).answers == ((),)

    def test_what_was_popped_may_come_again(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        session.make(Pop(QA))
        assert session.append("b").added == 1
        assert session.names() == ["a", "b"]

    def test_pops_of_one_batch_take_an_entry_each(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c")
        answers = journals.apply([session.plan(Pop(QA)) for _ in range(3)])
        names = [each.entry_id for answer in answers for popped in getattr(answer, "answers", ()) for each in popped]
        assert names == ["c", "b", "a"]

    def test_pop_after_removals(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b", "c", "d", "e")
        session.make(Remove(QA, "d"), Remove(QA, "b"))
        session.make(Pop(QA, count=2))
        assert session.names() == ["a"]

    def test_changes_of_one_step_are_made_in_order(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        session.make(Append(QA, (new("b"),)), Pop(QA), Append(QA, (new("c"),)), Replace(QA, "c", b"3"), Remove(QA, "a"))
        assert session.bodies() == {"c": b"3"}
