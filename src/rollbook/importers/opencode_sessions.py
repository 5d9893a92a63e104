"""What OpenCode's rows tell of a session: its place, title and times, how often it was asked, and how it stands.

All of it is what the rows say *now*, told anew whenever one of them changes; so it does not matter how often a session
was read before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from math import log2
from typing import Any, Final

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.importers.base import Context, Item
from rollbook.importers.lines import one_line
from rollbook.importers.opencode_calls import aborted, failed
from rollbook.importers.opencode_rows import Error, Message, micros
from rollbook.importers.sessions import CANCELLED, COMPLETED, FAILED, OPEN, Carried, Session
from rollbook.model import Kind
from rollbook.rules import checks

AGENT: Final = "opencode"

_UNNAMED: Final = ("New session - ", "Child session - ")  #: what a session is called until it has a title
_UNDECIDED: Final = ("tool-calls", "tool_calls", "unknown", "other")  #: reasons after which the agent goes on
_OUTCOMES: Final = {"succeeded": COMPLETED, "failed": FAILED, "interrupted": CANCELLED}
_INTERRUPTED: Final = "interrupted by the user"
_MARKS: Final = 999  #: microseconds within the millisecond in which a session was last active
_PER_DOUBLING: Final = 25


class Info(Struct, kw_only=True):
    """What is known of a session beside its messages. Times are milliseconds."""

    id: str
    parent: str | None = None
    project: str | None = None
    title: str | None = None
    version: str | None = None
    agent: str | None = None
    made: int | None = None
    changed: int = 0
    archived: bool = False
    unattended: bool = False
    fork_of: str | None = None
    flagged: bool = False

    def copied(self, message: Message) -> bool:
        """Whether a message was there before the session: a fork's copy of another session's."""
        return self.made is not None and message.made < self.made


class Tail(Struct, kw_only=True):
    """How a session's messages end. Times are milliseconds."""

    last: int = 0
    stands: int = OPEN
    reason: str | None = None
    flagged: bool = False


def tail_of(info: Info, messages: Iterable[Message]) -> Tail:
    """How a session stands after these messages, its last ones in any order."""
    tail = Tail(last=info.made or 0, flagged=info.flagged)
    newest = (0, 0, "")
    for message in messages:
        if info.copied(message):
            continue
        tail.last = max(tail.last, message.last)
        tail.flagged |= message.flagged
        place = (message.made, message.kind == "idle", message.id)
        if place > newest and message.kind in ("user", "assistant", "idle"):
            newest = place
            tail.stands, tail.reason = standing(message)
    return tail


def standing(message: Message) -> tuple[int, str | None]:
    """How a session would have ended with this message."""
    data = message.data
    if message.kind == "idle":
        how = _OUTCOMES.get(data.outcome or "", OPEN)
        return how, _INTERRUPTED if how == CANCELLED else None
    if message.kind != "assistant":
        return OPEN, None
    if aborted(data.error):
        return CANCELLED, _INTERRUPTED
    if failed(data.error):
        return FAILED, _reason(data.error)
    if data.finish == "stop" or (data.finish is None and message.done is not None):
        return COMPLETED, None  # the oldest versions wrote no reason: a message was done when its turn was
    if message.done is None or data.finish in _UNDECIDED:
        return OPEN, None
    return FAILED, one_line(str(data.finish), 200)


def _reason(error: Error | str | None) -> str:
    if isinstance(error, str):
        return one_line(error, 200) or "error"
    if error is None:
        return "error"
    said = error.message or (error.data.message if error.data is not None else None)
    return one_line(said or error.name or error.type or "", 200) or "error"


def tell(info: Info, tail: Tail, turns: int, context: Context) -> tuple[list[Item], Carried | None]:
    """A session as it is now; and what to keep of it where only silence is missing for its end."""
    carried = Carried(id=info.id, parent=info.parent, turns=turns, stands=tail.stands, reason=tail.reason)
    session = Session(carried, AGENT)
    if not tail.last:
        return [], None
    first, last = micros(info.made or tail.last), micros(tail.last)
    session.seen(first, flagged=tail.flagged)
    session.seen(last, flagged=tail.flagged)
    session.located(info.project, first)
    alone = info.parent is not None or info.unattended
    kind = Kind.AUTONOMOUS if alone else Kind.INTERACTIVE
    session.introduced(first, kind=str(kind), channel="cli" if info.unattended and not info.parent else None)
    # Of titles the latest stands, and a session may be renamed without being active: so each is told at a moment of its
    # own within the millisecond of the last activity, the later the longer the session was left alone before.
    waited = max(0, info.changed - tail.last)
    facts = _facts(info)
    if facts:
        carried.title_at = last + min(_MARKS, round(_PER_DOUBLING * log2(1 + waited)))
        session.learnt(carried.title_at, **facts)
    items = session.drain(context, last=True)
    return items, carried if carried.due else None


def _facts(info: Info) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    title = one_line(info.title) if info.title and not info.title.startswith(_UNNAMED) else None
    if title:
        facts["title"] = title
    more = {
        "version": info.version,
        "agent": info.agent,
        "archived": info.archived or None,
        "forked_from": info.fork_of,
    }
    known = {name: value for name, value in more.items() if value}
    if known:
        with contextlib.suppress(InvalidInput):  # beyond every measure, or no text
            facts["metadata"] = checks.metadata(known)
    return facts
