"""What telemetry says, once its encoding is out of the way: spans, log records and points of metrics.

The same records come from protobuf and from JSON. Values of attributes are ``str``, ``bool``, ``int``, ``float``,
``bytes``, lists and dictionaries of those; records may share them, so nobody changes them. Times are microseconds since
1970 and 0 where the sender named none. Ids are lower-case hex, "" where there is none.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Resource(Struct, frozen=True, kw_only=True):
    """Who sent it: one object for all the records of one resource and scope."""

    attributes: dict[str, Any] = field(default_factory=dict)
    scope: str = ""  #: the instrumentation scope's name: which library wrote the records
    scope_version: str = ""


class EventRecord(Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened during a span."""

    name: str
    at_us: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)


class SpanRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One span: an operation with a beginning and an end."""

    resource: Resource
    trace_id: str  #: 32 hex digits
    span_id: str  #: 16 hex digits
    parent_id: str = ""  #: "" is a root
    name: str = ""
    start_us: int = 0
    end_us: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    failed: bool = False  #: its status says ERROR
    message: str = ""  #: the status's words
    events: list[EventRecord] = field(default_factory=list)


class LogRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One log record; an event when it has a name."""

    resource: Resource
    at_us: int = 0  #: when it happened, else when it was seen
    event: str = ""  #: its ``event_name``, else the attribute ``event.name``, else ""
    body: Any = None
    attributes: dict[str, Any] = field(default_factory=dict)
    trace_id: str = ""
    span_id: str = ""
    severity: int = 0


class PointRecord(Struct, frozen=True, kw_only=True, gc=False):
    """One point of a metric: a number over a stretch of time, for one set of attributes."""

    resource: Resource
    metric: str
    unit: str = ""
    start_us: int = 0
    at_us: int = 0
    value: float = 0  #: int or float; of histograms the sum
    count: int = 0  #: of histograms the number of what was measured; 1 for plain numbers
    cumulative: bool = False  #: counted since ``start_us``; else since the point before (delta), or just now (a gauge)
    monotonic: bool = False  #: a counter that only grows; of histograms true
    attributes: dict[str, Any] = field(default_factory=dict)


class Decoded(Struct, frozen=True, kw_only=True):
    """What one body held."""

    records: list[SpanRecord] | list[LogRecord] | list[PointRecord]
    rejected: int = 0  #: records that could not be understood
    message: str = ""  #: why, for people
    json: bool = False  #: the encoding of the request, and so of its answer
