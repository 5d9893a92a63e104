"""Spans of a trace come in any order, in any batches, and again: the same sessions, calls and money every time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

import rollbook
from rollbook.journal.steps import Append, New
from rollbook.ledger.ops import Call, Facts, Jot, Merge, Retract, Touch
from rollbook.model import Evidence, Tokens
from rollbook.telemetry import applying, names, traces
from rollbook.telemetry.told import SpanTold

from .emitted import SECOND, T

USER: Final = ("00000000-0000-4000-8000-000000000001", None)
TRACE: Final = "a" * 32
ABROAD: Final = "f" * 16  #: a parent that never comes


def span(
    number: int,
    parent: int | str = "",
    *,
    took: int | None = None,
    sure: bool = True,
    named: str | None = None,
    session: str | None = None,
    **more: Any,
) -> SpanTold:
    """A span; ``took`` makes it a call (0: one that failed), ``named`` gives it an id of the provider's."""
    at = T + number * SECOND
    span_id = f"{number:016x}"
    call = None
    if took is not None:
        call = Call(
            user_id="", session_id="", usage_id=named or names.span(TRACE, span_id), occurred_at=at + SECOND,
            tokens=Tokens(input=took), model="gpt-4o", provider="openai", source="test", evidence=Evidence.SPAN,
            errored=not took,
        )  # fmt: skip
    above = parent if isinstance(parent, str) else f"{parent:016x}"
    return SpanTold(
        trace_id=TRACE, span_id=span_id, parent_id=above, session_id=session, at=at, until=at + SECOND, call=call,
        sure=sure and bool(took), **more,
    )  # fmt: skip


def identity(number: int) -> str:
    return f"{number:016x}"


class Outcome(Struct):
    """What comes of operations: calls by their names with their sessions and tokens, and what is written where."""

    calls: dict[str, tuple[str, int]]
    touched: set[str]
    written: dict[str, str]


def outcome(batches: Sequence[Sequence[SpanTold]]) -> Outcome:
    """What comes of batches, by the rules alone: the ledger knows a name once, and what was taken back never again."""
    value: str | None = None
    found, gone = Outcome({}, set(), {}), set()
    for batch in batches:
        folded = traces.fold(value, list(enumerate(batch)), now=T)
        if folded is None:
            continue
        value = folded.value
        for _, op in applying.ops([folded], USER):
            if isinstance(op, Retract):
                gone.add(op.usage_id)
            else:
                _note(found, op)
    return Outcome({name: call for name, call in found.calls.items() if name not in gone}, found.touched, found.written)


def _note(found: Outcome, op: Any) -> None:
    if isinstance(op, Merge):
        _merge(found, op)
    elif isinstance(op, Call):
        assert op.usage_id not in found.calls, "what was handed over is not handed over again"
        found.calls[op.usage_id] = (op.session_id, op.tokens.total)
    elif isinstance(op, Touch):
        found.touched.add(op.session_id)
    elif isinstance(op, Jot):
        entries = [new for change in op.step.changes if isinstance(change, Append) for new in change.entries]
        found.written.update((new.entry_id, op.session_id) for new in entries)


def _merge(found: Outcome, op: Merge) -> None:
    assert op.session_id in found.touched, "what is merged is there"
    found.touched = found.touched - {op.session_id} | {op.into}
    for name, (session, tokens) in found.calls.items():
        found.calls[name] = (op.into if session == op.session_id else session, tokens)
    for entry, session in found.written.items():
        found.written[entry] = op.into if session == op.session_id else session


@st.composite
def trees(draw: st.DrawFn) -> list[SpanTold]:
    """A tree of spans of which some are calls, sums, or neither; named by one of them, by none, or its root."""
    size = draw(st.integers(1, 9))
    naming = draw(st.sampled_from(["root", "somewhere", "nowhere"]))
    named = {"root": 0, "somewhere": draw(st.integers(0, size - 1)), "nowhere": -1}[naming]
    found = []
    for number in range(size):
        above: int | str = draw(st.integers(0, number - 1)) if number else draw(st.sampled_from(["", "", ABROAD]))
        if not number and naming == "nowhere":
            above = ""  # or it would wait for a name
        kind = draw(st.sampled_from(["none", "sure", "sure", "sum", "failed"]))
        took = {"none": None, "sure": draw(st.sampled_from([5, 7])), "sum": 20 + number, "failed": 0}[kind]
        known = f"openai:response:resp_{number}" if kind == "sure" and draw(st.booleans()) else None
        found.append(
            span(
                number, above, took=took, sure=kind == "sure", named=known,
                session="named" if number == named else None,
                steps=(("trace", New(f"e{number}", b"{}", T)),) if draw(st.booleans()) else (),
            )
        )  # fmt: skip
    return found


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[SpanTold], list[list[SpanTold]]]:
    """A trace, and batches in which it may come."""
    tree = draw(trees())
    again = draw(st.lists(st.sampled_from(tree), max_size=4))
    order = draw(st.permutations([*tree, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=len(order))))
    edges = [0, *cuts, len(order)]
    return tree, [order[begin:end] for begin, end in pairwise(edges) if begin < end]


