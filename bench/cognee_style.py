"""Metering as cognee does it: SQLAlchemy's async engine over aiosqlite, and a session and a transaction for each call.

Own code after its description: the session's row is made or touched by an upsert, its counters are added to by an
update, and the model's row by another upsert. Tables, keys and indexes are cognee's; money is a float; there is no
ledger, so nothing recognises a retry. By default each call opens a connection (no pool) to a file as SQLite makes it
(rollback journal, ``synchronous=FULL``). Treated *kindly* it has SQLAlchemy's default pool and the write-ahead log.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from calls import MODELS, Call, Workload, calls
from harness import Measured, latencies, now

_USER: Final = "00000000000050008000000000000001"
_PATIENCE_S: Final = 60

tables = sa.MetaData()

records = sa.Table(
    "session_records",
    tables,
    sa.Column("session_id", sa.String, primary_key=True),
    sa.Column("user_id", sa.String, primary_key=True, index=True),
    sa.Column("dataset_id", sa.String, index=True),
    sa.Column("status", sa.String, nullable=False, index=True),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Float, nullable=False),
    sa.Column("error_count", sa.Integer, nullable=False),
    sa.Column("last_model", sa.Text),
)

model_usage = sa.Table(
    "session_model_usage",
    tables,
    sa.Column("session_id", sa.String, primary_key=True),
    sa.Column("user_id", sa.String, primary_key=True, index=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Float, nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
)


async def meter(session: AsyncSession, call: Call, insert: Callable[..., Any] = insert) -> None:
    """One call: the session's row, its counters, the model's row; ``insert`` is the dialect's."""
    at = datetime.now(UTC)
    key = {"session_id": call["session_id"], "user_id": _USER}
    used = {
        "tokens_in": call["tokens_in"],
        "tokens_out": call["tokens_out"],
        "cost_usd": float(call["cost_usd"]),
    }
    fresh = {"status": "running", "started_at": at, "last_activity_at": at, "error_count": 0}
    touched = insert(records).values(**key, **fresh, tokens_in=0, tokens_out=0, cost_usd=0.0)
    await session.execute(
        touched.on_conflict_do_update(
            index_elements=["session_id", "user_id"],
            set_={"last_activity_at": at},
            where=records.c.status == "running",
        )
    )
    await session.execute(
        sa.update(records)
        .where(
            records.c.session_id == key["session_id"],
            records.c.user_id == key["user_id"],
            records.c.status == "running",
        )
        .values({name: records.c[name] + value for name, value in used.items()} | {"last_model": call["model"]})
    )
    added = insert(model_usage).values(**key, model=call["model"], **used, updated_at=at)
    grown: dict[str, Any] = {name: model_usage.c[name] + value for name, value in used.items()}
    await session.execute(
        added.on_conflict_do_update(index_elements=["session_id", "user_id", "model"], set_=grown | {"updated_at": at})
    )


def fill(path: str, work: Workload) -> None:
    """A row for every session, and for every model of it."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    engine = sa.create_engine(f"sqlite:///{path}")
    tables.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path)
    names = [f"session-{number:08d}" for number in range(work.sessions)]
    connection.executemany(
        "insert into session_records values (?, ?, null, 'running', ?, ?, null, 0, 0, 0.0, 0, null)",
        [(name, _USER, at, at) for name in names],
    )
    connection.executemany(
        "insert into session_model_usage values (?, ?, ?, 0, 0, 0.0, ?)",
        [(name, _USER, model, at) for name in names for model in MODELS],
    )
    connection.commit()
    connection.close()


def run(path: str, work: Workload, most: int, *, kindly: bool) -> Measured:
    """The first ``most`` of the timed calls, by all callers at once."""
    return asyncio.run(_run(path, work, most, kindly=kindly))


async def _run(path: str, work: Workload, most: int, *, kindly: bool) -> Measured:
    pool: dict[str, Any] = {} if kindly else {"poolclass": sa.NullPool}
    if kindly:
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode = wal")
        connection.close()
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": _PATIENCE_S}, **pool)
    event.listen(engine.sync_engine, "connect", _durable)
    try:
        made = calls(work)
        warm, timed = made[: most // 10], made[work.warm : work.warm + most]
        await _all(engine, work, iter(warm))
        started = now()
        waits = await _all(engine, work, iter(timed))
        seconds = now() - started
    finally:
        await engine.dispose()
    _check(path, [*warm, *timed])
    p50, p99 = latencies(waits)
    return Measured(rate=len(timed) / seconds, p50_ms=p50, p99_ms=p99)


def _durable(connection: Any, _record: Any) -> None:
    connection.execute("pragma synchronous = full")


async def _all(engine: AsyncEngine, work: Workload, queue: Iterator[Call]) -> list[float]:
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    waits: list[float] = []

    async def caller() -> None:
        for call in queue:
            began = now()
            async with sessions() as session:
                await meter(session, call)
                await session.commit()
            waits.append(now() - began)

    await asyncio.gather(*(caller() for _ in range(work.callers)))
    return waits


def _check(path: str, made: list[Call]) -> None:
    connection = sqlite3.connect(path)
    expected = (sum(call["tokens_in"] for call in made), sum(call["tokens_out"] for call in made))
    for table in ("session_records", "session_model_usage"):
        found = connection.execute(f"select sum(tokens_in), sum(tokens_out) from {table}").fetchone()  # noqa: S608
        if found != expected:
            raise SystemExit(f"{table} holds {found}, not {expected}")
    connection.close()
