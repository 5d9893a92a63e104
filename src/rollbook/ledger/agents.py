"""Cost by user and agent over the sessions active within a range: from the kept sums, exact at the edges (R8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from rollbook.ledger.names import ALL_TIME
from rollbook.ledger.scopes import Group, Scope, grouped
from rollbook.model import HOUR_US, cost_usd
from rollbook.rules.windows import Window, pieces
from rollbook.store import Reading, Row


class AgentCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one user's sessions with one agent cost, of those that were last active within a range."""

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


def cost_by_agent(tx: Reading, scope: Scope, window: Window) -> list[AgentCost]:
    """Most expensive first, and as much as the stats in all."""
    sums: dict[tuple[str, str | None, str], list[int]] = defaultdict(lambda: [0] * 6)
    for group in grouped(scope.parts):
        for rows, sign in _rows(tx, group, window):
            for row in rows:
                into = sums[row[0], row[1], row[2]]
                for place, value in enumerate(row[3:]):
                    into[place] += sign * value
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


def _rows(tx: Reading, group: Group, window: Window) -> Iterator[tuple[list[Row], int]]:
    """Sums by user and agent, to be added or taken away: of whole hours, and of parts of one from its sessions."""
    words = group.words | ({"whose": "whose_all"} if group.everybody else {})
    first, end, edges = (ALL_TIME, 0, ()) if window.everything else pieces(window, HOUR_US)
    yield tx.compose("agents_sums", words, first=first, last=end - 1, **group.values), 1
    for start, until, sign in edges:
        yield tx.compose("agents_edge", words, since=start, until=until, **group.values), sign
