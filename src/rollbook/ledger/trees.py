"""Sessions with all that they started, and what each comes to with everything below it."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from rollbook.instances import Branch
from rollbook.ledger import reads
from rollbook.ledger.reads import Clock, Place
from rollbook.ledger.scopes import Scope, judge
from rollbook.model import Inclusive, cost_usd
from rollbook.rules import life as lives
from rollbook.store import Reading, Row

_Sums = tuple[int, int, int, int]  #: sessions, calls, cost, unpriced calls


class _Tree(NamedTuple):
    """A session and what may be seen below it; what stands below a hidden one is hidden with it."""

    rows: dict[Place, Row]
    below: dict[Place, list[Place]]
    order: list[tuple[Place, int]]  #: each behind the one that started it, with its depth


def inclusive(tx: Reading, scope: Scope, session_id: str) -> Inclusive:
    """What a session and everything below it come to."""
    top = reads.find(tx, scope, session_id)
    if scope.plain:
        words = {"below": "below_of_all" if scope.everybody else "below_of_user"}
        sums = tx.compose("inclusive_of", words, user_no=top[0], session_no=top[1])[0]
    else:
        seen = _visible(tx, scope, top)
        own = [
            (1, row[10], row[14], row[15], row[11], row[12]) for row in (seen.rows[place] for place, _ in seen.order)
        ]
        sums = tuple(map(sum, zip(*own, strict=True)))
    sessions, calls, tokens_in, tokens_out, cost, unpriced = sums
    return Inclusive(
        sessions=sessions,
        calls=calls,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=cost_usd(cost, calls, unpriced),
        unpriced_calls=unpriced,
        cost_nano_usd=cost,
    )


def tree(tx: Reading, scope: Scope, session_id: str, clock: Clock) -> list[Branch]:
    """A session and everything below it, oldest first, each above what it started."""
    top = reads.find(tx, scope, session_id)
    rows, below, order = _visible(tx, scope, top)
    sums: dict[Place, _Sums] = {}
    for place, _ in reversed(order):
        parts = [sums[child] for child in below[place]]
        own = (1, *rows[place][10:13])
        sums[place] = tuple(map(sum, zip(own, *parts, strict=True)))  # type: ignore[assignment]  # as many as go in
    parent = _parent(tx, scope, rows[top], clock)
    return [
        _branch(rows[place], depth, sums[place], clock, rows[place][5] if depth else parent) for place, depth in order
    ]


def _visible(tx: Reading, scope: Scope, top: Place) -> _Tree:
    sees = judge(scope.parts)
    found = tx.rows("tree_with_figures", user_no=top[0], session_no=top[1])
    rows = {(row[0], row[1]): row for row in found if sees(row[0], row[13])}
    by_name = {(row[0], row[2]): place for place, row in rows.items()}
    below: dict[Place, list[Place]] = defaultdict(list)
    for place, row in rows.items():
        parent = by_name.get((row[4], row[5]))
        if parent is not None and place != top:
            below[parent].append(place)
    return _Tree(rows, below, _in_order(top, below))


def _parent(tx: Reading, scope: Scope, row: Row, clock: Clock) -> str | None:
    """What is above the first of a tree, if it may be seen."""
    if row[5] is None or scope.within is None:
        return row[5]  # type: ignore[no-any-return]  # a text
    place = (row[0], row[1])
    return reads.show(tx, scope, [place], clock)[place].parent_id


def _in_order(top: Place, below: dict[Place, list[Place]]) -> list[tuple[Place, int]]:
    """Every session behind the one that started it, with its depth."""
    order: list[tuple[Place, int]] = []
    waiting = [(top, 0)]
    while waiting:
        place, depth = waiting.pop()
        order.append((place, depth))
        waiting += [(child, depth + 1) for child in reversed(below[place])]
    return order


def _branch(row: Row, depth: int, sums: _Sums, clock: Clock, parent_id: str | None) -> Branch:
    status, last, calls, cost, unpriced = row[6], row[7], *row[10:13]
    sessions, all_calls, all_cost, all_unpriced = sums
    return Branch(
        depth=depth,
        session_id=row[2],
        user_id=row[3],
        parent_id=parent_id,
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
