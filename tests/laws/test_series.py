"""Spend over time adds up to spend by period and to spend by name, for whoever asks, on both engines (R6, R9)."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rollbook import Rollbook
from rollbook.errors import InvalidInput
from rollbook.ledger.series import SpendSeries
from rollbook.principals import READER, Principal

from .tools import DAY, NOW, call, opened, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

DATASET = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
FIELDS = ("calls", "tokens_in", "tokens_out", "cost_nano_usd", "unpriced_calls")


def filled(book: Rollbook) -> None:
    chance = random.Random(3)
    ops: list[Any] = []
    for number in range(60):
        owner, name, at = user(number % 3), f"s{number}", NOW - chance.randrange(4 * DAY)
        dataset = DATASET if number % 4 == 0 else None
        ops.append(touch(name, at, owner, agent=chance.choice(("codex", "my-bot", None)), dataset_id=dataset))
        for part in range(3):
            model = chance.choice(("m1", "m2", None))
            cost = chance.choice((None, number + 1))
            when = at + part * DAY // 9
            ops.append(call(name, f"u{number}.{part}", when, owner=owner, cost_nano=cost, tokens_in=5, model=model))
    write(book, ops)
    book.delete("s8", user_id=user(8 % 3))
    book.delete("s9", user_id=user(0))


def sums_of_names(series: SpendSeries) -> dict[tuple[str, bool], tuple[int, ...]]:
    return {(line.key, line.deleted): tuple(sum(getattr(line, name)) for name in FIELDS) for line in series.lines}


def sums_of_periods(series: SpendSeries, by: str, zone: ZoneInfo) -> dict[tuple[str, bool], tuple[int, ...]]:
    found: dict[tuple[str, bool], tuple[int, ...]] = defaultdict(lambda: (0,) * len(FIELDS))
    for line in series.lines:
        for place, start in enumerate(series.starts):
            local = start.astimezone(zone)
            key = local.date().isoformat() if by == "day" else local.isoformat(timespec="minutes")
            key = "(deleted)" if line.deleted else key  # which is a line of its own there
            mine = tuple(getattr(line, name)[place] for name in FIELDS)
            old = found[key, line.deleted]
            found[key, line.deleted] = tuple(left + right for left, right in zip(old, mine, strict=True))
    return {key: amounts for key, amounts in found.items() if any(amounts)}


@pytest.mark.parametrize("by", ["hour", "day"])
@pytest.mark.parametrize("stack", ["model", "agent", "none"])
def test_series_add_up_to_spend_by_period_and_by_name(by: str, stack: str) -> None:
    zone = ZoneInfo("Asia/Kolkata")  # where hours begin at half past
    with opened(all_users=True) as book:
        filled(book)
        sees = Principal(user_id=user(1), role=READER, reads=frozenset({DATASET}))
        nobody = Principal(user_id=user(77), role=READER)
        for asking in (book, book.acting(sees), book.acting(Principal(user_id=user(2), role=READER))):
            for since in ("all", "50h"):
                series = asking.spend_series(by=by, stack=stack, since=since, tz=zone.key)
                assert (series.by, series.stack, series.tz) == (by, stack, zone.key)
                assert series.starts == sorted(set(series.starts))
                assert len(series.lines) > 1
                by_period = asking.spend(by=by, since=since, tz=zone.key)
                assert sums_of_periods(series, by, zone) == {
                    (row.key, row.deleted): tuple(getattr(row, name) for name in FIELDS) for row in by_period.rows
                }
                if stack != "none" and since == "all":
                    by_name = asking.spend(by=stack, since=since)
                    assert sums_of_names(series) == {
                        (row.key, row.deleted): tuple(getattr(row, name) for name in FIELDS) for row in by_name.rows
                    }
        assert book.acting(nobody).spend_series(since="all").lines == []


def test_what_was_deleted_has_a_line_of_its_own_behind_the_others() -> None:
    with opened(all_users=True) as book:
        filled(book)
        lines = book.spend_series(since="all").lines
        assert [line.deleted for line in lines] == [False] * (len(lines) - 1) + [True]
        costs = [sum(line.cost_nano_usd) for line in lines[:-1]]
        assert costs == sorted(costs, reverse=True)


def test_what_is_asked_for_is_checked() -> None:
    with opened() as book:
        for asked in ({"by": "month"}, {"stack": "user"}, {"tz": "Nowhere"}, {"since": "soon"}):
            with pytest.raises(InvalidInput):
                book.spend_series(**asked)
        assert book.spend_series(since="all") == SpendSeries(by="day", stack="model", tz="UTC", starts=[], lines=[])
