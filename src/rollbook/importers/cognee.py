"""cognee's sessions: its life cycle and usage, and what its sessions contain where that is in the same database.

The Python and the Rust edition share the tables of the life cycle; each has its own for contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

from rollbook.errors import InvalidInput
from rollbook.importers import cells, cognee_content
from rollbook.importers.cells import Cell
from rollbook.importers.foreign import Foreign, fragment
from rollbook.importers.move_items import Counter, Lived, Record, count, life, lived, usage
from rollbook.importers.moving import Item, Move, Totals, Unbalanced
from rollbook.ledger.ops import Facts
from rollbook.model import Status, Tokens
from rollbook.rules import checks

SOURCE: Final = "cognee"
RECORDS: Final = "session_records"
USAGE: Final = "session_model_usage"
_ORDER: Final = "session_id, user_id"
_STATUSES: Final = {
    "running": Status.RUNNING,
    "abandoned": Status.RUNNING,
    "completed": Status.COMPLETED,
    "failed": Status.FAILED,
}
_KEY: Final = 2  #: cells by which a session is known


class _Used(NamedTuple):
    """What a session used of one model, or in all."""

    model: str
    totals: Totals
    at: int | None = None


class Cognee:
    """Reads cognee's databases."""

    name = SOURCE
    tables = (RECORDS, USAGE, *cognee_content.TABLES)
    urls = True

    def refuse(self, found: Foreign) -> str | None:
        held = found.tables()
        for table, column in ((RECORDS, "last_activity_at"), (USAGE, "updated_at")):
            if table in held and column not in found.columns(table):
                return f"its table {table} has no column {column}"
        return None

    def read(self, found: Foreign, move: Move) -> Iterator[Item]:
        held = found.tables()
        if RECORDS in held:
            words = {"usage": USAGE if USAGE in held else fragment("cognee_no_usage")}
            rows = found.each("cognee_sessions", _ORDER, words)
            for _, group in groupby(rows, lambda row: row[:_KEY]):
                yield from _row(move, list(group), _session)
        if USAGE in held:
            words = {"records": RECORDS if RECORDS in held else fragment("cognee_no_records")}
            for row in found.each("cognee_strays", "session_id, user_id, model", words):
                yield from _row(move, [row], _stray)
        yield from cognee_content.read(found, held, move)


Rows = list[tuple[Cell, ...]]


def _row(move: Move, rows: Rows, read: Callable[[Move, Rows], list[Item]]) -> list[Item]:
    """What a session's rows say; where they cannot be read they are passed over, and no others."""
    try:
        return read(move, rows)
    except InvalidInput as error:
        move.report.skip(f"session {cells.shown(rows[0][0])}", error)
        return []


def _session(move: Move, rows: Rows) -> list[Item]:
    """A session's record and its rows of usage, one after the other beside it."""
    _, _, dataset, status, started, active, ended, *counters = rows[0][:11]
    record = _record(move, rows[0], status, (started, active, ended))
    whole = _used(move, record.session_id, (None, *counters[:3]))
    errors = _counter(move, record.session_id, counters[3], "error_count")
    record.facts = Facts(agent=SOURCE, dataset_id=cells.dataset(dataset))
    record.later = Facts(metadata=f'{{"error_count":{errors}}}') if errors else None
    times = lived(record, move)
    models = [_used(move, record.session_id, row[12:]) for row in rows if row[12] is not None]
    items = list(life(record, times))
    for used in models:
        items += _usage(record, used, times)
    items += _rest(move, record, (whole, models), times)
    return items


