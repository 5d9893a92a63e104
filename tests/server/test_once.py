"""Idempotency-Key: the same request under the same key is done once and answered the same, whatever happens between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import time_machine

import rollbook
from postgres_servers import postgres_server, postgres_servers, postgres_url
from rollbook.core import Core
from rollbook.plans import Plans
from rollbook.server.once import HEADER
from rollbook.server.routes import ROUTES

from .tools import TOKEN, Asking, asking, client_of, in_process, key_of

__all__ = ["postgres_server", "postgres_servers", "postgres_url"]

S: Final = "/api/v1/sessions/s"
QA: Final = {"question": "q", "answer": "a"}
WRITES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/api/v1/sessions", {"title": "t"}),
    ("POST", f"{S}/touch", {"agent": "bot"}),
    ("POST", f"{S}/usage", {"tokens_in": 5}),
    ("POST", "/api/v1/usage", [{"session_id": "s", "tokens_in": 5}, {"nothing": 1}, {"session_id": "s"}]),
    ("POST", f"{S}/qa", QA),
    ("PATCH", f"{S}/qa/there", {"answer": "b"}),
    ("PUT", f"{S}/qa/there/feedback", {"score": 2}),
    ("POST", f"{S}/trace", {"origin_function": "f", "status": "error"}),
    ("POST", f"{S}/messages", {"role": "user", "content": "c"}),
    ("PUT", f"{S}/state/k", [1]),
    ("POST", f"{S}/streams/mine", {"entries": [1, 2]}),
    ("POST", "/api/v1/remember/entry", {"session_id": "s", "entry": {"type": "qa", **QA}}),
    ("POST", f"{S}/end", {"status": "failed"}),
    ("POST", f"{S}/reopen", None),
    ("DELETE", f"{S}/qa/there", None),
    ("DELETE", f"{S}/state/k", None),
    ("DELETE", S, None),
    ("POST", "/api/v1/grants", {"user": "ann", "dataset_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"}),
)
OUTSIDE: Final = ("qa", "trace", "messages", "state", "streams", "remember", "DELETE")
#: Where journals are kept, and what a server that dies has done by then.
DEATHS: Final = [
    *(("", after, each) for each in WRITES if "grants" not in each[1] for after in ("the write", "the reply")),
    *(("files", "the contents", each) for each in WRITES if any(word in "".join(each[:2]) for word in OUTSIDE)),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Books with one session, by where its contents are: in the database or outside."""
    folders = {where: tmp_path_factory.mktemp("begun") for where in ("", "files")}
    for where, folder in folders.items():
        with pytest.MonkeyPatch.context() as patch:
            if where:
                patch.setenv("ROLLBOOK_JOURNAL", f"file://{folder}/journals")
            with asking(folder / "book.db") as made:
                assert made.request("POST", f"{S}/qa", json=QA | {"qa_id": "there"}).status_code == 200
                assert made.request("PUT", f"{S}/state/k", json=1).status_code == 200
    return folders


@pytest.fixture
def server(
    begun: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asking]:
    """A server with one session, whose contents are in the database or outside."""
    where = getattr(request, "param", "")
    shutil.copytree(begun[where], tmp_path, dirs_exist_ok=True)
    if where:
        monkeypatch.setenv("ROLLBOOK_JOURNAL", f"file://{tmp_path}/journals")
    with asking(tmp_path / "book.db") as made:
        yield made
        assert made.run(made.book.verify()).ok


def send(server: Asking, method: str, path: str, body: Any, once: str, **said: Any) -> httpx.Response:
    content = {} if body is None else {"content": json.dumps(body)}
    return server.request(method, path, headers={HEADER: once}, **content, **said)


def state_of(server: Asking) -> Any:
    """Everything that is told of the session, and how many sessions there are."""
    contents = server.run(server.book.conversation("s")), server.run(server.book.trace("s"))
    streams = server.run(server.book.entries("s", "mine")), server.run(server.book.all_state("s"))
    sessions = server.json("/api/v1/sessions", range="all")["sessions"]
    return contents, streams, [[each[name] for name in ("session_id", "tokens_in", "error_count")] for each in sessions]


