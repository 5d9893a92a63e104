"""What was said and done in OpenCode's sessions.

A message is the session's in whose name it is stored: a fork has copies of its own, and with them the whole of its
conversation. Words are taken when their message is done, a call of a tool when it is. What OpenCode says in somebody's
name is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from rollbook.errors import InvalidInput
from rollbook.importers.base import Context
from rollbook.importers.content import ASSISTANT, ERROR, USER, Call, Content, Result
from rollbook.importers.lines import Decoder
from rollbook.importers.opencode_rows import Message, Millis, micros, moment

_AGENT: Final = "opencode"
_NOTHING: Final = Raw(b"")
_COMPLETED: Final = "completed"
_FAILED: Final = "error"
#: A message so young may not have its parts yet: they are written after it.
_YOUNG_MS: Final = 60_000


class _Times(Struct, gc=False):
    """When a tool was called and done, as version 1 and version 2 name it."""

    start: Millis | None = None
    end: Millis | None = None
    created: Millis | None = None
    ran: Millis | None = None
    completed: Millis | None = None


class _State(Struct, gc=False):
    """How far a call of a tool is."""

    status: str | None = None
    input: Raw = _NOTHING
    output: Raw = _NOTHING
    content: Raw = _NOTHING
    error: Raw = _NOTHING
    time: _Times | None = None


class _Part(Struct, gc=False):
    """A part of a message: words, a call of a tool, or anything else."""

    type: str | None = None
    text: str | None = None
    synthetic: bool | None = None
    ignored: bool | None = None
    id: str | None = None
    call_id: str | None = msgspec.field(name="callID", default=None)
    tool: str | None = None
    name: str | None = None
    state: _State | None = None
    time: _Times | None = None


class _Words(Struct, gc=False):
    """What a tool answered, or why it failed, in parts."""

    type: str | None = None
    text: str | None = None
    message: str | None = None


_part: Final = Decoder[_Part](_Part)
_pieces: Final = Decoder[list[_Part]](list[_Part])
_text: Final = Decoder[str](str)
_words: Final = Decoder[str | _Words | list[_Words] | None](str | _Words | list[_Words] | None)


class OpenCodeContent(Content):
    """What the messages contain that have not been handed over."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context

    def take(self, message: Message, stored: Iterable[bytes]) -> bool:
        """Take in a message with its parts as version 1 stores them; whether all of it can be there."""
        if message.kind not in (USER, ASSISTANT):
            return True
        raw = bytes(message.data.content)
        parts = [part for part in map(_part.one, stored) if part is not None] or (_pieces.one(raw) if raw else None)
        said = bytes(message.data.text)
        texts = [_text.one(said) or ""] if said else []
        texts += [part.text for part in parts or () if part.type == "text" and part.text and not _put_in(part)]
        name = f"{_AGENT}:{message.id}"
        if message.kind == USER or message.done is not None:
            self.say(message.session, name, message.kind, "\n\n".join(texts), micros(message.made))
        for part in parts or ():
            if part.type == "tool" and part.state is not None and part.state.status in (_COMPLETED, _FAILED):
                self._ran(message, name, part, part.state)
        return bool(parts or texts) or message.kind != USER or not self._young(message)

    def _young(self, message: Message) -> bool:
        return message.made + _YOUNG_MS > self.context.now // 1_000

    def _ran(self, message: Message, name: str, part: _Part, state: _State) -> None:
        times, more = state.time or _Times(), part.time or _Times()
        began = self._at(times.start, more.ran, more.created)
        at = self._at(times.end, more.completed)
        params = state.input if len(state.input) else None
        call = Call(f"{name}:{part.call_id or part.id}", part.tool or part.name or "", params, began)
        at = micros(message.last) if at is None else at
        if state.status == _FAILED:
            self.ran(message.session, call, Result(at, error=str(_answer(state.error) or ""), status=ERROR))
        else:
            self.ran(message.session, call, Result(at, _answer(state.output if len(state.output) else state.content)))

    def _at(self, *stated: float | None) -> int | None:
        """The first of some times that is told, as a journal keeps it."""
        for millis in stated:
            if millis is not None:
                try:
                    return micros(moment(millis, self.context)[0])
                except InvalidInput:
                    return None
        return None


def _put_in(part: _Part) -> bool:
    """Whether OpenCode put words in that nobody said."""
    return bool(part.synthetic or part.ignored)


def _answer(raw: Raw) -> Any:
    """What a tool answered: its words, or else what it is."""
    if not len(raw):
        return None
    found = _words.one(raw)
    if isinstance(found, list):
        return "\n".join(word.text if word.text is not None else f"[{word.type}]" for word in found)
    if isinstance(found, _Words):
        return found.message if found.message is not None else found.text
    return found
