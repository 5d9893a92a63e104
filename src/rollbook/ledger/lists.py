"""Lists of sessions, by cursor or by offset (R7): a merge of what each part of a scope has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from rollbook.errors import InvalidInput
from rollbook.ledger import asking, cursors, reads
from rollbook.ledger.figures import counts_by_status
from rollbook.ledger.filters import Filters
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Part, Scope
from rollbook.model import Status
from rollbook.rules import life as lives
from rollbook.rules import windows
from rollbook.store import Reading, Row
from rollbook.store.statements import Filling

SORTS: Final = (
    "last_activity_at", "started_at", "ended_at", "cost_usd", "tokens_in", "tokens_out", "calls", "error_count",
    "agent_time_s", "effective_status",
)  # fmt: skip
#: States in their order: what runs, what needs a look, what is over. Within each the order is that of activity.
_STATES: Final = (
    Status.COMPLETED, Status.CANCELLED, Status.ABANDONED, Status.UNKNOWN, Status.FAILED, Status.RUNNING,
)  # fmt: skip
_STATE: Final = 2**58  #: from one state to the next in the values that are sorted; later than all times
COUNTED_MOST: Final = 10_000  #: sessions that are counted one by one for a total
_MANY: Final = 50_000  #: sessions from which on reading them side by side is faster than in the order of their activity
_FEW: Final = 1_000  #: sessions that are read one by one, however few others there are
_APART: Final = 20  #: how many are read side by side in the time in which one is fetched by itself
_ALL: Final = (lives.RUNNING, lives.COMPLETED, lives.FAILED, lives.CANCELLED, lives.UNKNOWN)


T = TypeVar("T")


class Found(msgspec.Struct, Generic[T], frozen=True):
    """A :class:`rollbook.model.Page` of what was made of its sessions."""

    sessions: list[T]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None
    total_exact: bool


class Portion(NamedTuple):
    """A part of a scope in which something may fit, and the filters in numbers, as they are there."""

    part: Part
    values: dict[str, Any]


def page(
    tx: Reading,
    scope: Scope,
    asked: Filters,
    clock: Clock,
    made: Callable[[Row, Clock], T],
    *,
    question: str,
    limit: int,
    cursor: str | None,
    offset: int,
) -> Found[T]:
    """One page of a list, by cursor or by offset (R7): what is made of the row of each session that it holds."""
    if cursor is not None and offset:
        raise InvalidInput("give a cursor or an offset, not both")
    after = None if cursor is None else cursors.read(cursor, question)
    if after is not None:
        asked = msgspec.structs.replace(asked, since=after.since, until=after.until)
    began = clock if after is None else msgspec.structs.replace(clock, now=after.now)
    window, asked = asked.window, asking.worked_out(tx, scope, asked, began)
    # Whoever falls silent meanwhile would change the place, in the order of states.
    then = began if asked.order_by == "effective_status" else clock
    portions = portions_of(tx, scope, asked)
    if not portions:
        return Found([], 0, limit, offset, has_more=False, next_cursor=None, total_exact=True)
    most = offset + limit + 1
    counted = _counted(portions, asked)
    many = (counted or asked.unordered) and _are_many(tx, portions, asked, then)
    everything = _gathered(tx, portions, asked, then) if many and counted else None
    if everything is None:
        found = [
            key
            for portion in portions
            for key in _keys(tx, portion, asked, then, after=after, most=most, along_table=many)
        ]
    else:
        found = everything if after is None else [key for key in everything if _behind(key, after, asked)]
    keys = sorted(found, reverse=not asked.ascending)[offset:most]
    has_more, keys = len(keys) > limit, keys[:limit]
    shown = {row[:2]: row for row in reads.shown(tx, scope, [(key[1], key[2]) for key in keys])}
    if everything is not None:
        total, exact = len(everything), True
    elif many and counted:  # there are more than were gathered
        total, exact = COUNTED_MOST, False
    else:
        total, exact = _total(tx, portions, asked, then)
    following = None
    if has_more:
        value, user_no, session_no = keys[-1]
        following = cursors.write(
            cursors.Cursor(question, window.since, value, user_no, session_no, began.now, window.until)
        )
    lines = [made(shown[key[1], key[2]], clock) for key in keys]
    return Found(lines, total, limit, offset, has_more, following, exact)


def portions_of(tx: Reading, scope: Scope, asked: Filters) -> list[Portion]:
    """Where the filters may find something: nowhere if they name what is not in the book."""
    model_no = None
    if asked.model is not None:
        found = [(0,)] if asked.model == "unknown" else tx.rows("model_no", name=asked.model)
        if not found:
            return []
        model_no = found[0][0]
    text = None
    if asked.text is not None:
        escaped = asked.text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
        text = f"%{escaped}%"
    values = {"model_no": model_no, "channel": asked.channel, "tag": asked.tag, "text": text, **dict(asked.values)}
    portions = []
    for part in scope.parts:
        slices = _slices_like(tx, part, asked) if asked.sliced else part.slices
        if slices != "[]":
            portions.append(Portion(part, {"user_no": part.user_no, "slices": slices, **values}))
    return portions


def _slices_like(tx: Reading, part: Part, asked: Filters) -> str:
    """The slices of a part that fit, as a JSON array of their numbers."""
    rows = tx.rows(
        "slices_like",
        user_no=None if part.everybody else part.user_no,
        dataset_id=asked.dataset_id,
        agent=asked.agent,
        kind=asked.kind,
        project=asked.project,
    )
    visible = part.numbers
    if asked.named:
        named = asking.slices_named(tx, part, asked.named)
        visible = named if visible is None else visible & named
    return "[" + ",".join(str(row[0]) for row in rows if visible is None or row[0] in visible) + "]"


def spans_of(asked: Filters, clock: Clock) -> list[tuple[int, int, int]]:
    """R4 as ranges over what is stored: (status, from, before) for an effective status, or for all."""
    since, until = asked.window.start, asked.window.end
    if asked.statuses is not None:
        left = sorted(asked.statuses if asked.status is None else asked.statuses & {asked.status})
        some = [msgspec.structs.replace(asked, status=status, statuses=None) for status in left]
        return [span for one in some for span in spans_of(one, clock)]
    if asked.status is None:
        return [(code, since, until) for code in _ALL]
    if asked.status == Status.RUNNING:
        return [(lives.RUNNING, max(since, clock.cutoff), until)]
    if asked.status == Status.ABANDONED:
        return [(lives.RUNNING, since, min(until, clock.cutoff))]
    return [(lives.STATUS_CODES[asked.status], since, until)]


def _counted(portions: list[Portion], asked: Filters) -> bool:
    """Whether no sums are kept for what is asked for, so that sessions are counted one by one."""
    return asked.scanned or (portions[0].part.everybody and asked.sliced)


def _are_many(tx: Reading, portions: list[Portion], asked: Filters, clock: Clock) -> bool:
    """Whether so many sessions are to be looked through, by the sums, that it is faster to read all side by side."""
    parts = [portion.part for portion in portions]
    counts = counts_by_status(tx, parts, asked.window, clock)
    active = sum(counts[name] for name in asked.states(counts))
    if active > _MANY or not asked.unordered or active < _FEW:
        return active > _MANY
    everything = sum(counts_by_status(tx, parts, windows.ALL, clock).values())
    return active * _APART > everything


def _gathered(tx: Reading, portions: list[Portion], asked: Filters, clock: Clock) -> list[Row] | None:
    """The keys of all that fit, in no order; None where they are more than are counted.

    What is rare is found by looking at every session, which takes the least time in the order in which they lie.
    """
    asked = asking.in_one_go(asked, clock)
    direction = "asc" if asked.ascending else "desc"
    found: list[Row] = []
    for part, values in portions:
        words: dict[str, Filling] = {
            "sort": f"{asked.order_by}_{direction}", "scope": part.words["scope"], "filters": asked.filling,
        }  # fmt: skip
        found += tx.compose(
            "all_keys", words, low=lives.RUNNING, high=lives.UNKNOWN, since=asked.window.start,
            until=asked.window.end, cutoff=clock.cutoff, most=COUNTED_MOST + 1 - len(found),
            **{**values, **dict(asked.values)},
        )  # fmt: skip
        if len(found) > COUNTED_MOST:
            return None
    return found


def _behind(key: Row, after: cursors.Cursor, asked: Filters) -> bool:
    """Whether a key comes behind where a page ended."""
    place = (after.value, after.user_no, after.session_no)
    return tuple(key) > place if asked.ascending else tuple(key) < place


def _keys(
    tx: Reading, portion: Portion, asked: Filters, clock: Clock, *, after: Any, most: int, along_table: bool
) -> list[Row]:
    """The keys of a page: by last activity a merge of one index range for each status, else the best of a scan."""
    if asked.order_by == "effective_status":
        return _keys_by_state(tx, portion, asked, clock, after=after, most=most)
    direction = "asc" if asked.ascending else "desc"
    part, values = portion
    words: dict[str, Filling] = {
        "sort": f"{asked.order_by}_{direction}",
        "scope": part.words["scope"],
        "statuses": "status_one",
        "filters": asked.filling if values["slices"] is not None or asked.scanned else "no_filters",
        "range": "along_index",
        "after": f"after_{direction}" if after else "after_none",
        "direction": direction,
    }
    if after is not None:
        values = {**values, "after_value": after.value, "after_user": after.user_no, "after_session": after.session_no}
    by_activity = asked.order_by == "last_activity_at"
    if along_table and not by_activity:
        asked = asking.in_one_go(asked, clock)
        words |= {"filters": asked.filling if asked.pieces else words["filters"], "range": "along_table"}
        values = {**values, **dict(asked.values)}
    spans = spans_of(asked, clock)
    if not by_activity and along_table and asked.status is None and asked.statuses is None:
        words["statuses"] = "status_along_table"
        spans = spans[:1]
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
    return found


def _keys_by_state(tx: Reading, portion: Portion, asked: Filters, clock: Clock, *, after: Any, most: int) -> list[Row]:
    """The keys of a page by state: what each has in the order of activity, one state after the other."""
    found: list[Row] = []
    reached, value = (None, 0) if after is None else divmod(after.value, _STATE)
    states = list(enumerate(_STATES, 1))
    for number, state in states if asked.ascending else reversed(states):
        passed = reached is not None and (number < reached if asked.ascending else number > reached)
        if passed or not asked.states([state]):
            continue
        one = msgspec.structs.replace(asked, status=state, statuses=None, order_by="last_activity_at")
        place = msgspec.structs.replace(after, value=value) if number == reached else None
        keys = _keys(tx, portion, one, clock, after=place, most=most - len(found), along_table=False)
        found += [(number * _STATE + at, user_no, session_no) for at, user_no, session_no in keys]
        if len(found) >= most:
            break
    return found


def _total(tx: Reading, portions: list[Portion], asked: Filters, clock: Clock) -> tuple[int, bool]:
    """How many sessions the list has: from the sums where they are kept for it, else counted up to a limit."""
    if not _counted(portions, asked):
        parts = [Part(part.user_no, values["slices"]) for part, values in portions]
        counts = counts_by_status(tx, parts, asked.window, clock)
        return sum(counts[name] for name in asked.states(counts)), True
    total = 0
    for part, values in portions:
        words = {"scope": part.words["scope"], "statuses": "status_one", "filters": asked.filling}
        for status, since, until in spans_of(asked, clock):
            left = COUNTED_MOST + 1 - total
            total += tx.compose("count_keys", words, low=status, since=since, until=until, most=left, **values)[0][0]
        if total > COUNTED_MOST:
            break
    return min(total, COUNTED_MOST), total <= COUNTED_MOST
