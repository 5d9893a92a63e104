"""The session tree: children, what each cost itself and with all below it, and lives that are each session's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

import rollbook
from rollbook.book import Rollbook
from rollbook.errors import NotFound

from .tools import Clock, Peer, opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(tmp_path: Path, clock: Clock) -> Iterator[Rollbook]:
    with opened(tmp_path / "book.db", clock) as made:
        yield made


def _grown(book: Rollbook) -> None:
    for name, parent, cost in (
        ("top", None, 1), ("a", "top", 2), ("a1", "a", 4), ("a2", "a", 8), ("b", "top", 16), ("other", None, 32),
    ):  # fmt: skip
        book.touch(name, parent=parent, agent=f"agent of {name}")
        book.record_usage(name, tokens_in=1, cost_usd=cost)


def test_a_tree_has_own_and_inclusive_figures(book: Rollbook) -> None:
    _grown(book)
    book.record_usage("a2", tokens_in=1, model="nameless")
    told = [
        (one.depth, one.session_id, one.cost_usd, one.inclusive_cost_usd, one.sessions, one.inclusive_calls)
        for one in book.tree("top")
    ]
    assert told == [
        (0, "top", 1, 31, 5, 6), (1, "a", 2, 14, 3, 4), (2, "a1", 4, 4, 1, 1), (2, "a2", 8, 8, 1, 2),
        (1, "b", 16, 16, 1, 1),
    ]  # fmt: skip
    assert [one.inclusive_unpriced_calls for one in book.tree("top")] == [1, 1, 0, 1, 0]
    assert [one.session_id for one in book.tree("a")] == ["a", "a1", "a2"]
    assert {one.parent_id for one in book.tree("a")} == {"top", "a"}
    with pytest.raises(NotFound):
        book.tree("nobody's")


def test_what_was_deleted_is_in_no_tree(book: Rollbook) -> None:
    _grown(book)
    book.delete("a")
    assert [one.session_id for one in book.tree("top")] == ["top", "b"]


def test_a_tree_may_be_deep(book: Rollbook) -> None:
    book.touch("s0")
    for number in range(1, 60):
        book.touch(f"s{number}", parent=f"s{number - 1}")
    assert [one.depth for one in book.tree("s0")] == list(range(60))


@given(some.lists(some.tuples(some.integers(0, 30), some.integers(0, 10**9)), max_size=12))
def test_a_tree_comes_to_what_its_sessions_come_to(grown: list[tuple[int, int]]) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        book.touch("0")
        for number, (below, nano) in enumerate(grown, start=1):
            more: dict[str, Any] = {"cost_usd": f"{nano}e-9"}
            book.touch(str(number), parent=str(below % number))
            book.record_usage(str(number), tokens_in=1, **more)
        branches = book.tree("0")
        assert len(branches) == len(grown) + 1
        for one in branches:
            whole = book.inclusive(one.session_id)
            assert (one.sessions, one.inclusive_calls) == (whole.sessions, whole.calls)
            assert one.inclusive_cost_nano_usd == whole.cost_nano_usd


def test_R5_the_end_of_a_sub_agent_does_not_end_its_parent(book: Rollbook, clock: Clock) -> None:
    Peer(book, "top")
    book.touch("sub", parent="top")
    book.end("sub", "failed")
    assert book.get("top").status == "running"
    with book.session("another", parent="top"):
        pass
    peer = Peer(book, "crashed")
    book.touch("crashed", parent="top")
    clock.passes(50)
    Peer(book, "top")
    clock.passes(15)
    assert [one.session_id for one in book.reconcile(wait=False).sessions] == ["crashed"]
    assert [one.status for one in book.tree("top")] == ["running", "failed", "completed", "unknown"]
    assert peer.instance_id


def test_R5_the_end_of_a_parent_does_not_end_what_it_started(book: Rollbook) -> None:
    book.touch("top")
    book.touch("sub", parent="top")
    book.end("top", "completed")
    assert book.get("sub").status == "running"
