"""OpenTelemetry's conventions for generative AI, the newest and older names, and what others write in their manner.

The input includes what was cached, the output includes reasoning. ``gen_ai.aggregated_usage.*`` and
``gen_ai.usage.partial.*`` are left out on purpose: they are sums and parts of what other spans say.
"""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL, Emitter, Said

_DETAILS: Final = "gen_ai.usage.details."
_RAW: Final = "gen_ai.usage.raw/"  #: the provider's own usage, as JSON

CONVENTIONS: Final = Emitter(
    name="otel",
    marks=("gen_ai.",),
    kind=("gen_ai.operation.name", "llm.request.type"),
    kinds={
        **dict.fromkeys(("chat", "text_completion", "generate_content", "completion", "responses"), CALL),
        **dict.fromkeys(("embeddings", "embedding"), EMBEDDING),
        "execute_tool": TOOL,
        **dict.fromkeys(
            (
                "invoke_agent",
                "create_agent",
                "invoke_workflow",
                "plan",
                "retrieval",
                "rerank",
                "fetch_response",  # the answer of a call that was made before
                *(f"{verb}_memory" for verb in ("search", "create", "update", "upsert", "delete")),
                "create_memory_store",
                "delete_memory_store",
            ),
            OTHER,
        ),
    },
    tokens={
        "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.usage.prompt_tokens"),
        "cache_read": (
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.input_tokens.cached",
            _DETAILS + "cache_read_tokens",
            _DETAILS + "cache_read_input_tokens",
            _DETAILS + "cached_tokens",
            _RAW + "prompt_tokens_details/cached_tokens",
            _RAW + "input_tokens_details/cached_tokens",
        ),
        "cache_write": (
            "gen_ai.usage.cache_creation.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.cache_creation_input_tokens",
            "gen_ai.usage.cache_write_input_tokens",
            _DETAILS + "cache_write_tokens",
            _DETAILS + "cache_creation_input_tokens",
        ),
        "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.usage.completion_tokens"),
        "reasoning": (
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.output_tokens.reasoning",
            _DETAILS + "reasoning_tokens",
            _RAW + "completion_tokens_details/reasoning_tokens",
            _RAW + "output_tokens_details/reasoning_tokens",
        ),
        "audio_in": ("gen_ai.usage.audio.input_tokens", _DETAILS + "input_audio_tokens"),
        "audio_out": ("gen_ai.usage.audio.output_tokens", _DETAILS + "output_audio_tokens"),
    },
    cost=("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.cost.amount", "gen_ai.usage.total_cost"),
    model=("gen_ai.response.model", "gen_ai.request.model", "llm.response.model", "llm.request.model"),
    provider=("gen_ai.provider.name", "gen_ai.system"),
    no_providers=frozenset(
        {"_other", "unknown", "langchain", "llamaindex", "haystack", "crewai", "strands-agents", "gcp.vertex.agent"}
    ),
    response=("gen_ai.response.id",),
    request=("gen_ai.request.id",),
    asked=Said(whole=("gen_ai.input.messages", "gen_ai.prompt"), numbered=("gen_ai.prompt",)),
    answered=Said(whole=("gen_ai.output.messages", "gen_ai.completion"), numbered=("gen_ai.completion",)),
    tool=("gen_ai.tool.name",),
    tool_call=("gen_ai.tool.call.id", "gen_ai.tool.call_id"),
    arguments=("gen_ai.tool.call.arguments", "tool_arguments"),
    result=("gen_ai.tool.call.result", "tool_response"),
    error=("error.message", "exception.message"),
    session=("gen_ai.conversation.id", "session.id", "gcp.vertex.agent.session_id"),
    agents=("gen_ai.agent.name", "agent_name", "agent.name"),
    actor=("user.email", "user.id", "enduser.id", "gen_ai.user", "llm.user"),
    project=("project.name", "project.path"),
    title=("gen_ai.conversation.title", "gen_ai.workflow.name"),
)
