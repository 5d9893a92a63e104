"""What the contract cannot see: how much of a journal is looked at, what searches find, the shape of what is stored."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

import rollbook
from rollbook.errors import Conflict, InvalidInput
from rollbook.journal import bodies, lines, rules
from rollbook.journal.backend import peruse
from rollbook.journal.contract.sessions import QA, USER, Session, new
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import (
    Append,
    Change,
    Done,
    DropHead,
    ExpectState,
    Fork,
    MoveHead,
    Patch,
    Pop,
    Remove,
    Replace,
    SetState,
    Step,
)

from .in_memory import MemoryJournals

_MANY = 3000


class Counting(MemoryShelf):
    """A journal in memory that counts the entries that were read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def below(self, stream: str, position: int, most: int) -> list[Line]:
        found = super().below(stream, position, most)
        self.read += len(found)
        return found


def made(shelf: MemoryShelf, *changes: Change, who: str = "s", source: str | None = None) -> Done:
    step = Step(USER, who, 1000, changes)
    rules.refuse(shelf, who, step, source)
    return rules.apply(shelf, who, step, source)


@pytest.fixture
def long() -> Counting:
    shelf = Counting()
    made(shelf, Append(QA, tuple(new(f"e{n}") for n in range(_MANY))))
    shelf.read = 0
    return shelf


def tip(shelf: MemoryShelf, who: str = "s", head: str = "main") -> Head:
    found = shelf.head(who, QA, head)
    assert found is not None
    return found


# How much is looked at


def test_the_newest_entries_cost_no_more_in_a_long_stream(long: Counting) -> None:
    assert len(lines.tail(long, QA, tip(long).tip, 20)) == 20
    assert long.read <= 20


@pytest.mark.parametrize(
    "change",
    [Append(QA, (new("x"),)), Append(QA, (new("e5"),)), Replace(QA, "e5", b"1"), Patch(QA, "e5", {}), Pop(QA)],
    ids=["append", "duplicate", "replace", "patch", "pop"],
)
def test_a_change_of_a_stream_with_one_line_does_not_go_through_it(long: Counting, change: Change) -> None:
    made(long, change)
    assert long.read <= 20


def test_a_page_of_a_stream_with_one_line_does_not_go_through_it(long: Counting) -> None:
    assert [line.entry_id for line in lines.page(long, "s", tip(long), 3, "e7")] == ["e4", "e5", "e6"]
    assert long.read <= 20


def test_an_append_at_the_end_of_a_branched_stream_does_not_go_through_it(long: Counting) -> None:
    made(long, Append(QA, (new("x"),), "side", "e2900"))
    long.read = 0
    made(long, Append(QA, (new("y"),), "side"))
    made(long, Append(QA, (new("z"),)))
    assert long.read <= 20


def test_a_stream_that_nobody_branched_needs_no_pointers(long: Counting) -> None:
    made(long, Remove(QA, "e0"), Remove(QA, "e7"), Pop(QA, count=3))
    made(long, Append(QA, (new("x"), new("y"))))
    assert {parent for _, parent in long.whole(QA)} == {None}


def test_only_the_first_entry_of_a_branch_has_a_pointer(long: Counting) -> None:
    made(long, Append(QA, (new("x"), new("y")), "side", "e5"))
    assert [parent for _, parent in long.whole(QA) if parent is not None] == [6]


def test_a_line_is_followed_over_many_branches() -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, tuple(new(f"0-{n}") for n in range(300))))
    for turn in range(1, 5):
        entries = tuple(new(f"{turn}-{n}") for n in range(300))
        made(shelf, Append(QA, entries, after=f"{turn - 1}-99"))
    expected = [f"{turn}-{n}" for turn in range(4) for n in range(100)] + [f"4-{n}" for n in range(300)]
    assert [line.entry_id for line in lines.tail(shelf, QA, tip(shelf).tip, None)] == expected
    assert tip(shelf).length == len(expected)
    assert [line.entry_id for line in lines.tail(shelf, QA, tip(shelf).tip, 350)] == expected[-350:]


