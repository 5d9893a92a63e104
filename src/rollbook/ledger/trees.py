"""Sessions with all that they started, and what each comes to with everything below it."""

from __future__ import annotations

from collections import defaultdict

from rollbook.instances import Branch
from rollbook.ledger import reads
from rollbook.model import cost_usd
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

_Place = tuple[int, int]  #: user and session
_Sums = tuple[int, int, int, int]  #: sessions, calls, cost, unpriced calls


def tree(tx: Reading, scope: reads.Scope, session_id: str, clock: reads.Clock) -> list[Branch]:
    """A session and everything below it, oldest first, each above what it started."""
    top = reads.find(tx, scope, session_id)
    rows = {(row[0], row[1]): row for row in tx.rows("tree_with_figures", user_no=top[0], session_no=top[1])}
    by_name = {(row[0], row[2]): place for place, row in rows.items()}
    below: dict[_Place, list[_Place]] = defaultdict(list)
    for place, row in rows.items():
        parent = by_name.get((row[4], row[5]))
        if parent is not None and place != top:
            below[parent].append(place)
    order = _in_order(top, below)
    sums: dict[_Place, _Sums] = {}
    for place, _ in reversed(order):
        parts = [sums[child] for child in below[place]]
        own = (1, *rows[place][10:13])
        sums[place] = tuple(map(sum, zip(own, *parts, strict=True)))  # type: ignore[assignment]  # as many as go in
    return [_branch(rows[place], depth, sums[place], clock) for place, depth in order]


def _in_order(top: _Place, below: dict[_Place, list[_Place]]) -> list[tuple[_Place, int]]:
    """Every session behind the one that started it, with its depth."""
    order: list[tuple[_Place, int]] = []
    waiting = [(top, 0)]
    while waiting:
        place, depth = waiting.pop()
        order.append((place, depth))
        waiting += [(child, depth + 1) for child in reversed(below[place])]
    return order


def _branch(row: Row, depth: int, sums: _Sums, clock: reads.Clock) -> Branch:
    status, last, calls, cost, unpriced = row[6], row[7], *row[10:13]
    sessions, all_calls, all_cost, all_unpriced = sums
    return Branch(
        depth=depth,
        session_id=row[2],
        user_id=row[3],
        parent_id=row[5],
        status=lives.STATUS_NAMES[status],
        effective_status=lives.effective_status(status, last, clock.now, clock.abandon_after),
        agent=row[8] or None,
        title=row[9],
        calls=calls,
        cost_usd=cost_usd(cost, calls, unpriced),
        unpriced_calls=unpriced,
        cost_nano_usd=cost,
        sessions=sessions,
        inclusive_calls=all_calls,
        inclusive_cost_usd=cost_usd(all_cost, all_calls, all_unpriced),
        inclusive_unpriced_calls=all_unpriced,
        inclusive_cost_nano_usd=all_cost,
    )
