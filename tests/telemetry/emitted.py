"""Records as agents' documentation says that they emit them, and what a book holds in the end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import rollbook
from rollbook.otlp.records import LogRecord, PointRecord, Resource, SpanRecord

T = 1_772_445_600_000_000  #: 2026-03-02 10:00 UTC
SECOND = 1_000_000

CLAUDE = Resource(attributes={"service.name": "claude-code"}, scope="com.anthropic.claude_code.events")
CODEX = Resource(attributes={"service.name": "codex_cli_rs"}, scope="codex_otel")
GEMINI = Resource(attributes={"service.name": "gemini-cli"}, scope="gemini-cli")


def log(sender: Resource, event: str, second: float, **attributes: Any) -> LogRecord:
    """A log record; ``__`` in names of attributes stands for a dot."""
    return LogRecord(
        resource=sender, at_us=T + int(second * SECOND), event=event, body=event, attributes=dotted(attributes)
    )


def span(sender: Resource, name: str, second: float, number: int, **attributes: Any) -> SpanRecord:
    """A root span of a trace of its own that took a second."""
    at = T + int(second * SECOND)
    return SpanRecord(
        resource=sender,
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        name=name,
        start_us=at - SECOND,
        end_us=at,
        attributes=dotted(attributes),
    )


def point(sender: Resource, metric: str, second: float, value: float, **attributes: Any) -> PointRecord:
    """A point of a delta series that covers a minute."""
    at = T + int(second * SECOND)
    return PointRecord(
        resource=sender,
        metric=metric,
        start_us=at - 60 * SECOND,
        at_us=at,
        value=value,
        count=1,
        monotonic=True,
        attributes=dotted(attributes),
    )


def dotted(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def calls(book: rollbook.Rollbook) -> list[tuple[Any, ...]]:
    """The calls that stand in the book, by what they took; not by their names, which the first door gives."""
    standing: Counter[tuple[Any, ...]] = Counter()
    named: Counter[str] = Counter()
    for session in book.list(limit=100).sessions:
        for row in book.usage(session.session_id):
            sign = row.calls
            named[row.usage_id] += sign
            amounts = (row.input, row.cache_read, row.cache_write, row.output, row.reasoning, row.cost_nano_usd)
            what = (*(None if each is None else each * sign for each in amounts), row.model, row.errored)
            standing[session.session_id, *what] += sign
    assert set(named.values()) <= {0, 1}, "a call is counted twice under one name"
    assert min(standing.values(), default=0) >= 0
    return sorted(standing.elements(), key=repr)


def totals(book: rollbook.Rollbook) -> tuple[int, int, int, int]:
    """Calls, tokens in and out, and cost of everything."""
    total = book.spend(by="model", since="all").total
    return total.calls, total.tokens_in, total.tokens_out, total.cost_nano_usd
