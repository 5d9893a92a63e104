"""How sums kept by equal periods come to a range of time (R8, R9)."""

from __future__ import annotations

import random
from collections import Counter

from rollbook.rules.windows import FOREVER, Window, pieces


def test_pieces_of_a_range_count_each_moment_once() -> None:
    chance = random.Random(1)
    for _ in range(3_000):
        width = chance.choice((1, 2, 3, 10))
        since, until = sorted((chance.randrange(60), chance.randrange(60)))
        first, end, edges = pieces(Window(since, until), width)
        counted: Counter[int] = Counter(range(first * width, end * width))
        for edge in edges:
            assert edge.start < edge.end
            assert 2 * (edge.end - edge.start) <= width
            for at in range(edge.start, edge.end):
                counted[at] += edge.sign
        assert {at: times for at, times in counted.items() if times} == dict.fromkeys(range(since, until), 1)
    assert pieces(Window(20, None), 10) == (2, FOREVER, ())
