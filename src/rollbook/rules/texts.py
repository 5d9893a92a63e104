"""What a search finds an entry by: its questions and answers, what its steps did, what was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rollbook.rules.words import INDEXED_MOST, strings

QAS: Final = "qa"
TRACE: Final = "trace"
MESSAGES: Final = "messages"

#: The fields of the streams that Rollbook itself writes; of any other stream it is every text there is.
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    QAS: ("question", "answer"),
    TRACE: (
        "origin_function",
        "tool_name",
        "error",
        "error_message",
        "memory_query",
        "method_params",
        "method_return_value",
        "memory_context",
        "session_feedback",
    ),
    MESSAGES: ("content",),
}


def text_of(stream: str, body: Any) -> str:
    """What an entry says, as one text; cut where a search looks no further."""
    if stream == MESSAGES and isinstance(body, dict) and isinstance(said := body.get("content"), str):
        return said[:INDEXED_MOST]  # what most are
    values = body
    fields = FIELDS.get(stream)
    if fields is not None and isinstance(body, Mapping):
        values = [body[field] for field in fields if body.get(field)]
    parts, length = [], 0
    for part in strings(values):
        if part:
            parts.append(part)
            length += len(part) + 1
            if length > INDEXED_MOST:
                break
    return "\n".join(parts)[:INDEXED_MOST]
