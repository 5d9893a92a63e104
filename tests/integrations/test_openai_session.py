"""The session of the OpenAI Agents SDK: its protocol, its items, and who may use it from where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agents import Session, SessionSettings
from agents.extensions.memory import EncryptedSession
from agents.run_internal.session_persistence import rewind_session_items

import rollbook
from rollbook import InvalidInput, NotFound, Rollbook
from rollbook.integrations.openai_agents import STREAM, RollbookSession

ADDERS = 64


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def contents(items: Sequence[Any]) -> list[str]:
    return [item["content"] for item in items]


async def with_three(book: Rollbook) -> RollbookSession:
    session = RollbookSession("chat", book=book)
    await session.add_items(said("a", "b"))
    await session.add_items(said("c"))
    return session


def test_it_is_a_session(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    assert isinstance(session, Session)
    assert session.session_id == "chat"
    assert session.session_settings == SessionSettings()


@pytest.mark.parametrize(
    ("limit", "default", "expected"),
    [
        (None, None, "abc"),
        (2, None, "bc"),
        (9, None, "abc"),
        (0, None, ""),
        (None, 1, "c"),
        (2, 1, "bc"),
        (0, 2, ""),
    ],
)
def test_an_explicit_limit_stands_before_that_of_the_settings(
    book: Rollbook, limit: int | None, default: int | None, expected: str
) -> None:
    async def run() -> list[Any]:
        session = await with_three(book)
        session.session_settings = SessionSettings(limit=default)
        return await session.get_items(limit)

    assert contents(asyncio.run(run())) == list(expected)


def test_settings_may_be_a_mapping(book: Rollbook) -> None:
    asyncio.run(with_three(book))
    session = RollbookSession("chat", book=book, session_settings={"limit": 1})
    assert contents(asyncio.run(session.get_items())) == ["c"]
    with pytest.raises(InvalidInput, match="session settings"):
        RollbookSession("chat", book=book, session_settings={"limit": "many"})


def test_a_negative_limit_is_an_error(book: Rollbook) -> None:
    with pytest.raises(InvalidInput, match="last_n"):
        asyncio.run(RollbookSession("chat", book=book).get_items(-1))


def test_items_come_back_as_they_were(book: Rollbook) -> None:
    items = [
        {"type": "function_call", "call_id": "c", "arguments": '{"x": 1}', "id": None, "name": "f"},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB\u2028\u0000", "n": [1, 2**70, 0.1, True]},
    ]

    async def run() -> list[Any]:
        session = RollbookSession("chat", book=book)
        await session.add_items(items)
        return await session.get_items()

    assert asyncio.run(run()) == items


def test_no_item_is_no_session(book: Rollbook) -> None:
    asyncio.run(RollbookSession("chat", book=book).add_items([]))
    with pytest.raises(NotFound):
        book.get("chat")


def test_items_are_added_all_or_none(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = RollbookSession("chat", book=book)
        with pytest.raises(InvalidInput):
            await session.add_items([*said("a"), {"content": object()}])
        return await session.get_items()

    assert asyncio.run(run()) == []


def test_items_may_be_changed_once_they_are_handed_over(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = RollbookSession("chat", book=book)
        items = said("a")
        adding = asyncio.create_task(session.add_items(items))
        await asyncio.sleep(0)
        items[0]["content"] = "changed"
        items.clear()
        await adding
        (await session.get_items())[0]["content"] = "changed"
        return await session.get_items()

    assert contents(asyncio.run(run())) == ["a"]


def test_pop_takes_the_newest(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = await with_three(book)
        return [await session.pop_item() for _ in range(4)]

    *popped, none = asyncio.run(run())
    assert contents(popped) == ["c", "b", "a"]
    assert none is None


def test_a_cleared_session_goes_on_and_keeps_what_it_cost(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = await with_three(book)
        book.record_usage("chat", model="gpt-5-mini", tokens_in=1000)
        await session.clear_session()
        assert await session.get_items() == []
        await session.clear_session()
        await session.add_items(said("new"))
        return await session.get_items()

    assert contents(asyncio.run(run())) == ["new"]
    assert book.get("chat").calls == 1


def test_clearing_what_was_never_there_makes_nothing(book: Rollbook) -> None:
    async def run() -> None:
        session = RollbookSession("chat", book=book)
        await session.clear_session()
        assert await session.pop_item() is None

    asyncio.run(run())
    assert not book.list().sessions


def test_a_session_is_of_one_user(book: Rollbook) -> None:
    async def run() -> list[Any]:
        ann, bob = (RollbookSession("chat", book=book, user_id=name) for name in ("ann", "bob"))
        await ann.add_items(said("a"))
        await bob.add_items(said("b"))
        await bob.clear_session()
        return await ann.get_items()

    assert contents(asyncio.run(run())) == ["a"]


def test_the_other_streams_of_the_session_are_left_alone(book: Rollbook) -> None:
    book.add_qa("chat", question="q", answer="a")
    session = RollbookSession("chat", book=book)
    asyncio.run(session.add_items(said("a")))
    asyncio.run(session.clear_session())
    assert [qa.question for qa in book.qa("chat")] == ["q"]
    assert not book.heads("chat", stream=STREAM)


def test_it_is_used_from_many_loops_and_threads(book: Rollbook) -> None:
    """Adders in threads with loops of their own, and several on each loop: each keeps its order."""
    session = RollbookSession("chat", book=book)

    async def adder(name: str) -> None:
        for number in range(3):
            await session.add_items(said(f"{name}.{number}", f"{name}.{number}+"))
            assert await session.get_items(limit=1)

    async def loop(thread: int) -> None:
        await asyncio.gather(*(adder(f"{thread}-{number}") for number in range(ADDERS // 4)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda thread: asyncio.run(loop(thread)), range(4)))
    found = contents(asyncio.run(session.get_items()))
    assert len(found) == ADDERS * 6
    for thread in range(4):
        for number in range(ADDERS // 4):
            name = f"{thread}-{number}"
            own = [text for text in found if text.startswith(f"{name}.")]
            assert own == [f"{name}.{each}{end}" for each in range(3) for end in ("", "+")]
    at = {text: place for place, text in enumerate(found)}
    assert all(
        at[f"{text}+"] == place + 1 for text, place in at.items() if not text.endswith("+")
    )  # batches stay whole


def test_a_cancelled_write_has_a_known_outcome(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = RollbookSession("chat", book=book)
        adding = asyncio.create_task(session.add_items(said("a")))
        await asyncio.sleep(0)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        return await session.get_items()

    assert contents(asyncio.run(run())) == ["a"]


def test_a_run_that_is_tried_again_is_rewound(book: Rollbook) -> None:
    async def run() -> list[Any]:
        session = await with_three(book)
        await rewind_session_items(session, said("b", "c"))
        await rewind_session_items(session, said("other"))
        return await session.get_items()

    assert contents(asyncio.run(run())) == ["a"]


def test_it_can_be_encrypted(book: Rollbook) -> None:
    async def run() -> tuple[list[Any], list[Any]]:
        inner = RollbookSession("chat", book=book)
        session = EncryptedSession("chat", inner, encryption_key="a key of enough entropy", ttl=600)
        await session.add_items(said("a", "b"))
        assert contents([await session.pop_item()]) == ["b"]
        return await session.get_items(), await inner.get_items()

    plain, kept = asyncio.run(run())
    assert contents(plain) == ["a"]
    assert [item["__enc__"] for item in kept] == [1]


def test_a_book_that_is_named_is_opened_and_closed(tmp_path: Path) -> None:
    async def run() -> None:
        session = RollbookSession("chat", book=tmp_path / "book.db")
        await session.add_items(said("a"))
        await session.close()
        await session.close()
        with pytest.raises(rollbook.StoreError, match="closed"):
            await session.get_items()

    asyncio.run(run())
    with rollbook.open(tmp_path / "book.db") as book:
        assert contents(asyncio.run(RollbookSession("chat", book=book).get_items())) == ["a"]


def test_an_open_book_stays_open(book: Rollbook) -> None:
    asyncio.run(RollbookSession("chat", book=book).close())
    assert not book.list().sessions
