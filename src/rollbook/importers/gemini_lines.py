"""Gemini CLI's records: from bytes to typed records, with only the fields that matter decoded.

A record is a line of a file of lines, and an older file is one record that holds all of its messages.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from rollbook.importers.lines import UNREADABLE, Count, Decoder, Moment
from rollbook.importers.sessions import CANCELLED, COMPLETED, OPEN

_NOTHING: Final = Raw(b"")

#: What the agent itself puts into the user's mouth; none of it is a prompt.
_INJECTED: Final = (
    "<session_context>",
    "<hook_context>",
    "<state_snapshot>",
    "<system-reminder>",
    "<loaded_context>",
    "--- Context from: ",
    "This is the Gemini CLI. We are setting up the context for our chat.",
    "Here is the user's editor context",
    "Here is a summary of changes in the user's editor context",
    "System: Please continue.",
    "Please continue.",
)
_COMMAND: Final = re.compile(r"[/?][\w:-]*(?:\s|\Z)")  #: what the agent runs itself, without a model
_CANCELLED: Final = frozenset({"request cancelled", "user cancelled the request"})
_SUB_AGENT_DONE: Final = "complete_task"  #: the tool by which a sub-agent says that it is done


class Tokens(Struct, gc=False):
    """What the provider says that a call used. ``input`` contains what was cached, ``output`` no thoughts."""

    input: Count | None = None
    output: Count | None = None
    cached: Count | None = None
    thoughts: Count | None = None
    tool: Count | None = None


class Tool(Struct, gc=False):
    """A tool that was called, as its message repeats it."""

    name: str | None = None
    status: str | None = None
    timestamp: Moment | None = None


class Facts(Struct, gc=False, rename="camel"):
    """What a record may say of the session."""

    session_id: str | None = None
    project_hash: str | None = None
    start_time: Moment | None = None
    kind: str | None = None
    summary: str | None = None
    directories: Raw = _NOTHING
    messages: Raw = _NOTHING


class Line(Facts, gc=False, rename="camel"):
    """One record: a message, facts of the session or a change of them, or words that were taken back."""

    id: str | None = None
    timestamp: Moment | None = None
    type: str | None = None
    content: Raw = _NOTHING
    display_content: Raw = _NOTHING
    model: str | None = None
    tokens: Tokens | None = None
    tool_calls: Raw = _NOTHING
    set: Facts | None = msgspec.field(name="$set", default=None)
    patch: Raw = msgspec.field(name="$patch", default=_NOTHING)
    rewind_to: str | None = msgspec.field(name="$rewindTo", default=None)

    @property
    def known(self) -> bool:
        """Whether it is any kind of record at all."""
        return bool(self.id or self.session_id or self.set is not None or len(self.patch) or self.rewind_to)


class Part(Struct, gc=False, rename="camel"):
    """One part of a content."""

    text: str | None = None
    thought: bool | None = None
    function_call: Raw = _NOTHING
    function_response: Raw = _NOTHING


LINES: Final = Decoder[Line](Line)
_parts = Decoder[str | Part | list[str | Part] | None](str | Part | list[str | Part] | None)
_tools = Decoder[list[Tool] | None](list[Tool] | None)
_names = Decoder[list[str] | None](list[str] | None)
_list = Decoder[list[Raw] | None](list[Raw] | None)
_object: Final = msgspec.json.Decoder(dict[str, Raw])
_CUT: Final = b"0123456789+-.eEtrufalsn"  #: of what a number or a word may be left when a file is cut in it


_FACTS: Final = ("session_id", "project_hash", "start_time", "kind", "summary", "directories")
_FACTS_TOLD: Final = ("sessionId", "projectHash", "startTime", "kind", "summary", "directories")


class Whole(Struct):
    """What an older file holds: one record, or none yet, or nothing that is understood."""

    line: Line | None = None
    skipped: int = 0
    waits: bool = False  #: it is being written, and what is there so far has no end


def whole(text: bytes) -> Whole:
    """The record that an older file is. While it is rewritten it may be empty or cut anywhere."""
    try:
        fields = _object.decode(text)
    except UNREADABLE:
        waits = _is_cut(text.strip())
        return Whole(waits=waits, skipped=0 if waits else 1)
    line = LINES.one(text)
    return _readable(fields) if line is None else Whole(line=line)


def _readable(fields: dict[str, Raw]) -> Whole:
    """The facts of an older file that are understood, where not all of them are."""
    found = Whole(line=Line(messages=fields.get("messages", _NOTHING)))
    for name, told in zip(_FACTS, _FACTS_TOLD, strict=True):
        if told in fields:
            one = LINES.one(b'{"%s":%s}' % (told.encode(), bytes(fields[told])))
            if one is None:
                found.skipped += 1
            else:
                setattr(found.line, name, getattr(one, name))
    return found


def _is_cut(text: bytes) -> bool:
    """Whether a text is the beginning of an object: then more of it may come."""
    if text and not text.startswith(b"{"):
        return False
    try:
        _object.decode(text.rstrip(_CUT))
    except UNREADABLE as error:
        return "truncated" in str(error)
    return False


def messages(raw: Raw) -> tuple[list[Line], int]:
    """The messages that a record holds, and how many were not understood."""
    if not len(raw):
        return [], 0
    found = _list.one(raw)
    if found is None:
        return [], 0 if raw == Raw(b"null") else 1
    lines = [LINES.one(item) for item in found]
    taken = [line for line in lines if line is not None and line.id]
    return taken, len(lines) - len(taken)


def folders(raw: Raw) -> list[str]:
    """The folders that a session may use."""
    return (_names.one(raw) if len(raw) else None) or []


def tools(line: Line) -> list[Tool]:
    """The tools that a message called, so far."""
    return (_tools.one(line.tool_calls) if len(line.tool_calls) else None) or []


def _content(raw: Raw) -> list[str | Part]:
    found = _parts.one(raw) if len(raw) else None
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _text(part: str | Part) -> str:
    if isinstance(part, str):
        return part.strip()
    return (part.text or "").strip() if not part.thought else ""


class Said(Struct):
    """What a user's message is: a prompt (with the text that can name a session), or not."""

    prompt: bool = False
    text: str | None = None
    whole: str = ""  #: every text of it


