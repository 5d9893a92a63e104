"""Ranges of time, and how sums that are kept by equal periods come to one of them, exact at both ends (R8, R9)."""

from __future__ import annotations

from typing import Final, NamedTuple

FOREVER: Final = 2**62  #: later than whatever there is


class Window(NamedTuple):
    """From a time until before another one, in microseconds; None: without that end."""

    since: int | None = None
    until: int | None = None

    @property
    def everything(self) -> bool:
        return self.since is None and self.until is None

    @property
    def start(self) -> int:
        return self.since or 0

    @property
    def end(self) -> int:
        return FOREVER if self.until is None else self.until


ALL: Final = Window()


class Edge(NamedTuple):
    """A part of a period: to be added to the sums of whole ones, or (-1) taken away from them."""

    start: int
    end: int
    sign: int


class Pieces(NamedTuple):
    """A range as the periods from ``first`` to before ``end``, and what lies between those and its own ends."""

    first: int
    end: int  #: FOREVER if the range has none
    edges: tuple[Edge, ...]


def pieces(window: Window, width: int) -> Pieces:
    """A range in periods of one width, whose ends go to the nearest period's: an edge is half of one at most.

    What is summed over a range is what is summed until its end less what is summed until its start, and each of these
    is that of whole periods and one edge. Both ends go by the same rule, so the first is never behind the second.
    """
    start, edges = _nearest(window.start, width, -1)
    if window.until is None:
        return Pieces(start, FOREVER, edges)
    end, more = _nearest(window.until, width, 1)
    return Pieces(start, end, edges + more)


def _nearest(at: int, width: int, sign: int) -> tuple[int, tuple[Edge, ...]]:
    """The number of the period that begins nearest to a time, and what lies between, as the sums until it count it."""
    number, inside = divmod(at, width)
    if not inside:
        return number, ()
    if 2 * inside < width:
        return number, (Edge(number * width, at, sign),)
    return number + 1, (Edge(at, (number + 1) * width, -sign),)
