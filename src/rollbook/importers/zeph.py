"""zeph's fleet of sessions, and its table of single calls where it has one.

A session of the fleet and the conversation that it held have no key in common there, so both are sessions here: the one
has a life, the other has calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rollbook.errors import InvalidInput
from rollbook.importers import cells
from rollbook.importers.cells import Cell
from rollbook.importers.foreign import Foreign, fragment
from rollbook.importers.move_items import Counter, Record, count, life, lived, usage, usage_id
from rollbook.importers.moving import Item, Move, Totals, Unbalanced
from rollbook.ledger.ops import Call, Facts, Touch
from rollbook.model import CHANNELS, Evidence, Kind, Status, Tokens
from rollbook.rules import checks

SOURCE: Final = "zeph"
FLEET: Final = "agent_sessions"
LEDGER: Final = "usage_records"
_LINKS: Final = "acp_sessions"
_CENTS: Final = 100
_STATUSES: Final = {
    "active": Status.RUNNING,
    **{str(one): one for one in Status if one not in ("running", "abandoned")},
}
_KINDS: Final = tuple(str(kind) for kind in Kind)
#: The session of calls that belong to no conversation: planners, aggregators, members of ensembles.
BACKGROUND: Final = "zeph-background"

Row = tuple[Cell, ...]


class Zeph:
    """Reads zeph's databases."""

    name = SOURCE
    tables = (FLEET, LEDGER)
    urls = False

    def refuse(self, found: Foreign) -> str | None:
        held = found.tables()
        for table, column in ((FLEET, "cost_cents"), (LEDGER, "cost_cents")):
            if table in held and column not in found.columns(table):
                return f"its table {table} has no column {column}"
        return None

    def read(self, found: Foreign, move: Move) -> Iterator[Item]:
        held = found.tables()
        metered = _metered(found) if LEDGER in held else None
        if FLEET in held:
            for row in found.each("zeph_sessions", "id"):
                try:
                    yield from _session(move, row, metered)
                except InvalidInput as error:
                    move.report.skip(f"session {cells.shown(row[0])}", error)
        if LEDGER in held:
            linked = _LINKS in held and "conversation_id" in found.columns(_LINKS)
            for row in found.each("zeph_calls", "id", {"links": _LINKS if linked else fragment("zeph_no_links")}):
                try:
                    yield from _call(move, row)
                except InvalidInput as error:
                    move.report.skip(f"call {cells.shown(row[0])}", error)


def _metered(found: Foreign) -> int | None:
    """Since when single calls are written down, in microseconds; 0 where calls before the first are gone.

    What a session's own counters say of the time since then is among the calls, and is not to be counted twice.
    """
    for created, purged in found.each("zeph_ledger", "id"):
        try:
            return 0 if purged else cells.moment(created, "created_at")
        except InvalidInput:
            return 0
    return None


def _session(move: Move, row: Row, metered: int | None) -> list[Item]:
    name, kind, status, channel, model, created, active, turns, *counters, goal = row
    session_id = checks.session_id(cells.needed(name, "id"))
    record = Record(
        user_id=move.user_id,
        session_id=session_id,
        status=_word(move, session_id, status, _STATUSES) or Status.RUNNING,
        started=cells.moment(created, "created_at"),
        active=cells.moment(active, "last_active_at"),
        turns=_counted(move, session_id, turns, "turns", checks.MAX_COUNT),
        facts=Facts(
            agent=SOURCE,
            kind=_word(move, session_id, kind, {one: one for one in _KINDS}),
            channel=_word(move, session_id, channel, {one: one for one in CHANNELS}) or "other",
        ),
        later=Facts(goal_text=checks.prose(cells.text(goal, "goal_text"), "goal_text", checks.MAX_GOAL_BYTES)),
    )
    if record.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
        record.ended = record.active
    times = lived(record, move)
    items = list(life(record, times))
    prompt, completion, reasoning = (
        _counted(move, session_id, cell, what)
        for cell, what in zip(counters, ("prompt_tokens", "completion_tokens", "reasoning_tokens"), strict=False)
    )
    tokens = _tokens(prompt, completion, reasoning)
    cost = _cost(move, session_id, counters[3])
    if metered is not None and (metered == 0 or times.active >= metered):
        if tokens.total or cost:
            said = Totals(tokens.tokens_in, tokens.tokens_out, cost)
            move.report.differs(Unbalanced(session_id, record.user_id, said, Totals()))
        return items
    counter = Counter(
        name=("session", session_id), tokens=tokens, cost_nano=cost, model=cells.text(model, "model"),
        at=times.within(None),
    )  # fmt: skip
    return [*items, *usage(SOURCE, record, counter)]


