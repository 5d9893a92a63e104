"""What the log records of each emitter say, as its documentation describes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import rollbook
from rollbook.journal.steps import Append
from rollbook.ledger.ops import Call, Jot, Touch
from rollbook.model import Evidence, Tokens
from rollbook.otlp import logs
from rollbook.otlp.records import LogRecord, Resource
from rollbook.telemetry import names

from .emitted import CLAUDE, CODEX, GEMINI, SECOND, T, log

SERVICE = Resource(attributes={"service.name": "my-bot", "session.id": "of the resource"}, scope="gen_ai")


def ops_of(*records: LogRecord) -> list[Any]:
    mapped = logs.mapped(records)
    assert not mapped.rejected, mapped.message
    return [op for told in mapped.told for op in told.ops]


def call_of(record: LogRecord) -> Call:
    (call,) = (op for op in ops_of(record) if isinstance(op, Call))
    return call


def entry_of(record: LogRecord) -> tuple[str, str, dict[str, Any], bool]:
    """Stream, id, body, and whether it failed."""
    (jot,) = (op for op in ops_of(record) if isinstance(op, Jot))
    (change,) = jot.step.changes
    assert isinstance(change, Append)
    (new,) = change.entries
    return change.stream, new.entry_id, msgspec.json.decode(new.body), new.failed


# Claude Code

REQUEST: dict[str, Any] = {
    "session__id": "s", "model": "claude-sonnet-4-5", "input_tokens": "10", "output_tokens": 20.0,
    "cache_read_tokens": 30, "cache_creation_tokens": " 40 ", "cost_usd": "0.0125", "request_id": "req_1",
    "duration_ms": "900", "user__email": "Someone@example.org", "app__entrypoint": "claude-vscode",
    "workspace__host_paths": ["/src/shop"], "event__sequence": "7",
}  # fmt: skip


def test_a_request_of_claude_code_is_a_call() -> None:
    touch, call = ops_of(log(CLAUDE, "api_request", 1, **REQUEST))
    assert isinstance(touch, Touch)
    facts = touch.facts
    assert (facts.agent, facts.channel, facts.kind, facts.project) == ("claude-code", "ide", "interactive", "/src/shop")
    assert facts.actor == "Someone@example.org"
    assert call.tokens == Tokens(input=10, output=20, cache_read=30, cache_write=40)
    assert (call.usage_id, call.alike, call.evidence) == ("anthropic:req:req_1", None, Evidence.LOG)
    assert (call.cost_nano, call.cost_source, call.provider) == (12_500_000, "reported", "anthropic")
    assert (call.session_id, call.occurred_at) == ("s", T + SECOND)


@pytest.mark.parametrize(
    "record",
    [
        log(CLAUDE, "claude_code.api_request", 1, **REQUEST),
        log(Resource(attributes={"service.name": "claude-code"}), "api_request", 1, **REQUEST),
        log(Resource(), "claude_code.api_request", 1, **REQUEST),
        LogRecord(
            resource=Resource(attributes={"session.id": "s"}),
            body="claude_code.api_request",
            attributes={"event.timestamp": "2026-03-02T10:00:01Z", "input_tokens": 1, "request_id": "req_1"},
        ),
    ],
)
def test_a_sender_is_known_by_its_name_its_scope_or_the_event(record: LogRecord) -> None:
    call = call_of(record)
    assert (call.usage_id, call.occurred_at) == ("anthropic:req:req_1", T + SECOND)


def test_a_request_that_failed_used_nothing_and_is_counted_as_an_error() -> None:
    failed = log(
        CLAUDE, "api_error", 1, session__id="s", model="claude-sonnet-4-5", error="Overloaded", status_code="529"
    )
    with rollbook.open("sqlite:///:memory:") as book:
        told = logs.mapped([failed]).told
        book.observe(told)
        book.observe(told)
        session = book.get("s")
        assert (session.calls, session.call_errors, session.tokens_in, session.unpriced_calls) == (1, 1, 0, 0)


def test_success_is_a_text_in_a_result_of_claude_codes_tools() -> None:
    result = {"session__id": "s", "tool_name": "Bash", "tool_use_id": "toolu_1", "duration_ms": "1500"}
    good = log(CLAUDE, "tool_result", 5, success="true", tool_parameters='{"command": "ls"}', **result)
    stream, name, body, failed = entry_of(good)
    assert (stream, name, failed) == ("trace", "claude-code:toolu_1", False)
    assert (body["tool_name"], body["status"], body["method_params"]) == ("Bash", "success", {"command": "ls"})
    assert (body["duration_s"], body["started_at"]) == (1.5, T + 3_500_000)
    _, _, body, failed = entry_of(log(CLAUDE, "tool_result", 5, success="false", error="no", **result))
    assert (body["status"], body["error_message"], failed) == ("error", "no", True)


def test_words_are_taken_where_they_are_sent() -> None:
    said = log(CLAUDE, "user_prompt", 0, session__id="s", prompt="Fix it", prompt_length="6", prompt__id="p1")
    assert entry_of(said) == ("messages", "claude-code:user:p1", {"role": "user", "content": "Fix it"}, False)
    for hidden in ({"prompt": "<REDACTED>"}, {"prompt_length": "6"}):
        assert [type(op) for op in ops_of(log(CLAUDE, "user_prompt", 0, session__id="s", **hidden))] == [Touch]


def test_a_sub_agents_request_is_the_sessions() -> None:
    call = call_of(log(CLAUDE, "api_request", 1, **REQUEST | {"query_source": "subagent"}))
    assert call.session_id == "s"


def test_every_event_is_a_sign_of_life_and_of_many_two_are_enough() -> None:
    many = [log(CLAUDE, "tool_decision", second, session__id="s") for second in (5, 3, 9, 7)]
    assert [op.at for op in ops_of(*many)] == [T + 3 * SECOND, T + 9 * SECOND]


def test_events_without_a_session_or_of_strangers_say_nothing() -> None:
    assert ops_of(log(CLAUDE, "api_request", 1, **REQUEST | {"session__id": ""})) == []
    assert ops_of(log(Resource(), "something.else", 1, session__id="s"), log(Resource(), "", 1)) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"input_tokens": "-1"},
        {"output_tokens": "many"},
        {"output_tokens": "nan"},
        {"cache_read_tokens": 1.5},
        {"input_tokens": "1e30"},
        {"input_tokens": True},
        {"input_tokens": [1]},
        {"cost_usd": "-0.01"},
        {"cost_usd": "inf"},
        {"session__id": "a\nb"},
        {"session__id": "x" * 600},
        {"model": "m" * 300},
    ],
)
def test_r3_a_record_that_makes_no_sense_costs_only_itself(bad: dict[str, Any]) -> None:
    mapped = logs.mapped([log(CLAUDE, "api_request", 1, **REQUEST | bad), log(CLAUDE, "api_request", 2, **REQUEST)])
    assert (mapped.rejected, len(mapped.told)) == (1, 1)
    assert mapped.message


def test_a_record_without_a_time_or_before_2000_makes_no_sense() -> None:
    timeless = LogRecord(resource=CLAUDE, event="api_request", attributes={"session.id": "s"})
    early = LogRecord(resource=CLAUDE, at_us=5, event="api_request", attributes={"session.id": "s"})
    assert logs.mapped([timeless, early]).rejected == 2


# Codex


def test_a_completed_response_of_codex_is_a_call() -> None:
    completed = log(
        CODEX, "codex.sse_event", 1, event__kind="response.completed", conversation__id="s", model="gpt-5.2",
        slug="gpt-5.2", input_token_count="1000", cached_token_count="900", output_token_count="50",
        reasoning_token_count="20", tool_token_count="1050", auth_mode="ApiKey", service_tier="priority",
        originator="codex_exec",
    )  # fmt: skip
    call = call_of(completed)
    assert call.tokens == Tokens(input=100, cache_read=900, output=30, reasoning=20)
    assert (call.billing, call.tier, call.cost_nano, call.model) == ("api", "priority", None, "gpt-5.2")
    assert call.alike == names.codex_alike("s", 1000, 900, 50, 20)
    (touch, _) = ops_of(completed)
    assert (touch.facts.agent, touch.facts.kind, touch.facts.channel) == ("codex", "autonomous", "cli")


def test_other_events_of_codex() -> None:
    common = {"conversation__id": "s", "model": "gpt-5.2"}
    delta = log(CODEX, "codex.sse_event", 1, event__kind="response.output_text.delta", input_token_count=5, **common)
    starts = log(CODEX, "codex.conversation_starts", 1, provider_name="OpenAI", **common)
    fine = log(CODEX, "codex.api_request", 1, http__response__status_code=200, **common)
    for record in (delta, starts, fine):
        assert [type(op) for op in ops_of(record)] == [Touch]
    wrong = call_of(log(CODEX, "codex.api_request", 1, http__response__status_code="429", attempt="1", **common))
    assert (wrong.errored, wrong.tokens.total) == (True, 0)
    ran = log(
        CODEX, "codex.tool_result", 3, tool_name="shell", call_id="call_0123456789", arguments='{"a": 1}',
        duration_ms="20", success="false", output="no such file", **common,
    )  # fmt: skip
    stream, name, body, failed = entry_of(ran)
    assert (stream, name, failed) == ("trace", "codex:call_0123456789", True)
    assert (body["method_params"], body["error_message"]) == ({"a": 1}, "no such file")
    asked = log(CODEX, "codex.user_prompt", 3, prompt="Go on", prompt_length="5", **common)
    assert entry_of(asked)[2] == {"role": "user", "content": "Go on"}
    assert [type(op) for op in ops_of(log(CODEX, "codex.user_prompt", 3, prompt="[REDACTED]", **common))] == [Touch]


# Gemini CLI


def test_a_response_of_gemini_cli_is_a_call() -> None:
    response = log(
        GEMINI, "gemini_cli.api_response", 1, session__id="s", model="gemini-2.5-pro", input_token_count=100,
        output_token_count=20, cached_content_token_count=40, thoughts_token_count=7, tool_token_count=3,
        total_token_count=130, prompt_id="s########0",
    )  # fmt: skip
    call = call_of(response)
    assert call.tokens == Tokens(input=63, cache_read=40, output=20, reasoning=7)
    assert (call.provider, call.evidence) == ("google", Evidence.LOG)


def test_other_events_of_gemini_cli() -> None:
    common = {"session__id": "s", "model": "gemini-2.5-pro", "prompt_id": "p1"}
    wrong = call_of(log(GEMINI, "gemini_cli.api_error", 1, error="quota", status_code=429, **common))
    assert (wrong.errored, wrong.tokens.total) == (True, 0)
    ran = log(
        GEMINI, "gemini_cli.tool_call", 2, function_name="read_file", function_args='{"path": "a"}', duration_ms=5,
        success=False, error="not there", error_type="file_not_found", **common,
    )  # fmt: skip
    _, _, body, failed = entry_of(ran)
    assert (body["tool_name"], body["method_params"], failed) == ("read_file", {"path": "a"}, True)
    assert (body["error_message"], body["error"]) == ("not there", "file_not_found")
    (touch,) = ops_of(log(GEMINI, "gemini_cli.conversation_finished", 3, turnCount="4", **common))
    assert (touch.turns, touch.facts.agent) == (4, "gemini-cli")
    assert entry_of(log(GEMINI, "gemini_cli.user_prompt", 3, prompt="Hi", **common))[1] == "gemini-cli:prompt:p1"


# OpenTelemetry's conventions

DETAILS = "gen_ai.client.inference.operation.details"


def test_the_details_of_an_inference_are_the_call_of_its_span() -> None:
    record = LogRecord(
        resource=SERVICE,
        at_us=T,
        event=DETAILS,
        trace_id="a" * 32,
        span_id="b" * 16,
        attributes={
            "gen_ai.conversation.id": "s",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.response.model": "gpt-5.2",
            "gen_ai.response.id": "resp_1",
            "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_creation.input_tokens": 10,
            "gen_ai.usage.reasoning.output_tokens": 12,
        },
    )
    call = call_of(record)
    assert call.tokens == Tokens(input=30, cache_read=60, cache_write=10, output=18, reasoning=12)
    assert (call.usage_id, call.aliases) == ("openai:response:resp_1", (f"span:{'a' * 32}:{'b' * 16}",))
    assert (call.session_id, call.model, call.provider) == ("s", "gpt-5.2", "openai")


def test_a_session_may_be_named_by_the_resource_and_sums_are_no_calls() -> None:
    usage = {"gen_ai__usage__input_tokens": 5, "gen_ai__usage__output_tokens": 1}
    assert call_of(log(SERVICE, DETAILS, 0, **usage)).session_id == "of the resource"
    whole = log(SERVICE, DETAILS, 0, gen_ai__operation__name="invoke_agent", **usage)
    assert [type(op) for op in ops_of(whole)] == [Touch]


def test_one_batch_is_one_write_and_told_again_it_changes_nothing() -> None:
    records = [
        log(CLAUDE, "api_request", place, **REQUEST | {"request_id": f"req_{place}", "session__id": f"s{place % 3}"})
        for place in range(30)
    ]
    with rollbook.open("sqlite:///:memory:") as book:
        told = logs.mapped(records).told
        assert book.observe(told).accepted == 30
        before = [book.get(f"s{each}") for each in range(3)]
        assert [session.calls for session in before] == [10, 10, 10]
        assert not book.observe(list(reversed(told))).refused
        assert [book.get(f"s{each}") for each in range(3)] == before
