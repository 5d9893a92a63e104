"""Which spans are metered calls, what each took, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rollbook.errors import InvalidInput
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.otlp import words
from rollbook.otlp.emitters import CONVENTIONS, Emitter
from rollbook.otlp.emitters.shape import CALL, EMBEDDING, OTHER, TOOL
from rollbook.otlp.records import SpanRecord
from rollbook.rules import checks
from rollbook.telemetry import names

_UNKNOWN: Final = "-"  #: a session that is not known yet
_LEAVES: Final = ("claude-code",)  #: emitters whose calls have no calls below them
Raw = dict[str, int]  #: tokens as the emitter counts them


class Seen(NamedTuple):
    """A span, and what is known of it."""

    record: SpanRecord
    emitter: Emitter
    kind: str | None
    session_id: str | None
    root: str | None  #: the session, or that of which it is a sub-agent's
    until: int  #: microseconds


def call(seen: Seen) -> tuple[Call | None, bool]:
    """The call that a span is, and whether it is one for certain: else it may be the sum of calls below it.

    A model's call without any usage is one only if it failed, and then it may be the failure of one below it.
    """
    if seen.kind in (OTHER, TOOL):
        return None, False
    raw, disjoint = _counted(seen)
    used = any(raw.values())
    went_wrong = failed(seen)
    certain = seen.kind in (CALL, EMBEDDING)
    if not used and not (went_wrong and certain):
        return None, False
    record, emitter = seen.record, seen.emitter
    response, request = (
        words.text(words.find((*getattr(emitter, field), *getattr(CONVENTIONS, field)), record.attributes))
        for field in ("response", "request")
    )
    own = names.span(record.trace_id, record.span_id)
    usage_id, aliases = names.first_of(names.response(response), names.request(request), otherwise=own)
    cost = _cost(seen)
    found = Call(
        user_id="",
        session_id="",
        usage_id=usage_id,
        aliases=aliases,
        occurred_at=seen.until,
        tokens=_tokens(raw, disjoint=disjoint),
        model=words.label(_of(seen, "model")),
        provider=_provider(seen),
        cost_nano=cost,
        cost_source="unpriced" if cost is None else "reported",
        source=emitter.name,
        evidence=Evidence.SPAN,
        errored=went_wrong,
        alike=None if request is not None and request.startswith("req_") else _alike(seen, raw),
    )
    return found, certain and (used or emitter.name in _LEAVES)


def failed(seen: Seen) -> bool:
    """Whether what a span is about failed."""
    attributes = seen.record.attributes
    succeeded = words.yes(words.find(seen.emitter.succeeded, attributes))
    return seen.record.failed or succeeded is False or words.text(attributes.get("error.type")) is not None


def _of(seen: Seen, field: str) -> Any:
    return words.find((*getattr(seen.emitter, field), *getattr(CONVENTIONS, field)), seen.record.attributes)


def _counted(seen: Seen) -> tuple[Raw, bool]:
    """What a span says that was used, and whether these are disjoint kinds."""
    for table in (seen.emitter, CONVENTIONS):
        raw = {
            field: words.number(words.find(attributes, seen.record.attributes))
            for field, attributes in table.tokens.items()
        }
        if any(raw.values()):
            return raw, table.disjoint
    return {}, False


def _tokens(raw: Raw, *, disjoint: bool) -> Tokens:
    """Tokens in disjoint kinds."""
    known = dict(raw)
    if not disjoint:
        cached = known.get("cache_read", 0) + known.get("cache_write", 0) + known.get("cache_write_1h", 0)
        known["input"] = max(0, known.get("input", 0) - cached - known.get("audio_in", 0))
        known["output"] = max(0, known.get("output", 0) - known.get("reasoning", 0) - known.get("audio_out", 0))
    return Tokens(**known)


def _provider(seen: Seen) -> str | None:
    """Who sends the bill, where that is said: a framework's name is nobody's."""
    found = words.label(_of(seen, "provider"))
    if found is None or found.lower() in CONVENTIONS.no_providers:
        return None
    until = seen.emitter.provider_until
    return (found.split(until)[0] if until else found) or None


def _cost(seen: Seen) -> int | None:
    """Nano-dollars, if the emitter says them; a cost that is none says nothing."""
    attributes = seen.record.attributes
    currency = words.text(attributes.get("gen_ai.usage.cost.currency"))
    if currency is not None and currency.upper() != "USD":
        return None
    value = _of(seen, "cost")
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
