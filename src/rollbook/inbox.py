"""From what callers and doors give to checked operations: the last stop before the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from rollbook.errors import InvalidInput
from rollbook.journal.steps import Append, Change, New
from rollbook.ledger.ops import (
    NO_FACTS,
    Absolute,
    Beat,
    Call,
    End,
    Facts,
    Jot,
    Leave,
    Mark,
    Reopen,
    SourceFile,
    Touch,
)
from rollbook.ledger.state import BILLINGS, COST_SOURCES, TIERS
from rollbook.model import NANO, Session, Tokens
from rollbook.pricing import Prices
from rollbook.rules import bodies, checks, texts, words
from rollbook.rules.redaction import Redactor

_TOKEN_FIELDS: Final = Tokens.__struct_fields__
_counts: Final = attrgetter(*_TOKEN_FIELDS)
_ANY_LENGTH: Final = 2**62
_LOOKED_UP: Final = "computed"
_PID_MOST: Final = 2**31
_LEASE_MOST_US: Final = 86_400 * 1_000_000

#: What a door hands over, beside contents.
Plain = Touch | Call | End | Reopen | Mark | Beat | Leave
_ALIKE_BYTES: Final = checks.MAX_ID_BYTES - 32  #: a place is put behind it


def call(
    *,
    user_id: str,
    user_name: str | None,
    session_id: str,
    usage_id: str,
    fresh: bool = False,
    occurred_at: int,
    flagged: bool,
    timed: bool,
    tokens: Tokens,
    model: str | None,
    provider: str | None,
    cost_nano: int | None,
    aliases: Iterable[str],
    errored: bool,
    billing: str,
    source: str,
    evidence: int,
    tier: str,
    prices: Prices,
) -> Call:
    """A call as a caller reports it; a cost that is not reported is looked up (R14)."""
    if not isinstance(errored, bool):
        raise InvalidInput(f"errored must be true or false, not {errored!r}")
    model = checks.model(model)
    tier = checks.one_of(tier, "tier", TIERS)
    provider = checks.name(provider, "provider")
    others = checks.aliases(aliases) if aliases else ()
    cost_source, version = "reported", None
    if cost_nano is None:
        found = prices(model, provider, tokens, occurred_at, tier=tier)
        cost_nano, version = (None, None) if found is None else (found.cost_nano, found.version)
        cost_source = _LOOKED_UP if cost_nano is not None else "unpriced"
    return Call(
        user_id=user_id,
        user_name=user_name,
        session_id=checks.session_id(session_id),
        usage_id=checks.usage_id(usage_id),
        fresh=fresh and not others,
        occurred_at=occurred_at,
        flagged=flagged,
        timed=timed,
        tokens=tokens,
        model=model,
        provider=provider,
        aliases=others,
        cost_nano=cost_nano,
        cost_source=cost_source,
        price_version=version,
        billing=checks.one_of(billing, "billing", BILLINGS),
        tier=tier,
        source=str(checks.name(source, "source") or "push"),
        evidence=evidence,
        errored=errored,
    )


Said = TypeVar("Said", bound=Plain)
Item = TypeVar("Item", bound=Plain | Jot)


def checked(item: Said, now: int) -> Said:
    """An operation of a door, with what it took from a file checked like everybody's."""
    return _checked(item, now)  # type: ignore[return-value]  # it stays what it is


def _checked(item: Plain, now: int) -> Plain:
    if isinstance(item, Call):
        return _checked_call(item, now)
    if isinstance(item, Beat | Leave):
        return _checked_process(item)
    if not isinstance(item, Touch | End | Mark | Reopen):
        what = "a Touch, a Call, an End, a Reopen, a Mark, a Beat or a Leave"
        raise InvalidInput(f"an item must be {what}, not {type(item).__name__}")
    at, flagged = moment(item.at, now)
    name = checks.session_id(item.session_id)
    if isinstance(item, Reopen):
        return msgspec.structs.replace(item, session_id=name, at=at, flagged=flagged)
    if isinstance(item, Mark):
        reason = checks.prose(item.reason, "reason", checks.MAX_TITLE_BYTES)
        return msgspec.structs.replace(item, session_id=name, at=at, reason=reason)
    if isinstance(item, End):
        checks.end_status(item.status)
        reason = checks.prose(item.reason, "reason", checks.MAX_TITLE_BYTES)
        return msgspec.structs.replace(item, session_id=name, at=at, flagged=flagged, reason=reason)
    if item.turns is not None:
        checks.count(item.turns, "turns", checks.MAX_COUNT)
    return msgspec.structs.replace(item, session_id=name, at=at, flagged=flagged, facts=_facts(item.facts))


