"""Coding agents that send spans of their own."""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.shape import CALL, OTHER, TOOL, Emitter

#: Its four kinds of tokens are disjoint; its output includes thinking, with no split.
CLAUDE_CODE: Final = Emitter(
    name="claude-code",
    marks=("claude_code.",),
    services=("claude-code", "com.anthropic.claude_code", "com.anthropic.claude_code."),
    agent="claude-code",
    spans={
        "claude_code.llm_request": CALL,
        "claude_code.tool": TOOL,
        **dict.fromkeys(
            (
                "claude_code.interaction",
                "claude_code.tool.blocked_on_user",
                "claude_code.tool.execution",
                "claude_code.hook",
            ),
            OTHER,
        ),
    },
    tokens={
        "input": ("input_tokens",),
        "cache_read": ("cache_read_tokens",),
        "cache_write": ("cache_creation_tokens",),
        "output": ("output_tokens",),
    },
    disjoint=True,
    cost=("cost_usd",),
    model=("model",),
    request=("request_id",),
    succeeded=("success",),
    tool=("tool_name",),
    tool_call=("tool_use_id", "gen_ai.tool.call.id"),
    arguments=("tool_input", "tool_parameters", "full_command", "file_path"),
    error=("error",),
    session=("session.id",),
    sub_agent=("agent_id",),
    project=("workspace.host_paths",),
    turns=("interaction.sequence",),
)

#: Spans of its responses are named after what came in them, so they are known by what they carry.
CODEX: Final = Emitter(
    name="codex",
    marks=("codex.",),
    services=("codex", "codex_", "codex-app-server"),
    agent="codex",
    calls=("codex.usage.total_tokens",),
    tokens={
        "input": ("gen_ai.usage.input_tokens",),
        "cache_read": ("gen_ai.usage.cache_read.input_tokens",),
        "cache_write": ("gen_ai.usage.cache_write.input_tokens",),
        "output": ("gen_ai.usage.output_tokens",),
        "reasoning": ("codex.usage.reasoning_output_tokens",),
    },
    model=("model", "slug"),
    provider=("provider_name",),
    session=("conversation.id", "thread.id", "thread_id", "session.id"),
    project=("cwd",),
)

#: It sends logs as well, which say more of the same calls of models and tools: its spans leave out what was thought.
GEMINI_CLI: Final = Emitter(
    name="gemini-cli",
    marks=("gemini_cli.",),
    services=("gemini-cli",),
    agent="gemini-cli",
    kind=("gen_ai.operation.name",),
    kinds={
        **dict.fromkeys(
            ("llm_call", "tool_call", "user_prompt", "system_prompt", "agent_call", "schedule_tool_calls"), OTHER
        ),
    },
    session=("gen_ai.conversation.id", "session.id"),
)

#: What OpenLIT tells of coding agents.
OPENLIT_CODING: Final = Emitter(
    name="openlit",
    marks=("coding_agent.",),
    session=("coding_agent.session.id", "gen_ai.conversation.id", "session.id"),
    agents=("coding_agent.client",),
    end=("coding_agent.session.outcome",),
    ends={
        **dict.fromkeys(("success", "completed", "complete"), "completed"),
        **dict.fromkeys(("failure", "failed", "error"), "failed"),
        **dict.fromkeys(("cancelled", "canceled", "aborted"), "cancelled"),
    },
)