@pytest.mark.parametrize("server", ["", "files"], indirect=True)
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_the_same_again_does_nothing_and_is_answered_the_same(
    server: Asking, method: str, path: str, body: Any
) -> None:
    if path.endswith("reopen"):
        server.request("POST", f"{S}/end", json={"status": "failed"})
    first = send(server, method, path, body, "a key")
    assert first.status_code == 200, first.text
    server.request("POST", f"{S}/touch", json={"title": "meanwhile"})
    before = state_of(server)
    again = send(server, method, path, body, "a key")
    assert (again.status_code, again.content, again.headers) == (200, first.content, first.headers)
    assert state_of(server) == before
    if isinstance(body, list | dict):
        other = [*body, {"session_id": "t"}] if isinstance(body, list) else {**body, "at": 1e9}
        assert send(server, method, path, other, "a key").status_code in (409, 400)
    assert send(server, method, f"{path}?user_id=ann", body, "a key").status_code == 409, "who is named is part of it"
    assert state_of(server) == before


def test_another_request_under_the_same_key_is_a_conflict(server: Asking) -> None:
    taken = ((f"{S}/usage", {"tokens_in": 5}, {"tokens_in": 6}), (f"{S}/qa", QA, QA | {"answer": "b"}))
    for path, body, other in taken:
        assert send(server, "POST", path, body, path).status_code == 200
        refused = send(server, "POST", path, other, path)
        assert refused.status_code == 409
        assert path in refused.json()["detail"]
        assert send(server, "POST", path.replace("/s/", "/t/"), body, path).status_code == 409
    assert server.run(server.book.get("s")).calls == 1
    assert len(server.run(server.book.qa("s"))) == 2


def test_a_key_is_its_users_alone(server: Asking) -> None:
    other = key_of(server.book.url, "ann")
    assert send(server, "POST", f"{S}/usage", {"tokens_in": 5}, "k").json()["outcome"] == "counted"
    assert send(server, "POST", f"{S}/usage", {"tokens_in": 6}, "k", key=other).json()["outcome"] == "counted"


def test_a_key_is_forgotten_after_a_day(server: Asking) -> None:
    first = send(server, "POST", f"{S}/qa", QA, "k").json()
    with time_machine.travel(server.run(server.book.get("s")).last_activity_at + timedelta(hours=23)):
        assert send(server, "POST", f"{S}/qa", QA, "k").json() == first
    with time_machine.travel(server.run(server.book.get("s")).last_activity_at + timedelta(hours=25)):
        assert send(server, "POST", f"{S}/qa", QA | {"answer": "b"}, "k").json() != first
        assert server.run(server.book.forget_notes()) == 0
    with time_machine.travel(server.run(server.book.get("s")).last_activity_at + timedelta(hours=25)):
        assert server.run(server.book.forget_notes()) == 2, "the reply, and the answer to its write"


def test_what_was_refused_is_looked_at_anew(server: Asking) -> None:
    assert send(server, "POST", "/api/v1/sessions/t/end", {"status": "failed"}, "k").status_code == 404
    assert send(server, "POST", f"{S}/usage", {"tokens_in": -1}, "l").status_code == 400
    assert send(server, "POST", f"{S}/usage", {"tokens_in": 1}, "l").status_code == 200


def test_what_the_book_refused_stays_refused(server: Asking) -> None:
    server.request("POST", f"{S}/end", json={"status": "failed"})
    first = send(server, "POST", f"{S}/end", {"status": "completed"}, "k")
    server.request("POST", f"{S}/reopen")
    again = send(server, "POST", f"{S}/end", {"status": "completed"}, "k")
    assert (first.status_code, again.status_code, first.text) == (409, 409, again.text)
    assert server.run(server.book.get("s")).status == "running"


@pytest.mark.parametrize("key", ["", "x" * 256, "t\tab", "\xfc"])
def test_a_key_is_plain_and_short(server: Asking, key: str) -> None:
    answer = server.request("POST", f"{S}/usage", json={}, headers=[(HEADER.encode(), key.encode("latin-1"))])
    assert answer.status_code == 400
    assert server.run(server.book.get("s")).calls == 0
    assert send(server, "POST", f"{S}/usage", {}, "~" * 255).status_code == 200


