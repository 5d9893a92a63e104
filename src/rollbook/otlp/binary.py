"""OTLP in protobuf: batches, records and values, each parsed alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sys import intern
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.otlp import common, schema
from rollbook.otlp.common import Tally, Unreadable
from rollbook.otlp.records import EventRecord, LogRecord, PointRecord, Resource, SpanRecord

_FAILED: Final = 2
_WORTH_KEEPING: Final = 64  # bytes of an attribute; longer ones are texts, which do not come twice


class Binary:
    """Reads one body. Most attributes of a batch are the same on every record: each is parsed once."""

    json: bool = False

    def __init__(self) -> None:
        self._is = schema.messages()
        self._seen: dict[bytes, tuple[str, Any]] = {}
        self._keys: dict[bytes, str] = {}

    def records(self, body: bytes, signal: str, tally: Tally) -> Iterator[tuple[Resource, bytes]]:
        """Every record of a body that is still to be read, with its resource."""
        if body[:1] == b"{":  # a request in protobuf starts with a line feed
            raise InvalidInput("the body looks like JSON: send it with Content-Type: application/json")
        if not body:
            return
        # Most scopes of a body are of one resource.
        known: dict[bytes, dict[str, Any]] = {}
        for sender, scoped in self._scopes(body, signal, tally):
            attributes = known.get(sender)
            if attributes is None:
                attributes = known[sender] = self._attributes(self._lenient(self._is.Resource, sender).attributes)
            scope = self._lenient(self._is.Scope, scoped.scope)
            resource = Resource(attributes=attributes, scope=_text(scope.name), scope_version=_text(scope.version))
            for record in scoped.records:
                yield resource, record

    def _scopes(self, body: bytes, signal: str, tally: Tally) -> Iterator[tuple[bytes, Any]]:
        """What a body holds, with what is said of who sent it: what is wrong costs only itself."""
        try:
            batches = self._is.Request.FromString(body).batches
        except self._is.DecodeError:
            yield from self._parts(body, signal, tally)
            return
        if not batches:
            raise InvalidInput(f"the body has nothing of an OTLP request of {signal} in it")
        for batch in batches:
            for scoped in batch.scopes:
                yield batch.resource, scoped

    def _parts(self, body: bytes, signal: str, tally: Tally) -> Iterator[tuple[bytes, Any]]:
        try:
            batches = self._parsed(self._is.Batches, body).batches
        except Unreadable as error:
            raise InvalidInput(f"the body is not an OTLP request of {signal} in protobuf: {error}") from error
        for raw in batches:
            try:
                batch = self._parsed(self._is.Scopes, raw)
            except Unreadable as error:
                tally.add(error)
                continue
            for each in batch.scopes:
                try:
                    yield batch.resource, self._parsed(self._is.Scoped, each)
                except Unreadable as error:
                    tally.add(error)

    def spans(self, resource: Resource, raw: bytes, _tally: Tally) -> list[SpanRecord]:
        """The span of a record.

        Raises:
            Unreadable: it has no ids, or is no message at all.
        """
        span = self._parsed(self._is.Span, raw)
        start = common.micros(span.start)
        status = self._lenient(self._is.Status, span.status) if span.status else None
        parent = span.parent_id
        return [
            SpanRecord(
                resource=resource,
                trace_id=_needed(span.trace_id, 16, "trace"),
                span_id=_needed(span.span_id, 8, "span"),
                parent_id=_id(parent, 8) if parent else "",
                name=_text(span.name),
                start_us=start,
                end_us=max(start, common.micros(span.end)),
                attributes=self._attributes(span.attributes),
                failed=status is not None and status.code == _FAILED,
                message=_text(status.message) if status is not None else "",
                events=list(self._events(span.events)) if span.events else [],
            )
        ]

    def _events(self, raws: Iterable[bytes]) -> Iterator[EventRecord]:
        for raw in raws:
            event = self._lenient(self._is.Event, raw)
            if event.name:
                attributes = self._attributes(event.attributes)
                yield EventRecord(name=_text(event.name), at_us=common.micros(event.time), attributes=attributes)

    def logs(self, resource: Resource, raw: bytes, _tally: Tally) -> list[LogRecord]:
        """The log record of a record.

        Raises:
            Unreadable: it says nothing, or is no message at all.
        """
        log = self._parsed(self._is.Log, raw)
        attributes = self._attributes(log.attributes)
        record = LogRecord(
            resource=resource,
            at_us=common.micros(log.time) or common.micros(log.seen),
            event=common.event_name(_text(log.event), attributes),
            body=self._value(self._lenient(self._is.Value, log.body), 0),
            attributes=attributes,
            trace_id=_id(log.trace_id, 16),
            span_id=_id(log.span_id, 8),
            severity=log.severity,
        )
        return [common.told(record)]

    def metrics(self, resource: Resource, raw: bytes, tally: Tally) -> list[PointRecord]:
        """The points of a metric; those that cannot be understood are counted.

        Raises:
            Unreadable: it has no name, or is no message at all.
        """
        metric = self._parsed(self._is.Metric, raw)
        kind = metric.WhichOneof("one")
        if not _is_text(metric.name) or kind is None:
            raise Unreadable("a metric without a name or without points")
        series = self._parsed(self._is.Series, getattr(metric, kind))
        shape = getattr(self._is, _SHAPES[kind])
        cumulative = series.temporality == common.CUMULATIVE
        of_kind = common.kind_of(kind, cumulative=cumulative, monotonic=series.monotonic)
        name, unit = _text(metric.name), _text(metric.unit)
        found = []
        for each in series.points:
            try:
                point = self._parsed(shape, each)
                if point.flags & common.NO_VALUE:
                    continue
                value, count = _number(point) if shape is self._is.Number else (point.sum, point.count)
                found.append(
                    PointRecord(
                        resource=resource,
                        metric=name,
                        unit=unit,
                        start_us=common.micros(point.start),
                        at_us=common.micros(point.time),
                        value=common.number(value),
                        count=count,
                        cumulative=of_kind[0],
                        monotonic=of_kind[1],
                        attributes=self._attributes(point.attributes),
                    )
                )
            except Unreadable as error:
                tally.add(error)
        return found

    def signal_of(self, raw: bytes) -> str:
        """Which signal a record looks like, "" for none: by the lengths and types of its first fields."""
        span = self._lenient(self._is.Span, raw)
        if _id(span.trace_id, 16) and _id(span.span_id, 8):
            return "traces"
        log = self._lenient(self._is.Log, raw)
        if log.time or log.seen:
            return "logs"
        metric = self._lenient(self._is.Metric, raw)
        return "metrics" if _is_text(metric.name) and metric.WhichOneof("one") else ""

    def _attributes(self, raws: Iterable[bytes]) -> dict[str, Any]:
        seen = self._seen
        found: dict[str, Any] = {}
        for raw in raws:
            pair = seen.get(raw)
            if pair is None:
                pair = self._attribute(raw)
                if len(raw) <= _WORTH_KEEPING:
                    seen[raw] = pair
            found[pair[0]] = pair[1]
        found.pop("", None)
        return found

    def _attribute(self, raw: bytes) -> tuple[str, Any]:
        try:
            pair = self._is.Attribute.FromString(raw)
        except self._is.DecodeError:
            return "", None
        raw_key, value = pair.key, pair.value
        key = self._keys.get(raw_key)
        if key is None:
            key = self._keys[raw_key] = intern(raw_key.decode("utf-8", "replace"))  # they are looked up again and again
        if said := value.string:  # nearly all are texts or numbers, and a value is but one thing
            return key, said.decode("utf-8", "replace")
        return key, value.int or self._value(value, 0)

    def _value(self, value: Any, depth: int) -> Any:
        kind = value.WhichOneof("one")
        if kind is None or depth > common.DEEPEST:
            return None
        if kind == "string":
            return value.string.decode("utf-8", "replace")
        found = getattr(value, kind)
        if kind == "double":
            return common.finite(found)
        if kind == "array":
            values = self._lenient(self._is.Values, found).values
            return [self._value(self._lenient(self._is.Value, each), depth + 1) for each in values]
        if kind == "pairs":
            pairs = (self._lenient(self._is.Attribute, each) for each in self._lenient(self._is.Values, found).values)
            return {_text(pair.key): self._value(pair.value, depth + 1) for pair in pairs}
        return found

    def _parsed(self, shape: Any, raw: bytes) -> Any:
        try:
            return shape.FromString(raw)
        except self._is.DecodeError as error:
            raise Unreadable(str(error).removeprefix("Error parsing message with type ")) from error

    def _lenient(self, shape: Any, raw: bytes) -> Any:
        """The message, or an empty one: what describes a record must not cost it."""
        try:
            return shape.FromString(raw)
        except self._is.DecodeError:
            return shape()


_SHAPES: Final = {
    "gauge": "Number",
    "sum": "Number",
    "histogram": "Histogram",
    "exponential": "Exponential",
    "summary": "Summary",
}


def _number(point: Any) -> tuple[int | float | None, int]:
    kind = point.WhichOneof("one")
    return (None if kind is None else getattr(point, kind)), 1


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _is_text(raw: bytes) -> bool:
    """Whether it can be a metric's name; the id of a trace, which stands in its place in a span, hardly ever can."""
    text = _text(raw)
    return bool(text) and text.isprintable() and "\ufffd" not in text


def _id(raw: bytes, size: int) -> str:
    return raw.hex() if len(raw) == size and any(raw) else ""


def _needed(raw: bytes, size: int, what: str) -> str:
    found = _id(raw, size)
    if not found:
        raise Unreadable(f"a span whose {what} id is not {size} bytes, or all zero")
    return found


def answer(rejected: int, message: str) -> bytes:
    """The response to an export; that of every signal has the same shape."""
    shapes = schema.messages()
    response = shapes.Response()
    if rejected or message:
        response.partial.rejected = rejected
        response.partial.message = message.encode("utf-8", "replace")
    raw: bytes = response.SerializeToString()
    return raw
