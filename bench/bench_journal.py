"""How fast a journal takes entries and gives back the newest ones, beside the limit and beside the OpenAI Agents SDK.

    python bench/bench_journal.py [--small] [--entries N] [--callers N] [--length N]

Appending: 64 asyncio callers, each with a session of its own, that each wait until their entry of about 300 bytes is
durable. Reading: the newest 20 entries of a session that has 10,000 (``--length``), by 64 callers and by one.

- ``library`` is ``await book.append(…)`` and ``await book.entries(…, last_n=20)`` (one caller: the blocking book);
- ``limit`` is a plain apsw program: for appending it commits the very rows that the library commits, in groups of 64 or
  one by one (see recorded.py); for reading it runs one statement over the same table on one connection;
- ``SQLiteSession`` is the OpenAI Agents SDK's own store, where that is installed (``make test-integrations`` installs
  it): one object for each session over one file, as its users have it. It commits with SQLite's default durability.

The entries of all are compared. A reading at ten times the length shows whether it grows.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

import harness
import recorded
import rollbook
from harness import Measured, Variant, latencies, now, settle
from rollbook import aio
from rollbook.journal.steps import Append, New, Step
from rollbook.ledger.ops import Jot
from rollbook.rules import bodies

_GROUP: Final = 64
_STREAM: Final = "items"
_NEWEST: Final = 20
_AGENTS: Final = importlib.util.find_spec("agents") is not None
_TAIL: Final = (
    "select position, entry_id, session_no, parent, created_at, body from entry where user_no = ? and root_no = ?"
    " and stream_no = ? and position < ? order by position desc limit ?"
)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """How much is appended and read."""

    entries: int
    warm: int
    callers: int
    length: int  #: of the session that is read
    reads: int


def item(number: int) -> dict[str, Any]:
    """One item of a conversation, of about 300 bytes."""
    return {"id": f"msg_{number:012d}", "role": "user" if number % 2 else "assistant", "content": f"{number} " * 40}


def main(argv: list[str]) -> int:
    parser = harness.options(__doc__)
    parser.add_argument("--entries", type=int, default=None, help="that 64 callers append; one caller appends a tenth")
    parser.add_argument("--callers", type=int, default=_GROUP)
    parser.add_argument("--length", type=int, default=10_000, help="entries of the session that is read")
    given = parser.parse_args(argv)
    total = given.entries or (6_400 if given.small else 64_000)
    work = Work(
        entries=total, warm=total // 10, callers=given.callers, length=given.length,
        reads=2_000 if given.small else 20_000,
    )  # fmt: skip
    with harness.workplace(given.folder) as folder:
        told = harness.alternate(_variants(str(folder), work), given.rounds or harness.ROUNDS)
    harness.report("journal", told, {"entries": work.entries, "callers": work.callers, "length": work.length})
    return 0


def _variants(folder: str, work: Work) -> list[Variant]:
    alone = Work(entries=work.entries // 10, warm=work.warm // 10, callers=1, length=work.length, reads=work.reads)
    longer = Work(entries=0, warm=0, callers=1, length=work.length * 10, reads=work.reads)
    limit, single, read = f"append: limit, {_GROUP} a commit", "append: limit, one a commit", "last 20: limit"
    several = f"append: library, {work.callers} callers"
    for each, group in ((work, _GROUP), (alone, 1)):
        harness.apart(_record, folder, each, group)
    harness.apart(_fill, folder, work)
    harness.apart(_fill, folder, longer)
    one, reading, read_one = "append: library, one caller", "last 20: library", "last 20: library, one caller"
    reading = f"{reading}, {work.callers} callers"
    found = [
        Variant(name=limit, run=_limit, arguments=(folder, work, _GROUP), must_agree="all"),
        Variant(name=several, run=_appended, arguments=(folder, work), baseline=limit, must_agree="all"),
        Variant(name=single, run=_limit, arguments=(folder, alone, 1), must_agree="one"),
        Variant(name=one, run=_one, arguments=(folder, alone), baseline=single, must_agree="one"),
        Variant(name=read, run=_limit_read, arguments=(folder, work), must_agree="read"),
        Variant(name=reading, run=_read, arguments=(folder, work), baseline=read, must_agree="read"),
        Variant(name=read_one, run=_read_one, arguments=(folder, work), baseline=read, must_agree="read"),
        Variant(name="last 20 of ten times as many", run=_read_one, arguments=(folder, longer), baseline=read_one),
    ]
    if _AGENTS:
        their, theirs = "append: SQLiteSession", _theirs
        found += [
            Variant(name=their, run=theirs, arguments=(folder, work), baseline=several, must_agree="all"),
            Variant(name=f"{their}, one", run=theirs, arguments=(folder, alone), baseline=one, must_agree="one"),
            Variant(name="last 20: SQLiteSession", run=_their_reads, arguments=(folder, work), baseline=reading,
                    must_agree="read"),
        ]  # fmt: skip
    return found


def _session(caller: int) -> str:
    return f"session-{caller:05d}"


def _fresh(folder: str, name: str) -> str:
    path = Path(folder) / f"{name}.db"
    for old in Path(folder).glob(f"{name}.db*"):
        old.unlink()
    with rollbook.open(f"sqlite:///{path}", redact=False) as book:
        for caller in range(_GROUP):
            book.append(_session(caller), _STREAM, entries=[item(caller)])
    return str(path)


# Appending


def _record(folder: str, work: Work, group: int) -> None:
    """Note what the library writes for the entries, in groups of that size."""
    path = _fresh(folder, f"recorded-{group}")

    def append(book: rollbook.Rollbook) -> None:
        plans = book._plans  # noqa: SLF001 - nothing public puts the entries of several sessions into one transaction
        for start in range(0, work.warm + work.entries, group):
            ops = []
            for number in range(start, start + group):
                now_us = plans.clock()
                name, fresh = bodies.entry_id(None)
                new = New(name, plans.body(item(number)), now_us, None, False, fresh)
                step = Step(book.user_id, _session(number % work.callers), now_us, (Append(_STREAM, (new,)),))
                ops.append(Jot(user_id=book.user_id, session_id=step.session_id, at=now_us, step=step))
            plans.write(ops)

    recorded.note(path, append, f"{folder}/recorded-{group}.bin", redact=False)


def _limit(folder: str, work: Work, group: int) -> Measured:
    path = _fresh(folder, "run")
    return recorded.replay(
        path, f"{folder}/recorded-{group}.bin", work.warm, group, work.entries, checks=lambda: _contents(path)
    )


def _contents(path: str) -> list[tuple[str, int, str]]:
    """How many entries each session has, and its newest one."""
    connection = apsw.Connection(path)
    rows = connection.execute(
        "select session_id, count(*), (select body from entry e where e.user_no = session.user_no"
        " and e.root_no = session.session_no order by position desc limit 1)"
        " from session join entry on entry.user_no = session.user_no and entry.root_no = session.session_no"
        " group by 1 order by 1"
    )
    return [(row[0], row[1], json.loads(row[2])["role"]) for row in rows]


def _appended(folder: str, work: Work) -> Measured:
    path = _fresh(folder, "run")
    found = asyncio.run(_all_appended(path, work))
    found.checks = _contents(path)
    return found


async def _all_appended(path: str, work: Work) -> Measured:
    async with aio.open(f"sqlite:///{path}", redact=False) as book:

        async def append(caller: int, number: int) -> None:
            await book.append(_session(caller), _STREAM, entries=[item(number)])

        return await _driven(work, append)


async def _driven(work: Work, append: Callable[[int, int], Awaitable[None]]) -> Measured:
    waits: list[float] = []

    async def caller(own: int, first: int, last: int) -> None:
        for number in range(first + own, last, work.callers):
            began = now()
            await append(own, number)
            waits.append(now() - began)

    await asyncio.gather(*(caller(own, 0, work.warm) for own in range(work.callers)))
    waits.clear()
    settle()
    started = now()
    last = work.warm + work.entries
    await asyncio.gather(*(caller(own, work.warm, last) for own in range(work.callers)))
    seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=work.entries / seconds, p50_ms=p50, p99_ms=p99)


def _one(folder: str, work: Work) -> Measured:
    path = _fresh(folder, "run")
    waits: list[float] = []
    started = now()
    with rollbook.open(f"sqlite:///{path}", redact=False) as book:
        for number in range(work.warm + work.entries):
            if number == work.warm:
                settle()
                waits.clear()
                started = now()
            began = now()
            book.append(_session(0), _STREAM, entries=[item(number)])
            waits.append(now() - began)
        seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=work.entries / seconds, p50_ms=p50, p99_ms=p99, checks=_contents(path))


def _theirs(folder: str, work: Work) -> Measured:
    from agents import SQLiteSession  # noqa: PLC0415 - not installed everywhere

    path = f"{folder}/theirs.db"
    for old in Path(folder).glob("theirs.db*"):
        old.unlink()
    sessions = [SQLiteSession(_session(caller), path) for caller in range(_GROUP)]

    async def run() -> Measured:
        for caller, session in enumerate(sessions):
            await session.add_items([item(caller)])

        async def append(caller: int, number: int) -> None:
            await sessions[caller].add_items([item(number)])

        found = await _driven(work, append)
        kept = [(one.session_id, await one.get_items()) for one in sessions]
        found.checks = [(name, len(items), items[-1]["role"]) for name, items in kept]
        return found

    return asyncio.run(run())


# Reading


def _fill(folder: str, work: Work) -> None:
    path = f"{folder}/long-{work.length}.db"
    with rollbook.open(f"sqlite:///{path}", redact=False) as book:
        for start in range(0, work.length, 1_000):
            book.append("long", _STREAM, entries=[item(number) for number in range(start, start + 1_000)])
    if _AGENTS:
        from agents import SQLiteSession  # noqa: PLC0415 - not installed everywhere

        session = SQLiteSession("long", f"{folder}/their-long-{work.length}.db")
        asyncio.run(session.add_items([item(number) for number in range(work.length)]))


def _limit_read(folder: str, work: Work) -> Measured:
    connection = apsw.Connection(f"{folder}/long-{work.length}.db", statementcachesize=256)
    connection.pragma("cache_size", -32_000)
    place = connection.execute("select user_no, root_no, stream_no, tip + 1 from journal_head").fetchall()[0]
    waits, items = [], []
    settle()
    started = now()
    for _ in range(work.reads):
        began = now()
        items = [json.loads(str(row[5])) for row in connection.execute(_TAIL, (*place, _NEWEST)).fetchall()]
        waits.append(now() - began)
    seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=work.reads / seconds, p50_ms=p50, p99_ms=p99, checks=items[::-1])


def _read(folder: str, work: Work) -> Measured:
    async def run() -> Measured:
        async with aio.open(f"sqlite:///{folder}/long-{work.length}.db") as book:
            return await _reads(work, lambda: book.entries("long", _STREAM, last_n=_NEWEST), lambda one: one.body)

    return asyncio.run(run())


async def _reads(work: Work, read: Callable[[], Awaitable[Any]], plain: Callable[[Any], Any]) -> Measured:
    waits: list[float] = []
    items: Any = []

    async def caller(count: int) -> None:
        nonlocal items
        for _ in range(count):
            began = now()
            items = await read()
            waits.append(now() - began)

    await caller(100)
    settle()
    waits.clear()
    started = now()
    await asyncio.gather(*(caller(work.reads // work.callers) for _ in range(work.callers)))
    seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=len(waits) / seconds, p50_ms=p50, p99_ms=p99, checks=[plain(one) for one in items])


def _read_one(folder: str, work: Work) -> Measured:
    waits = []
    with rollbook.open(f"sqlite:///{folder}/long-{work.length}.db") as book:
        items = book.entries("long", _STREAM, last_n=_NEWEST)
        settle()
        started = now()
        for _ in range(work.reads):
            began = now()
            items = book.entries("long", _STREAM, last_n=_NEWEST)
            waits.append(now() - began)
        seconds = now() - started
    p50, p99 = latencies(waits)
    return Measured(rate=work.reads / seconds, p50_ms=p50, p99_ms=p99, checks=[one.body for one in items])


def _their_reads(folder: str, work: Work) -> Measured:
    from agents import SQLiteSession  # noqa: PLC0415 - not installed everywhere

    session = SQLiteSession("long", f"{folder}/their-long-{work.length}.db")
    return asyncio.run(_reads(work, lambda: session.get_items(limit=_NEWEST), lambda one: one))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
