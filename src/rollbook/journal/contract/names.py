"""Nothing of one reaches another's, whatever they are called; which sessions there are; removing everything."""

from __future__ import annotations

from typing import Final

import pytest

from rollbook.journal.backend import Journals, WrongPlaceError
from rollbook.journal.contract.sessions import OTHER, QA, USER, Opener, Place, Session, body_of, new, raws
from rollbook.journal.steps import Append, Fork, MoveHead, SetState

HOSTILE: Final = (
    "a", "A", "a ", " a", "a.", ".a", ".", "..", "...", "-", "--", "~", "_", "0", "00", "-1", "1e3", "None", "null",
    "main", "a:b", "a", "b:c", "a:", ":a", ":", "::", "a|b", "a,b", "a;b", "a\\b", "a/b", "/", "//", "../x",
    "../../etc/passwd", "/etc/passwd", "x.traces", "x.jsonl", "s-a", "s-a.jsonl", "user", "user.jsonl",
    "rollbook-journal.json", "h-", "lock", "{a}", "{a", "a}", "{}", "{", "}", "}{", "{a}b", "{user}:s", "rollbook:a",
    "rollbook:roots:0", "roots:0", "meta", "%2F", "%2f", "%", "%%", "%25", "a%b", "%41", "%61", "a%20b", "a+b", "=41",
    "=", "@", "#a", "?a=b", "&", "*", "a*", "[a]", "CON", "nul", "aux.txt", "'", '"', "'; drop table entry; --",
    "`id`", "$(id)", "\\0", "\\u0000", "<b>", "&lt;", "\u00e9", "e\u0301", "\u00c9", "\u00df", "ss", "SS", "\ufb01",
    "fi", "\u212a", "k", "K", "\u0130", "i", "\u0131", "\U0001f600", "\U0001f469\u200d\U0001f680", "\u2028", "\u00a0",
    "\u200b", "\u202e", "\ufeff", "\u65e5\u672c", USER, OTHER, "x" * 512, "x" * 511 + "y", "X" * 512, "x" * 255,
    "x" * 256, "\u00e9" * 256, "\U0001f600" * 128, "/" * 512, "." * 512,
)  # fmt: skip
_NAMES: Final = tuple(dict.fromkeys(HOSTILE))


