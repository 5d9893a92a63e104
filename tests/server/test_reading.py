"""What is read of sessions over HTTP is what the book answers; what is not visible is not there (R6)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

import rollbook
from rollbook import to_dict
from rollbook.ledger import exports
from rollbook.server import openapi
from rollbook.server.reading import ROUTES as READING
from server import tools
from server.tools import Asking, asking, key_of

ONE: Final = "/api/v1/sessions/s"


def fill(path: Path) -> None:
    with rollbook.open(path) as book:
        for number in range(3):
            book.record_usage("s", tokens_in=number + 1, cost_usd=0.5, model="m", usage_id=f"u{number}")
        book.touch("child", parent="s")
        book.record_usage("child", tokens_in=7, cost_usd=1)
        book.add_qa("s", question="why?", answer="because", qa_id="q/1")
        book.add_qa("s", question="how?", answer="so", context="c")
        book.add_trace_step("s", origin_function="look", trace_id="t1")
        book.add_message("s", role="system", content="be kind")
        book.set_state("s", values={"k/1": {"deep": [1, 2**70]}})
        book.set_graph_context("s", "a graph")
        book.append("s", "own", entries=[{"n": number} for number in range(5)], ids=[f"e{n}" for n in range(5)])
        book.set_state(None, values={"mine": [1]})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that tests read, and make keys in."""
    path = tmp_path_factory.mktemp("reading") / "book.db"
    fill(path)
    return path


@pytest.fixture(scope="module")
def served(filled: Path) -> Iterator[Asking]:
    with asking(filled) as made:
        yield made


def test_what_is_answered_is_what_the_book_answers(served: Asking) -> None:
    book, run = served.book, served.run
    assert served.json(f"{ONE}/usage")["usage"] == to_dict(run(book.usage("s")))
    assert served.json(f"{ONE}/children")["sessions"] == to_dict(run(book.children("s")))
    assert served.json(f"{ONE}/tree")["branches"] == to_dict(run(book.tree("s")))
    assert served.json(f"{ONE}/inclusive") == to_dict(run(book.inclusive("s")))
    assert served.json(f"{ONE}/conversation")["messages"] == to_dict(run(book.conversation("s")))
    assert served.json(f"{ONE}/qa")["qas"] == to_dict(run(book.qa("s")))
    assert served.json(f"{ONE}/qa/q%2F1") == to_dict(run(book.get_qa("s", "q/1")))
    assert served.json(f"{ONE}/trace")["steps"] == to_dict(run(book.trace("s")))
    assert served.json(f"{ONE}/history") == {
        "messages": run(book.history("s")), "text": run(book.history_text("s")),
    }  # fmt: skip
    assert served.json(f"{ONE}/history", context="no")["text"] == run(book.history_text("s", context=False))
    assert served.json(f"{ONE}/graph-context") == {"context": "a graph"}
    assert served.json(f"{ONE}/state")["values"] == run(book.all_state("s"))
    assert served.json(f"{ONE}/state/k%2F1") == {"key": "k/1", "value": {"deep": [1, 2**70]}}
    assert served.json(f"{ONE}/streams")["heads"] == to_dict(run(book.heads("s")))
    assert served.json(f"{ONE}/streams/own")["entries"] == to_dict(run(book.entries("s", "own")))
    assert served.json(f"{ONE}/streams/own/e3") == to_dict(run(book.entry("s", "own", "e3")))
    assert served.json(f"{ONE}/instance")["instance"] is None
    assert served.json("/api/v1/state")["values"] == {"mine": [1]}
    assert served.json("/api/v1/state/mine") == {"key": "mine", "value": [1]}
    assert served.json("/api/v1/spend", by="model", tz="Europe/Vienna") == to_dict(
        run(book.spend(by="model", since="30d", tz="Europe/Vienna"))
    )
    assert served.json("/api/v1/spend/series", by="hour", stack="agent", since="all") == to_dict(
        run(book.spend_series(by="hour", stack="agent", since="all"))
    )
    assert served.json("/api/v1/search", text="because")["found"] == to_dict(run(book.search("because")))


def test_portions(served: Asking) -> None:
    rows = served.json(f"{ONE}/usage", limit=2)
    assert ([row["usage_id"] for row in rows["usage"]], rows["has_more"]) == (["u0", "u1"], True)
    assert served.json(f"{ONE}/usage", limit=3)["has_more"] is False
    page = served.json(f"{ONE}/streams/own", last_n=2)["entries"]
    assert [entry["entry_id"] for entry in page] == ["e3", "e4"]
    page = served.json(f"{ONE}/streams/own", last_n=2, before="e3")["entries"]
    assert [entry["entry_id"] for entry in page] == ["e1", "e2"]
    assert served.json(f"{ONE}/qa", last_n=0) == {"qas": []}
    assert served.get(f"{ONE}/qa", last_n=-1).status_code == 400
    assert served.get(f"{ONE}/streams/own", before="e9").status_code == 404


