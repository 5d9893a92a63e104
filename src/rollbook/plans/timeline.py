"""The plan for what a session contains as one line of time: the entries of all its streams, merged, in pages."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, Final

import msgspec

from rollbook.content import TimedEntry, Timeline
from rollbook.core import Plan
from rollbook.errors import InvalidInput
from rollbook.journal import lines
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import MAIN
from rollbook.model import from_micros
from rollbook.plans.reading import User
from rollbook.plans.streams import StreamPlans
from rollbook.rules import bodies, checks
from rollbook.rules.texts import MESSAGES, QAS, TRACE

MOST: Final = 10_000  #: entries of one page
_BRIEFEST: Final = 16
_PARTS: Final = 8  #: so many times as long as one value may a shortened entry be in all
_Reached = dict[str, Annotated[int, msgspec.Meta(ge=0)]]
_FIRST: Final = (QAS, MESSAGES, TRACE)  #: what comes first where times are the same: a question before the steps for it


class TimelinePlans(StreamPlans):
    """The method that merges."""

    def timeline(
        self,
        session_id: str,
        *,
        limit: int = 200,
        after: str | None = None,
        brief: int | None = None,
        user_id: User = None,
    ) -> Plan[Timeline]:
        """What a session contains, oldest first: the entries of all its streams on one line of time (R11).

        The next page is that ``after`` the ``mark`` of this one; the mark of the last page finds what is written later.
        With ``brief`` no value of an entry is longer than so many characters; what was shortened says so (``cut``), and
        :meth:`entry` has it whole. Entries of one stream stay in its order whatever their times are. Branches beside
        ``main`` are no part of it.
        """
        name, passed = checks.session_id(session_id), _passed(after)
        if checks.count(limit, "limit", MOST) < 1:
            raise InvalidInput("limit must be at least 1")
        most = None if brief is None else max(_BRIEFEST, checks.count(brief, "brief", 2**31))

        def look(peek: Peek, who: Who) -> Timeline:
            heads = sorted((head for head in peek.heads_of(who) if head.name == MAIN), key=_order)
            told = [_onward(peek, head, passed.get(head.stream, 0)) for head in heads]
            found = list(islice(heapq.merge(*told, key=_time), limit + 1))
            page = found[:limit]
            reached = {head.stream: passed.get(head.stream, 0) for head in heads}
            reached |= {stream: line.position for stream, line in page}
            return Timeline(
                entries=[_timed(stream, line, most) for stream, line in page],
                total=sum(head.length for head in heads),
                mark=_mark(reached),
                has_more=len(found) > limit,
            )

        return (yield from self.perused(name, user_id, look))


def _order(head: Head) -> tuple[int, str]:
    return (_FIRST.index(head.stream) if head.stream in _FIRST else len(_FIRST), head.stream)


def _time(told: tuple[str, Line]) -> int:
    return told[1].created_at


def _onward(peek: Peek, head: Head, position: int) -> Iterator[tuple[str, Line]]:
    """The entries of a line behind a position. The stream stands with each."""
    return ((head.stream, line) for line in lines.onward(peek, head, position))


def _mark(reached: dict[str, int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(reached)).decode().rstrip("=")


def _passed(mark: str | None) -> dict[str, int]:
    """How far each stream was told, by the mark of a page. Raises InvalidInput for what is none."""
    if mark is None:
        return {}
    try:
        text = checks.text(mark, "after", 2**16)
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Reached)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidInput("after is no mark of a page of this time line") from error


def _timed(stream: str, line: Line, brief: int | None) -> TimedEntry:
    body = bodies.decoded(line.body, f"the entry {line.entry_id!r} of {stream}")
    cut = False
    if brief is not None and len(line.body) > brief:
        body, cut = _shortened(body, brief)
    return TimedEntry(
        stream=stream, entry_id=line.entry_id, position=line.position, created_at=from_micros(line.created_at),
        body=body, cut=cut,
    )  # fmt: skip


def _shortened(body: Any, most: int) -> tuple[Any, bool]:
    """An entry with values of at most so many characters, and whether that left anything out."""
    if not isinstance(body, dict):
        return _short(body, most)
    made: dict[str, Any] = {}
    cut, left = False, most * _PARTS
    for key, value in body.items():
        if len(key) >= left:
            return made, True
        made[key], shorter = _short(value, min(most, left))
        left -= len(key) + (len(made[key]) if isinstance(made[key], str) else min(most, left) if shorter else 0)
        cut = cut or shorter
    return made, cut


def _short(value: Any, most: int) -> tuple[Any, bool]:
    """A text's beginning; of what is no text, and long, the beginning of how it is written."""
    if isinstance(value, str):
        return value[: max(0, most)], len(value) > most
    if not isinstance(value, dict | list):
        return value, False
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    return (text[: max(0, most)], True) if len(text) > most else (value, False)