def test_a_secret_is_not_kept(server: Asking) -> None:
    assert send(server, "POST", "/api/v1/keys", {"user": "ann"}, "k").status_code == 400
    assert server.json("/api/v1/keys") == []


@pytest.mark.parametrize(
    ("path", "body"), [(f"{S}/usage", {"tokens_in": 1}), (f"{S}/qa", QA), ("/api/v1/sessions", {})]
)
def test_equal_requests_at_once_are_one(server: Asking, path: str, body: Any) -> None:
    async def at_once() -> list[httpx.Response]:
        async with client_of(server.app, TOKEN) as client:
            return await asyncio.gather(*(client.post(path, json=body, headers={HEADER: "k"}) for _ in range(12)))

    before = server.json("/api/v1/sessions", range="all")["total"]
    answers = server.run(at_once())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert server.run(server.book.get("s")).calls == (1 if path.endswith("usage") else 0)
    assert len(server.run(server.book.qa("s"))) == (2 if path.endswith("qa") else 1)
    assert server.json("/api/v1/sessions", range="all")["total"] == before + (path == "/api/v1/sessions")
    assert not server.server.once._held, "nobody is waited for any more"


class Died(BaseException):
    """The server is gone."""


@pytest.mark.parametrize(("server", "after", "write"), DEATHS, indirect=["server"])
def test_what_died_in_between_is_finished_once(
    server: Asking, monkeypatch: pytest.MonkeyPatch, after: str, write: tuple[str, str, Any]
) -> None:
    method, path, body = write
    told = Core.told

    def dies(self: Core, step: Any, answers: list[Any]) -> list[Any]:
        answer = told(self, step, answers)
        if (type(step).__name__ == "Outside") == (after == "the contents") and self.repeat is not None:
            raise Died
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Core, "told", dies) if after != "the reply" else patch.setattr(Plans, "keep_reply", _dies)
        with contextlib.suppress(Died):
            send(server, method, path, body, "k")
    first = send(server, method, path, body, "k")
    if (after, method) == ("the contents", "DELETE") and path != S:
        assert first.status_code == 404, "outside nobody knows any more who removed it"
        return
    assert first.status_code == 200, first.text
    before = state_of(server)
    assert send(server, method, path, body, "k").content == first.content
    assert state_of(server) == before
    if path.endswith("/qa"):
        assert len(server.run(server.book.qa("s"))) == 2
    if path.endswith("usage"):
        assert server.run(server.book.get("s")).tokens_in == 5
    if path.endswith("trace"):
        assert server.run(server.book.get("s")).error_count == 1


def _dies(*_: Any, **__: Any) -> Any:
    raise Died


def test_every_write_says_how_its_answer_is_kept() -> None:
    kept = {route.kept for route in ROUTES if route.needs in ("write", "admin")}
    assert kept == {"reply", "answers", "anew", "never"}
    assert {route.path for route in ROUTES if route.kept == "anew"} == {"/api/v1/ingest/files"}
    assert {route.path for route in ROUTES if route.kept == "never"} == {"/api/v1/keys"}


def test_r13_equal_requests_to_two_servers_of_one_database_are_one(postgres_url: str) -> None:
    async def at_once(path: str, body: Any) -> list[httpx.Response]:
        async with in_process(postgres_url) as (one, _), in_process(postgres_url) as (other, _):
            sent = [client.post(path, json=body, headers={HEADER: path}) for client in (one, other) for _ in range(4)]
            return await asyncio.gather(*sent)

    for path, body in ((f"{S}/usage", {"tokens_in": 1}), (f"{S}/qa", QA), (f"{S}/touch", {"agent": "bot"})):
        answers = asyncio.run(at_once(path, body))
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        assert len({answer.content for answer in answers}) == 1, path
    with rollbook.open(postgres_url, all_users=True) as book:
        assert (book.get("s").calls, len(book.qa("s")), book.verify().ok) == (1, 1, True)
