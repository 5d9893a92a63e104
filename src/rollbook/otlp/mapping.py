"""From the records of one body to what a book takes, whichever signal they are of."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.otlp import spans
from rollbook.otlp.reading import Sender
from rollbook.otlp.records import SpanRecord
from rollbook.telemetry.told import SpanTold


class MappedSpans(Struct, frozen=True, kw_only=True):
    """What was made of the spans of one body."""

    told: list[SpanTold]
    rejected: int = 0  #: spans that make no sense
    message: str = ""  #: why the first of them does not


def mapped(records: Sequence[SpanRecord]) -> MappedSpans:
    """What spans say. One that makes no sense is counted, and costs only itself."""
    told: list[SpanTold] = []
    rejected, message = 0, ""
    senders: dict[int, Sender] = {}
    for record in records:
        sender = senders.get(id(record.resource))
        if sender is None:
            sender = senders[id(record.resource)] = Sender(record.resource)
        try:
            told.append(spans.told(record, sender))
        except InvalidInput as error:
            rejected += 1
            message = message or str(error)
    return MappedSpans(told=told, rejected=rejected, message=message)
