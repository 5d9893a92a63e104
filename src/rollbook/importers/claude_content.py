"""What was said and done in one of Claude Code's transcripts.

An entry is the session's that its line names, also where the line was copied from another: each of the two has
the whole of its conversation. What a session's file repeats before the session's own first line is its past, and is
told with that line: until then nobody knows whether the session will ever be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Raw, Struct

from rollbook.errors import InvalidInput
from rollbook.importers import claude_lines as lines
from rollbook.importers import follow
from rollbook.importers.base import Context
from rollbook.importers.claude_lines import SYNTHETIC, Line, Message
from rollbook.importers.content import ASSISTANT, ERROR, USER, Call, Content, OpenCalls, Result, Waiting, digest
from rollbook.importers.lines import Decoder, micros

_AGENT: Final = "claude-code"
_NOTHING: Final = Raw(b"")
#: How the provider's own ids of calls begin: they are unique by themselves. Gateways have been seen to count from one.
_UNIQUE: Final = ("toolu_", "srvtoolu_")
_CALLS: Final = ("tool_use", "server_tool_use")
_ANSWER: Final = "tool_result"  #: how the kind of a block that holds a result ends


class _Block(Struct, gc=False):
    """One part of a message's content."""

    type: str | None = None
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = _NOTHING
    tool_use_id: str | None = None
    content: Raw = _NOTHING
    is_error: bool | None = None


_blocks: Final = Decoder[str | list[_Block] | None](str | list[_Block] | None)


class ClaudeContent(Content):
    """What one transcript contains, across as many readings as it takes."""

    def __init__(self, path: str, places: Iterable[Waiting], context: Context) -> None:
        super().__init__()
        self.path = path
        self.context = context
        self.calls = OpenCalls(path, places, self._again)

    def take(self, session_id: str, line: Line, at: int) -> None:
        """Take in a line of the user's or the agent's."""
        message = line.message
        if not isinstance(message, Message) or line.is_meta or line.is_compact_summary:
            return
        blocks = _parts(message.content)
        if line.type == USER:
            self._said(session_id, line, USER, map(_prompt, blocks), at)
        elif line.is_api_error_message or message.model == SYNTHETIC:
            return  # the agent's own notices
        else:
            self._said(session_id, line, ASSISTANT, (block.text for block in blocks if block.type == "text"), at)
        for block in blocks:
            if block.type in _CALLS and block.id:
                self.calls.begin(session_id, block.id, _call(line, block, at))
            elif block.tool_use_id and block.type is not None and block.type.endswith(_ANSWER):
                self._ended(session_id, block, at)

    def _said(self, session_id: str, line: Line, role: str, texts: Iterable[str | None], at: int) -> None:
        text = "\n\n".join(filter(None, texts))
        self.say(session_id, f"{_AGENT}:{line.uuid or f'{_moment(line)}:{digest(role, text)}'}", role, text, at)

    def _ended(self, session_id: str, block: _Block, at: int) -> None:
        call = self.calls.end(session_id, block.tool_use_id or "")
        if call is None:
            return  # its line was damaged, or is in another file, which tells both
        value = _answer(block.content)
        result = Result(at, error=value or "", status=ERROR) if block.is_error else Result(at, value)
        self.ran(session_id, call, result)

    def _again(self, text: bytes, _: str, name: str) -> Call | None:
        """A call by its line."""
        line = lines.LINES.one(text)
        if line is None or line.timestamp is None or not isinstance(line.message, Message):
            return None
        try:
            at, _flagged = self.context.time(micros(line.timestamp))
        except InvalidInput:
            return None
        found = (block for block in _parts(line.message.content) if block.id == name and block.type in _CALLS)
        return next((_call(line, block, at) for block in found), None)

    def past(self) -> Iterator[Line]:
        """The lines of the file from its beginning."""
        try:
            with Path(self.path).open("rb") as file:
                while text := file.readline(follow.LINE_CAP_BYTES):
                    line = lines.LINES.one(text)
                    if line is not None:
                        yield line
        except OSError:
            return


def _parts(raw: Raw) -> list[_Block]:
    found = _blocks.one(raw) if len(raw) else None
    return [_Block(type="text", text=found)] if isinstance(found, str) else found or []


def _prompt(block: _Block) -> str | None:
    """What the user put in by a part of a message; None for what the agent put there."""
    if block.type == "text":
        return lines.spoken(block.text or "").text
    if block.type is None or block.type.endswith(_ANSWER):
        return None
    return f"[{block.type}]"  # a picture, a document


def _moment(line: Line) -> int:
    """The time that a line tells, whatever the clock says."""
    return 0 if line.timestamp is None else micros(line.timestamp)


def _call(line: Line, block: _Block, at: int) -> Call:
    name = block.id or ""
    if not name.startswith(_UNIQUE):
        name = f"{line.uuid or _moment(line)}:{name}"
    return Call(f"{_AGENT}:{name}", block.name or "", Raw(bytes(block.input)) if len(block.input) else None, at)


def _answer(raw: Raw) -> str | None:
    """What a tool answered, as text; what is none is named."""
    if not len(raw):
        return None
    blocks = _parts(raw)
    return "\n".join(block.text if block.text is not None else f"[{block.type}]" for block in blocks)
