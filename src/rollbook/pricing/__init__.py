"""What a call cost: the price in force when it was made, per kind of token, rounded half-even once (R14).

The prices are the dated tables of the package ``genai-prices``, and before them those of a file of the user's own
(:class:`Prices`). Both are loaded at the first price that is asked for, never on import, and every answer to "which
prices, when" is kept as a card of whole numbers.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.pricing.card import cost_nano

if TYPE_CHECKING:
    from rollbook.model import Tokens
    from rollbook.pricing.catalogue import Regimes
    from rollbook.pricing.files import PriceFile

TIERS: Final = ("standard", "batch", "flex", "priority", "fast")
REMEMBERED: Final = 4096  #: triples of model, provider and tier; a fleet uses dozens, and names come from outside


class Price(msgspec.Struct, frozen=True):
    """What one call cost, and the version of the tables that say so."""

    cost_nano: int  #: nano-dollars
    version: str  #: such as ``genai-prices/0.2.3``, or a price file's own


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


@lru_cache(maxsize=REMEMBERED)
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


class Prices:
    """What calls cost: by a price file of the user's own where it has a price, else by the shipped tables.

    The file is read when the first price is asked for, and then no more: what it says from then on is seen by those who
    open the book anew. One that cannot be used raises InvalidInput whenever a price is asked for.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        if path is not None and not isinstance(path, str | os.PathLike):
            raise InvalidInput(f"a price file is named by its path, not by {type(path).__name__}")
        # Made absolute here, so that it stays the same file in whatever folder the process goes on.
        self.path = None if path is None else os.path.abspath(os.path.expanduser(os.fspath(path)))  # noqa: PTH100, PTH111 - a str
        self._file: PriceFile | None = None
        self._refused = ""

    def __call__(
        self, model: str | None, provider: str | None, tokens: Tokens, at: int, *, tier: str = "standard"
    ) -> Price | None:
        """What :func:`price` answers, but by the file where it has a price for such a call at that time."""
        if not model or model[0] == "<":
            return None
        file = self.load()
        found = None if file is None else file(model, provider, tokens, at, tier=tier)
        if found is not None:
            return found
        return price(model, provider, tokens, at, tier=tier)

    def load(self) -> PriceFile | None:
        """Read the file, if there is one and it was not read yet. Raises InvalidInput for one that cannot be used."""
        if self._file is None and self.path is not None:
            if self._refused:
                raise InvalidInput(self._refused)
            from rollbook.pricing import files  # noqa: PLC0415 - most books have none, and reading a book needs none

            try:
                self._file = files.read(self.path)
            except InvalidInput as error:
                self._refused = str(error)
                raise
        return self._file

    def warm(self) -> None:
        """Load everything now, so that no call has to wait for it."""
        warm()
        self.load()
