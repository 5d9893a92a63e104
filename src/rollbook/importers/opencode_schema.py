"""What OpenCode's databases hold, in the versions that are known, and where a thing stands in each.

Version 1 has the tables ``session``, ``message`` and ``part``. Version 2 keeps them as it found them, has taken over
what was in them under the same ids, and goes on in ``session_v2`` and ``session_message``.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.importers import opencode_rows as rows
from rollbook.importers.base import Context
from rollbook.importers.opencode_calls import Origin
from rollbook.importers.opencode_db import Database
from rollbook.importers.opencode_rows import ROW_BYTES, Message, Parts, Used
from rollbook.importers.opencode_sessions import Info, Tail, tail_of
from rollbook.rules import checks
from rollbook.store import Row

OLD: Final = "message"
NEW: Final = "session_message"

_NEEDED: Final = {
    "session": ("id", "parent_id", "directory", "title", "version", "time_created", "time_updated"),
    "message": ("id", "session_id", "time_created", "time_updated", "data"),
    "session_message": ("id", "session_id", "type", "seq", "time_created", "time_updated", "data"),
    "part": ("id", "message_id", "data"),
}
_NEEDED_OF: Final = {"session_v2": "session"}
_OPTIONAL: Final = ("time_archived", "agent", "permission", "fork_session_id")
_CACHED: Final = 2_000  #: sessions whose facts are remembered while their messages are read
_LAST: Final = 6  #: messages that say how a session stands: the user may write while the agent does
_LOOKED_AT: Final = 600  #: rows among which they are looked for
_PROBES: Final = 8  #: searches for the original of a fork's messages, after which the rest follow from those found


class Schema:
    """One database's tables."""

    def __init__(self, database: Database, context: Context) -> None:
        self.database = database
        self.context = context
        tables = {name for (name,) in database.rows("oc_tables")}
        self.optional: dict[str, dict[str, str]] = {}
        self.sessions = [name for name in ("session", "session_v2") if name in tables]
        self.messages = [OLD] if OLD in tables else []
        if NEW in tables and self._is_second():
            self.messages.append(NEW)
        self.parts = "part" in tables and self.sessions != []
        self._check(tables)
        self.infos: dict[str, Info] = {}
        self.owners: dict[str, _Owners] = {}

    def _is_second(self) -> bool:
        """Whether version 2 writes here: version 1 has a table of that name too, and keeps no messages in it."""
        return "session_v2" in self.sessions or any("fork_session_id" in self._columns(name) for name in self.sessions)

    def _check(self, tables: set[str]) -> None:
        if not tables:
            return  # it is just being made
        if not self.sessions or not self.messages:
            raise OSError(errno.EINVAL, "it is no database of OpenCode: it has no tables of sessions and messages")
        for table in (*self.sessions, *self.messages, *(["part"] if self.parts else [])):
            columns = self._columns(table)
            missing = [name for name in _NEEDED[_NEEDED_OF.get(table, table)] if name not in columns]
            if missing:
                raise OSError(
                    errno.EINVAL,
                    f"its tables are of a version that is not known: {table} has no {', '.join(missing)}",
                )
            self.optional[table] = {name: name if name in columns else "null" for name in _OPTIONAL}

    def _columns(self, table: str) -> set[str]:
        return {name for (name,) in self.database.rows("oc_columns", table_name=table)}

    # one message

    def row(self, table: str, row: int) -> Row | None:
        """The columns of a message; None where it is gone, or another table says it better."""
        words = {"table": table, "type": "type" if table == NEW else "null"}
        found = self.database.rows("oc_message", words, row=row, most=ROW_BYTES)
        if not found:
            return None
        name = rows.text_of(found[0][0])
        if table == NEW and OLD in self.messages and name and self.database.one("oc_twin", id=name):
            return None
        return found[0]

    def parts_of(self, table: str, message: Message) -> Parts:
        """What matters of a message's parts."""
        if table == NEW:
            return Parts(said=rows.said_within(message.data))
        if not self.parts:
            return Parts()
        told = (rows.said(head) for (head,) in self.database.rows("oc_heads", id=message.id))
        return Parts(self._steps(message), [one for one in told if one])

    def stored_parts(self, table: str, message: Message) -> list[bytes]:
        """All that version 1 keeps of a message beside it."""
        if table == NEW or not self.parts:
            return []
        return [raw for (raw,) in self.database.rows("oc_parts", id=message.id, most=ROW_BYTES) if raw is not None]

    def _steps(self, message: Message) -> list[Used]:
        """What the steps of a message used: in the oldest versions the message itself tells only of the last one."""
        if message.data.finish is not None:
            return []
        found = (rows.step(raw) for (raw,) in self.database.rows("oc_steps", id=message.id))
        return [used for used in found if used is not None]

    # one session

    def active(self, since: int) -> set[str]:
        """The sessions of which something was written since a time."""
        found: set[str] = set()
        for table in self.messages:
            names = self.database.rows("oc_active", self._words(table), since=since)
            found |= {name for name in (rows.text_of(raw) for (raw,) in names) if name}
        return found

    def info(self, name: str) -> Info:
        """What is known of a session, perhaps from a moment ago."""
        known = self.infos.get(name)
        if known is None:
            if len(self.infos) >= _CACHED:
                self.infos.clear()
            known = self.infos[name] = self._info(name)
        return known

    def state(self, name: str) -> tuple[Info, Tail, int]:
        """A session as it is now: its facts, how its messages end, and how often the user asked."""
        info = self.infos[name] = self._info(name)
        if info.made is not None and info.fork_of is None:
            info.fork_of = self._forked_from(info)
        messages: list[Message] = []
        turns = 0
        for table in self.messages:
            messages += self._last(info, "oc_tail_v1" if table == OLD else "oc_tail_v2")
            count = "oc_turns_v1" if table == OLD else "oc_turns_v2_only" if OLD in self.messages else "oc_turns_v2"
            turns += int(self.database.one(count, id=name, since=info.made or 0))
        return info, tail_of(info, messages), min(turns, checks.MAX_COUNT)

    def _last(self, info: Info, statement: str) -> list[Message]:
        """The last messages of a session; damaged ones do not hide those before them."""
        messages: list[Message] = []
        skip = 0
        while found := self.database.rows(statement, id=info.id, most=ROW_BYTES, skip=skip):
            skip += len(found)
            for name, kind, made, raw in found:
                with contextlib.suppress(InvalidInput):
                    messages.append(rows.message((rows.text_of(name), info.id), kind, made, raw, self.context))
            if len(messages) >= _LAST or skip >= _LOOKED_AT:
                break
        return messages

    def _info(self, name: str) -> Info:
        """What its row says; version 2's before version 1's."""
        for table in reversed(self.sessions):
            found = self.database.rows("oc_session", {"table": table, **self.optional[table]}, id=name)
            if found:
                return self._of_row(name, found[0])
        return Info(id=name)

    def _of_row(self, name: str, row: Row) -> Info:
        parent, directory, title, version, made, changed, archived, agent, permission, fork = row
        info = Info(
            id=name,
            parent=rows.text_of(parent),
            project=rows.text_of(directory),
            title=rows.text_of(title),
            version=rows.text_of(version),
            agent=rows.text_of(agent),
            archived=isinstance(archived, int) and archived > 0,
            unattended=rows.unattended(permission),
            fork_of=rows.text_of(fork),
        )
        info.made, info.flagged = self._moment(made)
        info.changed = self._moment(changed)[0] or 0
        return info

    def _moment(self, stated: Any) -> tuple[int | None, bool]:
        try:
            return rows.moment(stated, self.context) if isinstance(stated, int) else (None, False)
        except InvalidInput:
            return None, False

    # forks

    def _words(self, table: str) -> dict[str, str]:
        return {"messages": table, "sessions": self.sessions[0 if table == OLD else -1]}

    def _forked_from(self, info: Info) -> str | None:
        """The session whose messages a fork has, by the newest that is still there; version 1 does not say it."""
        for table in self.messages:
            for (at,) in self.database.rows("oc_copies", self._words(table), id=info.id, since=info.made):
                found = self._first_of(info.id, at, table)
                if found is not None:
                    return found
        return None

    def _first_of(self, name: str, at: int, table: str) -> str | None:
        """The session that was there when a message was written, and has it."""
        return rows.text_of(self.database.one("oc_owner", self._words(table), id=name, at=at))

    def origin(self, table: str, message: Message) -> Origin:
        """Whose message one is: a copy is the original's, where that is still there."""
        info = self.info(message.session)
        if not info.copied(message):
            return Origin(message.session, child=info.parent is not None)
        for name in self._originals(table, info, message):
            found = self.database.one("oc_original_v1" if table == OLD else "oc_original_v2", id=name, at=message.made)
            original = rows.text_of(found)
            if original is not None:
                return Origin(name, copied=True, original=original, child=self.info(name).parent is not None)
        return Origin(message.session, copied=True, child=info.parent is not None)

    def _originals(self, table: str, info: Info, message: Message) -> Iterator[str]:
        """The sessions that a fork's messages were found in, and where none fits, one more that has this one."""
        owners = self.owners.get(info.id)
        if owners is None:
            if len(self.owners) >= _CACHED:
                self.owners.clear()
            owners = self.owners[info.id] = _Owners()
        yield from tuple(owners.names)
        if owners.probes < _PROBES:
            owners.probes += 1
            found = self._first_of(info.id, message.made, table)
            if found is not None and found not in owners.names:
                owners.names.append(found)
                yield found


class _Owners:
    """The originals of a fork's messages."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.probes = 0
