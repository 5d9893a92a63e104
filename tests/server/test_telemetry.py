"""Telemetry over HTTP: it is taken in on every path and in every form in which emitters send it, and counted once."""

from __future__ import annotations

import asyncio
import base64
import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any, Final, get_args

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

import rollbook
from otlp.bodies import NANOS, as_json, as_protobuf, attributes, request, span
from otlp.test_emitted import CALLS
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.otlp.wire import JSON, PROTOBUF, Signal
from rollbook.remote.book import RemoteBook

from .tools import PLAIN, TOKEN, Running, asking, bearer, key_of, served, url_of

FOLDER: Final = Path(__file__).parents[1] / "data" / "otlp"
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)
PREFIXES: Final = ("", "/otlp", "/api/public/otel")
MODEL: Final = "claude-sonnet-4-5"
MOST: Final = 1 << 20
SECOND: Final = 1_000_000_000
MANY: Final = 100
NOW: Final = NANOS // 1_000 + 86_400 * 1_000_000
Packed = Callable[[bytes], bytes]
PACKED: Final[dict[str, Packed]] = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
ANSWERS: Final[dict[Signal, tuple[Any, str, str]]] = {
    "traces": (ExportTraceServiceResponse, "rejected_spans", "rejectedSpans"),
    "logs": (ExportLogsServiceResponse, "rejected_log_records", "rejectedLogRecords"),
    "metrics": (ExportMetricsServiceResponse, "rejected_data_points", "rejectedDataPoints"),
}


