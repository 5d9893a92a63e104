"""A commit whose answer was lost: what was written is there once, whatever became of it (R3, R13)."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

import rollbook
from rollbook.errors import StoreError
from rollbook.store import postgres_connection

from .lines import AFTER, BEFORE, LATE, Line
from .tools import opened, sound

FATES = (None, AFTER, BEFORE, LATE, None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that broke are made anew without much ado."""
    monkeypatch.setattr(postgres_connection, "_RECONNECT_S", 0.02)


@pytest.fixture
def line(postgres_url: str) -> Iterator[Line]:
    """A line to an empty book that is made already."""
    rollbook.open(postgres_url).close()
    with Line(postgres_url) as line:
        yield line


def once(line: Line, fate: str | None) -> None:
    """What becomes of the next COMMIT."""
    fates = iter([fate])
    line.fate = lambda: next(fates, None)


def add_call(book: rollbook.Rollbook, number: int) -> None:
    assert book.record_usage("s", tokens_in=number + 1) == "counted"


def count_calls(book: rollbook.Rollbook) -> object:
    return sorted(row.tokens_in for row in book.usage("s") if row.calls)


def append(book: rollbook.Rollbook, number: int) -> None:
    book.append("s", "lines", entries=[number])


def entries(book: rollbook.Rollbook) -> object:
    return [entry.body + 1 for entry in book.entries("s", "lines")]


def ask(book: rollbook.Rollbook, number: int) -> None:
    book.add_qa("s", question=str(number + 1), answer="a")


def asked(book: rollbook.Rollbook) -> object:
    return [int(said.content) for said in book.conversation("s") if said.role == "user"]


def count_up(book: rollbook.Rollbook, number: int) -> None:
    book.upsert({"id": "s", "status": "active", "prompt_tokens": number + 1, "turns": number})


def counted_up(book: rollbook.Rollbook) -> object:
    assert book.get("s").tokens_in == sum(row.tokens_in for row in book.usage("s"))
    return [row.tokens_in + n for n, row in enumerate(book.usage("s"))]


def set_state(book: rollbook.Rollbook, number: int) -> None:
    book.set_state("s", values={"n": [*book.get_state("s", "n", default=[]), number + 1]})


def state(book: rollbook.Rollbook) -> object:
    return book.get_state("s", "n")


def attempt(book: rollbook.Rollbook, number: int) -> None:
    if number % 2:
        book.reopen("s")
    else:
        book.touch("s", turns=number)
        book.end("s", "completed")


def attempts(book: rollbook.Rollbook) -> object:
    return [*range(1, 2 * book.get("s").attempt)]


@pytest.mark.parametrize(
    ("write", "read"),
    [(add_call, count_calls), (append, entries), (ask, asked), (count_up, counted_up), (set_state, state),
     (attempt, attempts)],
    ids=["usage without ids", "entries without ids", "questions", "absolute counters", "state", "attempts"],
)  # fmt: skip
def test_what_is_not_idempotent_is_applied_once(
    line: Line, write: Callable[[rollbook.Rollbook, int], None], read: Callable[[rollbook.Rollbook], object]
) -> None:
    fates = cycle(FATES)
    with opened(line.url, writers=1) as book:
        line.fate = lambda: next(fates)
        for number in range(9):
            write(book, number)
        line.fate = lambda: None
        assert line.broken >= 9
        assert read(book) == [*range(1, len(list(read(book))) + 1)]  # type: ignore[call-overload]
        if write is not attempt and write is not count_up:
            assert read(book) == [*range(1, 10)]
        sound(book)


