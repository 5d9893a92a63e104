"""Whatever is posted as telemetry is taken or refused; the server never fails, and nothing of it stays in memory."""

from __future__ import annotations

import contextlib
import copy
import gc
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otlp.bodies import NANOS, SPAN, TRACE, as_json, as_protobuf, attributes, request, span
from rollbook.otlp.wire import JSON, PROTOBUF, Signal

from .tools import Asking, asking

MOST: Final = 1 << 18
ANSWERED: Final = {200, 400, 413, 415}
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
PATHS: Final = st.sampled_from([f"{prefix}/v1/{signal}" for prefix in ("", "/otlp") for signal in SIGNALS])
KINDS: Final = st.sampled_from(
    [JSON, PROTOBUF, "application/json; charset=utf-16", "application/protobuf", "text/plain", "", "a/b;;=", "\xff"]
)
CODINGS: Final = st.sampled_from(["", "gzip", "deflate", "identity", "GZIP", "br", "gzip, deflate", "\xff"])
FUZZ: Final = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

#: What emitters name, with whatever may be said of it.
NAMES: Final = (
    "session.id", "gen_ai.conversation.id", "user.id", "user.email", "event.name", "event.timestamp", "event.sequence",
    "model", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.operation.name", "gen_ai.response.id",
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.tool.name", "gen_ai.agent.name", "gen_ai.system",
    "gen_ai.provider.name", "gen_ai.response.finish_reasons", "openinference.span.kind", "llm.token_count.prompt",
    "llm.token_count.completion", "llm.model_name", "input.value", "output.value", "output.mime_type", "tool.name",
    "input_tokens", "output_tokens", "cache_read_tokens", "cost_usd", "request_id", "error", "status_code", "prompt",
    "tool_name", "tool_result", "duration_ms", "conversation.id", "event.kind", "input_token_count", "type",
    "langfuse.session.id", "langfuse.observation.type", "langfuse.observation.usage_details", "logfire.json_schema",
    "traceloop.span.kind", "operation.cost", "code.function", "service.name", "app.entrypoint", "agent_id",
)  # fmt: skip
#: What looks like a number, to some of those who ask.
NO_NUMBERS: Final = ("\u00b2", "\u0663", "\u2460", "9" * 30, "9" * 5_000, "1_0", "0x10", "+-1")
WORDS: Final = (
    "chat", "embeddings", "invoke_agent", "execute_tool", "LLM", "AGENT", "TOOL", "api_request", "api_error",
    "user_prompt", "tool_result", "response.completed", "input", "output", "cacheRead", "generation",
    "2026-01-01T00:00:00Z", "[]", "{}", '[{"role": "user", "parts": [{"type": "text", "content": "x"}]}]',
    '{"usage": {"input_tokens": -1}}', "\x00", "\ud800", "x" * 5_000, "NaN", "1e400", "-1", " ", "\u202e",
    *NO_NUMBERS, '{"input_tokens": 1e999, "details": {"cached": ' + "9" * 400 + "}}",
)  # fmt: skip
SCALARS: Final = (
    st.sampled_from([*WORDS, 0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, -0.0, 1e308, True, False])
    | st.text(max_size=6)
    | st.integers(-(2**63), 2**63 - 1)
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
SAID: Final = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12)
TIMES: Final = st.sampled_from(["0", "1", str(NANOS), str(2**63 - 1), str(2**64 - 1), str(NANOS + 10**18)])
IDS: Final = st.sampled_from([SPAN, "b7ad6b7169203332", "b7ad6b7169203333", "", "0" * 16])
SCOPES: Final = (
    "chat", "api_request", "claude_code.llm_request", "codex.sse_event", "codex.response", "gemini_cli.api_response",
    "llm_call", "ChatCompletion", "claude_code.token.usage", "gemini_cli.token.usage", "gen_ai.client.token.usage",
)  # fmt: skip
SERVICES: Final = st.sampled_from(["claude-code", "codex_cli_rs", "gemini-cli", "weather", "\x00", ""])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with asking(tmp_path_factory.mktemp("fuzz") / "book.db", body_bytes=MOST) as made:
        yield made
        assert made.run(made.book.verify()).ok, "the books balance, whatever came"


