"""From log records to what a book takes: which emitter a record is of, and what it says of which session.

A record of a known emitter that names its session is a sign of life, whatever it says; what else it may be, the
emitter's own module knows. What no emitter claims, or what names no session, is passed over. A record that makes no
sense is counted, and costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call, End, Facts, Jot, Touch
from rollbook.otlp import logs_claude, logs_codex, logs_gemini, logs_genai
from rollbook.otlp.log_parts import Heard
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks
from rollbook.telemetry.told import OpsTold

Reader = Callable[[LogRecord, str], Heard | None]

_BY_EVENT: Final[tuple[tuple[str, Reader], ...]] = (
    ("claude_code.", logs_claude.heard),
    ("codex.", logs_codex.heard),
    ("gemini_cli.", logs_gemini.heard),
    ("gen_ai.", logs_genai.heard),
)
_BY_SENDER: Final[tuple[tuple[str, str], ...]] = (("com.anthropic.claude_code", "claude_code."),)
_BY_SERVICE: Final = {"claude-code": "claude_code."}


class Mapped(Struct, frozen=True, kw_only=True):
    """What was made of the records of one body."""

    told: list[OpsTold]
    rejected: int = 0  #: records that make no sense
    message: str = ""  #: why the first of them does not


class _Sign(NamedTuple):
    """A sign of life."""

    session_id: str
    facts: Facts


def mapped(records: Sequence[LogRecord]) -> Mapped:
    """What log records say."""
    found: list[Heard] = []
    rejected, message = 0, ""
    for record in records:
        try:
            heard = _heard(record)
        except InvalidInput as error:
            rejected += 1
            message = message or str(error)
            continue
        if heard is not None:
            found.append(heard)
    found.sort(key=lambda heard: (heard.at, heard.order))
    return Mapped(told=list(_told(found)), rejected=rejected, message=message)


def _heard(record: LogRecord) -> Heard | None:
    name = event_of(record)
    reader = next((reader for start, reader in _BY_EVENT if name.startswith(start)), None)
    if reader is None:
        return None
    heard = reader(record, name)
    if heard is not None:
        checks.session_id(heard.session_id)
        if heard.at < checks.FIRST_TIME:
            raise InvalidInput("a time before the year 2000")
    return heard


def event_of(record: LogRecord) -> str:
    """The whole name of an event: some senders put only its last part into the event's name."""
    name = record.event
    start = next((start for scope, start in _BY_SENDER if record.resource.scope.startswith(scope)), None)
    start = start or _BY_SERVICE.get(str(record.resource.attributes.get("service.name")))
    if start is not None:
        return name if name.startswith(start) else start + name
    if not name and isinstance(record.body, str) and record.body.startswith(tuple(start for start, _ in _BY_EVENT)):
        return record.body
    return name


def _told(found: Sequence[Heard]) -> Iterable[OpsTold]:
    """One for each record, as far as it says anything: of many signs of life the first and the last are enough."""
    ends: dict[_Sign, tuple[int, int]] = {}
    for place, heard in enumerate(found):
        sign = _Sign(heard.session_id, heard.facts)
        ends[sign] = (ends[sign][0] if sign in ends else place, place)
    for place, heard in enumerate(found):
        ops: list[Touch | Call | End | Jot] = []
        if heard.turns is not None or place in ends[_Sign(heard.session_id, heard.facts)]:
            ops.append(
                Touch(user_id="", session_id=heard.session_id, at=heard.at, facts=heard.facts, turns=heard.turns)
            )
        ops.extend(heard.ops)
        if ops:
            yield OpsTold(ops=tuple(ops))
