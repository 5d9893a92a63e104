"""OTLP bodies: the same records from both encodings, and one bad record never costs the batch."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from otlp.bodies import (
    MICROS,
    NANOS,
    SPAN,
    TEXT,
    TRACE,
    as_json,
    as_protobuf,
    attributes,
    both,
    read,
    request,
    span,
)
from rollbook.otlp import wire
from rollbook.otlp.records import EventRecord, LogRecord, PointRecord, Resource, SpanRecord

LIB = Resource(attributes={"service.name": "bot"}, scope="lib", scope_version="1.0")
VALUES = {
    "s": "text",
    "b": False,
    "i": -(2**63),
    "z": 0,
    "d": 0.5,
    "l": ["a", 1, [True]],
    "m": {"k": {"n": 2}},
    "e": "",
}


def test_a_span_says_the_same_in_both_encodings() -> None:
    spoken = span(
        parentSpanId="00f067aa0ba902b7",
        attributes=attributes(VALUES),
        status={"code": 2, "message": "boom"},
        events=[{"name": "exception", "timeUnixNano": str(NANOS), "attributes": attributes({"exception.type": "E"})}],
    )
    got = both("traces", request("traces", [spoken], **{"service.name": "bot"}))
    assert got.records == [
        SpanRecord(
            resource=LIB,
            trace_id=TRACE,
            span_id=SPAN,
            parent_id="00f067aa0ba902b7",
            name="chat",
            start_us=MICROS,
            end_us=MICROS + 5,
            attributes=VALUES,
            failed=True,
            message="boom",
            events=[EventRecord(name="exception", at_us=MICROS, attributes={"exception.type": "E"})],
        )
    ]
    assert (got.rejected, got.message) == (0, "")


def test_a_log_record_says_the_same_in_both_encodings() -> None:
    plain = {"timeUnixNano": str(NANOS), "severityNumber": 9, "attributes": attributes({"a": 1})}
    records = [
        {**plain, "body": {"stringValue": "hi"}, "traceId": TRACE, "spanId": SPAN, "eventName": "gen_ai.choice"},
        {"observedTimeUnixNano": str(NANOS), "attributes": attributes({"event.name": "codex.sse_event"})},
    ]
    assert both("logs", request("logs", records, **{"service.name": "bot"})).records == [
        LogRecord(
            resource=LIB,
            at_us=MICROS,
            event="gen_ai.choice",
            body="hi",
            attributes={"a": 1},
            trace_id=TRACE,
            span_id=SPAN,
            severity=9,
        ),
        LogRecord(resource=LIB, at_us=MICROS, event="codex.sse_event", attributes={"event.name": "codex.sse_event"}),
    ]


def test_points_say_the_same_in_both_encodings() -> None:
    at = {"startTimeUnixNano": str(NANOS - 1_000_000), "timeUnixNano": str(NANOS)}
    told = {**at, "attributes": attributes({"type": "input"})}
    measured = {**told, "count": "3", "sum": 4.5}
    metrics = [
        {"name": "a", "unit": "1", "sum": _series({**told, "asInt": "-7"}, aggregationTemporality=1, isMonotonic=True)},
        {"name": "b", "sum": _series({**told, "asDouble": 1.5}, aggregationTemporality=2)},
        {"name": "c", "gauge": _series({**told, "asInt": "0"})},
        {"name": "d", "histogram": _series(measured, aggregationTemporality=2)},
        {"name": "e", "exponentialHistogram": _series(measured, aggregationTemporality=1)},
        {"name": "f", "summary": _series(measured)},
        {"name": "g", "histogram": _series({**at, "count": "3"}, {**measured, "flags": 1}, aggregationTemporality=1)},
    ]
    found = both("metrics", request("metrics", metrics, **{"service.name": "bot"})).records
    assert [_said(point) for point in found] == [
        ("a", -7, 1, False, True),
        ("b", 1.5, 1, True, False),
        ("c", 0, 1, False, False),
        ("d", 4.5, 3, True, True),
        ("e", 4.5, 3, False, True),
        ("f", 4.5, 3, True, True),
        ("g", 0, 3, False, True),
    ]
    first = found[0]
    assert isinstance(first, PointRecord)
    assert first.resource == LIB
    assert (first.unit, first.start_us, first.at_us, first.attributes) == (
        "1",
        MICROS - 1000,
        MICROS,
        {"type": "input"},
    )


def _series(*points: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"dataPoints": list(points), **more}


def _said(point: object) -> tuple[Any, ...]:
    assert isinstance(point, PointRecord)
    return point.metric, point.value, point.count, point.cumulative, point.monotonic


def test_json_is_read_as_senders_write_it() -> None:
    spoken = span(
        traceId=TRACE.upper(),
        startTimeUnixNano=NANOS,
        parentSpanId="",
        status={"code": "STATUS_CODE_ERROR"},
        attributes=[
            {"key": "n", "value": {"intValue": 5}},
            {"key": "f", "value": {"doubleValue": "1.5"}},
            {"key": "w", "value": {"doubleValue": 2}},
            {"key": "y", "value": {"bytesValue": "AAE="}},
            {"key": "none"},
            {"key": "later", "value": {"newKindOfValue": 1}},
        ],
        links=None,
        somethingNew={"a": [1]},
    )
    (record,) = read("traces", as_json(request("traces", [spoken])), "Application/JSON; charset=utf-8").records
    assert isinstance(record, SpanRecord)
    assert (record.trace_id, record.start_us, record.failed, record.parent_id) == (TRACE, MICROS, True, "")
    assert record.attributes == {"n": 5, "f": 1.5, "w": 2.0, "y": b"\0\1", "none": None, "later": None}


@pytest.mark.parametrize(
    "bad",
    [
        span(traceId=""),
        span(traceId="00" * 16),
        span(traceId=TRACE[:-2]),
        span(spanId=""),
        span(spanId=SPAN + "00"),
        {"name": "nothing else"},
    ],
)
def test_a_span_without_ids_costs_only_itself(bad: dict[str, Any]) -> None:
    got = both("traces", request("traces", [span(), bad, span(name="last")]))
    assert [getattr(record, "name", None) for record in got.records] == ["chat", "last"]
    assert got.rejected == 1
    assert got.message.startswith("1 could not be understood; the first: ")


@pytest.mark.parametrize(
    "bad",
    [
        span(name=7),
        span(traceId=5),
        span(traceId="g" * 32),
        span(attributes="none"),
        span(status=[]),
        [],
        "span",
        None,
        17,
    ],
)
def test_a_record_of_wrong_types_costs_only_itself(bad: Any) -> None:
    got = read("traces", as_json(request("traces", [bad, span()])))
    assert (len(got.records), got.rejected) == (1, 1)


@pytest.mark.parametrize("level", ["batch", "scope"])
def test_a_batch_that_is_none_costs_only_itself(level: str) -> None:
    body = request("traces", [span()])
    (body["resourceSpans"] if level == "batch" else body["resourceSpans"][0]["scopeSpans"]).insert(0, "what")
    got = read("traces", as_json(body))
    assert (len(got.records), got.rejected) == (1, 1)


@pytest.mark.parametrize(
    "bad",
    [
        {"key": 5, "value": TEXT},
        {"value": TEXT},
        {"key": "bad", "value": {"stringValue": 5}},
        {"key": "bad", "value": {"boolValue": "true"}},
        {"key": "bad", "value": {"arrayValue": [1]}},
        "attribute",
        None,
    ],
)
def test_a_bad_attribute_costs_not_its_record(bad: Any) -> None:
    good = {"key": "good", "value": TEXT}
    spoken = span(attributes=[bad, good], events=[bad, {"name": "e", "attributes": [good, bad]}])
    (record,) = read("traces", as_json(request("traces", [spoken]))).records
    assert isinstance(record, SpanRecord)
    assert record.attributes == {"good": "x"}
    assert record.events == [EventRecord(name="e", attributes={"good": "x"})]


def test_a_bad_resource_costs_not_its_records() -> None:
    body = request("traces", [span()])
    body["resourceSpans"][0] |= {"resource": {"attributes": 5}}
    body["resourceSpans"][0]["scopeSpans"][0]["scope"] = 5
    (record,) = read("traces", as_json(body)).records
    assert record.resource == Resource()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(number: float) -> None:
    got = both("traces", request("traces", [span(attributes=attributes({"n": number, "m": 1}))]))
    (record,) = got.records
    assert record.attributes == {"n": None, "m": 1}
    points = _series({"timeUnixNano": str(NANOS), "asDouble": number}, {"timeUnixNano": str(NANOS), "asDouble": 1.0})
    got = both("metrics", request("metrics", [{"name": "a", "gauge": points}]))
    assert (len(got.records), got.rejected) == (1, 1)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_may_come_in_quotes(word: str) -> None:
    spoken = span(attributes=[{"key": "n", "value": {"doubleValue": word}}])
    (record,) = read("traces", as_json(request("traces", [spoken]))).records
    assert record.attributes == {"n": None}


@pytest.mark.parametrize("nanos", ["-1", str(2**64), "9" * 5000, "soon", 1.5e300])
def test_a_time_that_cannot_be_is_none(nanos: Any) -> None:
    (record,) = read("traces", as_json(request("traces", [span(startTimeUnixNano=nanos)]))).records
    assert isinstance(record, SpanRecord)
    assert (record.start_us, record.end_us) == (0, MICROS + 5)


def test_a_span_ends_no_sooner_than_it_starts() -> None:
    got = both("traces", request("traces", [span(endTimeUnixNano="1000"), span(endTimeUnixNano=str(2**64 - 1))]))
    assert [getattr(record, "end_us", 0) for record in got.records] == [MICROS, (2**64 - 1) // 1000]


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 20, "-" + "9" * 30, str(2**63), "1e300"])
@pytest.mark.parametrize("quotes", ['"', ""])
def test_a_number_that_does_not_fit_is_left_out(number: Any, quotes: str) -> None:
    spoken = span(attributes=[{"key": "n", "value": {"intValue": "NUMBER"}}])
    said = as_json(request("traces", [spoken])).replace(b'"NUMBER"', f"{quotes}{number}{quotes}".encode())
    (record,) = read("traces", said).records
    assert record.attributes == {"n": None}


@pytest.mark.parametrize("depth", [33, 90, 400, 20_000])
def test_depth_costs_nothing_but_what_is_deep(depth: int) -> None:
    deep = _deep_json(depth)
    body = as_json(request("traces", [span(attributes=attributes({"deep": "DEEP", "flat": 1})), span()]))
    got = read("traces", body.replace(b'{"stringValue": "DEEP"}', deep))
    assert (len(got.records), got.rejected) == (2, 0)
    assert got.records[0].attributes["flat"] == 1
    assert _depth(got.records[0].attributes["deep"]) < 40
    raw = as_protobuf("traces", request("traces", [span(), span()])) + _deep_protobuf(depth)
    got = read("traces", raw, wire.PROTOBUF)
    assert (len(got.records), got.rejected) == (3, 0)
    assert _depth(got.records[2].attributes["deep"]) < 40


def _deep_json(depth: int) -> bytes:
    return b'{"arrayValue": {"values": [' * depth + b'{"intValue": 1}' + b"]}}" * depth


def _deep_protobuf(depth: int) -> bytes:
    value = b"\x18\x01"
    for _ in range(depth):
        value = _field(5, _field(1, value))
    attribute = _field(1, b"deep") + _field(2, value)
    whole = _field(1, bytes.fromhex(TRACE)) + _field(2, bytes.fromhex(SPAN)) + _field(9, attribute)
    return _field(1, _field(2, _field(2, whole)))


def _field(number: int, payload: bytes) -> bytes:
    size, varint = len(payload), b""
    while size > 127:
        varint += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([size]) + payload


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("kind", [wire.JSON, wire.PROTOBUF])
def test_text_that_is_cut_in_a_character_is_kept(kind: str) -> None:
    body = request("traces", [span(name="größer", attributes=attributes({"größer": "größer"})), span()])
    plain = json.dumps(body, ensure_ascii=False).encode()
    whole = plain if kind == wire.JSON else as_protobuf("traces", body)
    got = read("traces", whole.replace("größer".encode(), "grö".encode()[:3] + b"    x"), kind)
    assert (len(got.records), got.rejected) == (2, 0)
    first = got.records[0]
    assert isinstance(first, SpanRecord)
    assert (first.name, first.attributes) == ("gr\ufffd    x", {"gr\ufffd    x": "gr\ufffd    x"})


def test_half_a_character_of_json_is_kept() -> None:
    said = rb"\ud83d \\ud83d \udE00\ud83D\uDE00 \ud83d\u0041\udfff"
    got = read("traces", as_json(request("traces", [span(name="HALF"), span()])).replace(b"HALF", said))
    assert [getattr(record, "name", "") for record in got.records] == ["\ufffd \\ud83d \ufffd😀 \ufffdA\ufffd", "chat"]


def test_nothing_is_shared_between_records_that_could_be_changed() -> None:
    spoken = span(attributes=attributes({"tags": ["a"]}))
    one, two = both("traces", request("traces", [spoken, spoken])).records
    one.attributes["tags"].append("b")
    assert two.attributes["tags"] == ["a"]
