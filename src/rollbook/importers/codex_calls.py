"""Which of Codex's lines are metered calls, what each took, and what it is called.

The agent tells a counter that only grows, after every response and often again: a call is what the counter grew by.
Newer versions also write a record for each response, before the counter; both are one call. Copies of a call in forks
and sub-agents repeat the counter as it stood, so a call is named by its session and its counter.
"""

from __future__ import annotations

from operator import add, sub
from typing import Final, NamedTuple

import msgspec

from rollbook.importers.base import Context, Item
from rollbook.importers.codex_lines import Usage, is_uuid
from rollbook.ledger.ops import Call
from rollbook.model import Evidence, Tokens
from rollbook.rules import checks
from rollbook.telemetry import names as shared

SOURCE: Final = "codex"
GUESSED_MODEL: Final = "gpt-5"  #: what the first versions ran on, which did not say it
AUTO_REVIEW: Final = "codex-auto-review"  #: a name for whatever model the provider reviews with
#: Since when which model that has been, as the provider announced it.
_REVIEWERS: Final = ((1_785_369_600_000_000, "gpt-5.6-luna"), (1_772_668_800_000_000, "gpt-5.4"))
_TIERS: Final = {"priority": "priority", "fast": "priority", "flex": "flex", "batch": "batch"}
_PENDING_MOST: Final = 8
_COUNTERS_MOST: Final = 8
_PASSED_MOST: Final = 8
_INHERITED_RESETS: Final = (1, 2)  #: how often a counter may have begun anew before it was inherited

#: How sure a claim is that the session it names made the call.
OWN: Final = 2
COPIED: Final = 1  #: a copy, whose times tell whose it is
INHERITED: Final = 0  #: a copy, of the nearest ancestor as far as can be told

Split = tuple[
    int, int, int, int, int, int
]  #: input, of it cached and written to the cache, output, of it reasoning, all
NONE: Final[Split] = (0, 0, 0, 0, 0, 0)


class Spot(NamedTuple):
    """Whose a call is, and when it was made."""

    session: str
    at: int
    weight: int
    flagged: bool = False
    inherits: bool = False  #: its counter goes on from an ancestor's, whose history is not told


