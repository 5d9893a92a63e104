"""R13, R16: many write one book at once; sums are no hot rows, and what is removed leaves room that is used again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Barrier, BrokenBarrierError, local
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import psycopg
import pytest

import rollbook
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.cache import Cache
from rollbook.ledger.calls import apply_call
from rollbook.ledger.holding import Reach
from rollbook.ledger.ops import Call, Facts, Jot, Op, Touch
from rollbook.ledger.preloading import preload
from rollbook.ledger.saving import save
from rollbook.ledger.work import Work
from rollbook.model import Tokens
from rollbook.settings import LOCAL_USER, Settings
from rollbook.store import Store, open_store
from rollbook.store.postgres_connection import Connection

NOW = 1_780_000_000_000_000


def call(session: str, number: int, tokens: int = 10) -> Call:
    return Call(
        user_id=LOCAL_USER, session_id=session, usage_id=f"{session}-{number}", occurred_at=NOW, model="m",
        tokens=Tokens(input=tokens), cost_nano=7, cost_source="reported",
    )  # fmt: skip


@contextmanager
def stores(url: str, count: int, **settings: Any) -> Iterator[list[Store]]:
    opened = [open_store(url, Settings(**settings)) for _ in range(count)]
    try:
        yield opened
    finally:
        for store in opened:
            store.close()


def known(url: str) -> None:
    """A book that knows the user, the model and the sessions, so that a call makes no names."""
    with stores(url, 1) as (store,):
        apply_batch(store, Cache(), [call(f"s{number}", 0) for number in range(8)], NOW)


def test_r16_nobody_waits_for_anothers_sums(postgres_url: str) -> None:
    known(postgres_url)
    with stores(postgres_url, 8, busy_timeout_s=5.0, writers=1) as many:
        first = many[0]
        with first.write(alone=False) as tx:
            work = Work(tx, Cache(), NOW)
            op = call("s0", 1)
            preload(work, [op], Reach())
            apply_call(work, op)
            save(work)
            tx.rows("any_purged")  # what was put is sent: the rows of its sums are locked from here on
            for number, store in enumerate(many[1:], start=1):
                apply_batch(store, Cache(), [call(f"s{number}", 1)], NOW)
    with rollbook.open(postgres_url) as book:
        assert book.stats(since="all").tokens_in == 16 * 10
        assert book.verify().ok


def test_r13_who_wants_the_same_session_waits_for_it(postgres_url: str) -> None:
    known(postgres_url)
    with stores(postgres_url, 2, busy_timeout_s=0.3, writers=1) as (one, other):
        with one.write(alone=False) as tx:
            preload(Work(tx, Cache(), NOW), [call("s0", 1)], Reach())
            with pytest.raises(rollbook.StoreError, match="locked by another process"):
                apply_batch(other, Cache(), [call("s0", 2)], NOW)
        apply_batch(other, Cache(), [call("s0", 2)], NOW)
    with rollbook.open(postgres_url) as book:
        assert book.get("s0").calls == 2


def test_r12_a_ledger_that_is_pruned_and_filled_again_does_not_grow(postgres_url: str) -> None:
    rows = 6_000

    def fill(store: Store, part: int) -> None:
        for start in range(0, rows, 1_000):
            numbers = range(part * rows + start, part * rows + start + 1_000)
            apply_batch(store, Cache(), [call("busy", number) for number in numbers], NOW)

    sizes = []
    with stores(postgres_url, 1) as (store,), rollbook.open(postgres_url) as book:
        for part in range(3):
            fill(store, part)
            sizes.append(size(postgres_url))
            assert book.prune(ledger="1d").ledger_rows
            vacuumed(postgres_url)
        assert book.get("busy").calls == 3 * rows
        assert book.verify().ok
    assert sizes[2] < sizes[0] * 1.3, sizes


def test_writers_of_one_slot_do_not_wait_for_each_other(postgres_url: str) -> None:
    """Calls that move a session from hour to hour take it out of sums; the order of their locks is everybody's."""
    known(postgres_url)
    with stores(postgres_url, 4, writers=1) as many, ThreadPoolExecutor(4) as pool:
        caches = [Cache() for _ in many]
        for number, store in enumerate(many):
            with psycopg.connect(postgres_url, autocommit=True) as raw:
                raw.execute("select setval('rollbook.lane_numbers', %s, true)", [32 * (number + 1) + 6])
            apply_batch(store, caches[number], [call(f"s{number}", 1)], NOW)

        def work(number: int) -> None:
            for turn in range(60):
                later = msgspec.structs.replace(
                    call(f"s{number}", turn + 2), occurred_at=NOW + (turn * 900_000_000 if number % 2 else 0)
                )
                apply_batch(many[number], caches[number], [later], NOW + 60 * 900_000_000)

        list(pool.map(work, range(4)))
    with psycopg.connect(postgres_url, autocommit=True) as raw:
        raw.execute("select pg_stat_force_next_flush()" if raw.info.server_version >= 150_000 else "select 1")
        time.sleep(1)  # the server's figures come a little later
        found = raw.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()
        slots = raw.execute("select count(distinct slot) from rollbook.activity where user_no = 0").fetchone()
    assert found == (0,)
    assert slots == (2,)  # the one of those that told what is known, and the four's
    with rollbook.open(postgres_url) as book:
        assert book.verify().ok


def size(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as raw:
        found = raw.execute("select pg_table_size('rollbook.ledger') + pg_indexes_size('rollbook.ledger')").fetchone()
        assert found is not None
        return int(found[0])


def vacuumed(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("vacuum rollbook.ledger")


@pytest.mark.parametrize("what", ["users", "models", "agents", "streams"])
def test_who_makes_the_same_names_in_another_order_does_not_wait_for_who_waits(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    known(postgres_url)
    made, first = Barrier(2, timeout=0.3), local()
    run, undone = Connection.run, list[float]()

    def runs(self: Connection, name: str, rows: Any) -> None:
        run(self, name, rows)
        if name.removeprefix("journal.") in {"add_user", "add_model", "add_slice", "add_stream"}:
            self.rows("any_purged")  # it is sent
            if not hasattr(first, "done"):
                first.done = True
                with suppress(BrokenBarrierError):
                    made.wait()

    monkeypatch.setattr(Connection, "run", runs)
    monkeypatch.setattr("rollbook.ledger.apply.time.sleep", undone.append)  # before whoever was undone tries again

    def op(writer: int, name: str) -> Op:
        session = f"{writer}-{name}"
        if what == "users":
            return msgspec.structs.replace(call(session, 1), user_id=str(uuid5(NAMESPACE_URL, name)))
        if what == "models":
            return msgspec.structs.replace(call(session, 1), model=name)
        if what == "agents":
            return Touch(user_id=LOCAL_USER, session_id=session, at=NOW, facts=Facts(agent=name))
        step = Step(LOCAL_USER, session, NOW, (Append(name, (New("e", b"1", NOW),)),))
        return Jot(user_id=LOCAL_USER, session_id=session, at=NOW, step=step)

    with stores(postgres_url, 2, writers=1) as many, ThreadPoolExecutor(2) as pool:
        orders = [("a", "b"), ("b", "a")]
        told = pool.map(lambda n: apply_batch(many[n], Cache(), [op(n, name) for name in orders[n]], NOW), range(2))
        assert not [answer for answers in told for answer in answers if isinstance(answer, Exception)]
    assert not undone
    with rollbook.open(postgres_url, all_users=True) as book:
        assert book.verify().ok