def test_many_writers_lose_answers_at_random(line: Line) -> None:
    chance = random.Random(7)
    line.fate = lambda: chance.choice([None, None, None, AFTER, BEFORE, LATE])
    failed: list[BaseException] = []

    def work(book: rollbook.Rollbook, name: str) -> None:
        try:
            for number in range(12):
                assert book.record_usage(f"s{number % 3}", tokens_in=1) == "counted"
                book.append(f"s{number % 3}", name, entries=[number])
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    with opened(line.url, writers=3) as one, opened(line.url) as other:
        threads = [threading.Thread(target=work, args=(book, f"{n}")) for n, book in enumerate([one, other] * 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        line.fate = lambda: None
        assert failed == []
        assert line.broken > 5
        assert sum(item.calls for item in one.iterate()) == 6 * 12
        for name in range(6):
            found = [entry.body for n in range(3) for entry in one.entries(f"s{n}", str(name))]
            assert sorted(found) == [*range(12)]
        sound(one)


def test_a_server_that_is_away_when_it_is_asked_leaves_it_open(line: Line) -> None:
    with opened(line.url, writers=1, busy_timeout_s=1) as book:
        book.touch("s")

        def fate() -> str:
            line.dead = True
            return AFTER

        line.fate = fate
        with pytest.raises(StoreError, match=r"may have\s+been kept or not; write it again with the same ids"):
            book.record_usage("s", usage_id="x", tokens_in=1)
        line.dead = False
        line.fate = lambda: None
        assert book.record_usage("s", usage_id="x", tokens_in=1) == "duplicate"
        assert book.record_usage("s", usage_id="y", tokens_in=1) == "counted"
        sound(book)


def test_what_was_not_sent_yet_is_said_to_be_unkept(line: Line) -> None:
    with opened(line.url, writers=1, busy_timeout_s=1) as book:
        book.touch("s")
        line.dead = True
        line.cut()
        with pytest.raises(StoreError, match="cannot be reached") as met:
            book.record_usage("s", tokens_in=1)
        assert "may have been" not in str(met.value)
        line.dead = False
        assert book.record_usage("s", tokens_in=1) == "counted"
        assert book.get("s").calls == 1


def test_an_answer_that_was_lost_leaves_nothing_stale(line: Line, postgres_url: str) -> None:
    """Between the commit and the next write somebody else is alone with the book."""
    with opened(line.url, writers=1) as book, opened(postgres_url) as other:
        book.record_usage("s", usage_id="1", tokens_in=1)
        once(line, AFTER)
        book.record_usage("s", usage_id="2", tokens_in=1)
        other.purge("s")
        with pytest.raises(rollbook.Gone):
            book.record_usage("s", usage_id="3", tokens_in=1)
        sound(book)


def test_the_driver_does_not_talk_of_a_lost_line(
    line: Line, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    fates = cycle([None, AFTER, BEFORE])
    with opened(line.url, writers=1) as book:
        line.fate = lambda: next(fates)
        for _ in range(6):
            book.record_usage("s", tokens_in=1)
            line.cut()
            book.get("s")
    assert caplog.records == []
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="for how long a line may take nothing is set by Linux alone")
def test_a_line_that_takes_nothing_any_more_is_given_up(line: Line) -> None:
    """As one to a machine that lost its power: nobody acknowledges anything, and nobody says so."""
    with opened(f"{line.url}&tcp_user_timeout=700", writers=1) as book:
        book.append("s", "lines", entries=["first"])
        line.stall(100_000)
        book.append("s", "lines", entries=["x" * 900_000])
        assert [len(entry.body) for entry in book.entries("s", "lines")] == [5, 900_000]
        sound(book)


def test_lines_that_break_at_any_moment(line: Line) -> None:
    """Soon after a few more answers, or with none in between: as often on a busy machine as on an idle one."""
    chance = random.Random(11)
    failed: list[BaseException] = []
    answers: list[str] = []
    cuts: list[int] = []
    over = threading.Event()

    def work(book: rollbook.Rollbook, name: str) -> None:
        try:
            for number in range(40):
                assert book.record_usage("s", tokens_in=1) == "counted"
                answers.append(name)
                book.append("s", name, entries=[number])
                answers.append(name)
                assert book.get("s").calls > number
                answers.append(name)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    def break_it() -> None:
        while not over.wait(chance.uniform(0, 0.05)):
            line.cut()
            cuts.append(len(answers))
            enough = cuts[-1] + chance.choice([0, 2, 4, 6, 8])
            while len(answers) < enough and not over.wait(0.005):
                pass

    breaking = threading.Thread(target=break_it)
    with opened(line.url, writers=2) as one, opened(line.url) as other:
        threads = [threading.Thread(target=work, args=(book, f"{n}")) for n, book in enumerate([one, other] * 2)]
        for thread in (*threads, breaking):
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        breaking.join()
        assert failed == []
        assert len(cuts) > 20
        assert one.get("s").calls == 4 * 40
        for name in range(4):
            assert [entry.body for entry in other.entries("s", str(name))] == [*range(40)]
        sound(other)
