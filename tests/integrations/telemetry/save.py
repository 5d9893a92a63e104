"""Writes what the emitters post to tests/data/otlp, for tests that have no frameworks: `python save.py [NAME ...]`.

Only what tells of a machine is taken out: paths, stack traces, names of the host and the process.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from integrations.telemetry.running import PROGRAMS, posted_by

FOLDER: Final = Path(__file__).parents[2] / "data" / "otlp"
REQUESTS: Final[dict[str, Any]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_OF_THE_MACHINE: Final = ("code.", "exception.stacktrace", "host.", "os.", "process.")


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or PROGRAMS:
        counts = dict.fromkeys(REQUESTS, 0)
        for posted in posted_by(name):
            signal = posted.path.rpartition("/")[2]
            counts[signal] += 1
            request = REQUESTS[signal].FromString(gzip.decompress(posted.body))
            for holder in _holders(request):
                _clean(holder.attributes)
            body = gzip.compress(request.SerializeToString(deterministic=True), mtime=0)
            (FOLDER / f"{name}.{counts[signal]}.{signal}.pb.gz").write_bytes(body)


def _holders(request: Any) -> Iterator[Any]:
    for batch in (*getattr(request, "resource_spans", ()), *getattr(request, "resource_logs", ())):
        yield batch.resource
        for scoped in (*getattr(batch, "scope_spans", ()), *getattr(batch, "scope_logs", ())):
            for record in (*getattr(scoped, "spans", ()), *getattr(scoped, "log_records", ())):
                yield record
                yield from getattr(record, "events", ())
    for batch in getattr(request, "resource_metrics", ()):
        yield batch.resource


def _clean(attributes: Any) -> None:
    for place in reversed(range(len(attributes))):
        if attributes[place].key.startswith(_OF_THE_MACHINE):
            del attributes[place]


if __name__ == "__main__":
    main(sys.argv[1:])