def expected(tree: Sequence[SpanTold]) -> dict[str, tuple[str, int]]:
    """What is to come of it, found by looking at the tree as a whole."""
    session = next((told.session_id for told in tree if told.session_id), f"trace:{TRACE}")
    parents = {told.span_id: told.parent_id for told in tree}

    def is_below(lower: SpanTold, upper: SpanTold) -> bool:
        above = parents.get(lower.span_id, "")
        while above and above != upper.span_id:
            above = parents.get(above, "")
        return bool(above)

    def is_own(told: SpanTold) -> bool:
        return told.call is not None and told.call.usage_id == names.span(TRACE, told.span_id)

    found = {}
    for told in tree:
        if told.call is None:
            continue
        below = [other for other in tree if other.call is not None and is_below(other, told)]
        if told.sure:
            same = [other for other in tree if other.sure and other.call and other.call.tokens == told.call.tokens]
            double = is_own(told) and (
                any(other in below for other in same)
                or any(is_below(told, other) and not is_own(other) for other in same)
            )
            counts = not double
        else:
            counts = not any(
                other.call and bool(other.call.tokens.total) >= bool(told.call.tokens.total) for other in below
            )
        if counts:
            found[told.call.usage_id] = (session, told.call.tokens.total)
    return found


@settings(max_examples=300)
@given(deliveries())
def test_spans_in_any_order_and_batches_and_again_give_the_same_calls(
    delivery: tuple[list[SpanTold], list[list[SpanTold]]],
) -> None:
    tree, batches = delivery
    at_once, in_parts = outcome([tree]), outcome(batches)
    assert at_once.calls == expected(tree)
    assert in_parts.calls == at_once.calls
    assert in_parts.written == at_once.written
    assert in_parts.touched == at_once.touched


@settings(max_examples=25)
@given(deliveries())
def test_r16_the_book_holds_the_same_whatever_the_batches_and_balances(
    delivery: tuple[list[SpanTold], list[list[SpanTold]]],
) -> None:
    tree, batches = delivery
    seen = []
    for parts in ([tree], batches):
        with rollbook.open("sqlite:///:memory:") as book:
            for part in parts:
                observed = book.observe(part)
                assert (observed.accepted, observed.refused) == (len(part), {})
            assert book.verify().ok
            seen.append(
                [
                    (one.session_id, one.calls, one.tokens_in, one.cost_usd, one.call_errors, one.started_at,
                     one.last_activity_at, sorted(step.trace_id for step in book.trace(one.session_id)))
                    for one in book.list().sessions
                ]
            )  # fmt: skip
    assert seen[0] == seen[1]
    assert sum(calls for _, calls, *_ in seen[0]) == len(expected(tree))


def test_a_sum_counts_until_what_it_sums_up_arrives_and_then_never_again() -> None:
    parent, child = span(1, took=100, sure=False, session="s"), span(2, 1, took=60, session="s")
    with rollbook.open("sqlite:///:memory:") as book:
        book.observe([parent])
        assert book.get("s").tokens_in == 100
        book.observe([child])
        assert (book.get("s").calls, book.get("s").tokens_in) == (1, 60)
        book.observe([parent])
        assert (book.get("s").calls, book.get("s").tokens_in) == (1, 60)


def test_a_call_that_came_between_two_others_joins_them() -> None:
    """The span that leads from a sum to its part comes last."""
    found = outcome([[span(1, took=100, sure=False, session="s")], [span(3, 2, took=60)], [span(2, 1)]])
    assert found.calls == {names.span(TRACE, identity(3)): ("s", 60)}


def test_a_sum_that_names_the_last_response_it_sums_up_is_not_taken_for_that() -> None:
    resp = "openai:response:resp_1"
    above, below = span(1, took=100, sure=False, named=resp, session="s"), span(2, 1, took=60, named=resp)
    for batches in ([[above, below]], [[above], [below]], [[below], [above]]):
        with rollbook.open("sqlite:///:memory:") as book:
            for batch in batches:
                book.observe(batch)
            assert (book.get("s").calls, book.get("s").tokens_in) == (1, 60)


def test_what_was_used_below_a_call_that_failed_is_part_of_the_sum_above_it() -> None:
    above, failed, used = span(1, took=100, sure=False, session="s"), span(2, 1, took=0), span(3, 2, took=60)
    for batches in ([[above], [used], [failed]], [[used], [failed], [above]], [[failed], [above], [used]]):
        assert outcome(batches).calls == {names.span(TRACE, identity(3)): ("s", 60)}


def test_of_what_is_said_in_turns_the_latest_stands() -> None:
    titles = [span(number, facts=Facts(title=title), session="s") for number, title in enumerate(("a", "b", "a"), 1)]
    for batches in ([titles], [titles[::-1]], [[titles[2]], titles[:2]]):
        with rollbook.open("sqlite:///:memory:") as book:
            for batch in batches:
                book.observe(batch)
            assert book.get("s").title == "a"


