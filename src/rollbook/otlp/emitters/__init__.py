"""Who writes spans, and how: one table for each. To understand another one, add its table and a test."""

from __future__ import annotations

from typing import Final

from rollbook.otlp.emitters.coding import CLAUDE_CODE, CODEX, GEMINI_CLI, OPENLIT_CODING
from rollbook.otlp.emitters.conventions import CONVENTIONS
from rollbook.otlp.emitters.frameworks import (
    GOOGLE_ADK,
    LANGFUSE,
    LANGSMITH,
    LITELLM,
    MLFLOW,
    OPIK,
    PYDANTIC_AI,
    VERCEL,
)
from rollbook.otlp.emitters.openinference import OPENINFERENCE
from rollbook.otlp.emitters.shape import Emitter
from rollbook.otlp.emitters.traceloop import AGENTOPS, TRACELOOP

#: The first that knows a span is its emitter: those come first whose marks nobody else writes.
EMITTERS: Final[tuple[Emitter, ...]] = (
    CLAUDE_CODE, CODEX, GEMINI_CLI, OPENLIT_CODING, LANGFUSE, VERCEL, MLFLOW, LANGSMITH, OPIK, AGENTOPS, OPENINFERENCE,
    PYDANTIC_AI, LITELLM, GOOGLE_ADK, TRACELOOP, CONVENTIONS,
)  # fmt: skip

__all__ = ["CONVENTIONS", "EMITTERS", "Emitter"]
