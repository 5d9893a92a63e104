"""What `doctor` asks of the rows: whether they balance, and what somebody might want to know or mend."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from rollbook.ledger.reads import Clock
from rollbook.ledger.verify import verify
from rollbook.model import MICROS, from_micros, rfc3339
from rollbook.store import Reading

Said = tuple[bool, str]  #: whether it is well, and a line about it

_SILENT_US: Final = 24 * 3600 * MICROS  #: of silence after which a running session is worth a word
_NAMED: Final = 5  #: models that are named


def _balance(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - all are asked alike
    checked = verify(tx)
    if checked.ok:
        return True, f"{checked.sessions:,} sessions and {checked.ledger_rows:,} ledger rows balance"
    first = checked.problems[0]
    return False, (
        f"{len(checked.problems)} sums differ from their rows, first {first.what} {first.where}: {first.field} is "
        f"{first.stored}, should be {first.expected}; 'rollbook verify' lists them"
    )


def _names(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - see _balance
    lost: int = tx.rows("count_lost_aliases")[0][0]
    if lost:
        return False, f"{lost:,} other names of calls lead to no call: what is reported under them is counted again"
    return True, "every name of a call leads to it"


def _prices(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - see _balance
    missing: int = tx.rows("count_unpriced")[0][0]
    if not missing:
        return True, "every call has a price"
    rows = tx.rows("unpriced_by_model")
    calls = sum(row[1] for row in rows)
    if not calls:
        return True, f"{missing:,} calls have no price and get none: they were pruned, or are counters of an 'upsert'"
    listed = ", ".join(f"{row[0] or 'unknown'} {row[1]:,}" for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED} more models" if len(rows) > _NAMED else ""
    return True, (
        f"{calls:,} calls have no price ({listed}{more}); a price file (ROLLBOOK_PRICES) or a newer price table and "
        f"then 'rollbook reprice' give them one"
    )


def _sources(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - see _balance
    paths = [str(row[0]) for row in tx.rows("every_source_path")]
    gone = sum(not os.path.exists(path) for path in paths)  # noqa: PTH110 - there may be a million
    if gone:
        return True, f"{gone:,} of {len(paths):,} files that were imported are gone; what they held is kept"
    return True, f"{len(paths):,} files were imported"


def _running(tx: Reading, clock: Clock) -> Said:
    count, oldest = tx.rows("silent_sessions", before=clock.now - _SILENT_US)[0]
    if not count:
        return True, "no running session has been silent for a day"
    return True, (
        f"{count:,} sessions without an end have been silent for a day or more, one since "
        f"{rfc3339(from_micros(oldest))}; they show as abandoned, and 'rollbook end' says how one ended"
    )


def _instances(tx: Reading, clock: Clock) -> Said:
    there: int = tx.rows("count_open_instances")[0][0]
    silent: int = tx.rows("count_silent_instances", now=clock.now)[0][0]
    if silent:
        return True, (
            f"of {there:,} processes that run sessions {silent:,} are silent; 'rollbook reconcile' finds out which of "
            f"them are dead, and marks what they ran"
        )
    return True, f"{there:,} processes run sessions, and all have been heard of"


def _clock(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - see _balance
    count: int = tx.rows("count_clock_flagged")[0][0]
    if count:
        return (
            True,
            f"{count:,} sessions told of times ahead of this clock, which were taken as now; compare the clocks",
        )
    return True, "no session told of a time ahead of the clock"


def _removals(tx: Reading, clock: Clock) -> Said:  # noqa: ARG001 - see _balance
    count: int = tx.rows("journal.count_outbox")[0][0]
    if count:
        return False, (
            f"the contents of {count:,} sessions or users that were deleted are still to be removed from the place "
            f"outside the book where journals are kept; opening the book with it, when it can be reached, does that"
        )
    return True, "no contents are left to be removed elsewhere"


CHECKS: Final[dict[str, Callable[..., Said]]] = {
    "balance": _balance,
    "names": _names,
    "prices": _prices,
    "sources": _sources,
    "running": _running,
    "instances": _instances,
    "clock": _clock,
    "removals": _removals,
}