# What is stored


def test_nothing_is_left_of_a_dropped_stream(long: Counting) -> None:
    made(long, Append(QA, (new("x"),), "side", "e5"), MoveHead(QA, "main", "e3"))
    made(long, DropHead(QA))
    assert (long.streams, long.all_heads) == ({}, {})


def test_what_only_a_dropped_head_led_to_is_gone() -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, (new("a"), new("b"), new("c"))), Append(QA, (new("x"), new("y")), "side", "a"))
    made(shelf, DropHead(QA, "main"))
    assert sorted(line.entry_id for line in shelf.streams[QA].lines.values()) == ["a", "x", "y"]


def test_a_source_keeps_none_of_what_only_its_fork_shows() -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, (new("a"), new("b"))))
    made(shelf, Fork("s"), who="fork", source="s")
    made(shelf, Pop(QA))
    assert [(line.entry_id, line.who) for line in shelf.streams[QA].lines.values()] == [("a", "s"), ("b", shelf.user)]
    made(shelf, Pop(QA), who="fork")
    assert [line.entry_id for line in shelf.streams[QA].lines.values()] == ["a"]


def test_a_text_stays_when_an_entry_gets_another_parent() -> None:
    shelf = MemoryShelf()
    made(
        shelf,
        Append(QA, (new("a"), new("b"), new("c", text="found"))),
        Append(QA, (new("x", text="too"),), "side", "b"),
    )
    made(shelf, Remove(QA, "b"))
    assert [line.text for line in shelf.streams[QA].lines.values()] == [None, "found", "too"]
    made(shelf, Fork("s"), who="fork", source="s")
    made(shelf, DropHead(QA))
    assert [line.text for line in shelf.streams[QA].lines.values()] == [None, "found"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Replace(QA, "a", b"{}", "new"), "new"),
        (Replace(QA, "a", b"{}"), "old"),
        (Patch(QA, "a", {"q": Raw(b'"new"')}, text_of=("q", "r")), "new\nkept"),
        (Patch(QA, "a", {"q": Raw(b"null"), "r": Raw(b'""')}, text_of=("q", "r")), ""),
        (Patch(QA, "a", {"q": Raw(b'"new"')}), "old"),
    ],
)
def test_an_edit_says_what_a_search_finds(change: Change, text: str) -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, (new("a", b'{"q":"old","r":"kept"}', text="old"),)))
    made(shelf, change)
    assert shelf.streams[QA].lines[1].text == text


# Bodies


@pytest.mark.parametrize("body", [b'{"a":1e400}', b'{"a":123456789012345678901234567890}', b'{"a":-0.0,"t":"x"}'])
def test_the_texts_of_a_body_are_found_beside_any_numbers(body: bytes) -> None:
    patched, text = bodies.patched(body, Patch(QA, "a", {"t": Raw(b'"x\\u00e9"')}, text_of=("a", "t", "z")))
    assert patched.startswith(body[:-1].partition(b',"t"')[0])
    assert text == "x\u00e9"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"])
def test_what_cannot_be_patched_is_said(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="no JSON object"):
        bodies.patched(body, Patch(QA, "a", {"t": Raw(b"1")}))


# Steps that are refused as a whole


def deep() -> bytes:
    return b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "changes",
    [
        (Append(QA, (new("n", b"1"),)), Patch(QA, "n", {})),
        (Replace(QA, "a", b"[]"), Patch(QA, "a", {})),
        (Remove(QA, "a"), Append(QA, (new("a", b"1"),)), Patch(QA, "a", {})),
        (Patch(QA, "a", {"deep": Raw(deep())}), Patch(QA, "a", {"x": Raw(b"1")})),
        (Patch(QA, "a", {"deep": Raw(deep())}, text_of=("q",)),),
        (Pop(QA), Patch(QA, "b", {}), Patch(QA, "a", {}, {"q": {"x": Raw(b"1")}})),
    ],
)
def test_no_step_fails_half_way(changes: tuple[Change, ...]) -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, (new("a", b'{"q":1}'), new("b"))))
    before = dict(shelf.streams[QA].lines), dict(shelf.all_heads)
    with pytest.raises(InvalidInput):
        made(shelf, Append("first", (new("x"),)), *changes)
    assert (shelf.streams[QA].lines, shelf.all_heads) == before
    assert "first" not in shelf.streams


