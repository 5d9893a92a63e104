"""A request that may come again under the same key, and then does nothing and is answered the same.

What the book answers to a request's writes is kept in the transaction that makes them. The ids that are made for it
follow from the key, so that it makes the same ones again: where contents are kept outside the book's database they are
known by that, and nothing doubles even if a server dies between the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from rollbook.errors import Conflict, RollbookError
from rollbook.ledger.ops import Answers, Cleared, Op, Together
from rollbook.principals import Principal
from rollbook.settings import USER_NAMESPACE

KEPT_US: Final = 86_400 * 1_000_000  #: how long an answer is kept
_REPLY: Final = "reply"
_NAMESPACE: Final = UUID(USER_NAMESPACE)


class Repeat:
    """One request under its key, while it is carried out."""

    def __init__(self, principal: Principal, key: str, body_hash: str, expires_at: int) -> None:
        self._principal = principal
        self.key = key
        self.body_hash = body_hash  #: of all by which another request under the same key is told from this one
        self.expires_at = expires_at
        self._made = 0
        self.written = 0  #: writes whose answers are kept

    def made_id(self) -> str:
        """An id that is made for this request; the same one when it comes again."""
        self._made += 1
        return str(uuid5(_NAMESPACE, f"once\0{self._principal.user_id}\0{self.key}\0{self.body_hash}\0{self._made}"))

    @property
    def reply_name(self) -> str:
        """Under which name the reply to the whole request is kept."""
        return f"{_REPLY}:{self.key}"

    @property
    def next_name(self) -> str:
        """Under which name the answers to the next write are kept."""
        return f"{self.written}:{self.key}"

    def keeping(self, ops: Sequence[Op]) -> Sequence[Op]:
        """Operations as they are to be written so that their answers are kept with them.

        What finds out by itself that it was done before (notes that are joined, what is cleared away) stays as it is:
        there may be more or less of it the next time.
        """
        if not self._kept(ops):
            return ops
        keep = Answers(self.next_name, self.body_hash, self.expires_at)
        who = self._principal
        return [Together(user_id=who.user_id, user_name=who.user_name, ops=tuple(ops), keep=keep)]

    def answers(self, ops: Sequence[Op], told: list[Any]) -> list[Any]:
        """The answers of operations, from those of what :meth:`keeping` made of them."""
        if not self._kept(ops):
            return told
        (found,) = told
        if isinstance(found, Conflict):
            raise self.other()
        if isinstance(found, RollbookError):
            raise found
        self.written += 1
        return list(found)

    def other(self) -> Conflict:
        """What is said to a request that is not the one of this key."""
        return Conflict(f"the idempotency key {self.key!r} was used for another request; take a new one")

    @staticmethod
    def _kept(ops: Sequence[Op]) -> bool:
        return not all(isinstance(op, Together | Cleared) for op in ops)
