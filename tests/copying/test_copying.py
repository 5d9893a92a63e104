"""A copy is the same book, whatever either is kept on, and a copy made again is the same again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

import rollbook
from laws.histories import often
from laws.tools import opened_at, sound
from postgres_servers import PostgresServer
from rollbook.copying import rows as written

from .tools import CHANGES, Places, change, copied, filled, live, reading, rows, same, shown

_numbers = iter(range(1, 1_000_000))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows go together that every copy takes several transactions."""
    monkeypatch.setattr(written, "_ROWS", 25)


def test_from_a_file_to_a_server_and_back(places: Places) -> None:
    source, server, file = filled(places.file()), places.server(), places.file()
    done = copied(source, server)
    assert (done.sessions, done.ledger_rows, done.removed, done.elsewhere) == (12, 21, 0, 0)
    same(source, server)
    copied(server, file)
    same(source, file)


def test_from_a_server_whose_numbers_have_gaps(places: Places) -> None:
    server, file, again = filled(places.server()), places.file(), places.server()
    copied(server, file)
    same(server, file)
    copied(file, again)
    same(file, again)


def test_an_empty_book(places: Places, new: Callable[[], str]) -> None:
    source, target = places.file(), new()
    opened_at(source).close()
    done = copied(source, target)
    assert (done.sessions, done.ledger_rows, done.added) == (0, 0, 0)
    filled(source)
    copied(source, target)
    same(source, target)


