"""Which spans are metered calls, what each took, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.otlp import words
from rollbook.otlp.emitters import CONVENTIONS, Emitter
from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL
from rollbook.otlp.reading import Reading
from rollbook.otlp.records import SpanRecord
from rollbook.rules import checks
from rollbook.telemetry import names

_UNKNOWN: Final = "-"  #: a session that is not known yet
_LEAVES: Final = ("claude-code",)  #: emitters whose calls have no calls below them
Raw = dict[str, int]  #: tokens as the emitter counts them


class Seen(Struct, frozen=True, gc=False):
    """A span, and what is known of it."""

    record: SpanRecord
    attributes: dict[str, Any]
    emitter: Emitter
    reading: Reading
    kind: str | None
    root: str | None  #: the session, or that of which it is a sub-agent's
    until: int  #: microseconds
    failed: bool  #: what it is about
    response: str | None  #: the name of its call by the id of the response


def call(seen: Seen) -> tuple[Call | None, bool]:
    """The call that a span is, and whether it is one for certain: else it may be the sum of calls below it.

    A model's call without any usage is one only if it failed, and then it may be the failure of one below it.
    """
    if seen.kind in (OTHER, TOOL):
        return None, False
    raw, disjoint = _counted(seen)
    certain = seen.kind in (CALL, EMBEDDING)
    if not raw and not (seen.failed and certain):
        return None, False
    record, emitter, among, attributes = seen.record, seen.emitter, seen.reading, seen.attributes
    request = words.text(words.first(among.request, attributes)) if among.request else None
    own = names.span(record.trace_id, record.span_id)
    usage_id, aliases = names.first_of(seen.response, names.request(request), otherwise=own)
    cost = _cost(seen) if among.cost else None
    found = Call(
        user_id="",
        session_id="",
        usage_id=usage_id,
        aliases=aliases,
        occurred_at=seen.until,
        tokens=_tokens(raw, disjoint=disjoint),
        model=words.label(words.first(among.model, attributes)),
        provider=_provider(seen),
        cost_nano=cost,
        cost_source="unpriced" if cost is None else "reported",
        source=emitter.name,
        evidence=Evidence.SPAN,
        errored=seen.failed,
        alike=None if request is not None and request.startswith("req_") else _alike(seen, raw),
    )
    return found, certain and (bool(raw) or emitter.name in _LEAVES)


def _counted(seen: Seen) -> tuple[Raw, bool]:
    """What a span says that was used, and whether these are disjoint kinds; nothing where it says of nothing."""
    for count in seen.reading.counts:
        raw = {**count.none}
        for field, among in count.among:
            raw[field] = words.number(words.first(among, seen.attributes))
        if any(raw.values()):
            return raw, count.disjoint
    return {}, False


def _tokens(raw: Raw, *, disjoint: bool) -> Tokens:
    """Tokens in disjoint kinds."""
    if disjoint or not raw:
        return Tokens(**raw)
    tokens, of = raw.copy(), raw.get
    cached = of("cache_read", 0) + of("cache_write", 0) + of("cache_write_1h", 0)
    tokens["input"] = max(0, of("input", 0) - cached - of("audio_in", 0))
    tokens["output"] = max(0, of("output", 0) - of("reasoning", 0) - of("audio_out", 0))
    return Tokens(**tokens)


def _provider(seen: Seen) -> str | None:
    """Who sends the bill, where that is said: a framework's name is nobody's."""
    found = words.label(words.first(seen.reading.provider, seen.attributes))
    if found is None or found.lower() in CONVENTIONS.no_providers:
        return None
    until = seen.emitter.provider_until
    return (found.split(until)[0] if until else found) or None


def _cost(seen: Seen) -> int | None:
    """Nano-dollars, if the emitter says them; a cost that is none says nothing."""
    attributes = seen.attributes
    currency = words.text(attributes.get("gen_ai.usage.cost.currency"))
    if currency is not None and currency.upper() != "USD":
        return None
    value = words.first(seen.reading.cost, attributes)
    try:
        return checks.cost(value.strip() if isinstance(value, str) else value) or None
    except InvalidInput:
        return None


def _claude(root: str, raw: Raw) -> str:
    return names.claude_alike(root, raw["input"], raw["output"], raw["cache_read"], raw["cache_write"])


def _codex(root: str, raw: Raw) -> str:
    return names.codex_alike(root, raw["input"], raw["cache_read"], raw["output"], raw["reasoning"])


_ALIKE: Final[dict[str, Callable[[str, Raw], str]]] = {"claude-code": _claude, "codex": _codex}


def _alike(seen: Seen, raw: Raw) -> str | None:
    """What other doors say of the same call, where nothing names it."""
    make = _ALIKE.get(seen.emitter.name)
    if make is None or (raw and raw.keys() < seen.emitter.tokens.keys()):
        return None
    return make(seen.root or _UNKNOWN, dict.fromkeys(seen.emitter.tokens, 0) | raw)