class Terms(msgspec.Struct, kw_only=True, omit_defaults=True):
    """On what terms the next call is made."""

    model: str | None = None
    provider: str | None = None
    tier: str = "standard"
    turn: str | None = None  #: the turn that goes on

    def told(self, tier: str | None) -> None:
        """A service tier, if one was named; an unknown one is billed as usual, as far as is known."""
        if tier is not None:
            self.tier = _TIERS.get(tier, "standard")


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A call as it will be handed over."""

    names: list[str]
    split: Split
    model: str
    provider: str | None = None
    tier: str = "standard"
    session: str
    at: int
    weight: int = OWN
    flagged: bool = False


class Counter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How the counter stood, and which records of responses it has not caught up with.

    Several counters may take turns in one file, and one may be put back to where it stood before: what an event took
    off its total says which standing it goes on from.
    """

    stood: Split | None = None
    others: list[Split] = []  #: how counters stand that were told before this one
    passed: list[Split] = []  #: how this one stood before
    resets: int = 0  #: how often a counter began anew: the same numbers after that are another call
    turn_resets: int = 0  #: of these, in the turn that goes on
    said: Split | None = None  #: the last usage that was told
    at: int = -1  #: the time of the last call without a counter
    at_once: int = 0  #: how many calls of that time were before it
    in_turn: int = 0  #: how many calls without a counter the turn has
    pending: list[Record] = []

    def turned(self) -> None:
        """Another turn began."""
        self.turn_resets = self.in_turn = 0

    def grew(self, total: Split | None, last: Split | None) -> Split:
        """What was used since the counter was told last."""
        if total is None:
            return self._uncounted(last)
        self.said = last or self.said
        stood = self.stood
        if total == stood:
            return NONE
        if stood is None:
            self.stood = total
            return last or total  # what a first total has beyond the last usage is history that is told elsewhere
        if last is None:
            return self._grown(stood, total, None, begins=False)
        begins = total[:5] == last[:5]
        source = self._source(total, last)
        if source != stood and self._is_old(total, begins=begins):
            return NONE
        if source is None or (begins and source != stood):
            return self._grown(stood, total, last, begins=begins)
        self._turn_to(source, total)
        return last

    def _is_old(self, total: Split, *, begins: bool) -> bool:
        """Whether it was told before: by another counter, which is told now, or in an old event that came late."""
        if total in self.others:
            self._turn_to(total, total)
            return True
        return not begins and total in self.passed

    def _grown(self, stood: Split, total: Split, last: Split | None, *, begins: bool) -> Split:
        """What the counter says by itself: it grew, or it began anew."""
        grown = [now - before for now, before in zip(total, stood, strict=True)]
        if min(grown[:5]) < 0 or (begins and any(stood[:5])):
            self.resets += 1
            self.turn_resets += 1
            self._turn_to(None, total)
            return last or total
        self._turn_to(stood, total)
        return (grown[0], grown[1], grown[2], grown[3], grown[4], max(0, grown[5]))

    def uncounted(self, at: int) -> tuple[int, int]:
        """A call without a counter: how many were before it at that time, and in its turn."""
        self.at_once = self.at_once + 1 if at == self.at else 0
        self.at = at
        self.in_turn += 1
        return self.at_once, self.in_turn - 1

    def _uncounted(self, last: Split | None) -> Split:
        """What an event without a total took: nothing, if it says the same as the one before it."""
        if last is None or last == self.said:
            return NONE
        self.said = last
        if self.stood is not None:  # the next total contains it
            took, cached, written, gave, reasoning, every = map(add, self.stood, last)
            self._turn_to(self.stood, (took, cached, written, gave, reasoning, every))
        return last

    def _source(self, total: Split, last: Split) -> Split | None:
        """The standing that an event goes on from."""
        before = tuple(map(sub, total[:5], last[:5]))
        standings = [] if self.stood is None else [self.stood]
        standings += [*reversed(self.others), *reversed(self.passed)]
        return next((one for one in standings if one[:5] == before), None)

    def _turn_to(self, source: Split | None, total: Split) -> None:
        """The counter that stood at ``source`` is the one that is told now; a new one, if there is none."""
        if self.stood is not None and source != self.stood:
            self.others = [*(one for one in self.others if one != source), self.stood][-_COUNTERS_MOST:]
        if source is not None and source != total:
            self.passed = [*self.passed, source][-_PASSED_MOST:]
        self.stood = total


def split_of(usage: Usage | None) -> Split | None:
    """A usage as numbers, with 0 for what is not told."""
    if usage is None:
        return None
    took, gave = usage.input_tokens or 0, usage.output_tokens or 0
    return (
        took,
        usage.cached_input_tokens or 0,
        usage.cache_write_input_tokens or 0,
        gave,
        usage.reasoning_output_tokens or 0,
        took + gave if usage.total_tokens is None else usage.total_tokens,
    )


