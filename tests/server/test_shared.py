"""An answer is worked out once for all who ask the same, and never hides what was written before it was asked for."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.ledger.reads import Lines
from rollbook.model import Session
from rollbook.principals import Principal
from rollbook.server import shared
from rollbook.server.routes import ROUTES
from rollbook.server.routing import READ, At, Reply
from rollbook.server.shared import Shared
from server import tools

LIST: Final = "/api/v1/sessions?range=all"
ADA: Final = Principal(user_id="ada")


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        async def whole() -> None:
            await test(*args, **named)

        asyncio.run(whole())

    return run


def asked_by(who: Principal, query: bytes = b"") -> At:
    nothing: Any = None
    return At(
        server=nothing, book=nothing, principal=who, method="GET", path="/x", headers={}, body=None, secure=False,
        client="", query=query,
    )  # fmt: skip


class Work:
    """Counts how often an answer is worked out; it takes until it is let go."""

    def __init__(self) -> None:
        self.done = 0
        self.go = asyncio.Event()
        self.status = 200
        self.error: Exception | None = None

    async def __call__(self) -> Reply:
        self.done += 1
        number = self.done
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return Reply(content={"number": number}, status=self.status)


def test_only_what_looks_and_nothing_that_streams_is_shared() -> None:
    found = [route for route in ROUTES if route.shared]
    assert len(found) >= 7
    assert all(route.method == "GET" and route.needs == READ for route in found)
    assert not any(route.streams or route.body is not None for route in found)


@in_a_loop
async def test_of_many_at_once_one_is_worked_out() -> None:
    work, book = Work(), Shared(lambda: 1)
    asking = [asyncio.create_task(book.answered(asked_by(ADA), work)) for _ in range(20)]
    await asyncio.sleep(0)
    work.go.set()
    assert {(await each).content for each in asking} == {b'{"number":1}'}
    assert (await book.answered(asked_by(ADA), work)).content == b'{"number":1}'
    assert work.done == 1


@in_a_loop
async def test_others_and_other_words_are_answered_by_themselves() -> None:
    work, book = Work(), Shared(lambda: 1)
    work.go.set()
    seen = [
        (await book.answered(asked_by(who, query), work)).content
        for who in (ADA, Principal(user_id="bob"), Principal(user_id="ada", reads=frozenset({"d"})))
        for query in (b"", b"limit=1")
    ]
    assert len(set(seen)) == work.done == 6


@in_a_loop
async def test_after_any_write_and_after_a_while_it_is_worked_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    version: list[int | None] = [1]
    work, book = Work(), Shared(lambda: version[0])
    work.go.set()
    for now in (1, 2, 2, None, None):
        version[0] = now
        await book.answered(asked_by(ADA), work)
    assert work.done == 4  # where nothing is known of the book, nothing is kept
    version[0] = 3
    monkeypatch.setattr(shared, "KEPT_S", -1.0)
    await book.answered(asked_by(ADA), work)
    await book.answered(asked_by(ADA), work)
    assert work.done == 6


@pytest.mark.parametrize("wrong", ["error", "status", "cancelled"])
@in_a_loop
async def test_what_went_wrong_is_nobody_elses(wrong: str) -> None:
    work, book = Work(), Shared(lambda: 1)
    first = asyncio.create_task(book.answered(asked_by(ADA), work))
    await asyncio.sleep(0)
    second = asyncio.create_task(book.answered(asked_by(ADA), work))
    left = asyncio.create_task(book.answered(asked_by(ADA), work))
    await asyncio.sleep(0)
    left.cancel()  # who goes away takes the answer from nobody
    if wrong == "error":
        work.error = ValueError("no")
    elif wrong == "status":
        work.status = 503
    else:
        first.cancel()
    await asyncio.sleep(0)
    work.go.set()
    if wrong == "cancelled":
        assert (await second).content == b'{"number":2}'
    elif wrong == "status":
        assert [(await first).status, (await second).status] == [503, 503]
        assert work.done == 2
    else:
        for each in (first, second):
            with pytest.raises(ValueError, match="no"):
                await each
        assert work.done == 2


@in_a_loop
async def test_what_is_kept_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_MOST_BYTES", 100)
    work, book = Work(), Shared(lambda: 1)
    work.go.set()
    for number in range(500):
        await book.answered(asked_by(ADA, str(number).encode()), work)
    kept = list(book._kept.values())
    assert sum(each.size for each in kept) == book._bytes <= 100
    assert len(kept) >= 5


@in_a_loop
async def test_r6_what_was_acknowledged_is_in_the_next_answer_whoever_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    async with tools.in_process(path) as (client, _):
        for number in range(1, 6):
            if number % 2:
                answer = await client.post("/api/v1/usage", json={"session_id": f"s{number}", "tokens_in": 1})
                assert answer.status_code == 200
            else:
                with rollbook.open(path) as other:  # another store on the same file, as another process has it
                    other.touch(f"s{number}")
            for _ in range(2):
                assert (await client.get(LIST)).json()["total"] == number
                assert (await client.get("/api/v1/sessions/stats?range=all")).json()["sessions"] == number


@in_a_loop
async def test_of_a_book_whose_file_is_gone_nothing_that_is_kept_is_told(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    async with tools.in_process(path) as (client, book):
        await book.touch("s")
        assert (await client.get(LIST)).json()["total"] == 1
        path.rename(tmp_path / "elsewhere.db")
        assert (await client.get(LIST)).status_code == 503
        (tmp_path / "elsewhere.db").rename(path)
        assert (await client.get(LIST)).json()["total"] == 1


def test_of_sessions_that_say_very_much_no_lines_are_kept(tmp_path: Path) -> None:
    made: list[str] = []

    def line(session: Session) -> str:
        made.append(session.session_id)
        return session.session_id

    lines = Lines(line)
    with rollbook.open(tmp_path / "book.db") as book:
        book.touch("short", goal_text="x")
        book.touch("long", goal_text="x" * 60_000)
        for _ in range(2):
            book._plans.drive(book._plans.lines(lines))
    assert sorted(made) == ["long", "long", "short"]


@in_a_loop
async def test_lines_tell_of_what_changed_in_a_session(tmp_path: Path) -> None:
    async with tools.in_process(tmp_path / "book.db") as (client, book):
        for number in range(1, 4):
            await book.record_usage("s", tokens_in=1, usage_id=str(number))
            await book.touch("other")
            lines = (await client.get(LIST)).json()["sessions"]
            assert [line["calls"] for line in lines if line["session_id"] == "s"] == [number]
        await book.end("s", "failed", reason="no more")
        [line] = [each for each in (await client.get(LIST)).json()["sessions"] if each["session_id"] == "s"]
        assert (line["status"], line["end_reason"]) == ("failed", "no more")
        driven = (await client.get("/api/v1/sessions/with-agent-info?range=all")).json()["sessions"]
        assert {each["session_id"]: each["agent_type"] for each in driven} == {"s": "unknown", "other": "unknown"}
        assert line.items() <= next(each for each in driven if each["session_id"] == "s").items()
