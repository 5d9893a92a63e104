"""What real instrumentations send, decoded and put into a book: every request once, and parents not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import rollbook
from integrations.telemetry.running import posted_by
from integrations.telemetry.servers import Posted
from rollbook import Rollbook
from rollbook.otlp import mapping, wire
from rollbook.otlp.records import LogRecord, PointRecord, SpanRecord


class Took(NamedTuple):
    """What a call took, and whether it failed."""

    model: str | None
    input: int
    cache_read: int = 0
    output: int = 0
    reasoning: int = 0
    errored: bool = False


class Came(NamedTuple):
    """What an emitter's telemetry comes to: calls by session, and who worked in the first of them."""

    calls: dict[str, Counter[Took]]
    agent: str


MODEL = "gpt-5-mini-2025-08-07"
ONE = Took(MODEL, 600, 400, 40, 60)  # what the provider says of each request
TWO = Counter({ONE: 2})
EMBEDDED = Took("text-embedding-3-small", 7)
UNSAID = ONE._replace(output=100, reasoning=0)  # OpenLLMetry says nothing of the reasoning in a stream

CAME: dict[str, Came] = {
    "openinference": Came({"chat-oi": Counter({ONE: 3, EMBEDDED: 1, Took(None, 0, errored=True): 1})}, "weather"),
    "openllmetry": Came(
        {"chat-ll": Counter([ONE, UNSAID, EMBEDDED, Took("no-such-model", 0, errored=True)])}, "weather"
    ),
    "events": Came({"chat-ev": Counter([ONE])}, "weather"),
    "openai_agents": Came({"chat-oa": TWO}, "Helper"),
    "openai_agents_twice": Came({"chat-oo": TWO}, "Helper"),
    "pydantic_ai": Came({"chat-pa": TWO}, "helper"),
    "pydantic_ai_responses": Came({"chat-pr": TWO}, "helper"),
    "pydantic_ai_sums": Came({"chat-ps": TWO}, "helper"),
    "pydantic_ai_metrics": Came({"chat-pm": TWO}, "helper"),
    # Logfire blackens session.id of the program's own span, so that call's session is named after its trace
    "logfire": Came({"chat-lp": TWO, "trace": Counter([ONE])}, "helper"),
}


@pytest.mark.parametrize("name", CAME)
def test_every_request_is_one_call_whatever_comes_twice_or_late(name: str, tmp_path: Path) -> None:
    spans = understood(posted_by(name))
    with opened(tmp_path / "whole.db") as book:
        observe(book, spans)
        assert said(book) == CAME[name].calls
        assert book.get(next(iter(CAME[name].calls))).agent == CAME[name].agent
        before = figures(book)
        for _ in range(2):
            observe(book, spans)
        assert figures(book) == before
    for order in (1, -1):
        with opened(tmp_path / f"{order}.db") as book:
            for span in spans[::order]:
                observe(book, [span])
            assert said(book) == CAME[name].calls


def understood(posted: list[Posted]) -> list[SpanRecord]:
    """The spans of all bodies; nothing of any signal is left over."""
    kinds = {"traces": SpanRecord, "logs": LogRecord, "metrics": PointRecord}
    spans: list[Any] = []
    for item in posted:
        signal: Any = item.path.removeprefix("/v1/")
        kind, encoding = item.content_type, item.content_encoding
        got = wire.decode(signal, item.body, content_type=kind, content_encoding=encoding, most=1 << 20)
        assert (kind, encoding) == (wire.PROTOBUF, "gzip")
        assert {type(record) for record in got.records} == {kinds[signal]}
        assert (got.rejected, got.message) == (0, "")
        spans += got.records if signal == "traces" else []
    return spans


def opened(path: Path) -> Rollbook:
    return rollbook.open(f"sqlite:///{path}")


def observe(book: Rollbook, spans: list[SpanRecord]) -> None:
    made = mapping.mapped(spans)
    assert made.rejected == 0
    assert not book.observe(made.told).refused


def said(book: Rollbook) -> dict[str, Counter[Took]]:
    """The calls of every session, without those that were taken back."""
    found: dict[str, Counter[Took]] = {}
    for row in book.iterate_usage():
        counts = abs(row.input), abs(row.cache_read), abs(row.output), abs(row.reasoning)
        took = Took(row.model, *counts, row.errored)
        found.setdefault(row.session_id.partition(":")[0], Counter())[took] += row.calls
    assert sum(each.calls for each in book.list().sessions) == sum(each.total() for each in found.values())
    return {name: +each for name, each in found.items()}


def figures(book: Rollbook) -> list[Any]:
    return [*sorted(map(repr, book.iterate_usage())), *sorted(map(repr, sessions(book)))]


def sessions(book: Rollbook) -> Iterator[Any]:
    for each in book.list().sessions:
        yield each.session_id, each.calls, each.tokens_in, each.tokens_out, each.cost_nano_usd, each.turns, each.title
