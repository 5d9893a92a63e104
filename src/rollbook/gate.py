"""What a principal may change (R6): the one place where that is decided, for every face and every door.

What may be seen is decided by the scope of a read (:mod:`rollbook.ledger.scopes`); here, what may be written. Every
operation passes on its way to the writer, so no method and no route can forget to ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rollbook.errors import Forbidden
from rollbook.journal.steps import Drop, Step
from rollbook.ledger.ops import (
    Absolute,
    Call,
    Cleared,
    Delete,
    End,
    Jot,
    Jotted,
    Mark,
    MarkAllBut,
    Merge,
    OfInstance,
    Op,
    Reopen,
    Retract,
    SourceFile,
    Together,
    Touch,
)
from rollbook.principals import READER, Principal

#: What is of a user's own sessions, and so a writer's to do.
_OWN: Final = (
    Touch, Call, End, Reopen, Mark, MarkAllBut, Absolute, Delete, Jot, Jotted, Retract, Merge, SourceFile, Together,
)  # fmt: skip
#: What says nothing of anybody's sessions: of processes, and that something deleted is cleared away.
_ANYBODYS: Final = (OfInstance, Cleared)


def check(principal: Principal, ops: Sequence[Op]) -> None:
    """Raise Forbidden where one of some operations may not be done; then none is."""
    if not principal.unrestricted:
        for op in ops:
            _check(principal, op)


def check_steps(principal: Principal, steps: Iterable[Step | Drop]) -> None:
    """The same for steps in journals that are kept elsewhere."""
    if not principal.unrestricted:
        for step in steps:
            check_user(principal, step.user_id)


def check_user(principal: Principal, user_id: str) -> None:
    """Raise Forbidden unless the principal may write what is a user's."""
    if principal.unrestricted:
        return
    if principal.role == READER:
        raise Forbidden("this key may only read; ask for one with the role of a writer")
    if user_id not in principal.users:
        raise Forbidden("this key may not write for another user")


def may_put(principal: Principal, dataset_id: str | None) -> bool:
    """Whether the principal may put sessions of its own into a dataset."""
    return principal.unrestricted or dataset_id in principal.writes


def check_admin(principal: Principal) -> None:
    """Raise Forbidden unless everything may be done."""
    if not principal.unrestricted:
        raise Forbidden("only an administrator may do that")


def _check(principal: Principal, op: Op) -> None:
    if isinstance(op, _ANYBODYS):
        return
    if not isinstance(op, _OWN):
        check_admin(principal)
    if isinstance(op, Together) and not op.ops and op.user_id == principal.user_id:
        return  # nothing but notes about the principal itself, such as that it signed in
    named: Any = op
    check_user(principal, named.user_id)
    if isinstance(op, Together):
        check(principal, op.ops)
    elif isinstance(op, Touch | Absolute):
        _check_dataset(principal, op.facts.dataset_id)
    elif isinstance(op, Merge):
        _check_dataset(principal, op.dataset_id)


def _check_dataset(principal: Principal, dataset_id: str | None) -> None:
    if dataset_id is not None and not may_put(principal, dataset_id):
        raise Forbidden(f"this key may not put sessions into the dataset {dataset_id}")
