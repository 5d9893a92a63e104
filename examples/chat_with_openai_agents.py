"""Two runs of the OpenAI Agents SDK with one memory, and what they cost. Needs no network: the model is scripted.

With ``rollbook[openai-agents]`` installed: ``python examples/chat_with_openai_agents.py``.
"""

import asyncio
import tempfile
from pathlib import Path

from agents import Agent, RunConfig, Runner
from agents.testing import ModelStep, ScriptedModel, assistant_message
from agents.usage import Usage

import rollbook
from rollbook.integrations.openai_agents import RollbookSession, UsageHooks

MODEL = "gpt-5-mini"


def answer(text: str, name: str) -> ModelStep:
    """What the model is to say, and what it is to have used."""
    usage = Usage(requests=1, input_tokens=12_000, output_tokens=900, total_tokens=12_900)
    return ModelStep(output=[assistant_message(text)], usage=usage, response_id=name)


async def main() -> None:
    """Talk twice; the second answer knows what was said before."""
    model = ScriptedModel([answer("Nice to meet you, Ada.", "resp_1"), answer("You are Ada.", "resp_2")])
    agent = Agent(name="Helper", model=model)
    with tempfile.TemporaryDirectory() as folder, rollbook.open(Path(folder) / "book.db") as book:
        session = RollbookSession("ada", book=book)
        for prompt in ("I am Ada.", "Who am I?"):
            result = await Runner.run(
                agent,
                prompt,
                session=session,
                hooks=UsageHooks(session, model=MODEL),  # with a model of your own its name is known
                run_config=RunConfig(tracing_disabled=True),
            )
            await session.record_run(result, model=MODEL)  # counts the turns; the calls are known already
            print(f"{prompt} - {result.final_output}")
        kept = book.get("ada")
        print(f"{len(await session.get_items())} items, {kept.turns} turns, {kept.calls} calls, ${kept.cost_usd:.4f}")


asyncio.run(main())
