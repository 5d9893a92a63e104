"""Calls that several doors report under no common id: the n-th of those that took the same in one session (R15).

Some emitters say in a log how much a call took and in a transcript how much it took, and nothing by which it could be
known that this is one call. But both say the same numbers, and hardly ever of two calls of a session. So such a report
says which ones it is like (``Call.alike``: its session and its numbers), and is the n-th of them in its kind of door:
the n-th in the logs is the n-th in the transcript. Through one door two calls stay two, whatever they took; through
several, no call is counted twice. What is known under a name of its own is recognised by that, and keeps its place.

Among equals it does not matter which is which, so the order of arrival does not either.
"""

from __future__ import annotations

from typing import Final

import msgspec

from rollbook.ledger import state as st
from rollbook.ledger.ops import Call
from rollbook.ledger.work import Work
from rollbook.model import Evidence

_FILE: Final = "file"
#: Kinds of doors. A transcript is the best evidence, so a call that one reported is known by that, and needs no mark.
_DOORS: Final[dict[int, str]] = {
    Evidence.LOG: "log",
    Evidence.SPAN: "span",
    Evidence.PUSH: "push",
    Evidence.SIDE_CHAIN: _FILE,
    Evidence.TRANSCRIPT: _FILE,
}


def first_names(op: Call) -> list[str]:
    """What will be looked up for nearly every such call, so that it can be loaded in bulk."""
    kind = _DOORS.get(op.evidence)
    if op.alike is None or kind is None:
        return []
    return [_place(op.alike, 0)] if kind == _FILE else [_place(op.alike, 0), _mark(op.alike, 0, kind)]


def placed(work: Work, op: Call, user_no: int) -> Call:
    """The call with its place among those like it as another of its names, and a mark that its door has taken that."""
    kind = _DOORS.get(op.evidence)
    if op.alike is None or kind is None:
        return op
    nth = _own(work, op, user_no)
    if nth is None:
        nth = 0
        while _is_taken(work, op, nth, kind, user_no):
            nth += 1
    names = (*op.aliases, _place(op.alike, nth))
    if kind != _FILE:
        names = (*names, _mark(op.alike, nth, kind))
    return msgspec.structs.replace(op, aliases=names)


def _own(work: Work, op: Call, user_no: int) -> int | None:
    """The place of a call that is known under a name of its own, if it has one."""
    mine = work.known(op.usage_id, op.aliases, user_no)
    nth = 0
    while mine and (first := work.resolve(_place(op.alike or "", nth), user_no)) is not None:
        if first in mine:
            return nth
        nth += 1
    return None


def _is_taken(work: Work, op: Call, nth: int, kind: str, user_no: int) -> bool:
    """Whether a place is that of another call for a kind of door. One that was pruned is too old for every door."""
    alike = op.alike or ""
    first = work.resolve(_place(alike, nth), user_no)
    if first is None or work.is_pruned(first, user_no):
        return False
    if work.is_retracted(first, user_no) or any(_differ(name, first) for name in (op.usage_id, *op.aliases)):
        return True
    if kind == _FILE:
        return bool(work.row_of(first, user_no)[st.L_EVIDENCE] >= Evidence.SIDE_CHAIN)
    return work.resolve(_mark(alike, nth, kind), user_no) is not None


def _differ(one: str, other: str) -> bool:
    """Whether two names are ids of one kind, and so of two calls."""
    return one != other and ":" in one and one.rpartition(":")[0] == other.rpartition(":")[0]


def _place(alike: str, nth: int) -> str:
    return f"{alike}:{nth}"


def _mark(alike: str, nth: int, kind: str) -> str:
    return f"{alike}:{nth}:{kind}"
