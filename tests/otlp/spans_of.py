"""Spans for tests, and what was understood of them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rollbook.otlp import spans
from rollbook.otlp.records import Resource, SpanRecord
from rollbook.telemetry.told import SpanTold

T: Final = 1_772_445_600_000_000
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
SPAN: Final = "b7ad6b7169203331"


def record(name: str = "span", /, *, resource: Resource | None = None, **more: Any) -> SpanRecord:
    """A span that took a second; ``attributes`` are its own."""
    said: dict[str, Any] = {
        "trace_id": TRACE, "span_id": SPAN, "parent_id": "aaaaaaaaaaaaaaaa", "name": name, "start_us": T,
        "end_us": T + 1_000_000, **more,
    }  # fmt: skip
    return SpanRecord(resource=resource or Resource(), **said)


def told(name: str = "span", /, *, resource: Resource | None = None, **more: Any) -> SpanTold:
    return spans.told(record(name, resource=resource, **more))


def steps(found: SpanTold) -> list[dict[str, Any]]:
    return [msgspec.json.decode(new.body) for stream, new in found.steps if stream == "trace"]


def messages(found: SpanTold) -> list[tuple[str, str]]:
    bodies = [msgspec.json.decode(new.body) for stream, new in found.steps if stream == "messages"]
    return [(body["role"], body["content"]) for body in bodies]