@pytest.mark.parametrize(
    "changes",
    [
        (Fork("s"), Fork("s")),
        (Fork("s", QA), Fork("s", QA, at="a")),
        (Fork("s", QA), Fork("s")),
        (Fork("s", QA), Pop(QA)),
        (Fork("s", QA), DropHead(QA)),
        (Fork("s", QA), Replace(QA, "a", b"1")),
        (MoveHead(QA, "main", None), Fork("s")),
    ],
)
def test_a_fork_meets_nothing_that_nobody_looked_at(changes: tuple[Change, ...]) -> None:
    shelf = MemoryShelf()
    made(shelf, Append(QA, (new("a"),)))
    with pytest.raises(InvalidInput):
        made(shelf, *changes, who="fork", source="s")
    assert shelf.heads_of("fork") == []


# Looking


class Restless(MemoryJournals):
    """Journals that change under whoever looks, a few times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times


def looks(times: int) -> tuple[Restless, Callable[[Peek, Who], int]]:
    journals = Restless(times)

    def look(peek: Peek, who: Who) -> int:
        if journals.times:
            journals.times -= 1
            raise Conflict
        return len(peek.heads_of(who))

    return journals, look


def test_a_look_that_was_disturbed_is_taken_again() -> None:
    journals, look = looks(5)
    Session(journals).append("a")
    journals.times = 5
    assert peruse(journals, USER, "s", look) == 1


def test_a_look_that_is_always_disturbed_is_told() -> None:
    journals, look = looks(1 << 60)
    with pytest.raises(Conflict):
        peruse(journals, USER, None, look)


# The package


def test_the_contract_is_for_others() -> None:
    source = Path(rollbook.__file__).parent
    named = [
        path
        for path in source.rglob("*.py")
        if "contract" not in path.parts and re.search(r"journal\.contract|\bpytest\b", path.read_text("utf-8"))
    ]
    assert named == []


def test_the_contract_needs_pytest_alone() -> None:
    program = "import sys, rollbook.journal.contract; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded: set[Any] = {name.partition(".")[0] for name in done.stdout.split()}
    assert "pytest" in loaded
    assert not loaded & {"hypothesis", "redis", "apsw", "xdist"}


def test_whether_an_early_entry_is_on_a_line_does_not_take_following_it() -> None:
    shelf = Counting()
    made(shelf, Append(QA, tuple(new(str(number)) for number in range(_MANY))))
    made(shelf, MoveHead(QA, "other", "2000"), Append(QA, (new("x"),), "other"), Remove(QA, "1"))
    shelf.read = 0
    made(shelf, Remove(QA, "0"), Remove(QA, "100"), Replace(QA, "2500", b"1"))
    assert shelf.read < 10
    assert {head.name: head.length for head in shelf.heads(QA)} == {"main": _MANY - 3, "other": 1999}


class Wary(MemoryShelf):
    """A journal in memory of which the state as a whole must not be read."""

    def state(self, who: Who) -> dict[str, Raw]:
        raise AssertionError(f"one value of {who} would have been enough")


def test_one_value_of_the_state_does_not_take_reading_all_of_it() -> None:
    shelf = Wary()
    rules.apply(shelf, "s", Step(USER, "s", 1, (SetState({"a": Raw(b"1"), "b": Raw(b"2")}),)))
    step = Step(USER, "s", 1, (SetState({"a": None, "c": None}),), (ExpectState("a", Raw(b"1")),))
    rules.refuse(shelf, "s", step)
    assert rules.apply(shelf, "s", step).answers == (("a",),)
    with pytest.raises(Conflict):
        rules.refuse(shelf, "s", step)
