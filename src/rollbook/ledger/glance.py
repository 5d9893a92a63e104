"""What a status line shows of a book: one session and one day.

The same figures as :func:`rollbook.ledger.trees.inclusive` and :func:`rollbook.ledger.figures.spend` give, in a module
of its own because it is loaded anew for every line: what those import takes longer than all the rest of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rollbook.store import Reading

_QUARTER_US: Final = 900 * 1_000_000
_FOREVER: Final = 2**62
_NOBODY: Final = -1
_EVERYBODY: Final = 0
_STARTED_AT: Final = 5  #: in a row of ``sessions_by_no``


class Sum(NamedTuple):
    """What calls came to."""

    calls: int = 0
    cost: int = 0  #: nano-dollars
    unpriced: int = 0  #: calls without a price

    @property
    def priced(self) -> bool:
        """Whether the cost says anything: no call at all costs nothing, calls without any price are not known."""
        return self.cost != 0 or self.unpriced < self.calls or not self.calls


class Running(NamedTuple):
    """A session as far as the book knows it, with all below it."""

    sum: Sum
    started_at: int  #: microseconds


class File(NamedTuple):
    """A transcript as it lies on the disk."""

    key: str  #: the name under which it is registered
    size: int
    mtime_ns: int


class Glance(NamedTuple):
    """What the book knows."""

    session: Running | None
    day: Sum
    behind: bool  #: whether there is more in the files than the book has read


def look(
    tx: Reading,
    user_id: str,
    *,
    session_id: str | None,
    since: int,
    source: str,
    files: Sequence[File] = (),
    everybody: bool = False,
) -> Glance:
    """A session, the spend since a time (microseconds, taken back to its quarter hour), and how far files are read."""
    found = tx.rows("user_no", user_id=user_id)
    user_no: int = found[0][0] if found else _NOBODY
    whose = _EVERYBODY if everybody else user_no
    words = {"whose": "whose_user", "slices": "every_slice", "name": "spend_whole"}
    days = tx.compose("spend_by_time", words, user_no=whose, first=since // _QUARTER_US, last=_FOREVER)
    return Glance(
        session=None if session_id is None else _session(tx, user_no, session_id, everybody=everybody),
        day=Sum(*(sum(row[place] for row in days) for place in (3, 6, 7))),
        behind=any(
            tx.rows("file_seen", user_no=user_no, source=source, path=file.key) != [(file.size, file.mtime_ns)]
            for file in files
        ),
    )


def _session(tx: Reading, user_no: int, session_id: str, *, everybody: bool) -> Running | None:
    name, below = ("key_of_anybody", "below_of_all") if everybody else ("key_of_user", "below_of_user")
    for key in tx.rows(name, user_no=user_no, session_id=session_id):
        sums = tx.compose("inclusive_of", {"below": below}, user_no=key[0], session_no=key[1])[0]
        _, calls, _, _, cost, unpriced = sums
        return Running(Sum(calls, cost, unpriced), tx.among("sessions_by_no", [key])[0][_STARTED_AT])
    return None
