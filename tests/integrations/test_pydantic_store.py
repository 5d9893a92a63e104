"""The conversation store of Pydantic AI: runs, racing savers, forks, what it cost, and whose it is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict, ConversationRecord
from pydantic_ai.messages import ModelRequest, ModelRequestAttempt, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models.test import TestModel
from pydantic_ai.usage import RequestUsage, RunUsage

import rollbook
from rollbook import InvalidInput, Rollbook
from rollbook.integrations.pydantic_ai import KEY, STREAM, RollbookConversationStore
from rollbook.integrations.recent import Recent

MODEL = "gpt-5-mini"


def asked(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(content=text)])


def answered(text: str, total_in: int = 1000, name: str | None = None, **facts: Any) -> ModelResponse:
    usage = facts.pop("usage", RequestUsage(input_tokens=total_in, output_tokens=100))
    return ModelResponse(
        parts=[TextPart(content=text)], usage=usage, model_name=MODEL, provider_name="openai",
        provider_response_id=name, **facts,
    )  # fmt: skip


def talk(name: str, *messages: Any, used: int | None = None) -> Conversation:
    usage = RunUsage(input_tokens=used or 0)
    for message in messages:
        if isinstance(message, ModelResponse) and used is None:
            usage = usage + message.usage
    return Conversation(conversation_id=name, messages=list(messages), usage=usage)


async def saved(store: RollbookConversationStore, name: str, *messages: Any) -> Any:
    conversation = talk(name, *(messages or (asked("hi"), answered("hello"))))
    await store.save(conversation)
    return conversation


def test_an_agent_goes_on_where_it_was(book: Rollbook) -> None:
    agent = Agent(TestModel(custom_output_text="fine"))

    async def run() -> None:
        for prompt in ("one", "two"):
            store = RollbookConversationStore(book)
            held = await store.load("talk") or Conversation(conversation_id="talk")
            result = await agent.run(prompt, conversation=held)
            assert len(await store.save(result)) == 2
            found: Any = await RollbookConversationStore(book).load("talk")
            assert (found.messages, found.usage) == (result.conversation.messages, result.conversation.usage)

    asyncio.run(run())
    kept = book.get("talk")
    assert (kept.turns, kept.calls, kept.agent) == (2, 2, "pydantic-ai")


def test_contents_of_any_kind_come_back(book: Rollbook) -> None:
    parts = ["text \u2028 \u0000 é", BinaryContent(data=bytes(range(256)), media_type="application/pdf")]
    messages = [ModelRequest(parts=[UserPromptPart(content=parts)]), answered("x", provider_details={"n": [1, 0.1]})]

    async def run() -> Any:
        store = RollbookConversationStore(book)
        await saved(store, "talk", *messages)
        return await store.load("talk")

    assert asyncio.run(run()).messages == messages


def test_of_two_savers_one_is_told_of_the_conflict(book: Rollbook) -> None:
    async def run() -> list[Any]:
        store = RollbookConversationStore(book)
        await saved(store, "talk")

        async def save(text: str) -> Any:
            own = RollbookConversationStore(book)
            held = await own.load("talk")
            assert held is not None
            held.messages.append(asked(text))
            await barrier.wait()
            return await own.save(held)

        barrier = asyncio.Barrier(4)
        found = await asyncio.gather(*(save(str(n)) for n in range(4)), return_exceptions=True)
        loaded = await store.load("talk")
        assert loaded is not None
        assert len(loaded.messages) == 3
        return found

    told = asyncio.run(run())
    assert sorted(type(each).__name__ for each in told) == ["ConversationConflict"] * 3 + ["list"]


def test_savers_on_many_loops_and_threads_lose_nothing(book: Rollbook) -> None:
    store = RollbookConversationStore(book)

    async def loop(thread: int) -> None:
        for number in range(5):
            while True:
                held = await store.load("talk") or Conversation(conversation_id="talk")
                held.messages.append(asked(f"{thread}.{number}"))
                try:
                    await store.save(held)
                    break
                except ConversationConflict:
                    continue

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda thread: asyncio.run(loop(thread)), range(3)))
    found: Any = asyncio.run(store.load("talk"))
    texts = [message.parts[0].content for message in found.messages]
    assert sorted(texts) == [f"{thread}.{number}" for thread in range(3) for number in range(5)]
    assert book.get("talk").turns == 15


def test_a_fork_shares_what_its_source_wrote(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookConversationStore(book)
        await saved(store, "talk")
        fork = await store.fork("talk", new_conversation_id="other")
        fork.messages.append(asked("on my own"))
        await store.save(fork)
        await store.delete("talk")
        return await store.load("other")

    assert len(asyncio.run(run()).messages) == 3
    assert [entry.position for entry in book.entries("other", STREAM)] == [1, 2, 3]


def test_a_session_that_holds_something_gets_a_copy(book: Rollbook) -> None:
    book.add_qa("other", question="q", answer="a")

    async def run() -> Any:
        store = RollbookConversationStore(book)
        await saved(store, "talk")
        await store.fork("talk", new_conversation_id="other")
        return await store.load("other")

    assert len(asyncio.run(run()).messages) == 2
    assert len(book.qa("other")) == 1


def test_a_deleted_conversation_leaves_nothing_but_what_it_cost(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookConversationStore(book)
        await saved(store, "talk")
        await store.delete("talk")
        assert await store.list_conversations() == []
        return await saved(store, "talk", asked("anew"))

    asyncio.run(run())
    assert [entry.body["message"]["parts"][0]["content"] for entry in book.entries("talk", STREAM)] == ["anew"]
    assert list(book.all_state("talk")) == [KEY]
    assert book.get("talk").calls == 1


def test_an_entry_is_found_by_a_store_that_never_met_it(book: Rollbook) -> None:
    async def run() -> Any:
        store = RollbookConversationStore(book)
        for name in ("a", "b", "c"):
            await saved(store, name, asked(name))
        entries: Any = await store.load_entries("b")
        (entry,) = entries
        fresh = RollbookConversationStore(book)
        assert (await fresh.read_entry(entry.id)) == entry
        await fresh.delete("b")
        with pytest.raises(LookupError):
            await fresh.read_entry(entry.id)

    asyncio.run(run())


def test_a_record_that_names_an_unknown_entry_is_a_conflict(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookConversationStore(book)
        record = ConversationRecord(conversation_id="talk", head_id="nowhere")
        with pytest.raises(ConversationConflict):
            await store.write_record(record, expected_revision=None)
        assert await store.read_record("talk") is None
        with pytest.raises(ConversationConflict):
            await store.delete_record("talk", expected_revision="none")

    asyncio.run(run())


def test_ids_that_no_session_can_have(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookConversationStore(book)
        assert await store.load("") is None
        with pytest.raises(InvalidInput):
            await store.save(Conversation(conversation_id="a\u0000"))

    asyncio.run(run())


def test_conversations_are_of_one_user(book: Rollbook) -> None:
    async def run() -> None:
        ann, bob = (RollbookConversationStore(book, user_id=name) for name in ("ann", "bob"))
        held = await saved(ann, "talk")
        assert await bob.load("talk") is None
        assert await bob.list_conversations() == []
        entries: Any = await ann.load_entries("talk")
        with pytest.raises(LookupError):
            await bob.read_entry(entries[0].id)
        assert held.revision is not None

    asyncio.run(run())


def test_a_response_is_metered_once_wherever_it_is_saved(book: Rollbook) -> None:
    first, second = answered("one"), answered("two", 500, "resp_7")

    async def run() -> None:
        store = RollbookConversationStore(book)
        held = await saved(store, "talk", asked("a"), first, asked("b"), second)
        held.messages = [asked("a summary"), first, second]  # compacted: stored anew
        held.new_message_index = None
        await store.save(held)
        await store.save(talk("again", first, second))

    asyncio.run(run())
    assert sorted(row.input for row in book.usage("talk")) == [500, 1000]
    assert {row.model for row in book.usage("talk")} == {MODEL}
    assert "openai:response:resp_7" in {row.usage_id for row in book.usage("talk")}
    assert book.get("again").calls == 0
    assert book.get("talk").cost_usd


def test_what_no_message_accounts_for_is_a_call_of_nobody(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookConversationStore(book)
        held = talk("talk", asked("a"), answered("one"))
        held.usage = held.usage + RunUsage(input_tokens=7, output_tokens=3)  # an agent that was delegated to
        await store.save(held)
        await store.save(held)
        fork = await store.fork("talk", new_conversation_id="fork")
        await store.save(fork)

    asyncio.run(run())
    assert sorted((row.model or "", row.input, row.output) for row in book.usage("talk")) == [
        ("", 7, 3),
        (MODEL, 1000, 100),
    ]
    assert book.get("fork").calls == 0


def test_attempts_that_failed_are_metered(book: Rollbook) -> None:
    message = answered("one")
    attempt = ModelRequestAttempt(
        model_name="gpt-5", provider_name="openai", outcome="rejected", timestamp=message.timestamp,
        duration=message.timestamp - message.timestamp, usage=RequestUsage(input_tokens=11),
    )  # fmt: skip
    message = replace(message, failed_attempts=[attempt])

    async def run() -> None:
        store = RollbookConversationStore(book)
        held = talk("talk", asked("a"), message)
        held.usage = held.usage + RunUsage(input_tokens=11)
        await store.save(held)

    asyncio.run(run())
    assert sorted((row.model, row.input) for row in book.usage("talk")) == [("gpt-5", 11), (MODEL, 1000)]


def test_tokens_come_in_disjoint_kinds(book: Rollbook) -> None:
    usage = RequestUsage(
        input_tokens=1000, cache_read_tokens=300, cache_write_tokens=200, cache_write_1h_tokens=50,
        input_audio_tokens=40, cache_audio_read_tokens=10, output_tokens=100, output_reasoning_tokens=60,
        output_audio_tokens=5,
    )  # fmt: skip
    asyncio.run(saved(RollbookConversationStore(book), "talk", answered("x", usage=usage)))
    (row,) = book.usage("talk")
    assert (row.input, row.cache_read, row.cache_write, row.cache_write_1h, row.audio_in) == (470, 300, 150, 50, 30)
    assert (row.output, row.reasoning, row.audio_out) == (35, 60, 5)


def test_the_book_shows_the_history_that_the_conversation_is_at(book: Rollbook) -> None:
    async def run() -> None:
        store = RollbookConversationStore(book)
        held = await saved(store, "talk")
        await store.branch("talk", at=1, expected_revision=held.revision)

    asyncio.run(run())
    assert len(book.entries("talk", STREAM)) == 1
    (left,) = [head.head for head in book.heads("talk", stream=STREAM) if head.head != "main"]
    assert len(book.entries("talk", STREAM, head=left)) == 2


def test_a_book_that_is_named_is_opened_and_closed(tmp_path: Path) -> None:
    async def run() -> None:
        store = RollbookConversationStore(tmp_path / "book.db")
        await saved(store, "talk")
        await store.close()
        with pytest.raises(rollbook.StoreError, match="closed"):
            await store.load("talk")

    asyncio.run(run())


def test_what_was_met_is_bounded() -> None:
    recent = Recent(2)
    recent.note("s", ["a", "b"])
    recent.note("t", ["a", "c"])
    assert [recent.of(name) for name in "abc"] == ["t", None, "t"]
