"""Cost by user and agent is what the sessions come to one by one, on both engines, and as much as the stats (R8)."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest

from rollbook.ledger.names import guessed
from rollbook.model import from_micros, to_micros
from rollbook.principals import READER, Principal

from .tools import DAY, HOUR, MINUTE, NOW, call, opened, touch, user, write

pytestmark = pytest.mark.usefixtures("engine")

DATASET = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
AGENTS = ("codex", "claude-code", "my-bot", None)
IDS = ("cc_{}", "run-{}", "x-Claude-{}", "{}-codex", "slack/{}", "MCP {}", "é{}")


def test_lines_are_what_sessions_come_to_one_by_one() -> None:
    chance = random.Random(7)
    with opened(all_users=True) as book:
        ops: list[Any] = []
        for number in range(120):
            owner, name = user(number % 3), chance.choice(IDS).format(number)
            at = NOW - chance.randrange(3 * DAY)
            dataset = DATASET if number % 5 == 0 else None
            ops += [
                touch(name, at, owner, agent=chance.choice(AGENTS), dataset_id=dataset),
                call(name, f"u{number}", at, owner=owner, cost_nano=chance.choice((None, number)), tokens_in=number),
            ]
        write(book, ops)
        sees = Principal(user_id=user(1), role=READER, reads=frozenset({DATASET}))
        for asking in (book, book.acting(sees), book.acting(Principal(user_id=user(2), role=READER))):
            sessions = list(asking.iterate())
            for since in (None, NOW, NOW - 20 * MINUTE, NOW - HOUR, NOW - 50 * HOUR - 7, NOW - DAY):
                moment: Any = "all" if since is None else from_micros(since)
                expected: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 6)
                for one in sessions:
                    if since is not None and to_micros(one.last_activity_at) < since:
                        continue
                    sums = expected[one.user_id, one.agent or guessed(one.session_id)]
                    own = (1, one.calls, one.tokens_in, one.tokens_out, one.cost_nano_usd, one.unpriced_calls)
                    sums[:] = [left + right for left, right in zip(sums, own, strict=True)]
                found = asking.cost_by_agent(since=moment)
                names = ("session_count", "calls", "tokens_in", "tokens_out", "cost_nano_usd", "unpriced_calls")
                assert {
                    (line.user_id, line.agent): [getattr(line, name) for name in names] for line in found
                } == expected
                costs = [line.cost_nano_usd for line in found]
                assert costs == sorted(costs, reverse=True)
                assert sum(costs) == asking.stats(since=moment).total_spend_nano_usd
        assert book.cost_by_agent(since="all", user_id="nobody@example.com") == []