def recorded(signal: Signal, session: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """What tells of a session's call number so and so, in which 100 tokens went in and 20 came out."""
    if signal == "traces":
        said = {
            "gen_ai.operation.name": "chat", "gen_ai.request.model": MODEL, "gen_ai.usage.input_tokens": 100,
            "gen_ai.usage.output_tokens": 20, "gen_ai.response.id": f"{session}-{number}", "session.id": session,
        }  # fmt: skip
        trace = md5(session.encode(), usedforsecurity=False).hexdigest()
        return span(traceId=trace, spanId=f"{number:016x}", attributes=attributes({**said, **more}))
    if signal == "logs":
        said = {
            "event.name": "api_request", "session.id": session, "model": MODEL, "input_tokens": "100",
            "output_tokens": "20", "request_id": f"{session}-{number}",
        }  # fmt: skip
        body = {"stringValue": "claude_code.api_request"}
        return {"timeUnixNano": str(NANOS), "body": body, "attributes": attributes({**said, **more})}
    points = [
        {
            "startTimeUnixNano": str(NANOS + (number - 1) * SECOND), "timeUnixNano": str(NANOS + number * SECOND),
            "asInt": value, "attributes": attributes({"type": kind, "model": MODEL, "session.id": session, **more}),
        }
        for kind, value in (("input", "100"), ("output", "20"))
    ]  # fmt: skip
    counted = {"dataPoints": points, "aggregationTemporality": 1, "isMonotonic": True}
    return {"name": "claude_code.token.usage", "sum": counted}


def body(signal: Signal, *records: Any) -> dict[str, Any]:
    return request(signal, list(records), **{"service.name": "claude-code"})


def post(
    client: httpx.Client, signal: Signal, plain: dict[str, Any], kind: str = JSON, coding: str = "", *, prefix: str = ""
) -> httpx.Response:
    raw = as_json(plain) if kind == JSON else as_protobuf(signal, plain)
    headers = {"content-type": kind, **({"content-encoding": coding} if coding else {})}
    return client.post(f"{prefix}/v1/{signal}", content=PACKED[coding](raw), headers=headers)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return url_of(tmp_path_factory.mktemp("telemetry") / "book.db")


@pytest.fixture(scope="module")
def running(url: str) -> Iterator[Running]:
    with served(url, body_bytes=MOST) as made:
        yield made


@pytest.fixture(scope="module")
def client(running: Running) -> Iterator[httpx.Client]:
    with running.client() as made:
        yield made


@pytest.fixture(scope="module")
def book(url: str) -> Iterator[rollbook.Rollbook]:
    with rollbook.open(url) as opened:
        yield opened
        assert opened.verify().ok


def sums(book: rollbook.Rollbook, name: str, **whose: Any) -> tuple[int, int, int]:
    session = book.get(name, **whose)
    return session.calls, session.tokens_in, session.tokens_out


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_every_path_form_and_coding_and_the_answer_in_the_form_of_the_request(
    client: httpx.Client, book: rollbook.Rollbook, signal: Signal, kind: str
) -> None:
    for prefix, coding in itertools.product(PREFIXES, PACKED):
        name = f"{signal}-{kind[-4:]}-{prefix[-4:]}-{coding}"
        answer = post(client, signal, body(signal, recorded(signal, name)), kind, coding, prefix=prefix)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.content == (b"{}" if kind == JSON else b"")
        assert sums(book, name) == (1, 100, 20)


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_one_bad_record_costs_only_itself(
    client: httpx.Client, book: rollbook.Rollbook, signal: Signal, kind: str
) -> None:
    name = f"partial-{signal}-{kind[-4:]}"
    wrong = recorded(signal, "x" * 600)  # a name that no session can have
    answer = post(client, signal, body(signal, recorded(signal, name), wrong, recorded(signal, name, 2)), kind)
    assert answer.status_code == 200
    response, field, word = ANSWERS[signal]
    if kind == JSON:
        partial = answer.json()["partialSuccess"]
        rejected, message = int(partial[word]), partial["errorMessage"]
    else:
        partial = response.FromString(answer.content).partial_success
        rejected, message = getattr(partial, field), partial.error_message
    assert rejected == (2 if signal == "metrics" else 1)
    assert "512" in message
    calls = 1 if signal == "metrics" else 2  # metrics tell of no single calls
    assert sums(book, name) == (calls, 200, 40)


@pytest.mark.parametrize(("sent", "path"), [pair for pair in itertools.product(SIGNALS, SIGNALS) if len({*pair}) == 2])
@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_a_body_of_another_signal_is_told_its_path(client: httpx.Client, sent: Signal, path: Signal, kind: str) -> None:
    plain = body(sent, recorded(sent, "elsewhere"))
    raw = as_json(plain) if kind == JSON else as_protobuf(sent, plain)
    answer = client.post(f"/v1/{path}", content=raw, headers={"content-type": kind})
    assert answer.status_code == 400
    assert f"/v1/{sent}" in answer.text


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_a_bomb_is_refused_and_so_is_what_is_as_large(client: httpx.Client, coding: str, kind: str) -> None:
    large = b" " * (8 * MOST)
    assert len(PACKED[coding](large)) < MOST / 50
    headers = {"content-type": kind, "content-encoding": coding}
    assert client.post("/v1/traces", content=PACKED[coding](large), headers=headers).status_code == 413
    assert client.post("/v1/traces", content=large, headers={"content-type": kind}).status_code == 413
    chunks = iter([large[:MOST], large[:MOST]])  # a length is not told
    assert client.post("/v1/traces", content=chunks, headers={"content-type": kind}).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"content-type": "text/plain"}, {"content-type": "application/grpc"}, {"content-type": ""},
        {"content-type": JSON, "content-encoding": "br"}, {"content-type": JSON, "content-encoding": "gzip, gzip"},
    ],
    ids=str,
)  # fmt: skip
def test_forms_that_are_not_read_are_named(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post("/v1/logs", content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert "is not read here" in answer.text


def test_what_is_cut_off_is_not_sent_again(client: httpx.Client) -> None:
    raw = gzip.compress(as_json(body("traces", recorded("traces", "cut"))))[:-9]
    headers = {"content-type": JSON, "content-encoding": "gzip"}
    assert client.post("/v1/traces", content=raw, headers=headers).status_code == 400
    assert client.post("/v1/traces", content=raw, headers={"content-type": JSON}).status_code == 400
    assert client.post("/v1/traces", content=b"", headers={"content-type": PROTOBUF}).content == b""  # nothing to tell


# Who sends it


def test_only_a_key_that_may_write_is_let_in(running: Running, url: str) -> None:
    reader = key_of(url, "ada@example.org", "reader")
    plain = body("traces", recorded("traces", "not-let-in"))
    for key, status in ((None, 401), ("wrong", 401), (reader, 403)):
        with running.client(key) as guest:
            for signal, prefix in itertools.product(SIGNALS, PREFIXES):
                assert post(guest, signal, plain, prefix=prefix).status_code == status
    with rollbook.open(url, all_users=True) as book:
        assert "not-let-in" not in {session.session_id for session in book.iterate()}


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("way", ["bearer", "x-api-key", "basic", "name of basic"])
def test_r15_the_owner_is_the_keys_user_whoever_is_named(running: Running, url: str, signal: Signal, way: str) -> None:
    user, name = "ada@example.org", f"owned-{signal}-{way}"
    key = key_of(url, user)
    shown = {
        "bearer": bearer(key),
        "x-api-key": {"x-api-key": key},
        "basic": {"authorization": "Basic " + base64.b64encode(f"rollbook:{key}".encode()).decode()},
        "name of basic": {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()},
    }
    said: dict[str, Any] = {
        "user.id": "mallory@example.org",
        "user.email": "mallory@example.org",
        "enduser.id": "mallory@example.org",
    }
    with running.client(None) as guest:
        guest.headers.update(shown[way])
        assert post(guest, signal, body(signal, recorded(signal, name, **said))).status_code == 200
    with rollbook.open(url, all_users=True) as book:
        (found,) = [session for session in book.iterate() if session.session_id == name]
        assert sums(book, name, user_id=found.user_id) == (1, 100, 20)
        assert found.actor == "mallory@example.org"
    with rollbook.open(url, user=user) as book:
        assert book.get(name).user_id == found.user_id


# Once


def held(book: rollbook.Rollbook, *names: str) -> list[Any]:
    """All that a book holds of sessions."""
    return [[rollbook.to_dict(book.get(name)), sorted(map(repr, book.usage(name))), book.trace(name)] for name in names]


def test_redelivery_changes_nothing(client: httpx.Client, book: rollbook.Rollbook) -> None:
    plain = {signal: body(signal, *(recorded(signal, f"again-{signal}", at) for at in (1, 2, 3))) for signal in SIGNALS}
    names = [f"again-{signal}" for signal in SIGNALS]
    for signal in SIGNALS:
        assert post(client, signal, plain[signal]).content == b"{}"
    before = held(book, *names)
    for signal, kind, coding in itertools.product(SIGNALS, (JSON, PROTOBUF), PACKED):
        assert post(client, signal, plain[signal], kind, coding).content == (b"{}" if kind == JSON else b"")
    assert held(book, *names) == before


@pytest.mark.parametrize("signal", ["traces", "metrics"])
def test_many_at_once_that_belong_together_are_all_taken(
    running: Running, book: rollbook.Rollbook, signal: Signal
) -> None:
    """None is told to come again because it was in another's way."""
    name = f"at-once-{signal}"

    async def all_at_once() -> set[int]:
        limits, headers = httpx.Limits(max_connections=MANY), {**bearer(TOKEN), "content-type": PROTOBUF}
        async with httpx.AsyncClient(
            base_url=running.base, headers=headers, limits=limits, timeout=60, verify=PLAIN
        ) as many:
            raw = [as_protobuf(signal, body(signal, recorded(signal, name, each))) for each in range(1, MANY + 1)]
            return {
                answer.status_code
                for answer in await asyncio.gather(*(many.post(f"/v1/{signal}", content=each) for each in raw))
            }

    assert asyncio.run(all_at_once()) == {200}
    if signal == "traces":
        assert sums(book, name) == (MANY, MANY * 100, MANY * 20)


@pytest.mark.parametrize("name", CALLS)
def test_what_real_emitters_sent_comes_to_its_calls(name: str, tmp_path: Path) -> None:
    with asking(tmp_path / "book.db") as server:
        for _ in range(2):
            for path in sorted(FOLDER.glob(f"{name}.*.pb.gz")):
                headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
                where = f"/v1/{path.name.split('.')[2]}"
                answer = server.request("POST", where, content=path.read_bytes(), headers=headers)
                assert (answer.status_code, answer.content) == (200, b"")
        with rollbook.open(tmp_path / "book.db") as book:
            found: dict[str, list[tuple[int, ...]]] = {}
            for row in book.iterate_usage():
                session = "trace:" if row.session_id.startswith("trace:") else row.session_id
                found.setdefault(session, []).append((row.input, row.cache_read, row.output, row.reasoning))
            assert {session: sorted(rows) for session, rows in found.items()} == {
                session: sorted(rows) for session, rows in CALLS[name].items()
            }
            assert book.verify().ok


#: What each request took: input, output, cache reads, cache writes; two of them the same.
USED: Final = [(10, 20, 100, 5), (11, 21, 105, 6), (11, 21, 105, 6)]
DOORS: Final = ("logs", "metrics", "hooks", "transcript")


class Session:
    """A session of Claude Code, as each of its doors tells of it."""

    def __init__(self, name: str, folder: Path, running: Running, client: httpx.Client) -> None:
        self.name = name
        self._running, self._client = running, client
        self._file = folder / "projects" / "-src" / f"{name}.jsonl"
        self._file.parent.mkdir(parents=True)
        self._file.write_text("".join(json.dumps(self._line(place)) + "\n" for place in range(len(USED))))

    def tell(self, door: str) -> None:
        if door == "transcript":  # as it is pushed from the machine on which it is
            with RemoteBook(self._running.base, token=TOKEN) as there:
                report = run_import(there, source("claude-code"), [self._file.parents[1]], content=True, now=NOW)
            assert not report.problems
        elif door == "hooks":
            for event in ({"hook_event_name": "SessionStart", "source": "startup"}, {"hook_event_name": "SessionEnd"}):
                said = {"session_id": self.name, "cwd": "/src", "transcript_path": str(self._file), **event}
                answer = self._client.post("/api/v1/hooks/claude-code", json=said)
                assert (answer.status_code, answer.json()["taken"]) == (200, 1)
        else:
            signal: Signal = "logs" if door == "logs" else "metrics"
            records = self._requests() if door == "logs" else self._sums()
            assert post(self._client, signal, body(signal, *records), PROTOBUF, "gzip").content == b""

    def _line(self, place: int) -> dict[str, Any]:
        took, gave, read, written = USED[place]
        usage = {
            "input_tokens": took, "output_tokens": gave, "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
        }  # fmt: skip
        message = {
            "id": f"msg_{self.name}_{place}", "role": "assistant", "model": MODEL, "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "Done."}], "usage": usage,
        }  # fmt: skip
        return {
            "type": "assistant", "uuid": f"{self.name}-u{place}", "timestamp": f"2025-10-09T08:5{place + 4}:00.000Z",
            "sessionId": self.name, "cwd": "/src", "version": "2.1.0", "isSidechain": False,
            "requestId": f"req_{self.name}_{place}", "message": message,
        }  # fmt: skip

    def _requests(self) -> Iterator[dict[str, Any]]:
        for place, (took, gave, read, written) in enumerate(USED):
            found = recorded(
                "logs", self.name, place, request_id=f"req_{self.name}_{place}", input_tokens=str(took),
                output_tokens=str(gave), cache_read_tokens=str(read), cache_creation_tokens=str(written),
                cost_usd="0.004",
            )  # fmt: skip
            yield {**found, "timeUnixNano": str(NANOS + place * 60 * SECOND)}

    def _sums(self) -> Iterator[dict[str, Any]]:
        kinds = ("input", "output", "cacheRead", "cacheCreation")
        points = [
            {
                "startTimeUnixNano": str(NANOS), "timeUnixNano": str(NANOS + 180 * SECOND), "asInt": str(sum(amounts)),
                "attributes": attributes({"type": kind, "model": MODEL, "session.id": self.name}),
            }
            for kind, amounts in zip(kinds, zip(*USED, strict=True), strict=True)
        ]  # fmt: skip
        counted = {"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": True}
        yield {"name": "claude_code.token.usage", "sum": counted}


@pytest.mark.parametrize("order", list(itertools.permutations(DOORS)), ids="-".join)
def test_r15_a_session_of_claude_code_through_every_door_is_counted_once(
    order: tuple[str, ...], running: Running, client: httpx.Client, book: rollbook.Rollbook, tmp_path: Path
) -> None:
    session = Session("-".join(order), tmp_path / "claude", running, client)
    for door in order:
        session.tell(door)
    once = held(book, session.name)
    assert sums(book, session.name) == (3, sum(a + c + d for a, _, c, d in USED), sum(b for _, b, _, _ in USED))
    assert (once[0][0]["status"], once[0][0]["decided_by"]) == ("completed", "hook")
    assert [turn.content for turn in book.conversation(session.name)] == ["Done."] * 3
    for door in set(order) - {"hooks"}:  # an event comes with no time, so the same again is another one
        session.tell(door)
    assert held(book, session.name) == once
