"""What the messages of a Pydantic AI conversation used, as calls for the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rollbook.integrations.desk import Desk, response_name, split
from rollbook.ledger.ops import Call
from rollbook.model import Tokens


def metered(desk: Desk, session_id: str, messages: Iterable[Any], source: str) -> Iterator[Call]:
    """The calls behind responses, and the attempts before each that failed and were charged all the same."""
    for message in messages:
        if message.kind != "response":
            continue
        tokens = tokens_of(message.usage)
        name = usage_name(message, source)
        if tokens.total:
            yield desk.call(
                session_id, usage_id=name, tokens=tokens, model=message.model_name, provider=message.provider_name,
                source=source, at=message.timestamp,
            )  # fmt: skip
        for place, attempt in enumerate(message.failed_attempts or ()):
            used = Tokens() if attempt.usage is None else tokens_of(attempt.usage)
            if used.total:
                yield desk.call(
                    session_id, usage_id=f"{name}:attempt:{place}", tokens=used, model=attempt.model_name,
                    provider=attempt.provider_name, source=source, at=attempt.timestamp,
                )  # fmt: skip


def rest(desk: Desk, record: Any, before: Any, calls: Sequence[Call], source: str) -> Call | None:
    """What a record counts more than the one before it and the calls of its messages: of a model that nobody named."""
    now = tokens_of(record.usage)
    old = Tokens() if before is None else tokens_of(before.usage)
    left = {
        kind: getattr(now, kind) - getattr(old, kind) - sum(getattr(call.tokens, kind) for call in calls)
        for kind in Tokens.__struct_fields__
    }
    tokens = Tokens(**{kind: max(0, count) for kind, count in left.items()})
    if not tokens.total or (before is None and record.forked_from is not None):
        return None  # a fork begins with what its source has used
    name = f"{source}:rest:{record.revision}"
    return desk.call(record.conversation_id, usage_id=name, tokens=tokens, model=None, source=source)


def prompts(messages: Iterable[Any]) -> int:
    """How many of the messages hold something that the user said."""
    return sum(
        message.kind == "request" and any(part.part_kind == "user-prompt" for part in message.parts)
        for message in messages
    )


def usage_name(response: Any, source: str) -> str:
    """The name of a response in the ledger: the same for the same response in whatever conversation it is saved."""
    given = response.provider_response_id
    name = response_name(given)
    if name is not None:
        return name
    usage = response.usage
    told = [
        response.run_id, response.provider_name, given, response.model_name, response.timestamp.isoformat(),
        usage.input_tokens, usage.output_tokens,
    ]  # fmt: skip
    return f"{source}:{hashlib.sha256(repr(told).encode('utf-8', 'surrogatepass')).hexdigest()}"


def tokens_of(usage: Any) -> Tokens:
    """A usage in disjoint kinds: Pydantic AI's totals contain their parts."""
    heard = usage.cache_audio_read_tokens
    return split(
        usage.input_tokens,
        usage.output_tokens,
        read=usage.cache_read_tokens,
        written=usage.cache_write_tokens,
        written_1h=usage.cache_write_1h_tokens,
        audio_in=max(0, usage.input_audio_tokens - heard),
        reasoning=usage.output_reasoning_tokens,
        audio_out=usage.output_audio_tokens,
    )