def _checked_process(item: Beat | Leave) -> Beat | Leave:
    """What is said of a process that runs sessions, which a door may have learnt from elsewhere."""
    checks.text(item.instance_id, "an instance", checks.MAX_MODEL_BYTES)
    if isinstance(item, Beat):
        known = item.known
        for text in (known.host, known.boot_id, known.pid_namespace, known.started):
            if text:
                checks.text(text, "what is said of a process", checks.MAX_MODEL_BYTES)
        checks.count(known.pid, "a process id", _PID_MOST)
        checks.count(known.lease_us, "a lease", _LEASE_MOST_US)
    return item


def _facts(facts: Facts) -> Facts:
    metadata: Any = facts.metadata
    return Facts(
        dataset_id=checks.dataset(facts.dataset_id),
        kind=checks.kind(facts.kind),
        channel=checks.channel(facts.channel),
        agent=checks.name(facts.agent, "agent"),
        project=checks.name(facts.project, "project", 4096),
        parent_id=None if facts.parent_id is None else checks.session_id(facts.parent_id),
        parent_user_id=facts.parent_user_id,
        title=checks.prose(facts.title, "title", checks.MAX_TITLE_BYTES),
        goal_text=checks.prose(facts.goal_text, "goal_text", checks.MAX_GOAL_BYTES),
        tags=checks.tags(facts.tags),
        metadata=checks.metadata_text(metadata) if isinstance(metadata, str) else checks.metadata(metadata),
        actor=checks.name(facts.actor, "actor"),
    )


def moment(at: int, now: int) -> tuple[int, bool]:
    """A time that a door took from somewhere, and whether it was so far ahead that now was taken instead."""
    if checks.FIRST_TIME <= at <= now + checks.CLOCK_SLACK_US:
        return at, False
    return checks.moment(at / 1_000_000, "a time", now)


def _checked_call(item: Call, now: int) -> Call:
    tokens = item.tokens
    counts = _counts(tokens)
    if min(counts) < 0 or max(counts) > checks.MAX_TOKENS:
        checks.tokens(tokens, None, None)
    if item.cost_nano is not None and not 0 <= item.cost_nano <= checks.MAX_COST_USD * NANO:
        raise InvalidInput(f"a cost of {item.cost_nano} nano-dollars is out of range for one call")
    if item.cost_source not in COST_SOURCES or item.billing not in BILLINGS or item.tier not in TIERS:
        checks.one_of(item.cost_source, "cost source", COST_SOURCES)
        checks.one_of(item.billing, "billing", BILLINGS)
        checks.one_of(item.tier, "tier", TIERS)
    at, flagged = moment(item.occurred_at, now)
    name, usage_id = checks.session_id(item.session_id), checks.usage_id(item.usage_id)
    model, provider = checks.model(item.model), checks.name(item.provider, "provider")
    aliases = checks.aliases(item.aliases) if item.aliases else ()
    if item.alike is not None and (not item.alike.isascii() or len(item.alike) > _ALIKE_BYTES):
        checks.text(item.alike, "what a call is like", _ALIKE_BYTES)
    same = (at, name, usage_id, model, provider, aliases) == (
        item.occurred_at, item.session_id, item.usage_id, item.model, item.provider, item.aliases,
    )  # fmt: skip
    if same:
        return item
    return msgspec.structs.replace(
        item, occurred_at=at, flagged=flagged, session_id=name, usage_id=usage_id, model=model, provider=provider,
        aliases=aliases,
    )  # fmt: skip


