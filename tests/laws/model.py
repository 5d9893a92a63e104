"""The rules once more, as plainly as they can be written: remember everything, compute everything anew.

It shares nothing with the book but the nouns. What was said is kept in lists; :meth:`Model.sessions` replays them.
Restrictions: users are UUIDs, calls have a reported cost or none, times are integer microseconds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from rollbook.model import HOUR_US, MICROS, NANO, Tokens, from_micros, rfc3339

from .life import END, MARK, REOPEN, STATUSES, Said, Told, life_of, said

ABANDON_AFTER: Final = 1800 * MICROS
_FIRST: Final = ("dataset_id", "kind", "channel", "agent", "project", "parent_id")
_LATEST: Final = ("title", "goal_text", "tags", "metadata", "actor")


@dataclass(frozen=True)
class Report:
    """One report of a call."""

    session: str
    names: tuple[str, ...]
    at: int
    tokens: Tokens
    model: str = ""
    cost: int | None = None
    evidence: int = 35
    weight: int = 0
    errored: bool = False

    @property
    def claim(self) -> tuple[Any, ...]:
        """R15: what decides which of two reports is believed, in the order in which it is looked at."""
        amounts = tuple(getattr(self.tokens, name) for name in Tokens.__struct_fields__)
        total, priced = sum(amounts), self.cost is not None
        return (
            self.evidence, total, priced, self.weight, -self.at, self.session, self.model,
            (*amounts, self.cost or 0, int(self.errored)),
        )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """What a believed call, or an adjustment, adds."""

    at: int
    model: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost: int | None
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    errors: int = 0

    @property
    def unpriced(self) -> int:
        return self.calls if self.cost is None else 0


@dataclass
class Known:
    """What is known of one session."""

    signs: set[int] = field(default_factory=set)
    life: set[Said] = field(default_factory=set)
    facts: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    adjustments: list[Row] = field(default_factory=list)
    turns: int = 0
    flagged: bool = False

    @property
    def told(self) -> Told:
        return life_of(self.signs, self.life)


def effective(status: str, last: int, now: int) -> str:
    """R4."""
    return "abandoned" if status == "running" and last < now - ABANDON_AFTER else status


def dollars(nano: int, calls: int, unpriced: int) -> float | None:
    """R14: what was called and has no price is not free."""
    return None if unpriced and unpriced >= calls and nano == 0 else nano / NANO


class Model:
    """The books of one user."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.reports: list[Report] = []
        self.deleted: set[str] = set()
        self.kept: dict[str, list[Row]] = {}  #: adjustments of sessions that were deleted

    # What was said

    def session(self, name: str) -> Known:
        return self.known.setdefault(name, Known())

    def sign(self, name: str, at: int) -> None:
        if name not in self.deleted:
            self.session(name).signs.add(at)

    def touch(self, name: str, at: int, turns: int = 0, **facts: Any) -> None:
        known = self.session(name)
        known.signs.add(at)
        known.turns = max(known.turns, turns)
        known.facts.append((at, {key: value for key, value in facts.items() if value is not None}))

    def live(self, name: str, event: Said) -> None:
        self.session(name).life.add(event)

    def end(self, name: str, event: Said) -> bool:
        """Take a hard end; whether it agrees with the one that closed the attempt which was open then."""
        self.live(name, event)
        told = self.known[name].told
        closing = [end for end, (at, again) in zip(told.ends, told.gaps, strict=True) if at <= event.at < again]
        return all(end.status == event.status for end in closing)

    def presume_crashed(self, name: str, now: int, reason: str | None, by: str) -> bool:
        told = self.known[name].told
        if told.status == "running":
            self.live(name, said(max(now, told.last), MARK, "unknown", reason, by))
        return told.status == "running"

    def upsert(self, name: str, now: int, status: str | None, turns: int | None, **target: int | None) -> None:
        """R16: absolute counters become an adjustment; the status is made to be what it is said to be."""
        told = self.known[name].told if name in self.known else None
        current = told.status if told else "running"
        status = status or current
        if told and current not in ("running", status):
            self.live(name, said(max(now, (told.ended or told.last) + 1), REOPEN))
        self.sign(name, now)
        if turns is not None:
            self.known[name].turns = turns
        shown, last = self.shown(name, now), self.known[name].told.last
        added = {
            key: 0 if target[key] is None else target[key] - shown[key]
            for key in ("tokens_in", "tokens_out", "cost_nano_usd")
        }
        if any(added.values()):
            row = Row(last, "", 0, added["tokens_in"], added["tokens_out"], added["cost_nano_usd"])
            self.known[name].adjustments.append(row)
        told = self.known[name].told
        if status == "unknown":
            self.presume_crashed(name, max(now, told.last), None, "client")
        elif status != "running" and told.status == "running":
            self.live(name, said(max(now, told.last), END, status, None, "client"))

    def report(self, report: Report, *, timed: bool = True) -> str:
        """Take a report; what became of it."""
        before = [group for group in self.calls() if any(set(report.names) & set(other.names) for other in group)]
        best = max((max(group, key=lambda one: one.claim) for group in before), key=lambda one: one.claim, default=None)
        better = best is None or report.claim > best.claim
        self.reports.append(report)
        if timed or better:
            self.sign(report.session, report.at)
        if best is None:
            counted = report.session not in self.deleted and self.known[report.session].told.counts(report.at)
            return "counted" if counted else "late"
        new = report.claim
        says_more = better and (new[4:], new[1], new[2]) != (best.claim[4:], best.claim[1], best.claim[2])
        return "amended" if says_more or len(before) > 1 else "duplicate"

    def delete(self, name: str) -> bool:
        known = self.known.pop(name, None)
        if known is None:
            return False
        self.deleted.add(name)
        self.kept[name] = known.adjustments
        return True

    # What it comes to

    def calls(self) -> list[list[Report]]:
        """R15: reports that share a name, directly or through others, are of one call."""
        groups: list[list[Report]] = []
        for report in self.reports:
            names = set(report.names)
            same = [group for group in groups if any(names & set(other.names) for other in group)]
            groups = [group for group in groups if group not in same]
            groups.append([*(other for group in same for other in group), report])
        return groups

    def believed(self) -> list[Report]:
        return [max(group, key=lambda one: one.claim) for group in self.calls()]

    def rows(self) -> dict[str, list[Row]]:
        """Every session's rows, also of those that were deleted."""
        found: dict[str, list[Row]] = defaultdict(list)
        for one in self.believed():
            tokens = one.tokens
            found[one.session].append(
                Row(
                    one.at, one.model, 1, tokens.tokens_in, tokens.tokens_out, one.cost, tokens.cache_read,
                    tokens.cache_write + tokens.cache_write_1h, tokens.reasoning, int(one.errored),
                )
            )  # fmt: skip
        for name, known in self.known.items():
            found[name].extend(known.adjustments)
        for name, adjustments in self.kept.items():
            found[name].extend(adjustments)
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """R1: of some facts the first stays, of the others the latest stands."""
        found: dict[str, Any] = {}
        said_of = self.known[name].facts
        for key in (*_FIRST, *_LATEST):
            values = [(at, facts[key]) for at, facts in said_of if facts.get(key) is not None]
            if values:
                found[key] = (min(values) if key in _FIRST else max(values))[1]
        return found

    def shown(self, name: str, now: int) -> dict[str, Any]:
        """A session as a reader sees it, but for what the book alone decides."""
        known, told, facts = self.known[name], self.known[name].told, self.facts(name)
        rows = self.rows().get(name, [])
        counted = [row for row in rows if told.counts(row.at)]
        late = [row for row in rows if not told.counts(row.at)]
        calls, cost = sum(row.calls for row in counted), sum(row.cost or 0 for row in counted)
        unpriced, errors = sum(row.unpriced for row in counted), sum(row.errors for row in counted)
        return {
            "session_id": name,
            "dataset_id": facts.get("dataset_id"),
            "status": told.status,
            "started_at": rfc3339(from_micros(told.started)),
            "last_activity_at": rfc3339(from_micros(told.last)),
            "ended_at": None if told.ended is None else rfc3339(from_micros(told.ended)),
            "tokens_in": sum(row.tokens_in for row in counted),
            "tokens_out": sum(row.tokens_out for row in counted),
            "cost_usd": dollars(cost, calls, unpriced),
            "error_count": errors,
            "last_model": max(((row.at, row.model) for row in counted if row.model), default=(0, None))[1],
            "effective_status": effective(told.status, told.last, now),
            "kind": facts.get("kind", "interactive"),
            "channel": facts.get("channel"),
            "agent": facts.get("agent"),
            "project": facts.get("project"),
            "title": facts.get("title"),
            "goal_text": facts.get("goal_text"),
            "parent_id": facts.get("parent_id"),
            "end_reason": (told.decided.reason or None) if told.decided else None,
            "decided_by": (told.decided.by or None) if told.decided else None,
            "attempt": told.attempt,
            "turns": known.turns,
            "calls": calls,
            "unpriced_calls": unpriced,
            "late_calls": sum(row.calls for row in late),
            "call_errors": errors,
            "step_errors": 0,
            "cache_read_tokens": sum(row.cache_read for row in counted),
            "cache_write_tokens": sum(row.cache_write for row in counted),
            "reasoning_tokens": sum(row.reasoning for row in counted),
            "cost_nano_usd": cost,
            "agent_time_s": told.worked / MICROS,
            "clock_flagged": known.flagged,
            "tags": list(facts.get("tags") or ()),
            "metadata": facts.get("metadata") or {},
            "actor": facts.get("actor"),
        }

    def active(self, since: int | None, now: int) -> list[dict[str, Any]]:
        """The sessions that were active since a time."""
        found = [self.shown(name, now) for name in self.known]
        return [one for one in found if since is None or self.known[one["session_id"]].told.last >= since]

    def stats(self, since: int | None, now: int) -> dict[str, Any]:
        """R8."""
        found = self.active(since, now)
        count: dict[str, int] = defaultdict(int)
        for one in found:
            count[one["effective_status"]] += 1
        decided = len(found) - count["running"]
        total = {
            key: sum(one[key] for one in found)
            for key in ("cost_nano_usd", "tokens_in", "tokens_out", "calls", "unpriced_calls", "error_count")
        }
        worked = sum(self.known[one["session_id"]].told.worked for one in found)
        return {
            "sessions": len(found),
            "total_spend_nano_usd": total["cost_nano_usd"],
            "total_spend_usd": total["cost_nano_usd"] / NANO,
            "avg_spend_per_session_usd": total["cost_nano_usd"] / NANO / len(found) if found else 0.0,
            "tokens_in": total["tokens_in"],
            "tokens_out": total["tokens_out"],
            "tokens_total": total["tokens_in"] + total["tokens_out"],
            "agent_time_s": worked / MICROS,
            "avg_session_s": worked / MICROS / len(found) if found else 0.0,
            "success_rate": count["completed"] / decided if decided else 1.0,
            **{name: count[name] for name in (*STATUSES, "abandoned")},
            "calls": total["calls"],
            "unpriced_calls": total["unpriced_calls"],
            "errors": total["error_count"],
        }

    def by_model(self, since: int | None, now: int) -> dict[str, tuple[int, ...]]:
        """R9: sessions, calls, tokens in and out, cost, unpriced calls of each model."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
        for one in self.active(since, now):
            told = self.known[one["session_id"]].told
            of_session: dict[str, list[int]] = defaultdict(lambda: [0] * 9)
            for row in self.rows().get(one["session_id"], []):
                if told.counts(row.at):
                    amounts = (
                        row.calls, row.tokens_in, row.tokens_out, row.cost or 0, row.unpriced, row.cache_read,
                        row.cache_write, row.reasoning, row.errors,
                    )  # fmt: skip
                    into = of_session[row.model]
                    into[:] = [left + right for left, right in zip(into, amounts, strict=True)]
            for model, amounts_of in of_session.items():
                if any(amounts_of):
                    into = sums[model or "unknown"]
                    into[:] = [left + right for left, right in zip(into, [1, *amounts_of[:5]], strict=True)]
        return {model: tuple(amounts) for model, amounts in sums.items()}

    def spend(self, key: str) -> dict[tuple[bool, str], tuple[int, ...]]:
        """Spend by model, agent, hour …: calls, tokens, cost, unpriced, late calls, late cost; deleted ones apart."""
        sums: dict[tuple[bool, str], list[int]] = defaultdict(lambda: [0] * 7)
        for name, rows in self.rows().items():
            gone = name in self.deleted
            facts = {} if gone else self.facts(name)
            for row in rows:
                late = 0 if gone else int(not self.known[name].told.counts(row.at))
                line = {
                    "model": row.model or "unknown",
                    "agent": facts.get("agent") or "(none)",
                    "project": facts.get("project") or "(none)",
                    "kind": facts.get("kind") or "interactive",
                    "hour": str(row.at // HOUR_US),
                }[key]
                cost = row.cost or 0
                amounts = (
                    row.calls, row.tokens_in, row.tokens_out, cost, row.unpriced, row.calls * late, cost * late,
                )  # fmt: skip
                into = sums[gone, "(deleted)" if gone else line]
                into[:] = [left + right for left, right in zip(into, amounts, strict=True)]
        return {key: tuple(amounts) for key, amounts in sums.items() if any(amounts)}
