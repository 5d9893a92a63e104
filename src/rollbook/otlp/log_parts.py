"""What is common to the log records of all emitters."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from rollbook.ledger.ops import Call, Facts, Jot
from rollbook.otlp import values
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks


class Heard(Struct, frozen=True, kw_only=True):
    """What one record says."""

    session_id: str
    at: int  #: microseconds
    order: int = 0  #: among records of the same time
    facts: Facts
    turns: int | None = None
    ops: tuple[Call | Jot, ...] = ()


def everything(record: LogRecord) -> dict[str, Any]:
    """A record's attributes, with those of its sender behind them."""
    return {**record.resource.attributes, **record.attributes}


def actor(attributes: values.Attributes) -> str | None:
    """Whom telemetry names as the user; a name that cannot be one is none."""
    found = values.text(attributes, "user.email", "enduser.id", "user.id")
    return found if found is not None and found.isprintable() and len(found) <= checks.MAX_MODEL_BYTES // 4 else None


def order(attributes: values.Attributes) -> int:
    """The place of a record among those of its time."""
    found = values.whole(attributes.get("event.sequence"))
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
