"""From spans to what a book takes: which emitter a span is of, and what it says of whose session.

What a span is and how it says it stands in the tables of ``emitters``; here they are read. A span that says nothing of
an agent's work is told all the same, since it may stand between others that do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import End, Facts
from rollbook.otlp import reading, span_calls, span_contents, words
from rollbook.otlp.emitters import CONVENTIONS
from rollbook.otlp.emitters.shape import CALL
from rollbook.otlp.reading import Defaults, Reading, Sender
from rollbook.otlp.records import SpanRecord
from rollbook.otlp.span_calls import Seen
from rollbook.otlp.words import Ways
from rollbook.rules import checks
from rollbook.telemetry import names
from rollbook.telemetry.told import Entry, SpanTold

_CHANNELS: Final = {"cli": "cli", "claude-vscode": "ide", "claude-desktop": "ide", "sdk-cli": "api", "sdk-ts": "api",
                    "sdk-py": "api"}  # fmt: skip
_DECIDED: Final = "telemetry"


def told(record: SpanRecord, sender: Sender | None = None) -> SpanTold:
    """What one span says. Raises InvalidInput for one that has no time, or ends before it begins by far.

    ``sender`` is that of its resource, for whoever asks for several spans of one.
    """
    until = record.end_us or record.start_us
    at = record.start_us or until
    if not until:
        raise InvalidInput(f"the span {record.span_id} has no time")
    sender = sender or Sender(record.resource)
    attributes, among = record.attributes, reading.of(sender, record.name, record.attributes)
    if among.emitter is None or (
        among.passed_over and any(attributes.get(name) == value for name, value in among.passed_over)
    ):
        return SpanTold(
            trace_id=record.trace_id, span_id=record.span_id, parent_id=record.parent_id, at=at, until=max(at, until),
            session_id=_session(words.find(CONVENTIONS.session, attributes), sender.defaults(CONVENTIONS)), ours=False,
        )  # fmt: skip
    defaults = sender.defaults(among.emitter)
    session_id = _session(words.first(among.session, attributes), defaults)
    parent = None
    if among.sub_agent and session_id is not None:
        agent = words.text(words.first(among.sub_agent, attributes))
        if agent is not None:
            parent, session_id = session_id, names.sub_agent(session_id, agent)
    response = names.response(words.text(words.first(among.response, attributes))) if among.response else None
    seen = Seen(
        record, attributes, among.emitter, among, kind_of(among, record), parent or session_id, until,
        _failed(among, record), response,
    )  # fmt: skip
    call, sure = span_calls.call(seen)
    return SpanTold(
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_id=record.parent_id,
        session_id=session_id,
        at=at,
        until=max(at, until),
        facts=_facts(seen, defaults, parent),
        service=sender.service,
        turns=_turns(seen) if among.turns else None,
        call=call,
        sure=sure,
        steps=_entries(seen),
        end=_end(seen) if among.end else None,
        failed=seen.failed,
    )


def _session(found: Any, defaults: Defaults) -> str | None:
    return defaults.session if found is None else words.text(found)


def _entries(seen: Seen) -> tuple[Entry, ...]:
    """What was said and done; contents that cannot be read cost nothing but themselves."""
    try:
        return tuple(span_contents.entries(seen))
    except (InvalidInput, RecursionError):
        return ()


def kind_of(among: Reading, record: SpanRecord) -> str | None:
    """What a span is: a model's call, a tool's, anything else; None where nothing says it."""
    emitter, attributes = among.emitter, record.attributes
    if emitter is not None and record.name in emitter.spans:
        return emitter.spans[record.name]
    if among.calls and any(attributes[name] is not None for name in among.calls):
        return CALL
    for name, kinds in among.kind:
        said = words.text(attributes[name])
        if said is not None and (kind := kinds.get(said.lower())) is not None:
            return kind
    return None


def _failed(among: Reading, record: SpanRecord) -> bool:
    """Whether what a span is about failed."""
    attributes = record.attributes
    if record.failed or (among.succeeded and words.yes(words.first(among.succeeded, attributes)) is False):
        return True
    return "error.type" in attributes and words.text(attributes["error.type"]) is not None


def _facts(seen: Seen, defaults: Defaults, parent: str | None) -> Facts:
    among, attributes = seen.reading, seen.attributes
    agent, actor, project, title, tags = defaults.agent, defaults.actor, defaults.project, defaults.title, defaults.tags
    if among.agents:
        agent = _label(among.agents, attributes, agent)
    if among.actor:
        actor = _label(among.actor, attributes, actor)
    if among.project:
        project = _label(among.project, attributes, project, reading.PROJECT_BYTES)
    if among.title:
        title = _label(among.title, attributes, title, checks.MAX_TITLE_BYTES)
    if among.tags and (said := words.first(among.tags, attributes)) is not None:
        tags = words.labels(said, checks.MAX_TAGS)
    channel = _CHANNELS.get(str(attributes["app.entrypoint"])) if "app.entrypoint" in attributes else None
    return _made(seen.emitter.agent or agent, actor, project, title, tags, channel, parent)


@lru_cache(maxsize=1024)  # most spans of a session say the same
def _made(  # noqa: PLR0917 - the facts
    agent: str | None, actor: str | None, project: str | None, title: str | None, tags: tuple[str, ...] | None,
    channel: str | None, parent: str | None,
) -> Facts:  # fmt: skip
    return Facts(agent=agent, actor=actor, project=project, title=title, tags=tags, channel=channel, parent_id=parent)


def _label(
    among: Ways, attributes: dict[str, Any], default: str | None, most: int = checks.MAX_MODEL_BYTES
) -> str | None:
    found = words.first(among, attributes)
    return default if found is None else words.label(found, most)


def _turns(seen: Seen) -> int | None:
    found = words.number(words.first(seen.reading.turns, seen.attributes))
    return found if 0 < found <= checks.MAX_COUNT else None


def _end(seen: Seen) -> End | None:
    """How the session ended, where a span states that."""
    said = words.text(words.first(seen.reading.end, seen.attributes))
    status = None if said is None else seen.emitter.ends.get(said.lower())
    if said is None or status is None:
        return None
    return End(
        user_id="", session_id="", status=status, at=seen.until, reason=words.label(said, checks.MAX_TITLE_BYTES),
        decided_by=_DECIDED,
    )  # fmt: skip
