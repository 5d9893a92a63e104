"""What telemetry tells of traces comes to the same on every engine: what waits, sums that are taken back, and money."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from rollbook.journal.steps import New
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.telemetry import names, traces
from rollbook.telemetry.told import SpanTold

from .tools import MINUTE, NOW, Clock, opened

pytestmark = pytest.mark.usefixtures("engine")

TRACE: Final = "c" * 32


def span(number: int, parent: str, took: int, *, sure: bool = True, session: str | None = None) -> SpanTold:
    at = NOW - MINUTE + number
    name = f"{number:016x}"
    call = Call(
        user_id="", session_id="", usage_id=names.span(TRACE, name), occurred_at=at, tokens=Tokens(input=took),
        cost_nano=took, cost_source="reported", source="test", evidence=Evidence.SPAN,
    )  # fmt: skip
    return SpanTold(
        trace_id=TRACE, span_id=name, parent_id=parent, session_id=session, at=at, until=at, call=call, sure=sure,
        steps=(("messages", New(name, b'{"role":"user","content":"hi"}', at)),),
    )  # fmt: skip


def test_r16_a_sum_is_taken_back_when_its_parts_arrive_on_every_engine() -> None:
    with opened() as book:
        book.observe([span(1, "", 100, sure=False, session="s")])
        assert (book.get("s").calls, book.get("s").tokens_in) == (1, 100)
        for _ in range(2):
            book.observe(
                [span(2, f"{1:016x}", 30), span(3, f"{1:016x}", 40), span(1, "", 100, sure=False, session="s")]
            )
            session = book.get("s")
            assert (session.calls, session.tokens_in, session.cost_usd) == (2, 70, 70 / 1e9)
        assert len(book.conversation("s")) == 3
        assert book.verify().ok


def test_what_nobody_names_is_settled_on_every_engine_and_the_oldest_first() -> None:
    clock = Clock()
    with opened(clock) as book:
        for number in range(3):
            clock.now = NOW + number * MINUTE
            book.observe([replace(span(number + 1, "f" * 16, 5), trace_id=f"{number:032x}")])
        assert not book.list().sessions
        clock.now = NOW + MINUTE + traces.PATIENCE_US
        assert book.settle() == 2
        assert {session.session_id for session in book.list().sessions} == {f"trace:{n:032x}" for n in range(2)}
        clock.now += MINUTE
        assert book.settle() == 1
        assert book.settle() == 0
        assert book.verify().ok
