"""What both encodings of telemetry have in common: who is at fault, and what ids, times and numbers may be."""

from __future__ import annotations

import math
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.otlp.records import LogRecord

DEEPEST: Final = 32  # values nested deeper than this are left out
_MOST_REJECTED: Final = 10_000  # no sender's batch has as many records; to try and mend each takes time
_MOST_NANOS: Final = 1 << 64
_MOST_INT: Final = 1 << 63
NO_VALUE: Final = 1  # the flag of a point that says only that there is none

CUMULATIVE: Final = 2  # the temporality; 1 is delta


class Unreadable(ValueError):
    """A part of a body that cannot be understood; it costs only itself."""


class Tally:
    """How many records were left out of a body, and why the first of them."""

    def __init__(self) -> None:
        self.rejected = 0
        self.first = ""

    def add(self, why: object) -> None:
        """Count one more.

        Raises:
            InvalidInput: there are so many that to go on would be a waste.
        """
        self.rejected += 1
        if self.rejected > _MOST_REJECTED:
            raise InvalidInput(f"more than {_MOST_REJECTED} of its records could not be understood; the first: {why}")
        self.first = self.first or str(why)

    @property
    def message(self) -> str:
        """What to tell the sender."""
        return f"{self.rejected} could not be understood; the first: {self.first}"[:500] if self.rejected else ""


def micros(nanos: int) -> int:
    """Microseconds of nanoseconds; 0 for a time that cannot be one."""
    return nanos // 1000 if 0 <= nanos < _MOST_NANOS else 0


def finite(number: float) -> float | None:
    """The number, or nothing for what is none."""
    return number if math.isfinite(number) else None


def whole(number: int) -> int | None:
    """A 64-bit number, or nothing for what does not fit."""
    return number if -_MOST_INT <= number < _MOST_INT else None


def told(record: LogRecord) -> LogRecord:
    """A log record that says something; spans and metrics read as log records do not.

    Raises:
        Unreadable: it has neither a time nor a name nor attributes.
    """
    if not (record.at_us or record.event or record.attributes):
        raise Unreadable("a log record without a time, a name or attributes")
    return record


def event_name(named: str, attributes: dict[str, Any]) -> str:
    """What an event is called: newer senders have a field for it, older ones an attribute."""
    name = named or attributes.get("event.name")
    return name if isinstance(name, str) else ""


def kind_of(kind: str, *, cumulative: bool, monotonic: bool) -> tuple[bool, bool]:
    """Whether a metric's points are cumulative, and whether they only grow."""
    if kind == "gauge":
        return False, False
    if kind == "summary":
        return True, True
    return cumulative, monotonic or kind != "sum"


def number(value: float | None) -> float:
    """What a point counts.

    Raises:
        Unreadable: it says no number.
    """
    if value is None or not math.isfinite(value):
        raise Unreadable("a point without a number")
    return value
