"""What a transcript contains, on its way to a journal: what was said, and which tools were called.

Whose it is: the session's whose conversation the transcript shows. A copied call is counted once and is the original's
(decision 12); but a conversation that was forked or resumed is read from its beginning, so what a transcript repeats of
the past belongs to both sessions. A sub-agent has what it was told and did itself. How each source tells these apart is
said in its own module.

An entry is handed over when it is complete, and never changed: words as they are written, a call of a tool with its
result. Its id is made from the transcript alone. So nothing doubles, wherever the readings were cut. A call whose
result has not come is remembered by where its line stands, and read there again: contents are kept in journals alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from rollbook.importers import follow
from rollbook.importers.base import Context, Item
from rollbook.importers.lines import one_line
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Jot
from rollbook.model import MICROS
from rollbook.rules.texts import MESSAGES, TRACE

USER: Final = "user"
ASSISTANT: Final = "assistant"
SUCCESS: Final = "success"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"

OPEN_MOST: Final = 256  #: calls of one file whose results are waited for; of more the latest
WEIGHT_BYTES: Final = 2_048  #: of contents that weigh as much as one operation, where operations are counted
_NAME_BYTES: Final = 256
_NO_PARAMS: Final = Raw(b"{}")

Waiting = tuple[str, str, int]  #: session, call, and where the line of the call begins


class Call(Struct):
    """A tool that was called."""

    entry_id: str
    name: str
    params: Raw | Any
    at: int | None  #: microseconds; None where only the end is known


class Result(Struct):
    """What became of it."""

    at: int  #: microseconds
    value: Any = None
    error: str = ""
    status: str = SUCCESS


class _Body(Struct):
    """A call as a journal keeps it: the body of a trace step."""

    origin_function: str
    status: str
    memory_query: str
    memory_context: str
    method_params: Any
    method_return_value: Any
    error_message: str
    session_feedback: str
    started_at: int | None
    duration_s: float | None
    tool_name: str
    span_id: None = None
    error: None = None


class Content:
    """The entries of one file that have not been handed over."""

    def __init__(self) -> None:
        self.weight = 0
        self._found: dict[str, dict[str, list[New]]] = {}  #: by session and stream

    def say(self, session_id: str, entry_id: str, role: str, text: str, at: int) -> None:
        """Something was said. Nothing is said by an empty text."""
        if text and not text.isspace():
            body = msgspec.json.encode({"role": role, "content": text})
            self._add(session_id, MESSAGES, New(entry_id, body, at))

    def ran(self, session_id: str, call: Call, result: Result) -> None:
        """A tool was called, and is done."""
        name = one_line(call.name, _NAME_BYTES) or "unknown"
        spent = None if call.at is None else max(0, result.at - call.at) / MICROS
        body = _Body(
            origin_function=name,
            status=result.status,
            memory_query="",
            memory_context="",
            method_params=call.params if call.params is not None else _NO_PARAMS,
            method_return_value=result.value,
            error_message=result.error,
            session_feedback="",
            started_at=call.at,
            duration_s=spent,
            tool_name=name,
        )
        failed = result.status == ERROR
        self._add(session_id, TRACE, New(call.entry_id, msgspec.json.encode(body), result.at, failed=failed))

    def _add(self, session_id: str, stream: str, new: New) -> None:
        self._found.setdefault(session_id, {}).setdefault(stream, []).append(new)
        self.weight += 1 + len(new.body) // WEIGHT_BYTES

    def drain(self, context: Context, lived: Callable[[str], int]) -> list[Item]:
        """Hand the entries over: those of one session together, as of the time at which it was active last.

        Their own times would not do: what a fork repeats is older than the fork. One that never was has no contents.
        """
        items: list[Item] = []
        for name, streams in self._found.items():
            at = lived(name)
            if at:
                items.append(jot(context.user_id, name, at, streams.items()))
        self._found, self.weight = {}, 0
        return items


def jot(
    user_id: str, session_id: str, at: int, streams: Iterable[tuple[str, Iterable[New]]], *, flagged: bool = False
) -> Jot:
    """Entries of one session as an operation."""
    step = Step(user_id, session_id, at, tuple(Append(stream, tuple(found)) for stream, found in streams))
    return Jot(user_id=user_id, session_id=session_id, at=at, step=step, flagged=flagged)


def appended(item: Jot) -> list[tuple[str, tuple[New, ...]]]:
    """The entries of such an operation, by stream."""
    return [(change.stream, change.entries) for change in item.step.changes if isinstance(change, Append)]


def entries(item: Jot) -> int:
    """How many entries an operation has."""
    return sum(len(found) for _, found in appended(item))


def weight(item: Jot) -> int:
    """How many operations one with contents weighs as much as."""
    return sum(1 + len(new.body) // WEIGHT_BYTES for _, found in appended(item) for new in found)


def digest(*texts: str) -> str:
    """What tells an entry from others of the same time, where a transcript gives it no name."""
    return blake2b("\0".join(texts).encode(errors="replace"), digest_size=6).hexdigest()


class OpenCalls:
    """Calls whose results have not come, by session and id.

    ``read`` finds a call again in its line: it is given the line, the session and the call's id.
    """

    def __init__(self, path: str, places: Iterable[Waiting], read: Callable[[bytes, str, str], Call | None]) -> None:
        self._path = path
        self._read = read
        self._open: dict[tuple[str, str], Call | None] = {}
        self._places: dict[tuple[str, str], int] = {}
        for session_id, name, place in places:
            self._open[session_id, name] = None
            self._places[session_id, name] = place

    def begin(self, session_id: str, name: str, call: Call) -> None:
        """A tool was called."""
        key = (session_id, name)
        self._open.pop(key, None)
        self._places.pop(key, None)
        self._open[key] = call
        if len(self._open) > OPEN_MOST:
            oldest = next(iter(self._open))
            del self._open[oldest]
            self._places.pop(oldest, None)

    def end(self, session_id: str, name: str) -> Call | None:
        """The call whose result has come; None where it was not seen."""
        key = (session_id, name)
        if key not in self._open:
            return None
        call, place = self._open.pop(key), self._places.pop(key, None)
        if call is None and place is not None:
            return self._again(place, session_id, name)
        return call

    def place(self, block: bytes, start: int) -> None:
        """Note where the lines of calls stand that were begun in a block and are still open at its end."""
        for key in self._open.keys() - self._places.keys():
            at = block.find(b'"' + key[1].encode(errors="replace") + b'"')
            if at >= 0:
                self._places[key] = start + block.rfind(b"\n", 0, at) + 1

    def carried(self) -> list[Waiting]:
        """What the next reading has to know."""
        return [(*key, self._places[key]) for key in self._open if key in self._places]

    def _again(self, place: int, session_id: str, name: str) -> Call | None:
        try:
            with Path(self._path).open("rb") as file:
                file.seek(place)
                line = file.readline(follow.LINE_CAP_BYTES)
        except OSError:
            return None
        return self._read(line, session_id, name)