class Calls:
    """The calls of one file that have not been handed over."""

    def __init__(self, context: Context, counter: Counter) -> None:
        self.context = context
        self.counter = counter
        self.records: list[Record] = []

    def __len__(self) -> int:
        return len(self.records)

    def responded(self, response: str, split: Split, terms: Terms, spot: Spot) -> bool:
        """The record of a response; whether its model had to be guessed."""
        name = f"openai:response:{response}" if response.startswith("resp") else f"codex:{spot.session}:{response}"
        record, guessed = _record([name], split, terms, spot)
        self.records.append(record)
        self.counter.pending = [*self.counter.pending, record][-_PENDING_MOST:]
        return guessed

    def counted(self, grown: Split, total: Split | None, terms: Terms, spot: Spot, owners: list[str]) -> bool:
        """The counter grew; whether the model of what made it grow had to be guessed."""
        names = (
            self._uncounted(grown, terms, spot, owners) if total is None else self._names(total, terms, spot, owners)
        )
        pending, self.counter.pending = self.counter.pending, []
        if pending:
            newest = pending[-1]
            if (newest.split[0], newest.split[3]) == (grown[0], grown[3]):
                self._join(newest, names)
                return False
            grown = _without(grown, pending)
            if not any(grown[:5]):
                return False
        record, guessed = _record(names, grown, terms, spot)
        self.records.append(record)
        return guessed

    def _names(self, total: Split, terms: Terms, spot: Spot, owners: list[str]) -> list[str]:
        """What a call may be met under: its counter, with each session that it may be of and with its turn.

        Numbers that were told before, by a counter that began anew since, are told apart by how often one did: in the
        session, which copies repeat from its start, and in the turn, from which on they may be cut off.
        """
        stood = ".".join(map(str, total))
        names = [f"codex:{owner}:{stood}{_nth(self.counter.resets)}" for owner in owners]
        if spot.inherits:
            names.extend(f"codex:{owners[1]}:{stood}{_nth(resets)}" for resets in _INHERITED_RESETS)
        if is_uuid(terms.turn):
            names.append(f"codex:turn:{terms.turn}:{stood}{_nth(self.counter.turn_resets)}")
        return names

    def _uncounted(self, took: Split, terms: Terms, spot: Spot, owners: list[str]) -> list[str]:
        """The same without a counter: its time, and its place in the turn."""
        at_once, in_turn = self.counter.uncounted(spot.at)
        names = [f"codex:{owner}:{spot.at}{_nth(at_once)}" for owner in owners]
        if is_uuid(terms.turn):
            names.append(f"codex:turn:{terms.turn}:last:{'.'.join(map(str, took))}{_nth(in_turn)}")
        return names

    def _join(self, record: Record, names: list[str]) -> None:
        """A response whose record is known has caught up with the counter: it can be met under either name."""
        record.names = [*record.names, *names]
        if not any(one is record for one in self.records[-_PENDING_MOST:]):
            self.records.append(record)  # it was handed over before: said again, for the names

    def drain(self) -> list[Item]:
        """Hand over the calls."""
        items: list[Item] = [self._call(record) for record in self.records]
        self.records = []
        return items

    def _call(self, record: Record) -> Call:
        context = self.context
        tokens = _tokens(record.split)
        found = context.price(record.model, record.provider, tokens, record.at, tier=record.tier)
        return Call(
            user_id=context.user_id,
            session_id=record.session,
            usage_id=record.names[0],
            occurred_at=record.at,
            tokens=tokens,
            model=record.model,
            provider=record.provider,
            aliases=checks.aliases(record.names[1:]),
            cost_nano=None if found is None else found.cost_nano,
            cost_source="unpriced" if found is None else "computed",
            price_version=None if found is None else found.version,
            tier=record.tier,
            source=SOURCE,
            evidence=Evidence.TRANSCRIPT,
            weight=record.weight,
            flagged=record.flagged,
            alike=_alike(record),
        )


def _record(names: list[str], split: Split, terms: Terms, spot: Spot) -> tuple[Record, bool]:
    model, guessed = model_of(terms.model, spot.at)
    record = Record(
        names=names,
        split=split,
        model=model,
        provider=terms.provider,
        tier=terms.tier,
        session=spot.session,
        at=spot.at,
        weight=spot.weight,
        flagged=spot.flagged,
    )
    return record, guessed


def _alike(record: Record) -> str:
    """What a call is like, by which its log knows it."""
    took, cached, _, gave, reasoning, _ = record.split
    return shared.codex_alike(record.session, took, cached, gave, reasoning)


def _nth(number: int) -> str:
    """What tells a name from the usual one of the same numbers."""
    return f":{number}" if number else ""


def _without(grown: Split, pending: list[Record]) -> Split:
    """What the counter knows beyond the responses that were recorded."""
    left = [max(0, now - sum(one.split[place] for one in pending)) for place, now in enumerate(grown)]
    return (left[0], left[1], left[2], left[3], left[4], left[5])


def _tokens(split: Split) -> Tokens:
    """A usage in disjoint kinds."""
    took, cached, written, gave, reasoning, _ = split
    cached = min(cached, took)
    written = min(written, took - cached)
    reasoning = min(reasoning, gave)
    return Tokens(
        input=took - cached - written,
        cache_read=cached,
        cache_write=written,
        output=gave - reasoning,
        reasoning=reasoning,
    )


def model_of(model: str | None, at: int) -> tuple[str, bool]:
    """The model of a call, and whether it was guessed."""
    if model is None:
        return GUESSED_MODEL, True
    if model != AUTO_REVIEW:
        return model, False
    return next((name for since, name in _REVIEWERS if at >= since), GUESSED_MODEL), True
