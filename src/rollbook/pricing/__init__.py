"""What a call cost: the price in force when it was made, per kind of token, rounded half-even once (R14).

The prices are the dated tables of the package ``genai-prices``. They are loaded at the first price that is asked for,
never on import, and every answer to "which prices, when" is kept as a card of whole numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from rollbook.pricing.card import cost_nano

if TYPE_CHECKING:
    from rollbook.model import Tokens
    from rollbook.pricing.catalogue import Regimes

TIERS: Final = ("standard", "batch", "flex", "priority", "fast")
_REMEMBERED: Final = 4096  #: triples of model, provider and tier; a fleet uses dozens, and names come from outside


class Price(msgspec.Struct, frozen=True):
    """What one call cost, and the version of the tables that say so."""

    cost_nano: int  #: nano-dollars
    version: str  #: such as ``genai-prices/0.2.3``


def price(model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard") -> Price | None:
    """The cost of one call made at ``at`` (microseconds UTC), or None where no price is known; that is never $0.

    - *The model* is found by its exact name or a dated snapshot of it. A name that merely begins like a known one
      (``claude-opus-4-10`` beside ``claude-opus-4-1``) has no price. Neither have ``<synthetic>`` and an empty name.
    - *The provider* is whoever sends the bill. One that is not known (a local server, a gateway of one's own) has no
      price, whatever its model is called. Without one, what the name says counts: a leading ``openrouter/`` or
      ``bedrock/``, Bedrock's form ``us.anthropic.…``, or else the list price of the model's maker.
    - *Long context*: the tier is chosen by everything that this one request read, and then holds for all of its tokens.
    - *A kind without a price of its own* is billed as the kind it belongs to: cache reads and writes as input, the
      one-hour cache as the five-minute one (of a Claude model: twice its input), reasoning as output, audio as input
      or output. If there is none either, a call that has such tokens has no price; an embedding model has no output.
    - *An empty price list* may mean free, withdrawn or part of a subscription, so it is no price. It is $0 only for
      what is sold under a name that says so (``…:free``).
    - *A tier* other than ``standard`` has a price where the tables give one for that tier at that time; a kind that
      they leave out there is one that the provider bills as usual. Batches at Anthropic are billed at half the standard
      price, also before the tables list it. Anywhere else, and for a tier of any other name, there is no price: the
      standard one is never put in its place.
    """
    if not model or model[0] == "<":
        return None
    regimes = _regimes(model, provider, tier)
    if regimes is None:
        return None
    card = regimes.card(at)
    if card is None:
        return None
    cost = cost_nano(card, tokens)
    return None if cost is None else Price(cost, regimes.version)


@lru_cache(maxsize=_REMEMBERED)
def _regimes(model: str, provider: str | None, tier: str) -> Regimes | None:
    """All that ``price`` needs of the tables for one model, provider and tier."""
    if tier not in TIERS:
        return None
    from rollbook.pricing import catalogue  # noqa: PLC0415 - it takes up to a second to load, and most commands need none

    return catalogue.regimes(model, provider, tier)


def warm() -> None:
    """Load the price tables now, so that no call has to wait for it."""
    from rollbook.pricing import catalogue  # noqa: PLC0415 - that is what takes the time

    catalogue.regimes("warm", None, "standard")
