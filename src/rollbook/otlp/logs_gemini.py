"""Gemini CLI's events.

Input comes with what was cached, output without thoughts, and what tools added to the prompt is extra. A response is
not named, so it is known by its session and its numbers, as the transcript knows it (:mod:`rollbook.ledger.alike`). A
conversation that finished is no end: the next prompt goes on in the same session.
"""

from __future__ import annotations

from typing import Final

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call, Facts, Jot
from rollbook.model import Evidence, Kind, Tokens
from rollbook.otlp import entries, log_parts, values
from rollbook.otlp.entries import Ran
from rollbook.otlp.log_parts import Heard
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks
from rollbook.telemetry import names

AGENT: Final = "gemini-cli"
PROVIDER: Final = "google"
_PREFIX: Final = "gemini_cli."
_HIDDEN: Final = ("[REDACTED]", "<REDACTED>")


def heard(record: LogRecord, event: str) -> Heard | None:
    """What an event says; None if it names no session. Raises InvalidInput."""
    attributes = log_parts.everything(record)
    session_id = values.text(attributes, "session.id")
    if session_id is None:
        return None
    at = values.moment(record.at_us, attributes)
    ops: tuple[Call | Jot, ...] = ()
    turns = None
    match event.removeprefix(_PREFIX):
        case "api_response":
            ops = _call(attributes, session_id, at)
        case "api_error":
            ops = (_failed(attributes, session_id, at),)
        case "tool_call":
            ops = (_tool(attributes, session_id, at),)
        case "user_prompt":
            ops = _prompt(attributes, session_id, at)
        case "conversation_finished":
            turns = _turns(attributes)
    return Heard(
        session_id=session_id,
        at=at,
        order=log_parts.order(attributes),
        facts=facts(attributes),
        turns=turns,
        ops=ops,
    )


def facts(attributes: values.Attributes) -> Facts:
    """What every record says of its session."""
    kind = Kind.INTERACTIVE if not values.is_false(attributes.get("interactive")) else Kind.AUTONOMOUS
    return Facts(agent=AGENT, channel="cli", kind=str(kind), actor=log_parts.actor(attributes))


def _turns(attributes: values.Attributes) -> int | None:
    try:
        return checks.count(values.whole(attributes.get("turnCount")), "turnCount", checks.MAX_COUNT)
    except InvalidInput:
        return None


def _call(attributes: values.Attributes, session_id: str, at: int) -> tuple[Call, ...]:
    took = values.count(attributes, "input_token_count")
    cached = values.count(attributes, "cached_content_token_count")
    gave = values.count(attributes, "output_token_count")
    thoughts = values.count(attributes, "thoughts_token_count")
    tool = values.count(attributes, "tool_token_count")
    read = took + tool
    if not read and not gave and not thoughts:
        return ()
    prompt = values.text(attributes, "prompt_id") or ""
    return (
        Call(
            user_id="",
            session_id=session_id,
            usage_id=names.logged("gemini", session_id, at, prompt, took, cached, gave, thoughts, tool),
            occurred_at=at,
            tokens=Tokens(input=max(0, read - cached), cache_read=min(cached, read), output=gave, reasoning=thoughts),
            model=checks.model(values.text(attributes, "model")),
            provider=PROVIDER,
            source=AGENT,
            evidence=Evidence.LOG,
            alike=names.gemini_alike(session_id, took, gave, cached=cached, thoughts=thoughts, tool=tool),
        ),
    )


def _failed(attributes: values.Attributes, session_id: str, at: int) -> Call:
    """A request that failed is a call that used nothing and went wrong."""
    prompt = values.text(attributes, "prompt_id") or ""
    return Call(
        user_id="",
        session_id=session_id,
        usage_id=names.logged("gemini", session_id, at, prompt, "failed"),
        occurred_at=at,
        tokens=Tokens(),
        model=checks.model(values.text(attributes, "model")),
        provider=PROVIDER,
        source=AGENT,
        evidence=Evidence.LOG,
        errored=True,
    )


def _tool(attributes: values.Attributes, session_id: str, at: int) -> Jot:
    name = values.text(attributes, "function_name", "tool_name") or "unknown"
    failed = values.is_false(attributes.get("success"))
    ran = Ran(
        name=name,
        ended=at,
        spent=values.seconds(attributes, "duration_ms"),
        params=values.jsons(attributes.get("function_args")),
        failed=failed,
        error=(values.text(attributes, "error", "error.message") or "") if failed else "",
        kind=values.text(attributes, "error_type", "error.type") if failed else None,
    )
    return entries.jot(session_id, at, entries.step(f"{AGENT}:tool:{at}:{name[:64]}", ran))


def _prompt(attributes: values.Attributes, session_id: str, at: int) -> tuple[Jot, ...]:
    words = values.text(attributes, "prompt")
    if words is None or words in _HIDDEN:
        return ()
    name = values.text(attributes, "prompt_id")
    name = str(at) if name is None or len(name) > checks.MAX_MODEL_BYTES else name
    return (entries.jot(session_id, at, entries.said(f"{AGENT}:prompt:{name}", entries.USER, words, at)),)
