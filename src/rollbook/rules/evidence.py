"""Which of two reports of the same call is believed (R15).

The order is total, so that the same reports give the same book in whatever order they arrive: better evidence first
(metric < log < span < push < transcript), then the larger total, since a first record may be a placeholder, then a
reported cost, then what the door itself said of the copy's weight (the original before a fork's copy), then the earlier
time. What is still equal is told apart by its text: the choice is arbitrary there, but always the same.
"""

from __future__ import annotations

from typing import NamedTuple


class Claim(NamedTuple):
    """What a report says of a call, in the order in which claims are compared: the larger claim is believed."""

    evidence: int
    total: int
    priced: bool
    weight: int
    earliness: int  #: minus the time at which the call completed
    session: str
    model: str
    provider: str
    billing: int
    tier: int
    amounts: tuple[int, ...]


def better(new: Claim, old: Claim) -> bool:
    """Whether the new report replaces the old one."""
    return new > old


def same_content(new: Claim, old: Claim) -> bool:
    """Whether two reports say the same of the call, whatever their evidence."""
    return new[4:] == old[4:] and new.total == old.total and new.priced == old.priced
