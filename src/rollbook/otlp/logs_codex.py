"""Codex's events.

A completed response tells what it took: the input with what was cached, the output with its reasoning, numbers often as
text, and ``tool_token_count`` is the sum of all. It names neither the response nor the turn, so it is known by its
conversation and its numbers, as the transcript knows it (:mod:`rollbook.ledger.alike`). No cost, and no end.
"""

from __future__ import annotations

from typing import Final

from rollbook.ledger.ops import Call, Facts, Jot
from rollbook.model import Evidence, Tokens
from rollbook.otlp import entries, log_parts, values
from rollbook.otlp.entries import Ran
from rollbook.otlp.log_parts import Heard
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks
from rollbook.telemetry import doors, names

AGENT: Final = "codex"
_PREFIX: Final = "codex."
_COMPLETED: Final = "response.completed"
_HIDDEN: Final = ("[REDACTED]", "<REDACTED>")
_UNIQUE_CHARS: Final = 12  #: of an id of a tool's call; shorter ones are told apart by time
_TIERS: Final = {"priority": "priority", "fast": "priority", "flex": "flex", "batch": "batch"}
_BILLINGS: Final = {"chatgpt": "subscription", "apikey": "api", "api_key": "api"}
_GOOD_BELOW: Final = 400


def heard(record: LogRecord, event: str) -> Heard | None:
    """What an event says; None if it names no conversation. Raises InvalidInput."""
    attributes = log_parts.everything(record)
    session_id = values.text(attributes, "conversation.id", "thread.id")
    if session_id is None:
        return None
    at = values.moment(record.at_us, attributes)
    ops: tuple[Call | Jot, ...] = ()
    match event.removeprefix(_PREFIX):
        case "sse_event" if attributes.get("event.kind") == _COMPLETED:
            ops = _call(attributes, session_id, at)
        case "tool_result":
            ops = (_tool(attributes, session_id, at),)
        case "user_prompt":
            ops = _prompt(attributes, session_id, at)
        case "api_request":
            ops = _request(attributes, session_id, at)
    return Heard(session_id=session_id, at=at, order=log_parts.order(attributes), facts=facts(attributes), ops=ops)


def facts(attributes: values.Attributes) -> Facts:
    """What every record says of its session."""
    channel, kind = doors.codex(values.text(attributes, "originator"))
    return Facts(agent=AGENT, channel=channel, kind=str(kind), actor=log_parts.actor(attributes))


def _call(attributes: values.Attributes, session_id: str, at: int) -> tuple[Call, ...]:
    took = values.count(attributes, "input_token_count")
    cached = values.count(attributes, "cached_token_count")
    gave = values.count(attributes, "output_token_count")
    thought = values.count(attributes, "reasoning_token_count")
    if not took and not gave:
        return ()
    return (
        Call(
            user_id="",
            session_id=session_id,
            usage_id=names.logged("codex", session_id, at, took, cached, gave, thought),
            occurred_at=at,
            tokens=Tokens(
                input=max(0, took - cached),
                cache_read=min(cached, took),
                output=max(0, gave - thought),
                reasoning=min(thought, gave),
            ),
            model=checks.model(values.text(attributes, "model", "slug")),
            provider="openai",
            tier=_TIERS.get((values.text(attributes, "service_tier") or "").lower(), "standard"),
            billing=_BILLINGS.get((values.text(attributes, "auth_mode") or "").lower(), "unknown"),
            source=AGENT,
            evidence=Evidence.LOG,
            alike=names.codex_alike(session_id, took, cached, gave, thought),
        ),
    )


def _tool(attributes: values.Attributes, session_id: str, at: int) -> Jot:
    name = values.text(attributes, "tool_name") or "unknown"
    call_id = values.text(attributes, "call_id") or name
    if len(call_id) < _UNIQUE_CHARS:
        call_id = f"{at}:{call_id}"
    failed = values.is_false(attributes.get("success"))
    output = values.text(attributes, "output")
    ran = Ran(
        name=name,
        ended=at,
        spent=values.seconds(attributes, "duration_ms"),
        params=values.jsons(attributes.get("arguments")),
        value=None if failed else output,
        failed=failed,
        error=(output or "") if failed else "",
    )
    return entries.jot(session_id, at, entries.step(names.step(AGENT, call_id), ran))


def _prompt(attributes: values.Attributes, session_id: str, at: int) -> tuple[Jot, ...]:
    words = values.text(attributes, "prompt")
    if words is None or words in _HIDDEN:
        return ()
    return (entries.jot(session_id, at, entries.said(f"{AGENT}:prompt:{at}", entries.USER, words, at)),)


def _request(attributes: values.Attributes, session_id: str, at: int) -> tuple[Call, ...]:
    """A request that failed is a call that used nothing and went wrong; of any other the response is told."""
    status = values.whole(attributes.get("http.response.status_code"))
    if values.text(attributes, "error.message") is None and not (isinstance(status, int) and status >= _GOOD_BELOW):
        return ()
    attempt = values.text(attributes, "attempt") or ""
    return (
        Call(
            user_id="",
            session_id=session_id,
            usage_id=names.logged("codex", session_id, at, "failed", attempt),
            occurred_at=at,
            tokens=Tokens(),
            model=checks.model(values.text(attributes, "model", "slug")),
            provider="openai",
            source=AGENT,
            evidence=Evidence.LOG,
            errored=True,
        ),
    )
