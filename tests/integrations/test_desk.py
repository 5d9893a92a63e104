"""What the integrations share: names, tokens, writes of a known outcome, words to be found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelRequest, UserPromptPart

import rollbook
from rollbook import aio
from rollbook.integrations.claude_agent import RollbookSessionStore
from rollbook.integrations.desk import Desk, plain, response_name, settled, split
from rollbook.integrations.openai_agents import RollbookSession
from rollbook.integrations.pydantic_ai import RollbookConversationStore
from rollbook.journal.steps import Append


@given(one=st.text(), other=st.text())
def test_names_of_texts_are_plain_short_and_apart(one: str, other: str) -> None:
    names = plain(one, 20), plain(other, 20)
    assert (names[0] == names[1]) == (one == other)
    assert all(name.isascii() and "/" not in name and len(name) <= 72 for name in names)


counts = st.integers(-5, 100)


@given(total=counts, out=counts, parts=st.tuples(counts, counts, counts, counts, counts, counts))
def test_parts_come_to_their_totals(total: int, out: int, parts: tuple[int, ...]) -> None:
    read, written, written_1h, audio_in, reasoning, audio_out = parts
    found = split(
        total, out, read=read, written=written, written_1h=written_1h, audio_in=audio_in, reasoning=reasoning,
        audio_out=audio_out,
    )  # fmt: skip
    assert (found.tokens_in, found.tokens_out) == (max(0, total), max(0, out))
    assert min(getattr(found, kind) for kind in found.__struct_fields__) >= 0


def test_only_ids_that_are_given_once_name_a_call() -> None:
    assert response_name("resp_1") == "openai:response:resp_1"
    assert response_name("msg_1") == "anthropic:msg:msg_1"
    assert [response_name(name) for name in (None, "", "resp-789", "chatcmpl-1")] == [None] * 4


def test_whoever_is_cancelled_hears_of_it_when_the_write_is_done() -> None:
    done: list[str] = []

    async def write(error: Exception | None) -> None:
        await asyncio.sleep(0.01)
        done.append("written")
        if error is not None:
            raise error

    async def run(error: Exception | None) -> None:
        task = asyncio.create_task(settled(write(error)))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run(None))
    asyncio.run(run(ValueError("which nobody waits for")))
    assert done == ["written", "written"]


def test_a_write_that_fails_says_so() -> None:
    async def write() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(settled(write()))


def test_an_asynchronous_book_serves_as_well(tmp_path: Path) -> None:
    async def run() -> Any:
        async with aio.open(tmp_path / "book.db") as book:
            session = RollbookSession("chat", book=book)
            await session.add_items([{"role": "user", "content": "hi"}])
            await session.close()
            return await session.get_items()

    assert [item["content"] for item in asyncio.run(run())] == ["hi"]


def test_what_was_said_is_found_whatever_the_framework(tmp_path: Path) -> None:
    async def run(book: rollbook.Rollbook) -> None:
        await RollbookSession("openai", book=book).add_items([{"role": "user", "content": "a xylophone"}])
        line: Any = {"type": "user", "message": {"content": [{"type": "text", "text": "xylophones"}]}}
        key: Any = {"project_key": "p", "session_id": "claude"}
        await RollbookSessionStore(book).append(key, [line, {**line, "message": {"content": "xylophone"}}])
        message = ModelRequest(parts=[UserPromptPart(content=["see", "xylophone"])])
        await RollbookConversationStore(book).save(Conversation(conversation_id="pydantic", messages=[message]))

    with rollbook.open(tmp_path / "book.db") as book:
        asyncio.run(run(book))
        found = {place.session_id for place in book.search("xylophone")}
    assert found == {"openai", "claude", "pydantic"}


def test_secrets_are_taken_out_before_anything_is_stored(tmp_path: Path) -> None:
    secret = "sk-ant-api03-" + "aB3dE6gH9jK2mN5pQ8sT" * 4

    async def run(book: rollbook.Rollbook) -> Any:
        session = RollbookSession("chat", book=book)
        await session.add_items([{"role": "user", "content": f"my key is {secret}"}])
        return await session.get_items()

    with rollbook.open(tmp_path / "book.db") as book:
        assert secret not in str(asyncio.run(run(book)))
    with rollbook.open(tmp_path / "other.db", redact=False) as book:
        assert secret in str(asyncio.run(run(book)))


@pytest.mark.parametrize("user", [None, "alice"])
def test_R6_an_integration_reads_what_it_writes_whoever_else_may_be_seen(tmp_path: Path, user: str | None) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", user=user, all_users=True) as book:
        book.append("s", "x", entries=[1], user_id="bob")
        desk = Desk(book, None)
        assert book.entries("s", "x", user_id=desk.user_id) == []
        asyncio.run(desk.write(desk.change("s", [Append("x", (desk.entry(2),))])))
        assert [entry.body for entry in book.entries("s", "x", user_id=desk.user_id)] == [2]
        assert book.get("s", owner=user or book.user_id).user_id == book.user_id
