"""Searching: what an entry is found by, what is kept of texts for it, how long it takes, and contents elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from journal.engines import Opened
from journal.searching import asked, opened
from laws.tools import Clock, user
from laws.tools import opened as in_memory
from rollbook.errors import NotFound, NotSupported
from rollbook.journal.fts5 import row_of
from rollbook.model import from_micros
from rollbook.rules import words
from rollbook.settings import LOCAL_USER

__all__ = ["opened"]


# what is found by what


def test_questions_answers_steps_and_messages_are_found_by_what_they_say(opened: Opened) -> None:
    with opened(Clock()) as book:
        book.add_qa(
            "s", question="q-question", answer="q-answer", context="q-context", feedback_text="q-told", qa_id="qa"
        )
        book.add_trace_step(
            "s", origin_function="t-function", tool_name="t-tool", status="t-status", memory_query="t-query",
            memory_context="t-context", method_params={"t-key": ["t-param", 5]},
            method_return_value={"k": {"k": "t-value"}},
            error_message="t-message", error="t-error", session_feedback="t-told", trace_id="step",
        )  # fmt: skip
        book.add_message("s", role="tool", content="m-content", message_id="message")
        book.append("s", "other", entries=[{"text": "o-text"}], ids=["entry"])
        for word in ("q-question", "q-answer"):
            assert asked(book, word) == {"qa"}
        for word in ("function", "tool", "query", "context", "param", "value", "message", "error", "told"):
            assert asked(book, f"t-{word}") == {"step"}
        assert asked(book, "m-content") == {"message"}
        for word in ("q-context", "q-told", "t-status", "t-key", "tool_name", "o-text"):
            assert asked(book, word) == set()


def test_an_entry_is_found_by_the_beginning_of_a_long_text(opened: Opened) -> None:
    with opened(Clock()) as book:
        filling = "filling " * (words.INDEXED_MOST // 8 - 4)
        book.add_qa("s", question=f"early {filling}", answer="late", qa_id="q")
        book.add_qa("s", question=f"early {filling}{filling}", answer="later", qa_id="q2")
        assert asked(book, "early") == {"q", "q2"}
        assert asked(book, "late") == {"q"}
        assert asked(book, "later") == set()


def test_what_was_changed_is_found_by_what_it_says_now(opened: Opened) -> None:
    with opened(Clock()) as book:
        book.add_qa("s", question="before", answer="stays", qa_id="q")
        book.update_qa("s", "q", question="afterwards")
        assert asked(book, "before") == set()
        assert asked(book, "afterwards stays") == {"q"}
        book.add_feedback("s", "q", score=5)
        assert asked(book, "afterwards stays") == {"q"}
        book.update_qa("s", "q", question="", answer="")
        assert asked(book, "afterwards") == asked(book, "stays") == set()
        book.update_qa("s", "q", answer="again")
        assert asked(book, "again") == {"q"}
        assert book.verify().ok


SNIPPETS: Final = [
    ("short", "a short text", "a [short] text"),
    ("short text", "a SHORT\n\n  text,\tshortly", "a [SHORT] [text], shortly"),
    ('"short text"', "a short - text", "a [short - text]"),
    ("cafe", "le Café noir", "le [Café] noir"),
    ("cafe", "le Cafe\u0301 noir", "le [Cafe\u0301] noir"),
    ("天气", "东京的天气怎么样", "东京的[天气]怎么样"),
    ("strasse", "die Straße", "die [Straße]"),
    ("sho*", "shortly", "[shortly]"),
    ("x", "[x] y", "[[x]] y"),
]


@pytest.mark.parametrize(("asking", "text", "snippet"), SNIPPETS)
def test_a_snippet_shows_the_match(opened: Opened, asking: str, text: str, snippet: str) -> None:
    with opened(Clock()) as book:
        book.add_message("s", role="user", content=text)
        assert [each.snippet for each in book.search(asking)] == [snippet]


def test_a_snippet_is_short_and_begins_and_ends_with_whole_words(opened: Opened) -> None:
    with opened(Clock()) as book:
        book.add_message("s", role="user", content="before " * 500 + "needle " + "behind " * 500)
        (found,) = book.search("needle")
        assert found.snippet.startswith("…before before")
        assert found.snippet.endswith("behind behind…")
        assert " [needle] " in found.snippet
        assert 100 < len(found.snippet) < 180


# what is kept


def test_r16_texts_and_entries_that_do_not_fit_are_named(opened: Opened) -> None:
    breaks = {
        "delete from entry": "search_doc",
        "delete from search_doc": "search_doc",
        "delete from search_text": "search_text",
        "update entry set doc_no = null": "search_doc",
    }
    for statement, field in breaks.items():
        with opened(Clock()) as book:
            book.add_qa("s", question="word", answer="")
            assert book.verify().ok
            with book._plans.store.write() as tx:
                tx.raw.execute(statement)  # type: ignore[attr-defined]
            assert field in {problem.field for problem in book.verify().problems}


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_r12_no_word_of_what_was_purged_stays_in_the_file(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db") as book:
        for number in range(300):
            book.add_qa(f"s{number % 30}", question=f"ordinary words number {number}", answer="of many")
        book.add_qa("secretive", question="a quetzalcoatl", answer="xochimilco", qa_id="q")
        book.add_trace_step("secretive", origin_function="f", method_params={"a": "popocatepetl"})
        book.update_qa("secretive", "q", answer="tenochtitlan")
    assert b"quetzalcoatl" in _bytes(tmp_path)
    with rollbook.open(tmp_path / "book.db") as book:
        book.purge("secretive")
        assert len(book.search("ordinary", limit=100)) == 100
        assert book.verify().ok
    left = _bytes(tmp_path)
    # An index keeps a word without the letters that it shares with the word before it.
    for word in (b"uetzalcoatl", b"ochimilco", b"opocatepetl", b"enochtitlan"):
        assert word not in left


def test_another_process_is_told_of_what_was_written(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db") as one, rollbook.open(tmp_path / "book.db") as other:
        for number in range(3):
            one.add_qa("s", question=f"word from one {number}", answer="")
            other.add_qa("s", question=f"word from other {number}", answer="")
        assert len(one.search("word")) == len(other.search("word")) == 6
        assert one.verify().ok


# how long it takes

OTHERS: Final = 8_000


def test_others_words_cost_nothing() -> None:
    with in_memory(Clock()) as book:
        book.add_qa("s", question="common rare", answer="")
        book.add_qa("s", question="common", answer="", user_id=user(1))
        with book._plans.store.write() as tx:
            raw = tx.raw  # type: ignore[attr-defined]
            numbers = range(3, 3 + OTHERS)
            raw.executemany(
                "insert into entry select user_no, root_no, stream_no, ?1, ?1, session_no, null, created_at, ?1, body "
                "from entry where user_no = 2 and position = 1",
                [(number,) for number in numbers],
            )
            ((root_no, stream_no),) = raw.execute("select root_no, stream_no from entry where user_no = 2 limit 1")
            raw.executemany(
                "insert into search_doc values (?, 2, ?, ?, ?)",
                [(number, root_no, stream_no, number) for number in numbers],
            )
            raw.executemany(
                "insert into search_text (rowid, who, body) values (?, ?, ?)",
                [row_of(number, 2, root_no, 0, "common words of others") for number in numbers],
            )
        assert len(book.search("common", user_id=user(1), limit=100)) == 100

        def seconds(text: str, **more: Any) -> float:
            best = float("inf")
            for _ in range(8):
                began = time.perf_counter()
                assert len(book.search(text, **more)) == 1
                best = min(best, time.perf_counter() - began)
            return best

        assert min(seconds("common") / seconds("rare") for _ in range(3)) < 4
        assert min(seconds("common", session_id="s") / seconds("rare", session_id="s") for _ in range(3)) < 4
        assert min(seconds("common", since="1h") / seconds("rare", since="1h") for _ in range(3)) < 4


# contents elsewhere


def test_in_redis_nothing_can_be_searched(tmp_path: Path, redis_url: str) -> None:
    with rollbook.open(tmp_path / "book.db", journal=redis_url) as book:
        book.add_qa("s", question="word", answer="")
        with pytest.raises(NotSupported, match="keeps no index of words"):
            book.search("word")


def test_in_files_the_latest_sessions_are_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.plans.searching.SESSIONS_MOST", 3)
    with rollbook.open(tmp_path / "book.db", journal=(tmp_path / "journals").as_uri(), all_users=True) as book:
        for number in range(5):
            book.touch(f"s{number}", title=f"title {number}", agent=f"agent-{number % 2}")
            book.add_qa(f"s{number}", question="Café word", answer="", qa_id=str(number))
        assert asked(book, "cafe") == {"2", "3", "4"}
        assert asked(book, "cafe -word") == set()
        assert asked(book, "cafe", session_id="s0") == {"0"}
        assert asked(book, "cafe", agent="agent-1") == {"3"}
        assert asked(book, "cafe", user_id=user(1)) == set()
        assert asked(book, "cafe", since=from_micros(2**51)) == set()
        found = book.search("cafe", limit=1)[0]
        assert (found.session_id, found.user_id, found.stream, found.title) == ("s4", LOCAL_USER, "qa", "title 4")
        assert found.snippet == "[Café] word"
        book.fork("s4", "fork")
        book.add_message("fork", role="user", content="cafe", message_id="own")
        assert asked(book, "cafe", session_id="fork") == {"4", "own"}
        assert {(each.session_id, each.entry_id) for each in book.search("cafe")} >= {("fork", "own"), ("s4", "4")}
        book.delete("s4")
        assert ("s4", "4") not in {(each.session_id, each.entry_id) for each in book.search("cafe")}
        with pytest.raises(NotFound):
            book.search("cafe", session_id="s9")
