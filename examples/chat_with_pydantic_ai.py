"""A conversation of Pydantic AI that is kept, branched and forked, and what it cost. Needs no network.

With ``rollbook[pydantic-ai]`` installed: ``python examples/chat_with_pydantic_ai.py``.
"""

import asyncio
import tempfile
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

import rollbook
from rollbook.integrations.pydantic_ai import RollbookConversationStore


def reply(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Say how long the conversation is, as a model that has a price."""
    usage = RequestUsage(input_tokens=12_000, output_tokens=900)
    parts = [TextPart(content=f"That was message {len(messages)}.")]
    return ModelResponse(parts=parts, usage=usage, provider_name="openai")


async def main() -> None:
    """Talk twice, take the second turn back and say something else, and try a third thing beside it."""
    agent = Agent(FunctionModel(reply, model_name="gpt-5-mini"))
    with tempfile.TemporaryDirectory() as folder, rollbook.open(Path(folder) / "book.db") as book:
        store = RollbookConversationStore(book)
        held = Conversation(conversation_id="ada")
        for prompt in ("Hello.", "Tell me more."):
            result = await agent.run(prompt, conversation=held)
            await store.save(result, scope="demo")
            held = await store.load("ada") or held
        held = await store.branch("ada", at=2, expected_revision=held.revision)
        await store.save(await agent.run("Something else.", conversation=held))
        fork = await store.fork("ada", at=2, new_conversation_id="ada-too")
        await store.save(await agent.run("A third thing.", conversation=fork))
        for record in await store.list_conversations(scope="demo"):
            kept = book.get(record.conversation_id)
            told = f"{len(record.branches)} branches, {kept.turns} turns, {kept.calls} calls, ${kept.cost_usd:.4f}"
            print(f"{record.conversation_id}: {told}")


asyncio.run(main())
