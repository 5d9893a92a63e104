"""What cognee's sessions contain: questions and answers with their feedback, steps of traces, lessons, graph knowledge.

The Python edition keeps bodies as JSON (``cache_…``), and rows that expired until they are swept: those are left out.
The Rust edition keeps columns (``session_…``), of users with dashes and of no user too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers import cells, entries
from rollbook.importers.cells import Cell
from rollbook.importers.content import jot
from rollbook.importers.foreign import WIDE_ROWS, Foreign
from rollbook.importers.moving import Item, Move
from rollbook.journal.steps import ExpectState, New, SetState, Step
from rollbook.ledger.ops import Jot
from rollbook.plans.conversation import GRAPH_CONTEXT
from rollbook.rules import bodies, checks
from rollbook.rules.texts import QAS, TRACE

TABLES: Final = (
    "cache_qa_entries",
    "cache_trace_entries",
    "cache_session_context",
    "session_qa_entries",
    "session_trace_steps",
    "session_graph_context",
)
_ENVELOPE: Final = 4096  #: bytes by which a body may be larger there than an entry is here

Row = tuple[Cell, ...]
Found = tuple[str, New] | None  #: the stream, and the entry


def read(found: Foreign, held: Collection[str], move: Move) -> Iterator[Item]:
    """Everything that sessions contain."""
    readers: tuple[tuple[str, str, str, Callable[[Move, Row], Found]], ...] = (
        ("cache_qa_entries", "cognee_qas", "seq", _cached_qa),
        ("cache_trace_entries", "cognee_steps", "seq", _cached_step),
        ("cache_session_context", "cognee_lessons", "seq", _cached_lesson),
        ("session_qa_entries", "cognee_rs_qas", "created_at, id", _qa),
        ("session_trace_steps", "cognee_rs_steps", "user_id, session_id, seq", _step),
    )
    for table, statement, order, reader in readers:
        if table in held:
            rows = found.each(statement, order, rows=WIDE_ROWS, most=move.most + _ENVELOPE)
            while some := list(islice(rows, WIDE_ROWS)):
                yield from _gathered(move, some, reader)
    if "session_graph_context" in held:
        for row in found.each("cognee_rs_graphs", "id", rows=WIDE_ROWS, most=move.most):
            yield from _graph(move, row)


def _gathered(move: Move, rows: Iterable[Row], reader: Callable[[Move, Row], Found]) -> Iterator[Item]:
    """The entries of some rows, those of one session together and in their order."""
    gathered: dict[tuple[str, str | None, str], dict[str, list[New]]] = {}
    for row in rows:
        try:
            user_id, user_name = move.owner(cells.text(row[0], "user_id"))
            session_id = checks.session_id(cells.needed(row[1], "session_id"))
            found = reader(move, row)
        except (InvalidInput, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            move.report.skip(f"an entry of session {cells.shown(row[1])}", error)
            continue
        if found is not None:
            gathered.setdefault((user_id, user_name, session_id), {}).setdefault(found[0], []).append(found[1])
    for (user_id, user_name, session_id), streams in gathered.items():
        at = max(new.created_at for news in streams.values() for new in news)
        yield msgspec.structs.replace(jot(user_id, session_id, at, streams.items()), user_name=user_name)


def _when(move: Move, row: Row, *times: int | None) -> int:
    """The first of some times that is believed."""
    for at in times:
        if (believed := move.believed(at)) is not None:
            return believed
    return move.first(move.owner(cells.text(row[0], "user_id"))[0], cells.needed(row[1], "session_id"))


def _body(row: Row) -> dict[str, Any]:
    """A body that is kept as JSON."""
    said = cells.text(row[-1], "payload")
    if said is None:
        raise InvalidInput("its body is missing or too large (ROLLBOOK_ENTRY_BYTES)")
    found = bodies.plain(said.encode())
    if not isinstance(found, dict):
        raise InvalidInput("its body is no JSON object")
    return found


def _expired(move: Move, row: Row) -> bool:
    at = cells.moment(row[4], "expires_at")
    if at is None or at > move.now:
        return False
    move.report.expired_entries += 1
    return True


def _cached_qa(move: Move, row: Row) -> Found:
    if _expired(move, row):
        return None
    said, entry_id = _body(row), cells.dashed(cells.needed(row[2], "qa_id"))
    stated = said.get("time")
    try:
        spoken = cells.moment(stated, "time") if isinstance(stated, str) else None
    except InvalidInput:
        spoken = None
    at = _when(move, row, spoken, cells.moment(row[3], "created_at"))
    return QAS, _told(move, row, *entries.qa(entry_id, said, at))


def _told(move: Move, row: Row, new: New, left: list[str]) -> New:
    """An entry, of which it is told what was left out."""
    for why in left:
        move.report.skip(f"an entry of session {cells.shown(row[1])}", why)
    return new


def _cached_step(move: Move, row: Row) -> Found:
    if _expired(move, row):
        return None
    said = _body(row)
    name = said.get("trace_id")
    entry_id = cells.dashed(name) if isinstance(name, str) and name else f"seq-{cells.needed(row[2], 'seq')}"
    return TRACE, entries.step(entry_id, said, _when(move, row, cells.moment(row[3], "created_at")))


def _cached_lesson(move: Move, row: Row) -> Found:
    if _expired(move, row):
        return None
    at = _when(move, row, cells.moment(row[3], "created_at"))
    return entries.CONTEXT, entries.plain(cells.needed(row[2], "entry_id"), _body(row), at)


def _columns(row: Row, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: cells.text(cell, name) for name, cell in zip(names, row[4:], strict=True)}


def _json(text: str | None, what: str) -> Any:
    """A value that is kept as JSON in a column."""
    if text is None:
        return None
    try:
        return bodies.plain(text.encode())
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error}") from None


def _qa(move: Move, row: Row) -> Found:
    names = ("question", "answer", "context", "feedback_text", "feedback_score", *_OF_JSON)
    said = _columns(row, names)
    if said["question"] is None:
        raise InvalidInput("it is too large (ROLLBOOK_ENTRY_BYTES), or has no question")
    said.update({name: _json(said[name], name) for name in _OF_JSON})
    score = said["feedback_score"]
    said["feedback_score"] = None if score is None else cells.number(score, "feedback_score")
    entry_id = cells.dashed(cells.needed(row[2], "id"))
    at = _when(move, row, cells.moment(row[3], "created_at"))
    return QAS, _told(move, row, *entries.qa(entry_id, said, at))


_OF_JSON: Final = ("used_graph_element_ids", "memify_metadata")
_OF_STEP: Final = (
    "origin_function", "status", "memory_query", "memory_context", "method_params", "method_return_value",
    "error_message", "session_feedback",
)  # fmt: skip


def _step(move: Move, row: Row) -> Found:
    said = _columns(row, _OF_STEP)
    if said["method_params"] is None:
        raise InvalidInput("it is too large (ROLLBOOK_ENTRY_BYTES), or has no parameters")
    said.update({name: _json(said[name], name) for name in ("method_params", "method_return_value")})
    entry_id = cells.dashed(cells.needed(row[2], "trace_id"))
    return TRACE, entries.step(entry_id, said, _when(move, row, cells.moment(row[3], "created_at")))


def _graph(move: Move, row: Row) -> Iterator[Jot]:
    """A snapshot of graph knowledge, which is kept unless the session has one here."""
    try:
        user_id, user_name = move.owner(cells.text(row[0], "user_id"))
        session_id = checks.session_id(cells.needed(row[1], "session_id"))
        said = cells.needed(row[3], "a graph context of at most ROLLBOOK_ENTRY_BYTES")
        at = _when(move, row, cells.moment(row[2], "updated_at"))
        redactor = move.contents.redactor
        clean = said if redactor is None else redactor.text(said)
        value = msgspec.Raw(bodies.encoded(clean, "graph context", move.most))
    except InvalidInput as error:
        move.report.skip(f"session {cells.shown(row[1])}", error)
        return
    step = Step(user_id, session_id, at, (SetState({GRAPH_CONTEXT: value}),), (ExpectState(GRAPH_CONTEXT, None),))
    yield Jot(user_id=user_id, session_id=session_id, at=at, step=step, user_name=user_name)
