"""What every emitter needs: where spans go, and what is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MODEL: Final = "gpt-5-mini"
QUESTION: Final = "Weather in Oslo?"
SERVICE: Final = Resource({"service.name": "weather", "service.version": "1.2"})


def provider() -> TracerProvider:
    """Sends spans to the receiver that the environment names."""
    made = TracerProvider(resource=SERVICE)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def run(emitters: dict[str, Callable[[], Any]]) -> None:
    """Run the emitter that the command line names."""
    emitters[sys.argv[1]]()
