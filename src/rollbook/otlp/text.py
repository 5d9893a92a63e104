"""OTLP in JSON: the same records, with ids in hex and long numbers in quotes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from rollbook.errors import InvalidInput
from rollbook.otlp import common, mending
from rollbook.otlp.common import Tally, Unreadable
from rollbook.otlp.records import EventRecord, LogRecord, PointRecord, Resource, SpanRecord

T = TypeVar("T", bound=Struct)
Number = int | float | str | None  # 64-bit numbers come in quotes, and from some as numbers
KEYS: Final = {"traces": "resourceSpans", "logs": "resourceLogs", "metrics": "resourceMetrics"}


class _Request(Struct, rename="camel"):
    resource_spans: list[Raw] | None = None
    resource_logs: list[Raw] | None = None
    resource_metrics: list[Raw] | None = None


class _Batch(Struct, rename="camel"):
    resource: Raw = Raw(b"null")
    scope_spans: list[Raw] | None = None
    scope_logs: list[Raw] | None = None
    scope_metrics: list[Raw] | None = None


class _Scoped(Struct, rename="camel"):
    scope: Raw = Raw(b"null")
    spans: list[Raw] | None = None
    log_records: list[Raw] | None = None
    metrics: list[Raw] | None = None


class _Value(Struct, rename="camel"):
    string_value: str | None = None
    int_value: Number = None
    double_value: Number = None
    bool_value: bool | None = None
    array_value: _Array | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Attribute(Struct):
    key: str
    value: _Value | None = None


class _Array(Struct):
    values: list[_Value | None] | None = None


class _Pairs(Struct):
    values: list[_Attribute] | None = None


class _Resource(Struct):
    attributes: list[_Attribute] | None = None


class _Scope(Struct):
    name: str | None = None
    version: str | None = None


class _Event(Struct, rename="camel"):
    name: str
    time_unix_nano: Number = None
    attributes: list[_Attribute] | None = None


class _Status(Struct):
    message: str | None = None
    code: int | str | None = None


class _Span(Struct, rename="camel"):
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str | None = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[_Attribute] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _Log(Struct, rename="camel"):
    time_unix_nano: Number = None
    observed_time_unix_nano: Number = None
    severity_number: int | str | None = None
    body: _Value | None = None
    attributes: list[_Attribute] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None


class _Series(Struct, rename="camel"):
    data_points: list[Raw] | None = None
    aggregation_temporality: int | str | None = None
    is_monotonic: bool | None = None


class _Metric(Struct, rename="camel"):
    name: str
    unit: str | None = None
    gauge: _Series | None = None
    sum: _Series | None = None
    histogram: _Series | None = None
    exponential_histogram: _Series | None = None
    summary: _Series | None = None


class _Point(Struct, rename="camel"):
    start_time_unix_nano: Number = None
    time_unix_nano: Number = None
    as_int: Number = None
    as_double: Number = None
    count: Number = None
    sum: Number = None
    flags: int | None = None
    attributes: list[_Attribute] | None = None


_DECODERS: Final[dict[type[Struct], msgspec.json.Decoder[Any]]] = {
    shape: msgspec.json.Decoder(shape)
    for shape in (_Request, _Batch, _Scoped, _Resource, _Scope, _Span, _Log, _Metric, _Point)
}
_PARTS: Final[dict[str, type[Struct]]] = {
    "attributes": _Attribute,
    "events": _Event,
}  # of records: lists whose bad items are left out


class Text:
    """Reads one body."""

    json: bool = True

    def records(self, body: bytes, signal: str, tally: Tally) -> Iterator[tuple[Resource, Raw]]:
        """Every record of a body that is still to be read, with its resource."""
        request = _request(body)
        batches = getattr(request, f"resource_{_WORDS[signal][0]}")
        if batches is None:
            _say_where(request, signal, body)
        for raw in batches or ():
            try:
                yield from self._of_batch(_parsed(_Batch, raw), signal, tally)
            except Unreadable as error:
                tally.add(error)

    def _of_batch(self, batch: _Batch, signal: str, tally: Tally) -> Iterator[tuple[Resource, Raw]]:
        of_scope, of_record = _WORDS[signal]
        attributes = _attributes(_lenient(_Resource, batch.resource).attributes)
        for raw in getattr(batch, f"scope_{of_scope}") or ():
            try:
                scoped = _parsed(_Scoped, raw)
            except Unreadable as error:
                tally.add(error)
                continue
            scope = _lenient(_Scope, scoped.scope)
            resource = Resource(attributes=attributes, scope=scope.name or "", scope_version=scope.version or "")
            for record in getattr(scoped, of_record) or ():
                yield resource, record

    def spans(self, resource: Resource, raw: Raw, _tally: Tally) -> list[SpanRecord]:
        """The span of a record.

        Raises:
            Unreadable: it has no ids, or something in it is of a wrong type.
        """
        span = _parsed(_Span, raw)
        start = _micros(span.start_time_unix_nano)
        return [
            SpanRecord(
                resource=resource,
                trace_id=_needed(span.trace_id, 32, "trace"),
                span_id=_needed(span.span_id, 16, "span"),
                parent_id=_id(span.parent_span_id, 16),
                name=span.name or "",
                start_us=start,
                end_us=max(start, _micros(span.end_time_unix_nano)),
                attributes=_attributes(span.attributes),
                failed=span.status is not None and span.status.code in {2, "2", "STATUS_CODE_ERROR"},
                message=(span.status.message or "") if span.status is not None else "",
                events=[
                    EventRecord(
                        name=event.name,
                        at_us=_micros(event.time_unix_nano),
                        attributes=_attributes(event.attributes),
                    )
                    for event in span.events or ()
                ],
            )
        ]

    def logs(self, resource: Resource, raw: Raw, _tally: Tally) -> list[LogRecord]:
        """The log record of a record.

        Raises:
            Unreadable: it says nothing, or something in it is of a wrong type.
        """
        log = _parsed(_Log, raw)
        attributes = _attributes(log.attributes)
        severity = log.severity_number
        record = LogRecord(
            resource=resource,
            at_us=_micros(log.time_unix_nano) or _micros(log.observed_time_unix_nano),
            event=common.event_name(log.event_name or "", attributes),
            body=_value(log.body, 0),
            attributes=attributes,
            trace_id=_id(log.trace_id, 32),
            span_id=_id(log.span_id, 16),
            severity=severity if isinstance(severity, int) else 0,
        )
        return [common.told(record)]

    def metrics(self, resource: Resource, raw: Raw, tally: Tally) -> list[PointRecord]:
        """The points of a metric; those that cannot be understood are counted.

        Raises:
            Unreadable: it has no name, or something in it is of a wrong type.
        """
        metric = _parsed(_Metric, raw)
        kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
        kind = next((each for each in kinds if getattr(metric, each) is not None), None)
        if not metric.name or kind is None:
            raise Unreadable("a metric without a name or without points")
        series = getattr(metric, kind)
        cumulative = series.aggregation_temporality in {2, "2", "AGGREGATION_TEMPORALITY_CUMULATIVE"}
        of_kind = common.kind_of(kind, cumulative=cumulative, monotonic=bool(series.is_monotonic))
        found = []
        for each in series.data_points or ():
            try:
                point = _parsed(_Point, each)
                if not (point.flags or 0) & common.NO_VALUE:
                    found.append(_point(resource, metric, kind, point, of_kind))
            except Unreadable as error:
                tally.add(error)
        return found

    def signal_of(self, _raw: Raw) -> str:
        """Which signal a record looks like: the names of the lists have already told."""
        return ""


_WORDS: Final = {"traces": ("spans", "spans"), "logs": ("logs", "log_records"), "metrics": ("metrics", "metrics")}


def _request(body: bytes) -> _Request:
    decoder: msgspec.json.Decoder[_Request] = _DECODERS[_Request]
    try:
        try:
            return decoder.decode(body or b"{}")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return decoder.decode(mending.regular(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the body is not an OTLP request in JSON: {error}") from error


def _say_where(request: _Request, signal: str, body: bytes) -> None:
    for other, key in KEYS.items():
        if getattr(request, f"resource_{_WORDS[other][0]}") is not None:
            raise InvalidInput(f"these are {other}, not {signal}: there is {key} in the body. Post them to /v1/{other}")
    if body.strip() not in {b"", b"{}"}:
        raise InvalidInput(f"the body has no {KEYS[signal]}: it is not an OTLP request of {signal}")


def _parsed(shape: type[T], raw: Raw) -> T:
    try:
        decoder: msgspec.json.Decoder[T] = _DECODERS[shape]
        return decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return mending.mended(shape, bytes(raw), _PARTS, str(error))


def _lenient(shape: type[T], raw: Raw) -> T:
    """The description of a record, or an empty one: it must not cost the record."""
    try:
        return _parsed(shape, raw)
    except Unreadable:
        return shape()


def _point(resource: Resource, metric: _Metric, kind: str, point: _Point, of_kind: tuple[bool, bool]) -> PointRecord:
    plain = kind in {"gauge", "sum"}
    value: int | float | None = 0.0  # of a histogram that has no sum
    if plain:
        value = _int(point.as_int) if point.as_int is not None else _double(point.as_double)
    elif point.sum is not None:
        value = _double(point.sum)
    return PointRecord(
        resource=resource,
        metric=metric.name,
        unit=metric.unit or "",
        start_us=_micros(point.start_time_unix_nano),
        at_us=_micros(point.time_unix_nano),
        value=common.number(value),
        count=1 if plain else (_int(point.count) or 0),
        cumulative=of_kind[0],
        monotonic=of_kind[1],
        attributes=_attributes(point.attributes),
    )


def _attributes(found: list[_Attribute] | None) -> dict[str, Any]:
    return {each.key: _value(each.value, 0) for each in found or () if each.key}


def _value(value: _Value | None, depth: int) -> Any:
    if value is None or depth > common.DEEPEST:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _int(value.int_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _double(value.double_value)
    return _long_value(value, depth)


def _long_value(value: _Value, depth: int) -> Any:
    if value.array_value is not None:
        return [_value(each, depth + 1) for each in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return {each.key: _value(each.value, depth + 1) for each in value.kvlist_value.values or ()}
    if value.bytes_value is not None:
        try:
            return base64.b64decode(value.bytes_value)
        except binascii.Error:
            return None
    return None


def _int(number: Number) -> int | None:
    try:
        return None if number is None else common.whole(int(number))
    except (ValueError, OverflowError):
        return None


def _double(number: Number) -> float | None:
    try:
        return None if number is None else common.finite(float(number))
    except (ValueError, OverflowError):
        return None


def _micros(nanos: Number) -> int:
    try:
        return 0 if nanos is None else common.micros(int(nanos))
    except (ValueError, OverflowError):
        return 0


def _id(text: str | None, size: int) -> str:
    return text.lower() if text and len(text) == size and _HEX(text) and text.strip("0") else ""


def _needed(text: str, size: int, what: str) -> str:
    found = _id(text, size)
    if not found:
        raise Unreadable(f"a span whose {what} id is not {size} hex digits, or all zero")
    return found


_HEX: Final[Callable[[str], object]] = re.compile(r"[0-9A-Fa-f]+").fullmatch


def answer(signal: str, rejected: int, message: str) -> bytes:
    """The response to an export."""
    if not (rejected or message):
        return b"{}"
    # A long number of protobuf is text in its JSON.
    return msgspec.json.encode({"partialSuccess": {_REJECTED[signal]: str(rejected), "errorMessage": message}})


_REJECTED: Final = {"traces": "rejectedSpans", "logs": "rejectedLogRecords", "metrics": "rejectedDataPoints"}
