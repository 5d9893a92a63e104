"""What metrics say of a session: sums that come late, twice, in any order, and from several processes."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import rollbook
from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call, Touch
from rollbook.model import Evidence
from rollbook.telemetry import series
from rollbook.telemetry.told import PointTold

from .emitted import SECOND, T

USER: Final = ("u", None)
NOW: Final = T + 86_400 * SECOND


def told(
    value: float,
    at: int,
    start: int = 0,
    *,
    of: str = "one",
    field: str = "input",
    cumulative: bool = False,
) -> PointTold:
    """A point; times in seconds."""
    return PointTold(
        series=of,
        session_id="s",
        model="m",
        field=field,
        value=value,
        start=T + start * SECOND,
        at=T + at * SECOND,
        cumulative=cumulative,
    )


def folded(*batches: list[PointTold]) -> Call | None:
    """The call that stands for what was told in batches."""
    value, call = None, None
    for batch in batches:
        found = series.fold(value, list(enumerate(batch)), user=USER, now=NOW)
        if found is not None:
            value = found.value
            calls = [op for _, op in found.ops if isinstance(op, Call)]
            call = calls[0] if calls else call
    return call


@st.composite
def processes(draw: st.DrawFn) -> tuple[list[PointTold], int]:
    """What several processes tell in one session, each in its way, and what they used in all."""
    points: list[PointTold] = []
    total = 0
    for number in range(draw(st.integers(1, 3))):
        cumulative, at = draw(st.booleans()), draw(st.integers(1, 50))
        for _ in range(draw(st.integers(1, 3))):  # it stops and starts anew
            start, stands = at, 0
            for grew in draw(st.lists(st.integers(0, 1000), min_size=1, max_size=6)):
                since, at = at, at + draw(st.integers(1, 60))
                total, stands = total + grew, stands + grew
                value, begin = (stands, start) if cumulative else (grew, since)
                points.append(told(value, at, begin, of=f"process {number}", cumulative=cumulative))
            at += draw(st.integers(1, 60))
    return points, total


@given(told_of=processes(), data=st.data())
def test_r15_the_total_is_true_in_any_order_and_however_often_told(
    told_of: tuple[list[PointTold], int], data: st.DataObject
) -> None:
    points, total = told_of
    again = data.draw(st.lists(st.sampled_from(points), max_size=8))
    order = data.draw(st.permutations(points + again))
    cut = data.draw(st.integers(0, len(order)))
    call = folded(order[:cut], order[cut:], order)
    assert (0 if call is None else call.tokens.input) == total


def test_a_point_again_changes_nothing() -> None:
    first = series.fold(None, [(0, told(5, 60))], user=USER, now=NOW)
    assert first is not None
    assert series.fold(first.value, [(0, told(5, 60)), (1, told(0, 60, cumulative=True))], user=USER, now=NOW) is None
    assert first.expires_at == NOW + series.KEPT_US


def test_the_same_numbers_at_another_time_or_of_another_series_are_more() -> None:
    call = folded([told(5, 60), told(5, 120, 60), told(5, 60, of="two"), told(5, 60, 1)])
    assert call is not None
    assert call.tokens.input == 20


def test_what_is_too_old_to_be_known_is_not_counted_twice() -> None:
    many = [told(1, at, at - 1) for at in range(1, 5 * series.POINTS_MOST)]
    call = folded(many, many)
    assert call is not None
    assert call.tokens.input == len(many)
    starts = [told(3, at, at - 1, cumulative=True) for at in range(1, 5 * series.STARTS_MOST)]
    call = folded(starts, starts)
    assert call is not None
    assert call.tokens.input == 3 * len(starts)


def test_a_note_is_bounded() -> None:
    points = [told(1, at, of=str(of)) for of in range(series.SERIES_MOST + 50) for at in (60, 120)]
    found = series.fold(None, list(enumerate(points)), user=USER, now=NOW)
    assert found is not None
    call = next(op for _, op in found.ops if isinstance(op, Call))
    assert call.tokens.input == 2 * series.SERIES_MOST


def test_kinds_that_contain_others_are_taken_apart() -> None:
    call = folded(
        [
            told(100, 60, field=series.INPUT_ALL),
            told(40, 60, field="cache_read"),
            told(5, 60, field="input", of="tools"),
            told(30, 60, field=series.OUTPUT_ALL),
            told(12, 60, field="reasoning"),
        ]
    )
    assert call is not None
    assert (call.tokens.input, call.tokens.cache_read, call.tokens.output, call.tokens.reasoning) == (65, 40, 18, 12)
    assert call.cost_source == "unpriced"


def test_a_cost_is_the_one_that_was_reported_to_the_nano_dollar() -> None:
    call = folded([told(0.1, 60, field=series.COST)], [told(0.2, 120, 60, field=series.COST)])
    assert call is not None
    assert (call.cost_nano, call.cost_source, call.evidence) == (300_000_000, "reported", Evidence.METRIC)
    assert call.usage_id == "metric:s:m"


def test_r2_a_last_point_after_the_end_leaves_what_was_used_before_in_the_session() -> None:
    found = series.fold(None, [(0, told(5, 60)), (1, told(5, 120, 60))], user=USER, now=NOW)
    assert found is not None
    touch, call = (op for _, op in found.ops)
    assert isinstance(touch, Touch)
    assert isinstance(call, Call)
    assert (touch.at, call.occurred_at) == (T + 120 * SECOND, T + 60 * SECOND)


@pytest.mark.parametrize(
    "bad",
    [
        {"value": -1},
        {"value": 1.5},
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": 10**13},
        {"field": series.COST, "value": -0.1},
        {"field": series.COST, "value": 1e9},
        {"field": "no such"},
        {"start": -1},
    ],
)
def test_r3_numbers_that_are_none_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        series.check(replace(told(1, 60), **bad))
    with rollbook.open("sqlite:///:memory:") as book:
        observed = book.observe([replace(told(1, 60), **bad), told(7, 60)])
        assert (observed.accepted, list(observed.refused)) == (1, [0])
        assert book.get("s").tokens_in == 7


def test_r15_a_cost_that_grows_by_itself_is_not_taken_for_the_same_again() -> None:
    cost = [told(0.25, at, at - 60, of="cost", field=series.COST) for at in (60, 120, 180)]
    with rollbook.open("sqlite:///:memory:") as book:
        for points in ([told(100, 60)], cost[:1], cost[1:2], cost[2:]):
            book.observe(points)
        assert (book.get("s").tokens_in, book.get("s").cost_usd) == (100, 0.75)


def test_r16_a_book_grows_with_the_metrics_and_stays_in_balance() -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        for minute in range(1, 6):
            points = [
                told(100, minute * 60, minute * 60 - 60),
                told(0.25, minute * 60, minute * 60 - 60, of="cost", field=series.COST),
            ]
            book.observe(points)
            book.observe(points)
        session = book.get("s")
        assert (session.calls, session.tokens_in, session.cost_usd) == (1, 500, 1.25)
        book.record_usage("s", tokens_in=3, cost_usd=0)
        assert (book.get("s").calls, book.get("s").tokens_in) == (1, 3), "a call that was reported outdoes them"
        book.observe([told(100, 3600, 3540)])
        assert book.get("s").tokens_in == 3
        assert book.verify().ok
