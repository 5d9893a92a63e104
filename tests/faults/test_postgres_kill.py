"""R13, R3: a PostgreSQL server, or who writes to it, goes away in the middle of it all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

import rollbook
from postgres_servers import PostgresServer
from rollbook.errors import StoreError

from .test_kill import Caller, check
from .tools import READY, Program, at_once, holds, opened, sound, wait_until

Own = Callable[..., PostgresServer]


def test_r13_a_server_that_is_killed_loses_nothing_acknowledged(tmp_path: Path, own_postgres: Own) -> None:
    """The same processes go on with the books that they have open."""
    chance = random.Random(3)
    server = own_postgres(durable=True)
    url = server.new_database()
    with ExitStack() as stack:
        everybody = [Caller(stack, url, f"p{number}", tmp_path) for number in range(3)]
        for caller in everybody:
            wait_until(lambda caller=caller: caller.acknowledged() > 0, "a first acknowledgement")  # type: ignore[misc]
        for stop in (server.kill, server.stop, server.kill):
            time.sleep(chance.uniform(0, 0.2))
            stop()
            server.start()
            for caller in everybody:
                caller.goes_on()
        for caller in everybody:
            caller.program.process.kill()
    check(url, everybody)


def test_r13_writers_that_are_killed_lose_nothing_acknowledged(tmp_path: Path, postgres_url: str) -> None:
    with ExitStack() as stack:
        everybody = [Caller(stack, postgres_url, f"p{number}", tmp_path) for number in range(3)]
        for number in range(3):
            wait_until(lambda: everybody[number].acknowledged() > 5, "some acknowledgements")  # noqa: B023 - at once
            everybody[number].program.kill()
            everybody.append(Caller(stack, postgres_url, f"p{number + 3}", tmp_path))
            everybody[-1].goes_on()
        for caller in everybody:
            caller.program.process.kill()
    check(postgres_url, everybody)


def test_a_server_that_stays_away_is_told_and_found_again(own_postgres: Own) -> None:
    server = own_postgres()
    with opened(server.new_database(), busy_timeout_s=1) as book:
        assert book.record_usage("s", usage_id="1") == "counted"
        assert book.get("s").calls == 1
        server.stop()
        with pytest.raises(StoreError, match="cannot be reached"):
            book.record_usage("s", usage_id="2")
        with pytest.raises(StoreError, match="cannot be reached"):
            book.get("s")
        server.start()
        assert book.record_usage("s", usage_id="3") == "counted"
        holds(book, ["1", "3"])


_STOPPED: Final = """
import sys, time, rollbook, rollbook.ledger.apply as apply
from rollbook.plans import Plans
from rollbook.settings import Settings
book = rollbook.Rollbook(Plans(sys.argv[1], user=None, all_users=False, settings=Settings(busy_timeout_s=3)))
book.record_usage("s", usage_id="first")
save = apply.save
def saved(work):
    apply.save = save
    print("holds", flush=True)
    time.sleep(2)
    save(work)
apply.save = saved
print(book.record_usage("s", tokens_in=7), flush=True)
"""


def test_who_is_stopped_in_the_middle_holds_nobody_up_and_goes_on_later(postgres_url: str) -> None:
    with opened(postgres_url, busy_timeout_s=3) as book:
        with subprocess.Popen(
            [sys.executable, "-c", _STOPPED, postgres_url], stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "holds\n"
            os.kill(other.pid, signal.SIGSTOP)
            try:
                assert book.record_usage("s", tokens_in=5) == "counted"
                time.sleep(3)  # longer than its patience
            finally:
                os.kill(other.pid, signal.SIGCONT)
            assert other.stdout.readline() == "counted\n"
            assert other.wait(30) == 0
        assert sorted(row.tokens_in for row in book.usage("s")) == [0, 5, 7]
        sound(book)


_MAKER: Final = f"""
import sys, rollbook, rollbook.book, rollbook.store.postgres
{READY}
with rollbook.open(sys.argv[1]) as book:
    print(book.record_usage("s", tokens_in=1), book.verify().ok)
