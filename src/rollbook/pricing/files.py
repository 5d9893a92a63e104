"""A price file of the user's own: read, checked entry by entry, and compiled into rate cards.

A file is refused as a whole by the first thing in it that cannot be right, since a price that is silently wrong costs
more than one that is missing. Every complaint names the file, the entry and the field. Numbers are decimal from the
text on, so that what was written is what is billed.
"""

from __future__ import annotations

import json
import re
import stat
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from rollbook.errors import InvalidInput
from rollbook.model import NANO, Tokens, to_micros
from rollbook.pricing import REMEMBERED, TIERS, Price, names
from rollbook.pricing.card import KINDS, Card, cost_nano
from rollbook.pricing.rates import ANY_SIZE, BySize, compiled
from rollbook.rules import checks

MOST_BYTES: Final = 1_000_000
MOST_ENTRIES: Final = 10_000
MOST_BANDS: Final = 20  #: in one entry
MOST_PER_MILLION: Final = 100_000  #: dollars for a million tokens; far above every price that was ever asked
MOST_PER_REQUEST: Final = 10_000  #: dollars
MOST_DECIMALS: Final = 18
_VERSION_BYTES: Final = 100
_SHIPPED: Final = "genai-prices"  #: the name under which the shipped tables sign

_TOP: Final = ("version", "price")
_ENTRY: Final = ("model", "provider", "tier", "from", *KINDS, "per_request", "bands", "free")
_BAND: Final = ("above", *KINDS)
_REQUIRED: Final = ("input", "output")
#: What a kind of token without a price of its own is billed as.
_BILLED_AS: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_in": "input",
    "audio_out": "output",
}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALWAYS: Final = -(2**62)  #: from when a price without a date holds


class Sold(NamedTuple):
    """What one series of entries has in common: they differ by the day from which they hold."""

    model: str  #: in small letters; ``*`` stands for any text
    provider: str  #: as price tables spell it; empty is any
    tier: str


