"""Writing beside others: what a batch is about is held, so that nobody else changes it meanwhile.

Sessions are held by locks on their rows. A batch that turns out to reach further, to the session that a call was
counted in before, say, or to the root of a fork's journal, begins again and holds that as well from the first. So all
locks are taken at once and in one order, and no two writers wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rollbook.ledger.state import State

if TYPE_CHECKING:
    from rollbook.ledger.work import Work


class Reach(Exception):
    """A batch reaches beyond what it held: it is to begin again, and hold this as well from the first."""

    def __init__(
        self,
        *,
        places: Iterable[tuple[int, int]] = (),
        names: Iterable[tuple[int, str]] = (),
        users: Iterable[int] = (),
    ) -> None:
        super().__init__()
        self.users: set[int] = set(users)  #: of whom something is changed that belongs to no session
        self.places: set[tuple[int, int]] = set(places)
        self.names: set[tuple[int, str]] = set(names)

    def check(self, *, stale: bool) -> None:
        """Begin again where what was remembered did not hold any more."""
        if stale:
            raise self

    def widen(self, other: Reach) -> None:
        self.users |= other.users
        self.places |= other.places
        self.names |= other.names


def hold(work: Work, wanted: Iterable[tuple[int, str]], reach: Reach) -> None:
    """Where others write at the same time: let nobody else change what the batch is about, and learn who did.

    The rows are locked in the order of their keys, all at once, so that no two writers wait for each other. What
    is remembered of a session holds if its version is still that.
    """
    tx, by_id = work.tx, work.cache.by_id
    tx.among("hold_users", sorted((user_no,) for user_no in reach.users))
    asked = {*wanted, *reach.names}
    unknown = [key for key in asked if key not in by_id]
    for user_no, session_no, session_id in tx.among("numbers_of", sorted(unknown)) if unknown else ():
        by_id[user_no, session_id] = session_no
    places = {(key[0], by_id[key]) for key in asked if key in by_id} | reach.places
    places |= {(place[0], root) for place in places if (root := work.cache.journal.root_of.get(place))}
    work.held = set(places) | {(user_no, 0) for user_no in reach.users}
    changed = []
    for row in tx.among("hold_sessions", sorted(places)):
        place = (row[0], row[1])
        places.discard(place)
        known = work.cache.states.get(place)
        if known is None or known.version != row[-1]:
            changed.append(State(row))
            work.cache.journal.forget(*place)
    for place in places:  # what is left has no row by whose version it could be remembered
        work.cache.journal.forget(*place)
    work.take(changed)
