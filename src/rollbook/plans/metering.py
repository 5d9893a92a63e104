"""Plans for model calls that others report, one or many at once, each answered with the name under which it counts."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from msgspec import Meta

from rollbook import inbox
from rollbook.core import Plan, Write
from rollbook.errors import RollbookError
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Outcome, Tokens
from rollbook.plans.reading import ReadPlans
from rollbook.rules import checks, shapes

Name = Annotated[str, shapes.named("A name or an id.")]
Word = Annotated[str, shapes.optional("A name; an empty one is none.")]
Count = Annotated[int, Meta(ge=0, le=checks.MAX_TOKENS)]
Dollars = Annotated[float, Meta(ge=0, le=checks.MAX_COST_USD)]
_EVIDENCE: Final = {item.name.lower(): int(item) for item in Evidence}
_NONE: Final = Tokens()


class Reported(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model call, as whoever made it reports it."""

    session_id: Name
    user_id: Name | None = None  #: whose, where it is not one's own
    usage_id: Name | None = None  #: by which the same call is known when it is reported again
    aliases: Annotated[tuple[Name, ...], Meta(max_length=checks.MAX_ALIASES)] = ()  #: other ids of the call
    model: Word | None = None
    provider: Word | None = None
    tokens: Tokens | None = None  #: in disjoint kinds, instead of ``tokens_in`` and ``tokens_out``
    tokens_in: Count | None = None  #: uncached input
    tokens_out: Count | None = None  #: visible output
    cost_usd: Dollars | shapes.Amount | None = None  #: none: looked up (R14)
    occurred_at: shapes.Moment | None = None  #: when the call completed; none: now
    errored: bool = False
    billing: Literal["api", "subscription", "unknown"] = "unknown"
    tier: Literal["standard", "batch", "flex", "priority", "fast"] = "standard"
    source: Word = "push"
    evidence: Literal["metric", "log", "span", "push", "side_chain", "transcript"] = "push"


class Taken(NamedTuple):
    """What became of a call that was reported."""

    usage_id: str
    outcome: Outcome


class MeterPlans(ReadPlans):
    """Methods that take calls in as structs, for whoever decodes them by themselves."""

    def meter(self, items: Sequence[Reported | RollbookError]) -> Plan[List[Taken | RollbookError]]:
        """Meter calls, in one transaction where they fit one; what became of each, or the error it was refused with.

        What stands in the place of a call that could not be read stays there.
        """
        now = self.clock()
        ops = [item if isinstance(item, RollbookError) else self._reported(item, now) for item in items]
        taken: List[Any] = [op for op in ops if isinstance(op, Call)]
        answers = iter((yield Write(taken)) if taken else ())
        return [op if isinstance(op, RollbookError) else _taken(op, next(answers)) for op in ops]

    def _reported(self, item: Reported, now: int) -> Call | RollbookError:
        try:
            owner, label = self.owner(item.user_id)
            moment, flagged = checks.moment(item.occurred_at, "occurred_at", now)
            name, fresh = self.made_id() if item.usage_id is None else (item.usage_id, False)
            return inbox.call(
                user_id=owner, user_name=label, session_id=item.session_id, usage_id=name, fresh=fresh,
                occurred_at=moment, flagged=flagged, timed=item.occurred_at is not None, tokens=_tokens(item),
                model=item.model, provider=item.provider, cost_nano=checks.cost(item.cost_usd), aliases=item.aliases,
                errored=item.errored, billing=item.billing, source=item.source, evidence=_EVIDENCE[item.evidence],
                tier=item.tier, prices=self.prices,
            )  # fmt: skip
        except RollbookError as error:
            return error


def _taken(op: Call, answer: Any) -> Taken | RollbookError:
    return answer if isinstance(answer, RollbookError) else Taken(op.usage_id, Outcome(answer))


def _tokens(item: Reported) -> Tokens:
    if item.tokens is not None:
        return checks.tokens(item.tokens, item.tokens_in, item.tokens_out)
    if item.tokens_in is None and item.tokens_out is None:
        return _NONE
    return Tokens(input=item.tokens_in or 0, output=item.tokens_out or 0)
