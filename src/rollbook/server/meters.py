"""What the server counts of itself, for Prometheus; no user is told apart in it."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from rollbook.server.routing import ADMIN, At, Nothing, Reply, Route

if TYPE_CHECKING:
    from rollbook.server.running import Server

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Asked:
    """What was answered on one route with one status: how often, and how many of them in how many seconds."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)  #: one for each bound, and one for what took longer
        self.seconds = 0.0


class Meters:
    """Counters of one server. What is counted for each request is written as Prometheus knows it when that asks."""

    def __init__(self, server: Server) -> None:
        self._registry = registry = CollectorRegistry()
        self.records = Counter("rollbook_records", "Records taken.", ["door", "outcome"], registry=registry)
        streams = Gauge("rollbook_streams", "Open event streams.", registry=registry)
        streams.set_function(lambda: server.limits.open_streams)
        waiting = Gauge("rollbook_writes_waiting", "Writes that wait for the book.", registry=registry)
        waiting.set_function(lambda: server.book.waiting)
        self._asked: dict[tuple[str, str, int], _Asked] = {}
        registry.register(self)

    def request(self, route: Route, status: int, seconds: float) -> None:
        """One request was answered."""
        key = (route.method, route.path, status)
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = _Asked()
        asked.counts[bisect_left(_SECONDS, seconds)] += 1
        asked.seconds += seconds

    def collect(self) -> tuple[Metric, ...]:
        """The requests that were answered, for Prometheus's registry."""
        requests = CounterMetricFamily("rollbook_requests", "Requests answered.", labels=["route", "status"])
        said = "Seconds until a request was answered."
        seconds = HistogramMetricFamily("rollbook_request_seconds", said, labels=["route"])
        by_route: dict[str, _Asked] = {}
        for (method, path, status), asked in self._asked.items():
            name = f"{method} {path}"
            requests.add_metric([name, str(status)], sum(asked.counts))
            whole = by_route.setdefault(name, _Asked())
            whole.counts = [one + other for one, other in zip(whole.counts, asked.counts, strict=True)]
            whole.seconds += asked.seconds
        for name, asked in by_route.items():
            bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
            seconds.add_metric([name], [*zip(bounds, accumulate(asked.counts), strict=True)], asked.seconds)
        return requests, seconds

    def taken(self, door: str, records: int, refused: int) -> None:
        """Records came through a door."""
        self.records.labels(door, "taken").inc(max(0, records))
        self.records.labels(door, "refused").inc(max(0, refused))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


async def shown(at: At, asked: Nothing) -> Reply:  # noqa: ARG001 - the shape of what answers a route
    """Answer with what was counted."""
    return Reply(content=at.server.meters.text(), media_type=MEDIA_TYPE)


ROUTES: Final = (
    Route(
        method="GET", path="/metrics", answer=shown, needs=ADMIN, tag="server", gives=str, media_type=MEDIA_TYPE,
        does="What the server counts of itself, for Prometheus.",
    ),
)  # fmt: skip
