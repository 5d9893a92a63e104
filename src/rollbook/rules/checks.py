"""What is acceptable from outside: every limit, in one place, with an error that says what to do.

All checks are made before anything is queued, so a refused value never reaches a database.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from rollbook.errors import InvalidInput
from rollbook.model import CHANNELS, MICROS, NANO, Kind, Status, Tokens, to_micros
from rollbook.rules.windows import Window
from rollbook.settings import USER_NAMESPACE

Range = str | datetime | timedelta | float | None  #: one end of a range of time, as callers say it

MAX_ID_BYTES: Final = 512
MAX_MODEL_BYTES: Final = 256
MAX_TITLE_BYTES: Final = 1024
MAX_GOAL_BYTES: Final = 64 * 1024
MAX_METADATA_BYTES: Final = 16 * 1024
MAX_TAGS: Final = 64
MAX_ALIASES: Final = 16
MAX_TOKENS: Final = 10**12  #: of one kind in one call: sums of millions of such calls still fit 64 bits
MAX_COST_USD: Final = 10**6  #: of one call
MAX_TOTAL_TOKENS: Final = 10**15  #: of one session, where a caller gives absolute counters
MAX_TOTAL_USD: Final = 10**7  #: the same for cost
MAX_COUNT: Final = 10**9  #: turns and other plain counters
MAX_LIMIT: Final = 500
FIRST_TIME: Final = 946_684_800 * MICROS  #: 2000-01-01; a time before it is a mistake
LAST_TIME: Final = 253_402_300_799 * MICROS  #: the end of the year 9999
CLOCK_SLACK_US: Final = 300 * MICROS  #: how far ahead of our clock a time may be before it is taken as now

STATUSES: Final = tuple(str(status) for status in Status)
KINDS: Final = tuple(str(kind) for kind in Kind)
_BEYOND_S: Final = 10**12
_SHOWN_MOST: Final = 10**30
_SHOWN_CHARS: Final = 80
_METADATA_DEPTH: Final = 64
_NANO: Final = Decimal(NANO)
_STATUS_ALIASES: Final = {"active": "running", "crashed": "unknown"}
_RANGE: Final = re.compile(r"([1-9][0-9]{0,5})([hd])")


def text(value: str, what: str, most: int) -> str:
    """A name or id: NFC, not empty, no control characters, at most that many bytes of UTF-8."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, not {type(value).__name__}")
    # Nearly every name is plain, and then there is nothing more to ask.
    if value.isascii() and value.isprintable() and len(value) <= most and not value.isspace() and value:
        return value
    return _text(value, what, most)


@lru_cache(maxsize=65_536)
def _text(value: str, what: str, most: int) -> str:
    value = unicodedata.normalize("NFC", value)
    if not value or value.isspace():
        raise InvalidInput(f"{what} must not be empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} contains a lone surrogate, which is not text") from None
    if size > most:
        raise InvalidInput(f"{what} is {size} bytes long; at most {most} are allowed")
    if not value.isprintable() and any(unicodedata.category(char) == "Cc" for char in value):
        raise InvalidInput(f"{what} contains a control character")
    return value


def prose(value: str | None, what: str, most: int) -> str | None:
    """A text that may have several lines; NUL and lone surrogates are refused, the rest is kept as given."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be text, not {type(value).__name__}")
    if "\x00" in value:
        raise InvalidInput(f"{what} contains a NUL character")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} contains a lone surrogate, which is not text") from None
    if size > most:
        raise InvalidInput(f"{what} is {size} bytes long; at most {most} are allowed")
    return value


def session_id(value: str) -> str:
    """A caller's own session id."""
    return text(value, "a session id", MAX_ID_BYTES)


def usage_id(value: str, what: str = "a usage id") -> str:
    """A call's own id, or another of its names."""
    return text(value, what, MAX_ID_BYTES)


def model(value: str | None) -> str | None:
    """A model's name; ``unknown`` is what a missing one is shown as, so it is none."""
    found = name(value, "model")
    return None if found == "unknown" else found


def name(value: str | None, what: str, most: int = MAX_MODEL_BYTES) -> str | None:
    """An optional name (agent, project, model, provider …); the empty string counts as none."""
    if value is None or value == "":
        return None
    return text(value, what, most)


@lru_cache(maxsize=65_536)
def _user(value: str) -> tuple[str, str | None]:
    try:
        return str(UUID(value)), None
    except ValueError:
        pass
    label = text(value.strip(), "a user", MAX_ID_BYTES)
    if "@" in label:
        label = label.lower()
    return str(uuid5(UUID(USER_NAMESPACE), label)), label


def user(value: str | UUID) -> tuple[str, str | None]:
    """The user's UUID and, where the user was given by name or e-mail, that name."""
    if isinstance(value, UUID):
        return str(value), None
    if not isinstance(value, str):
        raise InvalidInput(f"a user must be text, not {type(value).__name__}")
    return _user(value)