def test_a_response_that_two_libraries_report_is_one_call_whichever_comes_first() -> None:
    outer, inner = span(1, took=9, session="s"), span(2, 1, took=9, named="openai:response:resp_1")
    for batches in ([[outer, inner]], [[outer], [inner]], [[inner], [outer]]):
        assert outcome(batches).calls == {"openai:response:resp_1": ("s", 9)}


def test_two_calls_that_took_the_same_side_by_side_are_two() -> None:
    found = outcome([[span(1, session="s"), span(2, 1, took=9), span(3, 1, took=9)]])
    assert len(found.calls) == 2


def test_a_trace_without_a_name_goes_by_its_own_when_its_root_comes() -> None:
    found = outcome([[span(2, 1, took=5)]])
    assert not found.calls
    found = outcome([[span(2, 1, took=5)], [span(1)]])
    assert set(found.calls.values()) == {(f"trace:{TRACE}", 5)}


def test_a_name_that_comes_after_a_trace_went_by_its_own_is_for_all_of_it() -> None:
    found = outcome([[span(1), span(2, 1, took=5)], [span(3, 1, took=6, session="late")], [span(4, 1, took=7)]])
    assert {tokens: session for session, tokens in found.calls.values()} == {5: "late", 6: "late", 7: "late"}
    assert found.touched == {"late"}


def test_of_several_names_in_a_trace_each_is_for_what_is_below_it() -> None:
    found = outcome(
        [
            [
                span(1, session="main"),
                span(2, 1, session="sub"),
                span(3, 2, took=5),
                span(4, 1, took=6),
                span(5, 3, took=7),
            ]
        ]
    )
    assert {tokens: session for session, tokens in found.calls.values()} == {5: "sub", 6: "main", 7: "sub"}


def test_what_waits_is_never_too_old_and_is_settled_in_the_end() -> None:
    folded = traces.fold(None, [(0, span(2, 1, took=5))], now=T)
    assert folded is not None
    assert folded.expires_at == traces.WAITING + T
    again = traces.fold(folded.value, [(0, span(3, 1, took=6))], now=T + SECOND)
    assert again is not None
    assert again.expires_at == traces.WAITING + T, "it waits since the first"
    settled = traces.settle(again.value, now=T)
    assert {op.session_id for _, op in applying.ops([settled], USER) if isinstance(op, Call)} == {f"trace:{TRACE}"}
    assert settled.expires_at < traces.WAITING


def test_spans_that_say_nothing_of_an_agent_make_no_session() -> None:
    found = outcome([[span(1, ours=False), span(2, 1, ours=False, session="a-browser")]])
    assert not found.touched


def test_a_service_is_what_an_agent_is_called_only_where_nobody_says_more() -> None:
    spans = [
        span(1, session="s", service="web"),
        span(2, 1, service="web", facts=Facts(agent="helper")),
        span(3, 2, took=1),
    ]
    for batches in ([spans], [spans[::-1]], [[one] for one in spans], [[one] for one in spans[::-1]]):
        with rollbook.open("sqlite:///:memory:") as book:
            # The root ends last, as roots do.
            for batch in batches:
                book.observe([_ending(one, 9) if one.span_id == identity(1) else one for one in batch])
            assert book.get("s").agent == "helper"
    with rollbook.open("sqlite:///:memory:") as book:
        book.observe(spans[:1])
        assert book.get("s").agent == "web"


def _ending(told: SpanTold, second: int) -> SpanTold:
    return SpanTold(
        **{**{name: getattr(told, name) for name in SpanTold.__struct_fields__}, "until": T + second * SECOND}
    )


# What is remembered is bounded


def test_of_a_trace_with_very_many_spans_the_oldest_are_forgotten_and_no_call_is() -> None:
    value, calls = None, set()
    for begin in range(0, traces.MOST_SPANS + 1_000, 500):
        batch = [(place, span(number + 1, ABROAD, took=1)) for place, number in enumerate(range(begin, begin + 500))]
        folded = traces.fold(value, batch, now=T)
        assert folded is not None
        value = folded.value
        assert len(value) <= traces.MOST_BYTES
        calls |= {op.usage_id for _, op in applying.ops([folded], USER) if isinstance(op, Call)}
    assert value is not None
    for _, op in applying.ops([traces.settle(value, now=T)], USER):
        if isinstance(op, Call):
            calls.add(op.usage_id)
    assert len(calls) == traces.MOST_SPANS + 1_000
    trace = traces._read(value)
    assert len(trace.spans) <= traces.MOST_SPANS
    assert identity(traces.MOST_SPANS + 1_000) in trace.spans


def test_what_waits_in_too_large_a_note_waits_no_longer() -> None:
    large = (("messages", New("m", b'"' + b"x" * traces.MOST_BYTES + b'"', T)),)
    found = outcome([[span(2, 1, took=5, steps=large)]])
    assert found.written == {"m": f"trace:{TRACE}"}
    assert set(found.calls.values()) == {(f"trace:{TRACE}", 5)}


def test_parents_in_a_circle_end() -> None:
    found = outcome([[span(1, 2, took=5, sure=False, session="s"), span(2, 1, took=6, sure=False)]])
    assert len(found.calls) <= 1
