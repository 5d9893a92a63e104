"""The plan that takes the ledger through other prices (R14)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollbook import gate
from rollbook.core import Plan, Write
from rollbook.errors import RollbookError
from rollbook.ledger import reprice as repricing
from rollbook.ledger.reprice import Asked, Looked, Place, Step
from rollbook.model import NANO, RepricedModel, Repricing, cost_usd
from rollbook.plans.reading import ReadPlans, Since, User
from rollbook.pricing import Prices
from rollbook.rules import checks

Answer = bool | RollbookError  #: of a call that is to get another amount


class RepricePlans(ReadPlans):
    """Methods that price again."""

    def reprice(
        self,
        *,
        prices: str | os.PathLike[str] | Prices | None = None,
        since: Since = None,
        until: Since = None,
        model: str | None = None,
        agent: str | None = None,
        only_unpriced: bool = False,
        dry_run: bool = False,
        user_id: User = None,
    ) -> Plan[Repricing]:
        """Price calls again whose cost was looked up, by these prices or by those of the book (R14); what changed.

        ``prices`` is the path of a price file, before the shipped tables. ``since`` and ``until`` bound when the calls
        were made. Where the amount is another, a reversal and a correction are appended: the old amount stays in
        :meth:`usage`. A cost that was reported is left alone, and a call for which there is no price now keeps the
        amount that it has. A second run changes nothing. With ``dry_run`` nothing is written. A book opened with
        ``all_users`` is repriced for everybody, unless ``user_id`` names one.

        Raises InvalidInput for a price file that cannot be used. Works in short steps, each of which is kept.
        """
        gate.check_admin(self.principal)
        chosen = self.prices if prices is None else prices if isinstance(prices, Prices) else Prices(prices)
        chosen.load()
        now = self.clock()
        asked = Asked(
            window=checks.window(since, until, now),
            model=checks.model(model),
            agent=checks.name(agent, "agent"),
            only_unpriced=bool(only_unpriced),
        )
        tallies: dict[str, _Tally] = {}
        after: Place | None = None
        while True:
            step: Step = yield self._look(user_id, _step, asked, chosen, after)
            ops = [it.op for it in step.looked if it.op is not None]
            answers: Sequence[Answer] = (yield Write(ops)) if ops and not dry_run else [True] * len(ops)
            _count(tallies, step.looked, answers)
            if step.after is None:
                return _answer(tallies, dry_run=bool(dry_run))
            after = step.after


def _step(tx: Any, scope: Any, asked: Asked, prices: Prices, after: Place | None) -> Step:
    return repricing.step(tx, scope, asked, prices, after=after)


@dataclass
class _Tally:
    """What was found of one model, or of all."""

    calls: int = 0
    changed: int = 0
    newly: int = 0
    kept: int = 0
    unpriced: int = 0
    old: int = 0
    new: int = 0
    versions: set[str] = field(default_factory=set)

    def add(self, it: Looked, *, fits: bool) -> None:
        new = it.new if fits else None
        if new is None:
            new = it.old
            self.kept += it.old is not None
            self.unpriced += it.old is None
        elif it.old is None:
            self.newly += 1
        else:
            self.changed += new != it.old
        if fits and it.op is not None:
            self.versions.add(it.op.price_version)
        self.calls += 1
        self.old += it.old or 0
        self.new += new or 0

    def row(self, model: str) -> RepricedModel:
        return RepricedModel(
            model=model,
            calls=self.calls,
            changed=self.changed,
            newly_priced=self.newly,
            kept=self.kept,
            unpriced=self.unpriced,
            old_cost_usd=cost_usd(self.old, self.calls, self.newly + self.unpriced),
            new_cost_usd=cost_usd(self.new, self.calls, self.unpriced),
            difference_usd=(self.new - self.old) / NANO,
            old_cost_nano_usd=self.old,
            new_cost_nano_usd=self.new,
            difference_nano_usd=self.new - self.old,
            versions=tuple(sorted(self.versions)),
        )


def _count(tallies: dict[str, _Tally], looked: Iterable[Looked], answers: Iterable[Answer]) -> None:
    """Take in a step. A call that somebody else changed since it was looked at is theirs, and in no count."""
    of_ops = iter(answers)
    for it in looked:
        answer = next(of_ops) if it.op is not None else True
        if answer is not False:
            tallies.setdefault(it.model, _Tally()).add(it, fits=answer is True)


def _answer(tallies: dict[str, _Tally], *, dry_run: bool) -> Repricing:
    total = _Tally()
    for one in tallies.values():
        for name in ("calls", "changed", "newly", "kept", "unpriced", "old", "new"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        total.versions |= one.versions
    rows = [tally.row(model) for model, tally in tallies.items()]
    rows.sort(key=lambda row: (-abs(row.difference_nano_usd), row.model))
    return Repricing(dry_run=dry_run, rows=rows, total=total.row("total"))
