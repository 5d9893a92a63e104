"""What was said and done in one of Gemini CLI's transcripts.

A message is written again whenever something is added to it, so an entry is taken when it is whole: words as soon as
there are any, a call of a tool once it is done. What the user takes back was said, and stays. Answers that no model is
named for were put in by the agent itself when it compressed the conversation.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw, Struct

from rollbook.errors import InvalidInput
from rollbook.importers import gemini_lines as lines
from rollbook.importers.base import Context
from rollbook.importers.content import ASSISTANT, CANCELLED, ERROR, SUCCESS, USER, Call, Content, Result
from rollbook.importers.gemini_lines import Line
from rollbook.importers.lines import Decoder, Moment, micros

_AGENT: Final = "gemini-cli"
_NOTHING: Final = Raw(b"")
_DONE: Final = {"success": SUCCESS, "error": ERROR, "cancelled": CANCELLED}
_PICTURE: Final = "[image]"  #: stands for a prompt without words


class _Tool(Struct, gc=False):
    """A tool that was called, as its message repeats it."""

    id: str | None = None
    name: str | None = None
    args: Raw = _NOTHING
    status: str | None = None
    timestamp: Moment | None = None
    result: Raw = _NOTHING


class _Response(Struct, gc=False):
    """What was told to the model of a tool."""

    response: dict[str, Any] | None = None


class _Part(Struct, gc=False, rename="camel"):
    """One part of that."""

    function_response: _Response | None = None
    text: str | None = None


_tools: Final = Decoder[list[_Tool] | None](list[_Tool] | None)
_parts: Final = Decoder[list[_Part] | _Part | str | None](list[_Part] | _Part | str | None)


class GeminiContent(Content):
    """What one transcript contains."""

    def take(self, session_id: str, line: Line, at: int, context: Context, *, last: bool) -> None:
        """Take in a message. Of a sub-agent's prompt only the ``last`` part is its task."""
        name = f"{_AGENT}:{line.id}"
        if line.type == "user":
            said = lines.user_said(line, last=last)
            if said.prompt:
                self.say(session_id, name, USER, said.whole or _PICTURE, at)
        elif line.type == "gemini" and line.model:
            self.say(session_id, name, ASSISTANT, lines.all_text(line), at)
            for place, tool in enumerate((_tools.one(line.tool_calls) if len(line.tool_calls) else None) or ()):
                status = _DONE.get(tool.status or "")
                if status is not None:
                    call = Call(f"{name}:{tool.id or place}", tool.name or "", _params(tool), None)
                    self.ran(session_id, call, _result(tool, status, _at(tool, at, context)))


def _at(tool: _Tool, at: int, context: Context) -> int:
    """When a tool was done."""
    if tool.timestamp is None:
        return at
    try:
        return context.time(micros(tool.timestamp))[0]
    except InvalidInput:
        return at


def _params(tool: _Tool) -> Raw | None:
    return tool.args if len(tool.args) else None


def _result(tool: _Tool, status: str, at: int) -> Result:
    found = _parts.one(tool.result) if len(tool.result) else None
    parts = [found] if isinstance(found, _Part) else found
    if parts is None or isinstance(parts, str):
        value: Any = parts
    else:
        told = [_told(part) for part in parts]
        value = told[0] if len(told) == 1 else told or None
    if status != ERROR:
        return Result(at, value, status=status)
    return Result(
        at,
        error=value if isinstance(value, str) else "",
        value=None if isinstance(value, str) else value,
        status=status,
    )


def _told(part: _Part) -> Any:
    """A tool's answer: its words where it has nothing else."""
    if part.function_response is None:
        return part.text
    response = part.function_response.response
    if response is not None and len(response) == 1:
        (only,) = response.values()
        return only
    return response