def posted(server: Asking, path: str, body: bytes, kind: str, coding: str = "") -> int:
    """The status; an answer that was not foreseen fails the test."""
    headers = {"content-type": kind.encode("latin-1"), "content-encoding": coding.encode("latin-1")}
    given = {name: value for name, value in headers.items() if value}
    answer = server.request("POST", path, content=body, headers=given)
    assert answer.status_code in ANSWERED, (answer.status_code, answer.text)
    return answer.status_code


def packed(body: bytes, coding: str) -> bytes:
    match coding.lower():
        case "gzip":
            return gzip.compress(body)
        case "deflate":
            return zlib.compress(body)
        case _:
            return body


@settings(FUZZ, max_examples=60)
@given(path=PATHS, kind=KINDS, coding=CODINGS, body=st.binary(max_size=200))
def test_random_bytes(server: Asking, path: str, kind: str, coding: str, body: bytes) -> None:
    posted(server, path, packed(body, coding), kind, coding)
    posted(server, path, body, kind, coding)


@st.composite
def records(draw: st.DrawFn, signal: Signal) -> dict[str, Any]:
    said = attributes(draw(SAID))
    if signal == "traces":
        event = {"name": draw(st.sampled_from(SCOPES)), "attributes": attributes(draw(SAID)), "timeUnixNano": "1"}
        return span(
            spanId=draw(IDS), parentSpanId=draw(IDS), name=draw(st.sampled_from(SCOPES)), attributes=said,
            startTimeUnixNano=draw(TIMES), endTimeUnixNano=draw(TIMES), events=[event] * draw(st.integers(0, 1)),
            status={"code": draw(st.sampled_from([0, 1, 2]))},
        )  # fmt: skip
    if signal == "logs":
        body = {"stringValue": draw(st.sampled_from(SCOPES))}
        return {"timeUnixNano": draw(TIMES), "body": body, "attributes": said, "traceId": TRACE, "spanId": draw(IDS)}
    amount = draw(
        st.sampled_from(["0", "1", "-1", str(2**63 - 1)]).map(lambda it: {"asInt": it})
        | st.floats(allow_nan=False, allow_infinity=False).map(lambda it: {"asDouble": it})
    )
    point = {"startTimeUnixNano": draw(TIMES), "timeUnixNano": draw(TIMES), "attributes": said, **amount}
    counted = {"dataPoints": [point], "aggregationTemporality": draw(st.sampled_from([0, 1, 2])), "isMonotonic": True}
    return {"name": draw(st.sampled_from(SCOPES)), "sum": counted}


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Signal, dict[str, Any]]:
    signal = draw(st.sampled_from(SIGNALS))
    made = draw(st.lists(records(signal), min_size=1, max_size=4))
    return signal, request(signal, made, **{"service.name": draw(SERVICES)})


@settings(FUZZ, max_examples=100)
@given(made=bodies())
def test_what_emitters_name_with_whatever_is_said_of_it(server: Asking, made: tuple[Signal, dict[str, Any]]) -> None:
    signal, body = made
    assert posted(server, f"/v1/{signal}", as_json(body), JSON) == 200
    with contextlib.suppress(ValueError, UnicodeError):  # what protobuf has no way to say
        assert posted(server, f"/v1/{signal}", as_protobuf(signal, body), PROTOBUF) == 200


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: ascii(number[:8]))
def test_what_only_looks_like_a_number(server: Asking, number: str) -> None:
    said = {name: number for name in NAMES if "token" in name or "cost" in name or "sequence" in name}
    for signal, path in (("traces", "/v1/traces"), ("logs", "/v1/logs")):
        about = attributes({**said, "session.id": "s", "gen_ai.operation.name": "chat", "event.name": "api_request"})
        record = span(attributes=about) if signal == "traces" else {"attributes": about, "timeUnixNano": str(NANOS)}
        body = request(signal, [record], **{"service.name": "claude-code"})  # type: ignore[arg-type]
        assert posted(server, path, as_json(body), JSON) == 200
    told = {"content-type": b"application/json", "content-length": number.encode("latin-1", "replace")}
    assert server.request("POST", "/v1/logs", content=b"{}", headers=told).status_code in ANSWERED


