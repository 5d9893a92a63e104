"""What earlier session stores served is served as they did: bodies, orders of keys, bounds, envelopes (R4, R7 - R9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.ledger.names import guessed
from rollbook.server import seeds
from server.tools import Asking, asking, key_of

LIST: Final = "/api/v1/sessions"
RECORD: Final = [
    "session_id", "user_id", "dataset_id", "status", "started_at", "last_activity_at", "ended_at", "tokens_in",
    "tokens_out", "cost_usd", "error_count", "last_model",
]  # fmt: skip
QA: Final = [
    "time", "question", "context", "answer", "qa_id", "feedback_text", "feedback_score", "used_graph_element_ids",
    "memify_metadata", "used_session_context_ids",
]  # fmt: skip
STEP: Final = [
    "trace_id", "origin_function", "status", "memory_query", "memory_context", "method_params", "method_return_value",
    "error_message", "session_feedback",
]  # fmt: skip
STATS: Final[dict[str, Any]] = {
    "range": "30d", "sessions": 0, "total_spend_usd": 0.0, "avg_spend_per_session_usd": 0.0, "tokens_in": 0,
    "tokens_out": 0, "tokens_total": 0, "agent_time_s": 0.0, "avg_session_s": 0.0, "success_rate": 1.0, "completed": 0,
    "failed": 0, "abandoned": 0, "running": 0,
}  # fmt: skip
AT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")
ME: Final = "00000000-0000-5000-8000-000000000001"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path / "book.db") as made:
        yield made


def first(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The keys that earlier stores gave come first and in their order, with these values."""
    assert dict(list(found.items())[: len(expected)]) == expected
    assert list(found)[: len(expected)] == list(expected)


def test_a_row_of_the_list(served: Asking) -> None:
    call: dict[str, Any] = {"tokens_in": 20, "tokens_out": 5, "cost_usd": 0.25, "model": "gpt-4o", "errored": True}
    served.run(served.book.record_usage("cc_1", **call))
    page = served.json(LIST)
    assert list(page)[:5] == ["sessions", "total", "limit", "offset", "has_more"]
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (1, 50, 0, False)
    (row,) = page["sessions"]
    first(row, {
        "session_id": "cc_1", "user_id": ME, "dataset_id": None, "status": "running", "started_at": row["started_at"],
        "last_activity_at": row["last_activity_at"], "ended_at": None, "tokens_in": 20, "tokens_out": 5,
        "cost_usd": 0.25, "error_count": 1, "last_model": "gpt-4o", "effective_status": "running",
    })  # fmt: skip
    assert AT.fullmatch(row["started_at"])
    assert AT.fullmatch(row["last_activity_at"])


def test_stats_of_nothing(served: Asking) -> None:
    first(served.json(f"{LIST}/stats"), STATS)
    first(served.json(f"{LIST}/stats", range="24h"), {**STATS, "range": "24h"})


def test_cost_by_model(served: Asking) -> None:
    served.run(served.book.record_usage("s", tokens_in=10, tokens_out=5, cost_usd=0.25, model="gpt-4o"))
    served.run(served.book.record_usage("s", tokens_in=10, cost_usd=0.5))
    unknown, named = served.json(f"{LIST}/cost-by-model")
    first(named, {"model": "gpt-4o", "session_count": 1, "cost_usd": 0.25, "tokens_in": 10, "tokens_out": 5})
    assert unknown["model"] == "unknown"  # a call without a model is not lost


def test_an_offset_past_the_end(served: Asking) -> None:
    for name in ("a", "b", "c"):
        served.run(served.book.touch(name))
    page = served.json(LIST, offset=100, limit=2)
    first(page, {"sessions": [], "total": 3, "limit": 2, "offset": 100, "has_more": False})


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"limit": "999"}, "limit"), ({"limit": "0"}, "limit"), ({"limit": "many"}, "limit"),
        ({"offset": "-1"}, "offset"), ({"range": "1y"}, "range"), ({"descending": "perhaps"}, "descending"),
        ({"kind": "odd"}, "kind"), ({"dataset_id": "x"}, "dataset_id"), ({"limit": "null"}, "limit"),
    ],
)  # fmt: skip
def test_what_is_not_acceptable_is_named(served: Asking, asked: dict[str, str], place: str) -> None:
    answer = served.get(LIST, **asked)
    assert answer.status_code == 400
    body = answer.json()
    assert list(body) == ["detail", "body"]
    assert body["body"] is None
    (line,) = body["detail"]
    assert line["type"].endswith("value_error")
    assert line["loc"] == ["query", place]
    assert line["input"] == asked[place]
    assert line["msg"]


