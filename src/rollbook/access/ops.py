"""What changes who may ask for what; users are dashed UUIDs, times microseconds UTC."""

from __future__ import annotations

from msgspec import Struct


class OfAccess(Struct, frozen=True, kw_only=True):
    """What says who may ask, and names no session. Only administrators do that."""


class AddKey(OfAccess, frozen=True, kw_only=True):
    """A new key of a user."""

    user_id: str
    key_id: str
    secret_hash: bytes  #: SHA-256
    role: int  #: its place in :data:`rollbook.principals.ROLES`
    label: str
    at: int
    expires_at: int | None
    datasets: tuple[str, ...]  #: that the key may read and, unless it is a reader's, write
    user_name: str | None = None


class RevokeKey(OfAccess, frozen=True, kw_only=True):
    """A key lets nobody in any more; answers whether it did."""

    key_id: str
    at: int


class Grant(OfAccess, frozen=True, kw_only=True):
    """A user may read a dataset or, ``may_write``, put sessions into it as well."""

    user_id: str
    dataset_id: str
    may_write: bool
    at: int
    user_name: str | None = None


class Ungrant(OfAccess, frozen=True, kw_only=True):
    """A user may do so no longer; answers whether it could."""

    user_id: str
    dataset_id: str


class Adopt(OfAccess, frozen=True, kw_only=True):
    """A user stands under another one, who sees its sessions; None: under nobody."""

    user_id: str
    parent_user_id: str | None
    user_name: str | None = None
    parent_name: str | None = None