class Series:
    """The cards of one model, provider and tier in the order of the days from which they hold."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.cards: list[Card] = []
        self.numbers: list[int] = []  #: of the entries

    def add(self, start: int, card: Card, number: int) -> None:
        """Take in the card of an entry, which holds from ``start`` on."""
        place = bisect_right(self.starts, start)
        self.starts.insert(place, start)
        self.cards.insert(place, card)
        self.numbers.insert(place, number)


class PriceFile:
    """The prices of one file."""

    def __init__(self, path: str, version: str, series: Mapping[Sold, Series]) -> None:
        self.path = path
        self.version = version
        self._exact: dict[tuple[str, str], list[tuple[Sold, Series]]] = {}
        self._patterns: list[tuple[Sold, Series]] = []
        for sold, cards in series.items():
            if "*" in sold.model:
                self._patterns.append((sold, cards))
            else:
                self._exact.setdefault((sold.model, sold.tier), []).append((sold, cards))
        # The more a pattern says, the closer it is; then a provider's own price comes before anybody's. Equals stay in
        # the order of the file.
        self._patterns.sort(key=lambda item: (-len(item[0].model.replace("*", "")), not item[0].provider))
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._find)

    def __call__(self, model: str, provider: str | None, tokens: Tokens, at: int, *, tier: str) -> Price | None:
        """The cost of a call by the closest entry in force at that time; None where there is none.

        Raises InvalidInput where the file makes one call cost more than any call may.
        """
        for series in self._remembered(model, provider, tier):
            place = bisect_right(series.starts, at)
            if place:
                cost = cost_nano(series.cards[place - 1], tokens) or 0
                if cost > checks.MAX_COST_USD * NANO:
                    said = f"{self.path}: price {series.numbers[place - 1]} ({model}) makes one call cost"
                    raise InvalidInput(f"{said} ${cost // NANO:,}; at most ${checks.MAX_COST_USD:,} is possible")
                return Price(cost, self.version)
        return None

    def _find(self, model: str, provider: str | None, tier: str) -> tuple[Series, ...]:
        """Everything that may price such a call, closest first."""
        seller = names.provider_key(provider or "")
        spelled = spellings(model)
        found: list[Series] = []
        for name in spelled:
            offers = [item for item in self._exact.get((name, tier), ()) if item[0].provider in ("", seller)]
            found += [series for _, series in sorted(offers, key=lambda item: not item[0].provider)]
        for sold, series in self._patterns:
            if sold.tier == tier and sold.provider in ("", seller) and any(_fits(sold.model, it) for it in spelled):
                found.append(series)
        return tuple(found)


def spellings(model: str) -> list[str]:
    """The names by which a file may mean a model: as it is said, without what says nothing of its price, undated."""
    said = model.strip().lower()
    ref = names.model_ref(model)
    return list(dict.fromkeys((said, ref, ref[: names.stem_length(ref, bedrock=False)])))


def _fits(pattern: str, name: str) -> bool:
    """Whether a name is the pattern with some text for each ``*``; in one pass, whatever the pattern is."""
    first, *between, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    place, end = len(first), len(name) - len(last)
    for part in between:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


# Reading


def read(path: str) -> PriceFile:
    """The prices of a file. Raises InvalidInput, which names the file, the entry and the field that is wrong."""
    document = _document(path, _text(path))
    if unknown := document.keys() - set(_TOP):
        raise InvalidInput(f"{path}: unknown key {checks.said(min(unknown))}; a price file has {' and '.join(_TOP)}")
    version = _version(path, document.get("version"))
    entries = document.get("price")
    if not isinstance(entries, list) or not entries:
        raise InvalidInput(f"{path}: there are no prices; each is a table [[price]]")
    if len(entries) > MOST_ENTRIES:
        raise InvalidInput(f"{path}: {len(entries):,} prices are too many; at most {MOST_ENTRIES:,} are allowed")
    series: dict[Sold, Series] = {}
    for number, table in enumerate(entries, start=1):
        entry = _Entry(path, number, table)
        sold, start, card = entry.sold(), entry.start(), entry.card()
        cards = series.setdefault(sold, Series())
        if start in cards.starts:
            earlier = cards.numbers[cards.starts.index(start)]
            raise entry.wrong("model", f"the same model, provider, tier and day as price {earlier}")
        cards.add(start, card, number)
    return PriceFile(path, version, series)


def _text(path: str) -> str:
    try:
        # A pipe would be waited for, and a device never ends.
        regular = stat.S_ISREG(Path(path).stat().st_mode)
        data = b""
        if regular:
            with Path(path).open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path}: the price file cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InvalidInput(f"{checks.said(path)} is no name of a file") from None
    if not regular:
        raise InvalidInput(f"{path}: not a file")
    if len(data) > MOST_BYTES:
        raise InvalidInput(f"{path}: the price file is too large; at most {MOST_BYTES:,} bytes are read")
    if not data.strip():
        raise InvalidInput(f"{path}: the price file is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: the price file is not UTF-8 text") from None


def _document(path: str, text: str) -> dict[str, Any]:
    form = "JSON" if path.lower().endswith(".json") else "TOML"
    try:
        found = _json(text) if form == "JSON" else tomllib.loads(text, parse_float=_decimal)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(f"{path}: the price file is not {form}: {reason}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{path}: a price file is an object with {' and '.join(_TOP)}")
    return found


def _json(text: str) -> Any:
    return json.loads(text, parse_float=_decimal, parse_constant=Decimal, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return Decimal("NaN")


def _version(path: str, value: Any) -> str:
    if value is None:
        raise InvalidInput(f"{path}: version is missing: the name under which costs show that they come from this file")
    try:
        version = checks.text(value, "version", _VERSION_BYTES)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    if version.lower().startswith(_SHIPPED):
        raise InvalidInput(f"{path}: version must not begin with {_SHIPPED}, as that names the shipped tables")
    return version


class _Entry:
    """One entry of a file while it is checked."""

    def __init__(self, path: str, number: int, table: object) -> None:
        self._where = f"{path}: price {number}"
        if not isinstance(table, dict):
            raise InvalidInput(f"{self._where}: must be a table of fields")
        self._table: dict[str, Any] = table
        if isinstance(model := table.get("model"), str):
            self._where += f" ({checks.said(model)})"
        self._known(table, _ENTRY)

    def wrong(self, field: str, said: str) -> InvalidInput:
        return InvalidInput(f"{self._where}, {field}: {said}")

    def _known(self, table: dict[str, Any], fields: Iterable[str], prefix: str = "") -> None:
        if unknown := table.keys() - set(fields):
            raise self.wrong(prefix + checks.said(min(unknown)), f"unknown field; it is one of {', '.join(fields)}")

    def _name(self, field: str, check: Callable[[str], str | None]) -> str:
        value = self._table.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(field, "must be text")
        try:
            return (check(value) or "").strip()
        except InvalidInput as error:
            raise self.wrong(field, str(error)) from None

    def sold(self) -> Sold:
        """What the entry is for."""
        model = self._name("model", checks.model).lower()
        if not model:
            raise self.wrong("model", "missing; it is a model's name, in which * stands for any text")
        provider = self._name("provider", lambda value: checks.name(value, "provider"))
        tier = self._table.get("tier", "standard")
        if tier not in TIERS:
            raise self.wrong("tier", f"unknown tier {checks.said(tier)}; it is one of {', '.join(TIERS)}")
        return Sold(re.sub(r"\*+", "*", model), names.provider_key(provider), tier)

    def start(self) -> int:
        """The midnight (UTC) from which the entry holds."""
        value = self._table.get("from")
        if value is None:
            return _ALWAYS
        if isinstance(value, str) and _DAY.fullmatch(value):
            try:
                value = date.fromisoformat(value)
            except ValueError:
                raise self.wrong("from", f"there is no such day as {value}") from None
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong("from", f"must be a day such as 2026-07-01, not {checks.said(value)}")
        return to_micros(datetime.combine(value, time(), UTC))

    def card(self) -> Card:
        """The entry's prices as a rate card."""
        table = self._table
        free = table.get("free", False)
        if not isinstance(free, bool):
            raise self.wrong("free", f"must be true or false, not {checks.said(free)}")
        if free:
            if priced := [field for field in (*KINDS, "per_request", "bands") if field in table]:
                raise self.wrong(priced[0], "what is free has no prices")
            return compiled({kind: {ANY_SIZE: Fraction(0)} for kind in KINDS})
        for field in _REQUIRED:
            if field not in table:
                raise self.wrong(field, "missing; dollars per million tokens (0 if it costs nothing, or free = true)")
        own: dict[str, BySize] = {kind: {ANY_SIZE: self._price(table, kind)} for kind in KINDS if kind in table}
        for above, band in self._bands():
            for kind in KINDS:
                if kind in band:
                    own[kind][above] = self._price(band, kind, f"bands above {above}, ")
        fee = self._price(table, "per_request", most=MOST_PER_REQUEST) if "per_request" in table else Fraction(0)
        return compiled({kind: _rates_of(own, kind) for kind in KINDS}, fee=fee)

    def _price(self, table: dict[str, Any], field: str, prefix: str = "", most: int = MOST_PER_MILLION) -> Fraction:
        """A number of dollars, exactly as it was written."""
        value = table[field]
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.wrong(prefix + field, f"must be a number, not {checks.said(value)}")
        if isinstance(value, Decimal) and not value.is_finite():
            raise self.wrong(prefix + field, "must be a finite number")
        if value < 0:
            raise self.wrong(prefix + field, f"must not be negative, but is {_short(value)}")
        if value > most:
            per = "a request" if field == "per_request" else "a million tokens"
            raise self.wrong(prefix + field, f"too large: at most ${most:,} for {per} is taken, not {_short(value)}")
        if isinstance(value, Decimal) and int(value.as_tuple().exponent) < -MOST_DECIMALS:
            raise self.wrong(prefix + field, f"more than {MOST_DECIMALS} digits after the point")
        return Fraction(value)

    def _bands(self) -> list[tuple[int, dict[str, Any]]]:
        """The bands for long requests, by the number of tokens above which they hold."""
        bands = self._table.get("bands", [])
        if not isinstance(bands, list) or not all(isinstance(band, dict) for band in bands):
            raise self.wrong("bands", "must be a list such as [{ above = 200_000, input = 6, output = 22.5 }]")
        if len(bands) > MOST_BANDS:
            raise self.wrong("bands", f"too many; at most {MOST_BANDS} are allowed")
        found: dict[int, dict[str, Any]] = {}
        for band in bands:
            self._known(band, _BAND, "bands, ")
            above = band.get("above")
            if isinstance(above, bool) or not isinstance(above, int) or not 0 < above <= checks.MAX_TOKENS:
                raise self.wrong("bands, above", "must be a number of tokens, such as 200_000")
            if above in found:
                raise self.wrong("bands, above", f"there are two bands above {above}")
            if not band.keys() & set(KINDS):
                raise self.wrong(f"bands above {above}", f"no price; it is of {', '.join(KINDS)}")
            for kind in KINDS:
                if kind in band and kind not in self._table:
                    raise self.wrong(f"bands above {above}, {kind}", f"the entry itself gives no price for {kind}")
            found[above] = band
        return list(found.items())


def _rates_of(own: dict[str, BySize], kind: str) -> BySize:
    """A kind's own prices, or those of the kind as which it is billed."""
    while kind not in own:
        kind = _BILLED_AS[kind]
    return own[kind]


def _short(value: int | Decimal) -> str:
    """A number that may have thousands of digits."""
    return checks.said(value) if isinstance(value, int) else f"{value:.6g}"
