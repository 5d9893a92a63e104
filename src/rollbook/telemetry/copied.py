"""What was said of a session, as it is said of another one of which that turned out to be a part: a page at a time.

Entries keep their ids, so that a page which is told again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from rollbook.journal.pages import Left, following
from rollbook.journal.shelf import Line, Peek, Who
from rollbook.journal.steps import Append, Change, New, SetState
from rollbook.rules.texts import TRACE, text_of

_AT_ONCE: Final = 1_000  #: entries of a page,
_BYTES: Final = 4 << 20  #: and about as many bytes at most
_FAILED: Final = frozenset({"error", "failed", "failure"})  #: what steps that failed say of themselves


class Page(Struct, frozen=True):
    """Changes of a journal that say the next part of what another one says, and what is left then; None: nothing."""

    changes: tuple[Change, ...]
    left: tuple[Left, ...] | None


def page(peek: Peek, who: Who, *, left: tuple[Left, ...] | None) -> Page:
    """The next part of a journal; ``left`` None: from its beginning, with its state."""
    found = following(peek, who, left=left, most=_AT_ONCE, size=_BYTES)
    lines: dict[tuple[str, str], list[Line]] = {}
    for stream, head, line in found.lines:
        lines.setdefault((stream, head), []).append(line)
    changes: list[Change] = [Append(stream, _entries(stream, of_it), head) for (stream, head), of_it in lines.items()]
    state = peek.state(who) if left is None else {}
    return Page((*changes, SetState(dict(state))) if state else tuple(changes), found.left)


def _entries(stream: str, lines: Sequence[Line]) -> tuple[New, ...]:
    return tuple(_entry(stream, line) for line in lines)


def _entry(stream: str, line: Line) -> New:
    plain = msgspec.json.decode(line.body)
    failed = stream == TRACE and isinstance(plain, dict) and plain.get("status") in _FAILED
    return New(line.entry_id, line.body, line.created_at, text_of(stream, plain), failed)
