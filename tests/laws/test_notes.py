"""Notes and what is made together with them: all or nothing; and a request that comes again does nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound, RollbookError, Stale
from rollbook.feed.items import Change
from rollbook.journal.steps import Append, Appended, Done, Entry, New, SetState, Step
from rollbook.ledger import notes
from rollbook.ledger.ops import Answers, End, ForgetNotes, Jot, Note, Op, Retract, Together, Wipe
from rollbook.model import Outcome, Pruned
from rollbook.settings import LOCAL_USER

from .histories import tables, well
from .tools import HOUR, MINUTE, NOW, Clock, call, opened, opened_at, snapshot, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

ROOM: Final = "trace"
LATER: Final = NOW + HOUR


def read(book: rollbook.Rollbook, *names: str, owner: str = LOCAL_USER, room: str = ROOM) -> dict[str, tuple[int, str]]:
    """The notes of a user as they are now."""

    def look(tx: Any) -> dict[str, tuple[int, str]]:
        found = tx.rows("user_no", user_id=owner)
        return notes.read(tx, found[0][0], room, names, now=book._plans.clock()) if found else {}

    return book._plans.read(look)


def values(book: rollbook.Rollbook, *names: str, **where: Any) -> dict[str, str]:
    return {name: value for name, (_, value) in read(book, *names, **where).items()}


def version(book: rollbook.Rollbook, name: str, **where: Any) -> int:
    return read(book, name, **where).get(name, (0, ""))[0]


def together(book: rollbook.Rollbook, told: Iterable[Note], ops: Iterable[Op] = (), keep: Answers | None = None) -> Any:
    """What is answered to notes and operations; raises what they were refused with as a whole."""
    answer = write(book, [Together(user_id=LOCAL_USER, notes=tuple(told), ops=tuple(ops), keep=keep)])[0]
    if isinstance(answer, RollbookError):
        raise answer
    return answer


def set_to(book: rollbook.Rollbook, name: str, value: str | None, expires_at: int = LATER) -> Note:
    """A note as it is changed by whoever has just read it."""
    return Note(ROOM, name, version(book, name), value, expires_at)


def jot(session: str, *ids: str, failed: bool = False) -> Jot:
    entries = tuple(New(entry_id, b'{"e":1}', NOW, failed=failed) for entry_id in ids)
    step = Step(LOCAL_USER, session, NOW, (Append("trace", entries), SetState({})))
    return Jot(user_id=LOCAL_USER, session_id=session, at=NOW, step=step)


# One after the other


def test_a_note_is_made_changed_and_removed() -> None:
    with opened() as book:
        assert read(book, "a") == {}
        assert together(book, [Note(ROOM, "a", 0, "1", LATER), Note(ROOM, "b", 0, "2", LATER)]) == []
        assert values(book, "a", "b", "c") == {"a": "1", "b": "2"}
        assert values(book, "a", room="series") == {}
        assert values(book, "a", owner=user(1)) == {}
        first = version(book, "a")
        together(book, [set_to(book, "a", "3")])
        assert version(book, "a") > first > 0
        together(book, [set_to(book, "a", None)])
        assert values(book, "a", "b") == {"b": "2"}
        well(book)


def test_what_somebody_else_changed_is_refused_with_all_that_goes_with_it() -> None:
    with opened() as book:
        together(book, [Note(ROOM, "a", 0, "1", LATER), Note(ROOM, "b", 0, "1", LATER)])
        mine, theirs = set_to(book, "a", "mine"), set_to(book, "a", "theirs")
        together(book, [theirs])
        keep = Answers("key", "hash", LATER)
        before = snapshot(book), tables(book)
        for stale in (
            [mine],
            [set_to(book, "b", "2"), mine],
            [Note(ROOM, "a", 0, "x", LATER)],
            [Note(ROOM, "c", 1, None, 9)],
        ):
            with pytest.raises(Stale) as met:
                together(book, stale, [call("s", "u", NOW), jot("s", "e")], keep)
            assert isinstance(met.value, Conflict)
            assert met.value.expected == stale[-1].expected
            assert met.value.found == version(book, stale[-1].name)
            assert (snapshot(book), tables(book)) == before
        assert together(book, [set_to(book, "a", "mine")], [call("s", "u", NOW)], keep) == [Outcome.COUNTED]
        assert values(book, "a") == {"a": "mine"}


def test_a_note_that_was_removed_does_not_come_back_as_it_was() -> None:
    """Whoever read the first one must not take the second for it."""
    clock = Clock()
    with opened(clock) as book:
        together(book, [Note(ROOM, "a", 0, "1", LATER)])
        read_before = set_to(book, "a", "2")
        together(book, [set_to(book, "a", None)])
        clock.now += 1
        together(book, [Note(ROOM, "a", 0, "1", LATER)])
        with pytest.raises(Stale):
            together(book, [read_before])


def test_an_expired_note_is_as_good_as_none() -> None:
    clock = Clock()
    with opened(clock) as book:
        together(book, [Note(ROOM, "a", 0, "1", NOW + MINUTE)], (), Answers("key", "h", NOW + MINUTE))
        first = version(book, "a")
        clock.now = NOW + MINUTE - 1
        assert values(book, "a") == {"a": "1"}
        clock.now += 1
        assert read(book, "a") == {}
        with pytest.raises(Stale):
            together(book, [Note(ROOM, "a", first, "2", LATER)])
        # (Another body under a key that was forgotten is another request.)
        assert together(book, [Note(ROOM, "a", 0, "2", LATER)], [touch("s", NOW)], Answers("key", "i", LATER)) == [None]
        assert values(book, "a") == {"a": "2"}
        assert version(book, "a") > first


def test_expired_notes_are_forgotten_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "FORGOTTEN_AT_ONCE", 3)
    with opened() as book:
        together(book, [Note(ROOM, f"n{n}", 0, "1", LATER + n) for n in range(8)])
        assert write(book, [ForgetNotes(before=LATER)]) == [0]
        assert write(book, [ForgetNotes(before=LATER + 7)]) == [3]
        assert len(read(book, *(f"n{n}" for n in range(8)))) == 5
        assert write(book, [ForgetNotes(before=LATER + 7), ForgetNotes(before=LATER + 7)]) == [3, 1]
        assert list(values(book, *(f"n{n}" for n in range(8)))) == ["n7"]
        # What the same batch has just changed stays.
        again = Together(user_id=LOCAL_USER, notes=(set_to(book, "n7", "2"),))
        assert write(book, [again, ForgetNotes(before=LATER + 9)]) == [[], 0]
        assert write(book, [ForgetNotes(before=LATER)]) == [0]
        assert values(book, "n7") == {"n7": "2"}


def test_each_operation_may_be_refused_alone() -> None:
    with opened() as book:
        book.touch("ended")
        book.end("ended", "completed")
        book.touch("gone")
        book.delete("gone")
        ended = End(user_id=LOCAL_USER, session_id="ended", status="failed", at=NOW)
        answers = together(
            book, [Note(ROOM, "a", 0, "1", LATER)], [call("s", "u", NOW), ended, jot("gone", "e"), call("s", "u", NOW)]
        )
        assert [type(it) if isinstance(it, Exception) else it for it in answers] == [
            Outcome.COUNTED, Conflict, Gone, Outcome.DUPLICATE,
        ]  # fmt: skip
        assert values(book, "a") == {"a": "1"}
        well(book)


def test_the_first_thing_that_is_known_of_a_user_may_be_a_note() -> None:
    with opened(all_users=True) as book:
        made = Together(user_id=user(1), user_name="one@example.org", notes=(Note(ROOM, "a", 0, "1", LATER),))
        assert write(book, [made, made])[0] == []
        assert values(book, "a", owner=user(1)) == {"a": "1"}
        with pytest.raises(Stale):
            raise write(book, [made])[0]


def test_due_notes_are_found_of_everybody() -> None:
    with opened(all_users=True) as book:
        for number, owner in enumerate((user(1), user(2))):
            told = [Note(room, f"n{number}", 0, f'"{room}"', LATER + number) for room in (ROOM, "series")]
            write(book, [Together(user_id=owner, notes=tuple(told))])

        def due(since: int, upto: int, most: int = 9) -> list[tuple[str, str, str]]:
            found = book._plans.read(partial(notes.due, room=ROOM, since=since, upto=upto, most=most))
            assert all(it[2] == version(book, it[1], owner=it[0]) for it in found)
            return [(it[0], it[1], it[3]) for it in found]

        both = [(user(1), "n0", '"trace"'), (user(2), "n1", '"trace"')]
        assert due(LATER, LATER + 1) == both
        assert due(LATER, LATER + 1, most=1) == both[:1]
        assert due(LATER + 1, LATER + 1) == both[1:]
        assert due(0, LATER - 1) == []


# A request that comes again


def test_the_same_request_again_is_answered_the_same_and_does_nothing() -> None:
    with opened() as book:
        ops: list[Op] = [
            call("s", "u", NOW),
            jot("s", "e1", "e2"),
            touch("s", NOW),
            jot("deleted", "x"),
            call("s", "u", NOW),
        ]
        book.touch("deleted")
        book.delete("deleted")
        keep = Answers("the key", "its hash", LATER)
        first = together(book, [Note(ROOM, "a", 0, "1", LATER)], ops, keep)
        assert not isinstance(first, notes.Repeated)
        before = snapshot(book), tables(book)
        # (Its notes are not looked at again: they were as it had read them when it was made.)
        again = together(book, [Note(ROOM, "a", 0, "1", LATER)], ops, keep)
        assert isinstance(again, notes.Repeated)
        assert [plain(it) for it in again] == [plain(it) for it in first]
        assert (snapshot(book), tables(book)) == before
        with pytest.raises(Conflict, match="another request") as met:
            together(book, [], [call("s", "v", NOW)], Answers("the key", "another hash", LATER))
        assert not isinstance(met.value, Stale)
        assert (snapshot(book), tables(book)) == before
        twice = Together(user_id=LOCAL_USER, ops=(call("s", "w", NOW),), keep=Answers("in one batch", "h", LATER))
        assert write(book, [twice, twice]) == [[Outcome.COUNTED], [Outcome.COUNTED]]
        assert book.get("s").calls == 2
        # Another user's key of that name is another one.
        other = Together(user_id=user(1), ops=(call("s", "w", NOW, owner=user(1)),), keep=twice.keep)
        assert write(book, [other]) == [[Outcome.COUNTED]]


def test_what_is_made_together_may_hold_more_of_it() -> None:
    with opened() as book:
        inner = Together(
            user_id=LOCAL_USER, notes=(Note(ROOM, "in", 0, "1", LATER),), ops=(call("s", "u", NOW), jot("s", "e"))
        )
        stale = Together(user_id=LOCAL_USER, notes=(Note(ROOM, "in", 0, "1", LATER),), ops=(call("s", "v", NOW),))
        keep = Answers("k", "h", LATER)
        first = together(book, [], [inner, stale, call("s", "w", NOW)], keep)
        again = together(book, [], [inner, stale, call("s", "w", NOW)], keep)
        assert first[0][0] == first[2] == Outcome.COUNTED
        assert isinstance(first[1], Stale)
        assert plain(again) == plain(first)
        assert book.get("s").calls == 2


def plain(it: Any) -> Any:
    """An answer by what it says: errors are equal if they are of one kind and say the same."""
    if isinstance(it, RollbookError):
        return type(it), str(it), getattr(it, "expected", None), getattr(it, "found", None)
    return [type(it).__name__ == "tuple", *map(plain, it)] if isinstance(it, list | tuple) else it


_TEXTS: Final = st.text(max_size=8)
_NUMBERS: Final = st.integers(-(2**63), 2**63 - 1)
_ENTRIES: Final = st.builds(Entry, _TEXTS, _NUMBERS, _NUMBERS, st.binary(max_size=9), _TEXTS | _NUMBERS)
_APPENDED: Final = st.builds(
    Appended, _NUMBERS, st.lists(_ENTRIES, max_size=2).map(tuple), _NUMBERS, _NUMBERS, _NUMBERS
)
_PARTS: Final = st.none() | st.booleans() | _APPENDED | _ENTRIES | st.lists(_ENTRIES, max_size=2).map(tuple) | _TEXTS
_DONE: Final = st.builds(
    Done, st.lists(_PARTS, max_size=3).map(tuple), st.dictionaries(st.tuples(_TEXTS, _TEXTS), _NUMBERS, max_size=2)
)
_PRUNED: Final = st.builds(Pruned, sessions=_NUMBERS, contents=_NUMBERS)
_CONFLICTS: Final = st.builds(
    lambda kind, told, expected, found: kind(told, expected=expected, found=found),
    st.sampled_from([Conflict, Stale]), _TEXTS, st.none() | _NUMBERS, st.none() | _NUMBERS,
)  # fmt: skip
_ERRORS: Final = st.builds(
    lambda kind, told: kind(told), st.sampled_from([InvalidInput, NotFound, Gone, RollbookError]), _TEXTS
)
_ANSWERS: Final = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(Outcome)
    | _TEXTS | _DONE | _PRUNED | _CONFLICTS | _ERRORS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=100)
@given(_TEXTS, st.lists(_ANSWERS, max_size=4))
def test_answers_come_back_as_they_were(body_hash: str, answers: list[Any]) -> None:
    back = notes.decoded(notes.encoded(body_hash, answers))
    assert back[0] == body_hash
    assert plain(back[1]) == plain(answers)
    assert list(map(type, back[1])) == list(map(type, answers))


# Anything at all, held against a dictionary


_NAMES: Final = st.sampled_from(["a", "b", "c"])
_SEEN: Final = st.sampled_from(["right", "right", "right", "absent", "older"])
_NOTES: Final = st.tuples(_NAMES, _SEEN, st.sampled_from(["1", "2", None]), st.sampled_from([1, 3, 9]))
_WRITES: Final = st.tuples(
    st.lists(_NOTES, min_size=1, max_size=3, unique_by=lambda it: it[0]), st.sampled_from([None, None, "k", "l"])
)
_STEPS: Final = st.lists(_WRITES | _WRITES | st.sampled_from(["wait", "forget"]), min_size=1, max_size=14)


class Dictionary:
    """What notes are to be."""

    def __init__(self, book: rollbook.Rollbook, clock: Clock) -> None:
        self.book, self.clock = book, clock
        self.known: dict[str, tuple[str, int]] = {}  #: value, and when it expires
        self.last: dict[str, int] = {}  #: of each, the last version that was seen
        self.kept: dict[str, int] = {}  #: keys of requests, and when they expire
        self.calls = 0

    def write(self, asked: list[tuple[str, str, str | None, int]], key: str | None) -> None:
        now, at = {name: version(self.book, name) for name in "abc"}, self.clock.now
        told = [
            Note(ROOM, name, {"right": now[name], "absent": 0, "older": self.last.get(name, 1) - 1}[seen], value,
                 at + minutes * MINUTE)
            for name, seen, value, minutes in asked
        ]  # fmt: skip
        keep = None if key is None else Answers(key, "h", at + 3 * MINUTE)
        ops = (call("s", f"u{at}", NOW),)
        answer = write(self.book, [Together(user_id=LOCAL_USER, notes=tuple(told), ops=ops, keep=keep)])[0]
        if key is not None and self.kept.get(key, 0) > at:
            assert isinstance(answer, notes.Repeated)
        elif any(note.expected != now[note.name] for note in told):
            assert isinstance(answer, Stale)
        else:
            assert answer == [Outcome.COUNTED]
            self.done(told, keep)

    def done(self, told: list[Note], keep: Answers | None) -> None:
        self.calls += 1
        if keep is not None:
            self.kept[keep.name] = keep.expires_at
        for note in told:
            self.known.pop(note.name, None)
            if note.value is not None:
                self.known[note.name] = (note.value, note.expires_at)
                after = version(self.book, note.name)
                assert after > self.last.get(note.name, 0)
                self.last[note.name] = after

    def check(self) -> None:
        alive = {name: value for name, (value, until) in self.known.items() if until > self.clock.now}
        assert values(self.book, "a", "b", "c") == alive
        assert self.book.stats(since="all").calls == self.calls


@settings(max_examples=80)
@given(_STEPS)
def test_notes_are_what_a_dictionary_of_them_would_be(steps: list[Any]) -> None:
    clock = Clock()
    with opened(clock) as book:
        known = Dictionary(book, clock)
        for step in steps:
            clock.now += 2 * MINUTE if step == "wait" else 1
            if step == "forget":
                write(book, [ForgetNotes(before=clock.now)])
            elif step != "wait":
                known.write(*step)
            known.check()


# What else knows of them


def test_the_feed_is_told_of_what_was_made_together() -> None:
    # (On a server whoever comes late is told first that something may have been missed.)
    with opened_at("sqlite:///:memory:") as book, book.changes() as told:
        keep = Answers("k", "h", LATER)
        together(book, [Note(ROOM, "a", 0, "1", LATER)], [call("s", "u", NOW), jot("r", "e")], keep)
        found = {}
        for _ in range(2):
            change = told.next(5)
            assert isinstance(change, Change)
            found[change.session_id] = change.kinds
        assert "usage" in found["s"]
        assert "content" in found["r"]
        together(book, [], [call("s", "u", NOW), jot("r", "e")], keep)
        assert told.next(0.05) is None
        write(book, [Retract(user_id=LOCAL_USER, usage_id="u", reason="x")])
        change = told.next(5)
        assert isinstance(change, Change)
        assert (change.session_id, "usage" in change.kinds) == ("s", True)


def test_r12_notes_go_with_the_contents_that_they_hold() -> None:
    with opened(all_users=True) as book:
        name = 'it "is" \\ purged'
        book.touch(name)
        about = '{"session":"it \\"is\\" \\\\ purged"}'
        told = [Note(room, "about", 0, about, LATER) for room in (ROOM, "series")]
        told.append(Note(ROOM, "another", 0, '{"session":"it"}', LATER))
        together(book, told, [call("s", "u", NOW)], Answers("key", "h", LATER))
        book.purge(name)
        assert values(book, "about", "another").keys() == {"another"}
        assert values(book, "about", room="series").keys() == {"about"}
        later = Together(user_id=LOCAL_USER, notes=(Note(ROOM, "in the same batch", 0, "1", LATER),))
        assert write(book, [later, Wipe()])[0] == []
        assert [row[1] for row in tables(book)["note"]] == ["series"]
        together(book, [Note(ROOM, name, 0, "1", LATER) for name in ("another", "in the same batch")])
        well(book)


def test_r12_of_a_user_who_is_purged_nothing_is_left_that_lets_somebody_in() -> None:
    with opened(all_users=True) as book:
        for number in (1, 2):
            owner = user(number)
            write(
                book,
                [touch("s", NOW, owner), Together(user_id=owner, notes=(Note(ROOM, "a", 0, f'"{number}"', LATER),))],
            )
        with book._plans.store.write() as tx:
            for number, (user_no,) in enumerate(sorted(tx.rows("user_no", user_id=user(n))[0] for n in (1, 2))):
                tx.run("access.add_key", [(f"key{number}", b"x" * 32, user_no, 1, "mark", NOW, None)])
                for holder in (f"key:key{number}", f"user:{user(number + 1)}"):
                    tx.run("access.add_grant", [(holder, "d", 0, NOW)])
            numbers = [tx.rows("user_no", user_id=user(n))[0][0] for n in (1, 2)]
            tx.run("access.set_parent", [(numbers[0], numbers[1])])
        book.purge_user(user_id=user(1))
        found = tables(book)
        assert [row[1] for row in found["note"]] == [ROOM]
        assert len(found["access_key"]) == 1
        assert {row[0] for row in found["dataset_grant"]} == {"key:key1", f"user:{user(2)}"}
        assert values(book, "a", owner=user(2)) == {"a": '"2"'}
        with book._plans.store.read() as tx:
            assert tx.rows("access.parent_no", user_no=numbers[1]) == [(None,)]
        well(book)
