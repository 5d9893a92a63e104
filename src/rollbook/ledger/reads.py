"""Single sessions, as whoever asks sees them (R4, R6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Generic, TypeVar

import msgspec

from rollbook.errors import NotFound
from rollbook.ledger import state as st
from rollbook.ledger.scopes import Scope, judge, known, numbers_of
from rollbook.model import (
    MICROS,
    NANO,
    Session,
    Usage,
    cost_usd,
    from_micros,
)
from rollbook.rules import checks
from rollbook.rules import life as lives
from rollbook.rules.windows import FOREVER
from rollbook.store import Reading, Row

Place = tuple[int, int]  #: user and session, by their numbers
T = TypeVar("T")
_PARENT: Final = 21  #: where the id of the session above stands in a row of ``shown``; its user's stands behind it
_PARENT_USER: Final = 22
_MOST_KEPT: Final = 8_192  #: characters of a row; goals and metadata may be far longer than those of most sessions
_life_decoder = msgspec.json.Decoder(tuple[lives.Event, ...])


class Clock(msgspec.Struct, frozen=True):
    """The one time that a request goes by, and how long silence is allowed to be (microseconds)."""

    now: int
    abandon_after: int

    @property
    def cutoff(self) -> int:
        """A running session last active before this is abandoned."""
        return self.now - self.abandon_after


def show(tx: Reading, scope: Scope, places: Sequence[Place], clock: Clock) -> dict[Place, Session]:
    """Sessions by their numbers."""
    return {(row[0], row[1]): session_of(row, clock) for row in shown(tx, scope, places)}


def shown(tx: Reading, scope: Scope, places: Sequence[Place]) -> list[Row]:
    """All that is shown of sessions, in any order. What is above one is not told where it may not be seen."""
    rows = tx.among("shown", places)
    if scope.within is None:
        return rows
    parents = {(row[_PARENT_USER], row[_PARENT]) for row in rows if row[_PARENT] is not None}
    hidden = parents - visible_parents(tx, scope, parents)
    if not hidden:
        return rows
    return [
        (*row[:_PARENT], None, None, *row[_PARENT_USER + 1 :]) if (row[_PARENT_USER], row[_PARENT]) in hidden else row
        for row in rows
    ]


class Lines(Generic[T]):
    """What is made of sessions, kept for each until what is shown of it changes.

    All that is made of a session follows from its row and its effective status, so there is nothing to be told of
    changes: whatever is made of the same is the same, in whichever book.
    """

    def __init__(self, make: Callable[[Session], T], most: int = 2_000) -> None:
        self._make = make
        self._most = most
        self._kept: dict[Place, tuple[Row, str, T]] = {}

    def __call__(self, row: Row, clock: Clock) -> T:
        """What is made of the session of a row."""
        place, status = row[:2], lives.effective_status(row[5], row[7], clock.now, clock.abandon_after)
        kept = self._kept.get(place)
        if kept is not None and kept[0] == row and kept[1] == status:
            return kept[2]
        made = self._make(session_of(row, clock))
        if sum(len(cell) for cell in row if isinstance(cell, str | bytes)) > _MOST_KEPT:
            return made
        if kept is None and len(self._kept) >= self._most:
            self._kept = {}  # and not the oldest alone: several threads may be here
        self._kept[place] = (row, status, made)
        return made


def visible_parents(tx: Reading, scope: Scope, parents: AbstractSet[Any]) -> set[Any]:
    """Of users' sessions those that may be seen, or that may come of users of whom everything may be seen."""
    within = scope.within or ()
    users = numbers_of(tx, {user_id for user_id, _ in parents})
    whole = {part.user_no for part in within if part.slices is None}
    free = {name for name in parents if users.get(name[0]) in whole}
    return free | (known(tx, within, parents - free) if parents != free else set())