def test_a_copy_is_a_book_in_which_life_goes_on(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    copied(source, target)
    before = rows(target)
    with opened_at(target, all_users=True) as book:
        assert book.record_usage("s1", model="m0", tokens_in=0, cost_usd="0.5", usage_id="s1-0") == "duplicate"
        assert book.record_usage("s1", model="m0", tokens_in=0, cost_usd="0.5", usage_id="s1~0") == "duplicate"
        for number in range(3):  # all that gets a number: users, sessions, models, facts, streams, entries, texts
            book.touch(f"new {number}", user_id=f"somebody {number}", agent=f"agent {number}")
            book.record_usage(f"new {number}", model=f"new model {number}", provider=f"p{number}", tokens_in=1)
            book.append(f"new {number}", f"stream {number}", entries=[{"a": number}])
            book.add_qa(f"new {number}", question="weather tomorrow?", answer="who knows")
        book.add_qa("s1", question="weather now?", answer="sunny")
        sound(book)
        found = {hit.session_id for hit in book.search("weather", limit=100)}
        assert {"s1", "s4", "new 0", "new 1", "new 2"} <= found
    for name in ("account", "session", "model"):
        kept = {row[: len(row) if name != "session" else 2] for row in rows(target)[name]}
        assert {row[: len(row) if name != "session" else 2] for row in before[name]} <= kept


def test_only_what_differs_is_written(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file(), 40), new()
    whole = copied(source, target)
    assert copied(source, target).added == 0
    with opened_at(source) as book:
        book.record_usage("s7", model="m1", tokens_in=3)
        book.add_qa("s9", question="more", answer="weather")
    done = copied(source, target)
    assert 0 < done.added + done.removed < whole.added // 8
    same(source, target)


@given(first=CHANGES, second=CHANGES)
@often(1)
def test_whatever_happened(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory, first: list[Any], second: list[Any]
) -> None:
    folder, url = tmp_path_factory.mktemp("books"), postgres_server.url()
    source, back = f"sqlite:///{folder / 'source.db'}", f"sqlite:///{folder / 'back.db'}"
    server = f"{url}?schema=whatever{next(_numbers)}"
    for steps in (first, second):
        live(source, steps)
        copied(source, server)
        same(source, server)
        copied(server, back)
        same(source, back)


def test_a_source_that_is_in_use(places: Places, new: Callable[[], str]) -> None:
    """What the copy holds is one moment of the source; a later run brings the rest."""
    source, target = filled(places.file(), 20), new()
    stop = threading.Event()

    def busy() -> None:
        with opened_at(source, all_users=True) as book:
            number = 0
            while not stop.is_set():
                number += 1
                book.record_usage(
                    f"s{number % 20 + 4}", model="m0", tokens_in=1, cost_usd="0.1", usage_id=f"busy {number}"
                )
                book.add_qa("s1", question=f"busy {number}", answer="weather")

    writer = threading.Thread(target=busy)
    writer.start()
    try:
        done = [copied(source, target) for _ in range(3)]
        with reading(target) as book:
            sound(book)
    finally:
        stop.set()
        writer.join()
    assert done[0].ledger_rows < done[-1].ledger_rows
    copied(source, target)
    same(source, target)


def test_journals_are_wiped_in_a_copy_as_they_were_in_its_source(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    copied(source, target)
    with opened_at(source, all_users=True) as book:
        book.wipe_journal()
    copied(source, target)
    same(source, target)
    assert not rows(target)["entry"]
    assert shown(target)["search", "weather"] == []


def test_a_backup_that_was_taken_back(places: Places, new: Callable[[], str], tmp_path: object) -> None:
    """The same versions of sessions hold other things: what the tables come to tells."""
    source, target = filled(places.file()), new()
    with opened_at(source) as book:
        book.backup(f"{tmp_path}/backup.db")
        for name in ("u1", "u2"):
            book.record_usage("s1", model="m0", tokens_in=1, usage_id=name)
        book.add_qa("s4", question="one", answer="weather", qa_id="x")
        copied(source, target)
        book.restore(f"{tmp_path}/backup.db")
        for name in ("v1", "v234"):
            book.record_usage("s1", model="m0", tokens_in=1, usage_id=name)
        book.add_qa("s4", question="another one", answer="weather", qa_id="x")
    copied(source, target)
    same(source, target)


def test_the_changes_are_changes(places: Places) -> None:
    """Each of the steps that tests take at random does something in some book."""
    source = filled(places.file())
    before = rows(source)
    with opened_at(source, all_users=True) as book:
        for what in ("qa", "message", "change", "remove", "fork", "state", "mine", "head"):
            book.add_qa("a", question="q", answer="a", qa_id="e1" if what != "qa" else None)
            change(book, (what, book.user_id, "a", "e1", "weather"))
            now = rows(source)
            assert now != before, what
            before = now


def test_both_faces_copy(places: Places) -> None:
    import asyncio  # noqa: PLC0415

    source, target = filled(places.file()), places.file()

    async def there() -> rollbook.model.Copy:
        async with rollbook.aio.open(source) as book:
            return await book.copy_to(target)

    assert asyncio.run(there()).sessions == 12
    same(source, target)


def test_the_latest_texts_stay_the_latest(places: Places) -> None:
    """On a server numbers of texts are taken in blocks, by each writer its own; the copy's go by age."""
    server, file = places.server(), places.file()
    with opened_at(server) as one, opened_at(server) as other:
        for number in range(6):
            (other if number % 2 else one).add_qa(f"s{number}", question="weather", answer="!", qa_id=f"q{number}")
    copied(server, file)
    same(server, file)
    docs = {row[4]: row[8] for row in rows(file)["entry"]}
    assert sorted(docs, key=lambda name: int(docs[name])) == [f"q{number}" for number in range(6)]


def test_a_text_takes_the_number_of_one_that_went(
    places: Places, new: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "_ROWS", 1)
    source, target = places.file(), new()
    with opened_at(source) as book:
        book.add_qa("first", question="weather", answer="sunny")
        book.add_qa("second", question="weather", answer="rainy", qa_id="gone")
    copied(source, target)
    with opened_at(source) as book:
        book.delete_qa("second", "gone")
        book.add_qa("first", question="weather", answer="windy")
    assert [row[8] for row in rows(source)["entry"]] == [1, 2]
    copied(source, target)
    same(source, target)
