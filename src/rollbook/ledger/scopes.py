"""What a principal may see (R6), in numbers: whose sessions, all of a user's or those in some slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from rollbook.principals import Principal
from rollbook.store import Reading

EVERYBODY: Final = 0  #: the number under which the sums over all users are kept
NOBODY: Final = -1
_MANY: Final = 1_000  #: granted datasets; a book seldom has sessions in so many
_numbers: Final = msgspec.json.Decoder(frozenset[int])

Name = tuple[str, str]  #: user and session, as they are called


class Part(msgspec.Struct, frozen=True):
    """Sessions of one user, or of everybody (user 0): all of them, or only those in some slices."""

    user_no: int
    slices: str | None = None  #: numbers of slices as a JSON array, also of deleted sessions; None: whichever

    @property
    def everybody(self) -> bool:
        return self.user_no == EVERYBODY

    @property
    def words(self) -> dict[str, str]:
        """How statements about sessions are told whose these are."""
        return {
            "scope": "scope_all" if self.everybody else "scope_user",
            "slices": "every_slice" if self.slices is None else "these_slices",
        }

    @property
    def numbers(self) -> frozenset[int] | None:
        """The slices; None: whichever."""
        return None if self.slices is None else _numbers.decode(self.slices)


class Group(msgspec.Struct, frozen=True):
    """Several parts that are asked for at once: of users of whom everything is seen, or slices of others."""

    users: str  #: numbers as a JSON array
    user_no: int | None = None  #: if it is one user, or everybody
    slices: str | None = None

    @property
    def everybody(self) -> bool:
        return self.user_no == EVERYBODY

    @property
    def words(self) -> dict[str, str]:
        """How statements are told whose sessions these are, and whose sums."""
        one = self.user_no is not None
        return {
            "scope": "scope_all" if self.everybody else "scope_user" if one else "scope_users",
            "whose": "whose_user" if one else "whose_users",
            "slices": "every_slice" if self.slices is None else "these_slices",
        }

    @property
    def values(self) -> dict[str, int | str | None]:
        """What those words ask for."""
        return {"user_no": self.user_no, "users": self.users, "slices": self.slices}


def grouped(parts: Sequence[Part]) -> list[Group]:
    """All parts, in one or two groups."""
    whole = [part.user_no for part in parts if part.slices is None]
    sliced = [part for part in parts if part.slices is not None]
    found = [Group(_listed(whole), whole[0] if len(whole) == 1 else None)] if whole else []
    if sliced:
        slices = _listed(sorted(number for part in sliced for number in part.numbers or ()))
        found.append(Group(_listed(part.user_no for part in sliced), slices=slices))
    return found


def _listed(numbers: Iterable[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a read is about. Its parts have no session in common; without any there is nothing to be seen."""

    user_no: int  #: whose sessions come first where several have one id
    parts: tuple[Part, ...]
    within: tuple[Part, ...] | None = None  #: all that the principal may see; None: nothing is hidden

    @property
    def everybody(self) -> bool:
        return bool(self.parts) and self.parts[0].everybody

    @property
    def plain(self) -> bool:
        """Whether it is everybody's sessions or all of one user's."""
        return len(self.parts) == 1 and self.parts[0].slices is None

    def part_of(self, user_no: int) -> Part | None:
        """The part in which sessions of a user are."""
        return next((part for part in self.parts if part.user_no in (user_no, EVERYBODY)), None)


def resolve(tx: Reading, principal: Principal, user_id: str | None) -> Scope:
    """What a principal sees of one user's sessions, or, where no user is named, of all."""
    if principal.unrestricted:
        user_no = number_of(tx, user_id or principal.user_id)
        if user_id is None and principal.everybody:
            return Scope(user_no=user_no, parts=(Part(EVERYBODY),))
        return Scope(user_no=user_no, parts=() if user_no == NOBODY else (Part(user_no),))
    users = numbers_of(tx, principal.users)
    within = _visible(tx, principal, users.values())
    parts = within
    if user_id is not None:
        named = number_of(tx, user_id)
        parts = tuple(part for part in within if part.user_no == named)
    return Scope(user_no=users.get(principal.user_id, NOBODY), parts=parts, within=within)


def _visible(tx: Reading, principal: Principal, users: Iterable[int]) -> tuple[Part, ...]:
    """The sessions of some users, and of others those in the datasets that are granted, in the order of numbers."""
    parts = {user_no: Part(user_no) for user_no in users}
    granted: dict[int, list[int]] = defaultdict(list)
    for user_no, slice_no in _slices(tx, principal):
        granted[user_no].append(slice_no)
    for user_no, slices in granted.items():
        parts.setdefault(user_no, Part(user_no, _listed(sorted(slices))))
    return tuple(part for _, part in sorted(parts.items()))


def _slices(tx: Reading, principal: Principal) -> Iterable[tuple[int, int]]:
    """Users and slices of the datasets that are granted: asked for by name, or found among all where they are many."""
    reads, writes = principal.reads, principal.writes
    if len(reads) + len(writes) > _MANY:
        every = tx.rows("slices_by_dataset")
        return ((user_no, slice_no) for user_no, slice_no, name in every if name in reads or name in writes)
    return ((row[0], row[1]) for row in tx.among("slices_in_datasets", [(name,) for name in sorted(reads | writes)]))


def number_of(tx: Reading, user_id: str) -> int:
    """A user's number, -1 of one whom nobody knows."""
    found = tx.rows("user_no", user_id=user_id)
    return int(found[0][0]) if found else NOBODY


def numbers_of(tx: Reading, users: Iterable[str]) -> dict[str, int]:
    """The numbers of those users who are known."""
    return {row[1]: row[0] for row in tx.among("user_numbers", [(user_id,) for user_id in sorted(set(users))])}


def judge(parts: Sequence[Part]) -> Callable[[int, int], bool]:
    """Says of a session, by its user's number and its slice, whether it is in one of some parts."""
    if parts and parts[0].everybody:
        return lambda _user_no, _slice_no: True
    seen = {part.user_no: part.numbers for part in parts}

    def sees(user_no: int, slice_no: int) -> bool:
        if user_no not in seen:
            return False
        slices = seen[user_no]
        return slices is None or slice_no in slices

    return sees


def known(tx: Reading, parts: Sequence[Part], names: Iterable[Name]) -> set[Name]:
    """Those of some sessions that are in one of some parts, as far as the book knows them; deleted ones too."""
    asked = set(names)
    users = numbers_of(tx, {user_id for user_id, _ in asked})
    ids = {number: user_id for user_id, number in users.items()}
    keys = sorted((users[user_id], session_id) for user_id, session_id in asked if user_id in users)
    sees = judge(parts)
    return {
        (ids[user_no], session_id)
        for user_no, _, session_id, slice_no, *_ in tx.among("sessions_named", keys)
        if sees(user_no, slice_no)
    }


def visible(tx: Reading, principal: Principal, names: Iterable[Name]) -> set[Name]:
    """Of which changed sessions (user and session id) a principal may be told, by what the book holds now.

    An empty session id is the user's own state, which is nobody else's. A deleted session is known by the dataset that
    it had; of a purged one the book knows nothing, so only its user is told, and the one whose child user that is.
    """
    asked = set(names)
    if principal.unrestricted:
        return asked if principal.everybody else {name for name in asked if name[0] == principal.user_id}
    own = {name for name in asked if name[0] in principal.users and (name[1] or name[0] == principal.user_id)}
    others = {name for name in asked if name[0] not in principal.users and name[1]}
    if not others or not principal.datasets:
        return own
    return own | known(tx, resolve(tx, principal, None).parts, others)