class Names(Place):
    """Isolation, listing, wiping."""

    def test_a_place_is_of_the_book_that_claimed_it_first(self, journals: Journals, opener: Opener) -> None:
        session = Session(journals)
        journals.claim("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7b01")
        journals.claim("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7b01")
        session.append("a")
        other = opener() if self.opens_twice else journals
        try:
            with pytest.raises(WrongPlaceError, match="another book"):
                other.claim("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7b02")
            other.claim("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7b01")
        finally:
            if other is not journals:
                other.close()
        assert session.names() == ["a"]
        journals.wipe()
        with pytest.raises(WrongPlaceError):
            journals.claim("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7b02")

    def test_sessions_of_any_names_are_apart(self, journals: Journals) -> None:
        sessions = {name: Session(journals, name) for name in _NAMES}
        journals.apply([each.plan(Append(QA, (new("e", _said(name)),))) for name, each in sessions.items()])
        journals.apply([each.plan(SetState(raws({"k": _said(name)}))) for name, each in sessions.items()])
        for name, session in sessions.items():
            assert (session.bodies(), session.state()) == ({"e": _said(name)}, {"k": _said(name)})
        assert sorted(each.session_id for each in journals.sessions(USER)) == sorted(_NAMES)

    def test_the_same_names_under_two_users_are_apart(self, journals: Journals) -> None:
        names = _NAMES[::4]
        for user in (USER, OTHER):
            steps = [Session(journals, name, user).plan(Append(QA, (new(user),))) for name in names]
            journals.apply(steps)
        for user in (USER, OTHER):
            assert {tuple(Session(journals, name, user).names()) for name in names} == {(user,)}
            assert {each.session_id for each in journals.sessions(user)} == set(names)
        for name in names:
            Session(journals, name).drop()
        assert {tuple(Session(journals, name, OTHER).names()) for name in names} == {(OTHER,)}

    def test_dropping_one_leaves_those_with_like_names(self, journals: Journals) -> None:
        names = _NAMES[::3]
        journals.apply([Session(journals, name).plan(Append(QA, (new("e"),))) for name in names])
        for name in names[::2]:
            assert Session(journals, name).drop()
        left = {name for name in names if Session(journals, name).names() == ["e"]}
        assert left == set(names[1::2])

    def test_forks_of_any_names(self, journals: Journals) -> None:
        names = _NAMES[::5]
        source = Session(journals, "the source")
        source.append("e")
        journals.apply([Session(journals, name).plan(Fork(source.name), Append(QA, (new(name),))) for name in names])
        for name in names:
            assert Session(journals, name).names() == ["e", name]

    def test_streams_of_any_names_are_apart(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(*(Append(name, (new("e", _said(name)),)) for name in _NAMES))
        for name in _NAMES:
            assert session.bodies(name) == {"e": _said(name)}
        assert session.heads() == {(name, "main") for name in _NAMES}

    def test_heads_of_any_names_are_apart(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(*(Append(QA, (new(name),), name, None) for name in _NAMES))
        for name in _NAMES:
            assert session.names(head=name) == [name]

    def test_entries_of_any_ids_are_apart(self, journals: Journals) -> None:
        session = Session(journals)
        session.make(Append(QA, tuple(new(name, _said(name)) for name in _NAMES)))
        assert session.bodies() == {name: _said(name) for name in _NAMES}
        assert session.append(*_NAMES[::7]).added == 0
        for name in _NAMES[1::7]:
            session.make(MoveHead(QA, "side", name))
            assert session.names(head="side", most=1) == [name]

    def test_streams_and_ids_do_not_run_together(self, journals: Journals) -> None:
        session = Session(journals)
        pairs = [
            ("a:b", "c"),
            ("a", "b:c"),
            ("a/b", "c"),
            ("a", "b/c"),
            ("a|b", "c"),
            ("a", "b|c"),
        ]
        session.make(*(Append(stream, (new(name, b"%d" % n),)) for n, (stream, name) in enumerate(pairs)))
        for n, (stream, name) in enumerate(pairs):
            assert session.bodies(stream)[name] == b"%d" % n

    def test_values_of_any_keys_are_apart(self, journals: Journals) -> None:
        session = Session(journals)
        values = {name: _said(name) for name in _NAMES}
        session.make(SetState(raws({**values})))
        assert session.state() == values

    def test_users_do_not_see_each_other(self, journals: Journals) -> None:
        mine, theirs = Session(journals), Session(journals, user=OTHER)
        mine.append("a", "b")
        assert (theirs.lines(), theirs.heads(), theirs.drop()) == ([], set(), False)
        theirs.append("b")
        assert (mine.names(), theirs.names()) == (["a", "b"], ["b"])

    # Which there are

    def test_sessions_are_listed(self, journals: Journals) -> None:
        Session(journals, "one").append("a")
        Session(journals, "two").make(SetState(raws({"k": b"1"})))
        Session(journals, "one", OTHER).append("a")
        Session(journals, "one").fork("three")
        Session(journals, "read only").names()
        listed = [(each.user_id, each.session_id) for each in journals.sessions()]
        mine = [(USER, "one"), (USER, "three"), (USER, "two")]
        assert sorted(listed) == [*mine, (OTHER, "one")]
        assert sorted((each.user_id, each.session_id) for each in journals.sessions(USER)) == mine
        assert list(journals.sessions("5f0c1c7e-9a51-4c43-9c11-0d6f2f0f7aff")) == []

    def test_a_session_is_listed_with_its_last_change(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        session.append("b")
        head = session.head()
        assert head is not None
        assert [each.changed_at for each in journals.sessions()] == [head.changed_at]

    def test_a_deleted_session_is_not_listed(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        fork = session.fork("fork")
        session.drop()
        assert [each.session_id for each in journals.sessions()] == ["fork"]
        fork.drop()
        assert list(journals.sessions()) == []

    def test_state_of_a_user_is_no_session(self, journals: Journals) -> None:
        Session(journals).make(SetState(raws({"k": b"1"}), of_user=True))
        assert list(journals.sessions()) == []

    def test_wiping_removes_everything_of_everybody(self, journals: Journals) -> None:
        sessions = [Session(journals, "one"), Session(journals, "two"), Session(journals, "one", OTHER)]
        for session in sessions:
            session.append("a")
            session.make(SetState(raws({"k": b"1"})))
        fork = sessions[0].fork("fork")
        fork.make(SetState(raws({"k": b"1"}), of_user=True))
        assert journals.wipe() == 4
        for session in (*sessions, fork):
            assert (session.lines(), session.heads(), session.state()) == ([], set(), {})
            assert session.user_state() == {}
        assert list(journals.sessions()) == []
        assert journals.wipe() == 0

    def test_a_wiped_place_is_written_anew(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a")
        fork = session.fork("fork")
        journals.wipe()
        assert fork.append("a", "b").added == 2
        assert session.append("a").added == 1
        assert (session.names(), fork.names()) == (["a"], ["a", "b"])

    @pytest.mark.parametrize("name", ["a", "x.traces", "{a}", "x" * 512, "\U0001f600" * 128])
    def test_body_and_name_are_one(self, journals: Journals, name: str) -> None:
        session = Session(journals, name)
        session.append("e")
        assert session.bodies() == {"e": body_of("e")}


def _said(name: str) -> bytes:
    """A body that only this name has."""
    return b'"%s"' % name.encode().hex().encode()
