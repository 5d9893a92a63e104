"""A session's life once more, told from everything that was said of it: attempts, gaps, what stands at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: What applies first among the statements of one instant.
END, REOPEN, MARK, SOFT = range(4)
STATUSES: Final = ("running", "completed", "failed", "cancelled", "unknown")
NEVER: Final = 2**62


@dataclass(order=True, frozen=True)
class Said:
    """A statement about a session's life."""

    at: int
    what: int
    rank: int = 0  #: of its status, by which ties are decided
    reason: str = ""
    by: str = ""

    @property
    def status(self) -> str:
        return STATUSES[self.rank]


def said(at: int, what: int, status: str = "running", reason: str | None = None, by: str = "") -> Said:
    return Said(at, what, STATUSES.index(status), reason or "", by)


@dataclass
class Told:
    """What a session's life comes to."""

    status: str
    started: int
    last: int
    ended: int | None
    attempt: int
    worked: int
    gaps: list[tuple[int, int]]
    ends: list[Said]  #: those that began the gaps
    decided: Said | None

    def counts(self, at: int) -> bool:
        """R3: a call counts iff it occurred within an attempt."""
        return not any(end < at < again for end, again in self.gaps)


def life_of(signs: Iterable[int], life: Iterable[Said]) -> Told:
    """R2: the attempts between starts or reopenings and ends, and what stands at the last of them."""
    events, signs = sorted(life), set(signs)
    started = min([*signs, *(event.at for event in events if event.what != MARK)])
    # Stretches in which the session is open, each with the statements that were made in it.
    stretches: list[tuple[int, list[Said]]] = [(started, [])]
    ends: list[Said] = []
    for event in events:
        is_open = len(ends) < len(stretches)
        if is_open and event.what == END:
            ends.append(event)
        elif is_open:
            stretches[-1][1].append(event)
        elif event.what == REOPEN:
            stretches.append((event.at, []))
    gaps = [(end.at, again[0]) for end, again in zip(ends, stretches[1:], strict=False)]
    worked = sum(max(0, end.at - start) for end, (start, _) in zip(ends, stretches, strict=False))
    attempt = len(stretches) + sum(_revivals(inside) for _, inside in stretches)
    # A presumed crash that stood when its stretch was ended was no end, but it was the end of an attempt.
    attempt += sum(bool(inside) and inside[-1].what == MARK for (_, inside), _ in zip(stretches, ends, strict=False))
    if len(ends) == len(stretches):
        end = ends[-1]
        return Told(end.status, started, end.at, end.at, attempt, worked, [*gaps, (end.at, NEVER)], ends, end)
    start, inside = stretches[-1]
    reopened = [event.at for event in events if event.what == REOPEN]
    last = max([*signs, *reopened], default=0)
    standing = inside[-1] if inside and inside[-1].what in (MARK, SOFT) else None
    if standing is not None and standing.at < last:
        attempt += standing.what == MARK
        standing = None
    ended = None
    if standing is not None and standing.what == SOFT:
        last = ended = standing.at
    status = standing.status if standing else "running"
    return Told(status, started, last, ended, attempt, worked + max(0, last - start), gaps, ends, standing)


def _revivals(inside: list[Said]) -> int:
    """Attempts that began within an open stretch, by what follows upon presumed crashes and inferred ends."""
    return sum(
        one.what == MARK or (one.what == SOFT and then.what == REOPEN) for one, then in itertools.pairwise(inside)
    )