def user_said(line: Line, *, last: bool = False) -> Said:
    """What the user said. A sub-agent's task is the ``last`` text, after the context that it is given."""
    parts = _content(line.content)
    if not parts or any(isinstance(part, Part) and len(part.function_response) for part in parts):
        return Said()
    texts = [_text(part) for part in parts]
    own = [text for text in texts if text and not text.startswith(_INJECTED)]
    if any(texts) and not own:
        return Said()
    shown = [text for text in map(_text, _content(line.display_content)) if text]
    if not shown and own and _COMMAND.match(own[0]):
        return Said()
    named = own[-1:] if last else shown or own
    return Said(prompt=True, text=named[0] if named else None, whole="\n\n".join(named))


def answer(line: Line) -> int:
    """How a message of the model leaves the session: done, stopped, or waiting for its tools."""
    called = tools(line)
    if called:
        if any(tool.name == _SUB_AGENT_DONE and tool.status == "success" for tool in called):
            return COMPLETED
        return CANCELLED if all(tool.status == "cancelled" for tool in called) else OPEN
    parts = _content(line.content)
    calls = any(isinstance(part, Part) and len(part.function_call) for part in parts)
    return COMPLETED if not calls and any(_text(part) for part in parts) else OPEN


def all_text(line: Line) -> str:
    """The words of a message, without thoughts."""
    return "\n\n".join(filter(None, map(_text, _content(line.content))))


def first_text(line: Line) -> str | None:
    """The first words of a message."""
    return next((text for text in map(_text, _content(line.content)) if text), None)


def says_cancelled(line: Line) -> bool:
    """Whether a notice says that the user stopped the model."""
    return (first_text(line) or "").strip(" .").lower() in _CANCELLED
