"""R3 over HTTP: calls are metered one by one and many at once, each exactly once, and a bad one is refused alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .tools import Asking, asking, key_of

ONE = "/api/v1/sessions/s/usage"
ALL = "/api/v1/usage"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path / "book.db") as made:
        yield made
        assert made.run(made.book.verify()).ok


def told(server: Asking, path: str, body: Any, status: int = 200, **said: Any) -> Any:
    answer = server.request("POST", path, json=body, **said)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_one_call_is_counted_once(server: Asking) -> None:
    call = {"model": "gpt-4o", "tokens_in": 10, "tokens_out": 2, "cost_usd": 0.25, "usage_id": "u1"}
    assert told(server, ONE, call) == {"usage_id": "u1", "outcome": "counted"}
    assert told(server, ONE, call) == {"usage_id": "u1", "outcome": "duplicate"}
    assert told(server, ALL, call | {"session_id": "s"}) == {"usage_id": "u1", "outcome": "duplicate"}
    session = server.run(server.book.get("s"))
    assert (session.calls, session.tokens_in, session.tokens_out, session.cost_usd) == (1, 10, 2, 0.25)


def test_a_call_without_an_id_is_told_under_which_it_counts(server: Asking) -> None:
    first, second = told(server, ONE, {"tokens": {"output": 3, "reasoning": 4}}), told(server, ONE, {})
    assert first["usage_id"] != second["usage_id"]
    assert told(server, ONE, {"usage_id": first["usage_id"]})["outcome"] == "duplicate"
    assert server.run(server.book.get("s")).tokens_out == 7


def test_a_bad_call_among_others_is_refused_alone(server: Asking) -> None:
    body = [
        {"session_id": "s", "usage_id": "1", "tokens_in": 1},
        {"session_id": "s", "usage_id": "2", "tokens_in": -1},
        {"usage_id": "3"},
        5,
        {"session_id": "t", "usage_id": "4", "occurred_at": "1990-01-01T00:00:00+00:00"},
        {"session_id": "t", "usage_id": "1"},
        {"session_id": "t", "usage_id": "5", "cost_usd": "lots"},
        {"session_id": "t", "usage_id": "6", "tokens": {"input": 1}, "tokens_in": 1},
        {"session_id": "t", "usage_id": "7", "user_id": "somebody else"},
    ]
    results = told(server, ALL, body)["results"]
    assert [each.get("outcome") for each in results] == ["counted", *[None] * 4, "duplicate", None, None, "counted"]
    errors = [each["error"] for each in results if "error" in each]
    assert {error["status"] for error in errors} == {400}
    assert "1990" in errors[3]["detail"]
    assert server.run(server.book.get("s")).calls == 1


def test_where_none_is_taken_the_status_is_that_of_the_first(server: Asking, tmp_path: Path) -> None:
    assert told(server, ALL, [{"nothing": 1}, 5], 400)["results"][1]["error"]["status"] == 400
    writer = key_of(tmp_path / "book.db", "ann")
    body = [{"session_id": "s", "user_id": "bob"}, {"session_id": "s", "user_id": "bob", "tokens_in": -1}]
    assert [each["error"]["status"] for each in told(server, ALL, body, 403, key=writer)["results"]] == [403, 400]
    assert told(server, ALL, []) == {"results": []}
    assert server.json("/api/v1/sessions")["total"] == 0


def test_calls_of_another_session_have_no_place_in_a_path(server: Asking) -> None:
    results = told(server, ONE, [{"session_id": "t"}, {"session_id": "s"}, {}])["results"]
    assert [each.get("outcome") for each in results] == [None, "counted", "counted"]


def test_a_call_of_a_deleted_session_is_spend_alone(server: Asking) -> None:
    told(server, ONE, {"cost_usd": 1})
    server.request("DELETE", "/api/v1/sessions/s")
    assert told(server, ONE, {"cost_usd": "2.50"})["outcome"] == "late"
    assert server.request("GET", "/api/v1/sessions/s").status_code == 404
    assert server.run(server.book.spend(since="all")).total.cost_usd == 3.5


@pytest.mark.parametrize("body", [b"", b"null", b"5", b'"x"', b'{"session_id":1}', b"[1", b'[{"session_id":"\xff"}]'])
def test_what_is_no_call_has_the_envelope(server: Asking, body: bytes) -> None:
    answer = server.request("POST", ALL, content=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"][0]) == (400, "body")