@settings(FUZZ, max_examples=60)
@given(made=bodies(), kind=st.sampled_from([JSON, PROTOBUF]), coding=CODINGS, data=st.data())
def test_bytes_that_were_changed_or_cut(
    server: Asking, made: tuple[Signal, dict[str, Any]], kind: str, coding: str, data: st.DataObject
) -> None:
    path = data.draw(PATHS)
    try:
        raw = bytearray(packed(as_json(made[1]) if kind == JSON else as_protobuf(*made), coding))
    except (ValueError, UnicodeError):
        return
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=3)):
        raw[place] = data.draw(st.integers(0, 255))
    posted(server, path, bytes(raw[: data.draw(st.integers(0, len(raw)))]), kind, coding)
    posted(server, path, bytes(raw), kind, coding)


@settings(FUZZ, max_examples=60)
@given(made=bodies(), data=st.data(), junk=st.none() | VALUES)
def test_wrong_types_in_any_place(
    server: Asking, made: tuple[Signal, dict[str, Any]], data: st.DataObject, junk: Any
) -> None:
    body = copy.deepcopy(made[1])
    holder, key = data.draw(st.sampled_from(list(_places(body))))
    holder[key] = junk
    posted(server, f"/v1/{made[0]}", as_json(body), JSON)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


DEEP: Final = {
    "lists": b"[" * 50_000,
    "objects": b'{"resourceSpans":' * 10_000,
    "closed": b"[" * 50_000 + b"]" * 50_000,
    "values": json.dumps(request("traces", [span()])).encode().replace(
        b'"chat"', b'"chat","attributes":[{"key":"session.id","value":' + b'{"arrayValue":{"values":[' * 3_000
        + b"]}}" * 3_000 + b"}]", 1
    ),
    "kept as JSON": as_json(request("traces", [span(attributes=attributes({"input.value": "[" * 90_000}))])),
    "messages": as_json(request("traces", [span(attributes=attributes({"gen_ai.input.messages": "[" * 90_000}))])),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("signal", SIGNALS)
def test_deep_json(server: Asking, name: str, signal: Signal) -> None:
    assert posted(server, f"/v1/{signal}", DEEP[name], JSON) != 413
    assert posted(server, f"/v1/{signal}", gzip.compress(DEEP[name]), JSON, "gzip") != 413


def test_deep_values_of_protobuf(server: Asking) -> None:
    value: bytes = b""
    for _ in range(3_000):  # a list in a list, in as many bytes as that takes
        for tag in (0x0A, 0x2A):
            value = bytes([tag]) + _varint(len(value)) + value
    raw = as_protobuf("traces", request("traces", [span()]))
    said = b"\x0a\x01k\x12" + _varint(len(value)) + value
    for tag in (0x4A, 0x12, 0x12, 0x0A):  # the attribute in a span, in a scope, in a batch, in the request
        said = bytes([tag]) + _varint(len(said)) + said
    posted(server, "/v1/traces", said + raw, PROTOBUF)


def _varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def _bomb(coding: str, size: int) -> bytes:
    return packed(b"[" * size, coding)


def test_memory_does_not_grow(server: Asking) -> None:
    """Neither by what is taken nor by what is refused; each body is another one, and 100 kB or more at its largest."""
    bomb = {coding: _bomb(coding, 32 << 20) for coding in ("gzip", "deflate")}

    def round_of(number: int) -> int:
        said = {"gen_ai.operation.name": "chat", "session.id": "s", "gen_ai.usage.input_tokens": 1}
        text = f"{number}" * 10_000
        large = [span(traceId=f"{number:032x}", attributes=attributes({**said, "input.value": text}))]
        junk = {"junk": text}
        sent = [
            ("/v1/traces", as_json(request("traces", large)), JSON, ""),
            ("/v1/traces", text.encode(), PROTOBUF, ""),
            ("/v1/logs", as_json(junk)[:-2], JSON, ""),
            ("/v1/metrics", as_json(junk), f"text/{number}", ""),
            ("/v1/logs", as_json(junk), JSON, f"br{number}"),
            *(("/v1/traces", body, JSON, coding) for coding, body in bomb.items()),
        ]
        for path, body, kind, coding in sent:
            posted(server, path, body, kind, coding)
        return sum(len(body) for _, body, _, _ in sent)

    for number in range(1_000, 1_020):  # what is made once is made
        round_of(number)
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        total = sum(round_of(number) for number in range(2_000, 2_040))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert total > 40 * MOST // 2
    assert grown < total / 20
    assert peak < 12 * MOST
