"""What is still to be removed from a place for journals outside the database, and what is hidden until then (R12, R13).

A deletion is noted in its own transaction, so whoever comes next can carry it out. Where the session lives on, as one
does whose contents were pruned, the note says since when whatever changed is to stay. Who carried a note out takes away
that very note: the session may have been deleted again meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rollbook.ledger.work import hash_of_session
from rollbook.store import Reading


class Note(NamedTuple):
    """Contents of a session, or (without a session) the state of a user, that are to be removed elsewhere."""

    user_id: str
    session_id: str
    at: int  #: when it was noted; no two notes of a session have one time
    since: int | None  #: what was changed then or later stays


def notes(tx: Reading, *, after: tuple[str, str], most: int) -> list[Note]:
    """Notes in the order of their sessions, behind one of them."""
    rows = tx.rows("journal.outbox", after_user=after[0], after_session=after[1], most=most)
    return [Note(*row) for row in rows]


def noted(tx: Reading, user_id: str, session_id: str) -> list[Note]:
    """The note of a session, if there is one."""
    return [Note(*row) for row in tx.rows("journal.outbox_of", user_id=user_id, session_id=session_id)]


def deleted(tx: Reading, user_id: str, session_id: str) -> bool:
    """Whether a session was deleted or purged."""
    if not session_id:
        return False
    gone = hash_of_session(user_id, session_id)
    return bool(tx.rows("journal.deleted", user_id=user_id, session_id=session_id, hash=gone))


def hidden(tx: Reading, user_id: str, session_id: str) -> bool:
    """Whether nothing of what may be kept of a session elsewhere is to be seen."""
    return bool(noted(tx, user_id, session_id)) or deleted(tx, user_id, session_id)


def unknown(tx: Reading, names: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of some users' sessions that the book does not have, and that are not about to be removed elsewhere."""
    return [name for name in names if not tx.rows("journal.known_session", user_id=name[0], session_id=name[1])]
