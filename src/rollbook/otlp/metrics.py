"""From points of metrics to what a book takes: the fallback where nothing better tells of a session's calls.

Only what was used and what it cost is taken, of emitters that name the session. A metric without a session says nothing
of one and is passed over, as is every other metric; how many were, is told. What started a session is a sign of life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Facts, Touch
from rollbook.model import Kind
from rollbook.otlp import log_parts, logs_claude, logs_codex, logs_genai, values
from rollbook.otlp.records import PointRecord, Resource
from rollbook.rules import checks
from rollbook.telemetry import series
from rollbook.telemetry.told import OpsTold, PointTold

_GEMINI: Final = "gemini-cli"


class _Metric(NamedTuple):
    """How one metric is read."""

    agent: str
    session: tuple[str, ...]  #: attributes that name the session
    kind: tuple[str, ...] = ()  #: attributes that name the kind of tokens
    fields: Mapping[str, str] = {}  #: by kind; "" for the only one


_CLAUDE: Final = ("session.id",)
_GENAI: Final = ("gen_ai.conversation.id", "session.id")
_METRICS: Final = {
    "claude_code.token.usage": _Metric(
        "claude-code",
        _CLAUDE,
        ("type",),
        {"input": "input", "output": "output", "cacheRead": "cache_read", "cacheCreation": "cache_write"},
    ),
    "claude_code.cost.usage": _Metric("claude-code", _CLAUDE, (), {"": series.COST}),
    "claude_code.session.count": _Metric("claude-code", _CLAUDE),
    "gemini_cli.token.usage": _Metric(
        _GEMINI,
        _CLAUDE,
        ("type",),
        {
            "input": series.INPUT_ALL,
            "cache": "cache_read",
            "tool": "input",
            "output": "output",
            "thought": "reasoning",
        },
    ),
    "gemini_cli.session.count": _Metric(_GEMINI, _CLAUDE),
    "codex.turn.token_usage": _Metric(
        "codex",
        ("conversation.id", "thread.id", "session.id"),
        ("token_type", "type"),
        {
            "input": series.INPUT_ALL,
            "cached_input": "cache_read",
            "output": series.OUTPUT_ALL,
            "reasoning_output": "reasoning",
        },
    ),
    "codex.thread.started": _Metric("codex", ("conversation.id", "thread.id", "session.id")),
    "gen_ai.client.token.usage": _Metric(
        "", _GENAI, ("gen_ai.token.type",), {"input": series.INPUT_ALL, "output": series.OUTPUT_ALL}
    ),
}
_MODELS: Final = ("model", "gen_ai.response.model", "gen_ai.request.model")


class Metered(Struct, frozen=True, kw_only=True):
    """What was made of the points of one body."""

    told: list[PointTold | OpsTold]
    rejected: int = 0  #: points that make no sense
    message: str = ""  #: why the first of them does not
    homeless: int = 0  #: points of known metrics that name no session


def mapped(points: Sequence[PointRecord]) -> Metered:
    """What points of metrics say."""
    told: list[PointTold | OpsTold] = []
    rejected, homeless, message = 0, 0, ""
    prints: dict[int, str] = {}
    for point in points:
        metric = _known(point)
        if metric is None:
            continue
        try:
            found = _told(point, metric, prints)
        except InvalidInput as error:
            rejected += 1
            message = message or str(error)
            continue
        if isinstance(found, PointTold | OpsTold):
            told.append(found)
        homeless += found is False
    return Metered(told=told, rejected=rejected, message=message, homeless=homeless)


def _known(point: PointRecord) -> _Metric | None:
    metric = _METRICS.get(point.metric)
    if metric is not None and not metric.agent and _service(point.resource) == _GEMINI:
        return None  # it says the same again under names of its own
    return metric


def _told(point: PointRecord, metric: _Metric, prints: dict[int, str]) -> PointTold | OpsTold | bool:
    """What a point says; False if it names no session, True if it says nothing."""
    attributes = {**point.resource.attributes, **point.attributes}
    session_id = values.text(attributes, *metric.session)
    if session_id is None:
        return False
    checks.session_id(session_id)
    facts = _facts(metric, attributes)
    if not metric.fields:
        at = point.start_us or values.moment(point.at_us, attributes)  # it is told again and again, and starts once
        return OpsTold(ops=(Touch(user_id="", session_id=session_id, at=at, facts=facts),)) if point.value else True
    named = next((attributes[name] for name in metric.kind if name in attributes), "")
    field = metric.fields.get(named) if isinstance(named, str) else None
    if field is None:
        return True
    told = PointTold(
        series=_series(point, prints),
        session_id=session_id,
        model=checks.model(values.text(attributes, *_MODELS)),
        field=field,
        value=point.value,
        start=point.start_us,
        at=values.moment(point.at_us, attributes),
        cumulative=point.cumulative,
        facts=facts,
    )
    series.check(told)
    return told if point.value else True


def _facts(metric: _Metric, attributes: values.Attributes) -> Facts:
    if metric.agent == logs_claude.AGENT:
        return logs_claude.facts(attributes)
    if metric.agent == logs_codex.AGENT:
        return logs_codex.facts(attributes)
    if metric.agent:
        return Facts(agent=metric.agent, channel="cli", kind=str(Kind.INTERACTIVE), actor=log_parts.actor(attributes))
    return logs_genai.facts(attributes)


def _service(resource: Resource) -> str:
    return str(resource.attributes.get("service.name", ""))


def _series(point: PointRecord, prints: dict[int, str]) -> str:
    """What tells a series from every other one: who sent it, which metric it is, and its attributes."""
    sender = prints.get(id(point.resource))
    if sender is None:
        resource = point.resource
        sender = prints[id(resource)] = _print(resource.attributes, resource.scope)
    return _print(point.attributes, sender, point.metric)


def _print(attributes: Mapping[str, Any], *names: str) -> str:
    try:
        text = msgspec.json.encode([names, sorted(attributes.items())], enc_hook=repr, order="sorted")
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"attributes that are no text: {error}") from None
    return blake2b(text, digest_size=12).hexdigest()