def _word(move: Move, session_id: str, cell: Cell, words: Mapping[str, str]) -> str | None:
    """What one of a few words is here; one that is not known is told."""
    said = cells.text(cell, "a word") or ""
    if said not in words:
        move.report.skip(f"session {session_id}", f"{checks.said(said)} is not known; it is one of {', '.join(words)}")
    return words.get(said)


def _counted(move: Move, name: str, cell: Cell, what: str, most: int = checks.MAX_TOKENS) -> int:
    """A counter; 0 where it is damaged. There they are unsigned, and kept as signed numbers."""
    try:
        return checks.count(count(cells.number(cell, what), what), what, most)
    except InvalidInput as error:
        move.report.skip(name, f"{error}; it is taken as 0")
        return 0


def _cost(move: Move, name: str, cell: Cell) -> int:
    try:
        return checks.count(cells.nano(cell, "cost_cents", _CENTS), "cost_cents", checks.MAX_COST_USD * 10**9)
    except InvalidInput as error:
        move.report.skip(name, f"{error}; it is taken as 0")
        return 0


def _tokens(prompt: int, completion: int, reasoning: int, *, read: int = 0, written: int = 0) -> Tokens:
    """Tokens in disjoint kinds: reasoning is part of what was completed there."""
    reasoning = min(reasoning, completion)
    return Tokens(
        input=prompt, cache_read=read, cache_write=written, output=completion - reasoning, reasoning=reasoning
    )


def _call(move: Move, row: Row) -> list[Item]:
    """One call. Its row never changes, but the conversation that it belongs to may get a name later."""
    number, conversation, linked, kind, provider, model, prompt, completion, read, written, reasoning, cost, at = row
    name = f"call {cells.needed(number, 'id')}"
    stated = cells.moment(at, "created_at")
    session_id = _session_of(cells.text(conversation, "conversation_id"), cells.text(linked, "id"))
    occurred = move.believed(stated)
    if occurred is None:
        occurred = move.first(move.user_id, session_id)
    counts = [
        _counted(move, name, cell, what)
        for cell, what in (
            (prompt, "input_tokens"), (completion, "output_tokens"), (reasoning, "reasoning_tokens"),
            (read, "cache_read_tokens"), (written, "cache_write_tokens"),
        )
    ]  # fmt: skip
    nano = _cost(move, name, cost)
    parts = tuple(str(cells.text(cell, "a cell")) for cell in (number, at, kind, provider, model))
    return [
        Touch(user_id=move.user_id, session_id=session_id, at=occurred, facts=Facts(agent=SOURCE)),
        Call(
            user_id=move.user_id,
            session_id=session_id,
            usage_id=usage_id(SOURCE, "call", *parts),
            occurred_at=occurred,
            tokens=_tokens(counts[0], counts[1], counts[2], read=counts[3], written=counts[4]),
            model=checks.model(parts[4]),
            provider=checks.name(parts[3], "provider"),
            cost_nano=nano or None,
            cost_source="reported" if nano else "unpriced",
            source=SOURCE,
            evidence=Evidence.LOG,
            weight=int(linked is not None),
        ),
    ]


def _session_of(conversation: str | None, linked: str | None) -> str:
    """The session that a call belongs to: the conversation, by its own id where it has one."""
    if linked:
        return checks.session_id(linked)
    return BACKGROUND if conversation is None else f"zeph-conversation-{conversation}"