def session_of(row: Row, clock: Clock) -> Session:
    """A session of its row among those of ``shown``."""
    status, started, last, ended = row[5:9]
    events = _life_decoder.decode(row[23]) if row[23] else ()
    decided = lives.fold(events, started, last).decided if events else None
    unpriced, calls, cost = row[27], row[26], row[11]
    return Session(
        session_id=row[2],
        user_id=row[3],
        dataset_id=row[4] or None,
        status=lives.STATUS_NAMES[status],
        started_at=from_micros(started),
        last_activity_at=from_micros(last),
        ended_at=None if ended is None else from_micros(ended),
        tokens_in=row[9],
        tokens_out=row[10],
        cost_usd=cost_usd(cost, calls, unpriced),
        error_count=row[12] + row[13],
        last_model=row[14],
        effective_status=lives.effective_status(status, last, clock.now, clock.abandon_after),
        kind=row[15],
        channel=row[16],
        agent=row[17] or None,
        project=row[18] or None,
        title=row[19],
        goal_text=row[20],
        parent_id=row[21],
        parent_user_id=row[22],
        end_reason=(decided.reason or None) if decided else None,
        decided_by=(decided.by or None) if decided else None,
        attempt=row[24],
        turns=row[25],
        calls=calls,
        unpriced_calls=unpriced,
        late_calls=row[28],
        call_errors=row[12],
        step_errors=row[13],
        cache_read_tokens=row[29],
        cache_write_tokens=row[30],
        reasoning_tokens=row[31],
        cost_nano_usd=cost,
        agent_time_s=row[32] / MICROS,
        clock_flagged=bool(row[33] & st.FLAG_CLOCK),
        tags=tuple(msgspec.json.decode(row[34])) if row[34] else (),
        metadata=msgspec.json.decode(row[35]) if row[35] else {},
        actor=row[36],
    )


def find(tx: Reading, scope: Scope, session_id: str) -> Place:
    """The numbers of a visible session: one's own first, then the last active. Raises NotFound."""
    if scope.plain:
        part = scope.parts[0]
        name, user_no = ("key_of_anybody", scope.user_no) if part.everybody else ("key_of_user", part.user_no)
        found = tx.rows(name, user_no=user_no, session_id=session_id)
    else:
        sees = judge(scope.parts)
        rows = tx.among("sessions_named", [(part.user_no, session_id) for part in scope.parts])
        seen = [row for row in rows if row[4] != lives.DELETED and sees(row[0], row[3])]
        found = sorted(seen, key=lambda row: (row[0] != scope.user_no, -row[5], row[0]))
    if not found:
        raise NotFound(f"there is no session {session_id!r}")
    return found[0][0], found[0][1]


def owner_of(tx: Reading, scope: Scope, session_id: str, default: str | None) -> str | None:
    """Whose the visible session of an id is; where there is none, the default."""
    try:
        user_no, _ = find(tx, scope, session_id)
    except NotFound:
        return default
    return str(tx.rows("user_id", user_no=user_no)[0][0])


def get(tx: Reading, scope: Scope, session_id: str, clock: Clock) -> Session:
    place = find(tx, scope, session_id)
    return show(tx, scope, [place], clock)[place]


def children(tx: Reading, scope: Scope, session_id: str, clock: Clock) -> list[Session]:
    """The sessions directly below one, oldest first."""
    user_no, session_no = find(tx, scope, session_id)
    own = tx.among("sessions_by_no", [(user_no, session_no)])[0][2]
    sees = judge(scope.parts)
    rows = tx.rows("children_of", user_no=user_no, session_id=own)
    places = [(row[0], row[1]) for row in rows if sees(row[0], row[2])]
    shown = show(tx, scope, places, clock)
    return [shown[place] for place in places]


def usage(tx: Reading, scope: Scope, session_id: str, limit: int | None) -> list[Usage]:
    """The ledger rows of a session, in the order in which the calls happened."""
    user_no, session_no = find(tx, scope, session_id)
    session = tx.among("shown", [(user_no, session_no)])[0]
    most = FOREVER if limit is None else checks.count(limit, "limit", FOREVER)
    rows = tx.rows("usage_of", user_no=user_no, session_no=session_no, most=most)
    return [_usage(row, session[2], session[3]) for row in rows]


def _usage(row: Row, session_id: str, user_id: str) -> Usage:
    plain, read, write, write_1h, output, reasoning, audio_in, audio_out, cost = row[7:16]
    return Usage(
        usage_id=row[0],
        session_id=session_id,
        user_id=user_id,
        entry=st.ENTRIES[row[1]],
        model=row[2],
        provider=row[3],
        occurred_at=from_micros(row[4]),
        recorded_at=from_micros(row[5]),
        calls=row[6],
        tokens_in=plain + read + write + write_1h + audio_in,
        tokens_out=output + reasoning + audio_out,
        input=plain,
        cache_read=read,
        cache_write=write,
        cache_write_1h=write_1h,
        output=output,
        reasoning=reasoning,
        audio_in=audio_in,
        audio_out=audio_out,
        cost_usd=None if cost is None else cost / NANO,
        cost_nano_usd=cost,
        cost_source=st.COST_SOURCES[row[16]],
        price_version=row[17],
        billing=st.BILLINGS[row[18]],
        tier=st.TIERS[row[19]],
        source=row[20] or "",
        evidence=st.RANKS.get(row[21], "adjustment"),
        errored=bool(row[22]),
        late=bool(row[23]),
    )