def test_an_unknown_column_is_an_error_and_an_unknown_status_nobodys(served: Asking) -> None:
    served.run(served.book.touch("s"))
    answer = served.get(LIST, order_by="colour")
    assert answer.status_code == 400
    assert "last_activity_at" in answer.json()["detail"][0]["msg"]
    assert served.json(LIST, status="sleeping")["total"] == 0
    assert served.json(LIST, status="")["total"] == 1
    assert served.get(LIST, status="sleeping", since="never").status_code == 400


@pytest.mark.parametrize(("word", "up"), [("0", True), ("no", True), ("False", True), ("1", False), ("yes", False)])
def test_truth_is_said_in_many_words(served: Asking, word: str, *, up: bool) -> None:
    for name, tokens in (("little", 1), ("much", 2)):
        served.run(served.book.record_usage(name, tokens_in=tokens))
    found = [row["session_id"] for row in served.json(LIST, order_by="tokens_in", descending=word)["sessions"]]
    assert found == (["little", "much"] if up else ["much", "little"])


def test_pages_by_cursor_hold_everything_once(served: Asking) -> None:
    for number in range(5):
        served.run(served.book.touch(f"s{number}"))
    found, cursor = [], None
    while True:
        page = served.json(LIST, limit=2, **({} if cursor is None else {"cursor": cursor}))
        found += [row["session_id"] for row in page["sessions"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(found) == [f"s{number}" for number in range(5)]
    assert served.get(LIST, cursor="nonsense").status_code == 400


def test_filters(served: Asking) -> None:
    dataset = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    served.run(served.book.touch(
        "one", kind="autonomous", channel="slack", agent="codex", project="p", dataset_id=dataset, tags=["t"],
        title="Red",
    ))  # fmt: skip
    served.run(served.book.record_usage("two", tokens_in=1, model="m"))
    for asked in (
        {"kind": "autonomous"}, {"channel": "slack"}, {"agent": "codex"}, {"project": "p"}, {"dataset_id": dataset},
        {"dataset_id": dataset.replace("-", "")}, {"tag": "t"}, {"text": "red"}, {"since": "1h", "agent": "codex"},
        {"since": "2020-01-01T00:00:00Z", "tag": "t"},
    ):  # fmt: skip
        assert [row["session_id"] for row in served.json(LIST, **asked)["sessions"]] == ["one"], asked
    assert [row["session_id"] for row in served.json(LIST, model="m")["sessions"]] == ["two"]
    assert served.json(LIST, since="2999-01-01T00:00:00Z")["total"] == 0
    assert served.json(LIST, since="2h", until="1h")["total"] == 0
    assert served.json(f"{LIST}/stats", since="2h", until="1h")["range"] == "2h/1h"
    assert served.json(f"{LIST}/cost-by-model", until="1h") == []
    assert served.json(f"{LIST}/cost-by-user-agent", until="1h") == []
    assert len(served.json(f"{LIST}/cost-by-user-agent", until="2999-01-01T00:00:00Z")) == 2
    assert served.json("/api/v1/spend", by="model", until="2h")["rows"] == []
    assert served.json("/api/v1/spend/series", by="hour", until="2h")["lines"] == []
    for path in (LIST, f"{LIST}/stats", "/api/v1/spend"):
        assert served.get(path, since="1h", until="2h").status_code == 400
    assert served.json(LIST, user_id="nobody@example.com")["total"] == 0
    row = served.json(LIST, agent="codex")["sessions"][0]
    assert row["dataset_id"] == dataset


def test_the_detail(served: Asking) -> None:
    book = served.book
    served.run(book.add_qa("s", question="", answer="uploaded"))
    served.run(book.add_qa(
        "s", question="é" * 130, answer="yes", feedback_score=5, used_graph_element_ids={"node_ids": ["n"]},
    ))  # fmt: skip
    for number in range(25):
        served.run(book.add_trace_step("s", origin_function=f"f{number}", method_params={"a": 1}, duration_s=0.5))
    found = served.json(f"{LIST}/s")
    assert list(found)[:18] == [*RECORD, "effective_status", "label", "msg_count", "tool_calls", "qas", "traces"]
    assert found["label"] == "é" * 120
    assert (found["msg_count"], found["tool_calls"]) == (2, 25)
    assert [list(qa) for qa in found["qas"]] == [QA, QA]
    assert found["qas"][1]["used_graph_element_ids"] == {"node_ids": ["n"]}
    assert found["qas"][0]["context"] == ""
    assert AT.fullmatch(found["qas"][0]["time"])
    assert [step["origin_function"] for step in found["traces"]] == [f"f{number}" for number in range(5, 25)]
    assert list(found["traces"][0])[:9] == STEP
    assert found["traces"][0]["duration_s"] == 0.5


def test_a_label_without_questions_is_what_the_first_step_was_of(served: Asking) -> None:
    served.run(served.book.touch("silent"))
    assert served.json(f"{LIST}/silent")["label"] is None
    served.run(served.book.add_trace_step("busy", origin_function="f" * 200))
    assert served.json(f"{LIST}/busy")["label"] == "f" * 200


@pytest.mark.parametrize("name", ["none", "a%2Fb"])
def test_what_is_not_there_is_not_found(served: Asking, name: str) -> None:
    answer = served.get(f"{LIST}/{name}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "session not found"})


@pytest.mark.parametrize("name", ["stats", "cost-by-model", "with-agent-info", "a/b", "..", "ä b", "%2F", "a?b#c"])
def test_any_id_can_be_reached(served: Asking, name: str) -> None:
    served.run(served.book.touch(name))
    assert served.json("/api/v1/session", session_id=name)["session_id"] == name
    if name not in ("stats", "cost-by-model", "with-agent-info"):
        path = "".join(f"%{byte:02X}" for byte in name.encode())
        assert served.json(f"{LIST}/{path}")["session_id"] == name


def test_one_id_of_two_users_is_told_apart_by_its_user(served: Asking) -> None:
    for user in ("ada@example.com", "bob@example.com"):
        served.run(served.book.add_qa("same", question=f"of {user}", answer="x", user_id=user))
    for user in ("ada@example.com", "bob@example.com"):
        found = served.json("/api/v1/session", session_id="same", user_id=user)
        assert [qa["question"] for qa in found["qas"]] == [f"of {user}"]
        assert served.json(f"{LIST}/same", user_id=user)["user_id"] == found["user_id"]
    assert served.get("/api/v1/session", session_id="same", user_id="eve@example.com").status_code == 404


def test_contents_are_the_owners_and_what_is_hidden_is_not_there(tmp_path: Path) -> None:
    dataset = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    with rollbook.open(tmp_path / "book.db", user="ada@example.com") as book:
        book.touch("shared", dataset_id=dataset)
        book.add_qa("shared", question="whose?", answer="Ada's")
        book.touch("private")
    key = key_of(tmp_path / "book.db", "bob@example.com", "reader", datasets=[dataset])
    with asking(tmp_path / "book.db") as served:
        assert served.json(f"{LIST}/shared", key=key)["qas"][0]["answer"] == "Ada's"
        assert [row["session_id"] for row in served.json(LIST, key=key)["sessions"]] == ["shared"]
        assert served.get(f"{LIST}/private", key=key).json() == {"detail": "session not found"}


def test_a_damaged_journal_hides_nothing_of_the_record(served: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    served.run(served.book.add_qa("s", question="q", answer="a"))

    async def damaged(*_: Any, **__: Any) -> Any:
        raise rollbook.StoreError("damaged")

    monkeypatch.setattr(type(served.book), "outline", damaged)
    found = served.json(f"{LIST}/s")
    assert (found["qas"], found["traces"], found["msg_count"], found["contents_readable"]) == ([], [], 0, False)


def test_sessions_with_what_drives_them(served: Asking) -> None:
    book = served.book
    served.run(book.touch("a", agent="claude-code", channel="cli", title="t"))
    for name in ("cc_x", "run-CODEX-1", "z"):
        served.run(book.touch(name))
    page = served.json(f"{LIST}/with-agent-info")
    assert list(page)[:5] == ["sessions", "total", "limit", "offset", "has_more"]
    rows = {row["session_id"]: row for row in page["sessions"]}
    assert list(rows["a"])[:17] == [
        *RECORD, "effective_status", "agent_type", "agent_source", "agent_session_name", "origin_function",
    ]  # fmt: skip
    assert [rows["a"][name] for name in list(rows["a"])[13:17]] == ["claude_code", "cli", "t", None]
    assert {name: row["agent_type"] for name, row in rows.items()} == {
        "a": "claude_code", "cc_x": "claude_code", "run-CODEX-1": "codex", "z": "unknown",
    }  # fmt: skip


def test_cost_by_user_and_agent(served: Asking) -> None:
    book = served.book
    served.run(book.touch("a", agent="my-bot", user_id="ada@example.com"))
    served.run(book.record_usage("a", tokens_in=2, tokens_out=1, cost_usd=1.00000049, user_id="ada@example.com"))
    served.run(book.record_usage("slack-7", tokens_in=2, cost_usd=2))
    found = served.json(f"{LIST}/cost-by-user-agent")
    first(found[0], {
        "user_id": ME, "user_email": "unknown", "agent_type": "slack", "session_count": 1, "tokens_in": 2,
        "tokens_out": 0, "tokens_total": 2, "cost_usd": 2.0,
    })  # fmt: skip
    first(found[1], {
        "user_id": found[1]["user_id"], "user_email": "ada@example.com", "agent_type": "my_bot", "session_count": 1,
        "tokens_in": 2, "tokens_out": 1, "tokens_total": 3, "cost_usd": 1.0,
    })  # fmt: skip
    assert served.json(f"{LIST}/cost-by-user-agent", user_id="nobody@example.com") == []


IDS: Final = ("cc_1", "CC_1", "xcc_1", "a-claude-b", "Claude", "codex", "my-slack", "MCP", "slack codex", "ccc_", "é")


def test_what_an_id_says_of_its_agent_is_the_same_in_sums_and_rows(served: Asking) -> None:
    """The one rule stands in Python for rows and in SQL for sums."""
    for name in IDS:
        served.run(served.book.touch(name))
    sums = {row["agent_type"]: row["session_count"] for row in served.json(f"{LIST}/cost-by-user-agent")}
    expected: dict[str, int] = {}
    for name in IDS:
        kind = guessed(name).replace("-", "_")
        expected[kind] = expected.get(kind, 0) + 1
    assert sums == expected


def test_without_a_key_nobody_is_told_anything(served: Asking) -> None:
    for path in (LIST, f"{LIST}/stats", f"{LIST}/s", f"{LIST}/with-agent-info"):
        answer = served.get(path, key=None)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


def test_a_failure_has_the_name_that_clients_know(served: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("nobody foresaw it")

    def broken_plan(*_: Any, **__: Any) -> Any:
        raise RuntimeError("nobody foresaw it")

    monkeypatch.setattr(type(served.book._plans), "lines", broken_plan)
    monkeypatch.setattr(type(served.book), "stats", broken)
    monkeypatch.setattr(type(served.book), "cost_by_agent", broken)
    for path, name in (("", "list"), ("/with-agent-info", "list"), ("/stats", "stats"),
                       ("/cost-by-user-agent", "aggregation")):  # fmt: skip
        answer = served.get(f"{LIST}{path}")
        assert (answer.status_code, answer.json()) == (500, {"error": f"{name} failed"})


def test_unknown_parameters_are_passed_over(served: Asking) -> None:
    assert served.json(LIST, theme="dark")["total"] == 0


def test_answers_are_what_they_are_described_as() -> None:
    assert list(seeds.Detail.__struct_fields__)[:12] == RECORD
