"""Bodies of OTLP in both encodings, made with the published messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from rollbook.otlp import wire
from rollbook.otlp.records import Decoded

MOST = 1 << 20
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
NANOS = 1_760_000_000_123_456_789
MICROS = NANOS // 1000
TEXT: dict[str, Any] = {"stringValue": "x"}

_LISTS = {"traces": ("Spans", "spans"), "logs": ("Logs", "logRecords"), "metrics": ("Metrics", "metrics")}
_REQUESTS: Mapping[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


def request(signal: wire.Signal, records: list[Any], **resource: Any) -> dict[str, Any]:
    """A request in the words of JSON."""
    scoped, listed = _LISTS[signal]
    scope = {"name": "lib", "version": "1.0"}
    batch = {"resource": {"attributes": attributes(resource)}, f"scope{scoped}": [{"scope": scope, listed: records}]}
    return {f"resource{scoped}": [batch]}


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(each)} for key, each in values.items()]


def value(plain: Any) -> dict[str, Any]:
    match plain:
        case bool():
            return {"boolValue": plain}
        case int():
            return {"intValue": str(plain)}
        case float():
            return {"doubleValue": plain}
        case list():
            return {"arrayValue": {"values": [value(each) for each in plain]}}
        case dict():
            return {"kvlistValue": {"values": attributes(plain)}}
        case _:
            return {"stringValue": plain}


def span(**more: Any) -> dict[str, Any]:
    plain = {"traceId": TRACE, "spanId": SPAN, "name": "chat", "startTimeUnixNano": str(NANOS)}
    return {**plain, "endTimeUnixNano": str(NANOS + 5_000), **more}


def as_json(body: Any) -> bytes:
    return json.dumps(body).encode()


def as_protobuf(signal: wire.Signal, body: dict[str, Any]) -> bytes:
    made = _REQUESTS[signal]()
    fill(made, body)
    raw: bytes = made.SerializeToString()
    return raw


def fill(message: Any, plain: Mapping[str, Any]) -> None:
    """Fill a message as OTLP's own JSON rules say, which are not protobuf's: ids are hex."""
    by_name = {field.json_name: field for field in message.DESCRIPTOR.fields}
    for key, each in plain.items():
        field = by_name[key]
        if isinstance(each, list):
            listed = getattr(message, field.name)
            for item in each:
                fill(listed.add(), item)
        elif isinstance(each, dict):
            inner = getattr(message, field.name)
            inner.SetInParent()
            fill(inner, each)
        elif field.type == field.TYPE_BYTES:
            setattr(message, field.name, bytes.fromhex(each))
        elif field.type in {field.TYPE_FIXED64, field.TYPE_SFIXED64, field.TYPE_INT64}:
            setattr(message, field.name, int(each))
        else:
            setattr(message, field.name, each)


def both(signal: wire.Signal, body: dict[str, Any]) -> Decoded:
    """What both encodings of it say, which is the same."""
    one = read(signal, as_json(body))
    two = read(signal, as_protobuf(signal, body), wire.PROTOBUF)
    assert one.records == two.records
    assert (one.rejected, one.json, two.json) == (two.rejected, True, False)
    return one


def read(signal: wire.Signal, body: bytes, kind: str = wire.JSON, encoding: str = "", most: int = MOST) -> Decoded:
    return wire.decode(signal, body, content_type=kind, content_encoding=encoding, most=most)
