"""Frameworks and platforms with names of their own beside the conventions."""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL, Emitter, Said

_USAGE: Final = "langfuse.observation.usage_details/"

#: Its kinds of usage are disjoint where they are given as a map.
LANGFUSE: Final = Emitter(
    name="langfuse",
    marks=("langfuse.",),
    services=("langfuse-sdk",),
    kind=("langfuse.observation.type",),
    kinds={
        "generation": CALL,
        "embedding": EMBEDDING,
        "tool": TOOL,
        **dict.fromkeys(("span", "event", "agent", "chain", "retriever", "evaluator", "guardrail"), OTHER),
    },
    tokens={
        "input": (_USAGE + "input", _USAGE + "input_tokens", _USAGE + "prompt_tokens"),
        "cache_read": tuple(
            _USAGE + name for name in ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
        ),
        "cache_write": tuple(_USAGE + name for name in ("cache_creation_input_tokens", "input_cache_creation")),
        "output": (_USAGE + "output", _USAGE + "output_tokens", _USAGE + "completion_tokens"),
        "reasoning": (_USAGE + "output_reasoning_tokens", _USAGE + "output_reasoning"),
        "audio_in": (_USAGE + "input_audio_tokens", _USAGE + "input_audio"),
        "audio_out": (_USAGE + "output_audio_tokens", _USAGE + "output_audio"),
    },
    disjoint=True,
    cost=("langfuse.observation.cost_details/total",),
    model=("langfuse.observation.model.name",),
    asked=Said(whole=("langfuse.observation.input",)),
    answered=Said(whole=("langfuse.observation.output",)),
    arguments=("langfuse.observation.input",),
    result=("langfuse.observation.output",),
    error=("langfuse.observation.status_message",),
    session=(
        "langfuse.session.id",
        "session.id",
        "gen_ai.conversation.id",
        "ai.telemetry.metadata.sessionId",
        "langfuse.trace.metadata.langfuse_session_id",
        "langfuse.observation.metadata.langfuse_session_id",
    ),
    actor=("langfuse.user.id",),
    title=("langfuse.trace.name",),
    tags=("langfuse.trace.tags",),
)

#: The outer spans sum up what the inner ones (``.doGenerate`` …) used.
VERCEL: Final = Emitter(
    name="vercel-ai-sdk",
    marks=("ai.",),
    kind=("ai.operationId",),
    kinds={
        **dict.fromkeys(
            (
                "ai.generatetext.dogenerate",
                "ai.streamtext.dostream",
                "ai.generateobject.dogenerate",
                "ai.streamobject.dostream",
            ),
            CALL,
        ),
        **dict.fromkeys(("ai.embed.doembed", "ai.embedmany.doembed"), EMBEDDING),
        "ai.toolcall": TOOL,
        **dict.fromkeys(
            ("ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject", "ai.embed", "ai.embedmany"),
            OTHER,
        ),
    },
    tokens={
        "input": ("ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens", "gen_ai.usage.input_tokens"),
        "cache_read": ("ai.usage.cachedInputTokens", "ai.usage.inputTokenDetails.cacheReadTokens"),
        "cache_write": ("ai.usage.inputTokenDetails.cacheWriteTokens",),
        "output": ("ai.usage.outputTokens", "ai.usage.completionTokens", "gen_ai.usage.output_tokens"),
        "reasoning": ("ai.usage.reasoningTokens", "ai.usage.outputTokenDetails.reasoningTokens"),
    },
    model=("ai.response.model", "ai.model.id"),
    provider=("ai.model.provider", "gen_ai.system"),
    provider_until=".",
    response=("ai.response.id",),
    asked=Said(whole=("ai.prompt.messages",)),
    answered=Said(whole=("ai.response.text",)),
    tool=("ai.toolCall.name",),
    tool_call=("ai.toolCall.id",),
    arguments=("ai.toolCall.args",),
    result=("ai.toolCall.result",),
    session=(
        "gen_ai.conversation.id",
        "session.id",
        "ai.telemetry.metadata.sessionId",
        "ai.telemetry.metadata.session_id",
        "~ai.telemetry.metadata.conversation_id",
        "~ai.telemetry.metadata.thread_id",
        "~ai.telemetry.metadata.chat_id",
    ),
    agents=("ai.telemetry.functionId",),
    actor=("~ai.telemetry.metadata.user_email", "~ai.telemetry.metadata.user_id"),
)

