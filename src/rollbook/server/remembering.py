"""What clients of cognee send to be remembered in a session, in the form in which they send it.

Names may be written in snake_case or camelCase. A dataset's *name* says nothing here: datasets are known by their ids,
so a session is put into one where ``dataset_id`` says so, which needs the right to write there.
"""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET

from rollbook.errors import NotSupported
from rollbook.rules import checks
from rollbook.rules.shapes import named
from rollbook.server.routing import WRITE, At, Nothing, Reply, Route
from rollbook.server.said import Id
from rollbook.server.saying import GraphIds, Score

_HUMP: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")


class QAEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="qa"):
    """A question and its answer."""

    question: str
    answer: str
    context: str = ""
    feedback_text: str | None = None
    feedback_score: Score | None = None
    used_graph_element_ids: GraphIds | None = None


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="trace"):
    """One step that an agent took."""

    origin_function: Annotated[str, named("What it was a step of.", 1024)]
    status: Annotated[str, named("How it went.", 256)] = "success"
    method_params: Any = None
    method_return_value: Any = None
    memory_query: str = ""
    memory_context: str = ""
    error_message: str = ""
    generate_feedback_with_llm: bool = False  #: taken, and passed over: no model is asked here


class FeedbackEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="feedback"):
    """What is said of an answer."""

    qa_id: Id
    feedback_text: str | None = None
    feedback_score: Score | None = None


class SkillRunEntry(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="skill_run"):
    """A skill that ran, which is not kept here."""


class Remember(msgspec.Struct, frozen=True, kw_only=True):
    """An entry for a session."""

    entry: QAEntry | TraceEntry | FeedbackEntry | SkillRunEntry
    session_id: Id | None = None  #: has to be there
    dataset_name: str = "main_dataset"
    dataset_id: str | None = None
    skill_improvement: Any = None  #: passed over


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an entry."""

    status: Literal["session_stored", "errored"]
    dataset_name: str
    dataset_id: str | None
    pipeline_run_id: str | None
    items_processed: int
    elapsed_seconds: float
    session_ids: list[str]
    entry_type: str
    entry_id: str
    error: str | None


def read(body: bytes) -> Remember:
    """A request, with its names as they are here. What it holds below its own fields and the entry's stays."""
    given = msgspec.json.decode(body)
    if isinstance(given, dict):
        given = _snake(given)
        if isinstance(given.get("entry"), dict):
            entry = given["entry"] = _snake(given["entry"])
            if isinstance(entry.get("used_graph_element_ids"), dict):
                entry["used_graph_element_ids"] = _snake(entry["used_graph_element_ids"])
    return msgspec.convert(given, Remember)


def _snake(given: dict[str, Any]) -> dict[str, Any]:
    return {_HUMP.sub(lambda hump: f"_{hump[0].lower()}", name): value for name, value in given.items()}


async def remember(at: At, _: Nothing) -> Any:
    """Keep an entry. An answer that is not known is told with status 200, as the clients of this expect."""
    said: Remember = at.body
    if said.session_id is None:
        return Reply(status=400, content={"error": "Invalid remember request."})
    began = time.perf_counter()
    entry = said.entry
    dataset = checks.dataset(said.dataset_id)
    if dataset is not None and isinstance(entry, QAEntry | TraceEntry):
        await at.book.touch(said.session_id, dataset_id=dataset)
    name, kept = await _KEEPS[type(entry)](at, said.session_id, entry)
    return Remembered(
        status="session_stored" if kept else "errored",
        dataset_name=said.dataset_name, dataset_id=dataset, pipeline_run_id=None,
        items_processed=int(kept), elapsed_seconds=round(time.perf_counter() - began, 6),
        session_ids=[said.session_id], entry_type=str(entry.__struct_config__.tag), entry_id=name,
        error=None if kept else f"there is no question {name!r} in session {said.session_id!r}",
    )  # fmt: skip


async def _qa(at: At, session_id: str, entry: QAEntry) -> tuple[str, bool]:
    ids = entry.used_graph_element_ids
    made = await at.book.add_qa(
        session_id, question=entry.question, answer=entry.answer, context=entry.context,
        feedback_text=entry.feedback_text, feedback_score=entry.feedback_score,
        used_graph_element_ids=None if ids is None else msgspec.to_builtins(ids),
    )  # fmt: skip
    return made, True


async def _trace(at: At, session_id: str, entry: TraceEntry) -> tuple[str, bool]:
    said = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "generate_feedback_with_llm"}
    return await at.book.add_trace_step(session_id, **said), True


async def _feedback(at: At, session_id: str, entry: FeedbackEntry) -> tuple[str, bool]:
    text = UNSET if entry.feedback_text is None else entry.feedback_text
    score = UNSET if entry.feedback_score is None else entry.feedback_score
    return entry.qa_id, await at.book.add_feedback(session_id, entry.qa_id, text=text, score=score)


async def _skill_run(at: At, session_id: str, entry: SkillRunEntry) -> tuple[str, bool]:  # noqa: ARG001 - as the others
    raise NotSupported("runs of skills are not kept here; send a trace step instead")


_KEEPS: Final[dict[type, Any]] = {
    QAEntry: _qa, TraceEntry: _trace, FeedbackEntry: _feedback, SkillRunEntry: _skill_run,
}  # fmt: skip

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path="/api/v1/remember/entry", answer=remember, body=Remember, reads=read, gives=Remembered,
        needs=WRITE, tag="contents", does="Keep a question, a trace step or feedback in a session, as cognee takes it.",
    ),
)  # fmt: skip
