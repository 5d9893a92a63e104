"""Runs of the OpenAI Agents SDK over a session in a book, and what they cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, MaxTurnsExceeded, RunConfig, Runner, function_tool
from agents.items import ModelResponse
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

import rollbook
from rollbook import Rollbook
from rollbook.integrations.openai_agents import RollbookSession, UsageHooks

MODEL = "gpt-5-mini"
CONFIG = RunConfig(tracing_disabled=True)


def used(total_in: int, total_out: int, *, read: int = 0, reasoning: int = 0) -> Usage:
    return Usage(
        requests=1,
        input_tokens=total_in,
        output_tokens=total_out,
        total_tokens=total_in + total_out,
        input_tokens_details=InputTokensDetails.model_validate({"cached_tokens": read, "cache_write_tokens": 0}),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=reasoning),
    )


def step(name: str | None, *output: Any, usage: Usage | None = None) -> ModelStep:
    return ModelStep(output=list(output), usage=usage or used(1000, 100), response_id=name)


def answer(text: str, name: str | None, usage: Usage | None = None) -> ModelStep:
    return step(name, assistant_message(text), usage=usage)


def agent(*steps: Any, **facts: Any) -> Agent[Any]:
    return Agent(name="Helper", model=ScriptedModel(steps), **facts)


def texts(items: list[Any]) -> list[str]:
    return [item["content"] if isinstance(item["content"], str) else item["content"][0]["text"] for item in items]


def test_a_run_remembers_the_one_before(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    helper = agent(answer("hello", "resp_1"), answer("still here", "resp_2"))
    for prompt in ("hi", "there?"):
        Runner.run_sync(helper, prompt, session=session, run_config=CONFIG)
        asyncio.get_event_loop_policy().get_event_loop().close()  # each run is on a loop of its own
        asyncio.set_event_loop(None)
    assert texts(asyncio.run(session.get_items())) == ["hi", "hello", "there?", "still here"]
    model: Any = helper.model
    assert texts(list(model.calls[1].input)) == ["hi", "hello", "there?"]


def test_a_run_is_metered_once(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    helper = agent(answer("hello", "resp_1", used(1000, 100, read=400, reasoning=60)))

    async def run() -> list[int]:
        result = await Runner.run(helper, "hi", session=session, run_config=CONFIG)
        return [await session.record_run(result, model=MODEL) for _ in range(2)]

    assert asyncio.run(run()) == [1, 0]
    (row,) = book.usage("chat")
    assert (row.input, row.cache_read, row.output, row.reasoning) == (600, 400, 40, 60)
    assert row.usage_id == "openai:response:resp_1"
    kept = book.get("chat")
    assert (kept.calls, kept.turns, kept.agent, kept.last_model) == (1, 1, "openai-agents", MODEL)
    assert kept.cost_usd is not None
    assert kept.cost_usd > 0
    assert book.verify().ok


def test_hooks_meter_each_call_when_it_is_made(book: Rollbook) -> None:
    @function_tool
    def look() -> str:
        assert book.get("chat").calls == 1
        return "seen"

    session = RollbookSession("chat", book=book)
    helper = agent(step("resp_1", function_call("look", {}, call_id="c1")), answer("done", "resp_2"), tools=[look])

    async def run() -> int:
        hooks = UsageHooks(session, model=MODEL)
        result = await Runner.run(helper, "hi", session=session, hooks=hooks, run_config=CONFIG)
        return await session.record_run(result)

    assert asyncio.run(run()) == 0
    assert book.get("chat").calls == 2


def test_a_book_that_takes_no_calls_fails_no_run(
    book: Rollbook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = rollbook.open(tmp_path / "closed.db")
    closed.close()
    hooks = UsageHooks(RollbookSession("chat", book=closed), model=MODEL)
    session = RollbookSession("chat", book=book)

    async def run() -> int:
        result = await Runner.run(
            agent(answer("hello", "resp_1")), "hi", session=session, hooks=hooks, run_config=CONFIG
        )
        assert result.final_output == "hello"
        return await session.record_run(result, model=MODEL)

    assert asyncio.run(run()) == 1
    assert "not metered: the book is closed" in caplog.text


def test_a_run_that_fails_is_metered_by_its_data(book: Rollbook) -> None:
    @function_tool
    def again() -> str:
        return "more"

    session = RollbookSession("chat", book=book)
    helper = agent(*(step(f"resp_{n}", function_call("again", {}, call_id=f"c{n}")) for n in range(3)), tools=[again])

    async def run() -> int:
        with pytest.raises(MaxTurnsExceeded) as caught:
            await Runner.run(helper, "hi", session=session, max_turns=2, run_config=CONFIG)
        return await session.record_run(caught.value.run_data, model=MODEL)

    assert asyncio.run(run()) == 2


def test_the_model_is_that_of_the_agent_that_answered(book: Rollbook) -> None:
    class Named(ScriptedModel):
        def __init__(self, model: str, *steps: Any) -> None:
            super().__init__(steps)
            self.model = model

    second = Agent(name="Second", model=Named("gpt-5", answer("done", "resp_2")))
    handoff = step("resp_1", function_call("transfer_to_second", {}, call_id="c1"))
    first: Agent[Any] = Agent(name="First", model=Named("gpt-5-mini", handoff), handoffs=[second])
    session = RollbookSession("chat", book=book)

    async def run() -> None:
        await session.record_run(await Runner.run(first, "hi", session=session, run_config=CONFIG))

    asyncio.run(run())
    assert {row.usage_id: row.model for row in book.usage("chat")} == {
        "openai:response:resp_1": "gpt-5-mini",
        "openai:response:resp_2": "gpt-5",
    }


def test_responses_without_an_id_of_the_provider_are_told_apart(book: Rollbook) -> None:
    """An id of another form may be given again: what the response holds stands beside it."""
    session = RollbookSession("chat", book=book)
    steps = [answer("one", "resp-789"), answer("two", "resp-789"), answer("one", None), answer("one", None)]
    helper = agent(*steps)

    async def run() -> list[int]:
        results = [await Runner.run(helper, "hi", session=session, run_config=CONFIG) for _ in steps]
        return [await session.record_run(result) for result in results + results]

    assert asyncio.run(run()) == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_response_of_several_requests_is_several_calls(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    usage = Usage()
    usage.add(used(1000, 100))
    usage.add(used(500, 50))
    response = ModelResponse(output=[], usage=usage, response_id="resp_1")
    assert [asyncio.run(session.record_response(response, model=MODEL)) for _ in range(2)] == [2, 0]
    kept = book.get("chat")
    assert (kept.calls, kept.tokens_in, kept.tokens_out) == (2, 1500, 150)


def test_requests_that_do_not_add_up_are_one_call(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    usage = used(1000, 100)
    usage.request_usage_entries = [used(1, 1), used(2, 2)]
    asyncio.run(session.record_response(ModelResponse(output=[], usage=usage, response_id="resp_1"), model=MODEL))
    kept = book.get("chat")
    assert (kept.calls, kept.tokens_in) == (1, 1000)


def test_a_deleted_session_is_spend_all_the_same(book: Rollbook) -> None:
    session = RollbookSession("chat", book=book)
    book.touch("chat")
    book.delete("chat")
    response = ModelResponse(output=[], usage=used(1000, 100), response_id="resp_1")
    assert asyncio.run(session.record_response(response, model=MODEL)) == 1
    assert book.verify().ok