#: Its newer versions sum up under names that are not read; in its older ones the agent's span has usage and no kind.
PYDANTIC_AI: Final = Emitter(
    name="pydantic-ai",
    marks=("pydantic_ai.", "operation.cost"),
    services=("pydantic-ai",),
    passed_over={"logfire.span_type": "pending_span"},
    arguments=("tool_arguments",),
    result=("tool_response",),
)

#: Its values are JSON, texts too.
MLFLOW: Final = Emitter(
    name="mlflow",
    marks=("mlflow.",),
    kind=("mlflow.spanType",),
    kinds={
        **dict.fromkeys(("llm", "chat_model"), CALL),
        "embedding": EMBEDDING,
        "tool": TOOL,
        **dict.fromkeys(("agent", "chain", "retriever", "reranker", "parser", "workflow", "task", "memory"), OTHER),
    },
    tokens={
        "input": ("mlflow.chat.tokenUsage/input_tokens",),
        "cache_read": ("mlflow.chat.tokenUsage/cache_read_input_tokens",),
        "cache_write": ("mlflow.chat.tokenUsage/cache_creation_input_tokens",),
        "output": ("mlflow.chat.tokenUsage/output_tokens",),
    },
    cost=("mlflow.llm.cost/total_cost",),
    model=("mlflow.llm.model",),
    provider=("mlflow.llm.provider",),
    asked=Said(whole=("mlflow.spanInputs",)),
    answered=Said(whole=("mlflow.spanOutputs",)),
    arguments=("mlflow.spanInputs",),
    result=("mlflow.spanOutputs",),
    session=("mlflow.trace.session", "gen_ai.conversation.id", "session.id"),
    actor=("mlflow.trace.user",),
)

LANGSMITH: Final = Emitter(
    name="langsmith",
    marks=("langsmith.",),
    services=("langsmith",),
    kind=("langsmith.span.kind",),
    kinds={
        "llm": CALL,
        "embedding": EMBEDDING,
        "tool": TOOL,
        **dict.fromkeys(("chain", "retriever", "prompt", "parser"), OTHER),
    },
    arguments=("gen_ai.prompt",),
    result=("gen_ai.completion",),
    session=(
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
        "gen_ai.conversation.id",
        "session.id",
    ),
    actor=("langsmith.metadata.user_id",),
    project=("langsmith.trace.session_name",),
    tags=("langsmith.span.tags",),
)

#: A model's call is around that of the library it uses, which may tell it as well.
GOOGLE_ADK: Final = Emitter(
    name="google-adk",
    marks=("gcp.vertex.agent.",),
    services=("gcp.vertex.agent",),
    spans={"call_llm": CALL, "execute_tool (merged tools)": OTHER, "execute_tool (merged)": OTHER},
    arguments=("gcp.vertex.agent.tool_call_args",),
    result=("gcp.vertex.agent.tool_response",),
    session=("gcp.vertex.agent.session_id", "gen_ai.conversation.id", "session.id"),
)

OPIK: Final = Emitter(
    name="opik",
    marks=("opik.",),
    session=("thread_id", "opik.thread_id", "gen_ai.conversation.id", "session.id"),
    tags=("opik.tags",),
)

LITELLM: Final = Emitter(
    name="litellm",
    marks=("litellm", "metadata.litellm", "hidden_params", "metadata.requester"),
    services=("litellm",),
    cost=("gen_ai.cost.total_cost", "gen_ai.usage.cost"),
    session=("litellm_session_id", "metadata.litellm_session_id", "gen_ai.conversation.id", "session.id"),
    actor=("metadata.user_api_key_user_email", "metadata.user_api_key_end_user_id"),
)
