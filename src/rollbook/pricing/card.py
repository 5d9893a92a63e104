"""A rate card: the prices of one model in one price regime as whole numbers, and the sum over it."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rollbook.model import Tokens

KINDS: Final = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out")


class Card(NamedTuple):
    """Rates over one common denominator: ``cost = (fee + sum(tokens * rate)) / per`` nano-dollars."""

    starts: tuple[int, ...]  #: a band holds for requests that read *more* than its start; the first band has none
    bands: tuple[tuple[int, ...], ...]  #: for each band the rates of ``KINDS``
    fee: int  #: for the request itself
    per: int
    unpriced: tuple[str, ...]  #: kinds that nobody has a price for


def cost_nano(card: Card, tokens: Tokens) -> int | None:
    """Nano-dollars, rounded half-even; None where the call has tokens of a kind without a price."""
    if card.unpriced and any(getattr(tokens, kind) for kind in card.unpriced):
        return None
    starts = card.starts
    rates = card.bands[bisect_left(starts, tokens.tokens_in) if starts else 0]
    amount = (
        card.fee
        + tokens.input * rates[0]
        + tokens.cache_read * rates[1]
        + tokens.cache_write * rates[2]
        + tokens.cache_write_1h * rates[3]
        + tokens.output * rates[4]
        + tokens.reasoning * rates[5]
        + tokens.audio_in * rates[6]
        + tokens.audio_out * rates[7]
    )
    return half_even(amount, card.per)


def half_even(amount: int, per: int) -> int:
    """``amount / per`` as a whole number; exactly between two of them, the even one."""
    whole, rest = divmod(amount, per)
    twice = rest * 2
    return whole + 1 if twice > per or (twice == per and whole & 1) else whole
