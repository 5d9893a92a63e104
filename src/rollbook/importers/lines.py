"""What importers of JSON lines share: from bytes to typed lines, times, and titles.

Nothing here raises whatever it is given: a line that is not understood is counted. What an unknown *kind* of line
holds is not looked at; an unknown *shape* in a field that matters makes the line one that is not understood.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from rollbook.model import MICROS
from rollbook.rules.checks import MAX_TITLE_BYTES, MAX_TOKENS

T = TypeVar("T")

Count = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
Moment = Annotated[datetime, Meta(tz=True)]
Dollars = Annotated[float, Meta(ge=0)]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What a decoder raises for bytes that are no such value: not JSON, another shape, not UTF-8, nested too deeply.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class Decoder(Generic[T]):
    """Decodes lines of one type."""

    def __init__(self, kind: type[T] | Any) -> None:
        self._json: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def block(self, block: bytes) -> tuple[list[T], int]:
        """The lines of a block of whole lines, and how many were not understood."""
        try:
            lines = self._json.decode_lines(block)
        except UNREADABLE:
            return self._one_by_one(block)
        # The decoder takes any white space between values, so only equal numbers show that each line was one value.
        # (A block in which one line has two values and another is broken may pass: no agent writes that, and both
        # values are right.)
        return (lines, 0) if len(lines) == block.count(b"\n") else self._one_by_one(block)

    def one(self, text: bytes | msgspec.Raw) -> T | None:
        """One line, or None where it is not understood."""
        try:
            return self._json.decode(text)
        except UNREADABLE:
            return None

    def _one_by_one(self, block: bytes) -> tuple[list[T], int]:
        lines: list[T] = []
        skipped = 0
        for text in block.split(b"\n"):
            if text and not text.isspace():
                line = self.one(text)
                if line is None:
                    skipped += 1
                else:
                    lines.append(line)
        return lines, skipped


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * MICROS + span.microseconds


def one_line(text: str, most: int = MAX_TITLE_BYTES) -> str | None:
    """A text as one line of at most that many bytes, without control characters; None where nothing is left."""
    text = " ".join(text[: 2 * most].split())
    text = unicodedata.normalize(
        "NFC", "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cs"))
    )
    return text.encode()[:most].decode(errors="ignore").strip() or None
