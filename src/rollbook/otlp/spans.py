"""From spans to what a book takes: which emitter a span is of, and what it says of whose session.

What a span is and how it says it stands in the tables of ``emitters``; here they are read. A span that says nothing of
an agent's work is told all the same, since it may stand between others that do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import End, Facts
from rollbook.otlp import span_calls, span_contents, words
from rollbook.otlp.emitters import CONVENTIONS, EMITTERS, Emitter
from rollbook.otlp.emitters.shape import CALL
from rollbook.otlp.records import SpanRecord
from rollbook.otlp.span_calls import Seen
from rollbook.rules import checks
from rollbook.telemetry import names
from rollbook.telemetry.told import Entry, SpanTold

_PROJECT_BYTES: Final = 4096
_UNNAMED: Final = "unknown_service"  #: how a service is called that nobody named
_CHANNELS: Final = {"cli": "cli", "claude-vscode": "ide", "claude-desktop": "ide", "sdk-cli": "api", "sdk-ts": "api",
                    "sdk-py": "api"}  # fmt: skip
_DECIDED: Final = "telemetry"


def told(record: SpanRecord) -> SpanTold:
    """What one span says. Raises InvalidInput for one that has no time, or ends before it begins by far."""
    until = record.end_us or record.start_us
    at = record.start_us or until
    if not until:
        raise InvalidInput(f"the span {record.span_id} has no time")
    emitter = emitter_of(record)
    if emitter is None or _is_passed_over(record.attributes):
        return SpanTold(
            trace_id=record.trace_id, span_id=record.span_id, parent_id=record.parent_id, at=at, until=max(at, until),
            session_id=_session(CONVENTIONS, record)[0], ours=False,
        )  # fmt: skip
    session_id, root = _session(emitter, record)
    seen = Seen(record, emitter, kind_of(emitter, record), session_id, root or session_id, until)
    call, sure = span_calls.call(seen)
    return SpanTold(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_id=record.parent_id,
        session_id=session_id,
        at=at,
        until=max(at, until),
        facts=_facts(emitter, record, root),
        service=_service(record),
        turns=_turns(emitter, record),
        call=call,
        sure=sure,
        steps=_entries(seen),
        end=_end(emitter, record, until),
        failed=span_calls.failed(seen),
    )


def _entries(seen: Seen) -> tuple[Entry, ...]:
    """What was said and done; contents that cannot be read cost nothing but themselves."""
    try:
        return tuple(span_contents.entries(seen))
    except (InvalidInput, RecursionError):
        return ()


def emitter_of(record: SpanRecord) -> Emitter | None:
    """Who wrote a span; None for one that is of no agent's work."""
    resource = record.resource
    service = str(resource.attributes.get("service.name") or "").lower()
    return _writer(record.name, frozenset(record.attributes), (service, resource.scope.lower()))


@lru_cache(maxsize=2048)  # an emitter's spans have but a few sets of attributes, and to go through all names takes long
def _writer(name: str, keys: frozenset[str], senders: tuple[str, str]) -> Emitter | None:
    for emitter in EMITTERS:
        if name.startswith(emitter.marks) or any(key.startswith(emitter.marks) for key in keys):
            return emitter
        if any(_is_of(sender, emitter.services) for sender in senders):
            return emitter
    return None


def _is_of(sender: str, services: tuple[str, ...]) -> bool:
    return any(sender.startswith(one) if one.endswith(("_", ".")) else sender == one for one in services)


def kind_of(emitter: Emitter, record: SpanRecord) -> str | None:
    """What a span is: a model's call, a tool's, anything else; None where nothing says it."""
    attributes = record.attributes
    if record.name in emitter.spans:
        return emitter.spans[record.name]
    if any(attributes.get(name) is not None for name in emitter.calls):
        return CALL
    for table in (emitter, CONVENTIONS):
        for name in table.kind:
            said = words.text(attributes.get(name))
            if said is not None and (kind := table.kinds.get(said.lower())) is not None:
                return kind
    return None


def _is_passed_over(attributes: Mapping[str, Any]) -> bool:
    return any(attributes.get(name) == value for one in EMITTERS for name, value in one.passed_over.items())


def _session(emitter: Emitter, record: SpanRecord) -> tuple[str | None, str | None]:
    """The session that a span names, and that of which it is a sub-agent's."""
    places = (record.attributes, record.resource.attributes)
    found = words.text(words.find((*emitter.session, *CONVENTIONS.session), *places))
    agent = words.text(words.find(emitter.sub_agent, record.attributes))
    if found is None or agent is None:
        return found, None
    return names.sub_agent(found, agent), found


def _facts(emitter: Emitter, record: SpanRecord, parent: str | None) -> Facts:
    places = (record.attributes, record.resource.attributes)

    def of(field: str, most: int = checks.MAX_MODEL_BYTES) -> str | None:
        found = words.find((*getattr(emitter, field), *getattr(CONVENTIONS, field)), *places)
        return words.label(found, most)

    return Facts(
        agent=emitter.agent or of("agents"),
        actor=of("actor"),
        project=of("project", _PROJECT_BYTES),
        title=of("title", checks.MAX_TITLE_BYTES),
        tags=words.labels(words.find(emitter.tags, *places), checks.MAX_TAGS),
        channel=_CHANNELS.get(str(record.attributes.get("app.entrypoint"))),
        parent_id=parent,
    )


def _service(record: SpanRecord) -> str | None:
    found = words.label(record.resource.attributes.get("service.name"))
    return None if found is None or found.startswith(_UNNAMED) else found


def _turns(emitter: Emitter, record: SpanRecord) -> int | None:
    found = words.number(words.find(emitter.turns, record.attributes))
    return found if 0 < found <= checks.MAX_COUNT else None


def _end(emitter: Emitter, record: SpanRecord, at: int) -> End | None:
    """How the session ended, where a span states that."""
    said = words.text(words.find(emitter.end, record.attributes))
    status = None if said is None else emitter.ends.get(said.lower())
    if said is None or status is None:
        return None
    return End(
        user_id="", session_id="", status=status, at=at, reason=words.label(said, checks.MAX_TITLE_BYTES),
        decided_by=_DECIDED,
    )  # fmt: skip
