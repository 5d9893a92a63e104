"""What was said and done, as telemetry tells it: entries of a session's journal."""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec
from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Jot
from rollbook.model import MICROS
from rollbook.rules import checks
from rollbook.rules.texts import MESSAGES, TRACE

USER: Final = "user"
ASSISTANT: Final = "assistant"
SUCCESS: Final = "success"
ERROR: Final = "error"

Entry = tuple[str, New]


class Ran(Struct, frozen=True, kw_only=True):
    """Something that an agent did."""

    name: str
    ended: int  #: microseconds
    spent: float | None = None  #: seconds
    params: Any = None
    value: Any = None
    failed: bool = False
    error: str = ""
    kind: str | None = None  #: of the error
    span_id: str | None = None


def said(entry_id: str, role: str, content: Any, at: int) -> Entry:
    """Something was said."""
    return MESSAGES, New(entry_id, _json({"role": role, "content": content}), at)


def step(entry_id: str, ran: Ran) -> Entry:
    """A step of the trace."""
    name = _name(ran.name) or "unknown"
    body = {
        "origin_function": name,
        "status": ERROR if ran.failed else SUCCESS,
        "memory_query": "",
        "memory_context": "",
        "method_params": {} if ran.params is None else ran.params,
        "method_return_value": ran.value,
        "error_message": ran.error,
        "session_feedback": "",
        "started_at": None if ran.spent is None else max(0, ran.ended - round(ran.spent * MICROS)),
        "duration_s": ran.spent,
        "tool_name": name,
        "span_id": ran.span_id,
        "error": _name(ran.kind or "") or None,
    }
    return TRACE, New(entry_id, _json(body), ran.ended, failed=ran.failed)


def jot(session_id: str, at: int, *entries: Entry) -> Jot:
    """Entries of one session as an operation; whose it is, the book fills in."""
    changes = tuple(Append(stream, (new,)) for stream, new in entries)
    return Jot(user_id="", session_id=session_id, at=at, step=Step("", session_id, at, changes))


def _name(text: str) -> str:
    line = " ".join(text.split())
    return line.encode(errors="replace")[: checks.MAX_MODEL_BYTES].decode(errors="ignore")


def _json(body: Any) -> bytes:
    """Raises InvalidInput for what JSON cannot say."""
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, UnicodeError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"contents that are no JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise InvalidInput(f"contents that are no JSON: {type(value).__name__}")


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)
