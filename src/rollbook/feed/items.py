"""What is told: that a session changed, or that it is not known which ones did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

import msgspec

from rollbook.errors import StoreError

#: Kinds of change as bits, and their names in this order.
LIFE, USAGE, CONTENT, FACTS, STATE, REMOVED = (1 << place for place in range(6))
KINDS: Final = ("life", "usage", "content", "facts", "state", "removed")

Told = tuple[str, str, int]  #: user, session (empty: the user's own state) and kinds as bits
Name = tuple[str, str]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A session changed; whoever shows it looks at it anew."""

    lost: ClassVar[bool] = False

    user_id: str
    session_id: str  #: empty where it is the user's own state that changed
    #: life (it began, ended, was reopened, gave a sign of life), usage, content, facts (title, tags, turns …), state,
    #: removed
    kinds: frozenset[str]
    at: int  #: when it was stored last, microseconds UTC
    id: str  #: whoever comes back with it is told what came after


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Changes went by of which it is not known which they were: look anew at everything that is shown."""

    lost: ClassVar[bool] = True

    reason: str
    id: str  #: as a change's


class Over(StoreError):
    """Nothing more is told."""


class Batch(NamedTuple):
    """What one commit changed."""

    told: Sequence[Told] | None  #: None: all may have changed
    at: int
    reason: str


#: By the bits of kinds: their names, and their places.
KIND_SETS: Final = tuple(
    frozenset(name for place, name in enumerate(KINDS) if bits >> place & 1) for bits in range(1 << len(KINDS))
)
PLACES: Final = tuple(
    tuple(place for place in range(len(KINDS)) if bits >> place & 1) for bits in range(1 << len(KINDS))
)


class Entry:
    """When a session changed last."""

    __slots__ = ("at", "by_kind", "number")

    def __init__(self) -> None:
        self.number = self.at = 0
        self.by_kind = [0] * len(KINDS)

    def since(self, number: int) -> frozenset[str]:
        """How it changed after a number."""
        return KIND_SETS[sum(1 << place for place, last in enumerate(self.by_kind) if last > number)]
