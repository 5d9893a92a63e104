"""R3: every permutation of the same touches, calls, ends and reopenings gives the same book."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.ledger.ops import Call, End, Op, Reopen, Touch
from rollbook.model import Evidence, Tokens

from .tools import HOUR, MINUTE, NOW, call, opened, snapshot, snapshots, sound, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

Event = Callable[[str], Op]  #: an operation, once it is known whose
START: Final = NOW - 3 * HOUR


def t(minutes: float) -> int:
    return START + int(minutes * MINUTE)


def saw(minutes: float, session: str = "s", **facts: Any) -> Event:
    return lambda owner: touch(session, t(minutes), owner, **facts)


def used(usage_id: str, minutes: float, tokens_in: int = 100, session: str = "s", **more: Any) -> Event:
    return lambda owner: call(session, usage_id, t(minutes), tokens_in, owner, **{"cost_nano": 7 * tokens_in, **more})


def ended(status: str, minutes: float, session: str = "s", *, reason: str = "", soft: bool = False) -> Event:
    by = "importer" if soft else "client"
    return lambda owner: End(
        user_id=owner, session_id=session, status=status, at=t(minutes), reason=reason, decided_by=by, soft=soft
    )


def reopened(minutes: float, session: str = "s") -> Event:
    return lambda owner: Reopen(user_id=owner, session_id=session, at=t(minutes))


HISTORIES: Final[dict[str, list[Event]]] = {
    "facts: the first by time stays, or the latest": [
        saw(3, agent="late", title="third", tags=("x",), metadata='{"n":3}'),
        saw(1, agent="early", title="first", project="p1"),
        saw(2, kind="acp", channel="cli", title="second", goal_text="go", actor="a"),
        saw(3, agent="a-tie", title="tie", dataset_id="00000000-0000-0000-0000-00000000000a"),
        used("u", 2.5, model="m1"),
    ],
    "calls move between slices as facts arrive": [
        saw(4, agent="b", project="q", kind="autonomous"),
        saw(2, agent="a"),
        used("u1", 1, model="m1"),
        used("u2", 5, model="m2", cost_nano=None),
        ended("completed", 4.5),
    ],
    "calls inside, at and after the end": [
        saw(0),
        used("in", 1, model="m1"),
        used("at", 2, model="m2"),
        used("after", 3, model="m3", errored=True),
        ended("completed", 2, reason="done"),
    ],
    "calls inside, between and after attempts": [
        used("in", 1, model="m1"),
        ended("failed", 2, reason="one"),
        used("between", 3, model="m2"),
        reopened(4),
        used("second", 5, model="m1"),
        ended("completed", 6),
    ],
    "conflicting ends: the first in time wins": [
        saw(0),
        ended("failed", 3, reason="late"),
        ended("completed", 2, reason="first"),
        ended("cancelled", 4),
        used("u", 2.5),
    ],
    "conflicting ends with a reopening between them": [
        saw(0),
        ended("failed", 2, reason="first"),
        ended("completed", 6, reason="second"),
        reopened(4),
        used("u", 5),
        used("v", 3),
    ],
    "an end that comes late closes its own attempt": [
        saw(0),
        ended("completed", 2),
        reopened(3),
        ended("cancelled", 5),
        reopened(7),
        saw(8),
    ],
    "reopenings of what is open say nothing": [
        saw(1),
        reopened(2),
        reopened(4),
        used("u", 3),
        ended("completed", 5),
    ],
    "an end before anything else": [
        ended("failed", 1),
        saw(2),
        used("u", 3),
        reopened(2.5),
        used("v", 0.5),
    ],
    "a soft end gives way to what is later": [
        saw(0),
        used("u1", 1),
        ended("completed", 2, soft=True),
        used("u2", 4),
        ended("failed", 4, soft=True, reason="cut off"),
    ],
    "a soft end before a hard one, and after it": [
        saw(0),
        ended("completed", 2, soft=True),
        ended("failed", 3),
        ended("cancelled", 5, soft=True),
        used("u", 4),
    ],
    "a soft end and an explicit reopening": [
        used("u", 1),
        ended("completed", 2, soft=True),
        reopened(3),
        used("v", 4),
        ended("completed", 4, soft=True),
        ended("failed", 6, soft=True),
    ],
    "ties on the clock": [
        saw(2, title="b"),
        used("u", 2, model="m1"),
        used("v", 2, model="m2"),
        ended("failed", 2, reason="x"),
        ended("completed", 2, reason="y"),
        reopened(2),
    ],
    "ties of ends that say the same": [
        saw(1),
        ended("failed", 2, reason="x"),
        ended("failed", 2, reason="y"),
        ended("failed", 2, soft=True),
        used("u", 2),
    ],
    "one call told with other totals": [
        used("u", 1, 100, model="m1"),
        used("u", 1, 300, model="m1"),
        used("u", 1, 200, model="m2"),
        used("u", 2, 300, model="m2"),
        ended("completed", 1.5),
    ],
    "one call told by doors of other evidence": [
        used("u", 1, 900, evidence=Evidence.METRIC, model="m9"),
        used("u", 2, 100, evidence=Evidence.TRANSCRIPT, cost_nano=None, model="m1"),
        used("u", 3, 300, evidence=Evidence.SPAN, model="m2"),
        used("u", 2, 100, evidence=Evidence.LOG, cost_nano=None, model="m1"),
        ended("completed", 2.5),
    ],
    "one call told by two sessions": [
        used("u", 1, 100, session="fork", weight=0, model="m1"),
        used("u", 1, 100, session="s", weight=1, model="m1"),
        used("u", 1, 100, session="fork", weight=0, model="m1", evidence=Evidence.LOG),
        ended("completed", 2, session="fork"),
        ended("failed", 0.5, session="s"),
    ],
    "one call told with other weights": [
        used("u", 1, 100, session="s", weight=0),
        used("u", 1, 100, session="s", weight=2),
        used("u", 1, 100, session="fork", weight=1),
    ],
    "one call with a cost and without": [
        used("u", 1, 100, cost_nano=None),
        used("u", 1, 100, cost_nano=5),
        used("u", 1, 100, cost_nano=0),
        used("u", 1, 100, cost_nano=9),
        used("u", 2, 100, cost_nano=9),
    ],
    "one call told with other billing": [
        used("u", 1, billing="api"),
        used("u", 1, billing="subscription"),
        used("u", 1),
    ],
    "one call told with other providers": [
        used("u", 1, cost_nano=50, cost_source="computed", provider="p1"),
        used("u", 1, cost_nano=70, cost_source="computed", provider="p2"),
        used("u", 1, cost_nano=None, provider="p3"),
    ],
    "an alias joins two known calls": [
        used("a", 1, 100, model="m1"),
        used("b", 2, 200, model="m2"),
        used("c", 3, 150, aliases=("a", "b"), model="m3"),
        saw(0),
        ended("completed", 2.5),
    ],
    "aliases join calls in a chain, across sessions": [
        used("a", 1, 100, session="s", aliases=("x",), model="m1"),
        used("b", 2, 200, session="r", aliases=("y",), model="m2"),
        used("c", 3, 300, session="q", aliases=("y", "z"), model="m3", evidence=Evidence.LOG),
        used("d", 4, 400, session="s", aliases=("x", "z"), model="m4", evidence=Evidence.METRIC),
        used("z", 5, 50, session="s", model="m5"),
    ],
    "an alias is somebody's usage id": [
        used("a", 1, 100, aliases=("b",)),
        used("b", 1, 100, aliases=("a",)),
        used("b", 2, 300, aliases=("c",)),
        used("c", 3, 200, model="m1"),
        used("d", 4, 10),
    ],
    "the last model is found again when its call moves": [
        used("u1", 1, model="m1"),
        used("u2", 3, 100, model="m2"),
        used("u2", 3, 200, session="r", model="m2"),
        used("u3", 2, model="m3"),
        ended("completed", 3, session="r"),
    ],
    "a model changes at one instant": [
        used("u1", 1, model="m1"),
        used("u2", 1, model="m2"),
        used("u2", 1, 200, model="m0"),
        used("u3", 1, model=None),
        used("u4", 1, model="m1", errored=True),
    ],
    "turns: the largest number stands": [saw(3, turns=2), saw(1, turns=5), saw(2), saw(4, turns=3)],
    "half an hour of silence": [
        saw(150),
        used("u", 149, session="r"),
        saw(149.99, session="r"),
        ended("completed", 151),
        reopened(152),
    ],
    "all kinds of tokens": [
        used("u", 1, tokens=Tokens(input=1, cache_read=2, cache_write=3, cache_write_1h=4, output=5, reasoning=6)),
        used("u", 1, tokens=Tokens(input=6, cache_read=5, cache_write=4, cache_write_1h=3, output=2, reasoning=1)),
        used("u", 1, tokens=Tokens(input=6, cache_read=5, cache_write=4, cache_write_1h=3, audio_in=2, audio_out=1)),
        used("v", 2, tokens=Tokens()),
    ],
}


def _orders(history: list[Event], engine: str) -> list[tuple[Event, ...]]:
    """Every permutation; on PostgreSQL, where each write is a journey, some from all of them."""
    orders = list(itertools.permutations(history))
    return orders if engine == "sqlite" else orders[:: max(1, len(orders) // 4)]


def _one_by_one(book: rollbook.Rollbook, ops: Sequence[Op]) -> None:
    for op in ops:
        write(book, [op])


def _at_once(book: rollbook.Rollbook, ops: Sequence[Op]) -> None:
    write(book, ops)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r3_every_permutation_gives_the_same_book(history: list[Event], engine: str) -> None:
    # One user for each permutation: users share nothing, so that one book holds them all, and one transaction may take
    # an operation of each. What arrives at once is tried in every order below.
    owners = map(user, itertools.count())
    ways: dict[str, tuple[str, tuple[Event, ...]]] = {}
    side_by_side: list[list[Op]] = []
    with opened(all_users=True) as book:
        for place, order in enumerate(_orders(history, engine)):
            owner = next(owners)
            ops = [event(owner) for event in order]
            if place % 8 == 1:
                ways[owner] = "alone", order
                _one_by_one(book, ops)
            else:
                ways[owner] = "beside others", order
                side_by_side.append(ops)
            if place % 4 == 0:
                owner = next(owners)
                ways[owner] = "at once", order
                _at_once(book, [event(owner) for event in order])
        for step in zip(*side_by_side, strict=True):
            write(book, step)
        expected = snapshot(book, user(0))
        for owner, found in snapshots(book, ways):
            way, order = ways[owner]
            told = f"order {[history.index(event) for event in order]}, {way}"
            assert found == expected, told
        sound(book)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r3_every_permutation_in_one_transaction_of_all(history: list[Event], engine: str) -> None:
    """All permutations, each of a user of its own, arrive interleaved in one batch."""
    orders = _orders(history, engine)[:120]
    with opened(all_users=True) as book:
        ops = [order[place](user(number)) for place in range(len(history)) for number, order in enumerate(orders)]
        write(book, ops)
        expected = snapshot(book, user(0))
        for _, found in snapshots(book, map(user, range(len(orders)))):
            assert found == expected
        sound(book)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r16_the_books_balance_after_each_step(history: list[Event], engine: str) -> None:
    for order in (history, history[::-1]) if engine == "sqlite" else (history,):
        with opened() as book:
            for event in order:
                write(book, [event(book.user_id)])
                sound(book)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r3_a_retry_of_everything_changes_nothing(history: list[Event]) -> None:
    with opened() as book:
        ops = [event(book.user_id) for event in history]
        _one_by_one(book, ops)
        before = snapshot(book)
        _one_by_one(book, ops)
        _at_once(book, ops[::-1])
        assert snapshot(book) == before
        sound(book)


# Random histories


_MINUTES: Final = st.integers(0, 12).map(lambda number: number / 2)
_SESSIONS: Final = st.sampled_from(["s", "s", "r"])
_NAMES: Final = st.sampled_from(["a", "b", "c", "d"])
_MODELS: Final = st.sampled_from([None, "m1", "m2"])
_TOUCHES: Final = st.builds(
    lambda session, at, agent, title, turns: saw(at, session, agent=agent, title=title, turns=turns),
    _SESSIONS, _MINUTES, st.sampled_from([None, "x", "y"]), st.sampled_from([None, "v", "w"]),
    st.sampled_from([None, 1, 2]),
)  # fmt: skip
_CALLS: Final = st.builds(
    lambda session, at, name, aliases, size, model, cost, evidence: used(
        name, at, size, session, aliases=tuple(sorted(aliases)), model=model, cost_nano=cost, evidence=evidence
    ),
    _SESSIONS, _MINUTES, _NAMES, st.sets(_NAMES, max_size=2), st.sampled_from([0, 5, 9]), _MODELS,
    st.sampled_from([None, 3, 4]), st.sampled_from([Evidence.LOG, Evidence.PUSH, Evidence.TRANSCRIPT]),
)  # fmt: skip
_ENDS: Final = st.builds(
    lambda session, at, status, reason, soft: ended(status, at, session, reason=reason, soft=soft),
    _SESSIONS, _MINUTES, st.sampled_from(["completed", "failed"]), st.sampled_from(["", "r"]), st.booleans(),
)  # fmt: skip
_REOPENINGS: Final = st.builds(lambda session, at: reopened(at, session), _SESSIONS, _MINUTES)
MIXED: Final = st.lists(_TOUCHES | _CALLS | _CALLS | _ENDS | _REOPENINGS, min_size=2, max_size=12)


@settings(max_examples=160, deadline=None, derandomize=True)
@given(history=MIXED, data=st.data())
def test_r3_random_histories_in_random_orders_and_batches(history: list[Event], data: st.DataObject) -> None:
    with opened() as book:
        _one_by_one(book, [event(user(1)) for event in history])
        mixed = data.draw(st.permutations(history))
        ops = [event(user(2)) for event in mixed]
        while ops:
            size = data.draw(st.integers(1, len(ops)))
            write(book, ops[:size])
            ops = ops[size:]
            sound(book)
        assert snapshot(book, user(1)) == snapshot(book, user(2))


@settings(max_examples=70, deadline=None, derandomize=True)
@given(history=MIXED, data=st.data())
def test_r3_a_door_may_hand_over_in_any_order(history: list[Event], data: st.DataObject) -> None:
    """The same through ``ingest``, which takes touches, calls and ends."""
    with opened() as book:
        items: list[Any] = [event(user(1)) for event in history]
        items = [item for item in items if isinstance(item, Touch | Call | End)]
        for item in items:
            book.ingest([item])
        others: list[Any] = [event(user(2)) for event in data.draw(st.permutations(history))]
        book.ingest([item for item in others if isinstance(item, Touch | Call | End)])
        assert snapshot(book, user(1)) == snapshot(book, user(2))
        sound(book)
