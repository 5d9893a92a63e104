"""Who is asking (R6)."""

from __future__ import annotations

from typing import Final

import msgspec

OWNER: Final = "owner"  #: direct access to the database, which is an administrator's and restricts nothing
ADMIN: Final = "admin"
WRITER: Final = "writer"
READER: Final = "reader"
ROLES: Final = (READER, WRITER, ADMIN)  #: of keys, in the order of what they may do


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A user with what that user may see and change.

    Everybody sees their own sessions, their child users' and those of datasets that were granted to them. A ``reader``
    changes nothing, a ``writer`` the sessions of the users named here, an ``admin`` everything.
    """

    user_id: str
    user_name: str | None = None
    role: str = OWNER
    everybody: bool = False  #: whether reads that name no user are about everybody; for owners and admins
    children: frozenset[str] = frozenset()  #: users whose sessions are this one's to see and change as well
    reads: frozenset[str] = frozenset()  #: datasets whose sessions may be seen, whoever they belong to
    writes: frozenset[str] = frozenset()  #: datasets into which sessions may be put; they may be seen too
    key_id: str | None = None  #: of the key that was shown

    @property
    def unrestricted(self) -> bool:
        """Whether there is nothing that is not this principal's to see and change."""
        return self.role in (OWNER, ADMIN)

    @property
    def users(self) -> frozenset[str]:
        """The users whose sessions are this principal's to change."""
        return self.children | {self.user_id}

    def owns(self, user_id: str, session_id: str) -> bool:
        """Whether a session is this principal's to change. Without a session it is the state of the user alone."""
        return user_id == self.user_id or (user_id in self.children and session_id != "")

    @property
    def datasets(self) -> frozenset[str]:
        """The datasets whose sessions may be seen."""
        return self.reads | self.writes
