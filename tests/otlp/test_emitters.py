"""What is understood of each emitter's spans, by the names and shapes of its documentation: a table and a test each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otlp.spans_of import messages, record, steps, told
from rollbook.model import Tokens
from rollbook.otlp import reading, spans
from rollbook.otlp.emitters import EMITTERS
from rollbook.otlp.emitters.shape import OTHER, TOOL
from rollbook.otlp.records import Resource
from rollbook.telemetry import names


def test_openinference() -> None:
    found = told(
        "ChatCompletion",
        attributes={
            "openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "llm.provider": "openai",
            "llm.token_count.prompt": 100, "llm.token_count.completion": 20,
            "llm.token_count.prompt_details.cache_read": 40, "llm.token_count.completion_details.reasoning": 5,
            "llm.cost.total": 0.01, "session.id": "s", "user.id": "u", "tag.tags": ["a", "b"],
            "llm.input_messages.0.message.role": "system", "llm.input_messages.0.message.content": "x",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.text": "hello",
            "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "hi",
            "output.value": '{"id": "resp_7"}', "output.mime_type": "application/json",
        },
    )  # fmt: skip
    assert found.sure
    assert found.call is not None
    assert found.call.tokens == Tokens(input=60, cache_read=40, output=15, reasoning=5)
    assert (found.call.cost_nano, found.call.usage_id) == (10_000_000, "openai:response:resp_7")
    assert (found.session_id, found.facts.actor, found.facts.tags) == ("s", "u", ("a", "b"))
    assert messages(found) == [("user", "hello"), ("assistant", "hi")]


@pytest.mark.parametrize("kind", ["CHAIN", "AGENT", "RETRIEVER", "RERANKER", "GUARDRAIL", "EVALUATOR", "PROMPT"])
def test_openinference_counts_models_and_embeddings_alone(kind: str) -> None:
    assert told(attributes={"openinference.span.kind": kind, "llm.token_count.prompt": 100}).call is None


def test_openinference_tools_and_sessions_in_metadata() -> None:
    found = told(
        attributes={
            "openinference.span.kind": "TOOL", "tool.name": "weather", "input.value": '{"city": "Oslo"}',
            "output.value": "rain", "metadata": '{"thread_id": "t1"}',
        }
    )  # fmt: skip
    (step,) = steps(found)
    assert (step["tool_name"], step["method_params"], step["method_return_value"]) == (
        "weather",
        {"city": "Oslo"},
        "rain",
    )
    assert found.session_id == "t1"


@pytest.mark.parametrize("key", ["session_id", "sessionId", "SESSION-ID", "conversation_id", "thread_id", "chat_id"])
def test_openllmetry_associates_by_names_that_users_made_up(key: str) -> None:
    found = told(
        "openai.chat",
        attributes={
            "llm.request.type": "chat", "gen_ai.system": "OpenAI", "gen_ai.response.model": "gpt-5",
            "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2, "gen_ai.usage.reasoning_tokens": 1,
            f"traceloop.association.properties.{key}": "s", "traceloop.association.properties.user_id": "u",
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hello",
            "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "hi",
        },
    )  # fmt: skip
    assert (found.session_id, found.facts.actor, found.sure) == ("s", "u", True)
    assert found.call is not None
    assert found.call.tokens == Tokens(input=10, output=1, reasoning=1)
    assert messages(found) == [("user", "hello"), ("assistant", "hi")]


@pytest.mark.parametrize(("kind", "expected"), [("workflow", OTHER), ("task", OTHER), ("agent", OTHER), ("tool", TOOL)])
def test_openllmetry_structure(kind: str, expected: str) -> None:
    seen = record(
        attributes={"traceloop.span.kind": kind, "traceloop.entity.name": "x", "gen_ai.usage.input_tokens": 9}
    )
    among = reading.of(reading.Sender(seen.resource), seen.name, seen.attributes)
    assert among.emitter is not None
    assert spans.kind_of(among, seen) == expected
    assert spans.told(seen).call is None


@pytest.mark.parametrize(("said", "status"), [("Success", "completed"), ("Fail", "failed"), ("Indeterminate", None)])
def test_agentops_states_how_a_session_ended(said: str, status: str | None) -> None:
    found = told(attributes={"agentops.span.kind": "session", "session.id": "s", "agentops.session.end_state": said})
    assert (found.end.status if found.end else None) == status


def test_claude_code() -> None:
    resource = Resource(attributes={"service.name": "claude-code"}, scope="com.anthropic.claude_code.tracing")
    common = {"session.id": "s", "user.email": "a@example.org", "user.id": "hash", "app.entrypoint": "cli"}
    found = told(
        "claude_code.llm_request",
        resource=resource,
        attributes={
            **common, "model": "claude-sonnet-4-5", "input_tokens": "10", "output_tokens": 20,
            "cache_read_tokens": 100, "cache_creation_tokens": 5, "request_id": "req_1", "gen_ai.response.id": "msg_1",
            "gen_ai.usage.input_tokens": 115, "success": True, "query_source": "main",
        },
    )  # fmt: skip
    assert found.sure
    assert found.call is not None
    assert found.call.tokens == Tokens(input=10, cache_read=100, cache_write=5, output=20), "its kinds are disjoint"
    assert (found.call.usage_id, found.call.aliases) == ("anthropic:msg:msg_1", ("anthropic:req:req_1",))
    assert (found.facts.agent, found.facts.actor, found.facts.channel) == ("claude-code", "a@example.org", "cli")
    below = told(
        "claude_code.llm_request",
        resource=resource,
        attributes={**common, "input_tokens": 1, "agent_id": "a1", "request_id": "req_2"},
    )
    assert (below.session_id, below.facts.parent_id) == ("s/agent-a1", "s")
    failed = told(
        "claude_code.llm_request", resource=resource, attributes={**common, "success": "false", "model": "claude-x"}
    )
    assert failed.call is not None
    assert failed.call.errored
    tool = told(
        "claude_code.tool",
        resource=resource,
        attributes={**common, "tool_name": "Bash", "tool_use_id": "toolu_1", "full_command": "ls"},
    )
    (step,) = steps(tool)
    assert (step["tool_name"], tool.steps[0][1].entry_id) == ("Bash", "claude-code:toolu_1")
    turn = told("claude_code.interaction", resource=resource, attributes={**common, "interaction.sequence": 3})
    assert (turn.turns, turn.call) == (3, None)
    for name in ("claude_code.tool.execution", "claude_code.tool.blocked_on_user", "claude_code.hook"):
        assert not told(name, resource=resource, attributes=common).steps


def test_codex() -> None:
    resource = Resource(attributes={"service.name": "codex_cli_rs"})
    used = {
        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.output_tokens": 20,
        "codex.usage.reasoning_output_tokens": 8, "codex.usage.total_tokens": 120,
    }  # fmt: skip
    found = told("completed", resource=resource, attributes={**used, "conversation.id": "s", "model": "gpt-5.2"})
    assert found.sure
    assert found.call is not None
    assert found.call.tokens == Tokens(input=40, cache_read=60, output=12, reasoning=8)
    assert found.call.alike == names.codex_alike("s", 100, 60, 20, 8)
    assert found.facts.agent == "codex"
    unnamed = told("completed", resource=resource, attributes=used)
    assert unnamed.session_id is None
    assert unnamed.call is not None
    assert unnamed.call.alike is not None
    assert names.alike_in(unnamed.call.alike, "s") == found.call.alike


def test_gemini_cli() -> None:
    """Its logs, which it sends as well, say of the same calls and tools more than its spans."""
    resource = Resource(attributes={"service.name": "gemini-cli"})
    attributes = {"gen_ai.operation.name": "llm_call", "gen_ai.conversation.id": "s", "gen_ai.agent.name": "gemini-cli"}
    found = told("llm_call", resource=resource, attributes={**attributes, "gen_ai.usage.input_tokens": 100})
    assert (found.call, found.session_id, found.facts.agent) == (None, "s", "gemini-cli")
    tool = told(
        "tool_call",
        resource=resource,
        attributes={**attributes, "gen_ai.operation.name": "tool_call", "gen_ai.tool.name": "ls"},
    )
    assert not tool.steps


def test_langfuse() -> None:
    found = told(
        attributes={
            "langfuse.observation.type": "generation", "langfuse.session.id": "s", "session.id": "other",
            "langfuse.user.id": "u", "langfuse.trace.name": "a title", "langfuse.trace.tags": ["x"],
            "langfuse.observation.model.name": "gpt-5",
            "langfuse.observation.usage_details": '{"input": 60, "input_cached_tokens": 40, "output": 20}',
            "langfuse.observation.cost_details": '{"input": 0.1, "output": 0.2, "total": 0.3}',
            "langfuse.observation.input": '[{"role": "user", "content": "hello"}]',
            "langfuse.observation.output": '"hi"',
        }
    )  # fmt: skip
    assert found.call is not None
    assert found.call.tokens == Tokens(input=60, cache_read=40, output=20)
    assert (found.call.model, found.call.cost_nano, found.session_id) == ("gpt-5", 300_000_000, "s")
    assert (found.facts.actor, found.facts.title, found.facts.tags) == ("u", "a title", ("x",))
    assert messages(found) == [("user", "hello"), ("assistant", "hi")]
    for kind in ("span", "event", "agent", "chain"):
        assert told(attributes={"langfuse.observation.type": kind, "gen_ai.usage.input_tokens": 1}).call is None


def test_vercel_ai_sdk() -> None:
    used = {
        "ai.usage.inputTokens": 100, "ai.usage.cachedInputTokens": 40, "ai.usage.outputTokens": 20,
        "ai.usage.reasoningTokens": 5, "ai.telemetry.metadata.sessionId": "s", "ai.model.id": "gpt-5",
        "ai.model.provider": "openai.responses",
    }  # fmt: skip
    inner = told(
        "ai.streamText.doStream",
        attributes={
            "ai.operationId": "ai.streamText.doStream", **used, "ai.response.id": "resp_1",
            "ai.prompt.messages": '[{"role":"user","content":[{"type":"text","text":"hello"}]}]',
            "ai.response.text": "hi", "gen_ai.usage.input_tokens": 100, "gen_ai.response.model": "gpt-5-2025-08-07",
        },
    )  # fmt: skip
    assert inner.sure
    assert inner.call is not None
    assert inner.call.tokens == Tokens(input=60, cache_read=40, output=15, reasoning=5)
    assert (inner.call.usage_id, inner.session_id) == ("openai:response:resp_1", "s")
    assert inner.call.provider == "openai"
    assert messages(inner) == [("user", "hello"), ("assistant", "hi")]
    assert told("ai.streamText", attributes={"ai.operationId": "ai.streamText", **used}).call is None
    tool = told(
        "ai.toolCall",
        attributes={
            "ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather", "ai.toolCall.args": '{"city":"Oslo"}',
            "ai.toolCall.result": '"rain"',
        },
    )  # fmt: skip
    (step,) = steps(tool)
    assert (step["tool_name"], step["method_params"], step["method_return_value"]) == (
        "weather",
        {"city": "Oslo"},
        "rain",
    )


def test_pydantic_ai_and_logfire() -> None:
    scope = Resource(scope="pydantic-ai")
    found = told(
        "chat gpt-5",
        resource=scope,
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
            "gen_ai.usage.details.reasoning_tokens": 5, "operation.cost": 0.002, "gen_ai.conversation.id": "s",
            "gen_ai.agent.name": "helper",
        },
    )  # fmt: skip
    assert found.call is not None
    assert (found.call.source, found.call.cost_nano) == ("pydantic-ai", 2_000_000)
    assert found.call.tokens == Tokens(input=100, output=15, reasoning=5)
    older = told("agent run", resource=scope, attributes={"agent_name": "helper", "gen_ai.usage.input_tokens": 200})
    assert older.call is not None
    assert not older.sure
    pending = told("chat gpt-5", attributes={"logfire.span_type": "pending_span", "gen_ai.operation.name": "chat"})
    assert not pending.ours
    raw = told(
        attributes={
            "gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100,
            "gen_ai.usage.raw": '{"prompt_tokens_details": {"cached_tokens": 400}}',
        }
    )  # fmt: skip
    assert raw.call is not None
    assert raw.call.tokens == Tokens(input=600, cache_read=400, output=100)


def test_google_adk() -> None:
    found = told(
        "call_llm",
        attributes={
            "gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini-2.5-flash",
            "gcp.vertex.agent.session_id": "s", "gcp.vertex.agent.llm_request": "{}", "gen_ai.usage.input_tokens": 107,
            "gen_ai.usage.output_tokens": 6,
        },
    )  # fmt: skip
    assert found.sure
    assert found.call is not None
    assert (found.session_id, found.call.provider) == ("s", None), "a framework sends no bill"
    tool = told(
        "execute_tool echo",
        attributes={
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "echo",
            "gcp.vertex.agent.tool_call_args": '{"message": "hello"}', "gcp.vertex.agent.llm_request": "{}",
            "gcp.vertex.agent.tool_response": '{"reply": "hi"}',
        },
    )  # fmt: skip
    (step,) = steps(tool)
    assert (step["method_params"], step["method_return_value"]) == ({"message": "hello"}, {"reply": "hi"})
    assert not told("call_llm", attributes={"http.method": "GET"}).ours


def test_mlflow() -> None:
    found = told(
        attributes={
            "mlflow.spanType": '"CHAT_MODEL"', "mlflow.chat.tokenUsage": '{"input_tokens": 10, "output_tokens": 2}',
            "mlflow.trace.session": '"s"', "mlflow.trace.user": '"u"',
            "mlflow.spanInputs": '{"messages": [{"role": "user", "content": "hello"}]}',
            "mlflow.spanOutputs": '{"choices": [{"message": {"role": "assistant", "content": "hi"}}]}',
        }
    )  # fmt: skip
    assert found.call is not None
    assert (found.call.tokens, found.session_id, found.facts.actor) == (Tokens(input=10, output=2), "s", "u")
    assert messages(found) == [("user", "hello"), ("assistant", "hi")]
    assert told(attributes={"mlflow.spanType": '"AGENT"', "gen_ai.usage.input_tokens": 1}).call is None


@pytest.mark.parametrize(
    ("attributes", "session"),
    [
        ({"langsmith.span.kind": "llm", "langsmith.metadata.thread_id": "s"}, "s"),
        ({"langsmith.span.kind": "llm", "langsmith.metadata.session_id": "s", "session.id": "x"}, "s"),
        ({"opik.tags": "x", "thread_id": "s"}, "s"),
        ({"litellm.call_id": "x", "litellm_session_id": "s"}, "s"),
        ({"coding_agent.session.id": "s", "coding_agent.client": "cursor"}, "s"),
        ({"http.method": "GET", "thread_id": "s"}, None),
    ],
)
def test_other_names_of_sessions(attributes: dict[str, Any], session: str | None) -> None:
    assert told(attributes=attributes).session_id == session


def test_openlit_tells_how_coding_agents_ended() -> None:
    found = told(attributes={"coding_agent.session.id": "s", "coding_agent.session.outcome": "success"})
    assert found.end is not None
    assert (found.end.status, found.end.decided_by) == ("completed", "telemetry")


def test_every_emitter_is_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md").read_text()
    assert not [emitter.name for emitter in EMITTERS if f"| `{emitter.name}` |" not in page]
