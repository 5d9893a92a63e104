"""Notes that many processes change at once, requests that come many times at once, and what is retracted meanwhile."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import sql

from postgres_books import EmptyBooks
from rollbook.errors import RollbookError, Stale
from rollbook.ledger import notes
from rollbook.ledger.ops import Answers, Call, ForgetNotes, Note, Op, Retract
from rollbook.model import Outcome
from rollbook.settings import LOCAL_USER

from .histories import well
from .test_at_once import PATIENCE_S, at_once, fleet
from .test_notes import LATER, ROOM, jot, read, together, values, version
from .tools import NOW, call, opened_at, touch, write


@pytest.mark.parametrize("sessions", ["their own", "everybody's"])
def test_what_many_add_to_one_note_at_once_is_all_in_it(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch, sessions: str
) -> None:
    """Each adds to one or two notes, whoever of them made it, with a call for each."""
    with fleet(empty_books, monkeypatch, 2, 3) as books:
        done = [Counter[str]() for _ in books]

        def add(number: int) -> None:
            book, chance = books[number], random.Random(number)
            while done[number].total() < 20:
                names = chance.choice([("x", "y"), ("y", "x"), ("y",)])
                seen = read(book, *names)
                told = []
                for name in names:
                    seen_as, value = seen.get(name, (0, "0"))
                    told.append(Note(ROOM, name, seen_as, str(int(value) + 1), LATER))
                own = f"own {number}"
                told.append(Note(ROOM, own, version(book, own), chance.choice(["1", None]), LATER))
                where = own if sessions == "their own" else "s"
                turn = done[number].total()
                ops: list[Op] = [call(where, f"u {number} {turn} {name}", NOW, 1) for name in names]
                ops += [jot(where, f"e {number} {turn}"), touch(own, NOW)]
                try:
                    answers = together(book, told, ops)
                except Stale:
                    continue
                assert answers[: len(names)] == [Outcome.COUNTED] * len(names)
                done[number].update(names)

        at_once(*(partial(add, number) for number in range(len(books))))
        expected = {name: str(sum(each[name] for each in done)) for name in ("x", "y")}
        assert values(books[0], "x", "y") == expected
        assert books[1].stats(since="all").tokens_in == sum(map(int, expected.values()))
        well(books[2])


def test_of_many_who_make_one_note_at_once_one_does(empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet(empty_books, monkeypatch, 1) as books:
        made: list[list[int]] = [[] for _ in range(20)]
        turns = threading.Barrier(len(books))

        def make(number: int) -> None:
            together(books[number], [], [touch(f"own {number}", NOW)])
            for turn, makers in enumerate(made):
                turns.wait(PATIENCE_S)
                with suppress(Stale):
                    together(books[number], [Note(ROOM, f"n{turn}", 0, str(number), LATER)])
                    makers.append(number)

        at_once(*(partial(make, number) for number in range(len(books))))
        found = values(books[0], *(f"n{turn}" for turn in range(20)))
        assert [[str(maker) for maker in makers] for makers in made] == [[found[f"n{turn}"]] for turn in range(20)]


def test_a_request_that_comes_many_times_at_once_is_done_once(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(empty_books, monkeypatch, 2) as books:
        answers: list[list[Any]] = [[] for _ in books]
        turns = threading.Barrier(len(books))

        def ask(number: int) -> None:
            for turn in range(15):
                # Nothing of it but the key is known to be one request.
                ops: list[Op] = [call(f"s {number}", f"u {number} {turn}", NOW, 1), jot(f"s {number}", f"e {turn}")]
                turns.wait(PATIENCE_S)
                answers[number].append(together(books[number], [], ops, Answers(f"key {turn}", "h", LATER)))

        at_once(*(partial(ask, number) for number in range(len(books))))
        for turn in range(15):
            found = [each[turn] for each in answers]
            assert sum(not isinstance(it, notes.Repeated) for it in found) == 1
            assert all(it[0] == Outcome.COUNTED for it in found)
            assert len({it[1].answers[0].length for it in found}) == 1
        assert books[0].stats(since="all").calls == 15
        assert sum(len(books[1].entries(one.session_id, "trace")) for one in books[1].iterate()) == 15
        well(books[2])


def test_notes_are_forgotten_while_others_change_them(empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    with fleet(empty_books, monkeypatch, 1, 3) as books:
        kept: set[str] = set()

        def renew(number: int) -> None:
            for turn in range(15):
                name = f"n{turn % 5}"
                try:
                    together(
                        books[number],
                        [Note(ROOM, name, version(books[number], name), str(number), LATER if turn > 9 else 1)],
                    )
                except Stale:
                    continue
                if turn > 9:
                    kept.add(name)

        def forget() -> None:
            for _ in range(15):
                write(books[2], [ForgetNotes(before=NOW)])

        at_once(partial(renew, 0), partial(renew, 1), forget)
        assert values(books[2], *(f"n{n}" for n in range(5))).keys() == kept


def test_a_note_that_somebody_is_renewing_is_not_forgotten(empty_book: str) -> None:
    """Nor is the one waited for who renews it."""
    place, _, schema = empty_book.partition("?schema=")
    with opened_at(empty_book) as book, psycopg.connect(place) as raw:
        together(book, [Note(ROOM, "a", 0, "1", 1), Note(ROOM, "b", 0, "1", 1)])
        raw.execute(
            sql.SQL("update {} set expires_at = %s where name = 'a'").format(sql.Identifier(schema, "note")), [LATER]
        )
        assert write(book, [ForgetNotes(before=NOW)]) == [1]
        raw.commit()
        assert write(book, [ForgetNotes(before=NOW)]) == [0]
        assert values(book, "a", "b") == {"a": "1"}


def test_r15_what_is_retracted_while_it_is_reported_counts_nothing(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(empty_books, monkeypatch, 2) as books:

        def tell(number: int) -> None:
            chance = random.Random(number)
            for turn in range(20):
                name = f"u{turn}"
                ops: list[Op] = [
                    call(f"s{chance.randrange(3)}", name, NOW, chance.choice([5, 9]), aliases=(f"also {turn}",)),
                    Retract(user_id=LOCAL_USER, usage_id=chance.choice([name, f"also {turn}"]), reason="x"),
                    call(f"s{chance.randrange(3)}", f"counts {turn}", NOW, 1),
                ]
                ops = [op for op in ops if isinstance(op, Call) or number % 2]
                chance.shuffle(ops)
                for op in ops:
                    assert not isinstance(write(books[number], [op])[0], RollbookError)

        at_once(*(partial(tell, number) for number in range(len(books))))
        assert books[0].stats(since="all").tokens_in == 20
        well(books[1])
