"""Records with any values whatever are taken, rejected or passed over: none of them is an error of the server's."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

import rollbook
from rollbook.otlp import logs, metrics
from rollbook.otlp.records import LogRecord, PointRecord, Resource

from .emitted import T

_NAMES: Final = (
    "session.id", "conversation.id", "gen_ai.conversation.id", "model", "input_tokens", "output_tokens", "cost_usd",
    "request_id", "cache_read_tokens", "event.sequence", "event.timestamp", "event.kind", "input_token_count",
    "output_token_count", "cached_token_count", "prompt", "prompt.id", "prompt_id", "tool_name", "tool_use_id",
    "call_id", "success", "duration_ms", "tool_parameters", "arguments", "output", "error", "error_type", "status_code",
    "turnCount", "function_name", "function_args", "user.email", "workspace.host_paths", "app.entrypoint", "originator",
    "auth_mode", "service_tier", "speed", "http.response.status_code", "type", "token_type", "gen_ai.token.type",
    "service.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.id",
    "gen_ai.operation.name",
)  # fmt: skip
_EVENTS: Final = (
    "claude_code.api_request", "claude_code.api_error", "claude_code.tool_result", "claude_code.user_prompt",
    "codex.sse_event", "codex.tool_result", "codex.user_prompt", "codex.api_request", "gemini_cli.api_response",
    "gemini_cli.api_error", "gemini_cli.tool_call", "gemini_cli.user_prompt", "gemini_cli.conversation_finished",
    "gen_ai.client.inference.operation.details",
)  # fmt: skip
_METRICS: Final = (
    "claude_code.token.usage", "claude_code.cost.usage", "claude_code.session.count", "gemini_cli.token.usage",
    "codex.turn.token_usage", "gen_ai.client.token.usage",
)  # fmt: skip
_ODD: Final = st.sampled_from(
    ["", " ", "s", "-1", "1e400", "nan", "response.completed", "input", "a\x00b", "\ud800", "x" * 2000, "9" * 5000, "5"]
)
_PLAIN: Final = (
    _ODD | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.binary(max_size=4) | st.integers(0, 50)
)
_VALUES: Final = _PLAIN | st.lists(_PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), _PLAIN, max_size=2)
_ATTRIBUTES: Final = st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=14)
_NAMED: Final = st.tuples(_ATTRIBUTES, st.booleans()).map(lambda found: found[0] | (_IDS if found[1] else {}))
_IDS: Final[dict[str, Any]] = dict.fromkeys(_NAMES[:3], "s") | {"event.kind": "response.completed"}


@given(event=st.sampled_from(_EVENTS), attributes=_NAMED, at=st.sampled_from([0, 5, T, 2**62]), of=_ATTRIBUTES)
def test_any_log_record(event: str, attributes: dict[str, Any], at: int, of: dict[str, Any]) -> None:
    record = LogRecord(resource=Resource(attributes=of), at_us=at, event=event, attributes=attributes)
    mapped = logs.mapped([record])
    assert mapped.rejected + len(mapped.told) <= 1
    with rollbook.open("sqlite:///:memory:") as book:
        observed = book.observe(mapped.told)
        assert observed.accepted + len(observed.refused) == len(mapped.told)
        assert book.verify().ok


@given(
    metric=st.sampled_from(_METRICS),
    attributes=_NAMED,
    value=st.floats() | st.integers(),
    times=st.tuples(st.sampled_from([0, 5, T, 2**62]), st.sampled_from([0, 5, T, 2**62])),
    cumulative=st.booleans(),
)
def test_any_point(
    metric: str, attributes: dict[str, Any], value: float, times: tuple[int, int], cumulative: bool
) -> None:
    point = PointRecord(
        resource=Resource(),
        metric=metric,
        value=value,
        start_us=times[0],
        at_us=times[1],
        cumulative=cumulative,
        attributes=attributes,
    )
    mapped = metrics.mapped([point])
    assert mapped.rejected + len(mapped.told) + mapped.homeless <= 1
    with rollbook.open("sqlite:///:memory:") as book:
        observed = book.observe(mapped.told)
        assert observed.accepted + len(observed.refused) == len(mapped.told)
        assert book.verify().ok
