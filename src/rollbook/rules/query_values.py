"""Values in a query: names with gaps, spans, moments. Each has one way in which it is written."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

from rollbook.model import MICROS, from_micros, to_micros
from rollbook.rules import checks

_BARE: Final = re.compile(r'[^\s"*,\\]+')
_RESERVED: Final = frozenset({"none"})
_FAMILY: Final = "claude-"  #: with which names of models begin that people call by what stands behind it
_SPAN: Final = re.compile(r"([1-9]\d{0,8})([smhdw])")
_UNITS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def quoted(text: str) -> str:
    """A text in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def lowered(text: str) -> str:
    """A text with small letters, as far as databases agree on which those are."""
    return "".join(char.lower() if char.isascii() else char for char in text)


class Pattern(Struct, frozen=True):
    """A name, or what it consists of between gaps (``*``) that may hold anything; without parts: that there is none.

    One without gaps fits itself alone; in one with gaps small and capital letters (of ASCII) are alike.
    """

    parts: tuple[str, ...]

    def __str__(self) -> str:
        if not self.parts:
            return "none"
        bare = self.parts[0] not in _RESERVED or len(self.parts) > 1
        return "*".join(part if not part or (bare and _BARE.fullmatch(part)) else quoted(part) for part in self.parts)

    @property
    def exact(self) -> str | None:
        """The one name that fits; None where it has gaps."""
        return self.parts[0] if len(self.parts) == 1 else None

    def fits(self, name: str | None) -> bool:
        """Whether it is that name; an empty one is none."""
        if not self.parts or not name:
            return not self.parts and not name
        if len(self.parts) == 1:
            return name == self.parts[0]
        name = lowered(name)
        first, *inner, last = map(lowered, self.parts)
        if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
            return False
        at, end = len(first), len(name) - len(last)
        for part in inner:
            at = name.find(part, at, end)
            if at < 0:
                return False
            at += len(part)
        return True

    def fits_model(self, name: str) -> bool:
        """Whether it is that model; in one with gaps the family's name may be left out: ``opus*`` is Claude's."""
        return self.fits(name) or (self.exact is None and self.fits(name.removeprefix(_FAMILY)))

    @property
    def like(self) -> str:
        r"""The same for LIKE, with ``\`` before what would mean something else."""
        return "%".join(re.sub(r"([\\%_])", r"\\\1", part) for part in self.parts)


class Ago(Struct, frozen=True):
    """A time so long before now."""

    micros: int

    def __str__(self) -> str:
        return span_text(self.micros)

    @staticmethod
    def read(word: str) -> Ago | None:
        """The span that a word names, such as 7d; None if it is none."""
        found = _SPAN.fullmatch(word)
        if found is None or int(found[1]) * _UNITS[found[2]] > 10**10:
            return None
        return Ago(int(found[1]) * _UNITS[found[2]] * MICROS)


class Moment(Struct, frozen=True):
    """A stretch of time: a day (in UTC), or a microsecond."""

    start: int  #: microseconds
    until: int  #: the first that does not belong to it any more

    def __str__(self) -> str:
        at = from_micros(self.start)
        return at.date().isoformat() if self.until - self.start > 1 else at.isoformat(timespec="microseconds")

    @staticmethod
    def read(word: str) -> Moment | None:
        """The time that a word names: a day, or RFC 3339 (without a zone: UTC); None if it is none."""
        try:
            if _DAY.fullmatch(word):
                begin = datetime.combine(date.fromisoformat(word), datetime.min.time(), UTC)
                start, until = to_micros(begin), to_micros(begin + timedelta(days=1))
            else:
                at = datetime.fromisoformat(word)
                start = to_micros(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
                until = start + 1
        except (ValueError, OverflowError):
            return None
        return Moment(start, until) if checks.FIRST_TIME <= start <= checks.LAST_TIME else None


def span_text(micros: int) -> str:
    """A span in the largest unit of which it is a whole number."""
    seconds = micros // MICROS
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
