"""The dated price tables of ``genai-prices``: which model is meant, which prices were in force, as rate cards.

Loading this module loads the tables, so it is imported at the first price only. The package's own look-up is not used:
it takes a name that begins like a known one for that one, and falls back to standard prices where a tier has none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

from genai_prices import __version__ as tables_version
from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ConditionalPrice,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from rollbook.model import HOUR_US, from_micros, to_micros
from rollbook.pricing import names
from rollbook.pricing.card import KINDS, Card
from rollbook.pricing.rates import ANY_SIZE, BySize, compiled

_DAY_US: Final = 24 * HOUR_US
_VERSION: Final = f"genai-prices/{tables_version}"
_ANTHROPIC_BATCH: Final = Fraction(1, 2)  #: of the standard price, since Anthropic takes batches
_CLAUDE_CACHE_1H: Final = 2  #: times the input price, wherever a Claude model runs
_FREE: Final = ":free"  #: the tables leave a zero out, so that an empty price is free only where the name says so

#: How the tables name what a request was sent with.
_CONTEXTS: Final[dict[str, dict[str, str]]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}

#: For each kind of token where its price stands: the first of these that the model has.
_SOURCES: Final = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write": ("cache_write_mtok", "cache_write_5m_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_in": ("input_audio_mtok", "input_mtok"),
    "audio_out": ("output_audio_mtok", "output_mtok"),
}


class Offer(NamedTuple):
    """A model as one provider sells it."""

    provider: Provider
    model: ModelInfo
    own: bool  #: in the provider's own table, not borrowed from the maker's


class Regimes:
    """The cards of one offer in one tier, by the time for which they hold."""

    version: Final = _VERSION

    def __init__(self, offer: Offer, tier: str) -> None:
        self._offer = offer
        self._tier = tier
        self._days, self._times = _turning_points(offer.model)
        self._cards: dict[tuple[int, int], Card | None] = {}

    def card(self, at: int) -> Card | None:
        """The card in force at ``at``; None where the tier has no price then."""
        # Between two turning points of the calendar and of the day nothing changes, so their ranks name the regime.
        key = (bisect_right(self._days, at), bisect_right(self._times, at % _DAY_US) if self._times else 0)
        try:
            return self._cards[key]
        except KeyError:
            card = self._cards[key] = _card(self._offer, self._tier, from_micros(at))
            return card


def regimes(model: str, provider: str | None, tier: str) -> Regimes | None:
    """The prices of a model as agents name it, or None if no table has it."""
    offer = find(model, provider)
    return None if offer is None else Regimes(offer, tier)


def find(model: str, provider: str | None) -> Offer | None:
    """Whose table has this model, and where in it."""
    ref = names.model_ref(model)
    if not ref:
        return None
    key = names.provider_key(provider or "")
    if names.is_bedrock(ref) and key in ("", "anthropic", "aws", *names.ROUTERS):
        return _offer(_by_id()["aws"], ref)
    route, _, rest = ref.partition("/")
    routed = _by_id().get(names.provider_key(route)) if rest else None
    if key and key not in names.ROUTERS:
        seller = _by_id().get(key)
        if seller is None:
            return None
        return _offer(seller, ref) or (_offer(seller, rest) if routed is seller else None)
    if routed is not None:
        return _offer(routed, rest)
    return next((offer for seller in _makers(ref) if (offer := _offer(seller, ref))), None)


@cache
def _by_id() -> dict[str, Provider]:
    return {names.provider_key(provider.id): provider for provider in providers}


def _makers(ref: str) -> list[Provider]:
    """Whose model this is by its name alone. Open weights that the maker does not sell have no list price."""
    if "gpt-oss" in ref:
        return []
    return [seller for seller in providers if seller.model_match is not None and seller.model_match.is_match(ref)]


def _offer(seller: Provider, ref: str) -> Offer | None:
    """The model in the seller's table, or in the tables of the makers whose models it resells."""
    for source in (seller, *(_by_id()[other] for other in seller.fallback_model_providers or ())):
        for spelling in names.spellings(ref):
            stem = names.stem_length(spelling, bedrock=seller.id == "aws")
            for model in source.models:
                if _means(model.match, spelling, stem) or (spelling == model.id.lower() and model.is_match(spelling)):
                    return Offer(seller, model, own=source is seller)
    return None


