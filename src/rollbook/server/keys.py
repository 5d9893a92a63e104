"""Keys, grants and users under others, for administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from rollbook.access.reads import Family, GrantView, KeyView
from rollbook.plans.access import NewKey
from rollbook.rules.shapes import named
from rollbook.server.routing import ADMIN, NEVER, At, Nothing, Route

Role = Literal["reader", "writer", "admin"]
User = Annotated[str, named("A user: an id, a name or an e-mail.")]
KeyId = Annotated[str, named("The id of a key: what stands behind its rb_.", 256)]
Dataset = Annotated[UUID, msgspec.Meta(description="A dataset.")]


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made."""

    user: User
    role: Role = "writer"
    datasets: Annotated[list[Dataset], msgspec.Meta(max_length=100)] = []
    label: str = ""
    expires_at: Annotated[datetime, msgspec.Meta(description="Until when it lets anybody in.")] | None = None


class OfKey(msgspec.Struct, frozen=True, kw_only=True):
    """Which key."""

    key_id: KeyId


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a key."""

    key_id: str
    revoked: bool  #: False where it was before


class GrantWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dataset that a user is to see."""

    user: User
    dataset_id: Dataset
    access: Literal["read", "write"] = "read"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Whether anything was changed."""

    done: bool


class OfGrant(msgspec.Struct, frozen=True, kw_only=True):
    """Which grant."""

    user: User
    dataset_id: Dataset


class Placed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user and the one above."""

    user: User
    parent: User | None


async def made(at: At, asked: Nothing) -> NewKey:  # noqa: ARG001 - the shape of what answers a route
    """A new key, which is shown this once."""
    wanted: KeyWanted = at.body
    return await at.book.create_key(
        wanted.user, role=wanted.role, datasets=wanted.datasets, label=wanted.label, expires=wanted.expires_at
    )


async def listed(at: At, asked: Nothing) -> list[KeyView]:  # noqa: ARG001
    """Every key."""
    return await at.book.keys()


async def revoked(at: At, asked: OfKey) -> Revoked:
    """A key lets nobody in any more."""
    done = await at.book.revoke_key(asked.key_id)
    at.server.doorkeeper.forget()
    return Revoked(key_id=asked.key_id, revoked=done)


async def granted(at: At, asked: Nothing) -> Done:  # noqa: ARG001
    """A user sees a dataset."""
    wanted: GrantWanted = at.body
    await at.book.grant(wanted.user, wanted.dataset_id, access=wanted.access)
    at.server.doorkeeper.forget()
    return Done(done=True)


async def grants(at: At, asked: Nothing) -> list[GrantView]:  # noqa: ARG001
    """Every grant."""
    return await at.book.grants()


async def ungranted(at: At, asked: OfGrant) -> Done:
    """A user sees a dataset no longer."""
    done = await at.book.revoke_grant(asked.user, asked.dataset_id)
    at.server.doorkeeper.forget()
    return Done(done=done)


async def placed(at: At, asked: Nothing) -> Done:  # noqa: ARG001
    """A user stands under another one."""
    wanted: Placed = at.body
    await at.book.set_parent(wanted.user, wanted.parent)
    at.server.doorkeeper.forget()
    return Done(done=True)


async def families(at: At, asked: Nothing) -> list[Family]:  # noqa: ARG001
    """Every user under another one."""
    return await at.book.families()


def _route(method: str, path: str, answer: Any, gives: Any, does: str, **more: Any) -> Route:
    return Route(method=method, path=path, answer=answer, gives=gives, does=does, needs=ADMIN, tag="access", **more)


ROUTES: Final = (
    _route("GET", "/api/v1/keys", listed, list[KeyView], "List every key."),
    _route("POST", "/api/v1/keys", made, NewKey, "Make a key; it is shown this once.", body=KeyWanted, kept=NEVER),
    _route("DELETE", "/api/v1/keys/{key_id}", revoked, Revoked, "Revoke a key.", takes=OfKey),
    _route("GET", "/api/v1/grants", grants, list[GrantView], "List the grants of datasets to users."),
    _route("POST", "/api/v1/grants", granted, Done, "Grant a dataset to a user.", body=GrantWanted),
    _route("DELETE", "/api/v1/grants", ungranted, Done, "Take a grant back.", takes=OfGrant),
    _route("GET", "/api/v1/families", families, list[Family], "List the users that stand under others."),
    _route("POST", "/api/v1/families", placed, Done, "Put a user under another one, or under nobody.", body=Placed),
)
