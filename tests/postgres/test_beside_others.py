"""R13, R16: many write one book at once; sums are no hot rows, and what is removed leaves room that is used again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

import rollbook
from rollbook.ledger.cache import Cache
from rollbook.ledger.holding import Reach
from rollbook.ledger.ops import Call
from rollbook.ledger.preloading import preload
from rollbook.ledger.saving import save
from rollbook.ledger.work import Work
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.calls import apply_call
from rollbook.model import Tokens
from rollbook.settings import LOCAL_USER, Settings
from rollbook.store import Store, open_store

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


def size(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as raw:
        found = raw.execute("select pg_table_size('rollbook.ledger') + pg_indexes_size('rollbook.ledger')").fetchone()
        assert found is not None
        return int(found[0])


def vacuumed(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("vacuum rollbook.ledger")
