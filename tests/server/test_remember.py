"""``remember/entry`` as clients of cognee send it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from .tools import Asking, asking, key_of

DATASET: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
KEYS: Final = [
    "status", "dataset_name", "dataset_id", "pipeline_run_id", "items_processed", "elapsed_seconds", "session_ids",
    "entry_type", "entry_id", "error",
]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Asking]:
    with asking(tmp_path / "book.db") as made:
        yield made


def remember(server: Asking, entry: Any, *, status: int = 200, key: dict[str, Any] | None = None, **said: Any) -> Any:
    body = {"session_id": "s", "entry": entry, **said}
    answer = server.request("POST", "/api/v1/remember/entry", json=body, **key or {})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_a_question_and_its_answer(server: Asking) -> None:
    told = remember(server, {"type": "qa", "question": "q", "answer": "a", "feedback_score": 4})
    assert list(told) == KEYS
    assert (told["status"], told["dataset_name"], told["dataset_id"]) == ("session_stored", "main_dataset", None)
    assert (told["items_processed"], told["session_ids"], told["entry_type"]) == (1, ["s"], "qa")
    kept = server.run(server.book.get_qa("s", told["entry_id"]))
    assert (kept.question, kept.answer, kept.context, kept.feedback_score) == ("q", "a", "", 4)


def test_names_in_camel_case_are_the_same(server: Asking) -> None:
    more = {"usedGraphElementIds": {"nodeIds": ["n"]}, "feedbackText": "f"}
    entry = {"type": "qa", "question": "q", "answer": "a", **more}
    body = {"sessionId": "t", "datasetName": "mine", "entry": entry}
    told = server.request("POST", "/api/v1/remember/entry", json=body).json()
    assert (told["session_ids"], told["dataset_name"]) == (["t"], "mine")
    kept = server.run(server.book.get_qa("t", told["entry_id"]))
    assert (kept.used_graph_element_ids, kept.feedback_text) == ({"node_ids": ["n"]}, "f")


def test_a_trace_step_keeps_what_it_was_called_with(server: Asking) -> None:
    entry = {"type": "trace", "originFunction": "f", "methodParams": {"aB": 1}, "status": "error", "errorMessage": "e"}
    told = remember(server, entry)
    (step,) = server.run(server.book.trace("s"))
    assert (step.trace_id, step.origin_function, step.method_params) == (told["entry_id"], "f", {"aB": 1})
    assert (step.status, step.error_message) == ("error", "e")


def test_feedback_finds_its_answer_or_says_that_there_is_none(server: Asking) -> None:
    qa_id = remember(server, {"type": "qa", "question": "q", "answer": "a"})["entry_id"]
    told = remember(server, {"type": "feedback", "qa_id": qa_id, "feedback_score": 5})
    assert (told["status"], told["entry_id"], told["error"]) == ("session_stored", qa_id, None)
    assert server.run(server.book.get_qa("s", qa_id)).feedback_score == 5
    told = remember(server, {"type": "feedback", "qa_id": "none", "feedback_text": "t"})
    assert (told["status"], told["entry_id"], told["items_processed"]) == ("errored", "none", 0)
    assert "none" in told["error"]


def test_what_is_refused(server: Asking) -> None:
    body = {"entry": {"type": "qa", "question": "q", "answer": "a"}}
    answer = server.request("POST", "/api/v1/remember/entry", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid remember request."})
    assert "not kept" in remember(server, {"type": "skill_run", "run_id": "r"}, status=501)["detail"]
    for entry in ({"type": "other"}, {}, 5, {"type": "qa", "question": "q"}, {"type": "feedback", "qa_id": "x"}):
        assert remember(server, entry, status=400)["detail"][0]["loc"][0] == "body"
    assert server.json("/api/v1/sessions")["total"] == 0


def test_a_dataset_by_its_id_needs_the_right_to_write_there_and_a_name_says_nothing(server: Asking) -> None:
    entry = {"type": "qa", "question": "q", "answer": "a"}
    bare, granted = (key_of(server.book.url, "ann", datasets=datasets) for datasets in ((), (DATASET,)))
    remember(server, entry, status=403, dataset_id=DATASET, key={"key": bare})
    assert remember(server, entry, dataset_name="legal", key={"key": bare})["dataset_id"] is None
    assert remember(server, entry, dataset_id=DATASET.upper(), key={"key": granted})["dataset_id"] == DATASET
    assert server.run(server.book.get("s", user_id="ann")).dataset_id == DATASET
