"""Which of Claude Code's lines are metered calls, what each is called, and which record of a call is believed.

The agent writes a line for each block of a message and repeats the message's usage on every one; a resumed or forked
session copies lines of another; an aside repeats its parent's messages under request ids of its own. So a call has
several records, and all of them have to come to one. Within a file they are folded here, by the order in which a book
would choose; across files the names that they share make the book do it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from rollbook.importers.base import Context, Item
from rollbook.importers.claude_lines import Line, Message, Usage, iterations
from rollbook.importers.sessions import Carried
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.rules import checks
from rollbook.telemetry import names as shared

SOURCE: Final = "claude-code"

#: A side chain's record: below the main chain's, since an aside repeats its parent's messages with the usage of another
#: request, and above every other kind of evidence.
SIDE_CHAIN: Final = int(Evidence.TRANSCRIPT) - 1

#: A plain name this short, with its session at most four bytes a character, needs no further check: nor do its aliases.
_PLAIN_BYTES: Final = 256

_TIERS: Final = ("batch", "priority", "flex")

Split = tuple[int, int, int, int, int]  #: input, cache reads, cache writes for 5 minutes, for 1 hour, output
Claim = tuple[int, int, bool, int, int, str, str, Split, int]
Key = tuple[str, str, str, int]
Names = tuple[str, tuple[str, ...]]


class _Spot(NamedTuple):
    """Where and when a record stands."""

    session: Carried
    at: int
    weight: int
    flagged: bool


class _Terms(NamedTuple):
    """On what terms a call was made, and what else its line says of it."""

    tier: str
    cost: int | None = None
    errored: bool = False


class _Record(NamedTuple):
    """The best record of a call so far."""

    names: Names
    alike: str | None  #: what its call is known by elsewhere, if not by an id
    claim: Claim
    split: Split
    model: str | None
    terms: _Terms
    spot: _Spot


class Calls:
    """The calls of one file that have not been handed over."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.records: dict[Key, _Record] = {}
        self.latest: tuple[Line, Message, Usage, Carried, int] | None = None  #: the record that was looked at last

    def __len__(self) -> int:
        return len(self.records)

    def take(self, line: Line, message: Message, usage: Usage, session: Carried, at: int, *, flagged: bool) -> bool:
        """Fold in one record; whether it was understood wholly."""
        if self._repeats(line, message, usage, session, at):
            return True
        self.latest = (line, message, usage, session, at)
        key = (message.id or "", line.request_id or "", _scope(line, message, session, at), -1)
        model = checks.name(message.model, "a model")
        cost = checks.cost(line.cost_usd) if line.cost_usd else None
        terms = _Terms(usage_tier(usage), cost, bool(line.is_api_error_message))
        spot = _Spot(session, at, 0 if line.forked_from else 1, flagged)
        self._offer(key, usage, model, terms, spot)
        extra = iterations(usage.iterations) if len(usage.iterations) > len("[]") else []
        for place, one in enumerate(extra or ()):
            own = checks.name(one.model, "a model") if one.model else model
            self._offer((*key[:3], place), one, own, _Terms(terms.tier), spot)
        return extra is not None

    def _repeats(self, line: Line, message: Message, usage: Usage, session: Carried, at: int) -> bool:
        """Whether a record is merely the last one again, as it stands beside each block of a message."""
        if self.latest is None or not message.id or not line.request_id:
            return False
        of_line, of_message, of_usage, of_session, of_time = self.latest
        return (
            of_message.id == message.id
            and of_line.request_id == line.request_id
            and of_session is session
            and of_time <= at
            and of_usage == usage
            and of_message.model == message.model
            and of_line.cost_usd == line.cost_usd
            and of_line.forked_from == line.forked_from
        )

    def _offer(self, key: Key, usage: Usage, model: str | None, terms: _Terms, spot: _Spot) -> None:
        """Keep a record if it is the best of its call so far."""
        split = split_of(usage)
        total = sum(split)
        if not total:
            return  # a placeholder: the record with the usage follows, or nothing was used
        session = spot.session
        rank = SIDE_CHAIN if session.parent else int(Evidence.TRANSCRIPT)
        priced = terms.cost is not None
        claim = (rank, total, priced, spot.weight, -spot.at, session.id, model or "", split, terms.cost or 0)
        old = self.records.get(key)
        if old is not None and old.claim >= claim:
            return
        root = session.parent or session.id
        names = _names(key, root) if old is None else old.names
        self.records[key] = _Record(names, _alike(key, root, split), claim, split, model, terms, spot)

    def drain(self) -> list[Item]:
        """Hand over the calls. More records of the newest may follow: they are then weighed against it by the book."""
        items: list[Item] = [self._call(record) for record in self.records.values()]
        self.records, self.latest = {}, None
        return items

    def _call(self, record: _Record) -> Call:
        context, spot, model = self.context, record.spot, record.model
        plain, read, write, write_1h, output = record.split
        tokens = Tokens(input=plain, cache_read=read, cache_write=write, cache_write_1h=write_1h, output=output)
        usage_id, aliases = record.names
        provider = "anthropic" if model is None or "claude" in model else None
        cost, source, version = record.terms.cost, "reported", None
        if cost is None:
            found = context.price(model, provider, tokens, spot.at, tier=record.terms.tier)
            source = "unpriced" if found is None else "computed"
            if found is not None:
                cost, version = found.cost_nano, found.version
        return Call(
            user_id=context.user_id,
            session_id=spot.session.id,
            usage_id=usage_id,
            occurred_at=spot.at,
            tokens=tokens,
            model=model,
            provider=provider,
            aliases=aliases,
            cost_nano=cost,
            cost_source=source,
            price_version=version,
            tier=record.terms.tier,
            source=SOURCE,
            evidence=record.claim[0],
            errored=record.terms.errored,
            weight=spot.weight,
            flagged=spot.flagged,
            alike=record.alike,
        )


