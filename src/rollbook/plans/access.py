"""Plans about who may ask for what: keys, grants of datasets, users under others (R6). For administrators."""

from __future__ import annotations

import contextlib
import secrets
from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from rollbook import gate
from rollbook.access import keys, reads
from rollbook.access.ops import AddKey, Adopt, Grant, RevokeKey, Ungrant
from rollbook.access.reads import Family, GrantView, KeyView
from rollbook.core import Plan, Read, Write, one
from rollbook.errors import InvalidInput, NotFound, Stale
from rollbook.ledger import notes
from rollbook.ledger.ops import Note, Together
from rollbook.ledger.scopes import visible
from rollbook.model import MICROS, from_micros, to_micros
from rollbook.plans.reading import ReadPlans, User
from rollbook.principals import ROLES, Principal
from rollbook.rules import checks
from rollbook.store import Reading

R = TypeVar("R")
ACCESS: Final = ("read", "write")


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made: the only time that it is shown."""

    key: str
    key_id: str
    user_id: str
    role: str
    label: str
    datasets: List[str]
    expires_at: datetime | None


class AccessPlans(ReadPlans):
    """Methods that say who may ask."""

    def create_key(
        self,
        user: str | UUID,
        *,
        role: str = "writer",
        datasets: Iterable[str | UUID] = (),
        label: str = "",
        expires: datetime | timedelta | None = None,
    ) -> Plan[NewKey]:
        """Make a key of a user: a ``reader``, a ``writer`` or an ``admin``, until a time or for a while.

        The key may read these ``datasets`` too and, unless it is a reader's, put sessions into them. It is shown this
        once: only a hash of it is kept.
        """
        gate.check_admin(self.principal)
        name, given = checks.user(user)
        now = self.clock()
        until = _until(expires, now)
        wanted = tuple(_dataset(each) for each in datasets)
        shown = keys.made()
        op = AddKey(
            user_id=name,
            user_name=given,
            key_id=shown.key_id,
            secret_hash=keys.hashed(shown.secret),
            role=ROLES.index(checks.one_of(role, "role", ROLES)),
            label=checks.prose(label, "label", checks.MAX_TITLE_BYTES) or "",
            at=now,
            expires_at=until,
            datasets=wanted,
        )
        one((yield Write([op])))
        return NewKey(
            key=shown.text, key_id=shown.key_id, user_id=name, role=role, label=op.label, datasets=[*wanted],
            expires_at=None if until is None else from_micros(until),
        )  # fmt: skip

    def keys(self) -> Plan[List[KeyView]]:
        """Every key, the newest first; revoked and expired ones too."""
        gate.check_admin(self.principal)
        found: List[KeyView] = yield Read(reads.listed_keys)
        return found

    def revoke_key(self, key_id: str) -> Plan[bool]:
        """Let a key let nobody in any more; whether it did until now. Raises NotFound for an unknown one."""
        gate.check_admin(self.principal)
        name = checks.name(key_id, "key id") or ""
        if not (yield Read(lambda tx: tx.rows("access.key_by_id", key_id=name))):
            raise NotFound(f"there is no key {name!r}; the id of a key is what stands behind its rb_")
        return bool(one((yield Write([RevokeKey(key_id=name, at=self.clock())]))))

    def grant(self, user: str | UUID, dataset_id: str | UUID, *, access: str = "read") -> Plan[None]:
        """Let a user read the sessions of a dataset (``read``), or put its own into it as well (``write``)."""
        gate.check_admin(self.principal)
        name, given = checks.user(user)
        may_write = checks.one_of(access, "access", ACCESS) == "write"
        op = Grant(user_id=name, user_name=given, dataset_id=_dataset(dataset_id), may_write=may_write, at=self.clock())
        one((yield Write([op])))

    def revoke_grant(self, user: str | UUID, dataset_id: str | UUID) -> Plan[bool]:
        """Take a grant back; whether there was one. Grants of keys go with their key."""
        gate.check_admin(self.principal)
        op = Ungrant(user_id=checks.user(user)[0], dataset_id=_dataset(dataset_id))
        return bool(one((yield Write([op]))))

    def grants(self) -> Plan[List[GrantView]]:
        """Every grant to a user."""
        gate.check_admin(self.principal)
        found: List[GrantView] = yield Read(reads.listed_grants)
        return found

    def set_parent(self, user: str | UUID, parent: User) -> Plan[None]:
        """Put a user under another one, who then sees and may change its sessions; None takes it out again.

        Users stand one level deep. Raises InvalidInput otherwise.
        """
        gate.check_admin(self.principal)
        name, given = checks.user(user)
        above, called = (None, None) if parent is None else checks.user(parent)
        op = Adopt(user_id=name, user_name=given, parent_user_id=above, parent_name=called)
        one((yield Write([op])))

    def families(self) -> Plan[List[Family]]:
        """Every user that stands under another one."""
        gate.check_admin(self.principal)
        found: List[Family] = yield Read(reads.families)
        return found

    # Who asks

    def known_by(self, key: str) -> Plan[Principal | None]:
        """Who shows a key; None where it lets nobody in."""
        shown = keys.parsed(key)
        if shown is None:
            return None
        found: Principal | None = yield Read(lambda tx: reads.principal_of(tx, shown, self.clock()))
        return found

    def known_as(self, key_id: str) -> Plan[Principal | None]:
        """The same for whoever showed a key before and is known by its id since."""
        found: Principal | None = yield Read(lambda tx: reads.principal_of_key(tx, key_id, self.clock()))
        return found

    # Browsers

    def sign_in(self, *, lasts: timedelta) -> Plan[str]:
        """Let a browser be known as whoever asks now, for a while; the secret that it is to show."""
        secret = secrets.token_urlsafe(32)
        value = msgspec.json.encode(self.principal.key_id).decode()
        until = self.clock() + round(lasts.total_seconds() * MICROS)
        note = Note(notes.SIGNIN, _mark(secret), 0, value, until)
        one((yield Write([Together(user_id=self.user_id, user_name=self.user_name, notes=(note,))])))
        return secret

    def signed_in(self, secret: str) -> Plan[str | UnsetType | None]:
        """The id of the key with which the book's user signed in (None: with none), by such a secret; else UNSET."""
        name, now = _mark(secret), self.clock()

        def look(tx: Reading) -> str | UnsetType | None:
            found = tx.rows("user_no", user_id=self.user_id)
            kept = notes.read(tx, found[0][0], notes.SIGNIN, [name], now=now) if found else {}
            return msgspec.json.decode(kept[name][1], type=str | None) if name in kept else UNSET

        answer: str | UnsetType | None = yield Read(look)
        return answer

    def sign_out(self, secret: str) -> Plan[None]:
        """Let such a secret let nobody in any more."""
        name, now = _mark(secret), self.clock()

        def look(tx: Reading) -> int:
            found = tx.rows("user_no", user_id=self.user_id)
            kept = notes.read(tx, found[0][0], notes.SIGNIN, [name], now=now) if found else {}
            return kept[name][0] if name in kept else 0

        version: int = yield Read(look)
        if version:
            with contextlib.suppress(Stale):  # somebody else did so
                note = Note(notes.SIGNIN, name, version, None, 0)
                one((yield Write([Together(user_id=self.user_id, notes=(note,))])))

    def may_see(self, user_id: str, session_id: str) -> Plan[bool]:
        """Whether whoever asks may be told that a session changed (R6); one that was just deleted, too."""
        if self.principal.unrestricted or self.principal.owns(user_id, session_id):
            return True
        if not self.principal.datasets or not session_id:
            return False
        name = (user_id, session_id)
        return bool((yield Read(lambda tx: visible(tx, self.principal, [name]))))

    def any_key(self) -> Plan[bool]:
        """Whether there is a key that lets anybody in."""
        found: bool = yield Read(lambda tx: reads.any_usable(tx, self.clock()))
        return found


def _mark(secret: str) -> str:
    return keys.hashed(secret).hex()


def _dataset(value: Any) -> str:
    found = checks.dataset(value)
    if found is None:
        raise InvalidInput("a dataset is named by its UUID")
    return found


def _until(expires: datetime | timedelta | None, now: int) -> int | None:
    if expires is None:
        return None
    if isinstance(expires, timedelta):
        until = now + round(expires.total_seconds() * MICROS)
    elif isinstance(expires, datetime) and expires.tzinfo is not None:
        until = to_micros(expires)
    else:
        raise InvalidInput("expires must be a span, or a time with its zone")
    if until <= now:
        raise InvalidInput("a key that has expired already lets nobody in")
    if until > checks.LAST_TIME:
        raise InvalidInput("a key may last to the end of the year 9999; without an end it lasts until it is revoked")
    return until
