"""Looking at journals in the ledger's own database."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from rollbook.journal.shelf import Head, Line, Who
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

OF_USER: Final = 0  #: the number under which the state of a user stands


class SqlPeek:
    """One root's journal in a snapshot."""

    user: Who = OF_USER

    def __init__(self, tx: Reading, user_no: int, root_no: int) -> None:
        self.tx = tx
        self.user_no = user_no
        self.root_no = root_no
        self._streams: dict[str, int] = {}
        self._first: Head | None = None  #: one that was read together with where the session stands

    def stream_no(self, stream: str) -> int:
        """A stream's number; -1 where nobody ever wrote to one of that name."""
        known = self._streams.get(stream)
        if known is None:
            found = self.tx.rows("journal.stream_no", name=stream)
            known = self._streams[stream] = found[0][0] if found else -1
        return known

    def head(self, who: Who, stream: str, name: str) -> Head | None:
        first = self._first
        if first is not None and (who, stream, name) == (first.who, first.stream, first.name):
            return first
        rows = self._head_rows(who, stream, name)
        return Head(who, stream, name, *rows[0][:6]) if rows else None

    def _head_rows(self, who: Who, stream: str, name: str) -> list[Row]:
        return self.tx.rows(
            "journal.head_of", user_no=self.user_no, session_no=who, stream_no=self.stream_no(stream), head=name
        )

    def heads(self, stream: str) -> list[Head]:
        rows = self._rows("heads_of_stream", stream)
        return [Head(row[0], stream, *row[1:]) for row in rows]

    def heads_of(self, who: Who) -> list[Head]:
        rows = self.tx.rows("journal.heads_of_session", user_no=self.user_no, session_no=who)
        return [Head(who, *row) for row in rows]

    def find(self, stream: str, entry_id: str) -> list[Line]:
        return [line_of(row) for row in self._rows("lines_by_id", stream, entry_id=entry_id)]

    def line(self, stream: str, position: int) -> Line | None:
        rows = self._rows("line_at", stream, position=position)
        return line_of(rows[0]) if rows else None

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        return [line_of(row) for row in self._rows("lines_below", stream, position=position, most=most)]

    def branches(self, stream: str) -> list[tuple[int, int]]:
        return sorted(((row[0], row[1]) for row in self._rows("branches", stream)), reverse=True)

    def state(self, who: Who) -> dict[str, Raw]:
        rows = self.tx.rows("journal.state_of", user_no=self.user_no, session_no=who)
        return {row[0]: Raw(json_of(row[1])) for row in rows}

    def value(self, who: Who, key: str) -> Raw | None:
        rows = self.tx.rows("journal.value_of", user_no=self.user_no, session_no=who, name=key)
        return Raw(json_of(rows[0][0])) if rows else None

    def _rows(self, name: str, stream: str, **values: object) -> list[Row]:
        return self.tx.rows(
            f"journal.{name}", user_no=self.user_no, root_no=self.root_no, stream_no=self.stream_no(stream), **values
        )

    def begin(self, who: int, stream: str, name: str) -> bool:
        """Learn the root by way of a head, which is asked for anyway; whether there is such a head."""
        rows = self._head_rows(who, stream, name)
        if not rows:
            return False
        self.root_no = rows[0][6]
        self._first = Head(who, stream, name, *rows[0][:6])
        return True


def peek(
    tx: Reading, user_id: str, session_id: str | None, first: tuple[str, str] | None = None
) -> tuple[SqlPeek, int] | None:
    """A session's journal, and the session's number; None where there is no such session. No id: the user's state.

    ``first`` is the stream and the head that will be asked for first; that it is known saves a statement. (A statement
    that joins all of these tables takes twice as long as one for each.)
    """
    user = tx.rows("user_no", user_id=user_id)
    if not user:
        return None
    user_no = user[0][0]
    if session_id is None:
        return SqlPeek(tx, user_no, OF_USER), OF_USER
    session = tx.rows("journal.session_of", user_no=user_no, session_id=session_id)
    if not session or session[0][1] == lives.DELETED:
        return None
    session_no = session[0][0]
    if first is not None:
        found = SqlPeek(tx, user_no, session_no)
        if found.begin(session_no, *first):
            return found, session_no
    root = tx.rows("journal.root_of", user_no=user_no, session_no=session_no)
    return SqlPeek(tx, user_no, root[0][0] if root else session_no), session_no


def line_of(row: Row) -> Line:
    return Line(row[0], row[1], row[2], row[3], row[4], json_of(row[5]))


def json_of(stored: str | bytes) -> bytes:
    """JSON as it is stored; bytes stand only where somebody else wrote to the tables."""
    return stored.encode() if isinstance(stored, str) else stored


def text_of(body: bytes) -> str | bytes:
    """JSON as it is to be stored. What is damaged stays as it is, so that what stands around it can be changed."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
