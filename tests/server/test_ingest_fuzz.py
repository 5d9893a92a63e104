"""Whatever is posted as events of hooks or as pushed transcripts: the server never fails, and the books balance."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollbook.importers import SAMPLES, source
from rollbook.importers.runs import run_import
from rollbook.remote import client
from rollbook.remote.book import FILES, INGEST, RemoteBook
from rollbook.remote.wire import VERSION

from .tools import Asking, asking, key_of

FAILED: Final = 500
HOOKS: Final = "/api/v1/hooks/claude-code"
FUZZ: Final = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES: Final = st.recursive(
    st.sampled_from(
        [0, 1, -1, 2**63 - 1, -(2**63), 2**64, 10**30, 1e308, 0.5, True, None, "", "\x00", "s", "x" * 5_000]
    )
    | st.text(max_size=6)
    | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
EVENTS: Final = (
    "SessionStart", "SessionEnd", "UserPromptSubmit", "SubagentStart", "SubagentStop", "Stop", "StopFailure",
    "PreToolUse", "Notification", "NotYetKnown",
)  # fmt: skip
EVENT: Final = st.fixed_dictionaries(
    {"hook_event_name": st.sampled_from(EVENTS) | VALUES, "session_id": st.sampled_from(["s", "t"]) | VALUES},
    optional={
        name: st.sampled_from(["a", "clear", "compact", "resume"]) | VALUES
        for name in ("source", "reason", "agent_id", "cwd", "error", "transcript_path", "prompt")
    },
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    with asking(tmp_path_factory.mktemp("fuzz") / "book.db") as made:
        yield made
        assert made.run(made.book.verify()).ok


def posted(server: Asking, path: str, body: Any) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = server.request("POST", path, content=raw, headers={"content-type": "application/json"})
    assert answer.status_code < FAILED, answer.text
    return answer.status_code


@settings(FUZZ, max_examples=80)
@given(body=EVENT | st.lists(EVENT | VALUES, max_size=4) | VALUES)
def test_hooks(server: Asking, body: Any) -> None:
    status = posted(server, HOOKS, body)
    assert status in {200, 400}


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Any]]:
    """What a push of a few transcripts sends."""
    sent: list[tuple[str, Any]] = []
    folder = tmp_path_factory.mktemp("pushed")
    with pytest.MonkeyPatch.context() as patch, asking(folder / "book.db") as server:
        key = key_of(folder / "book.db", "ada@example.org")

        def once(_: Any, path: str, body: bytes, headers: Any) -> tuple[bytes, str, None]:
            plain = server.request("POST", path, key=key, content=body, headers=dict(headers))
            if "Content-Encoding" not in headers:
                sent.append((path, json.loads(body)))
            return plain.content, "", None

        patch.setattr(client.Client, "_once", once)
        patch.setattr(client, "_ZIP_LEAST", 1 << 30)
        with RemoteBook("http://localhost", token=key) as there:
            run_import(there, source("claude-code"), [SAMPLES / "claude-code"], content=True)
    assert {path for path, _ in sent} == {INGEST, FILES}
    return sent


@settings(FUZZ, max_examples=60)
@given(data=st.data(), junk=VALUES)
def test_pushes_with_anything_in_any_place(
    server: Asking, pushed: list[tuple[str, Any]], data: st.DataObject, junk: Any
) -> None:
    path, whole = data.draw(st.sampled_from(pushed))
    body = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(list(_places(body))))
        holder[key] = copy.deepcopy(junk)
    posted(server, path, body)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


@pytest.mark.parametrize("streams", [[], [["qa", []]], [["qa", []], ["trace", []]]], ids=str)
def test_contents_that_are_none(server: Asking, streams: list[Any]) -> None:
    wrong = ["entries", {"session_id": "s", "at": 1_760_000_000_000_000, "streams": streams}]
    right = ["touch", {"session_id": "right", "at": 1_760_000_000_000_000}]
    body = json.dumps({"version": VERSION, "items": [wrong, right]}).encode()
    answer = server.request("POST", INGEST, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200
    first, second = answer.json()["answers"]
    assert (first["error"], second) == ("InvalidInput", {})


@settings(FUZZ, max_examples=60)
@given(path=st.sampled_from([HOOKS, INGEST, FILES]), body=st.binary(max_size=100))
def test_random_bytes(server: Asking, path: str, body: bytes) -> None:
    posted(server, path, body)


@pytest.mark.parametrize("path", [HOOKS, INGEST, FILES])
@pytest.mark.parametrize("body", [b"[" * 90_000, b'{"a":' * 50_000, b"[" * 5_000 + b"]" * 5_000], ids=len)
def test_deep_json(server: Asking, path: str, body: bytes) -> None:
    assert posted(server, path, body) != 200
    assert posted(server, path, b'{"version":1,"items":[' + body + b"]}") in {200, 400}
