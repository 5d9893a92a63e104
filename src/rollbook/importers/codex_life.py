"""What Codex's lines say of how a session stands, and of what the user asked for."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from rollbook.importers import codex_lines as lines
from rollbook.importers.lines import one_line
from rollbook.importers.sessions import CANCELLED, COMPLETED, CUSTOM, FAILED, OPEN, Session

STARTED: Final = ("task_started", "turn_started")
FINISHED: Final = ("task_complete", "turn_complete")
_REASON_BYTES: Final = 200
_ABORTED: Final = {
    "interrupted": (CANCELLED, "interrupted by the user"),
    "review_ended": (COMPLETED, None),
    "budget_limited": (FAILED, "budget_limited"),
}


def worked(session: Session, payload: Raw, *, cycled: bool) -> None:
    """The model said or did something. Older versions did not write down where a turn ends: there, words may end it."""
    if lines.kind(payload) != "message":
        session.stands(OPEN)
        return
    found = lines.KIND.one(payload)
    if found is not None and found.role == "assistant":
        session.stands(OPEN if cycled else COMPLETED)


def happened(session: Session, kind: str | None, payload: Raw, *, cycled: bool, paged: bool) -> None:
    """An event of the session's own. ``cycled``: turns have a beginning and an end; ``paged``: messages are items."""
    if kind in STARTED:
        session.stands(OPEN)
    elif kind in FINISHED:
        if session.carried.stands != FAILED:
            session.stands(COMPLETED)
    elif kind == "turn_aborted":
        aborted = lines.TURN.one(payload)
        session.stands(*_ABORTED.get((aborted.reason if aborted else None) or "", (OPEN, None)))
    elif kind == "error":
        said = lines.SAID.one(payload)
        session.stands(FAILED, one_line((said.message if said else None) or "", _REASON_BYTES) or "an error")
    elif kind == "agent_message":
        session.stands(OPEN if cycled else COMPLETED)
    elif kind == "thread_name_updated":
        named = lines.NAMED.one(payload)
        session.titled(CUSTOM, one_line(named.thread_name) if named and named.thread_name else None)
    else:
        text = asked(kind, payload, paged=paged)
        if text is not None:
            session.stands(OPEN)
            session.prompted(text)


def asked(kind: str | None, payload: Raw, *, paged: bool) -> str | None:
    """What the user asked for in an event, empty where it is a picture; None where it tells of something else."""
    return _paged(kind, payload) if paged else _message(kind, payload)


def _message(kind: str | None, payload: Raw) -> str | None:
    said = lines.SAID.one(payload) if kind == "user_message" else None
    if said is None or said.message is None or said.kind not in (None, "plain"):
        return None
    return lines.asked(said.message)


def _paged(kind: str | None, payload: Raw) -> str | None:
    completed = lines.COMPLETED.one(payload) if kind == "item_completed" else None
    return None if completed is None else lines.typed(completed.item)
