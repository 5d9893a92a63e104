"""Bodies of OTLP over HTTP, read and answered: one bad record never costs the batch.

What is wrong with a whole body is said with an error that helps: not what its headers say, cut off, too large, or of
another signal than the path it was posted to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Protocol

from rollbook.errors import InvalidInput, Unsupported
from rollbook.otlp import binary, text
from rollbook.otlp.common import Tally, Unreadable
from rollbook.otlp.inflate import inflated
from rollbook.otlp.records import Decoded, LogRecord, PointRecord, Resource, SpanRecord

Signal = Literal["traces", "logs", "metrics"]

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_PROTOBUF_TOO: Final = {PROTOBUF, "application/protobuf", "application/vnd.google.protobuf"}


_Read = Callable[[Resource, Any, Tally], list[Any]]


class _Reader(Protocol):
    json: bool

    def records(self, body: bytes, signal: str, tally: Tally) -> Iterator[tuple[Resource, Any]]: ...
    def spans(self, resource: Resource, raw: Any, tally: Tally, /) -> list[SpanRecord]: ...
    def logs(self, resource: Resource, raw: Any, tally: Tally, /) -> list[LogRecord]: ...
    def metrics(self, resource: Resource, raw: Any, tally: Tally, /) -> list[PointRecord]: ...
    def signal_of(self, raw: Any, /) -> str: ...


def decode(signal: Signal, body: bytes, *, content_type: str, content_encoding: str, most: int) -> Decoded:
    """The records of one body.

    Args:
        signal: of the path that it was posted to.
        body: as it came.
        content_type: the header; its parameters do not matter.
        content_encoding: the header: gzip, deflate, identity or "".
        most: how many bytes it may have, as it came and inflated.

    Raises:
        InvalidInput: nothing of it can be used; the same body again would fare no better.
        TooLarge: it has more than ``most`` bytes.
        Unsupported: another media type or encoding.
        NotSupported: it is protobuf, and protobuf is not installed.
    """
    reader = _reader(content_type)
    tally = Tally()
    found: list[Any] = []
    first: Any = None
    read: dict[Signal, _Read] = {"traces": reader.spans, "logs": reader.logs, "metrics": reader.metrics}
    for resource, raw in reader.records(inflated(body, content_encoding, most), signal, tally):
        first = raw if first is None else first
        try:
            found += read[signal](resource, raw, tally)
        except Unreadable as error:
            tally.add(error)
    if first is not None and not found:
        _say_where(signal, reader.signal_of(first))
    return Decoded(records=found, rejected=tally.rejected, message=tally.message, json=reader.json)


def answered(signal: Signal, *, json: bool, rejected: int, message: str) -> tuple[bytes, str]:
    """The answer to an export and its media type, in the encoding of the request."""
    if json:
        return text.answer(signal, rejected, message), JSON
    return binary.answer(rejected, message), PROTOBUF


def _reader(content_type: str) -> _Reader:
    media = content_type.partition(";")[0].strip().lower()
    if media in _PROTOBUF_TOO:
        return binary.Binary()
    if media == JSON:
        return text.Text()
    raise Unsupported(f"Content-Type {content_type!r} is not read here: send {PROTOBUF} or {JSON}")


def _say_where(signal: Signal, other: str) -> None:
    if other not in {"", signal}:
        raise InvalidInput(f"these are {other}, not {signal}: post them to /v1/{other}")
