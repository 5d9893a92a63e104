"""What clients say of what is in sessions: questions, feedback, trace steps, messages, state, streams (R10, R11)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from rollbook.content import QA, AppendedView
from rollbook.errors import NotFound
from rollbook.journal.steps import MAIN
from rollbook.rules import bodies
from rollbook.rules.shapes import Moment, named
from rollbook.rules.shapes import optional as text
from rollbook.server.faults import Refused
from rollbook.server.routing import WRITE, At, Route
from rollbook.server.said import Body, Deleted, Id, Name, Named

Score = Annotated[int, Meta(ge=1, le=5)]
Key = Annotated[str, named("A name.", bodies.MAX_NAME_BYTES)]


class GraphIds(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Elements of a graph that an answer used."""

    node_ids: list[str] | UnsetType = UNSET
    edge_ids: list[str] | UnsetType = UNSET


class Asked(Body, frozen=True, kw_only=True):
    """A question and its answer."""

    question: str
    answer: str
    context: str | None = None
    used_graph_element_ids: GraphIds | None = None
    feedback_text: str | None = None
    feedback_score: Score | None = None
    memify_metadata: dict[str, bool] | None = None
    qa_id: Id | None = None  #: none: one is made
    at: Moment | None = None  #: none: now


class Changed(Body, frozen=True, kw_only=True):
    """Changes of a question and its answer: what is left out stays, null clears, a value is set."""

    question: str | UnsetType = UNSET
    answer: str | UnsetType = UNSET
    context: str | UnsetType | None = UNSET
    used_graph_element_ids: GraphIds | UnsetType | None = UNSET
    feedback_text: str | UnsetType | None = UNSET
    feedback_score: Score | UnsetType | None = UNSET
    memify_metadata: dict[str, bool] | UnsetType | None = UNSET


class Feedback(Body, frozen=True, kw_only=True):
    """What is said of an answer: what is left out stays, null clears, a value is set."""

    score: Score | UnsetType | None = UNSET
    text: str | UnsetType | None = UNSET


class Step(Body, frozen=True, kw_only=True):
    """One step that an agent took."""

    origin_function: Annotated[str, named("What it was a step of.", 1024)]
    status: Annotated[str, named("How it went: `success`, `error`, or a word of one's own.", 256)] = "success"
    memory_query: str = ""
    memory_context: str = ""
    method_params: Any = None
    method_return_value: Any = None
    error_message: str = ""
    session_feedback: str = ""
    started_at: Moment | None = None
    duration_s: Annotated[float, Meta(ge=0, le=bodies.MOST_SECONDS)] | None = None
    tool_name: Name | None = None
    span_id: Name | None = None
    error: Annotated[str, text("The kind of error that it met.", 1024)] | None = None  #: the kind of error that it met
    trace_id: Id | None = None  #: none: one is made
    at: Moment | None = None  #: none: now


class Spoken(Body, frozen=True, kw_only=True):
    """One message of a conversation."""

    role: Literal["user", "assistant", "system", "tool"]
    content: str
    message_id: Id | None = None  #: none: one is made
    at: Moment | None = None  #: none: now


class Context(Body, frozen=True, kw_only=True):
    """A snapshot of graph knowledge."""

    context: str


class Entries(Body, frozen=True, kw_only=True):
    """Entries for a stream, all of them or none, in one step with values of state."""

    entries: list[Raw]  #: any JSON, kept as it is
    ids: list[Id] | None = None  #: their names, as many; none: they are made
    head: Key = MAIN
    after: Id | UnsetType | None = UNSET  #: behind which entry; left out: the newest; null: a new beginning
    expected: Annotated[int, Meta(ge=0)] | None = None  #: the revision that the head must have
    state: dict[str, Raw] | None = None
    user_state: dict[str, Raw] | None = None
    at: Moment | None = None  #: none: now


class NamedQA(Named, frozen=True, kw_only=True):
    """A question and its answer, by the path."""

    qa_id: Id


class NamedKey(Named, frozen=True, kw_only=True):
    """A value of a session's state, by the path."""

    key: Key


class NamedStream(Named, frozen=True, kw_only=True):
    """A stream of a session, by the path."""

    stream: Key


class QAMade(msgspec.Struct, frozen=True, kw_only=True):
    """The question and its answer are kept under this id."""

    qa_id: str


class StepMade(msgspec.Struct, frozen=True, kw_only=True):
    """The step is kept under this id."""

    trace_id: str


class MessageMade(msgspec.Struct, frozen=True, kw_only=True):
    """The message is kept under this id."""

    message_id: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """It is kept."""

    kept: bool = True


def _fields(body: msgspec.Struct) -> dict[str, Any]:
    """What a body holds, as the book takes it."""
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    ids = values.get("used_graph_element_ids")
    if isinstance(ids, GraphIds):
        values["used_graph_element_ids"] = msgspec.to_builtins(ids)
    return values


async def ask(at: At, asked: Named) -> QAMade:
    """Keep a question and its answer."""
    return QAMade(qa_id=await at.book.add_qa(asked.session_id, user_id=asked.user_id, **_fields(at.body)))


async def change(at: At, asked: NamedQA) -> QA:
    """R10."""
    if not await at.book.update_qa(asked.session_id, asked.qa_id, user_id=asked.user_id, **_fields(at.body)):
        raise _no_qa(asked)
    return await _qa(at, asked)


