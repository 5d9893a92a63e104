"""What a list of sessions is asked for, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from rollbook.rules.query import Query, Term
from rollbook.rules.windows import Window
from rollbook.store.statements import AnyOf, Filling, Piece


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is asked for, checked."""

    status: str | None = None
    since: int | None = None  #: of the last activity
    until: int | None = None
    dataset_id: str | None = None
    kind: str | None = None
    agent: str | None = None
    project: str | None = None
    channel: str | None = None
    model: str | None = None
    tag: str | None = None
    text: str | None = None
    query: Query | None = None  #: what is asked for beside, before it is worked out
    order_by: str = "last_activity_at"
    ascending: bool = False
    statuses: frozenset[str] | None = None  #: what a query leaves of the states
    named: tuple[Term, ...] = ()  #: what it asks of that by which sums are kept apart
    pieces: tuple[AnyOf, ...] = ()  #: what it asks beside
    values: tuple[tuple[str, Any], ...] = ()  #: of the pieces

    @property
    def window(self) -> Window:
        """The range of time."""
        return Window(self.since, self.until)

    def states(self, every: Iterable[str]) -> list[str]:
        """Of all states those that are asked for."""
        return [
            name for name in every if self.status in (None, name) and (self.statuses is None or name in self.statuses)
        ]

    @property
    def sliced(self) -> bool:
        """Whether a filter is asked for by which sums are kept apart."""
        return bool(self.named) or any(
            value is not None for value in (self.dataset_id, self.kind, self.agent, self.project)
        )

    @property
    def scanned(self) -> bool:
        """Whether a filter is asked for by which no sums are kept."""
        return bool(self.pieces) or any(
            value is not None for value in (self.channel, self.model, self.tag, self.text)
        )  # fmt: skip

    @property
    def unordered(self) -> bool:
        """Whether what fits is not simply what comes next in the order of activity."""
        return self.scanned or self.order_by not in ("last_activity_at", "effective_status")

    @property
    def filling(self) -> Filling:
        """What stands for its filters in a statement."""
        return (AnyOf((Piece("filters"),)), *self.pieces) if self.pieces else "filters"
