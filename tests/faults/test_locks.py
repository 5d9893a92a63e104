"""Several processes at one file: waiting, turns, and reads that wait for nobody."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rollbook
from rollbook.errors import StoreError

from .tools import Lock, Program, holds, ids_in, opened, raw, sound, url_of, wait_until

_LONG_S = 5.0  #: what nobody should have to wait for on a busy machine, where nothing is in the way


def test_a_lock_held_for_long_is_a_clear_error_and_the_same_book_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLBOOK_BUSY_TIMEOUT", "1")
    path = tmp_path / "book.db"
    with rollbook.open(url_of(path)) as book:
        book.record_usage("s", usage_id="before")
        with Lock(path):
            started = time.monotonic()
            with pytest.raises(StoreError, match="locked by another process"):
                book.record_usage("s", usage_id="refused")
            assert 0.9 <= time.monotonic() - started < 1 + _LONG_S
            with ThreadPoolExecutor(8) as pool:
                waiting = [pool.submit(book.record_usage, "s", usage_id=f"refused{number}") for number in range(8)]
            assert all(isinstance(one.exception(), StoreError) for one in waiting)
            assert ids_in(book) == ["before"]
            # Opening needs no lock where the schema is there.
            with rollbook.open(url_of(path)) as other:
                assert ids_in(other) == ["before"]
        assert book.record_usage("s", usage_id="refused") == "counted"
        holds(book, ["before", "refused"])


def test_a_turn_that_another_holds_for_long_is_a_lock_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path, busy_timeout_s=0.5) as book, opened(path, busy_timeout_s=30) as other:
        book.touch("s")
        with Lock(path):
            held = threading.Thread(target=other.record_usage, args=("s",), kwargs={"usage_id": "turn"})
            held.start()
            with pytest.raises(StoreError, match="locked by another process"):
                book.record_usage("s", usage_id="mine")
        held.join()
        assert book.record_usage("s", usage_id="mine") == "counted"
        holds(book, ["turn", "mine"])


def test_a_lock_that_is_released_in_time_costs_only_time(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path, busy_timeout_s=30) as book, ThreadPoolExecutor(4) as pool:
        book.touch("s")
        with Lock(path):
            waiting = [pool.submit(book.record_usage, "s", usage_id=f"u{number}") for number in range(4)]
            time.sleep(0.2)
            assert not any(one.done() for one in waiting)
        assert [one.result(30) for one in waiting] == ["counted"] * 4
        holds(book, [f"u{number}" for number in range(4)])


def test_reads_neither_wait_for_a_long_write_nor_see_any_of_it_before_its_commit(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path, busy_timeout_s=60) as book:
        book.record_usage("s", usage_id="before", tokens_in=5)
        with Lock(path, "update session set turns = 77") as lock:
            started = time.monotonic()
            for _ in range(20):
                assert book.get("s").turns == 0
                assert book.stats(since="all").tokens_in == 5
                sound(book)
            with opened(path, busy_timeout_s=60) as other, ThreadPoolExecutor(12) as pool:
                assert [one.turns for one in pool.map(lambda _: other.get("s"), range(48))] == [0] * 48
            with opened(f"{path}?mode=ro", busy_timeout_s=60) as reading:
                assert reading.get("s").turns == 0
            assert time.monotonic() - started < 2 * _LONG_S
            lock.commit()
            assert book.get("s").turns == 77


def test_every_process_sees_what_another_was_told_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as book, Program("echo", url_of(path)) as program:
        for number in range(100):
            mine, theirs = f"m{number}", f"t{number}"
            assert book.record_usage(mine, tokens_in=number + 1) == "counted"
            program.tell(f"read {mine}")
            assert program.line() == f"{number + 1}"
            program.tell(f"write {theirs} {number + 1}")
            assert program.line() == "counted"
            assert book.get(theirs).tokens_in == number + 1
            # Both change one session in turn: what each remembers of it must give way.
            assert book.record_usage("both", tokens_in=1) == "counted"
            program.tell("write both 1")
            assert program.line() == "counted"
            assert book.get("both").tokens_in == 2 * (number + 1)
        sound(book)


def test_two_books_on_one_file_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with opened(path) as one, opened(path) as two:

        def work(name: str, book: rollbook.Rollbook) -> None:
            for number in range(60):
                assert book.record_usage(f"s{number % 3}", usage_id=f"{name}-{number}", tokens_in=1) == "counted"
                if number % 10 == 5:
                    book.touch(f"s{number % 3}", title=name)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, f"w{n}", book) for n, book in enumerate([one, two, one, two])]:
                done.result(120)
        expected = [f"w{n}-{number}" for n in range(4) for number in range(60)]
        holds(one, expected)
        holds(two, expected)
        one.close()
        assert two.record_usage("s0", usage_id="after") == "counted"
        holds(two, [*expected, "after"])


def _locked_against_others(path: Path) -> bool:
    """Whether another process finds the lock with which SQLite says that a database is in use."""
    look = (
        "import fcntl, sys\nwith open(sys.argv[1], 'r+b') as file:\n  try: fcntl.lockf(file, fcntl.LOCK_EX | "
        "fcntl.LOCK_NB, 510, 0x40000002)\n  except OSError: print('in use')"
    )
    return subprocess.run([sys.executable, "-c", look, str(path)], capture_output=True, check=True).stdout != b""


def test_r13_a_second_book_in_a_process_does_not_give_away_the_lock_of_the_first(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops the process's locks on it: then others take the log for their own."""
    path = tmp_path / "book.db"
    with opened(path) as book:
        book.record_usage("s", usage_id="first")
        assert _locked_against_others(path)
        with opened(path):
            assert _locked_against_others(path), "opening a second book dropped the lock"
        assert _locked_against_others(path), "closing a second book dropped the lock"


def test_r13_another_program_that_looks_into_the_file_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    look = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select 1 from session'); c.close()"
    with opened(path) as book, opened(path) as second:
        book.record_usage("s", usage_id="1")
        second.record_usage("s", usage_id="2")
        with opened(path):
            subprocess.run([sys.executable, "-c", look, str(path)], check=True)
        for number in range(3, 6):
            assert book.record_usage("s", usage_id=str(number)) == "counted"
        with Program("echo", url_of(path)) as program:
            program.tell("count s")
            assert program.line() == "5", f"lost after SQLite {sqlite3.sqlite_version} looked"
    with opened(path) as again:
        holds(again, "12345")


def test_a_busy_process_does_not_starve_another(tmp_path: Path) -> None:
    """Single writes, each as a command makes it: open, write, close, beside two processes that write without end."""
    path = tmp_path / "book.db"
    logs = [tmp_path / "p0.log", tmp_path / "p1.log"]

    def acknowledged() -> list[int]:
        return [log.read_text().count("<") if log.exists() else 0 for log in logs]

    with (
        Program("caller", url_of(path), logs[0], "p0", "threads"),
        Program("caller", url_of(path), logs[1], "p1", "tasks"),
    ):
        wait_until(lambda: min(acknowledged()) > 20, "both to be busy")
        before, waits = acknowledged(), []
        for number in range(20):
            started = time.monotonic()
            with opened(path, busy_timeout_s=30) as book:
                assert book.record_usage("cli", usage_id=f"cli{number}") == "counted"
            waits.append(time.monotonic() - started)
        after = acknowledged()
        # The two went on meanwhile, and each of ours took its turn among theirs.
        assert all(now > then for now, then in zip(after, before, strict=True))
        assert max(waits) < _LONG_S, waits
        assert sorted(waits)[10] < 1.0, waits
    assert raw(path, "pragma integrity_check") == [("ok",)]
