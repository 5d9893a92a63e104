"""What a metered call is called, whichever door it comes through (R15): in one place, so that one call has one name.

A provider's id in a form that the provider gives once names a call by itself. Any other id is believed within something
only (its session, its trace): gateways have been seen to number their answers from one.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

from rollbook.ledger.calls import metric_name

#: The forms of ids that providers make once, how long they are at least, and how the name of the call begins.
_RESPONSES: Final = (
    ("msg_", 0, "anthropic:msg:"),
    ("resp_", 0, "openai:response:"),
    ("chatcmpl-", 20, "openai:chat:"),
    ("gen-", 20, "openrouter:generation:"),
)
_REQUESTS: Final = (("req_", 0, "anthropic:req:"),)
_RANDOM: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_\-.=]{16,}")  #: long enough to be given once
_NAME_BYTES: Final = 480  #: of a name
_PART_BYTES: Final = 160  #: of a part of it
_UNKNOWN: Final = "-"  #: stands for a session that is not known yet


def response(value: object) -> str | None:
    """A call's name by the id of its response; None where that id may be given again."""
    return _by(value, _RESPONSES, "response:")


def request(value: object) -> str | None:
    """A call's name by the id of its request; None where that id may be given again."""
    return _by(value, _REQUESTS, "request:")


def _by(value: object, known: tuple[tuple[str, int, str], ...], other: str) -> str | None:
    if not isinstance(value, str) or not value or len(value) > _PART_BYTES:
        return None
    if not value.isascii() and len(value.encode(errors="replace")) > _PART_BYTES:
        return None
    for beginning, least, name in known:
        if value.startswith(beginning) and len(value) >= least:
            return name + value
    return other + value if _RANDOM.fullmatch(value) else None


def span(trace_id: str, span_id: str) -> str:
    """The name of a call of which nothing but its span is known."""
    return f"span:{trace_id}:{span_id}"


def first_of(*names: str | None, otherwise: str) -> tuple[str, tuple[str, ...]]:
    """A call's name and its other names, of those that are known, in the order in which they are preferred."""
    found = [name for name in dict.fromkeys(names) if name]
    return (found[0], tuple(found[1:])) if found else (otherwise, ())


# Where a log, a span and a transcript have no id of a call in common, what it took is: see rollbook.ledger.alike.


def claude_alike(root: str, took: int, gave: int, read: int, written: int) -> str:
    """What a call of Claude Code without a request id is like. ``root`` is the session, not one of its sub-agents'."""
    return _alike("claude", root, took, gave, read, written)


def codex_alike(session_id: str, took: int, cached: int, gave: int, reasoning: int) -> str:
    """What a call of Codex is like: as the source counts, the input with what was cached, the output with reasoning."""
    return _alike("codex", session_id, took, cached, gave, reasoning)


def gemini_alike(root: str, took: int, gave: int, *, cached: int, thoughts: int, tool: int) -> str:
    """What a call of Gemini CLI is like, as the source counts: the input has what was cached, the output no thoughts.

    ``root`` is the session, not one of its sub-agents'.
    """
    return _alike("gemini", root, took, cached, gave, thoughts, tool)


def alike_in(alike: str, session_id: str) -> str:
    """What a call is like that was made before its session was known, when ``-`` stood for it."""
    agent, unknown, took = alike.partition(f":{_UNKNOWN}:")
    return _hashed(f"{agent}:{session_id}:{took}") if unknown else alike


def _alike(agent: str, session_id: str, *took: int) -> str:
    text = f"{agent}:{session_id}:{'.'.join(map(str, took))}"
    return text if session_id == _UNKNOWN else _hashed(text)


def _hashed(text: str) -> str:
    """Short, as there is one for each call: 96 bits are more than can meet by chance in one session."""
    return f"took:{urlsafe_b64encode(blake2b(text.encode(errors='replace'), digest_size=12).digest()).decode()}"


def logged(agent: str, session_id: str, at: int, *marks: object) -> str:
    """The name of a call of which nothing but its log record is known. ``at`` in microseconds."""
    return ":".join((f"{agent}:log", _short(session_id), str(at), *(_short(str(mark)) for mark in marks)))


def metered(session_id: str, model: str | None) -> str:
    """The name of the one call that stands for all that metrics say of a session and a model."""
    begin, end = metric_name(session_id, None), model or ""
    if len((begin + end).encode(errors="replace")) > _NAME_BYTES:
        end = _digest(end)
    return begin + end


def step(agent: str, call_id: str) -> str:
    """The entry of a tool's call whose id its agent makes once: the same in transcripts and telemetry."""
    return f"{agent}:{call_id}"


def _short(text: str) -> str:
    """A part of a name, so short that several of them fit."""
    return text if len(text.encode(errors="replace")) <= _PART_BYTES else _digest(text)


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()


def sub_agent(session_id: str, agent_id: str) -> str:
    """The session of one of Claude Code's sub-agents, below that of its parent."""
    agent = agent_id.removeprefix("agent-")
    return f"{session_id}/agent-{agent}" if agent else f"{session_id}/sidechain"
