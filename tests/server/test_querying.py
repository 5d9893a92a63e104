"""R6, R7: queries over HTTP, and what a box that completes them is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from server.tools import Asking, asking, key_of

LIST: Final = "/api/v1/sessions"
SECRET: Final = "00000000-0000-0000-0000-0000000000d1"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path / "book.db") as made:
        told: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
            ("one", {"agent": "codex", "title": "Mend it", "tags": ["bug"]}, {"model": "gpt-5", "cost_usd": 7}),
            ("two", {"agent": "claude-code", "project": "/srv/shop"}, {"model": "claude-x", "cost_usd": 1}),
            ("three", {"agent": "claude-code", "user_id": "ann"}, {"model": "claude-y", "tokens_in": 5}),
        )
        for name, facts, call in told:
            whose = {"user_id": facts.pop("user_id")} if "user_id" in facts else {}
            made.run(made.book.touch(name, **facts, **whose))
            made.run(made.book.record_usage(name, **call, **whose))
        yield made


def _found(served: Asking, query: str, **more: Any) -> list[str]:
    page = served.json(LIST, query=query, **more)
    return sorted(one["session_id"] for one in page["sessions"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["one", "three", "two"]),
        ("cost>5", ["one"]),
        ("agent:claude* model:*-x", ["two"]),
        ("-tag:bug unpriced:no", ["two"]),
        ("user:ann", ["three"]),
        ('"mend it"', ["one"]),
        ("parent:none status:running since:1h", ["one", "three", "two"]),
    ],
)
def test_a_query_of_the_list(served: Asking, query: str, found: list[str]) -> None:
    assert _found(served, query) == found
    drivers = served.json(f"{LIST}/with-agent-info", query=query)
    assert sorted(one["session_id"] for one in drivers["sessions"]) == found


def test_a_query_beside_filters_and_with_a_cursor(served: Asking) -> None:
    assert _found(served, "cost<5", agent="claude-code") == ["two"]
    page = served.json(LIST, query="calls:1", limit=2)
    assert (page["total"], page["has_more"]) == (3, True)
    rest = served.json(LIST, query="calls:1", limit=2, cursor=page["next_cursor"])
    assert len(rest["sessions"]) == 1


def test_a_query_that_cannot_be_read_says_where(served: Asking) -> None:
    answer = served.get(LIST, query="status:failed modle:x")
    assert answer.status_code in (400, 422)
    assert "at character 15: there is no field 'modle'" in answer.text


def test_an_export_by_a_query(served: Asking) -> None:
    (line,) = served.get("/api/v1/export", what="sessions", query="cost>5").text.splitlines()
    assert '"one"' in line


def test_the_fields_and_what_occurs(served: Asking) -> None:
    fields = {one["name"]: one for one in served.json(f"{LIST}/fields")["fields"]}
    assert fields["status"]["values"] == ["running", "completed", "failed", "cancelled", "unknown", "abandoned"]
    assert fields["agent"]["values"] == ["claude-code", "codex", "none"]
    assert fields["model"]["values"] == ["claude-x", "claude-y", "gpt-5"]
    assert fields["tag"]["values"] == ["bug", "none"]
    assert "ann" in fields["user"]["values"]
    assert fields["cost"]["signs"] == [":", ">=", "<=", ">", "<"]


def test_r6_what_occurs_is_what_may_be_seen(tmp_path: Path, served: Asking) -> None:
    key = key_of(tmp_path / "book.db", "ann", "reader")
    told = served.get(f"{LIST}/fields", key=key).text
    fields = {one["name"]: one for one in served.json(f"{LIST}/fields", key=key)["fields"]}
    assert (fields["agent"]["values"], fields["model"]["values"]) == (["claude-code", "none"], ["claude-y"])
    assert fields["user"]["values"] == ["ann"]
    assert not any(hidden in told for hidden in ("codex", "gpt-5", "/srv/shop", "bug"))
    assert served.json(LIST, key=key, query="agent:*")["total"] == 1


def test_a_range_that_began_before_the_calendar_is_all_time(served: Asking) -> None:
    for path in (f"{LIST}/cost-by-model", "/api/v1/spend/series"):
        asked = {"tz": "Europe/Berlin", "by": "day"}
        assert served.json(path, since="999999d", **asked) == served.json(path, since="all", **asked)
