"""Programs that call a provider's client, with the instrumentations of OpenInference and OpenLLMetry."""

from __future__ import annotations

from typing import Any

from openai import APIStatusError, OpenAI
from opentelemetry.sdk.trace import TracerProvider

from integrations.telemetry.emitters.sending import MODEL, QUESTION, SERVICE, provider, run

ASKED: Any = [{"role": "user", "content": QUESTION}]


def openinference() -> None:
    """A call, a streamed one, an embedding, one that fails, a response, in a session that the library is told."""
    from openinference.instrumentation import using_session
    from openinference.instrumentation.openai import OpenAIInstrumentor

    tracing = provider()
    OpenAIInstrumentor().instrument(tracer_provider=tracing)
    client = OpenAI(max_retries=0)
    with using_session("chat-oi"), tracing.get_tracer("app").start_as_current_span("ask"):
        calls(client)
        client.responses.create(model=MODEL, input=QUESTION)
    tracing.shutdown()


def openllmetry() -> None:
    """The same without a response, in a session that only the program's own span names."""
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    tracing = provider()
    OpenAIInstrumentor().instrument(tracer_provider=tracing)
    with named(tracing, "chat-ll"):
        calls(OpenAI(max_retries=0))
    tracing.shutdown()


def events() -> None:
    """OpenLLMetry with what was said in log records instead of on the spans."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    tracing, logging = provider(), LoggerProvider(resource=SERVICE)
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    OpenAIInstrumentor(use_attributes=False).instrument(tracer_provider=tracing, logger_provider=logging)
    with named(tracing, "chat-ev"):
        OpenAI(max_retries=0).chat.completions.create(model=MODEL, messages=ASKED)
    tracing.shutdown()
    logging.shutdown()


def named(tracing: TracerProvider, session: str) -> Any:
    return tracing.get_tracer("app").start_as_current_span("ask", attributes={"session.id": session})


def calls(client: OpenAI) -> None:
    client.chat.completions.create(model=MODEL, messages=ASKED)
    options: Any = {"include_usage": True}
    for _chunk in client.chat.completions.create(model=MODEL, messages=ASKED, stream=True, stream_options=options):
        pass
    client.embeddings.create(model="text-embedding-3-small", input="Oslo")
    try:
        client.chat.completions.create(model="no-such-model", messages=ASKED)
    except APIStatusError as error:
        if error.status_code != 404:
            raise


if __name__ == "__main__":
    run({each.__name__: each for each in (openinference, openllmetry, events)})