async def forget(at: At, asked: NamedQA) -> Deleted:
    """Remove a question and its answer."""
    if not await at.book.delete_qa(asked.session_id, asked.qa_id, user_id=asked.user_id):
        raise _no_qa(asked)
    return Deleted()


async def judge(at: At, asked: NamedQA) -> QA:
    """R10, of feedback alone."""
    if not await at.book.add_feedback(asked.session_id, asked.qa_id, user_id=asked.user_id, **_fields(at.body)):
        raise _no_qa(asked)
    return await _qa(at, asked)


async def withdraw(at: At, asked: NamedQA) -> QA:
    """Clear what was said of an answer."""
    if not await at.book.delete_feedback(asked.session_id, asked.qa_id, user_id=asked.user_id):
        raise _no_qa(asked)
    return await _qa(at, asked)


async def _qa(at: At, asked: NamedQA) -> QA:
    # What was changed is one's own, whoever else's session of that name may be seen.
    owner = at.principal.user_id if asked.user_id is None else asked.user_id
    return await at.book.get_qa(asked.session_id, asked.qa_id, user_id=owner)


def _no_qa(asked: NamedQA) -> NotFound:
    return NotFound(f"there is no question {asked.qa_id!r} in session {asked.session_id!r}")


async def trace(at: At, asked: Named) -> StepMade:
    """Keep one step that the agent took."""
    return StepMade(trace_id=await at.book.add_trace_step(asked.session_id, user_id=asked.user_id, **_fields(at.body)))


async def say(at: At, asked: Named) -> MessageMade:
    """Keep one message."""
    made = await at.book.add_message(asked.session_id, user_id=asked.user_id, **_fields(at.body))
    return MessageMade(message_id=made)


async def set_state(at: At, asked: NamedKey) -> Kept:
    """Set one value of the state."""
    await at.book.set_state(asked.session_id, values={asked.key: bytes(at.body)}, user_id=asked.user_id)
    return Kept()


async def delete_state(at: At, asked: NamedKey) -> Deleted:
    """Remove one value of the state."""
    if not await at.book.delete_state(asked.session_id, asked.key, user_id=asked.user_id):
        raise NotFound(f"session {asked.session_id!r} has no state {asked.key!r}")
    return Deleted()


async def set_context(at: At, asked: Named) -> Kept:
    """Keep a snapshot of graph knowledge."""
    await at.book.set_graph_context(asked.session_id, at.body.context, user_id=asked.user_id)
    return Kept()


async def append(at: At, asked: NamedStream) -> AppendedView:
    """R11."""
    said: Entries = at.body
    most = at.server.options.items
    if len(said.entries) > most:
        raise Refused(413, f"at most {most:,} entries are taken in one request; nothing was stored")
    return await at.book.append(
        asked.session_id, asked.stream, entries=[bytes(each) for each in said.entries], ids=said.ids, head=said.head,
        after=said.after, expected=said.expected, state=_values(said.state), user_state=_values(said.user_state),
        user_id=asked.user_id, at=said.at,
    )  # fmt: skip


def _values(given: dict[str, Raw] | None) -> dict[str, bytes] | None:
    return None if given is None else {key: bytes(value) for key, value in given.items()}


_ONE: Final = "/api/v1/sessions/{session_id}"
_QA: Final = f"{_ONE}/qa/{{qa_id}}"
_TOLD: Final[dict[str, Any]] = {"needs": WRITE, "tag": "contents"}

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="POST", path=f"{_ONE}/qa", answer=ask, takes=Named, body=Asked, gives=QAMade,
        does="Keep a question and its answer.", **_TOLD,
    ),
    Route(
        method="PATCH", path=_QA, answer=change, takes=NamedQA, body=Changed, gives=QA,
        does="Change a question and its answer: what is left out stays, null clears.", **_TOLD,
    ),
    Route(
        method="DELETE", path=_QA, answer=forget, takes=NamedQA, gives=Deleted,
        does="Remove a question and its answer.", **_TOLD,
    ),
    Route(
        method="PUT", path=f"{_QA}/feedback", answer=judge, takes=NamedQA, body=Feedback, gives=QA,
        does="Say how good an answer was.", **_TOLD,
    ),
    Route(
        method="DELETE", path=f"{_QA}/feedback", answer=withdraw, takes=NamedQA, gives=QA,
        does="Clear what was said of an answer.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/trace", answer=trace, takes=Named, body=Step, gives=StepMade,
        does="Keep one step that the agent took.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/messages", answer=say, takes=Named, body=Spoken, gives=MessageMade,
        does="Keep one message of a conversation.", **_TOLD,
    ),
    Route(
        method="PUT", path=f"{_ONE}/state/{{key}}", answer=set_state, takes=NamedKey, body=Raw, gives=Kept,
        does="Set one value of a session's state: any JSON.", **_TOLD,
    ),
    Route(
        method="DELETE", path=f"{_ONE}/state/{{key}}", answer=delete_state, takes=NamedKey, gives=Deleted,
        does="Remove one value of a session's state.", **_TOLD,
    ),
    Route(
        method="PUT", path=f"{_ONE}/graph-context", answer=set_context, takes=Named, body=Context, gives=Kept,
        does="Keep a snapshot of graph knowledge, in place of the one before.", **_TOLD,
    ),
    Route(
        method="POST", path=f"{_ONE}/streams/{{stream}}", answer=append, takes=NamedStream, body=Entries,
        gives=AppendedView, does="Append entries to a stream, all of them or none.", **_TOLD,
    ),
)  # fmt: skip
