"""Which of Gemini CLI's messages are metered calls, what each is called, and what it used.

A message is written again whenever something is added to it (its tokens, a tool's result), in older files the whole
conversation with it, and both forms may lie beside each other. All of them name the message by the same id.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rollbook.importers.base import Context, Item
from rollbook.importers.gemini_lines import Line
from rollbook.importers.gemini_lines import Tokens as Used
from rollbook.importers.sessions import Carried
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.rules import checks
from rollbook.telemetry import names as shared

SOURCE: Final = "gemini-cli"
PROVIDER: Final = "google"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class _Record(NamedTuple):
    """The best record of a call so far, in the order in which a book would choose."""

    total: int
    earliness: int
    session: str
    model: str
    tokens: tuple[int, int, int, int]
    flagged: bool
    alike: str


class Calls:
    """The calls of one file that have not been handed over."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.records: dict[str, _Record] = {}

    def __len__(self) -> int:
        return len(self.records)

    def take(self, line: Line, scope: str, session: Carried, at: int, *, flagged: bool) -> None:
        """Fold in one record of a message."""
        if line.tokens is None or not line.id:
            return
        split = _split(line.tokens)
        total = sum(split)
        if not total:
            return  # the record with the tokens follows, or nothing was used
        name = named(line.id, scope)
        alike = _alike(line.tokens, session.parent or session.id)
        record = _Record(total, -at, session.id, checks.model(line.model) or "", split, flagged, alike)
        old = self.records.get(name)
        if old is None or record > old:
            self.records[name] = record

    def drain(self) -> list[Item]:
        """Hand over the calls. More records of the newest may follow: they are then weighed against it by the book."""
        items: list[Item] = [self._call(name, record) for name, record in self.records.items()]
        self.records = {}
        return items

    def _call(self, name: str, record: _Record) -> Call:
        plain, cached, output, thoughts = record.tokens
        tokens = Tokens(input=plain, cache_read=cached, output=output, reasoning=thoughts)
        model, at = record.model or None, -record.earliness
        found = self.context.price(model, PROVIDER, tokens, at)
        return Call(
            user_id=self.context.user_id,
            session_id=record.session,
            usage_id=name,
            occurred_at=at,
            tokens=tokens,
            model=model,
            provider=PROVIDER,
            cost_nano=None if found is None else found.cost_nano,
            cost_source="unpriced" if found is None else "computed",
            price_version=None if found is None else found.version,
            source=SOURCE,
            evidence=Evidence.TRANSCRIPT,
            weight=1,
            flagged=record.flagged,
            alike=record.alike,
        )


def named(message: str, scope: str) -> str:
    """A call's name. A message's id is unique by itself where it is a random one, and else within its session."""
    if _UUID.fullmatch(message):
        return f"gemini:{message.lower()}"
    return checks.usage_id(f"gemini:{scope}:{message}")


def _split(used: Used) -> tuple[int, int, int, int]:
    """Tokens in disjoint kinds: uncached input with what tools added to it, cache reads, output, thoughts."""
    read = checks.count((used.input or 0) + (used.tool or 0), "input tokens", checks.MAX_TOKENS)
    cached = min(used.cached or 0, read)
    return read - cached, cached, used.output or 0, used.thoughts or 0


def _alike(used: Used, root: str) -> str:
    """What a call is like, by which its log knows it."""
    return shared.gemini_alike(
        root,
        used.input or 0,
        used.output or 0,
        cached=used.cached or 0,
        thoughts=used.thoughts or 0,
        tool=used.tool or 0,
    )
