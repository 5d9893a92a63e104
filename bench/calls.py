"""The metered calls of the benchmarks: the same for the same numbers.

Calls fall on sessions and models at random. Each has a usage id of its caller's: as a rule a UUID of version 7, which
grows with time as ids made by clients do; with ``scattered`` one of version 4, as some providers give.
"""

from __future__ import annotations

import random
from typing import Any, Final

import apsw
import msgspec

import rollbook

MODELS: Final = ("claude-sonnet-4-5", "gpt-5-mini", "gemini-2.5-pro")
_FILL: Final = 500  #: calls that are recorded together while a book is filled
_EPOCH_MS: Final = 1_780_000_000_000


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """How much is metered."""

    sessions: int
    warm: int  #: calls before the clock starts
    calls: int  #: calls that are timed
    callers: int = 64
    users: int = 1  #: the book's own user, or so many
    scattered: bool = False


Call = dict[str, Any]


def usage_ids(work: Workload, seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        stamp = chance.getrandbits(48) if work.scattered else _EPOCH_MS + seed * 1_000_000_000 + number
        tail = chance.getrandbits(74)
        whole = f"{stamp:012x}7{tail >> 62:03x}{0x8000 | (tail >> 48) & 0x3FFF:04x}{tail & (2**48 - 1):012x}"
        found.append(f"{whole[:8]}-{whole[8:12]}-{whole[12:16]}-{whole[16:20]}-{whole[20:]}")
    return found


def _call(work: Workload, session: int, model: str, usage_id: str, chance: random.Random) -> Call:
    call: Call = {
        "session_id": f"session-{session:08d}",
        "model": model,
        "provider": "bench",
        "tokens_in": chance.randrange(50, 20_000),
        "tokens_out": chance.randrange(1, 2_000),
        "cost_usd": f"0.{chance.randrange(1, 9_999):06d}",
        "usage_id": usage_id,
    }
    if work.users > 1:
        call["user_id"] = f"user-{session % work.users}"
    return call


def calls(work: Workload) -> list[Call]:
    """The calls that are metered: first the warm ones, then the timed ones."""
    chance = random.Random(7)
    ids = usage_ids(work, 2, work.warm + work.calls)
    return [_call(work, chance.randrange(work.sessions), chance.choice(MODELS), usage_id, chance) for usage_id in ids]


def fill(url: str, work: Workload) -> None:
    """A book in which every session has been called once on every model."""
    chance = random.Random(6)
    ids = iter(usage_ids(work, 1, work.sessions * len(MODELS)))
    made = [_call(work, number, model, next(ids), chance) for number in range(work.sessions) for model in MODELS]
    with rollbook.open(url) as book:
        for start in range(0, len(made), _FILL):
            for outcome in book.record_many(made[start : start + _FILL]):
                if outcome != "counted":
                    raise SystemExit(f"a call was not counted while the book was filled: {outcome}")


#: What must be the same whoever wrote the calls, and in whatever order: everything but times and the numbers of rows.
_CONTENTS: Final = (
    "select count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(ledger_rows) from session",
    "select count(*), sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from model_usage",
    "select count(*), sum(calls), sum(input), sum(output), sum(cost), count(distinct usage_id) from ledger",
    "select count(*), count(distinct usage_key) from usage_key",
    "select user_no > 0, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from spend group by 1 order by 1",
    "select user_no > 0, hour < 0, sum(sessions), sum(calls), sum(cost) from activity group by 1, 2 order by 1, 2",
    "select user_no > 0, hour < 0, sum(sessions), sum(cost) from activity_model group by 1, 2 order by 1, 2",
    "select sum(tokens_in * (1 + session_no % 97)) from session",
    "select sum(cost * (1 + (session_no * 7 + model_no) % 97)) from model_usage",
)


def contents(path: str) -> list[list[Any]]:
    """A book's contents in a few figures."""
    connection = apsw.Connection(path)
    try:
        return [list(row) for text in _CONTENTS for row in connection.execute(text)]
    finally:
        connection.close()


def balanced(path: str) -> None:
    """Stop unless the book's sums follow from its rows."""
    with rollbook.open(f"sqlite:///{path}") as book:
        found = book.verify()
    if not found.ok:
        raise SystemExit(f"{path} does not balance: {found.problems[:3]}")
