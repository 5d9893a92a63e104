"""What telemetry tells, as it may be taken in: checked like everybody's, without secrets, with an owner and a price.

One :class:`Intake` is for what is told at once. That says the same of its sessions again and again, so what was checked
once is not checked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from rollbook import inbox
from rollbook.errors import InvalidInput, RollbookError
from rollbook.ledger.ops import NO_FACTS, Call, Facts, Jot, Touch
from rollbook.pricing import Prices
from rollbook.rules import bodies, checks
from rollbook.telemetry import series
from rollbook.telemetry.told import Entry, OpsTold, PointTold, SpanTold, Told

_NOBODY: Final = "-"  #: stands for a session while it is not known

Item = TypeVar("Item", bound=Any)
User = tuple[str, str | None]  #: an id, and how it was named
Placed = tuple[int, Told]


class Intake:
    """Takes in what is told to one user at one time (microseconds UTC)."""

    def __init__(self, user: User, now: int, prices: Prices, terms: inbox.Contents) -> None:
        self._user_id, self._user_name = user
        self._now = now
        self._prices = prices
        self._terms = terms
        self._facts: dict[Facts, Facts] = {NO_FACTS: NO_FACTS}

    def of(self, told: Sequence[Told]) -> tuple[list[Placed], dict[int, RollbookError]]:
        """What was told with its places, as far as it can be taken, and why the rest cannot."""
        refused: dict[int, RollbookError] = {}
        taken: list[Placed] = []
        for place, item in enumerate(told):
            try:
                if isinstance(item, SpanTold):
                    span, problem = self._span(item)
                    taken.append((place, span))
                    if problem is not None:
                        refused[place] = problem
                else:
                    taken.append((place, self._other(item)))
            except RollbookError as error:
                refused[place] = error
        return taken, refused

    def _other(self, item: OpsTold | PointTold) -> Told:
        if isinstance(item, OpsTold):
            return OpsTold(ops=tuple(self._op(op) for op in item.ops))
        if not isinstance(item, PointTold):
            raise InvalidInput(
                f"what telemetry told must be a SpanTold, OpsTold or PointTold, not {type(item).__name__}"
            )
        series.check(item)
        inbox.moment(item.at, self._now)
        facts, session_id = self._facts_of(item.facts), checks.session_id(item.session_id)
        return replace(item, session_id=session_id, facts=facts, model=checks.model(item.model))

    def _span(self, item: SpanTold) -> tuple[SpanTold, InvalidInput | None]:
        """A span, and what is wrong with contents of it that were left out."""
        at = inbox.moment(item.at, self._now)[0]
        until = max(at, inbox.moment(item.until, self._now)[0])
        session_id = checks.session_id(item.session_id) if item.session_id else None
        if item.turns is not None:
            checks.count(item.turns, "turns", checks.MAX_COUNT)
        steps, problem = self._entries(item.steps) if item.steps else ((), None)
        call, end = item.call, item.end
        if call is not None:
            call = self._op(replace(call, session_id=session_id or _NOBODY))
        if end is not None:
            end = self._op(replace(end, session_id=session_id or _NOBODY))
        taken = replace(
            item, session_id=session_id, at=at, until=until, facts=self._facts_of(item.facts),
            service=checks.name(item.service, "a service"), call=call, end=end, steps=steps,
        )  # fmt: skip
        return taken, problem

    def _facts_of(self, facts: Facts) -> Facts:
        found = self._facts.get(facts)
        if found is None:
            touch = self._op(Touch(user_id="", session_id=_NOBODY, at=self._now, facts=facts))
            found = self._facts[facts] = touch.facts
        return found

    def _entries(self, steps: Sequence[Entry]) -> tuple[tuple[Entry, ...], InvalidInput | None]:
        """Contents as they are taken in, and what is wrong with the first of the others."""
        kept: list[Entry] = []
        problem: InvalidInput | None = None
        for name, new in steps:
            stream = bodies.stream(name)
            try:
                kept.append((stream, inbox.entry(stream, new, self._now, self._terms)))
            except InvalidInput as error:
                problem = problem or error
        return tuple(kept), problem

    def _op(self, op: Item) -> Item:
        """An operation of a door as it is taken, with its owner. Raises InvalidInput."""
        taken: Any
        if isinstance(op, Jot):
            taken = self._jot(op)
        else:
            taken = inbox.checked(op, self._now)
            if self._terms.redactor is not None and not isinstance(op, Call):
                taken = inbox.redacted(taken, self._terms.redactor)
        taken = replace(taken, user_id=self._user_id, user_name=self._user_name)
        return priced(taken, self._prices) if isinstance(taken, Call) else taken  # type: ignore[return-value]

    def _jot(self, op: Jot) -> Jot:
        kept, refused = inbox.jot(op, self._now, self._terms)
        if refused:
            raise refused[0]
        if kept is None:
            raise InvalidInput("there is nothing to append: contents are at least one entry")
        return replace(kept, step=replace(kept.step, user_id=self._user_id))


def priced(call: Call, prices: Prices) -> Call:
    """A call whose cost nobody reported, at the price in force when it was made (R14)."""
    if call.cost_nano is not None or call.cost_source != "unpriced":
        return call
    found = prices(call.model, call.provider, call.tokens, call.occurred_at, tier=call.tier)
    if found is None:
        return call
    return replace(call, cost_nano=found.cost_nano, cost_source="computed", price_version=found.version)
