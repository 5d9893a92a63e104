"""R12, R13: retention that is interrupted, that meets others at work, and that has much to do."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.errors import Gone, NotFound, StoreError
from rollbook.ledger.pruning import FOLDED_AT_ONCE
from rollbook.model import to_dict

from .tools import Program, opened, raw, sound, url_of, wait_until

DAY_S: Final = 86_400
MARK: Final = "quetzal"
SESSIONS: Final = 40
CALLS: Final = 50  #: of each session, one every minute
#: Everything that may not change by pruning, but for what is asked for.
SHOWN: Final = ("model", "day", "hour", "agent", "kind")


def filled(book: rollbook.Rollbook, mark: str = "", sessions: int = SESSIONS) -> list[dict[str, Any]]:
    """Old sessions with calls that have two names; the reports of them."""
    start = time.time() // DAY_S * DAY_S - 60 * DAY_S
    reports = [
        {
            "session_id": f"{mark}s{number}",
            "usage_id": f"{mark}u{number}-{at}",
            "aliases": [f"{mark}a{number}-{at}"],
            "model": f"m{at % 2}",
            "tokens_in": at,
            "cost_usd": "0.01",
            "occurred_at": start + 60 * at,
        }
        for number in range(sessions)
        for at in range(CALLS)
    ]
    assert set(book.record_many(reports)) == {"counted"}
    for number in range(sessions):
        name = f"{mark}s{number}"
        book.touch(name, title=f"{mark} title", metadata={"about": mark}, goal_text=mark * 300, at=start)
        book.end(name, "completed", reason=mark or "done", at=start + 60 * CALLS)
    return reports


def figures(book: rollbook.Rollbook) -> dict[str, Any]:
    shown: dict[str, Any] = {by: to_dict(book.spend(by=by, since="all")) for by in SHOWN}
    shown["stats"], shown["models"] = to_dict(book.stats(since="all")), to_dict(book.cost_by_model(since="all"))
    for one in book.iterate():
        said = {"title": None, "metadata": None, "goal_text": None}
        shown[one.session_id] = to_dict(one) | said
    return shown


def rows_in(path: Path) -> int:
    return int(raw(path, "select count(*) from ledger")[0][0])


def begun(program: Program) -> Program:
    program.tell()
    assert program.line() == "begins"
    return program


# interrupted


def test_r13_a_killed_prune_leaves_a_balanced_book_and_the_next_one_finishes(tmp_path: Path) -> None:
    path, chance = tmp_path / "book.db", random.Random(3)
    with opened(path) as book, opened(tmp_path / "once.db") as once:
        reports = filled(book)
        filled(once)
        shown = figures(book)
        for _ in range(4):
            rows = rows_in(path)
            with Program("retaining", url_of(path), "prune") as program:
                begun(program)
                wait_until(lambda rows=rows: rows_in(path) < rows, "a step")  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.02))
                program.kill()
            sound(book)
            assert figures(book) == shown
        assert set(book.record_many(reports)) <= {"duplicate", "too_old"}
        left = book.prune(ledger="30d", content="30d").ledger_rows
        assert 0 < left < len(reports)
        once.prune(ledger="30d", content="30d")
        assert figures(book) == shown
        assert rows_in(path) == rows_in(tmp_path / "once.db")
        for table in ("purged", "usage_key", "session_info"):
            count = f"select count(*) from {table}"
            assert raw(path, count) == raw(tmp_path / "once.db", count)
        assert set(book.record_many(reports)) == {"too_old"}
        assert not book.prune(ledger="30d", content="30d").ledger_rows
        sound(book)


def test_r13_a_killed_purge_of_a_user_leaves_a_balanced_book_and_the_next_one_finishes(tmp_path: Path) -> None:
    path, chance = tmp_path / "book.db", random.Random(4)
    with opened(path) as book:
        reports = filled(book, MARK)
        book.record_usage("other's", user_id="kim", cost_usd=1, usage_id="u")
        left = len(reports)
        for _ in range(4):
            rows = rows_in(path)
            with Program("retaining", url_of(path), "purge_user") as program:
                begun(program)
                wait_until(lambda rows=rows: rows_in(path) < rows, "a step")  # type: ignore[misc]
                time.sleep(chance.uniform(0, 0.02))
                program.kill()
            sound(book)
            left = sum(one.calls for one in book.iterate())
            assert 0 < left == book.spend(since="all").total.calls
        assert book.purge_user().calls == left
        assert book.spend(since="all", user_id="kim").total.cost_nano_usd == 10**9
        sound(book)
        nothing_of(MARK, path)
        assert all(isinstance(answer, Gone) for answer in book.record_many(reports))
        assert not list(book.iterate())


def test_r13_a_prune_without_room_keeps_whole_steps_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book:
        reports = filled(book)
        shown = figures(book)
    with Program("retaining", url_of(path), "full_disk") as program:
        assert program.line() == "begins"
        (left,) = program.finished()
    assert 0 < int(left) < len(reports)
    with opened(path) as book:
        assert figures(book) == shown
        assert set(book.record_many(reports)) == {"too_old"}
        sound(book)


# others at work


def test_two_prune_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book:
        reports = filled(book)
        before = book.spend(since="all").total
        with Program("retaining", url_of(path), "prune") as one, Program("retaining", url_of(path), "prune") as two:
            for program in (one, two):
                program.tell()
            written = amended = 0
            for number in itertools.count():
                # New calls in what is pruned, old ones again, and some with more to them.
                book.record_usage(f"s{number % SESSIONS}", usage_id=f"new {number}", cost_usd=1)
                written += 1
                again = reports[number * 7 % len(reports)]
                assert book.record_usage(**again) in ("duplicate", "too_old")
                larger = book.record_usage(**reports[number % len(reports)] | {"tokens_in": 10_000})
                amended += larger == "amended"
                assert larger in ("amended", "too_old", "duplicate")
                if one.process.poll() is not None and two.process.poll() is not None:
                    break
            removed = [int(program.finished()[-1]) for program in (one, two)]
        assert sum(removed) >= len(reports)
        total = book.spend(since="all").total
        assert total.calls == before.calls + written
        assert total.cost_nano_usd == before.cost_nano_usd + written * 10**9
        assert set(book.record_many(reports)) <= {"too_old", "duplicate"}
        sound(book)


def test_r13_what_another_process_removed_is_not_remembered_here(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book:
        reports = filled(book, sessions=3)
        assert set(book.record_many(reports)) == {"duplicate"}  # everything is in memory
        with opened(path) as other:
            other.prune(ledger="30d")
        assert set(book.record_many(reports)) == {"too_old"}
        assert book.record_usage("s0", cost_usd=1) == "late"
        with opened(path) as other:
            other.purge("s0")
        with pytest.raises(Gone, match="purged"):
            book.record_usage("s0", cost_usd=1)
        with pytest.raises(NotFound):
            book.get("s0")
        book.touch("s9")
        sound(book)
        with opened(path) as other:
            other.purge_user()
        for name in ("s1", "s9"):
            with pytest.raises(Gone):
                book.touch(name)
        assert book.record_usage("anew", usage_id="anew") == "counted"
        assert [one.session_id for one in book.iterate()] == ["anew"]
        sound(book)


# much to do


def test_r12_a_session_of_many_rows_is_folded_in_steps_and_purged(tmp_path: Path) -> None:
    count, start = 2 * FOLDED_AT_ONCE + 100, time.time() // DAY_S * DAY_S - 60 * DAY_S
    with opened(tmp_path / "book.db") as book:
        book.record_many(
            {"session_id": "s", "usage_id": f"u{at}", "model": "m", "cost_usd": "0.01", "occurred_at": start + at}
            for at in range(count)
        )
        book.end("s", "completed", at=start + count)
        shown, foreseen = figures(book), book.prune(ledger="30d", dry_run=True)
        done = book.prune(ledger="30d")
        assert (done.ledger_rows, done.closing_rows) == (count, -(-count // 900))
        assert (foreseen.ledger_rows, foreseen.closing_rows) == (done.ledger_rows, done.closing_rows)
        assert figures(book) == shown
        assert sum(row.calls for row in book.usage("s")) == count
        sound(book)
        assert book.purge("s").calls == count
        assert book.record_usage("t", usage_id="u77", occurred_at=start) == "too_old"
        sound(book)
    with opened(tmp_path / "other.db") as book:
        book.record_many({"session_id": "s", "usage_id": f"u{at}", "tokens_in": 1} for at in range(20_000))
        assert book.purge("s").calls == 20_000
        assert rows_in(tmp_path / "other.db") == 0
        sound(book)


# what is left in the files


def nothing_of(mark: str, path: Path) -> None:
    for part in (path, path.with_name(path.name + "-wal")):
        assert not part.exists() or mark.encode() not in part.read_bytes(), part


@pytest.mark.parametrize("what", ["sessions", "a user"])
def test_r12_what_is_removed_is_not_in_the_files_any_more(tmp_path: Path, what: str) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book, opened(path) as reader:
        filled(book)
        for number in range(3):
            mark = f"{MARK}{number}"
            filled(book, mark, sessions=5)
            marked = [one.session_id for one in reader.iterate(text=mark)]
            assert len(marked) == 5
            if what == "a user":
                book.purge_user()
            else:
                for name in marked:
                    book.purge(name)
            nothing_of(mark, path)
            assert raw(path, "pragma freelist_count") == [(0,)]  # the room is given back
        sound(book)


def test_r12_content_that_was_pruned_is_not_in_the_files_any_more(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book, opened(path) as reader:
        filled(book)
        for number in range(3):
            name, mark = f"new {number}", f"{MARK}{number}"
            said: dict[str, Any] = {"title": mark, "goal_text": mark * 900, "tags": [mark], "actor": mark}
            book.touch(name, **said, metadata={mark: mark}, at=time.time() - 60 * DAY_S)
            assert reader.get(name).title == mark
            assert book.prune(content="30d").contents == (1 if number else SESSIONS + 1)
            assert reader.get(name).title is None
            nothing_of(mark, path)
        sound(book)


def test_r12_a_dry_run_changes_not_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book:
        filled(book)
    was = path.read_bytes()
    with opened(f"{path}?mode=ro") as book:
        foreseen = book.prune(sessions="50d", content="30d", ledger="30d", dry_run=True)
        with pytest.raises(StoreError, match="reading only"):
            book.prune(ledger="30d")
        with pytest.raises(StoreError, match="reading only"):
            book.purge("s0")
    with opened(path) as book:
        assert book.prune(sessions="50d", content="30d", ledger="30d", dry_run=True) == foreseen
        assert not path.with_name("book.db-wal").stat().st_size
        assert path.read_bytes() == was
        done = book.prune(sessions="50d", content="30d", ledger="30d")
        assert (
            (done.sessions, done.ledger_rows)
            == (foreseen.sessions, foreseen.ledger_rows)
            == (SESSIONS, SESSIONS * CALLS)
        )


def test_r12_nothing_is_left_where_much_was_removed(tmp_path: Path) -> None:
    """More than the log holds before it is copied into the file, by another thread."""
    path = tmp_path / "book.db"
    with opened(path) as book:
        filled(book, MARK, sessions=200)
        book.purge_user()
        nothing_of(MARK, path)
        sound(book)
