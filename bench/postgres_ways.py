"""Ways of metering a call on PostgreSQL (the library's on SQLite too), each as coroutines, one for every caller.

- ``library``: the book's ``record_usage``;
- ``plain``: psycopg, a connection for every caller, one prepared statement a call that commits itself and writes the
  rows that the library writes for a call (see postgres_plain.sql); it looks nothing up and decides nothing;
- ``cognee``: cognee's approach as in cognee_style.py over asyncpg, with a pool of connections (no more than 40).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import apsw
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

import cognee_style
import rollbook
from calls import MODELS, Call, Workload, fill
from rollbook import aio

Meter = Callable[[Call], Awaitable[Any]]

_SQL: Final = Path(__file__).with_name("postgres_plain.sql").read_text("utf-8")
_TABLES, _FILL, _METER = (text.encode() for text in re.split(r"^-- \w+ --$", _SQL, flags=re.MULTILINE)[1:])
_MODEL_NUMBERS: Final = {name: number for number, name in enumerate(MODELS, 1)}
_COGNEE_POOL: Final = 40
_COGNEE_USER: Final = "00000000000050008000000000000001"


@asynccontextmanager
async def library(url: str, callers: int) -> AsyncIterator[list[Meter]]:
    """The book: one for all callers of a process; one caller alone needs no event loop."""
    if callers == 1:
        with rollbook.open(url) as alone:

            async def at_once(call: Call) -> None:
                alone.record_usage(**call)

            yield [at_once]
        return
    async with aio.open(url) as book:

        async def meter(call: Call) -> None:
            await book.record_usage(**call)

        yield [meter] * callers


@asynccontextmanager
async def plain(url: str, callers: int) -> AsyncIterator[list[Meter]]:
    slot = os.getpid() % 300 * 100  # sums of this process's own
    if callers == 1:
        with psycopg.connect(url, autocommit=True) as alone:

            async def at_once(call: Call) -> None:
                assert alone.execute(_METER, _values(call, slot), prepare=True).fetchone() is not None

            yield [at_once]
        return
    async with AsyncExitStack() as stack:
        meters = []
        for each in range(callers):
            connecting = psycopg.AsyncConnection.connect(url, autocommit=True)
            connection = await stack.enter_async_context(await connecting)
            meters.append(_caller(connection, slot + each))
        yield meters


def _caller(connection: psycopg.AsyncConnection[Any], slot: int) -> Meter:
    async def meter(call: Call) -> None:
        found = await connection.execute(_METER, _values(call, slot), prepare=True)
        assert await found.fetchone() is not None

    return meter


def _values(call: Call, slot: int) -> dict[str, Any]:
    return {
        "session_id": call["session_id"],
        "model": _MODEL_NUMBERS[call["model"]],
        "tokens_in": call["tokens_in"],
        "tokens_out": call["tokens_out"],
        "cost": int(Decimal(call["cost_usd"]) * 1_000_000_000),
        "usage_id": call["usage_id"],
        "at": time.time_ns() // 1000,
        "slot": slot,
    }


@asynccontextmanager
async def cognee(url: str, callers: int) -> AsyncIterator[list[Meter]]:
    address = url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(address, pool_size=min(callers, _COGNEE_POOL), max_overflow=0, pool_timeout=600)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def meter(call: Call) -> None:
        async with sessions() as session:
            await cognee_style.meter(session, call, insert)
            await session.commit()

    try:
        yield [meter] * callers
    finally:
        await engine.dispose()


def fill_plain(url: str, work: Workload) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(_TABLES)
        connection.cursor().executemany(
            "insert into model values (%s, %s)", [(number, name) for name, number in _MODEL_NUMBERS.items()]
        )
        values = {"sessions": work.sessions, "at": time.time_ns() // 1000}
        for text in _FILL.split(b";"):
            if text.strip():
                connection.execute(text, values)
    _settled(url)


def fill_cognee(url: str, work: Workload) -> None:
    """A row for every session, and for every model of it."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    cognee_style.tables.create_all(engine)
    engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute(
            "insert into session_records select 'session-' || lpad(n::text, 8, '0'), %s, null, 'running', now(), now(),"
            " null, 0, 0, 0.0, 0, null from generate_series(0, %s) as n",
            (_COGNEE_USER, work.sessions - 1),
        )
        connection.execute(
            "insert into session_model_usage select session_id, user_id, model, 0, 0, 0.0, now()"
            " from session_records, unnest(%s::text[]) as model",
            (list(MODELS),),
        )
    _settled(url)


def _settled(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")


#: Each is the same four figures: calls, tokens in, tokens out, nano-dollars.
_SUMS: Final = {
    "session": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from session",
    "model_usage": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from model_usage",
    "ledger": "select sum(calls), sum(input), sum(output), sum(cost) from ledger",
    "spend": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from spend where user_no > 0",
    "spend of all": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from spend where user_no = 0",
    "activity": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from activity"
    " where user_no > 0 and hour = -1",
    "activity of models": "select sum(calls), sum(tokens_in), sum(tokens_out), sum(cost) from activity_model"
    " where user_no > 0 and hour = -1",
}
_KEYS: Final = "select count(distinct usage_key) from usage_key"
_COGNEE_SUMS: Final = {
    table: f"select sum(tokens_in), sum(tokens_out) from {table}"  # noqa: S608 - tables of this program's
    for table in ("session_records", "session_model_usage")
}

Sums = dict[str, list[int]]


def sums(url: str, way: str) -> Sums:
    """What the tables of a way add up to."""
    texts = _COGNEE_SUMS if way == "cognee" else {**_SUMS, "usage_key": _KEYS}
    if url.startswith("sqlite:"):
        book = apsw.Connection(url.removeprefix("sqlite:///"))
        try:
            return {name: [int(value or 0) for value in next(iter(book.execute(text)))] for name, text in texts.items()}
        finally:
            book.close()
    found = {}
    with psycopg.connect(url, options="-c search_path=rollbook,public") as connection:  # a book's schema is the first
        for name, text in texts.items():
            row = connection.execute(text.encode()).fetchone()
            assert row is not None
            found[name] = [int(value or 0) for value in row]
    return found


def expected(before: Sums, made: list[Call], way: str) -> Sums:
    """What they must add up to when those calls were metered as well."""
    tokens = [sum(call["tokens_in"] for call in made), sum(call["tokens_out"] for call in made)]
    cost = sum(int(Decimal(call["cost_usd"]) * 1_000_000_000) for call in made)
    if way == "cognee":
        more = dict.fromkeys(before, tokens)
    else:
        more = {name: [len(made), *tokens, cost] for name in before} | {"usage_key": [len(made)]}
    return {name: [old + new for old, new in zip(values, more[name], strict=True)] for name, values in before.items()}


WAYS: Final = {"library": library, "plain": plain, "cognee": cognee}
FILLS: Final = {"library": fill, "plain": fill_plain, "cognee": fill_cognee}
