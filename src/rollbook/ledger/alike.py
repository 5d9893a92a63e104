"""Calls that several doors report under no common id: the n-th of those that took the same in one session (R15).

Some emitters say in a log how much a call took and in a transcript how much it took, and nothing by which it could be
known that this is one call. But both say the same numbers, and hardly ever of two calls of a session. So such a report
says which ones it is like (``Call.alike``: its session and its numbers), and is the n-th of them in its kind of door:
the n-th in the logs is the n-th in the transcript. Through one door two calls stay two, whatever they took; through
several, no call is counted twice. What is known under a name of its own is recognised by that, and keeps its place.

Among equals it does not matter which is which, so the order of arrival does not either.

There may be thousands alike (calls that failed before they took anything, say), so places are not looked through
from the first each time: how many are taken in a row for a kind of door is remembered, and where a call stood.
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
_REMEMBERED: Final = 10_000  #: rows of places of which it is remembered how many are taken
_AT_ONCE: Final = 64  #: places that are loaded together
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
        nth = _free(work, op, kind, user_no)
    names = (*op.aliases, _place(op.alike, nth))
    if kind != _FILE:
        names = (*names, _mark(op.alike, nth, kind))
    return msgspec.structs.replace(op, aliases=names)


def _own(work: Work, op: Call, user_no: int) -> int | None:
    """The place of a call that is known under a name of its own, if it has one."""
    mine = work.known(op.usage_id, op.aliases, user_no)
    if not mine:
        return None
    alike = op.alike or ""
    seen = work.alikes.setdefault((alike, user_no), {})
    for first in mine:
        nth = seen.get(first)
        if nth is not None and work.resolve(_place(alike, nth), user_no) in mine:
            return nth
    # Behind what was looked at; and from the first, since what stands for a call may have changed meanwhile.
    for start in (len(seen), 0) if seen else (0,):
        nth = start
        while (found := _at(work, alike, nth, user_no)) is not None:
            seen[found] = nth
            if found in mine:
                return nth
            nth += 1
    return None


def _free(work: Work, op: Call, kind: str, user_no: int) -> int:
    """The first place that is not that of another call for a kind of door."""
    taken, key = work.cache.taken, (op.alike or "", kind, user_no)
    nth = taken.get(key, 0)
    in_a_row = True
    while (why := _is_taken(work, op, nth, kind, user_no)) is not None:
        in_a_row = in_a_row and why
        nth += 1
        if in_a_row:
            taken[key] = nth
    if len(taken) > _REMEMBERED:
        taken.clear()
    return nth


def _at(work: Work, alike: str, nth: int, user_no: int) -> str | None:
    """What stands at a place, if anything does."""
    if nth and not nth % _AT_ONCE:
        work.preload_keys([(_place(alike, place), user_no) for place in range(nth, nth + _AT_ONCE)])
    return work.resolve(_place(alike, nth), user_no)


def _is_taken(work: Work, op: Call, nth: int, kind: str, user_no: int) -> bool | None:
    """Whether a place is that of another call for a kind of door: for every call (True), for this one (False); or not.

    One that was pruned is too old for every door.
    """
    alike = op.alike or ""
    first = _at(work, alike, nth, user_no)
    if first is None or work.is_pruned(first, user_no):
        return None
    if work.is_retracted(first, user_no):
        return True
    if kind == _FILE:
        taken = bool(work.row_of(first, user_no)[st.L_EVIDENCE] >= Evidence.SIDE_CHAIN)
    else:
        taken = work.resolve(_mark(alike, nth, kind), user_no) is not None
    if taken:
        return True
    return False if any(_differ(name, first) for name in (op.usage_id, *op.aliases)) else None


def _differ(one: str, other: str) -> bool:
    """Whether two names are ids of one kind, and so of two calls."""
    return one != other and ":" in one and one.rpartition(":")[0] == other.rpartition(":")[0]


def _place(alike: str, nth: int) -> str:
    return f"{alike}:{nth}"


def _mark(alike: str, nth: int, kind: str) -> str:
    return f"{alike}:{nth}:{kind}"
