"""Who somebody is, by what they show; and who may ask for what, for administrators to see."""

from __future__ import annotations

from datetime import datetime

import msgspec

from rollbook.access import keys
from rollbook.model import from_micros
from rollbook.principals import ROLES, Principal
from rollbook.store import Reading


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is listed; its secret is not kept."""

    key_id: str
    user_id: str
    user_name: str | None
    role: str  #: reader | writer | admin
    label: str
    datasets: list[str]  #: that it was given by itself
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that a user may read, or read and write."""

    user_id: str
    dataset_id: str
    access: str  #: read | write
    created_at: datetime


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """A user that stands under another one."""

    user_id: str
    user_name: str | None
    parent_user_id: str
    parent_user_name: str | None


def user_holder(user_id: str) -> str:
    """Under what a user's grants stand."""
    return f"user:{user_id}"


def key_holder(key_id: str) -> str:
    """Under what a key's own grants stand."""
    return f"key:{key_id}"


def principal_of(tx: Reading, shown: keys.Shown, now: int) -> Principal | None:
    """Who shows a key; None where it lets nobody in: unknown, wrong, expired or revoked."""
    found = tx.rows("access.key_by_id", key_id=shown.key_id)
    if not found:
        keys.fits(shown.secret, b"")  # so that an unknown id takes about as long as a wrong secret
        return None
    secret_hash, user_id, name, role, expires_at, revoked_at = found[0]
    if not keys.fits(shown.secret, secret_hash) or revoked_at is not None or (expires_at or now + 1) <= now:
        return None
    return _principal(tx, user_id, name, ROLES[role], shown.key_id)


def principal_of_key(tx: Reading, key_id: str, now: int) -> Principal | None:
    """The same for whoever showed the key before and is known since."""
    found = tx.rows("access.key_by_id", key_id=key_id)
    if not found:
        return None
    _, user_id, name, role, expires_at, revoked_at = found[0]
    if revoked_at is not None or (expires_at or now + 1) <= now:
        return None
    return _principal(tx, user_id, name, ROLES[role], key_id)


def _principal(tx: Reading, user_id: str, name: str | None, role: str, key_id: str | None) -> Principal:
    own = key_holder(key_id or "")
    grants = tx.rows("access.grants_of", user_holder=user_holder(user_id), key_holder=own)
    return Principal(
        user_id=user_id,
        user_name=name,
        role=role,
        everybody=role == "admin",
        children=frozenset(row[0] for row in tx.rows("access.children", user_id=user_id)),
        reads=frozenset(row[1] for row in grants),
        writes=frozenset(row[1] for row in grants if row[2]),
        key_id=key_id,
    )


def any_usable(tx: Reading, now: int) -> bool:
    """Whether there is a key that lets anybody in."""
    return bool(tx.rows("access.usable_keys", now=now))


def listed_keys(tx: Reading) -> list[KeyView]:
    """Every key, the newest first."""
    own: dict[str, list[str]] = {}
    for holder, dataset_id, _, _ in tx.rows("access.grants"):
        own.setdefault(holder, []).append(dataset_id)
    return [
        KeyView(
            key_id=row[0],
            user_id=row[1],
            user_name=row[2],
            role=ROLES[row[3]],
            label=row[4],
            datasets=own.get(key_holder(row[0]), []),
            created_at=from_micros(row[5]),
            expires_at=None if row[6] is None else from_micros(row[6]),
            revoked_at=None if row[7] is None else from_micros(row[7]),
        )
        for row in tx.rows("access.keys")
    ]


def listed_grants(tx: Reading) -> list[GrantView]:
    """Every grant to a user."""
    mark = user_holder("")
    return [
        GrantView(
            user_id=holder.removeprefix(mark),
            dataset_id=dataset_id,
            access="write" if may_write else "read",
            created_at=from_micros(at),
        )
        for holder, dataset_id, may_write, at in tx.rows("access.grants")
        if holder.startswith(mark)
    ]


def families(tx: Reading) -> list[Family]:
    """Every user that stands under another one."""
    return [
        Family(user_id=row[0], user_name=row[1], parent_user_id=row[2], parent_user_name=row[3])
        for row in tx.rows("access.families")
    ]
