"""An agent of OpenAI's Agents SDK that uses a tool, so two requests, with OpenInference's instrumentations."""

from __future__ import annotations

from agents import Agent, RunConfig, Runner, function_tool
from openinference.instrumentation import using_session
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor

from integrations.telemetry.emitters.sending import MODEL, QUESTION, provider, run


@function_tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Rain in {city}"


def openai_agents() -> None:
    """The framework is instrumented."""
    _run("chat-oa")


def openai_agents_twice() -> None:
    """So is the client below it: two spans of each request, one within the other, with the same usage on both."""
    _run("chat-oo", client_too=True)


def _run(session: str, *, client_too: bool = False) -> None:
    tracing = provider()
    OpenAIAgentsInstrumentor().instrument(tracer_provider=tracing)
    if client_too:
        from openinference.instrumentation.openai import OpenAIInstrumentor

        OpenAIInstrumentor().instrument(tracer_provider=tracing)
    helper = Agent(name="Helper", model=MODEL, tools=[weather])
    with using_session(session):
        Runner.run_sync(helper, QUESTION, run_config=RunConfig(workflow_name="ask", group_id=session))
    tracing.shutdown()


if __name__ == "__main__":
    run({each.__name__: each for each in (openai_agents, openai_agents_twice)})
