"""Codex's lines: from bytes to typed records, with only the fields that matter decoded.

A line is an envelope with a payload. Most payloads are words and tools, of which nothing but their kind is looked at.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Raw, Struct

from rollbook.importers.lines import Count, Decoder, Moment

NOTHING: Final = Raw(b"")

#: Text that the agent puts into the user's mouth, by its beginning; none of it is a prompt.
_INJECTED: Final = (
    "<environment_context>",
    "<user_instructions>",
    "# AGENTS.md instructions",
    "<INSTRUCTIONS>",
    "<permissions instructions>",
    "<collaboration_mode>",
    "<codex_internal_context",
    "<external_",
    "<goal_context>",
    "<hook_prompt",
    "<recommended_plugins>",
    "<skill>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_shell_command>",
    "The following is the Codex agent history",
)
_REQUEST: Final = "## My request for Codex:"  #: after it, what the user typed into an editor's panel
_KIND: Final = re.compile(rb'\s*\{\s*"type"\s*:\s*"([a-z_]+)"')
_HEAD_BYTES: Final = 96  #: of a payload, in which its kind shows itself
_UUID_CHARS: Final = 36


class Line(Struct, gc=False):
    """One line: an envelope, or in the oldest transcripts the record itself."""

    type: str | None = None
    timestamp: Moment | None = None
    ordinal: int | None = None
    payload: Raw = NOTHING
    id: str | None = None
    role: str | None = None
    content: Raw = NOTHING
    record_type: str | None = None


class Git(Struct, gc=False):
    """Where a session's folder stood."""

    branch: str | None = None
    commit_hash: str | None = None


class Meta(Struct, gc=False):
    """What a session says of itself on its first line."""

    id: str | None = None
    session_id: str | None = None
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    timestamp: Moment | None = None
    cwd: str | None = None
    originator: str | None = None
    source: Raw = NOTHING
    model_provider: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    git: Git | None = None
    history_mode: str | None = None
    subagent_history_start_ordinal: int | None = None


class Spawn(Struct, gc=False):
    """Who started a sub-agent."""

    parent_thread_id: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None


class SubAgent(Struct, gc=False):
    """The kinds of sub-agents that say more than their name."""

    thread_spawn: Spawn | None = None


class Source(Struct, gc=False):
    """What drives a session, where it is not one word."""

    subagent: str | SubAgent | None = None
    internal: str | None = None


class Turn(Struct, gc=False):
    """The settings of a turn, or its beginning and end."""

    turn_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    reason: str | None = None


class Settings(Struct, gc=False):
    """What the user chose."""

    model: str | None = None
    model_provider_id: str | None = None
    service_tier: str | None = None


class Applied(Struct, gc=False):
    """A change of the settings."""

    thread_settings: Settings | None = None


class Usage(Struct, gc=False):
    """Tokens as the agent counts them: input contains what was cached, output contains reasoning."""

    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    cache_write_input_tokens: Count | None = None
    output_tokens: Count | None = None
    reasoning_output_tokens: Count | None = None
    total_tokens: Count | None = None


class Info(Struct, gc=False):
    """The counter of a session, and what the last response added to it."""

    total_token_usage: Usage | None = None
    last_token_usage: Usage | None = None
    model: str | None = None


class TokenCount(Struct, gc=False):
    """The counter, told again; without ``info`` only rate limits are told."""

    info: Info | None = None


class Response(Struct, gc=False):
    """What one response of the provider used."""

    response_id: str | None = None
    thread_id: str | None = None
    turn_id: str | None = None
    usage: Usage | None = None
    thread_token_usage: Usage | None = None


class Said(Struct, gc=False):
    """A message of the user or to the user, or the text of an error."""

    message: str | None = None
    kind: str | None = None


class Named(Struct, gc=False):
    """A name that a session was given."""

    thread_name: str | None = None


class Sent(Struct, gc=False):
    """What one agent told another."""

    content: str | None = None
    trigger_turn: bool | None = None


class Part(Struct, gc=False):
    """A part of a message."""

    type: str | None = None
    text: str | None = None


class Item(Struct, gc=False):
    """An item of a turn."""

    type: str | None = None
    content: Raw = NOTHING


class Completed(Struct, gc=False):
    """An item of a turn is there."""

    item: Raw = NOTHING


class Kind(Struct, gc=False):
    """What a payload is, and who speaks in it."""

    type: str | None = None
    role: str | None = None


LINES: Final = Decoder[Line](Line)
META: Final = Decoder[Meta](Meta)
TURN: Final = Decoder[Turn](Turn)
APPLIED: Final = Decoder[Applied](Applied)
TOKEN_COUNT: Final = Decoder[TokenCount](TokenCount)
RESPONSE: Final = Decoder[Response](Response)
SAID: Final = Decoder[Said](Said)
NAMED: Final = Decoder[Named](Named)
SENT: Final = Decoder[Sent](Sent)
COMPLETED: Final = Decoder[Completed](Completed)
KIND: Final = Decoder[Kind](Kind)
_ITEM: Final = Decoder[Item](Item)
_SOURCE: Final = Decoder[str | Source | None](str | Source | None)
_PARTS: Final = Decoder[str | list[Part] | None](str | list[Part] | None)


def kind(payload: Raw) -> str | None:
    """Of what kind a payload is."""
    found = _KIND.match(bytes(memoryview(payload)[:_HEAD_BYTES]))
    if found is not None:
        return found[1].decode()
    decoded = KIND.one(payload)
    return None if decoded is None else decoded.type


def source(raw: Raw) -> str | Source | None:
    """What drives a session; None where it is not understood."""
    return _SOURCE.one(raw)


def typed(raw: Raw) -> str | None:
    """The words of an item that is the user's message; None where it is another item, or has no words."""
    item = _ITEM.one(raw)
    return words(item.content) if item is not None and item.type == "UserMessage" else None


def words(content: Raw) -> str | None:
    """The first words of a message of the user's own; an empty text where it is a picture, None if neither."""
    parts = _PARTS.one(content)
    if isinstance(parts, str):
        return asked(parts)
    if not parts:
        return None
    texts = [asked(part.text) for part in parts if part.text is not None]
    return next((text for text in texts if text), None) if texts else ""


def asked(text: str) -> str | None:
    """What the user asked for in a message, or None where the agent wrote it in the user's name."""
    text = text.strip()
    if text.startswith(_INJECTED):
        return None
    _, found, request = text.rpartition(_REQUEST)
    return request.strip() if found else text


def moment_of(identity: str | None) -> int:
    """The time in microseconds at which an id was made, if it is one that tells (UUIDv7); else 0."""
    if identity is None or len(identity) != _UUID_CHARS or identity[14] != "7":
        return 0
    try:
        return int(identity[:8] + identity[9:13], 16) * 1000
    except ValueError:
        return 0


def is_uuid(identity: str | None) -> bool:
    """Whether an id is long enough to be the only one of its kind."""
    return identity is not None and len(identity) >= _UUID_CHARS
