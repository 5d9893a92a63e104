"""Cost by user and agent over the sessions active since a time: from the kept sums, exact at the edge (R8)."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import msgspec

from rollbook.ledger.names import ALL_TIME
from rollbook.ledger.scopes import Group, Scope, grouped
from rollbook.model import HOUR_US, cost_usd
from rollbook.store import Reading, Row

_FOREVER: Final = 2**62


class AgentCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one user's sessions with one agent cost, of those active since a time."""

    user_id: str
    user_name: str | None
    agent: str  #: ``unknown`` where neither the session nor its id says one
    session_count: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    calls: int
    unpriced_calls: int
    cost_nano_usd: int


def cost_by_agent(tx: Reading, scope: Scope, since: int | None) -> list[AgentCost]:
    """Most expensive first, and as much as the stats in all."""
    sums: dict[tuple[str, str | None, str], list[int]] = defaultdict(lambda: [0] * 6)
    for group in grouped(scope.parts):
        for row in _rows(tx, group, since):
            into = sums[row[0], row[1], row[2]]
            for place, value in enumerate(row[3:]):
                into[place] += value
    lines = [
        AgentCost(
            user_id=user_id,
            user_name=name,
            agent=agent,
            session_count=sessions,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=cost_usd(cost, calls, unpriced),
            calls=calls,
            unpriced_calls=unpriced,
            cost_nano_usd=cost,
        )
        for (user_id, name, agent), (sessions, calls, tokens_in, tokens_out, cost, unpriced) in sums.items()
        if sessions
    ]
    return sorted(lines, key=lambda row: (-row.cost_nano_usd, -row.tokens_in - row.tokens_out, row.user_id, row.agent))


def _rows(tx: Reading, group: Group, since: int | None) -> list[Row]:
    """Sums by user and agent: of whole hours, and of a part of one from its sessions."""
    words = group.words | ({"whose": "whose_all"} if group.everybody else {})
    found: list[Row] = []
    if since is None:
        first = last = ALL_TIME
    else:
        first, last = -(-since // HOUR_US), _FOREVER
        found += tx.compose("agents_edge", words, since=since, until=first * HOUR_US, **group.values)
    return found + tx.compose("agents_sums", words, first=first, last=last, **group.values)
