"""An agent of pydantic-ai that uses a tool, so two requests, with its own telemetry and with Logfire."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.capabilities.instrumentation import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

from integrations.telemetry.emitters.sending import MODEL, QUESTION, SERVICE, provider, run


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Rain in {city}"


def pydantic_ai() -> None:
    """As it is by default."""
    _run("chat-pa")


def pydantic_ai_responses() -> None:
    """Over the responses API."""
    _run("chat-pr", OpenAIResponsesModel(MODEL))


def pydantic_ai_sums() -> None:
    """As older versions wrote it: the agent's span has the sum of its requests under the names of a request's usage."""
    _run("chat-ps", version=2, use_aggregated_usage_attribute_names=False)


def pydantic_ai_metrics() -> None:
    """With metrics beside the spans."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    metering = MeterProvider(metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter())], resource=SERVICE)
    _run("chat-pm", meter_provider=metering)
    metering.shutdown()


def _run(session: str, model: Any = None, **settings: Any) -> None:
    tracing = provider()
    telling = Instrumentation(settings=InstrumentationSettings(tracer_provider=tracing, **settings))
    _ask(session, Agent(model or OpenAIChatModel(MODEL), name="helper", capabilities=[telling]))
    tracing.shutdown()


def logfire() -> None:
    """Logfire: it instruments the client and pydantic-ai, and sends where the environment says."""
    import logfire as fire
    from openai import OpenAI

    fire.configure(send_to_logfire=False, console=False, service_name="weather")
    fire.instrument_pydantic_ai()
    client = OpenAI(max_retries=0)
    fire.instrument_openai(client)
    named: Any = {"session.id": "chat-lf"}  # which Logfire blackens before it sends
    with fire.span("ask", **named):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}])
    _ask("chat-lp", Agent(OpenAIChatModel(MODEL), name="helper"))
    fire.shutdown()


def _ask(session: str, helper: Any) -> None:
    helper.tool_plain(weather)
    asyncio.run(helper.run(QUESTION, conversation_id=session))


if __name__ == "__main__":
    run(
        {
            each.__name__: each
            for each in (pydantic_ai, pydantic_ai_responses, pydantic_ai_sums, pydantic_ai_metrics, logfire)
        }
    )
