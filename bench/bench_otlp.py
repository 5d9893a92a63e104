"""How fast bodies of telemetry become records, beside the protobuf library's own way to dictionaries and plain JSON.

    python bench/bench_otlp.py [--small] [--spans N] [--bodies N]

A body is a batch of spans as an instrumentation of GenAI calls sends it: two dozen attributes, two of them texts. Every
variant decodes the same bodies again and again; the figure is spans a second, and the percentiles are of one body.

- ``protobuf`` and ``JSON`` are :func:`rollbook.otlp.wire.decode`;
- ``MessageToDict`` parses with the published messages and makes dictionaries, as the protobuf library does it;
- ``walk`` parses with the published messages and takes out by hand what a record has, refusing nothing;
- ``json.loads`` only parses.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import harness
from harness import Measured, Variant, latencies, now, settle
from rollbook.otlp import wire

_MOST: Final = 64 << 20
_START: Final = 1_760_000_000_000_000_000


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--spans", type=int, default=500, help="in a body")
    parser.add_argument("--bodies", type=int, default=None)
    given = parser.parse_args(argv)
    bodies = given.bodies or (10 if given.small else 100)
    told = harness.alternate(_variants(given.spans, bodies), given.rounds or harness.ROUNDS)
    harness.report("otlp", told, {"spans": given.spans, "bodies": bodies, "bytes": len(body_of(given.spans))})
    return 0


def _variants(spans: int, bodies: int) -> list[Variant]:
    def variant(name: str, baseline: str | None = None) -> Variant:
        return Variant(name=name, run=_decode, arguments=(name, spans, bodies), baseline=baseline, must_agree="spans")

    return [
        variant("MessageToDict"),
        variant("walk", "MessageToDict"),
        variant("protobuf", "MessageToDict"),
        variant("json.loads"),
        variant("JSON", "json.loads"),
    ]


def _decode(name: str, spans: int, bodies: int) -> Measured:
    body = body_of(spans)
    way, raw = _WAYS[name], _as_json(body) if name in {"JSON", "json.loads"} else body
    way(raw)  # what is made once is made before
    settle()
    taken = []
    found = 0
    for _ in range(bodies):
        start = now()
        found = way(raw)
        taken.append(now() - start)
    p50, p99 = latencies(taken)
    return Measured(rate=spans * bodies / sum(taken), p50_ms=p50, p99_ms=p99, checks=found)


def _ours(raw: bytes, kind: str) -> int:
    got = wire.decode("traces", raw, content_type=kind, content_encoding="", most=_MOST)
    return len(got.records)


def _dictionaries(raw: bytes) -> int:
    found = json_format.MessageToDict(ExportTraceServiceRequest.FromString(raw))
    return _count(found)


def _walk(raw: bytes) -> int:
    found = []
    for batch in ExportTraceServiceRequest.FromString(raw).resource_spans:
        for scoped in batch.scope_spans:
            for span in scoped.spans:
                attributes = {each.key: _value(each.value) for each in span.attributes}
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                found.append((ids, span.name, span.start_time_unix_nano, span.end_time_unix_nano, attributes))
    return len(found)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def _plain(raw: bytes) -> int:
    return _count(json.loads(raw))


def _count(request: dict[str, Any]) -> int:
    return len(request["resourceSpans"][0]["scopeSpans"][0]["spans"])


_WAYS: Final[dict[str, Callable[[bytes], int]]] = {
    "MessageToDict": _dictionaries,
    "walk": _walk,
    "protobuf": lambda raw: _ours(raw, wire.PROTOBUF),
    "json.loads": _plain,
    "JSON": lambda raw: _ours(raw, wire.JSON),
}


def body_of(spans: int, batch_no: int = 0) -> bytes:
    """A body of so many spans; those of another batch are of other traces, calls and sessions."""
    request = ExportTraceServiceRequest()
    batch = request.resource_spans.add()
    _put(batch.resource, {"service.name": "bench"})
    scoped = batch.scope_spans.add()
    scoped.scope.name = "bench"
    for number in range(1 + batch_no * spans, (batch_no + 1) * spans + 1):
        span = scoped.spans.add(trace_id=number.to_bytes(16), span_id=number.to_bytes(8), name="chat gpt-5")
        span.start_time_unix_nano, span.end_time_unix_nano = _START + number, _START + number + 10**9
        _put(span, _attributes(number))
    raw: bytes = request.SerializeToString()
    return raw


def _attributes(number: int) -> dict[str, Any]:
    said, answered = _message("user", number), _message("assistant", number)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2025-08-07",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 1000 + number,
        "gen_ai.usage.output_tokens": 100 + number,
        "gen_ai.usage.cache_read.input_tokens": number,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.conversation.id": f"chat-{number % 10}",
        "gen_ai.agent.name": "helper",
        "gen_ai.input.messages": said,
        "gen_ai.output.messages": answered,
        "server.address": "api.openai.com",
        "server.port": 443,
        **{f"app.label.{place}": f"value {number * place % 7}" for place in range(8)},
    }


def _message(role: str, number: int) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": f"{number} " + "x" * 100}]}])


def _put(holder: Any, values: dict[str, Any]) -> None:
    for key, each in values.items():
        attribute = holder.attributes.add()
        attribute.key = key
        if isinstance(each, list):
            for item in each:
                attribute.value.array_value.values.add().string_value = item
        else:
            word = {str: "string_value", int: "int_value", float: "double_value"}[type(each)]
            setattr(attribute.value, word, each)


def _as_json(body: bytes) -> bytes:
    request = json_format.MessageToDict(ExportTraceServiceRequest.FromString(body))
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId"):
            span[key] = base64.b64decode(span[key]).hex()  # OTLP's JSON is not protobuf's there
    return json.dumps(request).encode()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
