"""What Codex's counter tells, event by event: growth, and what only looks like it."""

from __future__ import annotations

import pytest

from rollbook.importers.codex_calls import Counter, Split


@pytest.mark.parametrize(
    ("told", "grew"),
    [
        ([(10, None), (30, None)], [10, 20]),
        ([(10, 10), (10, 10)], [10, 0]),
        ([(900, 40), (930, 30)], [40, 30]),
        ([(900, None)], [900]),
        ([(10, 10), (90, 20)], [10, 80]),
        ([(90, 90), (40, 40), (60, 20)], [90, 40, 20]),
        ([(90, 90), (40, 15)], [90, 15]),
        ([(90, 90), (40, None)], [90, 40]),
        ([(10, 10), (70, 70), (80, 10)], [10, 70, 10]),
        ([(None, 7), (None, 5)], [7, 5]),
        ([(None, None)], [0]),
        ([(50, 50), (60, 10), (50, 50), (60, 10)], [50, 10, 50, 10]),
        ([(900, 900), (40, 40), (950, 50), (60, 20), (950, 50)], [900, 40, 50, 20, 0]),
        ([(90, 90), (100, 10), (120, 20), (100, 10), (130, 10)], [90, 10, 20, 0, 10]),
        ([(90, 90), (100, 10), (95, 5), (110, 10)], [90, 10, 5, 10]),
        ([(None, 7), (None, 7), (None, 9)], [7, 0, 9]),
        ([(10, 10), (None, 5), (18, 3)], [10, 5, 3]),
    ],
    ids=[
        "grows",
        "told again",
        "goes on from what is not known",
        "its first is all that is known",
        "an event was lost",
        "fell to its last",
        "fell",
        "fell without a last",
        "began anew above where it stood",
        "no total",
        "nothing",
        "began anew at the same numbers",
        "two counters in turns",
        "an old event came late",
        "put back to where it stood before",
        "no total, told again",
        "a total that contains what had none",
    ],
)
def test_r15_what_the_counter_grew_by(told: list[tuple[int | None, int | None]], grew: list[int]) -> None:
    def split(number: int | None) -> Split | None:
        return None if number is None else (number, 0, 0, 0, 0, number)

    counter = Counter()
    assert [counter.grew(split(total), split(last))[0] for total, last in told] == grew
