"""Every row comes once, in the same order, whoever asks and whoever writes meanwhile: iterate_usage and extract."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rollbook
import rollbook.aio
from rollbook.errors import InvalidInput
from rollbook.ledger.exports import usage_of
from rollbook.model import MICROS, Usage, from_micros, to_dict, to_micros

from .tools import AT, USERS, at_time, everything, fill, opened

NOW = 1_780_000_000 * MICROS


def sessions_of(book: rollbook.Rollbook, **asked: Any) -> list[Any]:
    """Every session, step after step."""
    found: list[Any] = []
    after = None
    while True:
        step = book.extract(what="sessions", after=after, **asked)
        found += step.rows
        if (after := step.after) is None:
            return found


def in_micros(session: rollbook.Session) -> tuple[Any, ...]:
    """A session's values as a step has them."""
    values = msgspec.structs.astuple(session)
    return tuple(to_micros(value) if isinstance(value, datetime) else value for value in values)


@pytest.mark.parametrize("user", USERS)
def test_r6_a_user_gets_their_own_rows_as_usage_shows_them(user: str) -> None:
    with opened() as book:
        fill(book)
        rows = list(book.iterate_usage(user_id=user))
        kept = [row for row in rows if row.session_id]
        by_session: dict[str, list[Usage]] = {}
        for row in kept:
            by_session.setdefault(row.session_id, []).append(row)
        assert by_session == everything(book, user)
        assert {row.user_id for row in rows} == {book.get("one", user_id=user).user_id}
        assert {row.entry for row in rows} == {"call", "reversal", "correction", "adjustment"}
        assert any(row.late for row in rows)


def test_r6_everybodys_rows_come_where_the_book_was_opened_so() -> None:
    with opened(all_users=True) as book:
        fill(book)
        everybodys = list(book.iterate_usage())
        each = [list(book.iterate_usage(user_id=user)) for user in USERS]
        assert everybodys == [row for rows in each for row in rows]
        assert list(book.iterate_usage(user_id="nobody")) == []
    with opened() as book:
        fill(book)
        assert list(book.iterate_usage()) == []
        assert sessions_of(book) == []


def test_r12_rows_of_deleted_sessions_come_without_its_name_and_only_where_nothing_is_asked_of_it() -> None:
    with opened(user="ann") as book:
        fill(book)
        gone = [row for row in book.iterate_usage() if not row.session_id]
        assert [row.usage_id for row in gone] == ["gone-0", "gone-1", "gone-2"]
        assert (
            sum(row.cost_nano_usd or 0 for row in book.iterate_usage()) == book.spend(since="all").total.cost_nano_usd
        )
        asks: tuple[dict[str, Any], ...] = (
            {"status": "running"}, {"status": "abandoned"}, {"agent": "agent gone"}, {"kind": "interactive"},
            {"tag": "a"}, {"text": "t"}, {"project": "x"}, {"channel": "cli"},
            {"dataset_id": "00000000-0000-4000-8000-000000000000"},
        )  # fmt: skip
        for asked in asks:
            assert all(row.session_id for row in book.iterate_usage(**asked)), asked
        assert [row.usage_id for row in book.iterate_usage(model="n") if not row.session_id] == ["gone-1"]
        assert "gone" not in str(sessions_of(book))


def test_r12_what_was_pruned_is_there_as_what_it_came_to() -> None:
    with opened() as book:
        for name in ("one", "two"):
            for number in range(3):
                book.record_usage(name, model="m", tokens_in=5, cost_usd=1, usage_id=f"{name}{number}", occurred_at=AT)
            book.end(name, "completed", at=AT)
        book.prune(ledger="30d")
        rows = list(book.iterate_usage())
        assert [(row.entry, row.session_id, row.calls, row.cost_usd) for row in rows] == [
            ("closing", "one", 3, 3.0),
            ("closing", "two", 3, 3.0),
        ]
        assert sum(row.cost_nano_usd or 0 for row in rows) == book.spend(since="all").total.cost_nano_usd


def test_time_and_model_are_asked_of_the_row_the_rest_of_its_session() -> None:
    with opened(user="ann") as book:
        fill(book)
        rows = list(book.iterate_usage())
        shown = {one.session_id: one for one in book.iterate()}

        def asked(**words: Any) -> list[Usage]:
            return list(book.iterate_usage(**words))

        assert asked(model="m") == [row for row in rows if row.model == "m"]
        assert asked(model="unknown") == [row for row in rows if row.model is None]
        assert asked(model="nobody's") == []
        late = "2026-05-01T12:00:01Z"
        assert asked(since=late) == [row for row in rows if to_dict(row)["occurred_at"] > late]
        assert 0 < len(asked(since=late)) < len(rows)
        for status in ("completed", "running", "abandoned", "failed"):
            fit = {name for name, one in shown.items() if one.effective_status == status}
            assert asked(status=status) == [row for row in rows if row.session_id in fit]
        for words, name in (({"agent": "agent two"}, "two"), ({"tag": "three"}, "three"), ({"text": "OF ONE"}, "one")):
            assert {row.session_id for row in asked(**words)} == {name}
            assert asked(**words) == [row for row in rows if row.session_id == name]
        both = asked(agent="agent two", model="m", since="2026-05-02T12:00:00Z")
        assert [row.entry for row in both] == ["correction"]


@given(limit=st.integers(1, 60))
def test_steps_of_any_size_come_to_the_same(limit: int) -> None:
    with opened(all_users=True) as book:
        fill(book)
        for asked in ({}, {"model": "m"}, {"agent": "agent two"}, {"user_id": "bob"}, {"status": "completed"}):
            assert list(book.iterate_usage(limit=limit, **asked)) == list(book.iterate_usage(**asked))
            assert sessions_of(book, limit=limit, **asked) == sessions_of(book, **asked)