def _record(move: Move, row: tuple[Cell, ...], status: Cell, times: tuple[Cell, Cell, Cell]) -> Record:
    session_id = checks.session_id(cells.needed(row[0], "session_id"))
    user_id, user_name = move.owner(cells.user(row[1]))
    said = cells.needed(status, "status")
    if said not in _STATUSES:
        move.report.skip(f"session {session_id}", f"status {checks.said(said)} is not known; it is taken as running")
    started, active, ended = (
        cells.moment(cell, what)
        for cell, what in zip(times, ("started_at", "last_activity_at", "ended_at"), strict=True)
    )
    return Record(
        user_id=user_id, user_name=user_name, session_id=session_id, status=_STATUSES.get(said, Status.RUNNING),
        started=started, active=active, ended=ended, facts=Facts(agent=SOURCE),
    )  # fmt: skip


def _used(move: Move, session_id: str, row: tuple[Cell, ...]) -> _Used:
    """Counters, each of which is 0 where it is damaged; and of which model, as of when."""
    model, tokens_in, tokens_out, cost, *updated = row
    totals = Totals(
        _counter(move, session_id, tokens_in, "tokens_in"),
        _counter(move, session_id, tokens_out, "tokens_out"),
        _counter(move, session_id, cost, "cost_usd"),
    )
    at = cells.moment(updated[0], "updated_at") if updated else None
    return _Used(cells.text(model, "model") or "", totals, move.believed(at))


def _counter(move: Move, session_id: str, cell: Cell, what: str) -> int:
    try:
        if what == "cost_usd":
            return checks.count(cells.nano(cell, what), what, checks.MAX_COST_USD * 10**9)
        return count(cells.number(cell, what), what)
    except InvalidInput as error:
        move.report.skip(f"session {session_id}", f"{error}; it is taken as 0")
        return 0


def _usage(record: Record, used: _Used, times: Lived) -> list[Item]:
    at = times.within(used.at)
    return list(usage(SOURCE, record, _counter_of(record, used, used.model, at)))


def _counter_of(record: Record, used: _Used, model: str | None, at: int) -> Counter:
    name = ("model", record.session_id, used.model) if used.model else ("rest", record.session_id)
    tokens = Tokens(input=used.totals.tokens_in, output=used.totals.tokens_out)
    return Counter(name=name, tokens=tokens, cost_nano=used.totals.cost_nano, model=model, at=at)


def _rest(move: Move, record: Record, used: tuple[_Used, list[_Used]], times: Lived) -> list[Item]:
    """What a session's record says beyond what its models do: calls that named no model.

    Of counters by which the models say more, because the first turn is not in the record or because calls came after
    the end, nothing is left. Either way it is told.
    """
    whole, models = used[0].totals, [one.totals for one in used[1]]
    parts = Totals(
        sum(one.tokens_in for one in models),
        sum(one.tokens_out for one in models),
        sum(one.cost_nano for one in models),
    )
    noise = len(models) + 1  # what rounding floats to nano-dollars may come to
    close = abs(whole.cost_nano - parts.cost_nano) <= noise
    if close and (whole.tokens_in, whole.tokens_out) == (parts.tokens_in, parts.tokens_out):
        return []
    move.report.differs(Unbalanced(record.session_id, record.user_id, whole, parts))
    left = Totals(
        max(0, whole.tokens_in - parts.tokens_in),
        max(0, whole.tokens_out - parts.tokens_out),
        0 if close else max(0, whole.cost_nano - parts.cost_nano),
    )
    return list(usage(SOURCE, record, _counter_of(record, _Used("", left), None, times.within(None))))


def _stray(move: Move, rows: Rows) -> list[Item]:
    """Usage of a session that has no record: it is all that is known of it."""
    session_id = checks.session_id(cells.needed(rows[0][0], "session_id"))
    user_id, user_name = move.owner(cells.user(rows[0][1]))
    used = _used(move, session_id, rows[0][2:])
    record = Record(
        user_id=user_id, user_name=user_name, session_id=session_id, status=Status.RUNNING, started=used.at,
        active=used.at, facts=Facts(agent=SOURCE),
    )  # fmt: skip
    times = lived(record, move)
    move.report.differs(Unbalanced(session_id, user_id, Totals(), used.totals))
    return [*life(record, times), *_usage(record, used, times)]
