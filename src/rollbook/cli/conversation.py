"""What `show` tells of a session's contents: who said what, and which tools were called, read a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rollbook.cli import format as say
from rollbook.cli.screen import Screen
from rollbook.content import EntryView
from rollbook.model import Session, from_micros, to_dict

if TYPE_CHECKING:
    from rollbook.book import Rollbook

STREAMS: Final = ("qa", "messages", "trace")  #: those that are a conversation; frameworks have streams of their own
PAGE: Final = 100  #: entries that are read at once
LAST: Final = 20  #: entries that are shown unless more are asked for
_WORDS: Final = 4_000  #: characters of a message that are shown unless everything is
_CALLED: Final = 160  #: of what a tool was called with
_ANSWERED: Final = 300  #: of what it answered
_INDENT: Final = 4
_ROLES: Final = {"user": "bold green", "assistant": "bold cyan"}


class Told(NamedTuple):
    """An entry and where it stands."""

    stream: str
    entry: EntryView


class Contents:
    """The conversation of one session."""

    def __init__(self, book: Rollbook, one: Session) -> None:
        self._book = book
        self._one = one
        heads = book.heads(one.session_id, user_id=one.user_id)
        self._lengths = {head.stream: head.length for head in heads if head.head == "main"}
        self.total = sum(self._lengths.get(stream, 0) for stream in STREAMS)
        #: Entries in the streams of frameworks.
        self.others = {stream: length for stream, length in self._lengths.items() if stream not in STREAMS}

    def told(self, most: int | None) -> Iterable[Told]:
        """The newest entries of all streams together, oldest first; None: all, a page of each stream in memory."""
        if most is None:
            return merge(*(self._stream(stream) for stream in STREAMS), key=_when)
        found = [told for stream in STREAMS for told in self._last(stream, most)]
        return sorted(found, key=_when)[max(0, len(found) - most) :]

    def _last(self, stream: str, most: int) -> list[Told]:
        found: list[Told] = []
        before = None
        while len(found) < most:
            page = self._page(stream, min(PAGE, most - len(found)), before)
            if not page:
                break
            found[:0] = [Told(stream, entry) for entry in page]
            before = page[0].entry_id
        return found

    def _stream(self, stream: str) -> Iterator[Told]:
        """One stream from its beginning: backwards first, to learn where its pages begin."""
        starts: list[str | None] = [None]
        while page := self._page(stream, PAGE, starts[-1]):
            starts.append(page[0].entry_id)
        for before in starts[-2::-1]:
            yield from (Told(stream, entry) for entry in self._page(stream, PAGE, before))

    def _page(self, stream: str, most: int, before: str | None) -> list[EntryView]:
        if not self._lengths.get(stream):
            return []
        one = self._one
        return self._book.entries(one.session_id, stream, last_n=most, before=before, user_id=one.user_id)


def _when(told: Told) -> Any:
    return told.entry.created_at


def plain(told: Told) -> dict[str, Any]:
    """An entry as JSON tells it."""
    entry, body = told.entry, told.entry.body
    if told.stream == "trace" and isinstance(body, dict) and isinstance(body.get("started_at"), int):
        body = {**body, "started_at": from_micros(body["started_at"])}
    return {"stream": told.stream, "entry_id": entry.entry_id, "created_at": entry.created_at, "body": to_dict(body)}


def write(screen: Screen, contents: Contents, most: int | None) -> None:
    """Put the newest entries on the screen, or all, which are then shown whole."""
    if not contents.total and not contents.others:
        return
    count = contents.total if most is None else min(most, contents.total)
    screen.heading(
        "Conversation" if count == contents.total else f"Conversation (the last {count:,} of {contents.total:,})"
    )
    for told in contents.told(most):
        _entry(screen, told, whole=most is None)
    for stream, length in sorted(contents.others.items()):
        screen.line((f"{length:,} more in stream {say.clean(stream)}; 'rollbook export content' has them", "dim"))
    if count < contents.total:
        screen.line(("--last N shows more, --all everything", "dim"))


def _entry(screen: Screen, told: Told, *, whole: bool) -> None:
    body = told.entry.body
    if not isinstance(body, dict):
        body = {"content": body}
    at = say.moment(told.entry.created_at)
    if told.stream == "trace":
        _step(screen, at, body)
    elif told.stream == "qa":
        _said(screen, at, "user", body.get("question"), whole=whole)
        _said(screen, at, "assistant", body.get("answer"), whole=whole)
    else:
        _said(screen, at, body.get("role"), body.get("content"), whole=whole)


def _said(screen: Screen, at: str, role: Any, words: Any, *, whole: bool) -> None:
    if not words:
        return
    name, text = str(role or "?"), words if isinstance(words, str) else _json(words)
    screen.line((at, "dim"), "  ", (say.clean(name), _ROLES.get(name, "bold")))
    shown = text if whole else text[:_WORDS]
    for line in say.lines(shown):
        screen.paragraph(line, _INDENT)
    if len(shown) < len(text):
        screen.paragraph(f"… {len(text) - len(shown):,} characters more; --all shows them", _INDENT, "dim")


def _step(screen: Screen, at: str, body: dict[str, Any]) -> None:
    name = say.clean(str(body.get("tool_name") or body.get("origin_function") or "?"))
    params, value, error = (body.get(key) for key in ("method_params", "method_return_value", "error_message"))
    spent = body.get("duration_s")
    took = f"  {say.duration(spent)}" if isinstance(spent, int | float) and spent >= 1 else ""
    screen.line((at, "dim"), "  ", (name, "magenta"), (took, "dim"), "  ", _short(params, _CALLED) if params else "")
    status = str(body.get("status") or "")
    if error or body.get("error"):
        what = " ".join(str(part) for part in (body.get("error"), error) if part)
        screen.line(" " * _INDENT, (f"{say.clean(status)}: ", "red"), (_short(what, _ANSWERED), "red"))
    elif status not in ("", "success"):
        screen.line(" " * _INDENT, (say.clean(status), "yellow"))
    if value not in (None, ""):
        screen.line(" " * _INDENT, ("→ ", "dim"), (_short(value, _ANSWERED), "dim"))


def _short(value: Any, most: int) -> str:
    """The beginning of a value on one line."""
    text = value if isinstance(value, str) else _json(value)
    shown = say.clean(text[: 2 * most])
    return shown if len(text) <= most and len(shown) <= most else shown[:most] + "…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
