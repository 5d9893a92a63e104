"""Changes of who may ask for what; written at once, so that an operation sees what the ones before it did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rollbook.access.ops import AddKey, Adopt, Grant, RevokeKey, Ungrant
from rollbook.access.reads import key_holder, user_holder
from rollbook.errors import Conflict, InvalidInput
from rollbook.ledger.work import Work
from rollbook.principals import READER, ROLES


def _add_key(work: Work, op: AddKey) -> None:
    tx = work.tx
    if tx.rows("access.key_by_id", key_id=op.key_id):
        raise Conflict(f"there is a key {op.key_id!r} already")
    user_no = work.names.user(tx, op.user_id, op.user_name)
    row = (op.key_id, op.secret_hash, user_no, op.role, op.label, op.at, op.expires_at)
    tx.run("access.add_key", [row])
    may_write = int(ROLES[op.role] != READER)
    tx.run("access.add_grant", [(key_holder(op.key_id), dataset, may_write, op.at) for dataset in op.datasets])


def _revoke_key(work: Work, op: RevokeKey) -> bool:
    found = bool(work.tx.rows("access.key_is_there", key_id=op.key_id))
    work.tx.run("access.revoke_key", [(op.at, op.key_id)])
    return found


def _grant(work: Work, op: Grant) -> None:
    work.names.user(work.tx, op.user_id, op.user_name)
    work.tx.run("access.add_grant", [(user_holder(op.user_id), op.dataset_id, int(op.may_write), op.at)])


def _ungrant(work: Work, op: Ungrant) -> bool:
    holder = user_holder(op.user_id)
    found = bool(work.tx.rows("access.grant_is_there", holder=holder, dataset_id=op.dataset_id))
    work.tx.run("access.drop_grant", [(holder, op.dataset_id)])
    return found


def _adopt(work: Work, op: Adopt) -> None:
    tx, names = work.tx, work.names
    user_no = names.user(tx, op.user_id, op.user_name)
    parent_no = None
    if op.parent_user_id is not None:
        parent_no = names.user(tx, op.parent_user_id, op.parent_name)
        if parent_no == user_no:
            raise InvalidInput("a user cannot stand under itself")
        if tx.rows("access.parent_no", user_no=parent_no)[0][0] is not None:
            raise InvalidInput("users stand one level deep: the one above stands under another one already")
        if tx.rows("access.has_children", user_no=user_no):
            raise InvalidInput("users stand one level deep: there are users under this one already")
    tx.run("access.set_parent", [(parent_no, user_no)])


def related(work: Work, user_no: int, other_no: int) -> bool:
    """Whether one of two users stands under the other."""
    rows = work.tx.rows
    return other_no in (user_no, rows("access.parent_no", user_no=user_no)[0][0]) or (
        rows("access.parent_no", user_no=other_no)[0][0] == user_no
    )


APPLY: Final[dict[type, Callable[[Work, Any], Any]]] = {
    AddKey: _add_key,
    RevokeKey: _revoke_key,
    Grant: _grant,
    Ungrant: _ungrant,
    Adopt: _adopt,
}