"""


def test_many_processes_make_one_book_at_once(postgres_url: str) -> None:
    makers = 12
    assert at_once(_MAKER, postgres_url, count=makers) == ["counted True"] * makers
    with opened(postgres_url) as book:
        assert book.get("s").calls == makers


def test_two_books_make_the_same_session_and_call_at_once(postgres_url: str) -> None:
    rounds, books = 15, 3
    barrier = threading.Barrier(books)
    at = datetime.now(UTC)
    told: list[str] = []

    def work() -> None:
        with rollbook.open(postgres_url) as book:
            for number in range(rounds):
                barrier.wait()
                call: dict[str, Any] = {"usage_id": f"call {number}", "model": f"m{number}", "occurred_at": at}
                told.append(str(book.record_usage(f"s{number}", **call)))
                barrier.wait()
                book.touch(f"t{number}", agent=f"a{number}", project=f"p{number}")

    threads = [threading.Thread(target=work) for _ in range(books)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["counted"] * rounds + ["duplicate"] * (rounds * (books - 1))
    with opened(postgres_url) as book:
        holds(book, [f"call {number}" for number in range(rounds)])
        assert len(list(book.iterate())) == 2 * rounds


def test_a_deadlock_with_somebody_else_is_tried_again(postgres_url: str) -> None:
    with opened(postgres_url, writers=1) as book, psycopg.connect(postgres_url) as other:
        book.record_usage("a", tokens_in=1)
        book.record_usage("b", tokens_in=1)
        other.execute("set search_path = rollbook")
        other.execute("set deadlock_timeout = '10s'")  # so that it is the book that is undone
        other.execute("select 1 from session where session_id = 'b' for update")
        call = {"tokens_in": 2}
        writing = threading.Thread(
            target=book.record_many, args=([{"session_id": "a", **call}, {"session_id": "b", **call}],)
        )
        writing.start()
        time.sleep(0.3)  # it holds the first and waits for the second
        other.execute("select 1 from session where session_id = 'a' for update")
        other.rollback()
        writing.join()
        assert [book.get(name).tokens_in for name in "ab"] == [3, 3]
        sound(book)


def test_a_row_that_somebody_else_brings_at_the_same_time_is_found(postgres_url: str) -> None:
    with opened(postgres_url, writers=1) as book, psycopg.connect(postgres_url) as other:
        book.touch("s")
        other.execute("set search_path = rollbook")
        other.execute("insert into model (name) values ('new-model')")
        writing = threading.Thread(target=book.record_usage, args=("s",), kwargs={"model": "new-model"})
        writing.start()
        time.sleep(0.2)
        other.commit()
        writing.join()
        assert [row.model for row in book.usage("s")] == ["new-model"]


def test_whatever_the_database_thinks_of_isolation_the_books_balance(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        name = postgres_url.rpartition("/")[2]
        raw.execute(f"alter database {name} set default_transaction_isolation = 'serializable'")
    test_two_books_make_the_same_session_and_call_at_once(postgres_url)


def test_a_full_disk_is_told_and_nothing_is_kept(postgres_url: str) -> None:
    with opened(postgres_url) as book, psycopg.connect(postgres_url, autocommit=True) as raw:
        book.record_usage("s", usage_id="1")
        raw.execute("set search_path = rollbook")
        raw.execute(
            "create function full_disk() returns trigger language plpgsql as "
            "$$ begin raise exception 'No space left on device' using errcode = '53100'; end $$"
        )
        raw.execute("create trigger full_disk before insert on ledger execute function full_disk()")
        with pytest.raises(StoreError, match=r"out of room .*No space left.*nothing of this write was kept"):
            book.record_usage("s", usage_id="2")
        raw.execute("drop trigger full_disk on ledger")
        assert book.record_usage("s", usage_id="3") == "counted"
        holds(book, ["1", "3"])


@pytest.mark.parametrize("what", ["busy", "pool", "closing", "aio"])
def test_r13_parent_and_child_both_write_after_a_fork(postgres_url: str, what: str) -> None:
    with Program("forking", postgres_url, what) as program:
        told = program.finished(150)
    assert len(told) >= 3
    with opened(postgres_url) as book:
        holds(book, told)


def test_an_idle_child_does_not_keep_the_transaction_of_its_killed_parent(postgres_url: str) -> None:
    with opened(postgres_url) as book, psycopg.connect(postgres_url) as other:
        book.touch("s")
        other.execute("select 1 from rollbook.session for update")
        with Program("forking", postgres_url, "idle") as program:
            child = int(program.line())  # the fork was made in the middle of a write
            program.kill()
            other.rollback()
            try:
                began = time.monotonic()
                assert book.record_usage("s", usage_id="1") == "counted"
                assert time.monotonic() - began < 10
            finally:
                os.kill(child, signal.SIGKILL)
        holds(book, ["1", *(row.usage_id for row in book.usage("s") if row.usage_id != "1" and row.calls)])


def test_fifty_threads_share_a_book_that_is_closed_while_they_write(postgres_url: str) -> None:
    told: list[str] = []
    refused: list[StoreError] = []
    book = opened(postgres_url, writers=4, readers=3)

    def work(name: int) -> None:
        number = 0
        while True:
            try:
                book.record_usage(f"s{name % 7}", usage_id=f"{name}-{number}")
                told.append(f"{name}-{number}")
                book.get(f"s{name % 7}")
            except StoreError as error:
                refused.append(error)
                return
            number += 1

    threads = [threading.Thread(target=work, args=(name,)) for name in range(50)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(told) > 500, "some calls")
    book.close()
    for thread in threads:
        thread.join()
    assert len(refused) == 50
    assert {str(error).rpartition(" is ")[2] for error in refused} == {"closed"}
    with opened(postgres_url) as again:
        holds(again, told)
