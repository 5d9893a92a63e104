"""OpenInference: Phoenix and Arize, and what is instrumented for them. The prompt includes what was cached."""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL, Emitter, Said

_COUNT: Final = "llm.token_count."

OPENINFERENCE: Final = Emitter(
    name="openinference",
    marks=("openinference.", "llm.token_count.", "llm.model_name"),
    services=("openinference.",),
    kind=("openinference.span.kind",),
    kinds={
        "llm": CALL,
        "embedding": EMBEDDING,
        "tool": TOOL,
        **dict.fromkeys(("chain", "retriever", "reranker", "agent", "guardrail", "evaluator", "prompt"), OTHER),
    },
    tokens={
        "input": (_COUNT + "prompt",),
        "cache_read": (_COUNT + "prompt_details.cache_read",),
        "cache_write": (_COUNT + "prompt_details.cache_write",),
        "audio_in": (_COUNT + "prompt_details.audio",),
        "output": (_COUNT + "completion",),
        "reasoning": (_COUNT + "completion_details.reasoning",),
        "audio_out": (_COUNT + "completion_details.audio",),
    },
    cost=("llm.cost.total",),
    model=("llm.response.model_name", "llm.model_name", "llm.request.model_name", "embedding.model_name"),
    provider=("llm.provider", "llm.system"),
    response=("llm.response.id", "output.value/id"),
    asked=Said(numbered=("llm.input_messages",), role="message.role", content="message.content"),
    answered=Said(numbered=("llm.output_messages",), role="message.role", content="message.content"),
    tool=("tool.name",),
    tool_call=("tool.id", "tool_call.id"),
    arguments=("input.value", "tool.parameters"),
    result=("output.value",),
    error=("exception.message",),
    session=("session.id", "metadata/session_id", "metadata/thread_id", "metadata/conversation_id"),
    agents=("agent.name",),
    project=("openinference.project.name",),
    tags=("tag.tags",),
)
