"""What clients write over HTTP: the life of sessions and their contents, each with what may be wrong about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from .tools import Asking, asking, key_of, url_of

NOWHERE: Final = "/api/v1/sessions/none-such"
S: Final = "/api/v1/sessions/s"
QA: Final = {"question": "how?", "answer": "so"}

#: Every write of a session's contents, with a body that is taken.
CONTENTS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "qa", QA),
    ("POST", "trace", {"origin_function": "f"}),
    ("POST", "messages", {"role": "user", "content": "hello"}),
    ("PUT", "state/k", {"any": ["json", 1]}),
    ("PUT", "graph-context", {"context": "known"}),
    ("POST", "streams/mine", {"entries": [1]}),
)
LIFE: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "touch", {"title": "t"}),
    ("POST", "end", {"status": "completed"}),
    ("POST", "reopen", {}),
    ("POST", "unknown", {}),
    ("POST", "usage", {"tokens_in": 1}),
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asking, str, str]]:
    """A server, with the keys of a writer and of a reader."""
    place = tmp_path_factory.mktemp("writes") / "book.db"
    writer, reader = key_of(url_of(place), "ann"), key_of(url_of(place), "ann", "reader")
    with asking(place) as server:
        yield server, writer, reader


@pytest.fixture
def ask(served: tuple[Asking, str, str], request: pytest.FixtureRequest) -> Any:
    """A request of the writer, with ``s`` in the path being a session of this test alone."""
    server, writer, _ = served

    def ask(method: str, path: str, body: Any = None, *, key: str = writer, **said: Any) -> httpx.Response:
        path = path.replace("/sessions/s", f"/sessions/{request.function.__name__}{hash(request.node.name)}", 1)
        given = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return server.request(method, path, key=key, **given, **said)

    return ask


def test_a_session_lives_over_http(ask: Any) -> None:
    begun = ask("POST", f"{S}/touch", {"title": "one", "agent": "bot", "tags": ["b", "a"], "metadata": {"x": 1}}).json()
    assert (begun["title"], begun["agent"], begun["tags"], begun["metadata"]) == ("one", "bot", ["a", "b"], {"x": 1})
    assert ask("POST", f"{S}/end", {"status": "failed", "reason": "broke"}).json()["status"] == "failed"
    assert ask("POST", f"{S}/end", {"status": "failed"}).status_code == 200
    refused = ask("POST", f"{S}/end", {"status": "completed"})
    assert (refused.status_code, "stays failed" in refused.json()["detail"]) == (409, True)
    again = ask("POST", f"{S}/reopen").json()
    assert (again["status"], again["attempt"]) == ("running", 2)
    assert ask("POST", f"{S}/unknown", {"reason": "gone"}).json()["status"] == "unknown"
    assert ask("POST", f"{S}/touch").json()["status"] == "running"
    assert ask("DELETE", S).json() == {"deleted": True}
    assert ask("DELETE", S).status_code == 404


def test_a_session_without_an_id_gets_one_and_any_id_can_be_named(ask: Any) -> None:
    made = ask("POST", "/api/v1/sessions", {"title": "t"})
    assert made.status_code == 200
    assert len(made.json()["session_id"]) == 36
    name = "a/b c?ü%"
    assert ask("POST", "/api/v1/sessions", {"session_id": name}).json()["session_id"] == name
    assert ask("POST", "/api/v1/sessions/a%2Fb%20c%3F%C3%BC%25/touch").json()["session_id"] == name
    assert ask("DELETE", "/api/v1/session", params={"session_id": name}).json() == {"deleted": True}


def test_r10_an_answer_is_changed_in_three_ways(ask: Any) -> None:
    name = ask("POST", f"{S}/qa", QA | {"context": "c", "used_graph_element_ids": {"node_ids": ["n"]}}).json()["qa_id"]
    path = f"{S}/qa/{name}"
    first = ask("PATCH", path, {"answer": "other"}).json()
    assert (first["question"], first["answer"], first["context"]) == ("how?", "other", "c")
    assert first["used_graph_element_ids"] == {"node_ids": ["n"]}
    assert ask("PATCH", path, {"context": None}).json() == first | {"context": None}
    refused = ask("PATCH", path, {"question": None})
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (400, ["body", "question"])
    judged = ask("PUT", f"{path}/feedback", {"score": 4, "text": "well"}).json()
    assert (judged["feedback_score"], judged["feedback_text"]) == (4, "well")
    assert judged["memify_metadata"] == {"feedback_weights_applied": False}
    assert ask("PUT", f"{path}/feedback", {"text": None}).json()["feedback_score"] == 4
    assert ask("PUT", f"{path}/feedback", {}).status_code == 400
    assert ask("DELETE", f"{path}/feedback").json()["feedback_score"] is None
    assert ask("DELETE", path).json() == {"deleted": True}
    for method, where, body in (("PATCH", path, {}), ("DELETE", path, None), ("PUT", f"{path}/feedback", {"score": 1})):
        assert ask(method, where, body).status_code == 404


@pytest.mark.parametrize(("method", "path", "body"), CONTENTS)
def test_contents_make_their_session_and_a_deleted_one_takes_none(ask: Any, method: str, path: str, body: Any) -> None:
    made = ask(method, f"{S}/{path}", body)
    assert made.status_code == 200, made.text
    assert ask("POST", f"{S}/end", {"status": "completed"}).status_code == 200
    assert ask(method, f"{S}/{path}", body).status_code == 200, "what is said of an ended session is kept"
    assert ask("DELETE", S).status_code == 200
    assert ask(method, f"{S}/{path}", body).status_code == 410


@pytest.mark.parametrize(("method", "path", "body"), [*CONTENTS, *LIFE, ("DELETE", "", None)])
def test_r6_a_reader_writes_nothing_and_nobody_for_another(
    ask: Any, served: tuple[Asking, str, str], method: str, path: str, body: Any
) -> None:
    where = f"{S}/{path}".rstrip("/")
    assert ask(method, where, body, key=served[2]).status_code == 403
    assert ask(method, where, body, params={"user_id": "bob"}).status_code == 403
    assert ask(method, where, body, key="nobody's").status_code == 401
    assert ask("DELETE", S).status_code == 404, "nothing came of it"


@pytest.mark.parametrize(("method", "path", "body"), [*CONTENTS, *(each for each in LIFE if each[1] != "usage")])
def test_what_a_body_may_not_hold_is_refused_by_name(ask: Any, method: str, path: str, body: Any) -> None:
    wrong = [b"\xff", b'"\xff"', b"[" * 9_000, b"{", b'{"a":']
    if not path.startswith("state"):
        wrong += [b"[]", b'"text"', b'{"nobody_knows": 1}']
    for each in wrong:
        answer = ask(method, f"{S}/{path}", each)
        assert answer.status_code == 400, each[:20]
        (line,) = answer.json()["detail"]
        assert (line["type"], line["loc"][0], answer.json()["body"]) == ("value_error", "body", None)
    other = ask(method, f"{S}/{path}", b"a=b", headers={"content-type": "application/x-www-form-urlencoded"})
    assert other.status_code == 415
    assert ask("DELETE", S).status_code == 404, "nothing came of it"


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("end", {"status": "running"}, ["status"]),
        ("end", {}, []),
        ("touch", {"kind": "fast"}, ["kind"]),
        ("touch", {"at": "1999-01-01T00:00:00+00:00"}, []),
        ("touch", {"tags": "text"}, ["tags"]),
        ("touch", {"title": "x" * 1025}, ["title"]),
        ("touch", {"dataset_id": "no uuid"}, []),
        ("qa", {"question": "q"}, []),
        ("qa", QA | {"feedback_score": 6}, ["feedback_score"]),
        ("qa", QA | {"feedback_score": True}, ["feedback_score"]),
        ("qa", QA | {"used_graph_element_ids": {"nodes": []}}, ["used_graph_element_ids"]),
        ("trace", {"origin_function": 5}, ["origin_function"]),
        ("messages", {"role": "robot", "content": ""}, ["role"]),
        ("streams/qa", {"entries": [1]}, []),
        ("streams/mine", {"entries": [1], "ids": ["a", "b"]}, []),
    ],
)
def test_values_out_of_bounds_are_refused(ask: Any, path: str, body: Any, where: list[str]) -> None:
    answer = ask("POST", f"{S}/{path}", body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (400, ["body", *where])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "end", {"status": "completed"}), ("POST", "reopen", None), ("POST", "unknown", None),
        ("DELETE", "state/k", None), ("PATCH", "qa/x", {"answer": "a"}), ("DELETE", "qa/x", None),
    ],
)  # fmt: skip
def test_an_unknown_session_is_not_found(ask: Any, method: str, path: str, body: Any) -> None:
    assert ask(method, f"{NOWHERE}/{path}", body).status_code == 404
    assert ask("DELETE", NOWHERE).status_code == 404


def test_a_dataset_needs_the_right_to_write_there(ask: Any) -> None:
    answer = ask("POST", f"{S}/touch", {"dataset_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6"})
    assert answer.status_code == 403
    assert ask("POST", f"{S}/end", {"status": "completed"}).status_code == 404


def test_r11_a_stream_that_moved_on_takes_nothing(ask: Any) -> None:
    first = ask("POST", f"{S}/streams/mine", {"entries": [1, 2], "ids": ["a", "b"], "expected": 0}).json()
    assert (first["ids"], first["added"]) == (["a", "b"], 2)
    same = ask("POST", f"{S}/streams/mine", {"entries": [9], "ids": ["a"]}).json()
    assert (same["added"], same["duplicates"][0]["body"]) == (0, 1)
    assert ask("POST", f"{S}/streams/mine", {"entries": [3], "expected": 0}).status_code == 409


def test_too_much_at_once_is_refused(tmp_path: Path) -> None:
    with asking(tmp_path / "b.db", items=2, body_bytes=2_000) as server:
        many = [{"session_id": "s", "usage_id": str(n)} for n in range(3)]
        assert server.request("POST", "/api/v1/usage", json=many).status_code == 413
        assert server.request("POST", f"{S}/streams/x", json={"entries": [1, 2, 3]}).status_code == 413
        assert server.request("POST", f"{S}/qa", json=QA | {"context": "x" * 2_000}).status_code == 413
        assert server.json("/api/v1/sessions")["total"] == 0