def split_of(usage: Usage) -> Split:
    """A usage in disjoint kinds. Where a total and its breakdown differ, the total of what was cached is believed."""
    written = usage.cache_creation_input_tokens or 0
    hour = 0
    if usage.cache_creation is not None:
        hour = usage.cache_creation.ephemeral_1h_input_tokens or 0
        if not written:
            written = hour + (usage.cache_creation.ephemeral_5m_input_tokens or 0)
        hour = min(hour, written)
    return (
        usage.input_tokens or 0,
        usage.cache_read_input_tokens or 0,
        written - hour,
        hour,
        usage.output_tokens or 0,
    )


def usage_tier(usage: Usage) -> str:
    """Under which terms a call is billed."""
    if usage.speed == "fast":
        return "fast"
    return usage.service_tier if usage.service_tier in _TIERS else "standard"


def _scope(line: Line, message: Message, session: Carried, at: int) -> str:
    """What a call is unique within, where its own ids do not say it."""
    if line.request_id or (message.id and message.id.startswith("msg_")):
        return ""
    root = session.parent or session.id
    return f"{root}:{at}" if message.id else f"{root}:{line.uuid or at}"


def _names(key: Key, root: str) -> Names:
    """A call's canonical name and the others that it may be met under.

    An id of the provider's own form is unique by itself. Any other message id is believed within its session and beside
    a request id only: gateways have been seen to number their answers from one.
    """
    message, request, scope, place = key
    aliases: list[str] = []
    if message.startswith("msg_"):
        name = f"anthropic:msg:{message}"
    else:
        name = "claude:" + ":".join(part for part in (message, request, scope) if part)
        if message and request:
            aliases.append(f"claude:msg:{root}:{message}")
    if request.startswith("req_"):
        aliases.append(f"anthropic:req:{request}")
    if place >= 0:
        name += f":iteration:{place}"
        aliases = [f"{alias}:iteration:{place}" for alias in aliases]
    if name.isascii() and name.isprintable() and len(name) + 4 * len(root) <= _PLAIN_BYTES:
        return name, tuple(aliases)
    return checks.text(name, "a call's name", checks.MAX_ID_BYTES), checks.aliases(aliases)


def _alike(key: Key, root: str, split: Split) -> str | None:
    """What a call is like that has no request id, by which a log would name it too."""
    if key[1].startswith("req_") or key[3] >= 0:
        return None
    plain, read, write, write_1h, output = split
    return shared.claude_alike(root, plain, output, read, write + write_1h)
