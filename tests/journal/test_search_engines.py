"""Searching on PostgreSQL beside SQLite: the same is found, in the same order, whatever the texts are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollbook
from journal.engines import on_server
from laws.tools import HOUR, NOW, Clock, opened, user
from postgres_servers import PostgresServer
from rollbook.journal.tsvector import row_of
from rollbook.model import from_micros
from rollbook.rules.words import INDEXED_MOST
from rollbook.store.postgres_connection import Connection

Pair = tuple[rollbook.Rollbook, rollbook.Rollbook]
Answer = list[tuple[str, str, float, str]]


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def pair(postgres_server: PostgresServer, clock: Clock) -> Iterator[Pair]:
    """Two books with one clock: in memory, and on a server."""
    url = postgres_server.new_database()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("rollbook.journal.tsvector._LATEST", 5)  # so that a few texts are asked for part by part
        with opened(clock, all_users=True) as here, on_server(url, clock, all_users=True) as there:
            yield here, there
    postgres_server.drop_database(url)


def answers(book: rollbook.Rollbook, text: str, **more: Any) -> Answer:
    found = book.search(text, limit=100, **more)
    return [(each.user_id, each.entry_id, each.score, each.snippet) for each in found]


def same(pair: Pair, text: str, **more: Any) -> Answer:
    """What both answer."""
    here, there = (answers(book, text, **more) for book in pair)
    assert there == here
    return there


_users = count(1)
WORDS: Final = st.sampled_from(["helm", "deploy", "café", "deployed", "天", "気", "天気", "it's", "a", "b", "\\", "'"])
SAID: Final = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
WANTED: Final = st.lists(
    st.sampled_from(["helm", "deploy", "dep*", "cafe", '"a b"', "天気", "気", '"helm dep"*', '"a a"', "it's", "a"]),
    min_size=1,
    max_size=3,
    unique=True,
).map(" ".join)
UNWANTED: Final = st.sampled_from(["", " -b", ' -"a b"', " -天気", " -dep*"])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(SAID, st.sampled_from("st")), min_size=2, max_size=7),
    st.tuples(WANTED, UNWANTED),
    st.booleans(),
)
def test_both_find_the_same_in_the_same_order(
    pair: Pair, clock: Clock, texts: list[tuple[str, str]], asked: tuple[str, str], dropped: bool
) -> None:
    asking, without = asked
    owner = user(next(_users))
    for number, (text, session) in enumerate(texts):
        clock.now += HOUR if number % 2 else 0
        for book in pair:
            book.add_message(session, role="user", content=text, message_id=f"{number}", user_id=owner)
    if dropped:
        for book in pair:
            book.delete("s", user_id=owner)
    same(pair, asking + without, user_id=owner)
    same(pair, asking + without)
    same(pair, asking, user_id=owner, since="2h")


LONG: Final = "ж" * 1500
ODD: Final = {
    "quotes": "O'Brien's \"quoted\" ''double'' \\backslash\\ 'x':1,2A & | ! <-> (a) :* /1 /long",
    "control": "tab\there\x00null\x01\x7f\u200b\ufeff bell",
    "emoji": "ship 🚢 family 👨‍👩‍👧 flag 🇩🇪 end",
    "one long word": "x" * 5000 + " behind",
    "two long words": f"before {LONG}a {LONG}b behind",
    "other long words": f"before {LONG}b behind",
    "longest word": "y" * (INDEXED_MOST + 5),
    "megabyte": "common words of a megabyte " * 38_000,
    "expanding": "\ufdfa" * INDEXED_MOST,
    "many words": " ".join(f"w{number}" for number in range(10_900)),
    "letters": "p q " * 20_000 + "late",
    "chinese": "东京的天气怎么样" * 8_000 + "晴天",
    "all signs": "".join(chr(0x4E00 + number) for number in range(20_000)),
    "often": "often " * 300 + "never once " + "often " * 300,
}


@pytest.fixture(scope="module")
def odd(pair: Pair) -> Pair:
    for name, text in ODD.items():
        for book in pair:
            book.add_message("odd", role="user", content=text, message_id=name, user_id=user(0))
    return pair


@pytest.mark.parametrize(
    ("asking", "found"),
    [
        ("o'brien", {"quotes"}),
        ("'x':1,2A", {"quotes"}),
        ("backslash long", {"quotes"}),
        ("null", {"control"}),
        ("family", {"emoji"}),
        ("xxxx* behind", {"one long word"}),
        (LONG[:1000], set()),
        (LONG[:900] + "*", {"two long words", "other long words"}),
        ("behind", {"one long word", "two long words", "other long words"}),
        ("yyyy*", {"longest word"}),
        ('"words of a megabyte common"', {"megabyte"}),
        ('"megabyte of"', set()),
        ("common -words", set()),
        ("الله", {"expanding"}),
        ("w1 w10899", {"many words"}),
        ('"w10898 w10899"', {"many words"}),
        ('"w10899 w10898"', set()),
        ("w109* -w5", set()),
        ('"p q"', {"letters"}),
        ('"q p q"', {"letters"}),
        ('"q q"', set()),
        ("p -late", {"letters"}),
        ("天气", {"chinese"}),
        ("天气京", set()),
        ("样东京", {"chinese"}),
        ("天 -天气", {"all signs"}),
        ("天 -样东", {"all signs"}),
        ("一丁", {"all signs"}),
        ("often", {"often"}),
        ('"often never"', {"often"}),
        ('"once often"', {"often"}),
        ('"once never"', set()),
        ('often -"once often"', set()),
        ('often -"once never"', {"often"}),
        ('"never onc"*', {"often"}),
        ('"once oft"*', {"often"}),
        ("oft*", {"often"}),
    ],
)
def test_odd_texts_are_found_alike(odd: Pair, asking: str, found: set[str]) -> None:
    assert {each[1] for each in same(odd, asking, user_id=user(0))} == found


def test_words_that_are_longer_than_an_index_takes_are_told_apart(odd: Pair) -> None:
    word = "ﷲ" * 480  # each is folded into four letters of two bytes, so this is longer than an index takes
    for book in odd:
        for end in "ab":
            book.add_message("folded", role="user", content=word + end, message_id=end, user_id=user(0))
    for end, other in ("ab", "ba"):
        assert {each[1] for each in same(odd, word + end, user_id=user(0))} == {end}
        assert {each[1] for each in same(odd, f"{word}{end} -{word}{other}", user_id=user(0))} == {end}
    assert {each[1] for each in same(odd, f"{word}*", user_id=user(0))} == {"a", "b"}


def test_r16_odd_texts_are_whole(odd: Pair) -> None:
    assert all(book.verify().ok for book in odd)


# on the server


@pytest.fixture
def there(postgres_url: str) -> Iterator[rollbook.Rollbook]:
    with on_server(postgres_url) as book:
        yield book


def test_every_version_of_the_server_searches(postgres_of_each_version: str) -> None:
    with on_server(postgres_of_each_version) as book:
        book.add_qa("s", question="how to deploy the Café", answer="helm upgrade helm", qa_id="q")
        book.add_qa("s", question="again " * 300, answer="and once more", qa_id="long")
        for asking, found in (('"deploy the caf"*', ["q"]), ("helm -again", ["q"]), ('"again and once"', ["long"])):
            assert [each.entry_id for each in book.search(asking)] == found
        book.purge("s")
        assert book.search("helm") == []
        assert book.verify().ok


def test_the_latest_are_those_written_last_whoever_wrote_them(
    there: rollbook.Rollbook, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollbook.ledger.searching.RANKED_MOST", 3)
    with on_server(postgres_url) as other:
        for number in range(7):  # each takes its numbers from a block of its own
            book = other if number in (0, 3, 5) else there
            book.add_message(f"s{number % 2}", role="user", content="word " * (9 - number), message_id=str(number))
        assert [each.entry_id for each in there.search("word")] == ["4", "5", "6"]


def test_no_more_is_asked_for_than_is_needed(there: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollbook.journal.tsvector._LATEST", 4)
    monkeypatch.setattr("rollbook.journal.tsvector._AT_ONCE", 1)
    monkeypatch.setattr("rollbook.ledger.searching._AT_ONCE", 1)
    monkeypatch.setattr("rollbook.ledger.searching.RANKED_MOST", 3)
    asked = list[int]()
    each = Connection.each

    def counted(self: Connection, name: str, /, **values: Any) -> Any:
        asked.append(values["after"])
        return each(self, name, **values)

    monkeypatch.setattr(Connection, "each", counted)
    for number in range(20):
        there.add_message("s", role="user", content="word" if number else "rare", message_id=str(number))
    assert [one.entry_id for one in there.search("word")] == ["19", "18", "17"]
    assert asked == [16]
    assert [one.entry_id for one in there.search("rare")] == ["0"]
    assert asked == [16, 16, -16]


def test_of_long_texts_only_so_many_are_read(there: rollbook.Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        there.add_message("s", role="user", content="often " * 300 + "so", message_id=str(number))
    there.add_message("s", role="user", content="often so", message_id="short")
    assert len(there.search('"often so"')) == 4
    monkeypatch.setattr("rollbook.journal.tsvector.READ_MOST", 1)
    assert {each.entry_id for each in there.search('"often so"')} == {"2", "short"}
    assert len(there.search("often so")) == 4


OTHERS: Final = 5_000


def test_others_words_cost_nothing(there: rollbook.Rollbook) -> None:
    there.add_qa("s", question="common rare", answer="")
    there.add_qa("s", question="common", answer="", user_id=user(1))
    with there._plans.store.write() as tx:
        ((user_no, root_no, stream_no, *_),) = tx.rows("journal.every_count")[1:]
        numbers = range(1000, 1000 + OTHERS)
        docs = [(number, user_no, root_no, stream_no, number) for number in numbers]
        texts = [row_of(number, user_no, root_no, NOW, "common words of others") for number in numbers]
        lines = [
            (*doc[1:], f"e{doc[0]}", root_no, None, NOW, doc[0], '{"question":"common words of others"}')
            for doc in docs
        ]
        for name, rows in (("add_lines", lines), ("add_docs", docs), ("add_texts", texts)):
            tx.put(f"journal.{name}", rows)
    assert len(there.search("common", user_id=user(1), limit=100)) == 100

    def seconds(text: str, **more: Any) -> float:
        best = float("inf")
        for _ in range(8):
            began = time.perf_counter()
            assert len(there.search(text, **more)) == 1
            best = min(best, time.perf_counter() - began)
        return best

    assert min(seconds("common") / seconds("rare") for _ in range(3)) < 4
    assert min(seconds("common", session_id="s") / seconds("rare", session_id="s") for _ in range(3)) < 4


def test_r16_texts_that_do_not_fit_are_named_by_where_they_are(there: rollbook.Rollbook) -> None:
    for name in "ab":
        there.add_qa("s", question=f"word {name}", answer="", qa_id=name, at=from_micros(NOW))
    with there._plans.store.write() as tx:
        tx.raw.execute("delete from search_text where doc_no = (select min(doc_no) from search_doc)")  # type: ignore[attr-defined]
    assert [(each.field, each.stored, each.expected) for each in there.verify().problems] == [("search_text", 0, 1)]
    assert [each.entry_id for each in there.search("word")] == ["b"]
