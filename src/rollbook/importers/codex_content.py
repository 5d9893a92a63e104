"""What was said and done in one of Codex's transcripts.

A transcript is one session's, with all that stands in it: a fork has the history that was copied to it as well as what
came after. A sub-agent has what it was told and did itself, and not what its parent had said before. The user's words
are taken from the events that tell of them, so that each is a turn; the agent's, and its tools, from what was sent to
and came from the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from rollbook.errors import InvalidInput
from rollbook.importers import codex_lines as lines
from rollbook.importers.base import Context
from rollbook.importers.codex_lines import Line
from rollbook.importers.content import ASSISTANT, ERROR, USER, Call, Content, OpenCalls, Result, Waiting, digest
from rollbook.importers.lines import UNREADABLE, Decoder, micros
from rollbook.importers.sessions import Carried

_AGENT: Final = "codex"
_PICTURE: Final = "[image]"  #: stands for a prompt without words
_UNIQUE_CHARS: Final = 12  #: of an id of a call; shorter ones are told apart by time
_HEAD_CHARS: Final = 400  #: of an answer, in which a command says how it ended
_EXIT: Final = re.compile(r"^(?:Exit code: |Process exited with code )(-?\d+)", re.MULTILINE)
_ANSWER: Final = "_output"  #: how the kind of an item that holds a result ends
_NOTHING: Final = Raw(b"")


class _Item(Struct, gc=False):
    """One item of what goes to and comes from the model."""

    type: str | None = None
    role: str | None = None
    content: Raw = _NOTHING
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    action: Raw = _NOTHING
    call_id: str | None = None
    output: Raw = _NOTHING


class _Part(Struct, gc=False):
    type: str | None = None
    text: str | None = None


class _Told(Struct, gc=False):
    """A result that says whether it is one."""

    content: Raw = _NOTHING
    success: bool | None = None


class _Ended(Struct, gc=False):
    """How a command ended, as older versions wrote it into the answer."""

    exit_code: int | None = None


class _Wrapped(Struct, gc=False):
    metadata: _Ended
    output: str


_item: Final = Decoder[_Item](_Item)
_parts: Final = Decoder[str | list[_Part] | None](str | list[_Part] | None)
_answer: Final = Decoder[str | _Told | None](str | _Told | None)
_wrapped: Final = Decoder[_Wrapped](_Wrapped)


class CodexContent(Content):
    """What one transcript contains, across as many readings as it takes."""

    def __init__(self, path: str, places: Iterable[Waiting], context: Context) -> None:
        super().__init__()
        self.context = context
        self.calls = OpenCalls(path, places, self._again)

    def asked(self, session_id: str, text: str, moment: int) -> None:
        """The user asked for something."""
        self._said(session_id, USER, text or _PICTURE, moment)

    def _said(self, session_id: str, role: str, text: str, moment: int) -> None:
        at, _ = self.context.time(moment)
        self.say(session_id, f"{_AGENT}:{moment}:{digest(role, text)}", role, text, at)

    def plain(self, session: Carried, line: Line, nth: int) -> None:
        """A message of the first versions, which had no time."""
        if line.role == USER:
            text = lines.words(line.content)
            text = _PICTURE if text == "" else text
        else:
            text = _text(line.content) if line.role == ASSISTANT else None
        if text is not None and line.role is not None:
            self.say(session.id, f"{_AGENT}:{nth}:{digest(line.role, text)}", line.role, text, session.last)

    def take(self, session_id: str, payload: Raw, moment: int) -> None:
        """Take in an item."""
        item = _item.one(payload)
        if item is None or item.type is None:
            return
        at, _ = self.context.time(moment)
        if item.type == "message":
            if item.role == ASSISTANT:
                self._said(session_id, ASSISTANT, _text(item.content), moment)
        elif item.type.endswith(_ANSWER):
            call = self.calls.end(session_id, item.call_id or "")
            if call is not None:
                self.ran(session_id, call, _result(item.output, at))
        elif item.type == "web_search_call" and len(item.action):
            name = f"{_AGENT}:{moment}:{digest(bytes(item.action).decode(errors='replace'))}"
            self.ran(session_id, Call(name, "web_search", item.action, None), Result(at))
        elif item.call_id:
            self.calls.begin(session_id, item.call_id, _call(item, moment, at))

    def _again(self, text: bytes, _: str, name: str) -> Call | None:
        """A call by its line."""
        line = lines.LINES.one(text)
        item = None if line is None else _item.one(line.payload)
        if line is None or line.timestamp is None or item is None or item.call_id != name:
            return None
        try:
            moment = micros(line.timestamp)
            return _call(item, moment, self.context.time(moment)[0])
        except InvalidInput:
            return None


def _call(item: _Item, moment: int, at: int) -> Call:
    name = item.call_id or ""
    if len(name) < _UNIQUE_CHARS:
        name = f"{moment}:{name}"
    return Call(f"{_AGENT}:{name}", item.name or (item.type or "").removesuffix("_call"), _params(item), at)


def _params(item: _Item) -> Any:
    """With what a tool was called."""
    if item.arguments is not None:
        try:
            msgspec.json.decode(item.arguments)
            return Raw(item.arguments.encode())
        except UNREADABLE:
            return item.arguments
    if item.input is not None:
        return {"input": item.input}
    return Raw(bytes(item.action)) if len(item.action) else None


def _result(raw: Raw, at: int) -> Result:
    """What a tool answered, and whether it failed: it says so, or the command that it ran did."""
    told = _answer.one(raw)
    success, text = True, ""
    if isinstance(told, _Told):
        success, text = told.success is not False, _text(told.content)
    elif isinstance(told, str):
        wrapped = _wrapped.one(told.encode(errors="replace")) if told.startswith("{") else None
        if wrapped is not None:
            success, text = not wrapped.metadata.exit_code, wrapped.output
        else:
            found = _EXIT.search(told[:_HEAD_CHARS])
            success, text = found is None or int(found[1]) == 0, told
    else:
        text = _text(raw)
    return Result(at, text) if success else Result(at, error=text, status=ERROR)


def _text(raw: Raw) -> str:
    """The words of a content; what is none is named."""
    found = _parts.one(raw) if len(raw) else None
    if isinstance(found, str):
        return found
    return "\n\n".join(part.text if part.text is not None else f"[{part.type}]" for part in found or [])