def test_sessions_come_as_list_shows_them_in_an_order_of_their_own() -> None:
    with opened(all_users=True) as book:
        fill(book)
        shown = {(one.user_id, one.session_id): one for one in book.iterate()}
        found = sessions_of(book)
        assert len(found) == len(shown) == 6
        assert found == [in_micros(shown[row[1], row[0]]) for row in found]
        for asked in ({"status": "completed"}, {"agent": "agent two"}, {"model": "n"}, {"since": "24h"}, {"tag": "a"}):
            names = sorted((one.user_id, one.session_id) for one in book.iterate(**asked))
            assert sorted((row[1], row[0]) for row in sessions_of(book, **asked)) == names, asked


def test_rows_written_meanwhile_are_left_out_and_amendments_stay_whole() -> None:
    with opened() as book:
        for number in range(20):
            book.record_usage(f"s{number:02d}", tokens_in=10, usage_id=f"u{number}", cost_usd=1)
        before = list(book.iterate_usage())
        reading = book.iterate_usage(limit=3)
        found = [next(reading) for _ in range(5)]
        # Amended and moved across the place where the reading is: both ways, and one call of each side.
        for number, to in ((0, 19), (19, 0), (1, 1), (18, 18)):
            assert (
                book.record_usage(f"s{to:02d}", tokens_in=50, usage_id=f"u{number}", cost_usd=7, evidence="transcript")
                == "amended"
            )
        book.record_usage("new", tokens_in=1)
        found += reading
        assert found == before
        after = list(book.iterate_usage())
        assert len(after) == len(before) + 2 * 4 + 1
        assert sum(row.cost_nano_usd or 0 for row in after) == book.spend(since="all").total.cost_nano_usd


def test_rows_of_a_clock_that_was_ahead_are_not_lost() -> None:
    clock = [NOW + 3600 * MICROS]
    with at_time(clock) as book:
        book.record_usage("s", tokens_in=1, usage_id="ahead")
        clock[0] = NOW
        book.record_usage("s", tokens_in=1, usage_id="now")
        assert [row.usage_id for row in book.iterate_usage(limit=1)] == ["ahead", "now"]


def test_a_range_and_a_silence_are_measured_from_the_beginning() -> None:
    clock = [NOW]
    with at_time(clock) as book:
        for number in range(10):
            book.record_usage(f"s{number}", tokens_in=1, occurred_at=from_micros(NOW - 3000 * MICROS))
            book.touch(f"s{number}", at=from_micros(NOW - 1700 * MICROS))
        for asked in ({"since": "1h"}, {"status": "running"}):
            clock[0] = NOW
            reading = book.iterate_usage(limit=2, **asked)
            next(reading)
            clock[0] = NOW + 7200 * MICROS
            assert len(list(reading)) == 9, asked


def test_r13_another_writer_is_not_held_up_and_every_row_comes_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'book.db'}"
    with rollbook.open(url) as book, rollbook.open(url) as other:
        book.record_many([{"session_id": f"s{n % 300}", "tokens_in": 1, "usage_id": f"u{n}"} for n in range(3000)])
        before = list(book.iterate_usage())
        stop, written = threading.Event(), [0]

        def write() -> None:
            while not stop.is_set():
                other.record_usage(f"s{written[0] % 400}", tokens_in=1, usage_id=f"w{written[0]}")
                written[0] += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(5):
                found = list(book.iterate_usage(limit=100))
                counts = Counter(row.usage_id for row in found)
                assert max(counts.values()) == 1
                assert [row for row in found if row.usage_id.startswith("u")] == before
        finally:
            stop.set()
            thread.join()
        assert written[0] > 0
        assert len(list(book.iterate_usage())) == 3000 + written[0]
        assert book.verify().ok


def test_a_reading_that_is_left_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with rollbook.open(path) as book:
        for number in range(10):
            book.record_usage("s", tokens_in=1, usage_id=f"u{number}")
        reading = book.iterate_usage(limit=1)
        first = next(reading)
        assert book.record_usage("s", tokens_in=1) == "counted"
        # A snapshot that was held would keep the log from being emptied.
        raw = apsw.Connection(str(path))
        assert raw.execute("select count(*) from ledger").get == 11
        left, _ = raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        raw.close()
        assert left == 0
        assert first.usage_id == "u0"
        del reading


def test_both_faces_give_the_same_rows() -> None:
    async def there() -> list[Any]:
        async with rollbook.aio.open("sqlite:///:memory:", user="ann") as book:
            for number in range(7):
                await book.record_usage(f"s{number}", tokens_in=number, usage_id=f"u{number}", occurred_at=AT)
            rows = [to_dict(row) async for row in book.iterate_usage(limit=2)]
            step = await book.extract(limit=3)
            assert [to_dict(usage_of(row)) for row in step.rows] == rows[:3]
            return rows

    with opened(user="ann") as book:
        for number in range(7):
            book.record_usage(f"s{number}", tokens_in=number, usage_id=f"u{number}", occurred_at=AT)
        here = [to_dict(row) for row in book.iterate_usage()]
    found = asyncio.run(there())
    for row in (*found, *here):
        row.pop("recorded_at")
    assert found == here
    assert len(here) == 7


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"what": "spend"}, "usage, sessions"),
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 10**9}, "limit"),
        ({"status": "odd"}, "status"),
        ({"since": "yesterday"}, "24h"),
        ({"tag": "x" * 300}, "tag"),
    ],
)
def test_wrong_questions_are_refused(asked: dict[str, Any], named: str) -> None:
    with opened() as book, pytest.raises(InvalidInput, match=named):
        book.extract(**asked)
