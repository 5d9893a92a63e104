"""What the server counts of itself, for Prometheus; no user is told apart in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rollbook.server.routing import ADMIN, At, Nothing, Reply, Route

if TYPE_CHECKING:
    from rollbook.server.running import Server

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Meters:
    """Counters of one server."""

    def __init__(self, server: Server) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("rollbook_requests", "Requests answered.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "rollbook_request_seconds", "Seconds until a request was answered.", ["route"], registry=registry,
            buckets=_SECONDS,
        )  # fmt: skip
        self.records = Counter("rollbook_records", "Records taken.", ["door", "outcome"], registry=registry)
        streams = Gauge("rollbook_streams", "Open event streams.", registry=registry)
        streams.set_function(lambda: server.limits.open_streams)
        waiting = Gauge("rollbook_writes_waiting", "Writes that wait for the book.", registry=registry)
        waiting.set_function(lambda: server.book.waiting)
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def request(self, route: Route, status: int, seconds: float) -> None:
        """One request was answered."""
        known = self._children.get((route.method, route.path, status))
        if known is None:
            known = (
                self._requests.labels(f"{route.method} {route.path}", status),
                self._seconds.labels(f"{route.method} {route.path}"),
            )
            self._children[route.method, route.path, status] = known
        known[0].inc()
        known[1].observe(seconds)

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
