"""A program that works for a while, with the exporters of OpenTelemetry's SDK as its users set them up: by environment.

It says on standard output how far it has come, in as many lines as the command line says, and goes on when it is told.
"""

from __future__ import annotations

import sys
import time
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from integrations.telemetry.emitters.sending import MODEL

TURNS: Final = 60
CALLS: Final = 4  #: of a turn
SESSIONS: Final = 3
RESOURCE: Final = Resource({"service.name": "claude-code"})
_OFTEN: Final = {"schedule_delay_millis": 50, "max_export_batch_size": 7}
_TURN_S: Final = 0.01


class Working:
    """An agent at work, as each signal tells of it: in sessions of its own."""

    def __init__(self) -> None:
        self.traces = TracerProvider(resource=RESOURCE)
        self.traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), **_OFTEN))
        self.logs = LoggerProvider(resource=RESOURCE)
        self.logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), **_OFTEN))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=100)
        self.metrics = MeterProvider([reader], resource=RESOURCE)
        self._tracer = self.traces.get_tracer("app")
        self._logger = self.logs.get_logger("com.anthropic.claude_code.events")
        self._counter = self.metrics.get_meter("com.anthropic.claude_code").create_counter("claude_code.token.usage")

    def turn(self, number: int) -> None:
        """A turn: a span that names the session ends last, with the calls below it."""
        session = f"{number % SESSIONS}"
        with self._tracer.start_as_current_span("turn", attributes={"session.id": f"traced-{session}"}):
            for call in range(CALLS):
                self._call(session, f"{number}-{call}")

    def _call(self, session: str, name: str) -> None:
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.response.model": MODEL, "gen_ai.response.id": f"r-{name}",
            "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
        }  # fmt: skip
        with self._tracer.start_as_current_span(f"chat {MODEL}", attributes=said):
            pass
        told = {
            "event.name": "api_request", "session.id": f"logged-{session}", "model": MODEL, "input_tokens": "100",
            "output_tokens": "20", "request_id": f"req_{name}",
        }  # fmt: skip
        record = LogRecord(
            timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, body="claude_code.api_request",
            attributes=told,
        )  # fmt: skip
        self._logger.emit(record)
        for kind, amount in (("input", 100), ("output", 20)):
            self._counter.add(amount, {"session.id": f"metered-{session}", "type": kind, "model": MODEL})

    def end(self) -> None:
        """Everything that waits is sent."""
        for provider in (self.traces, self.logs, self.metrics):
            provider.force_flush(60_000)
            provider.shutdown()


def work(pauses: int) -> None:
    """All turns."""
    working = Working()
    for number in range(TURNS):
        if number and number % (TURNS // (pauses + 1)) == 0:
            print(number, flush=True)
        working.turn(number)
        time.sleep(_TURN_S)
    working.end()


if __name__ == "__main__":
    work(int(sys.argv[1]))
