"""Lists of sessions, by cursor or by offset (R7): a merge of what each part of a scope has."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from rollbook.errors import InvalidInput
from rollbook.ledger import asking, cursors, reads
from rollbook.ledger.figures import counts_by_status
from rollbook.ledger.filters import Filters
from rollbook.ledger.reads import FOREVER, Clock
from rollbook.ledger.scopes import Part, Scope
from rollbook.model import Page, Status
from rollbook.rules import life as lives
from rollbook.store import Reading, Row
from rollbook.store.statements import Filling

SORTS: Final = ("last_activity_at", "started_at", "ended_at", "cost_usd", "tokens_in", "tokens_out")
COUNTED_MOST: Final = 10_000  #: sessions that are counted one by one for a total
_ALL: Final = (lives.RUNNING, lives.COMPLETED, lives.FAILED, lives.CANCELLED, lives.UNKNOWN)


class Portion(NamedTuple):
    """A part of a scope in which something may fit, and the filters in numbers, as they are there."""

    part: Part
    values: dict[str, Any]


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
    began = clock if after is None else msgspec.structs.replace(clock, now=after.now)
    since, asked = asked.since, asking.worked_out(tx, scope, asked, began)
    portions = portions_of(tx, scope, asked)
    if not portions:
        return Page(sessions=[], total=0, limit=limit, offset=offset, has_more=False, next_cursor=None)
    most = offset + limit + 1
    found = [key for portion in portions for key in _keys(tx, portion, asked, clock, after=after, most=most)]
    keys = sorted(found, reverse=not asked.ascending)[offset:most]
    has_more, keys = len(keys) > limit, keys[:limit]
    shown = reads.show(tx, scope, [(key[1], key[2]) for key in keys], clock)
    total, exact = _total(tx, portions, asked, clock)
    following = None
    if has_more:
        value, user_no, session_no = keys[-1]
        following = cursors.write(cursors.Cursor(question, since, value, user_no, session_no, began.now))
    return Page(
        sessions=[shown[key[1], key[2]] for key in keys],
        total=total,
        limit=limit,
        offset=offset,
        has_more=has_more,
        next_cursor=following,
        total_exact=exact,
    )


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
    since = 0 if asked.since is None else asked.since
    if asked.statuses is not None:
        left = sorted(asked.statuses if asked.status is None else asked.statuses & {asked.status})
        some = [msgspec.structs.replace(asked, status=status, statuses=None) for status in left]
        return [span for one in some for span in spans_of(one, clock)]
    if asked.status is None:
        return [(code, since, FOREVER) for code in _ALL]
    if asked.status == Status.RUNNING:
        return [(lives.RUNNING, max(since, clock.cutoff), FOREVER)]
    if asked.status == Status.ABANDONED:
        return [(lives.RUNNING, since, clock.cutoff)]
    return [(lives.STATUS_CODES[asked.status], since, FOREVER)]


def _keys(tx: Reading, portion: Portion, asked: Filters, clock: Clock, *, after: Any, most: int) -> list[Row]:
    """The keys of a page: by last activity a merge of one index range for each status, else the best of a scan."""
    direction = "asc" if asked.ascending else "desc"
    part, values = portion
    words: dict[str, Filling] = {
        "sort": f"{asked.order_by}_{direction}",
        "scope": part.words["scope"],
        "statuses": "status_one",
        "filters": asked.filling if values["slices"] is not None or asked.scanned else "no_filters",
        "after": f"after_{direction}" if after else "after_none",
        "direction": direction,
    }
    if after is not None:
        values = {**values, "after_value": after.value, "after_user": after.user_no, "after_session": after.session_no}
    spans = spans_of(asked, clock)
    by_activity = asked.order_by == "last_activity_at"
    if not by_activity and asked.status is None and asked.statuses is None:
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
    return found


def _total(tx: Reading, portions: list[Portion], asked: Filters, clock: Clock) -> tuple[int, bool]:
    """How many sessions the list has: from the sums where they are kept for it, else counted up to a limit."""
    if not asked.scanned and not (portions[0].part.everybody and asked.sliced):
        parts = [Part(part.user_no, values["slices"]) for part, values in portions]
        counts = counts_by_status(tx, parts, asked.since, clock)
        names = set(counts) if asked.status is None else {asked.status}
        return sum(counts[name] for name in names if asked.statuses is None or name in asked.statuses), True
    total = 0
    for part, values in portions:
        words = {"scope": part.words["scope"], "statuses": "status_one", "filters": asked.filling}
        for status, since, until in spans_of(asked, clock):
            left = COUNTED_MOST + 1 - total
            total += tx.compose("count_keys", words, low=status, since=since, until=until, most=left, **values)[0][0]
        if total > COUNTED_MOST:
            break
    return min(total, COUNTED_MOST), total <= COUNTED_MOST
