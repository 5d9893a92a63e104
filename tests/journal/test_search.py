"""Searching what sessions contain: what is found, whose it is, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from journal.engines import ENGINES, Opened, opened_on
from journal.searching import asked, ids, opened
from laws.tools import DAY, HOUR, NOW, Clock, user
from laws.tools import opened as in_memory
from rollbook.errors import InvalidInput, NotFound
from rollbook.model import from_micros
from rollbook.rules.words import Finder, parse

__all__ = ["opened"]


TEXTS: Final = {
    "deploy": "How do I deploy the Café to Kubernetes? Use `helm upgrade --install cafe`.",
    "path": "It failed in src/rollbook/inbox.py, line 42: KeyError('user_id')",
    "german": "Die Straße ist gesperrt; ÜBERGRÖSSE",
    "chinese": "东京的天气怎么样?今天是晴天。",
    "japanese": "東京の天気は晴れです。ガイド",
    "korean": "서울 날씨가 어때요",
    "thai": "วันนี้อากาศดีมาก",
    "hindi": "आज मौसम अच्छा है हिन्दी",
    "arabic": "الطقس جميل اليوم",
    "russian": "Погода сегодня хорошая, ёлка",
    "emoji": "party 🎉 time\x00zero",
    "numbers": "v2.10.3 of 2026-11-21, 3½ cups, ﬁle",
}


@pytest.fixture(scope="module", params=ENGINES)
def library(request: pytest.FixtureRequest) -> Iterator[rollbook.Rollbook]:
    with opened_on(request) as opened, opened(Clock()) as book:
        for name, text in TEXTS.items():
            book.add_message("s", role="user", content=text, message_id=name)
        yield book


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("deploy", {"deploy"}),
        ("DEPLOY kubernetes", {"deploy"}),
        ("deploy straße", set()),
        ("cafe", {"deploy"}),
        ("café", {"deploy"}),
        ("CAFE\u0301", {"deploy"}),
        ('"helm upgrade"', {"deploy"}),
        ('"upgrade helm"', set()),
        ("upgrade helm", {"deploy"}),
        ("helm -nothing", {"deploy"}),
        ("helm -install", set()),
        ('helm -"deploy the"', set()),
        ('helm -"the deploy"', {"deploy"}),
        ("kube*", {"deploy"}),
        ("kube", set()),
        ('"helm upg*"', set()),
        ('"helm upg"*', {"deploy"}),
        ("inbox.py", {"path"}),
        ("src/rollbook/inbox.py", {"path"}),
        ("rollbook/src", set()),
        ("user_id", {"path"}),
        ("--install", {"deploy"}),
        ("strasse", {"german"}),
        ("STRASSE übergrösse", {"german"}),
        ("ubergrosse", {"german"}),
        ("天气", {"chinese"}),
        ("天氣", set()),
        ("天気", {"japanese"}),
        ("气天", set()),
        ("东京 晴天", {"chinese"}),
        ("ガイド", {"japanese"}),
        ("ｶﾞｲﾄﾞ", {"japanese"}),
        ("날씨", {"korean"}),
        ("อากาศ", {"thai"}),
        ("हिन्दी", {"hindi"}),
        ("हिन्द", set()),
        ("الطقس", {"arabic"}),
        ("погода ЁЛКА", {"russian"}),
        ("елка", {"russian"}),
        ("party 🎉", {"emoji"}),
        ("zero", {"emoji"}),
        ("2026-11-21", {"numbers"}),
        ("11-2026", set()),
        ("file", {"numbers"}),
        ("AND", set()),
        ("NOT helm", set()),
        ('helm OR "', set()),
        ('helm "', {"deploy"}),
        ("helm)", {"deploy"}),
        ("body:helm", set()),
        ("who:u1", set()),
        ("u1", set()),
        ("{body} : helm", set()),
        ("^helm", {"deploy"}),
        ("helm + upgrade", {"deploy"}),
        ("helm'); drop table search_doc; --", set()),
        ("NEAR(helm upgrade, 2)", set()),
        ("helm\x00upgrade", {"deploy"}),
    ],
)
def test_what_is_asked_for_is_what_is_found(library: rollbook.Rollbook, text: str, found: set[str]) -> None:
    assert asked(library, text) == found


@pytest.mark.parametrize("text", ["", " ", "?!", '""', "-", "*", "-helm", "🎉", "\x00", "_", '-"a b" -c'])
def test_without_a_word_nothing_is_looked_for(library: rollbook.Rollbook, text: str) -> None:
    with pytest.raises(InvalidInput, match="no word to search for"):
        library.search(text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "x" * 1001}, "at most 1000"),
        ({"text": " ".join(f"w{number}" for number in range(33))}, "at most 32"),
        ({"text": "\ud800"}, "surrogate"),
        ({"text": 5}, "must be text"),
        ({"text": "ab*"}, "at least 3 letters"),
        ({"text": "a", "limit": 0}, "at least 1"),
        ({"text": "a", "limit": 101}, "too large"),
        ({"text": "a", "limit": True}, "whole number"),
        ({"text": "a", "since": "yesterday"}, "unknown range"),
        ({"text": "a", "session_id": ""}, "must not be empty"),
    ],
)
def test_what_cannot_be_asked_says_why(library: rollbook.Rollbook, given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        library.search(**given)


PIECES: Final = st.sampled_from([
    "alpha", "Alpha", "ALP", "beta", "bet", "é", "e\u0301", "ß", "ss", "東", "京", "東京", "हिन्दी", "हि",
    "न", "가", "1", "½", "12", "\u1100\u1161", "_", "-", '"', "*", "'", "(", " ", " ", " ", "\n", "\x00",
    "🎉", "ﬁ", "fi", "İ", "\u0131", "\u03c3", "\u03c2", "\u0660", "ๆ", "AND", "OR", "NOT", "\u0345",
    "\u0f40\u0f71", "\u200d", "\ufeff", "\ufdfa", "\U0001d400", "\u2fa1", "x\u0300", "า", "ำ",
])  # fmt: skip
SAID: Final = st.lists(PIECES | st.characters(codec="utf-8"), min_size=1, max_size=10).map("".join)


@settings(max_examples=150)
@given(st.lists(SAID, min_size=1, max_size=5), SAID, st.data())
def test_the_index_finds_what_a_look_at_the_texts_finds(texts: list[str], other: str, data: st.DataObject) -> None:
    asking = data.draw(st.sampled_from([*texts, other]) | SAID)
    try:
        query = parse(asking)
    except InvalidInput:
        query = None
    with in_memory(Clock()) as book:
        for number, text in enumerate(texts):
            book.add_message("s", role="user", content=text, message_id=str(number))
        if query is None:
            with pytest.raises(InvalidInput):
                book.search(asking)
            return
        finder = Finder(query)
        seen = {str(number) for number, text in enumerate(texts) if finder.place(text, 100.0) is not None}
        found = book.search(asking)
        assert set(ids(found)) == seen
        assert all(each.snippet for each in found)


# whose it is


def test_r6_everybody_finds_what_list_shows_them(opened: Opened) -> None:
    with opened(Clock(), all_users=True) as book:
        for number in (1, 2):
            book.touch("s", title=f"title {number}", user_id=user(number))
            book.add_qa("s", question="common word", answer="", qa_id=f"q{number}", user_id=user(number))
        book.add_qa("mine", question="common word", answer="", qa_id="own")
        assert asked(book, "common") == {"q1", "q2", "own"}
        assert asked(book, "common", user_id=user(1)) == {"q1"}
        assert asked(book, "common", user_id=user(9)) == set()
        (found,) = book.search("common", user_id=user(2))
        assert (found.user_id, found.session_id, found.stream, found.title) == (user(2), "s", "qa", "title 2")
        assert found.created_at == from_micros(NOW)
        with pytest.raises(NotFound):
            book.search("common", session_id="s", user_id=user(9))
    with opened(Clock()) as book:
        book.add_qa("s", question="common word", answer="", qa_id="q1", user_id=user(1))
        book.add_qa("s", question="common word", answer="", qa_id="own")
        assert asked(book, "common") == {"own"}
        assert asked(book, "u2") == asked(book, "r2x1") == set()


def test_r12_what_is_gone_is_not_found(opened: Opened) -> None:
    with opened(Clock()) as book:
        for name in ("a", "b", "c"):
            book.add_qa(name, question="word", answer="", qa_id=name)
        book.delete("a")
        assert asked(book, "word") == {"b", "c"}
        book.purge("b")
        assert asked(book, "word") == {"c"}
        assert book.delete_qa("c", "c")
        assert asked(book, "word") == set()
        assert book.verify().ok


def test_a_search_may_be_for_one_session_for_an_agent_or_since_a_time(opened: Opened) -> None:
    with opened(Clock()) as book:
        for number in range(4):
            at = from_micros(NOW - number * DAY)
            book.touch(f"s{number}", agent=f"agent-{number % 2}", at=at)
            book.add_message(f"s{number}", role="user", content="word", message_id=str(number), at=at)
        assert asked(book, "word", session_id="s2") == {"2"}
        assert asked(book, "word", agent="agent-1") == {"1", "3"}
        assert asked(book, "word", agent="agent-9") == set()
        assert asked(book, "word", since="24h") == {"0", "1"}
        assert asked(book, "word", since="24h", agent="agent-1") == {"1"}
        assert asked(book, "word", since=from_micros(NOW - 2 * DAY + 1), session_id="s2") == set()
        with pytest.raises(NotFound):
            book.search("word", session_id="s9")


def test_a_fork_finds_the_past_that_it_shares_when_it_is_asked_for(opened: Opened) -> None:
    with opened(Clock()) as book:
        for name in ("one", "two", "three"):
            book.add_message("s", role="user", content=f"word {name}", message_id=name)
        book.fork("s", "f", stream="messages", at="two")
        book.add_message("f", role="user", content="word four", message_id="four")
        assert {(each.session_id, each.entry_id) for each in book.search("word")} == {
            ("s", "one"), ("s", "two"), ("s", "three"), ("f", "four"),
        }  # fmt: skip
        assert {(each.session_id, each.entry_id) for each in book.search("word", session_id="f")} == {
            ("f", "one"), ("f", "two"), ("f", "four"),
        }  # fmt: skip
        assert asked(book, "word", session_id="s") == {"one", "two", "three"}
        book.delete("s")
        for more in ({}, {"session_id": "f"}):
            found = book.search("word", **more)  # type: ignore[arg-type]
            assert {(each.session_id, each.entry_id) for each in found} == {("f", "one"), ("f", "two"), ("f", "four")}
        book.delete("f")
        assert book.search("word") == []
        assert book.verify().ok


# the order


def test_the_best_comes_first_and_of_equals_the_latest(opened: Opened) -> None:
    clock = Clock()
    with opened(clock) as book:
        for name, text in (
            ("often", "word word word"),
            ("once", "word"),
            ("again", "word"),
            ("long", "word " + "x " * 99),
        ):
            clock.now += HOUR
            book.add_message("s", role="user", content=text, message_id=name)
        found = book.search("word")
        assert ids(found) == ["often", "again", "once", "long"]
        assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
        assert ids(book.search("word", limit=2)) == ["often", "again"]


def test_of_very_many_the_latest_are_compared(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.ledger.searching.RANKED_MOST", 3)
    with opened(Clock()) as book:
        for number in range(6):
            book.add_message("s", role="user", content="word " * (7 - number), message_id=str(number))
        assert ids(book.search("word")) == ["3", "4", "5"]


def test_of_even_more_the_latest_are_looked_at(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.journal.sql_search.LOOKED_AT_MOST", 4)
    with opened(Clock()) as book:
        for number in range(6):
            book.touch(f"s{number}", agent=f"agent-{number}")
            at = from_micros(NOW - (5 - number) * DAY)
            book.add_message(f"s{number}", role="user", content="word", message_id=str(number), at=at)
        book.add_message("s5", role="user", content="other", message_id="old", at=from_micros(NOW - 5 * DAY))
        assert asked(book, "word") == {"2", "3", "4", "5"}
        assert asked(book, "word", agent="agent-1") == set()
        assert asked(book, "word", since="10d") == {"2", "3", "4", "5"}
        assert asked(book, "word", since="1d") == {"4", "5"}
        assert asked(book, "other", since="10d") == {"old"}
