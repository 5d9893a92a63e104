"""All that a session contains on one line of time, in pages (R11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import rollbook
from rollbook.errors import InvalidInput

START: Final = 1_700_000_000


def _opened(path: Path, kind: str) -> rollbook.Rollbook:
    return rollbook.open(path / "book.db", journal=path / "journal" if kind == "files" else None)


@pytest.fixture(params=["sql", "files"])
def book(tmp_path: Path, request: pytest.FixtureRequest) -> rollbook.Rollbook:
    return _opened(tmp_path, request.param)


def _named(entries: Any) -> list[str]:
    return [entry.entry_id for entry in entries]


def _pages(book: rollbook.Rollbook, limit: int, **said: Any) -> list[Any]:
    found, mark = [], None
    while True:
        page = book.timeline("s", limit=limit, after=mark, **said)
        assert len(page.entries) <= limit
        found += page.entries
        mark = page.mark
        if not page.has_more:
            return found


def test_streams_are_merged_by_time_and_keep_their_own_order(book: rollbook.Rollbook) -> None:
    with book:
        book.add_message("s", role="user", content="go", message_id="m1", at=START)
        book.add_trace_step("s", origin_function="look", trace_id="t1", at=START + 5)
        book.add_trace_step("s", origin_function="look", trace_id="t2", at=START + 9)
        book.add_qa("s", question="why", answer="so", qa_id="q1", at=START + 5)
        book.append("s", "own", entries=[{"n": 1}], ids=["o1"], at=START + 7)
        book.add_message("s", role="assistant", content="early", message_id="m2", at=START - 50)
        page = book.timeline("s")
    # A message with a time before the one before it stays behind that.
    assert _named(page.entries) == ["m1", "m2", "q1", "t1", "o1", "t2"]
    assert (page.total, page.has_more) == (6, False)
    assert [entry.stream for entry in page.entries] == ["messages", "messages", "qa", "trace", "own", "trace"]
    assert page.entries[0].body == {"role": "user", "content": "go"}


@pytest.mark.parametrize("limit", [1, 2, 7, 40, 1000])
def test_pages_come_to_the_whole_whatever_their_size(book: rollbook.Rollbook, limit: int) -> None:
    with book:
        for number in range(12):
            book.append("s", "a", entries=[number] * 3, ids=[f"a{number}-{n}" for n in range(3)], at=START + 7 * number)
            book.append("s", "b", entries=[number] * 5, ids=[f"b{number}-{n}" for n in range(5)], at=START + 5 * number)
        whole = book.timeline("s", limit=10_000)
        assert len(whole.entries) == whole.total == 96
        assert _named(_pages(book, limit)) == _named(whole.entries)
        for number in (0, 3, 11):
            book.remove_entry("s", "a", f"a{number}-1")
        left = [name for name in _named(whole.entries) if name not in {"a0-1", "a3-1", "a11-1"}]
        assert _named(_pages(book, limit)) == left


def test_the_last_mark_finds_what_is_written_later(book: rollbook.Rollbook) -> None:
    with book:
        book.touch("s")
        nothing = book.timeline("s")
        assert (nothing.entries, nothing.total, nothing.has_more) == ([], 0, False)
        book.add_message("s", role="user", content="go", message_id="m1")
        first = book.timeline("s", after=nothing.mark)
        assert _named(first.entries) == ["m1"]
        assert book.timeline("s", after=first.mark).entries == []
        book.add_trace_step("s", origin_function="look", trace_id="t1")
        book.add_message("s", role="user", content="on", message_id="m2")
        page = book.timeline("s", after=first.mark)
        assert sorted(_named(page.entries)) == ["m2", "t1"]
        assert page.total == 3


def test_what_is_brief_says_so(book: rollbook.Rollbook) -> None:
    with book:
        book.add_message("s", role="user", content="x" * 5000, message_id="long")
        book.add_message("s", role="user", content="short", message_id="short")
        book.add_trace_step("s", origin_function="f", method_params={"list": ["y" * 100] * 100}, trace_id="deep")
        book.append("s", "own", entries=["z" * 5000, {f"k{n}": "v" * 90 for n in range(500)}], ids=["text", "many"])
        found = {entry.entry_id: entry for entry in book.timeline("s", brief=100).entries}
        assert (found["long"].body["content"], found["long"].cut) == ("x" * 100, True)
        assert (found["short"].body["content"], found["short"].cut) == ("short", False)
        assert found["deep"].cut
        assert len(found["deep"].body["method_params"]) == 100
        assert (found["text"].body, found["text"].cut) == ("z" * 100, True)
        assert found["many"].cut
        assert len(str(found["many"].body)) < 2000
        assert not any(entry.cut for entry in book.timeline("s").entries)


def test_forks_show_the_past_that_they_share(book: rollbook.Rollbook) -> None:
    with book:
        for number in range(5):
            book.append("s", "a", entries=[number], ids=[f"e{number}"], at=START + number)
        book.fork("s", "t", stream="a", at="e2")
        book.append("t", "a", entries=["own"], ids=["mine"], at=START + 9)
        book.append("s", "a", entries=["on"], ids=["e5"], at=START + 9)
        assert _named(book.timeline("t").entries) == ["e0", "e1", "e2", "mine"]
        page = book.timeline("t", limit=2)
        assert _named(book.timeline("t", after=page.mark).entries) == ["e2", "mine"]
        assert _named(book.timeline("s").entries) == [f"e{n}" for n in range(6)]


@pytest.mark.parametrize("mark", ["!", "x", "e30x", "W10", "eyJhIjoieCJ9", "eyJhIjotMX0", "é"])
def test_what_is_no_mark_is_refused(book: rollbook.Rollbook, mark: str) -> None:
    with book:
        book.touch("s")
        with pytest.raises(InvalidInput):
            book.timeline("s", after=mark)
        with pytest.raises(InvalidInput):
            book.timeline("s", limit=0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    written=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=30), limit=st.integers(1, 9),
    removed=st.sets(st.integers(0, 29), max_size=4),
)  # fmt: skip
def test_any_order_of_times_and_any_pages(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[str, int]], limit: int, removed: set[int]
) -> None:
    with _opened(tmp_path_factory.mktemp("any"), "sql") as book:
        book.touch("s")
        for number, (stream, second) in enumerate(written):
            book.append("s", stream, entries=[number], ids=[str(number)], at=START + second)
        for number in removed & set(range(len(written))):
            book.remove_entry("s", written[number][0], str(number))
        found = _pages(book, limit)
        assert _named(found) == _named(book.timeline("s", limit=1000).entries)
        for stream in "abc":
            own = [int(entry.entry_id) for entry in found if entry.stream == stream]
            assert own == [n for n, (name, _) in enumerate(written) if name == stream and n not in removed]
