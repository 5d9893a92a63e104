"""Before a batch is applied: one question for everything of a kind that its operations will look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rollbook.access.ops import OfAccess
from rollbook.journal.steps import ExpectState, Fork, SetState
from rollbook.ledger import journaling, notes
from rollbook.ledger.alike import first_names
from rollbook.ledger.holding import Reach, hold
from rollbook.ledger.ops import (
    Absolute,
    Call,
    End,
    ForgetNotes,
    Jot,
    Jotted,
    Merge,
    OfInstance,
    Op,
    PurgeUser,
    Reopen,
    Reprice,
    Retract,
    SourceFile,
    Sweep,
    Together,
    Touch,
    Wipe,
)
from rollbook.ledger.work import Work

_NO_SESSION: Final = (SourceFile, Sweep, PurgeUser, Wipe, OfInstance, OfAccess, ForgetNotes)
#: What makes a user, and mostly a session, that is not there.
_MAKES: Final = (Touch, Call, Jot, Jotted, End, Reopen, Absolute, Retract, Merge, Together)


class _Wanted:
    """What operations will look at."""

    def __init__(self, work: Work, reach: Reach) -> None:
        self._work = work
        self._reach = reach
        self.sessions: list[tuple[int, str]] = []
        self.keys: list[tuple[str, int]] = []
        self.told: list[tuple[int, str]] = []
        self.jotted: list[tuple[int, Jot]] = []
        self.notes: list[notes.Key] = []

    def add(self, op: Op) -> None:
        if type(op) is Call:  # what most are
            if (user_no := self._user(op)) is not None:
                self._of_call(user_no, op)
            return
        if isinstance(op, _NO_SESSION):
            return
        user_no = self._user(op)
        if isinstance(op, Together):
            self.notes += [] if user_no is None else notes.looked_at(op, user_no)
            for each in op.ops:
                self.add(each)
        elif user_no is not None:
            self._of_session(user_no, op)

    def _of_call(self, user_no: int, op: Call) -> None:
        self.sessions.append((user_no, op.session_id))
        if not op.fresh:
            self.keys.append((op.usage_id, user_no))
            if op.aliases or op.alike is not None:
                self.keys += [(name, user_no) for name in (*op.aliases, *first_names(op))]

    def _of_session(self, user_no: int, op: Any) -> None:
        if isinstance(op, Retract):
            self.keys.append((op.usage_id, user_no))
            return
        self.sessions.append((user_no, op.session_id))
        if isinstance(op, Merge):
            self.sessions.append((user_no, op.into))
        elif isinstance(op, Reprice):
            self.keys.append((op.usage_id, user_no))
        elif isinstance(op, Jot):
            self._jot(user_no, op)
        elif isinstance(op, Touch | Absolute):
            self.told.append((user_no, op.session_id))
            if op.facts.parent_id is not None:
                self._reach.users.add(user_no)  # nobody else may make a parent of a child meanwhile
                above = self._work.names.find_user(self._work.tx, op.facts.parent_user_id or op.user_id)
                self._reach.users.update([] if above is None else [above])

    def _user(self, op: Op) -> int | None:
        names, tx = self._work.names, self._work.tx
        if tx.shared and isinstance(op, _MAKES):  # or nobody could say which of a new user's sessions are there
            return names.user(tx, op.user_id, op.user_name)
        return names.find_user(tx, op.user_id)  # type: ignore[union-attr]  # the others name no user

    def _jot(self, user_no: int, op: Jot) -> None:
        self.jotted.append((user_no, op))
        if not op.session_id:
            self._reach.users.add(user_no)
        for change in op.step.changes:
            if isinstance(change, Fork):
                self.sessions.append((user_no, change.source))
            elif isinstance(change, SetState | ExpectState) and change.of_user:
                self._reach.users.add(user_no)


def _new_users(work: Work, ops: Sequence[Op]) -> dict[str, str | None]:
    """Users that are not known to be there, and how they were named first."""
    found: dict[str, str | None] = {}
    for op in ops:
        if isinstance(op, _MAKES) and op.user_id not in work.names.users:
            found.setdefault(op.user_id, op.user_name)
        if isinstance(op, Together):
            for user_id, name in _new_users(work, op.ops).items():
                found.setdefault(user_id, name)
    return found


def preload(work: Work, ops: Sequence[Op], reach: Reach) -> None:
    """Load what a batch will look at; where others write as well, hold it."""
    wanted = _Wanted(work, reach)
    if work.tx.shared:  # in an order that another writer has as well
        for user_id, name in sorted(_new_users(work, ops).items()):
            work.names.user(work.tx, user_id, name)
    for op in ops:
        wanted.add(op)
    if work.tx.shared:
        hold(work, wanted.sessions, reach)
    work.notes.preload(wanted.notes)  # behind the sessions, whoever changes both
    work.preload(wanted.sessions)
    work.preload_keys(wanted.keys)
    by_id = work.cache.by_id
    work.preload_infos((key[0], by_id[key]) for key in wanted.told if key in by_id)
    journaling.preload(work, wanted.jotted)