PATHS: Final = sorted(
    {route.path.format(session_id="s", qa_id="q%2F1", key="k%2F1", stream="own", entry_id="e1") for route in READING}
)


@pytest.mark.parametrize("path", PATHS)
def test_what_a_stranger_asks_for_is_not_there(served: Asking, path: str, filled: Path) -> None:
    key = key_of(filled, "eve@example.com", "reader")
    assert served.get(path, key=None).status_code == 401
    answer = served.get(path, key=key)
    if path.endswith("/api/v1/state"):
        assert answer.json() == {"values": {}}
    else:
        assert answer.status_code == 404, answer.text
        assert "because" not in answer.text
    owner = served.get(path, key=key, user_id=served.book.user_id)
    assert owner.status_code in (200, 404)
    assert "be kind" not in owner.text
    assert "deep" not in owner.text


def test_who_asks(served: Asking, filled: Path) -> None:
    dataset = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    key = key_of(filled, "ada@example.com", "reader", datasets=[dataset])
    me = served.json("/api/v1/me", key=key)
    assert (me["user_name"], me["role"], me["everybody"]) == ("ada@example.com", "reader", False)
    assert me["reads"] == [dataset]
    assert key not in json.dumps(me)
    local = served.json("/api/v1/me")
    assert (local["role"], local["everybody"], local["key_id"]) == ("admin", True, None)


# Exports


def test_an_export_is_everything_that_fits(served: Asking) -> None:
    lines = [json.loads(line) for line in served.get("/api/v1/export").text.splitlines()]
    assert sorted(line["usage_id"] for line in lines if line["session_id"] == "s") == ["u0", "u1", "u2"]
    assert lines[0] == to_dict(served.run(served.book.usage(lines[0]["session_id"])))[0]
    answer = served.get("/api/v1/export", what="sessions", format="csv", text="child")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "rollbook-sessions.csv" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["session_id"] == "child"
    contents = [json.loads(line) for line in served.get("/api/v1/export", what="content").text.splitlines()]
    assert {line["stream"] for line in contents} == {"qa", "trace", "messages", "own"}
    assert served.get("/api/v1/export", agent="nobody").text == ""


@pytest.mark.parametrize("asked", [{"what": "secrets"}, {"format": "xlsx"}, {"since": "whenever"}, {"kind": "odd"}])
def test_a_wrong_export_is_refused_before_anything_is_sent(served: Asking, asked: dict[str, str]) -> None:
    answer = served.get("/api/v1/export", **asked)
    assert (answer.status_code, answer.json()["body"]) == (400, None)


def test_an_export_holds_what_whoever_asks_may_see(served: Asking, filled: Path) -> None:
    key = key_of(filled, "eve@example.com", "reader")
    for what in ("usage", "sessions", "content"):
        assert served.get("/api/v1/export", key=key, what=what).text == ""


def test_an_export_comes_in_steps_and_breaks_off_where_it_fails(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked sees that the end is missing, since the last part never comes."""
    steps: list[int] = []
    real = rollbook.aio.AsyncRollbook.extract

    async def few(self: Any, **asked: Any) -> exports.Extract:
        if len(steps) == 2:
            raise rollbook.StoreError("the disk is gone")
        found: exports.Extract = await real(self, **{**asked, "limit": 1})
        steps.append(len(found.rows))
        return found

    monkeypatch.setattr(rollbook.aio.AsyncRollbook, "extract", few)
    with tools.served(filled) as running, running.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/api/v1/export")
        assert steps == [1, 1]
        assert client.get("/api/v1/me").status_code == 200


def test_an_export_ends_when_its_key_is_revoked(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(filled, "ada@example.com", "admin")
    real = rollbook.aio.AsyncRollbook.extract
    with tools.served(filled) as running, running.client(key) as client:

        async def slow(self: Any, **asked: Any) -> exports.Extract:
            if asked["after"] is not None:
                await running.server.book.revoke_key(key.split("_")[1])
                running.server.doorkeeper.forget()
            return await real(self, **{**asked, "limit": 1})

        monkeypatch.setattr(rollbook.aio.AsyncRollbook, "extract", slow)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/api/v1/export")


# The description


def test_the_description_is_sent_once(served: Asking) -> None:
    answer = served.get("/openapi.json", key=None)
    assert answer.json()["openapi"] == "3.1.0"
    again = served.request("GET", "/openapi.json", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert openapi.written()[0] == answer.content


def test_names_of_operations_are_their_own(served: Asking) -> None:
    paths = served.json("/openapi.json")["paths"]
    names = [operation["operationId"] for item in paths.values() for operation in item.values()]
    assert len(names) == len(set(names))


def test_the_page_needs_nobody_else(served: Asking) -> None:
    page = served.get("/docs", key=None)
    script = served.get(page.text.partition('<script src="')[2].partition('"')[0], key=None)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    for text in (page.text, script.text):
        assert "://" not in text
        assert "innerHTML" not in text
    assert "<script src" in page.text
    assert page.text.count("<script") == 1
    assert msgspec.json.decode(served.get("/openapi.json").content)
