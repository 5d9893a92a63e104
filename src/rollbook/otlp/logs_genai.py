"""Events of OpenTelemetry's conventions for generative AI.

The event with the details of an inference tells the same call as the span that it belongs to: it has the same names.
One that names no session is passed over: its span is joined with its session, and tells the call.
"""

from __future__ import annotations

from typing import Final

from rollbook.ledger.ops import Call, Facts
from rollbook.model import Evidence, Tokens
from rollbook.otlp import log_parts, values
from rollbook.otlp.log_parts import Heard
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks
from rollbook.telemetry import names

_DETAILS: Final = "gen_ai.client.inference.operation.details"
_INFERENCES: Final = (None, "chat", "text_completion", "generate_content", "embeddings")


def heard(record: LogRecord, event: str) -> Heard | None:
    """What an event says; None if it names no session. Raises InvalidInput."""
    attributes = log_parts.everything(record)
    session_id = values.text(attributes, "gen_ai.conversation.id", "session.id")
    if session_id is None:
        return None
    at = values.moment(record.at_us, attributes)
    call = None
    if event == _DETAILS and values.text(attributes, "gen_ai.operation.name") in _INFERENCES:
        call = _call(record, attributes, session_id, at)
    return Heard(session_id=session_id, at=at, facts=facts(attributes), ops=() if call is None else (call,))


def facts(attributes: values.Attributes) -> Facts:
    """What every record says of its session."""
    return Facts(agent=_agent(attributes), actor=log_parts.actor(attributes))


def _agent(attributes: values.Attributes) -> str | None:
    found = values.text(attributes, "gen_ai.agent.name", "service.name")
    if found is None or found.startswith("unknown_service") or len(found) > checks.MAX_MODEL_BYTES // 4:
        return None
    return found if found.isprintable() else None


def _call(record: LogRecord, attributes: values.Attributes, session_id: str, at: int) -> Call | None:
    tokens = used(attributes)
    if not tokens.total:
        return None
    response = values.text(attributes, "gen_ai.response.id")
    by_span = names.span(record.trace_id, record.span_id) if record.trace_id and record.span_id else None
    name, others = names.first_of(
        names.response(response),
        by_span,
        otherwise=names.logged("gen_ai", session_id, at, response or "", tokens.tokens_in, tokens.tokens_out),
    )
    return Call(
        user_id="",
        session_id=session_id,
        usage_id=name,
        aliases=others,
        occurred_at=at,
        tokens=tokens,
        model=checks.model(values.text(attributes, "gen_ai.response.model", "gen_ai.request.model")),
        provider=checks.name(values.text(attributes, "gen_ai.provider.name", "gen_ai.system"), "provider"),
        source="otlp",
        evidence=Evidence.LOG,
        errored=values.text(attributes, "error.type") is not None,
    )


def used(attributes: values.Attributes) -> Tokens:
    """The conventions' tokens, of which the input contains what was cached and the output the reasoning."""
    start = "gen_ai.usage."
    took = values.count(attributes, start + "input_tokens", start + "prompt_tokens")
    gave = values.count(attributes, start + "output_tokens", start + "completion_tokens")
    read = values.count(attributes, start + "cache_read.input_tokens", start + "cache_read_input_tokens")
    written = values.count(
        attributes,
        start + "cache_write.input_tokens",
        start + "cache_creation.input_tokens",
        start + "cache_creation_input_tokens",
        start + "cache_write_input_tokens",
    )
    thought = values.count(attributes, start + "reasoning.output_tokens", start + "reasoning_tokens")
    read = min(read, took)
    written = min(written, took - read)
    thought = min(thought, gave)
    return Tokens(
        input=took - read - written, cache_read=read, cache_write=written, output=gave - thought, reasoning=thought
    )
