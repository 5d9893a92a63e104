"""R15: places among calls that took the same are given once, whoever reports at once, and for whichever session."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Final

import pytest

import rollbook
from postgres_books import EmptyBooks
from rollbook.errors import RollbookError
from rollbook.ledger.ops import Op
from rollbook.model import Evidence
from rollbook.settings import LOCAL_USER

from .histories import well
from .test_at_once import at_once, fleet, parts
from .tools import HOUR, NOW, call, write

DOORS: Final = (
    ("log", "s", Evidence.LOG),
    ("span", "s", Evidence.SPAN),
    ("file", "s/agent", Evidence.TRANSCRIPT),  # which says that it was a sub-agent's
)
SIZES: Final = (7, 11, 13)
EACH: Final = 8


@pytest.mark.parametrize("writers", [1, 3])
def test_r15_doors_that_report_the_same_calls_at_once_count_them_once(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch, writers: int
) -> None:
    for seed in range(3):
        chance = random.Random(10 * writers + seed)

        def tell(book: rollbook.Rollbook, ops: Sequence[Op], seed: int) -> None:
            for part in parts(random.Random(seed), ops):
                assert not [answer for answer in write(book, part) if isinstance(answer, RollbookError)]

        with fleet(empty_books, monkeypatch, writers) as books:
            tasks = []
            for book, (door, session, evidence) in zip(books, (*DOORS, DOORS[0]), strict=True):
                ops = [
                    call(
                        session, f"{door}:{size}:{nth}", NOW - HOUR + nth, size, LOCAL_USER, alike=f"s:took:{size}",
                        evidence=evidence,
                    )
                    for size in SIZES
                    for nth in range(EACH)
                ]  # fmt: skip
                chance.shuffle(ops)
                tasks.append(partial(tell, book, ops, chance.randrange(1000)))
            at_once(*tasks)
            total = books[0].spend(by="model", since="all").total
            assert (total.calls, total.tokens_in) == (EACH * len(SIZES), EACH * sum(SIZES))
            well(books[0])
