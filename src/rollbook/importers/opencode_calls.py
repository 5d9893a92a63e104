"""Which of OpenCode's messages are metered calls, what each is called, and what it used.

A message has one id for its life, in either version, in a table or a file. A fork copies messages under new ids: where
the original is beside the copy its id names both, and elsewhere the times, model, tokens and contents do, which are
copied too.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from rollbook.importers.base import Context
from rollbook.importers.opencode_rows import Error, Message, Model, Parts, Used, micros
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.rules import checks

SOURCE: Final = "opencode"

#: Providers that are paid by the month, as OpenCode spells them: a stored cost of 0 is no price there.
_SUBSCRIPTIONS: Final = frozenset(
    {"anthropic", "openai", "github-copilot", "github-copilot-enterprise", "opencode-go", "kimi-for-coding"}
)
_PLAN: Final = "coding-plan"  #: in the name of a plan that a provider sells by the month
_RESELLERS: Final = ("github-copilot", "github-copilot-enterprise", "opencode-go")
#: Providers whose count of the output never contained reasoning, also where older versions stored both as they came.
_APART: Final = ("google", "xai")

Split = tuple[int, int, int, int, int]  #: input, cache reads, cache writes, output, reasoning


class Origin(NamedTuple):
    """Whose message one is."""

    session: str
    copied: bool = False  #: it is a copy of another session's, or may be one
    original: str | None = None  #: the id of what it is a copy of
    child: bool = False  #: the session is a sub-agent's


def call(message: Message, origin: Origin, parts: Parts, context: Context) -> Call | None:
    """The metered call that a message is, or None where nothing was used."""
    data = message.data
    cost = checks.cost(data.cost) if data.cost else None
    model, provider = named(message)
    used = [split(one, provider) for one in (*parts.steps,) or (data.tokens,)]
    plain, read, write, output, reasoning = (sum(kind) for kind in zip(*used, strict=True))
    tokens = Tokens(input=plain, cache_read=read, cache_write=write, output=output, reasoning=reasoning)
    if not tokens.total and not cost:
        return None
    at = micros(message.made if message.done is None else message.done)
    source, version = "reported", None
    if cost is None:
        found = context.price(model, None if provider in _RESELLERS else provider, tokens, at)
        source = "unpriced" if found is None else "computed"
        if found is not None:
            cost, version = found.cost_nano, found.version
    whole = message.done is not None and not origin.copied
    names = _shared(message, model, provider, parts.said, child=origin.child)
    if origin.original is not None:
        names.append(f"opencode:{origin.original}")
    return Call(
        user_id=context.user_id,
        session_id=origin.session,
        usage_id=checks.usage_id(f"opencode:{message.id}"),
        aliases=checks.aliases(names),
        occurred_at=at,
        tokens=tokens,
        model=model,
        provider=provider,
        cost_nano=cost,
        cost_source=source,
        price_version=version,
        billing=_billing(data.cost, provider),
        source=SOURCE,
        # What is still being written, and what was copied, gives way to the whole and the original, whatever its size.
        evidence=Evidence.TRANSCRIPT if whole else Evidence.SIDE_CHAIN,
        errored=failed(data.error) and not aborted(data.error),
        weight=0 if origin.copied else 1,
        flagged=message.flagged,
    )


def named(message: Message) -> tuple[str | None, str | None]:
    """A message's model and provider."""
    data, model, provider = message.data, message.data.model_id, message.data.provider_id
    if isinstance(data.model, Model):
        model, provider = model or data.model.id, provider or data.model.provider
    elif data.model:
        model = model or data.model
    return checks.model(model), checks.name(provider, "a provider")


def split_of(used: Used | None) -> Split:
    """Tokens as they are stored."""
    if used is None:
        return 0, 0, 0, 0, 0
    read, write = (used.cache.read or 0, used.cache.write or 0) if used.cache is not None else (0, 0)
    return used.input or 0, read, write, used.output or 0, used.reasoning or 0


def split(used: Used | None, provider: str | None) -> Split:
    """Tokens in disjoint kinds: older versions left reasoning in the output and gave it once more beside it."""
    plain, read, write, output, reasoning = split_of(used)
    if used is None or not reasoning or reasoning > output:
        return plain, read, write, output, reasoning
    if used.total is not None:
        contained = plain + read + write + output == used.total
    else:
        contained = provider is None or not provider.startswith(_APART)
    return plain, read, write, output - reasoning if contained else output, reasoning


def failed(error: Error | str | None) -> bool:
    """Whether there was an error at all."""
    return error is not None and error != ""


def aborted(error: Error | str | None) -> bool:
    """Whether the error is that the user stopped it."""
    return isinstance(error, Error) and (error.name == "MessageAbortedError" or error.type == "aborted")


def _billing(cost: float | None, provider: str | None) -> str:
    if cost:
        return "api"
    monthly = provider is not None and (provider in _SUBSCRIPTIONS or _PLAN in provider)
    return "subscription" if cost is not None and monthly else "unknown"


def _shared(
    message: Message, model: str | None, provider: str | None, said: Sequence[str], *, child: bool
) -> list[str]:
    """The name that a message shares with its copies, where nothing else could have it.

    Sub-agents start together and do alike: without contents that tell their messages apart, equal ones are no copies.
    """
    raw = split_of(message.data.tokens)
    if not any(raw) or (child and not said):
        return []
    facts = (message.made, message.done, provider, model, raw, *said)
    return [f"opencode:same:{blake2b(repr(facts).encode(errors='replace'), digest_size=16).hexdigest()}"]