def dataset(value: str | UUID | None) -> str | None:
    """A dataset's UUID, dashed and lower-case."""
    if value is None:
        return None
    try:
        return str(value if isinstance(value, UUID) else UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(f"dataset_id must be a UUID, not {value!r}") from None


def choice(value: str | None, what: str, allowed: Iterable[str]) -> str | None:
    """One of a few words, or none."""
    return None if value is None else one_of(value, what, allowed)


def one_of(value: str, what: str, allowed: Iterable[str]) -> str:
    """One of a few words."""
    words = tuple(allowed)
    if not isinstance(value, str) or value not in words:
        raise InvalidInput(f"unknown {what} {said(value)}; it is one of {', '.join(words)}")
    return str(value)


def said(value: object) -> str:
    """A value as a message shows it: short, whatever it is."""
    if isinstance(value, int) and abs(value) > _SHOWN_MOST:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def kind(value: str | None) -> str | None:
    return choice(value, "kind", KINDS)


def channel(value: str | None) -> str | None:
    return choice(value, "channel", CHANNELS)


def status(value: str | None) -> str | None:
    """A status to filter by; ``active`` is running, ``crashed`` is unknown."""
    if isinstance(value, str):
        value = _STATUS_ALIASES.get(value, value)
    return choice(value, "status", STATUSES)


def end_status(value: str) -> str:
    """A status that a session can end with."""
    return one_of(value, "status to end with", ("completed", "failed", "cancelled"))


def moment(value: datetime | str | float | None, what: str, now: int) -> tuple[int, bool]:
    """A time in microseconds, and whether it was so far ahead of the clock that now was taken instead (R1).

    Accepts an aware ``datetime``, RFC 3339 text with a zone, or Unix seconds.
    """
    if value is None:
        return now, False
    micros = _micros(value, what)
    if micros < FIRST_TIME:
        raise InvalidInput(f"{what} is before the year 2000: {said(value)}")
    if micros > LAST_TIME:
        raise InvalidInput(f"{what} is after the year 9999: {said(value)}; numbers are Unix seconds")
    if micros > now + CLOCK_SLACK_US:
        return now, True
    return micros, False


def _micros(value: datetime | str | float, what: str) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidInput(f"{what} is not an RFC 3339 time: {said(value)}") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInput(f"{what} has no time zone: {value.isoformat()}; give one, such as +00:00")
        try:
            return to_micros(value)
        except OverflowError:
            raise InvalidInput(f"{what} is out of range: {value!r}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"{what} must be a time, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{what} must be a finite number of seconds")
    # A number beyond every calendar is cut to just beyond it, where the caller's bounds refuse it.
    return int(max(-_BEYOND_S, min(value, _BEYOND_S)) * MICROS)


def since(value: Range, now: int, what: str = "since") -> int | None:
    """The start (or ``until``: the end) of a range: ``24h``, ``7d`` …, ``all`` (none), a span, or a time."""
    if value is None or value == "all":
        return None
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise InvalidInput("a range must not be negative")
        return max(0, now - value // timedelta(microseconds=1))
    if isinstance(value, str) and (match := _RANGE.fullmatch(value)):
        return max(0, now - int(match[1]) * {"h": 3600, "d": 86_400}[match[2]] * MICROS)
    try:
        micros = _micros(value, what)
    except InvalidInput:
        micros = -1 - LAST_TIME
    if abs(micros) > LAST_TIME:
        raise InvalidInput(f"unknown range {said(value)}; it is 24h, 7d, 30d, all, or a time with a zone")
    return max(0, micros)


def window(since_: Range, until: Range, now: int) -> Window:
    """A range of time; its end, which is said like its start, is not in it."""
    found = Window(since(since_, now), None if until is None else since(until, now, "until"))
    if found.since is not None and found.until is not None and found.until < found.since:
        raise InvalidInput(f"the range ends before it begins: since {said(since_)}, until {said(until)}")
    return found


def count(value: Any, what: str, most: int) -> int:
    """A whole number from 0; true, fractions, NaN and infinity are refused."""
    if type(value) is not int:
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            raise InvalidInput(f"{what} must be a whole number, not the float {value!r}")
        raise InvalidInput(f"{what} must be a whole number, not {said(value)}")
    if value < 0:
        raise InvalidInput(f"{what} must not be negative: {said(value)}")
    if value > most:
        raise InvalidInput(f"{what} is too large: {said(value)}; at most {most} is allowed")
    return value


def tokens(value: Tokens | Mapping[str, int] | None, tokens_in: Any, tokens_out: Any) -> Tokens:
    """Token counts, given in disjoint kinds or as plain in and out (uncached input and visible output)."""
    if value is None:
        return Tokens(
            input=count(0 if tokens_in is None else tokens_in, "tokens_in", MAX_TOKENS),
            output=count(0 if tokens_out is None else tokens_out, "tokens_out", MAX_TOKENS),
        )
    if tokens_in is not None or tokens_out is not None:
        raise InvalidInput("give either tokens or tokens_in and tokens_out, not both")
    if not isinstance(value, Tokens):
        if not isinstance(value, Mapping):
            raise InvalidInput(f"tokens must be Tokens or a mapping, not {type(value).__name__}")
        if unknown := set(value) - set(Tokens.__struct_fields__):
            raise InvalidInput(
                f"unknown kind of tokens {min(map(str, unknown))!r}; it is one of {', '.join(Tokens.__struct_fields__)}"
            )
        value = Tokens(**value)
    for field in Tokens.__struct_fields__:
        count(getattr(value, field), f"tokens.{field}", MAX_TOKENS)
    return value


def cost(value: Any, most_usd: int = MAX_COST_USD) -> int | None:
    """A cost in dollars (int, float, Decimal or decimal text) as whole nano-dollars, rounded half-even once."""
    if value is None:
        return None
    if type(value) is float and 0 <= value <= most_usd:  # what nearly every cost is
        return _nano(Decimal(repr(value)))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise InvalidInput(f"cost_usd must be a number, not {type(value).__name__}")
    try:
        # repr() of a float is what its writer meant: 0.1, not the binary fraction beside it.
        amount = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise InvalidInput(f"cost_usd is not a number: {said(value)}") from None
    if not amount.is_finite():
        raise InvalidInput(f"cost_usd must be finite, not {said(value)}")
    if amount < 0:
        raise InvalidInput(f"cost_usd must not be negative: {said(value)}")
    if amount > most_usd:
        raise InvalidInput(f"cost_usd is too large: {said(value)}; at most {most_usd} is allowed")
    return _nano(amount)


def _nano(amount: Decimal) -> int:
    return int((amount * _NANO).to_integral_value(ROUND_HALF_EVEN))


def metadata(value: Mapping[str, Any] | None) -> str | None:
    """Metadata as JSON text: what JSON can say, without NUL characters and numbers that are none."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidInput("metadata must be a mapping with text keys")
    _plain(value, _METADATA_DEPTH)
    encoded = msgspec.json.encode(dict(value))
    if len(encoded) > MAX_METADATA_BYTES:
        raise InvalidInput(f"metadata is {len(encoded)} bytes as JSON; at most {MAX_METADATA_BYTES} are allowed")
    return encoded.decode()


def metadata_text(value: str) -> str:
    """Metadata that comes as JSON text."""
    try:
        found = msgspec.json.decode(value)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InvalidInput(f"metadata is not JSON: {error}") from None
    return str(metadata(found))


def _plain(value: Any, depth: int) -> None:
    """Refuse what JSON cannot say, or what could not be read back as it was."""
    if depth == 0:
        raise InvalidInput(f"metadata is nested more than {_METADATA_DEPTH} deep")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidInput("metadata must be a mapping with text keys")
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            _plain(item, depth - 1)
    else:
        _scalar(value)


def _scalar(value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        prose(value, "metadata", MAX_METADATA_BYTES)
    elif not isinstance(value, int | float):
        raise InvalidInput(f"metadata is not JSON: it holds a value of type {type(value).__name__}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"metadata holds a number that JSON cannot say: {value!r}")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise InvalidInput(f"metadata holds a number beyond 64 bits: {said(value)}")


def tags(value: Iterable[str] | None) -> tuple[str, ...] | None:
    """Tags, without repeats and in order."""
    if value is None:
        return None
    if isinstance(value, str):
        raise InvalidInput("tags must be a list of texts, not one text")
    if not isinstance(value, Iterable):
        raise InvalidInput(f"tags must be a list of texts, not {type(value).__name__}")
    found = sorted({str(name(tag, "a tag") or "") for tag in value} - {""})
    if len(found) > MAX_TAGS:
        raise InvalidInput(f"at most {MAX_TAGS} tags are allowed, not {len(found)}")
    return tuple(found)


def aliases(value: Iterable[str]) -> tuple[str, ...]:
    """Other names of a call (request id, response id …)."""
    if isinstance(value, str):
        raise InvalidInput("aliases must be a list of texts, not one text")
    if not isinstance(value, Iterable):
        raise InvalidInput(f"aliases must be a list of texts, not {type(value).__name__}")
    found = tuple(dict.fromkeys(usage_id(alias, "an alias") for alias in value))
    if len(found) > MAX_ALIASES:
        raise InvalidInput(f"at most {MAX_ALIASES} aliases are allowed, not {len(found)}")
    return found


def utc_now() -> int:
    """The clock, in microseconds."""
    return time.time_ns() // 1_000
