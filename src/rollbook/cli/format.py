"""Values as people read them: money, tokens, times, and text that came from elsewhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from rollbook.model import NANO

NONE: Final = "-"  #: shown where there is nothing, or no price
_FOUR_DIGITS: Final = NANO // 10_000  #: nano-dollars in the last digit that costs show
_UNITS: Final = "kMBTPE"
_BYTE_UNITS: Final = (" kB", " MB", " GB", " TB")
_STEP: Final = 1000
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400

#: Whole terminal control sequences: CSI, strings (OSC, DCS, PM, APC, SOS) up to their end, and the two-character ones.
_ANSI: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_SPACES: Final = re.compile(r"\s+")
_TAB: Final = 4  #: columns
_JOINERS: Final = "\u200c\u200d"  #: without them emoji and several scripts fall apart


class Costed(Protocol):
    """What has a cost of which a part may be missing."""

    @property
    def cost_usd(self) -> float | None: ...
    @property
    def cost_nano_usd(self) -> int: ...
    @property
    def unpriced_calls(self) -> int: ...


def money(nano: int) -> str:
    """Nano-dollars with four digits after the point, and with more where four would show nothing."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    if 0 < nano < _FOUR_DIGITS // 2:
        return f"{sign}$0.{nano:09d}".rstrip("0")
    units = (nano + _FOUR_DIGITS // 2) // _FOUR_DIGITS
    return f"{sign}${units // 10_000:,}.{units % 10_000:04d}"


def cost(row: Costed) -> str:
    """A cost: ``-`` where no call has a price, ``>=`` where some have none."""
    if row.cost_usd is None:
        return NONE
    return (">=" if row.unpriced_calls > 0 else "") + money(row.cost_nano_usd)


def tokens(count: int) -> str:
    """A number of tokens in at most a few characters: 999, 1.0k, 1.2M."""
    return _short(count, _UNITS)


def size(count: int) -> str:
    """A number of bytes."""
    return _short(count, _BYTE_UNITS) + (" B" if count < _STEP else "")


def _short(count: int, units: Sequence[str]) -> str:
    """A number with one digit after the point, in the first unit in which it does not round up to the next."""
    sign, count = ("-", -count) if count < 0 else ("", count)
    if count < _STEP:
        return f"{sign}{count}"
    step, tenths, unit = 1, 0, ""
    for unit in units:  # noqa: B007 - the unit at which the search ends is the one to show
        step *= _STEP
        tenths = (count * 10 + step // 2) // step
        if tenths < 10 * _STEP:
            break
    return f"{sign}{tenths // 10}.{tenths % 10}{unit}"


def ago(then: datetime, now: datetime) -> str:
    """How long ago that was; a date where it was long ago."""
    seconds = int((now - then).total_seconds())
    if seconds < 0:
        return f"in {_coarse(-seconds)}"
    if seconds >= 30 * _DAY:
        return then.astimezone().date().isoformat()
    return f"{_coarse(seconds)} ago"


def _coarse(seconds: int) -> str:
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR}h"
    return f"{seconds // _DAY}d"


def moment(then: datetime) -> str:
    """A time to the second, on this machine's clock."""
    return then.astimezone().isoformat(sep=" ", timespec="seconds")


def duration(seconds: float) -> str:
    """A span in its two largest units."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02d}h"


def clean(text: str | None) -> str:
    """Text from elsewhere, on one line and harmless to a terminal.

    Control sequences are taken out, line breaks become spaces, and other control, direction and invisible characters
    are written as escapes: two ids that differ must not look the same.
    """
    if text is None:
        return NONE
    if text.isprintable():
        return text
    return "".join(map(_visible, _SPACES.sub(" ", _ANSI.sub("", text)).strip()))


def lines(text: str) -> list[str]:
    """The same on as many lines as it has, each with the blanks that it begins with."""
    found = _ANSI.sub("", text).expandtabs(_TAB).splitlines()
    return [line if line.isprintable() else "".join(map(_visible, line)) for line in map(str.rstrip, found)]


def _visible(char: str) -> str:
    if char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode("ascii")
