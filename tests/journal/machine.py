"""Any steps in any order, made in a place for journals and in the naive model, which must show the same after each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import UNSET, Raw

from rollbook.errors import RollbookError
from rollbook.journal import lines
from rollbook.journal.backend import Journals
from rollbook.journal.steps import (
    MAIN,
    Append,
    Appended,
    Done,
    Drop,
    DropHead,
    Entry,
    Expect,
    Fork,
    MoveHead,
    New,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)  # fmt: skip

from .naive import Naive, Refused

USER: Final = "0b6e2f0e-53c8-4d0c-8a52-5d0f3a5b7c11"
NOW: Final = 1_700_000_000_000_000

_sessions: Final = st.sampled_from(["a", "b", "c"])
_streams: Final = st.sampled_from([*["qa"] * 7, "trace"])
_heads: Final = st.sampled_from([MAIN, MAIN, "side"])
_names: Final = st.sampled_from(["e1", "e2", "e3", "e4", "e5", "e6", "e7"])
_maybe: Final = st.one_of(st.none(), _names, _names)
_bodies: Final = st.sampled_from([b"1", b'{"a":1}', b'{"a":1,"b":"x"}', b'{"b":null}', b"[]"])
_values: Final = st.sampled_from([Raw(b"1"), Raw(b"null"), Raw(b'{"x":[]}')])
_new: Final = st.builds(New, _names, _bodies, st.just(1), failed=st.booleans())
_after: Final = st.one_of(st.just(UNSET), st.just(UNSET), st.just(UNSET), _maybe)
_append: Final = st.builds(Append, _streams, st.lists(_new, min_size=1, max_size=3).map(tuple), _heads, _after)
_patch: Final = st.builds(Patch, _streams, _names, st.dictionaries(st.sampled_from("abc"), _values, min_size=1))
_change: Final = st.one_of(
    _append,
    _append,
    _append,
    st.builds(Replace, _streams, _names, _bodies),
    _patch,
    st.builds(Remove, _streams, _names),
    st.builds(Pop, _streams, _heads, st.integers(0, 3)),
    st.builds(MoveHead, _streams, _heads, _maybe),
    st.builds(DropHead, _streams, st.one_of(st.none(), _heads)),
    st.builds(SetState, st.dictionaries(st.sampled_from("xy"), st.one_of(st.none(), _values), min_size=1)),
)
_whole_fork: Final = st.builds(Fork, _sessions, state=st.booleans())
_fork: Final = st.one_of(_whole_fork, st.builds(Fork, _sessions, _streams, _heads, _maybe, st.booleans()))
_step: Final = st.one_of(
    st.builds(Step, st.just(USER), _sessions, st.just(0), st.tuples(_change)),
    st.builds(Step, st.just(USER), _sessions, st.just(0), st.tuples(_change)),
    st.builds(Step, st.just(USER), _sessions, st.just(0), st.lists(_change, max_size=4).map(tuple)),
    st.builds(Step, st.just(USER), _sessions, st.just(0), st.tuples(_fork)),
    st.builds(Step, st.just(USER), _sessions, st.just(0), st.tuples(_fork, _change)),
    st.builds(Drop, st.just(USER), _sessions, st.just(0)),
)


def _said(session: str, *changes: Append | Fork) -> list[Step | Drop]:
    return [Step(USER, session, 0, changes)]


def _some(*names: str) -> tuple[New, ...]:
    return tuple(New(name, b'{"a":0}', 1) for name in names)


#: What is there before anything is drawn: a branch, a fork, a fork of the fork, and what was left behind.
_before: Final = [
    _said("a", Append("qa", _some("e1", "e2", "e3")), Append("qa", _some("e4"), "side", "e2")),
    _said("b", Fork("a", "qa", at="e2"), Append("qa", _some("e5"))),
    _said("c", Fork("b"), Append("qa", _some("e6", "e7"))),
    _said("a", Append("qa", _some("e6", "e7"), after="e1")),
]
#: Batches of steps, as a writer would hand them over.
HISTORIES: Final = st.builds(
    lambda most, batches: _before[:most] + batches,
    st.integers(0, len(_before)),
    st.lists(st.lists(_step, min_size=1, max_size=3), min_size=1, max_size=25),
)


class Machine:
    """A place and the model, side by side."""

    def __init__(self, journals: Journals, user: str = USER) -> None:
        self.journals = journals
        self.user = user
        self.naive = Naive()
        self.at = NOW
        self.seen: dict[tuple[str, str, str], tuple[int, object]] = {}  #: revision and contents of every head
        self.given: dict[tuple[str, str, str, int], object] = {}  #: what a revision ever stood for
        self.refused = 0

    def batch(self, steps: Sequence[Step | Drop]) -> None:
        self.at += 1000
        dated = [self._dated(step, self.at + 10 * number) for number, step in enumerate(steps)]
        answers = self.journals.apply(dated)
        assert len(answers) == len(dated)
        for step, answer in zip(dated, answers, strict=True):
            self._same(step, answer)
        self.check(dated, answers)

    def _dated(self, step: Step | Drop, at: int) -> Step | Drop:
        if isinstance(step, Drop):
            return Drop(self.user, step.session_id, at)
        return Step(self.user, step.session_id, at, step.changes, step.expects)

    def _same(self, step: Step | Drop, answer: Done | bool | RollbookError) -> None:
        thought = copy.deepcopy(self.naive)
        expected, reasons = _thought(thought, step)
        if reasons:
            assert isinstance(answer, RollbookError), step
            assert isinstance(step, Step)
            assert len(step.changes) > 1 or type(answer).__name__ in reasons, (step, answer)
            self.refused += 1
            return
        if isinstance(answer, RollbookError):
            # What the changes of one step may do to one another is refused with care; alone, none of these would be.
            assert isinstance(step, Step)
            assert len(step.changes) > 1, (step, answer)
            self.refused += 1
            return
        self.naive = thought
        if isinstance(answer, Done):
            assert isinstance(step, Step)
            assert list(map(_plain, answer.answers)) == list(map(_plain, expected)), step
        else:
            assert answer == expected, step

    def check(self, steps: Sequence[Step | Drop] = (), answers: Sequence[object] = ()) -> None:
        """Hold everything that can be seen against the model."""
        shown = dict[tuple[str, str, str], Any]()
        for session in ("a", "b", "c"):
            with self.journals.read(self.user, session) as (peek, who):
                for head in peek.heads_of(who):
                    found = lines.tail(peek, head.stream, head.tip, None)
                    positions = [line.position for line in found]
                    assert positions == sorted(set(positions))
                    assert (head.tip, head.length) == (positions[-1] if positions else 0, len(found))
                    assert lines.tail(peek, head.stream, head.tip, 2) == found[-2:]
                    contents = [(line.entry_id, line.body) for line in found]
                    shown[session, head.stream, head.name] = (contents, head.failed)
                    self._revision((session, head.stream, head.name), head.revision, contents)
                    for index, line in enumerate(found):
                        assert lines.page(peek, who, head, 2, line.entry_id) == found[max(0, index - 2) : index]
                state = {key: bytes(value) for key, value in peek.state(who).items()}
            assert state == self.naive.states.get(session, {})
        assert shown == {key: (items, failed) for key, items, failed in self.naive.shown()}
        self.seen = {key: value for key, value in self.seen.items() if key in shown}
        kept = {each.session_id for each in self.journals.sessions(self.user)}
        assert kept == {key[0] for key in shown} | self.naive.states.keys()
        self._revisions_told(steps, answers)

    def _revision(self, key: tuple[str, str, str], revision: int, contents: object) -> None:
        """A revision stands for one thing for ever, and another one only where something was changed."""
        assert self.given.setdefault((*key, revision), contents) == contents
        old = self.seen.get(key)
        if old is not None:
            assert revision >= old[0]
        self.seen[key] = (revision, contents)

    def _revisions_told(self, steps: Sequence[Step | Drop], answers: Sequence[object]) -> None:
        """What the last step of each session said of its heads is what is there."""
        last = {step.session_id: answer for step, answer in zip(steps, answers, strict=True)}
        if len(last) != 1:
            return  # another session may have changed what they share since
        for session, answer in last.items():
            for (stream, name), revision in (answer.revisions if isinstance(answer, Done) else {}).items():
                assert self.seen.get((session, stream, name), (0, None))[0] == revision

    def expect(self, step: Step, head: str = MAIN) -> Step:
        """The same step, for whoever saw the heads as they are now."""
        revision = self.seen.get((step.session_id, "qa", head), (0, None))[0]
        return Step(step.user_id, step.session_id, step.at, step.changes, (Expect("qa", revision, head),))

    def end(self) -> None:
        """Drop everything; nothing stays."""
        for session in ("a", "b", "c"):
            self.batch([Drop(self.user, session, 0)])
        assert not list(self.journals.sessions(self.user))


def _thought(naive: Naive, step: Step | Drop) -> tuple[Any, tuple[str, ...]]:
    """What the model answers, or why it refuses."""
    try:
        return naive.apply(step), ()
    except Refused as refused:
        return None, refused.args


def _plain(answer: object) -> object:
    """An answer without what the model does not know."""
    if isinstance(answer, Appended):
        return [answer.added, [_plain(each) for each in answer.duplicates], answer.length, answer.failed]
    if isinstance(answer, Entry):
        return [answer.entry_id, answer.body]
    return list(map(_plain, answer)) if isinstance(answer, tuple | list) else answer
