"""Single sessions and lists of them, as everybody sees them (R4, R6, R7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput, NotFound
from rollbook.ledger import cursors
from rollbook.ledger import state as st
from rollbook.ledger.figures import counts_by_status
from rollbook.model import (
    MICROS,
    NANO,
    Inclusive,
    Page,
    Session,
    Status,
    Usage,
    cost_usd,
    from_micros,
)
from rollbook.rules import checks
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

SORTS: Final = ("last_activity_at", "started_at", "ended_at", "cost_usd", "tokens_in", "tokens_out")
COUNTED_MOST: Final = 10_000  #: sessions that are counted one by one for a total
FOREVER: Final = 2**62
_ALL: Final = (lives.RUNNING, lives.COMPLETED, lives.FAILED, lives.CANCELLED, lives.UNKNOWN)
_life_decoder = msgspec.json.Decoder(tuple[lives.Event, ...])


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a user's number, and whether everybody's sessions are asked for. Nobody's number sees nothing."""

    user_no: int
    everybody: bool = False

    @property
    def sums_of(self) -> int:
        """The user under whose number the sums for this scope are kept."""
        return 0 if self.everybody else self.user_no

    @property
    def words(self) -> str:
        return "scope_all" if self.everybody else "scope_user"


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is asked for, checked."""

    status: str | None = None
    since: int | None = None
    dataset_id: str | None = None
    kind: str | None = None
    agent: str | None = None
    project: str | None = None
    channel: str | None = None
    model: str | None = None
    tag: str | None = None
    text: str | None = None
    order_by: str = "last_activity_at"
    ascending: bool = False

    @property
    def sliced(self) -> bool:
        """Whether a filter is asked for by which sums are kept apart."""
        return any(value is not None for value in (self.dataset_id, self.kind, self.agent, self.project))

    @property
    def scanned(self) -> bool:
        """Whether a filter is asked for by which no sums are kept."""
        return any(value is not None for value in (self.channel, self.model, self.tag, self.text))


class Clock(msgspec.Struct, frozen=True):
    """The one time that a request goes by, and how long silence is allowed to be (microseconds)."""

    now: int
    abandon_after: int

    @property
    def cutoff(self) -> int:
        """A running session last active before this is abandoned."""
        return self.now - self.abandon_after


def show(rows: Iterable[Row], clock: Clock) -> dict[tuple[int, int], Session]:
    """Sessions from rows of the statement ``shown``, by their numbers."""
    return {(row[0], row[1]): _session(row, clock) for row in rows}


def _session(row: Row, clock: Clock) -> Session:
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


def find(tx: Reading, scope: Scope, session_id: str) -> tuple[int, int]:
    """The numbers of a visible session. Raises NotFound."""
    name = "key_of_anybody" if scope.everybody else "key_of_user"
    found = tx.rows(name, user_no=scope.user_no, session_id=session_id)
    if not found:
        raise NotFound(f"there is no session {session_id!r}")
    return found[0][0], found[0][1]


def owner_of(tx: Reading, scope: Scope, session_id: str, default: str) -> str:
    """Whose the visible session of an id is; where there is none, the default."""
    try:
        user_no, _ = find(tx, scope, session_id)
    except NotFound:
        return default
    return str(tx.rows("user_id", user_no=user_no)[0][0])


def get(tx: Reading, scope: Scope, session_id: str, clock: Clock) -> Session:
    place = find(tx, scope, session_id)
    return show(tx.among("shown", [place]), clock)[place]


def children(tx: Reading, scope: Scope, session_id: str, clock: Clock) -> list[Session]:
    """The sessions directly below one, oldest first."""
    user_no, session_no = find(tx, scope, session_id)
    own = tx.among("sessions_by_no", [(user_no, session_no)])[0][2]
    places = [(row[0], row[1]) for row in tx.rows("children_of", user_no=user_no, session_id=own)]
    shown = show(tx.among("shown", places), clock)
    return [shown[place] for place in places]


def inclusive(tx: Reading, scope: Scope, session_id: str) -> Inclusive:
    """What a session and everything below it come to."""
    user_no, session_no = find(tx, scope, session_id)
    sessions, calls, tokens_in, tokens_out, cost, unpriced = tx.rows(
        "inclusive_of", user_no=user_no, session_no=session_no
    )[0]
    return Inclusive(
        sessions=sessions,
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost_usd(cost, calls, unpriced),
        unpriced_calls=unpriced,
        cost_nano_usd=cost,
    )


def page(
    tx: Reading,
    scope: Scope,
    asked: Filters,
    clock: Clock,
    *,
    question: str,
    limit: int,
    cursor: str | None,
    offset: int,
) -> Page:
    """One page of a list, by cursor or by offset (R7)."""
    if cursor is not None and offset:
        raise InvalidInput("give a cursor or an offset, not both")
    after = None if cursor is None else cursors.read(cursor, question)
    if after is not None:
        asked = msgspec.structs.replace(asked, since=after.since)
    values = values_of(tx, scope, asked)
    if values is None:
        return Page(sessions=[], total=0, limit=limit, offset=offset, has_more=False, next_cursor=None)
    keys = _keys(tx, scope, asked, clock, values, after=after, most=offset + limit + 1)[offset:]
    has_more, keys = len(keys) > limit, keys[:limit]
    shown = show(tx.among("shown", [(key[1], key[2]) for key in keys]), clock)
    total, exact = _total(tx, scope, asked, clock, values)
    following = None
    if has_more:
        value, user_no, session_no = keys[-1]
        following = cursors.write(cursors.Cursor(question, asked.since, value, user_no, session_no))
    return Page(
        sessions=[shown[key[1], key[2]] for key in keys],
        total=total,
        limit=limit,
        offset=offset,
        has_more=has_more,
        next_cursor=following,
        total_exact=exact,
    )


def values_of(tx: Reading, scope: Scope, asked: Filters) -> dict[str, Any] | None:
    """What the filters come to in numbers, or None where a name is not in the book and so nothing can fit."""
    slices = None
    if asked.sliced:
        slices = slices_like(tx, scope, asked)
        if slices == "[]":
            return None
    model_no = None
    if asked.model is not None:
        found = [(0,)] if asked.model == "unknown" else tx.rows("model_no", name=asked.model)
        if not found:
            return None
        model_no = found[0][0]
    text = None
    if asked.text is not None:
        escaped = asked.text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        text = f"%{escaped}%"
    return {
        "user_no": scope.user_no,
        "slices": slices,
        "model_no": model_no,
        "channel": asked.channel,
        "tag": asked.tag,
        "text": text,
    }


def slices_like(tx: Reading, scope: Scope, asked: Filters) -> str:
    """The slices that fit, as a JSON array of their numbers."""
    rows = tx.rows(
        "slices_like",
        user_no=None if scope.everybody else scope.user_no,
        dataset_id=asked.dataset_id,
        agent=asked.agent,
        kind=asked.kind,
        project=asked.project,
    )
    return "[" + ",".join(str(row[0]) for row in rows) + "]"


def spans_of(asked: Filters, clock: Clock) -> list[tuple[int, int, int]]:
    """R4 as ranges over what is stored: (status, from, before) for an effective status, or for all."""
    since = 0 if asked.since is None else asked.since
    if asked.status is None:
        return [(code, since, FOREVER) for code in _ALL]
    if asked.status == Status.RUNNING:
        return [(lives.RUNNING, max(since, clock.cutoff), FOREVER)]
    if asked.status == Status.ABANDONED:
        return [(lives.RUNNING, since, clock.cutoff)]
    return [(lives.STATUS_CODES[asked.status], since, FOREVER)]


def _keys(
    tx: Reading, scope: Scope, asked: Filters, clock: Clock, values: dict[str, Any], *, after: Any, most: int
) -> list[Row]:
    """The keys of a page: by last activity a merge of one index range for each status, else the best of a scan."""
    direction = "asc" if asked.ascending else "desc"
    words = {
        "sort": f"{asked.order_by}_{direction}",
        "scope": scope.words,
        "statuses": "status_one",
        "filters": "filters" if asked.sliced or asked.scanned else "no_filters",
        "after": f"after_{direction}" if after else "after_none",
        "direction": direction,
    }
    if after is not None:
        values = {**values, "after_value": after.value, "after_user": after.user_no, "after_session": after.session_no}
    spans = spans_of(asked, clock)
    by_activity = asked.order_by == "last_activity_at"
    if not by_activity and len(spans) > 1:
        words["statuses"] = "status_some"
        spans = [(spans[0][0], spans[0][1], spans[0][2])]
    found: list[Row] = []
    for status, since, until in spans:
        bounds = {"since": since, "until": until}
        if by_activity and after is not None:
            # The same bound as the cursor's, spelt so that the index range begins at it.
            bounds = (
                {"since": max(since, after.value), "until": until}
                if asked.ascending
                else bounds | {"until": min(until, after.value + 1)}
            )
        found += tx.compose("list_keys", words, low=status, high=lives.UNKNOWN, most=most, **bounds, **values)
    found.sort(reverse=not asked.ascending)
    return found[:most]


def _total(tx: Reading, scope: Scope, asked: Filters, clock: Clock, values: dict[str, Any]) -> tuple[int, bool]:
    """How many sessions the list has: from the sums where they are kept for it, else counted up to a limit."""
    if not asked.scanned and not (scope.everybody and asked.sliced):
        counts = counts_by_status(tx, scope, asked.since, clock, values["slices"])
        return (sum(counts.values()) if asked.status is None else counts[asked.status]), True
    words = {"scope": scope.words, "statuses": "status_one", "filters": "filters"}
    total = 0
    for status, since, until in spans_of(asked, clock):
        left = COUNTED_MOST + 1 - total
        total += tx.compose("count_keys", words, low=status, since=since, until=until, most=left, **values)[0][0]
    return min(total, COUNTED_MOST), total <= COUNTED_MOST


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