def jot(item: Jot, now: int, terms: Contents) -> tuple[Jot | None, list[InvalidInput]]:
    """The contents that a door hands over: without secrets, with what a search finds them by, none too large.

    An entry that cannot be taken is left out, and why is told; None where no entry is left.
    """
    at, flagged = moment(item.at, now)
    name = checks.session_id(item.session_id)
    refused: list[InvalidInput] = []
    changes: list[Change] = []
    for change in item.step.changes:
        if not isinstance(change, Append):
            raise InvalidInput(f"a door appends entries and makes no other change, such as {type(change).__name__}")
        stream = bodies.stream(change.stream)
        kept: list[New] = []
        for new in change.entries:
            try:
                kept.append(entry(stream, new, now, terms))
            except InvalidInput as error:
                refused.append(error)
        if kept:
            changes.append(msgspec.structs.replace(change, stream=stream, entries=tuple(kept)))
    if not changes:
        return None, refused
    step = msgspec.structs.replace(item.step, session_id=name, changes=tuple(changes))
    return msgspec.structs.replace(item, session_id=name, at=at, flagged=flagged, step=step), refused


def entry(stream: str, new: New, now: int, terms: Contents) -> New:
    """An entry of a stream as it is taken in. Raises InvalidInput."""
    body = new.body
    if len(body) > terms.most:
        raise bodies.large(len(body), "an entry", terms.most)
    plain = clean = bodies.plain(body)
    if terms.redactor is not None:
        clean = terms.redactor.value(plain)
        if clean is not plain and clean != plain:
            body = bodies.encoded(clean, "an entry", terms.most)
    at = moment(new.created_at, now)[0]
    # Folded here already, where a process of its own may do it: the writer then has hardly anything left to fold.
    text = words.indexed(texts.text_of(stream, clean))
    return New(bodies.entry_id(new.entry_id)[0], body, at, text, new.failed)


Texted = TypeVar("Texted", bound=Touch | End | Mark | Absolute)


def redacted(op: Texted, redactor: Redactor) -> Texted:
    """An operation without the secrets in what it says of its session. Names and ids are no such texts."""
    if isinstance(op, End | Mark):
        reason = _clean(op.reason, "reason", checks.MAX_TITLE_BYTES, redactor)
        return op if reason == op.reason else msgspec.structs.replace(op, reason=reason)
    facts = op.facts
    if facts is NO_FACTS:
        return op
    clean: dict[str, Any] = {
        "title": _clean(facts.title, "title", checks.MAX_TITLE_BYTES, redactor),
        "goal_text": _clean(facts.goal_text, "goal_text", checks.MAX_GOAL_BYTES, redactor),
        "actor": _clean(facts.actor, "actor", checks.MAX_MODEL_BYTES, redactor),
        "tags": facts.tags and checks.tags(redactor.text(tag) for tag in facts.tags),
        "metadata": facts.metadata and checks.metadata(redactor.value(msgspec.json.decode(facts.metadata))),
    }
    changed = {name: value for name, value in clean.items() if value != getattr(facts, name)}
    return msgspec.structs.replace(op, facts=msgspec.structs.replace(facts, **changed)) if changed else op


def _clean(text: str | None, what: str, most: int, redactor: Redactor) -> str | None:
    """A text without secrets; where what stands for them makes it too long, it is cut."""
    if not text:
        return text
    clean = checks.prose(redactor.text(text), what, _ANY_LENGTH) or ""
    return clean.encode()[:most].decode("utf-8", "ignore")


def source_file(source: str, row: tuple[Any, ...]) -> SourceFile:
    """A row of the file registry."""
    path, device, inode, size, read_to, head_hash, mtime_ns, state = row
    return SourceFile(
        source=source, path=path, device=device, inode=inode, size=size, offset=read_to, head_hash=head_hash,
        mtime_ns=mtime_ns, state=state,
    )  # fmt: skip


