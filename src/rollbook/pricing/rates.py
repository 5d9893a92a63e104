"""From dollars per million tokens to a rate card: every rate over one denominator, without a rounding on the way."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Final

from rollbook.model import NANO
from rollbook.pricing.card import KINDS, Card

PER_MILLION: Final = 1_000_000
ANY_SIZE: Final = -1  #: below every size at which a long-context band starts

#: The prices of one kind of token by the size above which they hold; empty if there is none.
BySize = dict[int, Fraction]


def compiled(rates: Mapping[str, BySize], *, factor: Fraction = Fraction(1), fee: Fraction = Fraction(0)) -> Card:
    """All rates over one denominator, one band for each size at which any of them changes; the fee is per request."""
    starts = sorted({start for by_size in rates.values() for start in by_size})
    bands = [[_at_size(rates[kind], start) * factor * NANO / PER_MILLION for kind in KINDS] for start in starts]
    request = fee * NANO
    per = lcm(request.denominator, *(rate.denominator for band in bands for rate in band))
    return Card(
        starts=tuple(starts[1:]),
        bands=tuple(tuple(int(rate * per) for rate in band) for band in bands),
        fee=int(request * per),
        per=per,
        unpriced=tuple(kind for kind in KINDS if not rates[kind]),
    )


def _at_size(by_size: BySize, size: int) -> Fraction:
    """The rate of the highest step at or below ``size``."""
    return by_size[max(start for start in by_size if start <= size)] if by_size else Fraction(0)
