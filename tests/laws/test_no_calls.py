"""R3, R15: what is no call of its own counts nothing: what was retracted, and metrics beside better evidence."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from rollbook.ledger.calls import metric_name
from rollbook.ledger.ops import Op, Retract
from rollbook.model import Evidence, Outcome
from rollbook.settings import LOCAL_USER

from .histories import tables, well
from .test_order import Event, ended, reopened, saw, used
from .tools import DAY, HOUR, NOW, Clock, call, opened, opened_at, snapshot, snapshots, sound, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

SPAN: Final = Evidence.SPAN


def retracted(usage_id: str, reason: str = "a sum of others") -> Event:
    return lambda owner: Retract(user_id=owner, usage_id=usage_id, reason=reason)


def metered(minutes: float, size: int, session: str = "s", model: str | None = "m1") -> Event:
    """What metrics tell so far of a model in a session."""
    name = metric_name(session, model)
    return used(name, minutes, size, session, model=model, evidence=Evidence.METRIC, cost_nano=None)


HISTORIES: Final[dict[str, list[Event]]] = {
    "a call that is none": [
        used("u", 1, model="m1"),
        used("v", 2, 50, model="m2"),
        retracted("u"),
        used("u", 1.5, 300, model="m3", evidence=Evidence.TRANSCRIPT),
        ended("completed", 3),
    ],
    "retracted twice, and late": [
        saw(0),
        used("u", 5, model="m1"),
        ended("completed", 2),
        retracted("u"),
        retracted("u", "another reason"),
    ],
    "retracted by another of its names": [
        used("u", 1, aliases=("x",), model="m1"),
        retracted("x"),
        used("x", 2, 500, session="r", model="m2"),
        used("w", 3, 10),
    ],
    "names that turn out to be of what was retracted": [
        used("a", 1, 100, session="s", model="m1"),
        used("b", 2, 200, session="r", model="m2"),
        used("c", 3, 300, session="q", aliases=("a", "b"), model="m3"),
        retracted("b"),
        used("d", 4, 400, session="s", aliases=("c",), model="m4", evidence=SPAN),
    ],
    "two were retracted that are one": [
        used("a", 1, 100),
        retracted("a"),
        retracted("b"),
        used("c", 3, 300, aliases=("a", "b")),
        used("b", 2, 200, session="r"),
    ],
    "of a session that is reopened": [
        used("u", 1, model="m1"),
        ended("failed", 2),
        used("v", 3, model="m2"),
        reopened(2.5),
        retracted("u"),
        retracted("v"),
    ],
    "metrics grow": [
        metered(1, 100),
        metered(2, 300),
        metered(2, 200),
        metered(3, 50, model="m2"),
        metered(3, 70, model=None),
    ],
    "metrics and a span": [
        metered(1, 100),
        metered(2, 300),
        metered(3, 50, model="m2"),
        used("u", 2, 10, model="m3", evidence=SPAN),
        metered(4, 50, session="r"),
    ],
    "metrics, a log and a transcript, of a session that ends": [
        metered(1, 100),
        metered(6, 400),
        used("u", 2, 90, model="m1", evidence=Evidence.LOG),
        used("u", 2, 95, model="m1", evidence=Evidence.TRANSCRIPT),
        ended("completed", 4),
        reopened(5),
    ],
    "metrics beside a call that is another session's": [
        metered(1, 100),
        metered(1, 100, session="r"),
        used("u", 2, 90, model="m1", evidence=SPAN),
        used("u", 3, 95, session="r", model="m1", evidence=Evidence.TRANSCRIPT),
        saw(0),
    ],
    "metrics beside a call that is none": [
        metered(1, 100),
        metered(2, 200),
        used("u", 2, 90, model="m1", evidence=SPAN),
        retracted("u"),
        ended("completed", 1.5, soft=True),
    ],
    "somebody reports under a name of metrics": [
        metered(1, 100),
        metered(2, 200),
        used(metric_name("s", "m1"), 2, 90, model="m1"),
        used("u", 3, 10),
        saw(4),
    ],
    "one call that a metric told of": [
        used("u", 1, 100, evidence=Evidence.METRIC),
        used("v", 2, 50, evidence=SPAN),
        used("u", 1, 200, evidence=Evidence.METRIC),
        metered(1, 30),
    ],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r3_every_permutation_gives_the_same_book(history: list[Event], engine: str) -> None:
    orders = list(itertools.permutations(history))
    orders = orders[:: max(1, len(orders) // (60 if engine == "sqlite" else 3))]
    owners = map(user, itertools.count())
    told: dict[str, tuple[str, tuple[Event, ...]]] = {}
    one_by_one: list[list[Op]] = []
    with opened(all_users=True) as book:
        for order in orders:
            owner = next(owners)
            told[owner] = "one by one", order
            ops = [event(owner) for event in order]
            if len(told) % 16 == 1:
                assert not any(isinstance(write(book, [op])[0], Exception) for op in ops)
            else:
                one_by_one.append(ops)
            owner = next(owners)
            told[owner] = "at once", order
            write(book, [event(owner) for event in order])
        for step in zip(*one_by_one, strict=True):  # users share nothing: a transaction may take one of each
            assert not any(isinstance(answer, Exception) for answer in write(book, step))
        expected = snapshot(book, user(0))
        for owner, found in snapshots(book, told):
            way, order = told[owner]
            said = f"order {[history.index(event) for event in order]}, {way}"
            assert found == expected, said
        well(book)


@pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))
def test_r16_the_books_balance_after_each_step(history: list[Event], engine: str) -> None:
    for order in (history, history[::-1]) if engine == "sqlite" else (history,):
        with opened() as book:
            for event in order:
                write(book, [event(book.user_id)])
                well(book)


_MINUTES: Final = st.integers(0, 8).map(lambda number: number / 2)
_SESSIONS: Final = st.sampled_from(["s", "s", "r"])
_NAMES: Final = st.sampled_from(["a", "b", "c", "d"])
_SIZES: Final = st.sampled_from([5, 9, 12])
_CALLS: Final = st.builds(
    lambda session, at, name, aliases, size, model, evidence: used(
        name, at, size, session, aliases=tuple(sorted(aliases)), model=model, evidence=evidence
    ),
    _SESSIONS, _MINUTES, _NAMES, st.sets(_NAMES, max_size=2), _SIZES, st.sampled_from([None, "m1", "m2"]),
    st.sampled_from([Evidence.LOG, Evidence.SPAN, Evidence.TRANSCRIPT]),
)  # fmt: skip
_METRICS: Final = st.builds(
    lambda session, at, size, model: metered(at, size, session, model),
    _SESSIONS, _MINUTES, _SIZES, st.sampled_from([None, "m1", "m2"]),
)  # fmt: skip
_ENDS: Final = st.builds(
    lambda session, at, soft: ended("completed", at, session, soft=soft), _SESSIONS, _MINUTES, st.booleans()
)
_REOPENINGS: Final = st.builds(lambda session, at: reopened(at, session), _SESSIONS, _MINUTES)
_RETRACTIONS: Final = _NAMES.map(retracted)
MIXED: Final = st.lists(
    _CALLS | _CALLS | _METRICS | _METRICS | _RETRACTIONS | _ENDS | _REOPENINGS, min_size=2, max_size=12
)


@settings(max_examples=60)
@given(history=MIXED, data=st.data())
def test_r3_random_histories_in_random_orders_and_batches(history: list[Event], data: st.DataObject) -> None:
    with opened() as book:
        for event in history:
            write(book, [event(user(1))])
        ops = [event(user(2)) for event in data.draw(st.permutations(history))]
        while ops:
            size = data.draw(st.integers(1, len(ops)))
            write(book, ops[:size])
            ops = ops[size:]
            sound(book)
        assert snapshot(book, user(1)) == snapshot(book, user(2))
        well(book)


# what is answered, and what is left


def _told(book: rollbook.Rollbook, event: Callable[[str], Op]) -> Any:
    return write(book, [event(LOCAL_USER)])[0]


def test_what_a_retraction_says() -> None:
    with opened() as book:
        assert _told(book, used("u", 1, 100)) == Outcome.COUNTED
        assert _told(book, retracted("u", "a sum of its children")) is True
        assert _told(book, retracted("u")) is False
        assert _told(book, retracted("unheard of")) is False
        assert _told(book, used("u", 1, 900, evidence=Evidence.TRANSCRIPT)) == Outcome.DUPLICATE
        assert _told(book, used("unheard of", 1, 900)) == Outcome.DUPLICATE
        assert _told(book, used("other", 1, 7, aliases=("u",))) == Outcome.DUPLICATE
        assert _told(book, used("other", 1, 7)) == Outcome.DUPLICATE
        assert book.get("s").calls == 0
        assert book.known_usage(["u", "unheard of", "other", "nothing"]) == {"u", "unheard of", "other"}
        assert [(row.entry, row.source) for row in book.usage("s")] == [
            ("call", "push"),
            ("reversal", "a sum of its children"),
        ]
        assert book.spend(since="all").total.calls == 0
        well(book)


def test_what_metrics_are_answered() -> None:
    with opened() as book:
        assert _told(book, metered(1, 100)) == Outcome.COUNTED
        assert _told(book, metered(2, 150)) == Outcome.AMENDED
        assert _told(book, metered(2, 120)) == Outcome.DUPLICATE
        assert book.get("s").tokens_in == 150
        assert _told(book, used("u", 3, 10, evidence=Evidence.LOG)) == Outcome.COUNTED
        assert (book.get("s").tokens_in, book.get("s").calls) == (10, 1)
        assert _told(book, metered(4, 500)) == Outcome.DUPLICATE
        assert _told(book, metered(4, 500, session="r")) == Outcome.COUNTED
        assert (book.get("s").tokens_in, book.get("r").tokens_in) == (10, 500)


def test_metrics_are_outdone_by_what_was_reported_before_books_knew_of_this(tmp_path: Path) -> None:
    """A session of an older book has no flag that says so; metric calls of its own names outdo nothing."""
    url = f"sqlite:///{tmp_path / 'book.db'}"
    with opened_at(url) as book:
        _told(book, used("u", 1, 10))
        _told(book, used("v", 1, 10, session="r", evidence=Evidence.METRIC))
    raw = apsw.Connection(str(tmp_path / "book.db"))
    raw.execute("update session set flags = 0")
    raw.close()
    with opened_at(url) as book:
        assert _told(book, metered(2, 100)) == Outcome.DUPLICATE
        assert _told(book, metered(2, 100, session="r")) == Outcome.COUNTED
        assert _told(book, used("w", 2, 1, session="r")) == Outcome.COUNTED
        assert [book.get(name).tokens_in for name in "sr"] == [10, 11]
        well(book)


def test_r12_of_what_was_retracted_no_more_is_left_than_of_a_call() -> None:
    old = NOW - 40 * DAY
    with opened(Clock()) as book:
        owner = book.user_id
        ops: list[Op] = [
            call("s", "old", old),
            Retract(user_id=owner, usage_id="old", reason="x"),
            call("s", "kept", old, 5),
            call("r", "young", NOW - HOUR),
            Retract(user_id=owner, usage_id="young", reason="x"),
            touch("s", old),
        ]
        write(book, ops)
        before = snapshot(book)
        book.prune(ledger="30d")
        assert snapshot(book) | {"usage": 0} == before | {"usage": 0}
        well(book)
        assert write(book, [call("s", "old", old), call("s", "kept", old, 5)]) == [Outcome.TOO_OLD] * 2
        assert write(book, [Retract(user_id=owner, usage_id="kept", reason="too late")]) == [False]
        assert write(book, [call("r", "young", NOW - HOUR)]) == [Outcome.DUPLICATE]
        book.purge("r")
        assert write(book, [call("t", "young", NOW - HOUR)]) == [Outcome.TOO_OLD]
        well(book)


def test_r14_what_was_retracted_is_not_priced_again() -> None:
    with opened() as book:
        for name in ("u", "v"):
            _told(book, used(name, 1, 100, model="claude-opus-4-5", cost_nano=None))
        _told(book, retracted("u"))
        assert book.reprice().total.calls == 1
        assert book.get("s").calls == 1
        well(book)


def test_r12_of_a_user_nothing_stays_that_was_retracted() -> None:
    with opened(all_users=True) as book:
        owners = (user(1), user(2))
        for owner in owners:
            write(book, [event(owner) for event in (used("u", 1), retracted("u"), retracted("never reported"))])
        book.purge_user(user_id=owners[0])
        left = [row for row in tables(book)["usage_key"] if "never reported" in row]
        assert len(left) == 1
        well(book)
        told = [used("never reported", 1, session="new")(owner) for owner in owners]
        assert write(book, told) == [Outcome.COUNTED, Outcome.DUPLICATE]
