"""Claude Code's events.

Input comes without what was cached, in four disjoint kinds; the cost is the agent's own. A sub-agent's events name the
session it works for, so they are that session's until its transcript or span says better. There is no event for the
end of a session.

A request that failed is a call that used nothing and went wrong, as it is in a span; transcripts do not tell of it.
"""

from __future__ import annotations

from typing import Any, Final

from rollbook.ledger.ops import Call, Facts, Jot
from rollbook.model import Evidence, Tokens
from rollbook.otlp import entries, log_parts, values
from rollbook.otlp.entries import Ran
from rollbook.otlp.log_parts import Heard
from rollbook.otlp.records import LogRecord
from rollbook.rules import checks
from rollbook.telemetry import doors, names

AGENT: Final = "claude-code"
_PREFIX: Final = "claude_code."
_HIDDEN: Final = ("<REDACTED>", "[REDACTED]")
_UNIQUE: Final = ("toolu_", "srvtoolu_")  #: how ids of tools' calls begin that are given once
_TIERS: Final = {"fast": "fast"}


def heard(record: LogRecord, event: str) -> Heard | None:
    """What an event says; None if it names no session. Raises InvalidInput."""
    attributes = log_parts.everything(record)
    session_id = values.text(attributes, "session.id")
    if session_id is None:
        return None
    at = values.moment(record.at_us, attributes)
    order = log_parts.order(attributes)
    match event.removeprefix(_PREFIX):
        case "api_request":
            ops: tuple[Call | Jot, ...] = _call(attributes, session_id, at, order)
        case "api_error":
            ops = (_failed(attributes, session_id, at, order),)
        case "tool_result":
            ops = (_tool(attributes, session_id, at, order),)
        case "user_prompt":
            ops = _said(attributes, session_id, at, order, entries.USER)
        case "assistant_response":
            ops = _said(attributes, session_id, at, order, entries.ASSISTANT)
        case _:
            ops = ()
    return Heard(session_id=session_id, at=at, order=order, facts=facts(attributes), ops=ops)


def facts(attributes: values.Attributes) -> Facts:
    """What every record says of its session."""
    channel, kind = doors.claude(values.text(attributes, "app.entrypoint"))
    return Facts(
        agent=AGENT, channel=channel, kind=str(kind), project=_folder(attributes), actor=log_parts.actor(attributes)
    )


def _folder(attributes: values.Attributes) -> str | None:
    paths = attributes.get("workspace.host_paths")
    first: Any = paths[0] if isinstance(paths, list | tuple) and paths else paths
    return first if isinstance(first, str) and first.isprintable() and first else None


def _call(attributes: values.Attributes, session_id: str, at: int, order: int) -> tuple[Call, ...]:
    took = values.count(attributes, "input_tokens")
    gave = values.count(attributes, "output_tokens")
    read = values.count(attributes, "cache_read_tokens", "cache_read_input_tokens")
    written = values.count(attributes, "cache_creation_tokens", "cache_creation_input_tokens")
    cost = values.cost(attributes, "cost_usd")
    tokens = Tokens(input=took, output=gave, cache_read=read, cache_write=written)
    if not tokens.total and not cost:
        return ()
    request = values.text(attributes, "request_id")
    model = checks.model(values.text(attributes, "model"))
    name, others = names.first_of(
        names.request(request), otherwise=names.logged("claude", session_id, at, order, took, gave, read, written)
    )
    return (
        Call(
            user_id="",
            session_id=session_id,
            usage_id=name,
            aliases=others,
            occurred_at=at,
            tokens=tokens,
            model=model,
            provider="anthropic" if model is None or "claude" in model else None,
            cost_nano=cost,
            cost_source="unpriced" if cost is None else "reported",
            tier=_TIERS.get(values.text(attributes, "speed") or "", "standard"),
            source=AGENT,
            evidence=Evidence.LOG,
            alike=None if _is_known(request) else names.claude_alike(session_id, took, gave, read, written),
        ),
    )


def _failed(attributes: values.Attributes, session_id: str, at: int, order: int) -> Call:
    request = values.text(attributes, "request_id")
    name, others = names.first_of(
        names.request(request), otherwise=names.logged("claude", session_id, at, order, "failed")
    )
    return Call(
        user_id="",
        session_id=session_id,
        usage_id=name,
        aliases=others,
        occurred_at=at,
        tokens=Tokens(),
        model=checks.model(values.text(attributes, "model")),
        provider="anthropic",
        source=AGENT,
        evidence=Evidence.LOG,
        errored=True,
        alike=None if _is_known(request) else names.claude_alike(session_id, 0, 0, 0, 0),
    )


def _is_known(request: str | None) -> bool:
    """Whether a request's id is one by which transcripts and spans name it too."""
    return request is not None and request.startswith("req_")


def _tool(attributes: values.Attributes, session_id: str, at: int, order: int) -> Jot:
    name = values.text(attributes, "tool_name", "name") or "unknown"
    call_id = values.text(attributes, "tool_use_id")
    if call_id is None or not call_id.startswith(_UNIQUE):
        call_id = f"{at}:{order}:{call_id or name}"
    ran = Ran(
        name=name,
        ended=at,
        spent=values.seconds(attributes, "duration_ms"),
        params=values.jsons(attributes.get("tool_parameters", attributes.get("tool_input"))),
        failed=values.is_false(attributes.get("success")),
        error=values.text(attributes, "error") or "",
        kind=values.text(attributes, "error_type"),
    )
    return entries.jot(session_id, at, entries.step(names.step(AGENT, call_id), ran))


def _said(attributes: values.Attributes, session_id: str, at: int, order: int, role: str) -> tuple[Jot, ...]:
    """Words are there only where the user lets the agent send them."""
    if role == entries.USER:
        words, name = values.text(attributes, "prompt"), values.text(attributes, "prompt.id", "prompt_id")
    else:
        words, name = values.text(attributes, "response", "text", "content"), values.text(attributes, "request_id")
    if words is None or words in _HIDDEN:
        return ()
    return (entries.jot(session_id, at, entries.said(f"{AGENT}:{role}:{name or f'{at}:{order}'}", role, words, at)),)
