"""What the users are called whose sessions somebody may see (R6)."""

from __future__ import annotations

import msgspec

from rollbook.ledger.scopes import Scope
from rollbook.store import Reading


class UserName(msgspec.Struct, frozen=True, kw_only=True):
    """A user, and what that one is called."""

    user_id: str
    user_name: str | None


def users(tx: Reading, scope: Scope) -> list[UserName]:
    """In the order of their names."""
    if scope.everybody:
        found = [UserName(user_id=user_id, user_name=name) for _, user_id, name in tx.rows("users")]
    else:
        rows = tx.among("users_numbered", [(part.user_no,) for part in scope.parts])
        found = [UserName(user_id=user_id, user_name=name) for user_id, name in rows]
    return sorted(found, key=lambda user: (user.user_name or "", user.user_id))
