"""State: JSON by key, of a session and of a user."""

from __future__ import annotations

import pytest
from msgspec import Raw

from rollbook.errors import Conflict, NotSupported
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import OTHER, QA, Place, Session, is_refused, new, raws
from rollbook.journal.steps import Append, ExpectState, SetState


class State(Place):
    """Values of sessions and users."""

    def test_values_are_set_and_others_stay(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"a": b"1", "b": b"2"})))
        session.make(SetState(raws({"b": b"3", "c": b"{}"})))
        assert session.state() == {"a": b"1", "b": b"3", "c": b"{}"}

    def test_null_is_a_value_and_none_removes(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"a": b"null", "b": b"1"})))
        assert session.state() == {"a": b"null", "b": b"1"}
        session.make(SetState(raws({"a": None, "b": b"null"})))
        assert session.state() == {"b": b"null"}

    def test_removing_answers_what_was_there(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"a": b"1"})))
        (removed,) = session.make(SetState(raws({"a": None, "b": None, "c": b"1"}))).answers
        assert removed == ("a",)

    def test_the_last_of_two_changes_in_a_step_stands(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"a": b"1", "b": b"1"})), SetState(raws({"a": b"2", "b": None})))
        assert session.state() == {"a": b"2"}

    def test_state_is_set_together_with_entries(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, (new("a"),)), SetState(raws({"k": b"1"})))
        assert (session.names(), session.state()) == (["a"], {"k": b"1"})

    def test_a_session_may_have_state_alone(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"k": b"1"})))
        assert (session.names(), session.state()) == ([], {"k": b"1"})
        assert [each.session_id for each in journals.sessions()] == [session.name]

    def test_state_is_of_one_session(self, journals: Journals) -> None:
        one, two = Session(journals, "one"), Session(journals, "two")
        one.make(SetState(raws({"k": b"1"})))
        two.make(SetState(raws({"k": b"2"})))
        assert (one.state(), two.state(), one.user_state()) == ({"k": b"1"}, {"k": b"2"}, {})

    def test_state_goes_with_its_session(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"k": b"1"})))
        assert session.drop()
        assert not session.drop()
        assert session.state() == {}

    def test_state_of_a_user(self, journals: Journals) -> None:
        session, other = Session(journals), Session(journals, user=OTHER)
        session.make(SetState(raws({"k": b"1", "n": b"null"}), of_user=True))
        other.make(SetState(raws({"k": b"2"}), of_user=True))
        session.make(SetState(raws({"m": b"3", "n": None}), of_user=True))
        assert (session.user_state(), other.user_state()) == ({"k": b"1", "m": b"3"}, {"k": b"2"})
        assert (session.state(), other.state()) == ({}, {})

    def test_state_of_a_user_outlives_sessions(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        session.make(SetState(raws({"k": b"1"}), of_user=True))
        session.drop()
        assert session.user_state() == {"k": b"1"}

    def test_state_of_a_user_is_dropped_without_a_session(self, journals: Journals) -> None:
        session, other = Session(journals), Session(journals, user=OTHER)
        session.append("a")
        for each in (session, other):
            each.make(SetState(raws({"k": b"1"}), of_user=True))
        nobody = Session(journals, "")
        assert nobody.drop()
        assert not nobody.drop()
        assert (session.user_state(), other.user_state(), session.names()) == ({}, {"k": b"1"}, ["a"])

    def test_a_user_that_is_not_there_has_no_state(self, journals: Journals) -> None:
        assert Session(journals).user_state() == {}

    def test_state_of_a_user_together_with_entries(self, journals: Journals) -> None:
        session = Session(journals)
        changes = (Append(QA, (new("a"),)), SetState(raws({"k": b"1"}), of_user=True), SetState(raws({"k": b"2"})))
        if self.user_state_with_entries:
            session.make(*changes)
            assert (session.names(), session.user_state(), session.state()) == (["a"], {"k": b"1"}, {"k": b"2"})
        else:
            is_refused(session, NotSupported, *changes)

    @pytest.mark.parametrize(
        "key", ["", " ", "a.b", "a:b", "*", "{k}", "$", "__proto__", "\u2028", "\U0001f600", "k" * 512]
    )
    def test_any_key_may_be_given(self, journals: Journals, key: str) -> None:
        session = Session(journals)
        session.make(SetState(raws({key: b"1", "other": b"2"})))
        session.make(SetState(raws({key: b"3"}), of_user=True))
        assert (session.state(), session.user_state()) == ({key: b"1", "other": b"2"}, {key: b"3"})
        session.make(SetState(raws({key: None})))
        assert session.state() == {"other": b"2"}

    def test_one_value_is_looked_up(self, journals: Journals) -> None:
        session, other = Session(journals), Session(journals, "other")
        session.make(SetState(raws({"a": b"[1 ]", "n": b"null"})), SetState(raws({"b": b"2"})))
        other.make(SetState(raws({"b": b"3"})))
        session.make(SetState(raws({"u": b"4"}), of_user=True))
        with journals.read(session.user, session.name) as (peek, who):
            found = {key: peek.value(who, key) for key in ("a", "n", "b", "u", "none")}
        kept = {key: None if value is None else bytes(value) for key, value in found.items()}
        assert kept == {"a": b"[1 ]", "n": b"null", "b": b"2", "u": None, "none": None}
        with journals.user_state(session.user) as (peek, who):
            assert (bytes(peek.value(who, "u") or b""), peek.value(who, "a")) == (b"4", None)
        with journals.read(session.user, "nobody") as (peek, who):
            assert peek.value(who, "a") is None

    def test_a_value_that_must_not_be_there_yet(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"k": b"1"})), expects=(ExpectState("k", None),))
        with pytest.raises(Conflict, match="'k'"):
            session.make(Append(QA, (new("a"),)), SetState(raws({"k": b"2"})), expects=(ExpectState("k", None),))
        assert (session.names(), session.state()) == ([], {"k": b"1"})

    @pytest.mark.parametrize("wrong", [b'{"a":1}', b"1", b"null", None])
    def test_a_value_that_must_be_what_was_read(self, journals: Journals, wrong: bytes | None) -> None:
        session = Session(journals)
        session.make(SetState(raws({"k": b'{"a": 1}', "other": b"1"})))
        expected = ExpectState("k", None if wrong is None else Raw(wrong))
        with pytest.raises(Conflict):
            session.make(SetState(raws({"k": b"2"})), expects=(ExpectState("other", Raw(b"1")), expected))
        assert session.state()["k"] == b'{"a": 1}'
        session.make(SetState(raws({"k": b"2"})), expects=(ExpectState("k", Raw(b'{"a": 1}')),))
        assert session.state()["k"] == b"2"

    def test_a_null_is_what_must_be_there(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(SetState(raws({"k": b"null"})))
        with pytest.raises(Conflict):
            session.make(SetState(raws({"k": b"1"})), expects=(ExpectState("k", None),))
        session.make(SetState(raws({"k": b"1"})), expects=(ExpectState("k", Raw(b"null")),))
        assert session.state() == {"k": b"1"}

    def test_a_session_that_is_not_there_has_no_value_to_expect(self, journals: Journals) -> None:
        session = Session(journals)
        with pytest.raises(Conflict):
            session.make(Append(QA, (new("a"),)), expects=(ExpectState("k", Raw(b"1")),))
        assert not list(journals.sessions())
        session.make(Append(QA, (new("a"),)), expects=(ExpectState("k", None),))
        assert session.names() == ["a"]

    def test_the_same_value_may_be_expected_once_of_a_batch(self, journals: Journals) -> None:
        session = Session(journals)
        steps = [
            session.plan(SetState(raws({"k": b"%d" % number})), expects=(ExpectState("k", None),))
            for number in range(3)
        ]
        answers = journals.apply(steps)
        assert [isinstance(answer, Conflict) for answer in answers] == [False, True, True]
        assert session.state() == {"k": b"0"}
