"""R13: telemetry to a server that is killed under load: what it took is there, and what is sent again counts once."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from collections import Counter
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

import rollbook
from otlp.bodies import NANOS, as_protobuf, attributes, request, span
from rollbook.otlp.wire import PROTOBUF, Signal

from .test_r13_kill import started
from .tools import PLAIN, TOKEN, bearer, url_of

CLIENTS: Final = 4
TRACES: Final = 15  #: of one client
CALLS: Final = 6  #: of a trace
KILLS: Final = 2
MODEL: Final = "claude-sonnet-4-5"
SECOND: Final = 1_000_000_000


class Batch(NamedTuple):
    """A body, and how many calls are sure to be in which session as soon as it was taken."""

    signal: Signal
    body: bytes
    calls: Counter[str]


def batches(client: int) -> list[Batch]:
    """What a client sends: each trace in two parts, of which only the second names the session; logs; sums."""
    made = []
    for number in range(TRACES):
        trace, root = f"{client + 1:08x}{number + 1:024x}", f"{9:016x}"
        calls = [
            span(
                traceId=trace, spanId=f"{each + 10:016x}", parentSpanId=root,
                attributes=attributes(
                    {
                        "gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL,
                        "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20,
                        "gen_ai.response.id": f"r{client}-{number}-{each}",
                    }
                ),
            )
            for each in range(CALLS)
        ]  # fmt: skip
        names = span(traceId=trace, spanId=root, name="turn", attributes=attributes({"session.id": f"traced-{client}"}))
        half = CALLS // 2
        made += [
            _batch("traces", Counter(), *calls[:half]),
            _batch("traces", Counter({f"traced-{client}": CALLS - half}), *calls[half:], names),
            _batch("logs", Counter({f"logged-{client}": CALLS}), *_logs(client, number)),
            _batch("metrics", Counter(), _points(client, number)),
        ]
    return made


def _batch(signal: Signal, calls: Counter[str], *records: Any) -> Batch:
    body = request(signal, list(records), **{"service.name": "claude-code"})
    return Batch(signal, as_protobuf(signal, body), calls)


def _logs(client: int, number: int) -> list[Any]:
    common = {
        "event.name": "api_request", "session.id": f"logged-{client}", "model": MODEL, "input_tokens": "100",
        "output_tokens": "20",
    }  # fmt: skip
    return [
        {
            "timeUnixNano": str(NANOS + (number * CALLS + each) * SECOND),
            "body": {"stringValue": "claude_code.api_request"},
            "attributes": attributes({**common, "request_id": f"req_{client}_{number}_{each}"}),
        }
        for each in range(CALLS)
    ]


def _points(client: int, number: int) -> dict[str, Any]:
    """What was used since the point before."""
    span_of = {
        "startTimeUnixNano": str(NANOS + number * SECOND), "timeUnixNano": str(NANOS + (number + 1) * SECOND),
    }  # fmt: skip
    points = [
        {
            **span_of, "asInt": amount,
            "attributes": attributes({"type": kind, "model": MODEL, "session.id": f"metered-{client}"}),
        }
        for kind, amount in (("input", "100"), ("output", "20"))
    ]  # fmt: skip
    sums = {"dataPoints": points, "aggregationTemporality": 1, "isMonotonic": True}
    return {"name": "claude_code.token.usage", "sum": sums}


class Sent:
    """What was acknowledged."""

    def __init__(self) -> None:
        self.batches = 0
        self.calls: Counter[str] = Counter()
        self._more = asyncio.Event()

    def taken(self, batch: Batch) -> None:
        """A batch was taken in whole."""
        self.batches += 1
        self.calls += batch.calls
        self._more.set()

    async def enough(self, number: int) -> None:
        """Wait until so many were."""
        while self.batches < number:
            self._more.clear()
            await self._more.wait()


async def client(base: str, number: int, sent: Sent) -> None:
    """Send everything in some order, each batch until it is acknowledged."""
    order = batches(number)
    random.Random(number).shuffle(order)
    # Points of a series come in their order, as one exporter sends them. Of a trace either part may be first.
    points = iter([batch for batch in batches(number) if batch.signal == "metrics"])
    async with httpx.AsyncClient(base_url=base, headers=bearer(TOKEN), timeout=5, verify=PLAIN) as http:
        for batch in [next(points) if each.signal == "metrics" else each for each in order]:
            while True:
                try:
                    answer = await http.post(
                        f"/v1/{batch.signal}", content=batch.body, headers={"content-type": PROTOBUF}
                    )
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                    continue
                assert (answer.status_code, answer.content) == (200, b""), answer.text
                break
            sent.taken(batch)


def held(url: str) -> Counter[str]:
    """The calls of each session, while no server runs."""
    with rollbook.open(url, all_users=True) as book:
        assert book.verify().ok
        return Counter({session.session_id: session.calls for session in book.iterate()})


async def load(url: str, port: int) -> None:
    """All clients at once, while the server is killed and started again; then everything once more."""
    base, sent = f"http://127.0.0.1:{port}", Sent()
    everything = CLIENTS * TRACES * 4
    server = started(url, port)
    try:
        clients = asyncio.gather(*(client(base, number, sent) for number in range(CLIENTS)))
        for kill in range(1, KILLS + 1):
            await sent.enough(kill * everything // (KILLS + 1))
            acknowledged = Counter(sent.calls)
            server.send_signal(signal.SIGKILL)
            server.wait()
            found = await asyncio.to_thread(held, url)
            assert found >= acknowledged, "what was acknowledged is there"
            server = started(url, port)
        await clients
        assert sent.batches == everything
        await asyncio.gather(*(client(base, number, sent) for number in range(CLIENTS)))
    finally:
        server.kill()
        server.wait()


def test_r13_no_telemetry_is_lost_and_none_doubled_by_kills_under_load(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = url_of(tmp_path / "book.db")
    asyncio.run(asyncio.wait_for(load(url, port), 120))
    calls = TRACES * CALLS
    with rollbook.open(url, all_users=True) as book:
        assert book.verify().ok
        for number in range(CLIENTS):
            for name, counted, used in (("traced", calls, calls), ("logged", calls, calls), ("metered", 1, TRACES)):
                session = book.get(f"{name}-{number}")
                found = session.calls, session.tokens_in, session.tokens_out
                assert found == (counted, used * 100, used * 20), session.session_id
        assert len(book.list(limit=100).sessions) == 3 * CLIENTS
