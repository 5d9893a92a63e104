"""Times at both ends of the calendar, and words that are none: refused or answered, on every way into a server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

import rollbook
from rollbook.server import routes

from .tools import Asking, asking, url_of

#: As text, in queries and in bodies.
TEXTS: Final = (
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999-12:00",
    "9999-12-31T23:59:59+14:00", "9999-12-31T00:00:00-23:59", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00-12:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
    "2016-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00-00:00",
    "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00.1234567891234567Z", "2026-01-01", "2026-W01-1",
    "20260101T000000Z",
    "1969-12-31T23:59:59Z", "1999-12-31T23:59:59.999999Z", "2000-01-01T00:00:00Z", "now", "-1", "1e300", "9" * 400,
    "253402300799", "253402300800", "-62135596801", "0", "nan", "inf", "-inf",
)  # fmt: skip
SPANS: Final = ("0d", "1h", "99999999d", "9" * 30 + "d", "-1d", "1.5d", "all", "1w", "")
#: As JSON numbers, in bodies.
NUMBERS: Final = (
    0, -1, -0.0, 0.5, 1e300, -1e300, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 253402300799, 253402300800,
    253402300799.9999999, -62135596800, -62135596801,
)  # fmt: skip
NOW: Final = 1_780_000_000 * 10**9  #: nanoseconds
ZONES: Final = ("UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu", "America/St_Johns")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    path = tmp_path_factory.mktemp("edges") / "book.db"
    with rollbook.open(url_of(path)) as book:
        book.record_usage("s", model="gpt-4o", tokens_in=5, usage_id="u")
        book.add_qa("s", question="old words", answer="a")
    with asking(path) as asked:
        yield asked


def well(ask: Asking, method: str, path: str, **said: Any) -> None:
    """What is asked for is answered, or refused with a word on what is wrong."""
    answer = ask.request(method, path, **said)
    assert answer.status_code < 500, (method, path, said, answer.text)
    if answer.status_code >= 400:
        assert answer.status_code == 400, (method, path, said, answer.text)
        assert answer.json()["detail"], (method, path, said)


def timed() -> list[tuple[str, str]]:
    """Every GET that takes a range, and by which parameters."""
    found: list[tuple[str, str]] = []
    for route in routes.ROUTES:
        if route.method == "GET" and "{" not in route.path and "since" in getattr(route.takes, "__struct_fields__", ()):
            found += [(route.path, name) for name in ("since", "until") if name in route.takes.__struct_fields__]
    return found


def test_the_ways_that_take_a_range_are_known() -> None:
    assert {"/api/v1/sessions", "/api/v1/spend", "/api/v1/spend/series", "/api/v1/search", "/api/v1/export"} <= {
        path for path, _ in timed()
    }


@pytest.mark.parametrize(("path", "name"), timed())
def test_ranges(ask: Asking, path: str, name: str) -> None:
    more = {"text": "old"} if path.endswith("search") else {"what": "usage"} if path.endswith("export") else {}
    for value in (*TEXTS, *SPANS):
        well(ask, "GET", path, params={name: value, **more})


@pytest.mark.parametrize("path", ["/api/v1/spend", "/api/v1/spend/series"])
@pytest.mark.parametrize("by", ["day", "hour"])
def test_ranges_in_far_zones(ask: Asking, path: str, by: str) -> None:
    for zone, value, name in itertools.product(ZONES, TEXTS[:8], ("since", "until")):
        well(ask, "GET", path, params={"tz": zone, name: value, "by": by})
    for zone in ("", "Nowhere/Else", "../etc", "a" * 64, "UTC\x00"):
        well(ask, "GET", path, params={"tz": zone, "by": by})


def test_times_in_the_language_of_queries(ask: Asking) -> None:
    for value in (*TEXTS, *SPANS):
        for query in (f'started:"{value}"', f"active>{value}", f"ended<={value}"):
            well(ask, "GET", "/api/v1/sessions", params={"query": query})


BODIES: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/sessions": {"session_id": "t"},
    "/api/v1/sessions/t/touch": {},
    "/api/v1/sessions/e/end": {"status": "completed"},
    "/api/v1/sessions/e/reopen": {},
    "/api/v1/sessions/t/qa": {"question": "q", "answer": "a"},
    "/api/v1/sessions/t/messages": {"role": "user", "content": "c"},
    "/api/v1/sessions/t/trace": {"origin_function": "f", "status": "success"},
    "/api/v1/sessions/t/streams/own": {"entries": [1]},
}


@pytest.mark.parametrize("path", BODIES)
def test_times_in_bodies(ask: Asking, path: str) -> None:
    for name in ("at", "started_at") if path.endswith("trace") else ("at",):
        for value in (*TEXTS, *NUMBERS):
            well(ask, "POST", path, json={**BODIES[path], name: value})


def test_times_of_calls_and_keys(ask: Asking) -> None:
    for value in (*TEXTS, *NUMBERS):
        well(ask, "POST", "/api/v1/usage", json={"session_id": "t", "tokens_in": 1, "occurred_at": value})
        well(ask, "POST", "/api/v1/sessions/t/usage", json={"tokens_in": 1, "occurred_at": value})
        well(ask, "POST", "/api/v1/keys", json={"user": "ann", "role": "reader", "expires_at": value})
    for value in NUMBERS:
        body = {"origin_function": "f", "status": "success", "duration_s": value}
        well(ask, "POST", "/api/v1/sessions/t/trace", json=body)


def test_positions_that_nobody_gave_out(ask: Asking) -> None:
    """Cursors, and places in feeds, that are out of all numbers."""
    page = ask.json("/api/v1/sessions/s/timeline", limit=1)
    for value in (*TEXTS, *map(str, NUMBERS), page.get("next") or "x"):
        well(ask, "GET", "/api/v1/sessions", params={"cursor": value})
        well(ask, "GET", "/api/v1/sessions/s/timeline", params={"after": value})


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_nanoseconds_of_telemetry(ask: Asking, signal: str) -> None:
    told = {"traces": spans, "logs": logs, "metrics": points}[signal]
    edges = (0, 1, -1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 946_684_799_999_999_999, 253402300799 * 10**9)
    for first, last in (*zip(edges, edges, strict=True), *itertools.product(edges, (0, NOW)), (NOW, 2**64 - 1)):
        for shown in (str, int):
            well(ask, "POST", f"/v1/{signal}", json=told(shown(first), shown(last)))
    odd: tuple[Any, ...] = ("now", "1e18", "", 1.5, None, [], True)
    for each in odd:
        well(ask, "POST", f"/v1/{signal}", json=told(each, each))


def attributes(**said: str) -> list[dict[str, Any]]:
    return [{"key": name.replace("__", "."), "value": {"stringValue": value}} for name, value in said.items()]


def spans(first: Any, last: Any) -> dict[str, Any]:
    event = {"timeUnixNano": last, "name": "gen_ai.user.message", "attributes": attributes(content="c")}
    span = {
        "traceId": uuid4().hex, "spanId": uuid4().hex[:16], "name": "chat",
        "startTimeUnixNano": first, "endTimeUnixNano": last,
        "attributes": attributes(gen_ai__operation__name="chat", session__id="o"), "events": [event],
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def logs(first: Any, last: Any) -> dict[str, Any]:
    said = attributes(event__name="claude_code.api_request", session__id="o", model="m", input_tokens="5")
    said += [{"key": "event.timestamp", "value": {"stringValue": str(last)}}]
    record = {"timeUnixNano": first, "observedTimeUnixNano": last, "attributes": said}
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


def points(first: Any, last: Any) -> dict[str, Any]:
    point = {
        "startTimeUnixNano": first, "timeUnixNano": last, "asInt": "5",
        "attributes": attributes(session__id="o", type="input", model="m"),
    }  # fmt: skip
    total = {"dataPoints": [point], "aggregationTemporality": 1, "isMonotonic": True}
    metric = {"name": "claude_code.token.usage", "sum": total}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def test_hooks(ask: Asking) -> None:
    for value in (*TEXTS, *NUMBERS):
        event = {
            "hook_event_name": "SessionStart",
            "session_id": "h",
            "source": "startup",
            "timestamp": value,
            "at": value,
        }
        well(ask, "POST", "/api/v1/hooks/claude-code", content=json.dumps(event).encode())


def test_retention(ask: Asking) -> None:
    for value, name in itertools.product((*SPANS, *TEXTS), ("sessions", "content", "ledger")):
        well(ask, "GET", "/api/v1/retention", params={name: value})


def test_all_that_was_taken_can_be_read(ask: Asking) -> None:
    """What is refused is refused before it is kept: nothing of it stands in the way of what is asked later."""
    paths = ["/api/v1/keys", "/api/v1/sessions", "/api/v1/spend?since=all", "/api/v1/verify", "/api/v1/search?text=c"]
    paths += [f"/api/v1/export?what={what}&format=jsonl" for what in ("usage", "sessions", "content")]
    for session in ask.json("/api/v1/sessions", limit=500)["sessions"]:
        below = f"/api/v1/sessions/{session['session_id']}"
        paths += [
            f"{below}{each}" for each in ("", "/usage", "/qa", "/trace", "/conversation", "/timeline", "/streams")
        ]
    for path in paths:
        assert ask.request("GET", path).status_code == 200, path
    assert ask.json("/api/v1/verify")["ok"]
