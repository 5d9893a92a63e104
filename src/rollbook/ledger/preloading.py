"""Before a batch is applied: one question for everything of a kind that its operations will look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rollbook.journal.steps import ExpectState, Fork, SetState
from rollbook.ledger import journaling
from rollbook.ledger.holding import Reach, hold
from rollbook.ledger.ops import (
    Absolute,
    Call,
    End,
    Jot,
    Jotted,
    OfInstance,
    Op,
    PurgeUser,
    Reopen,
    Reprice,
    SourceFile,
    Sweep,
    Touch,
    Wipe,
)
from rollbook.ledger.work import Work

_NO_SESSION: Final = (SourceFile, Sweep, PurgeUser, Wipe, OfInstance)
_MAKES: Final = (Touch, Call, Jot, Jotted, End, Reopen, Absolute)  #: what makes a session that is not there


class _Wanted:
    """What operations will look at."""

    def __init__(self, work: Work, reach: Reach) -> None:
        self._work = work
        self._reach = reach
        self.sessions: list[tuple[int, str]] = []
        self.keys: list[tuple[str, int]] = []
        self.told: list[tuple[int, str]] = []
        self.jotted: list[tuple[int, Jot]] = []

    def add(self, op: Op) -> None:
        if isinstance(op, _NO_SESSION):
            return
        user_no = self._user(op)
        if user_no is None:
            return
        self.sessions.append((user_no, op.session_id))
        if isinstance(op, Call):
            if not op.fresh:
                self.keys += [(name, user_no) for name in (op.usage_id, *op.aliases)]
        elif isinstance(op, Reprice):
            self.keys.append((op.usage_id, user_no))
        elif isinstance(op, Jot):
            self._jot(user_no, op)
        elif isinstance(op, Touch | Absolute):
            self.told.append((user_no, op.session_id))
            if op.facts.parent_id is not None:
                self._reach.users.add(user_no)  # nobody else may make a parent of a child meanwhile

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


def preload(work: Work, ops: Sequence[Op], reach: Reach) -> None:
    """Load what a batch will look at; where others write as well, hold it."""
    wanted = _Wanted(work, reach)
    for op in ops:
        wanted.add(op)
    if work.tx.shared:
        hold(work, wanted.sessions, reach)
    work.preload(wanted.sessions)
    work.preload_keys(wanted.keys)
    by_id = work.cache.by_id
    work.preload_infos((key[0], by_id[key]) for key in wanted.told if key in by_id)
    journaling.preload(work, wanted.jotted)