class Checked(list[Item]):
    """Operations of a door that :func:`checked` has seen already, so that they need not be checked twice."""


class Contents(msgspec.Struct, frozen=True):
    """On what terms contents are taken in."""

    most: int  #: bytes of one entry
    redactor: Redactor | None = None


class Given(msgspec.Struct, frozen=True):
    """An upsert as it was given: whose it says that it is, and the operation without its owner."""

    user_id: str | None
    op: Absolute


#: What other stores call the same thing.
_OTHER_NAMES: Final = {
    "id": "session_id",
    "model": "last_model",
    "prompt_tokens": "tokens_in",
    "completion_tokens": "tokens_out",
    "created_at": "started_at",
    "last_active_at": "last_activity_at",
}
_ABSOLUTE: Final = frozenset(
    {"session_id", "user_id", "status", "started_at", "last_activity_at", "tokens_in", "tokens_out", "cost_usd",
     "reasoning_tokens", "cost_cents", "cost_nano_usd", "last_model", "turns", "dataset_id", "kind", "channel", "agent",
     "project", "title", "goal_text", "parent_id", "parent_user_id", "tags", "metadata", "actor"}
)  # fmt: skip
#: Fields of a Session that follow from the others, so that a session that was read can be given back.
_DERIVED: Final = frozenset(Session.__struct_fields__) - _ABSOLUTE


def absolute(session: Session | Mapping[str, Any], now: int) -> Given:
    """The operation of an upsert; its user is filled in by the book."""
    values = _values(session)
    if "session_id" not in values:
        raise InvalidInput("an upsert needs a session_id")
    at, _ = checks.moment(values.get("last_activity_at"), "last_activity_at", now)
    started, _ = checks.moment(values.get("started_at"), "started_at", at)
    status = checks.status(values.get("status"))
    tokens_in, tokens_out, reasoning, turns = (
        None if values.get(name) is None else checks.count(values[name], name, most)
        for name, most in (
            ("tokens_in", checks.MAX_TOTAL_TOKENS),
            ("tokens_out", checks.MAX_TOTAL_TOKENS),
            ("reasoning_tokens", checks.MAX_TOTAL_TOKENS),
            ("turns", checks.MAX_COUNT),
        )
    )
    if (reasoning or 0) > (tokens_out if tokens_out is not None else reasoning or 0):
        raise InvalidInput("reasoning_tokens are part of the output and cannot exceed it")
    op = Absolute(
        user_id="",
        session_id=checks.session_id(values["session_id"]),
        at=at,
        started_at=min(started, at),
        status="running" if status == "abandoned" else status,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        reasoning=reasoning,
        cost_nano=_cost(values),
        model=checks.model(values.get("last_model")),
        turns=turns,
        facts=_facts(
            Facts(
                **{name: values[name] for name in Facts.__struct_fields__ if values.get(name) is not None},
            )
        ),
    )
    return Given(values.get("user_id"), op)


def _values(session: Session | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(session, Session):
        return {name: getattr(session, name) for name in Session.__struct_fields__ if name in _ABSOLUTE}
    if not isinstance(session, Mapping):
        raise InvalidInput(f"a session to upsert must be a Session or a mapping, not {type(session).__name__}")
    values = {_OTHER_NAMES.get(str(name), str(name)): value for name, value in session.items()}
    if unknown := values.keys() - _ABSOLUTE - _DERIVED:
        raise InvalidInput(f"unknown field {min(unknown)!r} of a session")
    return values


def _cost(values: Mapping[str, Any]) -> int | None:
    if values.get("cost_nano_usd") is not None:
        return checks.count(values["cost_nano_usd"], "cost_nano_usd", checks.MAX_TOTAL_USD * NANO)
    if values.get("cost_cents") is not None:
        nano = checks.cost(values["cost_cents"], checks.MAX_TOTAL_USD * 100)
        return None if nano is None else int((Decimal(nano) / 100).to_integral_value(ROUND_HALF_EVEN))
    return checks.cost(values.get("cost_usd"), checks.MAX_TOTAL_USD)