def _means(clause: MatchLogic, ref: str, stem: int) -> bool:
    """Whether the clause fits the whole name, but for a vendor's prefix and the suffix of a snapshot."""
    if isinstance(clause, ClauseOr):
        return any(_means(part, ref, stem) for part in clause.or_)
    if isinstance(clause, ClauseAnd):
        return clause.is_match(ref) and any(_means(part, ref, stem) for part in clause.and_)
    span = _span(clause, ref)
    return span is not None and span[1] >= stem and names.is_prefix(ref[: span[0]])


def _span(
    clause: ClauseEquals | ClauseStartsWith | ClauseEndsWith | ClauseContains | ClauseRegex, ref: str
) -> tuple[int, int] | None:
    """From where to where in the name the clause has an opinion, if it fits at all."""
    if not clause.is_match(ref):
        return None
    match clause:
        case ClauseStartsWith(starts_with=text):
            return 0, len(text)
        case ClauseEndsWith(ends_with=text):
            return len(ref) - len(text), len(ref)
        case ClauseContains(contains=text):
            start = ref.index(text.lower())
            return start, start + len(text)
        case ClauseRegex(regex=pattern):
            found = re.search(pattern, ref)
            return found.span() if found else None
        case ClauseEquals():
            return 0, len(ref)


def _turning_points(model: ModelInfo) -> tuple[list[int], list[int]]:
    """The midnights from which, and the times of the day at which, the model's prices may change; in microseconds."""
    conditions: list[ConditionalPrice | PriceVariant] = [*(model.price_variants or ())]
    if not isinstance(model.prices, ModelPrice):
        conditions.extend(model.prices)
    days: set[int] = set()
    times: set[int] = set()
    for condition in conditions:
        match condition.constraint:
            case StartDateConstraint(start_date=day):
                days.add(to_micros(datetime.combine(day, time(), UTC)))
            case TimeOfDateConstraint(start_time=start, end_time=end):
                times.update((_time_of_day(start), _time_of_day(end)))
            case None:
                pass
    return sorted(days), sorted(times)


def _time_of_day(moment: time) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return to_micros(datetime.combine(date(2000, 1, 1), aware)) % _DAY_US


def _card(offer: Offer, tier: str, at: datetime) -> Card | None:
    """The card of one regime, made at any moment in it."""
    context = _CONTEXTS[tier]
    factor = Fraction(1)
    if context and not _is_listed(offer, context, at):
        if tier != "batch" or offer.provider.id != "anthropic":
            return None
        factor = _ANTHROPIC_BATCH
    prices = replace(offer.model, prices=_begun(offer.model.prices, at)).get_prices(at, context or None)
    rates = {kind: _rate(prices, sources) for kind, sources in _SOURCES.items()}
    if "claude" in offer.model.id and prices.cache_write_1h_mtok is None and prices.input_mtok is not None:
        rates["cache_write_1h"] = {start: rate * _CLAUDE_CACHE_1H for start, rate in rates["input"].items()}
    if not any(rates.values()):
        if not offer.model.id.endswith(_FREE):
            return None
        rates = {kind: {ANY_SIZE: Fraction(0)} for kind in KINDS}
    fee = prices.requests_kcount
    return compiled(rates, factor=factor, fee=Fraction(fee) / 1000 if isinstance(fee, Decimal) else Fraction(0))


def _begun(prices: ModelPrice | list[ConditionalPrice], at: datetime) -> ModelPrice | list[ConditionalPrice]:
    """The prices without the hours of the day that come with a date still ahead.

    The tables cannot say "from this day on, at these hours": they list the hours after the day's own price.
    """
    if isinstance(prices, ModelPrice):
        return prices
    begun = True
    kept = []
    for condition in prices:
        if isinstance(condition.constraint, StartDateConstraint):
            begun = condition.constraint.active(at)
        if begun or not isinstance(condition.constraint, TimeOfDateConstraint):
            kept.append(condition)
    return kept


def _is_listed(offer: Offer, context: dict[str, str], at: datetime) -> bool:
    """Whether the seller has a price for just this tier at that time; a maker's tiers are not a reseller's."""
    return offer.own and any(
        variant.when.items() <= context.items() and (variant.constraint is None or variant.constraint.active(at))
        for variant in offer.model.price_variants or ()
    )


def _rate(prices: ModelPrice, sources: tuple[str, ...]) -> BySize:
    """Dollars per million tokens by the size above which they hold; empty if there is no price."""
    value: Decimal | TieredPrices | None = next((v for key in sources if (v := getattr(prices, key)) is not None), None)
    if value is None:
        return {}
    if isinstance(value, TieredPrices):
        return {ANY_SIZE: Fraction(value.base)} | {tier.start: Fraction(tier.price) for tier in value.tiers}
    return {ANY_SIZE: Fraction(value)}
