"""OpenLLMetry (Traceloop), and AgentOps, which is made of it. What they associate has names that users made up."""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.shape import CALL, OTHER, TOOL, Emitter

_OF: Final = "~traceloop.association.properties."
_ASSOCIATED: Final = tuple(_OF + name for name in ("session_id", "conversation_id", "thread_id", "chat_id"))
_STRUCTURE: Final = dict.fromkeys(("workflow", "task", "agent", "session", "operation", "chain", "http"), OTHER)

TRACELOOP: Final = Emitter(
    name="openllmetry",
    marks=("traceloop.", "llm.request.type", "llm.usage."),
    kind=("traceloop.span.kind",),
    kinds={"tool": TOOL, **_STRUCTURE},
    tool=("traceloop.entity.name",),
    arguments=("traceloop.entity.input",),
    result=("traceloop.entity.output",),
    session=("gen_ai.conversation.id", "session.id", *_ASSOCIATED),
    actor=(_OF + "user_email", _OF + "user_id"),
    title=("traceloop.workflow.name",),
)

AGENTOPS: Final = Emitter(
    name="agentops",
    marks=("agentops.",),
    services=("agentops",),
    kind=("agentops.span.kind",),
    kinds={"llm": CALL, "tool": TOOL, **_STRUCTURE},
    tool=("tool.name", "agentops.entity.name", "operation.name"),
    arguments=("tool.parameters", "agentops.entity.input"),
    result=("tool.result", "agentops.entity.output"),
    session=("gen_ai.conversation.id", "session.id", *_ASSOCIATED),
    tags=("agentops.tags",),
    end=("agentops.session.end_state",),
    ends={"success": "completed", "fail": "failed", "failure": "failed", "error": "failed"},
)
