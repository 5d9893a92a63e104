"""What is looked up of one session: its calls, what it started, what it says, keeps and did."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from rollbook.content import QA, EntryView, HeadView, Message, Timeline, TraceStep
from rollbook.errors import NotFound
from rollbook.instances import Branch, Instance
from rollbook.model import Inclusive, Session, Usage
from rollbook.rules import shapes
from rollbook.server import asked as kinds
from rollbook.server.asked import OfSession
from rollbook.server.routing import At, Nothing, Route

_HERE: Final = "/api/v1/sessions/{session_id}"
_ABSENT: Final = object()


class Calls(OfSession, frozen=True, kw_only=True):
    """Which of a session's ledger rows."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000, description="Rows, the oldest first.")] = 1000


class Newest(OfSession, frozen=True, kw_only=True):
    """How much of what a session contains."""

    last_n: kinds.LastN = 50


class Prompt(OfSession, frozen=True, kw_only=True):
    """How much of a conversation a prompt is given."""

    last_n: kinds.LastN = 10
    context: Annotated[bool, msgspec.Meta(description="Whether the text holds the context that each turn had.")] = True


class OneQA(OfSession, frozen=True, kw_only=True):
    """One question of a session."""

    qa_id: kinds.EntryId


class OneValue(OfSession, frozen=True, kw_only=True):
    """One value of a session's state."""

    key: kinds.Key


class OwnValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one's own state."""

    key: kinds.Key


class OfStream(Newest, frozen=True, kw_only=True):
    """Which entries of a stream."""

    stream: kinds.Stream
    before: Annotated[kinds.EntryId | None, msgspec.Meta(description="Those before this entry.")] = None
    head: Annotated[str, shapes.named("The line of entries: `main`, or a branch.", 256)] = "main"


class OfTime(OfSession, frozen=True, kw_only=True):
    """Which stretch of a session's line of time."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="Entries, the oldest first.")] = 200
    after: Annotated[str | None, shapes.said("`mark` of the page before, or of the last one: what came since.")] = None
    brief: (
        Annotated[int, msgspec.Meta(ge=16, le=2**31, description="No value is longer than so many characters.")] | None
    ) = None


class OneEntry(OfSession, frozen=True, kw_only=True):
    """One entry of a stream."""

    stream: kinds.Stream
    entry_id: kinds.EntryId


class SessionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger rows of a session, oldest first: calls, reversals, corrections, adjustments."""

    session_id: str
    user_id: str
    usage: list[Usage]
    has_more: bool


class Children(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions directly below one, oldest first."""

    sessions: list[Session]


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A session and everything below it, each above what it started."""

    branches: list[Branch]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """The process that runs a session, or ran it last; none where that is not known."""

    instance: Instance | None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, oldest first."""

    messages: list[Message]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one side said, for a prompt."""

    role: str
    content: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The newest turns for a prompt: as messages, and as one text."""

    messages: list[Turn]
    text: str


class QAs(msgspec.Struct, frozen=True, kw_only=True):
    """Questions and answers, oldest first."""

    qas: list[QA]


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of the trace, oldest first."""

    steps: list[TraceStep]


class GraphContext(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot of graph knowledge that a session keeps."""

    context: str | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Every value of a state by its key."""

    values: dict[str, Any]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a state."""

    key: str
    value: Any


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of entries that a session has."""

    heads: list[HeadView]


class StreamEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of a stream, oldest first."""

    entries: list[EntryView]


async def _who(at: At, asked: OfSession) -> tuple[str, dict[str, Any]]:
    """The session that is meant, as the book's methods take it. Raises NotFound for one that is not to be seen."""
    found = await at.book.get(asked.session_id, owner=asked.user_id)
    return found.session_id, {"user_id": found.user_id}


async def _family(at: At, asked: OfSession) -> tuple[str, dict[str, Any]]:
    """The same where sessions of other users may belong to the answer: a user is named only where the caller does."""
    name, _ = await _who(at, asked)
    return name, {"user_id": asked.user_id}


async def usage(at: At, asked: Calls) -> SessionUsage:
    """The ledger rows."""
    name, whose = await _who(at, asked)
    rows = await at.book.usage(name, limit=asked.limit + 1, **whose)
    return SessionUsage(
        session_id=name, user_id=whose["user_id"], usage=rows[: asked.limit], has_more=len(rows) > asked.limit
    )


async def children(at: At, asked: OfSession) -> Children:
    """What it started."""
    name, whose = await _family(at, asked)
    return Children(sessions=await at.book.children(name, **whose))


async def tree(at: At, asked: OfSession) -> Tree:
    """What it started, and that, and so on."""
    name, whose = await _family(at, asked)
    return Tree(branches=await at.book.tree(name, **whose))


async def inclusive(at: At, asked: OfSession) -> Inclusive:
    """What all of that comes to."""
    name, whose = await _family(at, asked)
    return await at.book.inclusive(name, **whose)


async def instance(at: At, asked: OfSession) -> Running:
    """What runs it."""
    name, whose = await _who(at, asked)
    return Running(instance=await at.book.instance(name, **whose))


async def conversation(at: At, asked: Newest) -> Conversation:
    """What was said."""
    name, whose = await _who(at, asked)
    return Conversation(messages=await at.book.conversation(name, last_n=asked.last_n, **whose))


async def history(at: At, asked: Prompt) -> History:
    """What a prompt is given of it."""
    name, whose = await _who(at, asked)
    turns = await at.book.history(name, last_n=asked.last_n, **whose)
    text = await at.book.history_text(name, last_n=asked.last_n, context=asked.context, **whose)
    return History(messages=[Turn(**turn) for turn in turns], text=text)


async def qas(at: At, asked: Newest) -> QAs:
    """Questions and answers."""
    name, whose = await _who(at, asked)
    return QAs(qas=await at.book.qa(name, last_n=asked.last_n, **whose))


async def qa(at: At, asked: OneQA) -> QA:
    """One of them."""
    name, whose = await _who(at, asked)
    return await at.book.get_qa(name, asked.qa_id, **whose)


async def trace(at: At, asked: Newest) -> Steps:
    """What it did."""
    name, whose = await _who(at, asked)
    return Steps(steps=await at.book.trace(name, last_n=asked.last_n, **whose))


async def graph_context(at: At, asked: OfSession) -> GraphContext:
    """What it keeps of a graph."""
    name, whose = await _who(at, asked)
    return GraphContext(context=await at.book.graph_context(name, **whose))


async def state(at: At, asked: OfSession) -> State:
    """What it keeps."""
    name, whose = await _who(at, asked)
    return State(values=await at.book.all_state(name, **whose))


async def value(at: At, asked: OneValue) -> Value:
    """One value of what it keeps."""
    name, whose = await _who(at, asked)
    return _there(asked.key, await at.book.get_state(name, asked.key, default=_ABSENT, **whose))


async def own_state(at: At, asked: Nothing) -> State:  # noqa: ARG001 - it takes nothing
    """What a user keeps."""
    return State(values=await at.book.all_state())


async def own_value(at: At, asked: OwnValue) -> Value:
    """One value of what a user keeps."""
    return _there(asked.key, await at.book.get_state(None, asked.key, default=_ABSENT))


def _there(key: str, found: Any) -> Value:
    if found is _ABSENT:
        raise NotFound(f"the state has no value {key!r}")
    return Value(key=key, value=found)


async def streams(at: At, asked: OfSession) -> Streams:
    """What it holds entries of."""
    name, whose = await _who(at, asked)
    return Streams(heads=await at.book.heads(name, **whose))


async def entries(at: At, asked: OfStream) -> StreamEntries:
    """Entries, as they are."""
    name, whose = await _who(at, asked)
    found = await at.book.entries(
        name, asked.stream, last_n=asked.last_n, before=asked.before, head=asked.head, **whose
    )
    return StreamEntries(entries=found)


async def timeline(at: At, asked: OfTime) -> Timeline:
    """All of its streams, merged."""
    name, whose = await _who(at, asked)
    return await at.book.timeline(name, limit=asked.limit, after=asked.after, brief=asked.brief, **whose)


async def entry(at: At, asked: OneEntry) -> EntryView:
    """One of them."""
    name, whose = await _who(at, asked)
    return await at.book.entry(name, asked.stream, asked.entry_id, **whose)


def _get(path: str, answer: Any, takes: type, gives: Any, does: str, *, tag: str = "contents") -> Route:
    return Route(method="GET", path=path, answer=answer, takes=takes, gives=gives, does=does, tag=tag)


ROUTES: Final = (
    _get(f"{_HERE}/usage", usage, Calls, SessionUsage, "The ledger rows of a session, oldest first.", tag="usage"),
    _get(f"{_HERE}/children", children, OfSession, Children, "The sessions directly below one.", tag="sessions"),
    _get(f"{_HERE}/tree", tree, OfSession, Tree, "A session and everything below it.", tag="sessions"),
    _get(f"{_HERE}/inclusive", inclusive, OfSession, Inclusive, "What it and all below it cost.", tag="sessions"),
    _get(f"{_HERE}/instance", instance, OfSession, Running, "The process that runs a session.", tag="sessions"),
    _get(f"{_HERE}/conversation", conversation, Newest, Conversation, "What was said in a session, oldest first."),
    _get(f"{_HERE}/history", history, Prompt, History, "The newest turns of a session for a prompt."),
    _get(f"{_HERE}/qa", qas, Newest, QAs, "The questions and answers of a session, oldest first."),
    _get(f"{_HERE}/qa/{{qa_id}}", qa, OneQA, QA, "One question and its answer."),
    _get(f"{_HERE}/trace", trace, Newest, Steps, "The steps of a session's trace, oldest first."),
    _get(f"{_HERE}/graph-context", graph_context, OfSession, GraphContext, "The graph knowledge that a session keeps."),
    _get(f"{_HERE}/state", state, OfSession, State, "Every value of a session's state."),
    _get(f"{_HERE}/state/{{key}}", value, OneValue, Value, "One value of a session's state."),
    _get(f"{_HERE}/timeline", timeline, OfTime, Timeline, "All that a session contains on one line of time."),
    _get(f"{_HERE}/streams", streams, OfSession, Streams, "The streams of entries that a session has."),
    _get(f"{_HERE}/streams/{{stream}}", entries, OfStream, StreamEntries, "The newest entries of a stream."),
    _get(f"{_HERE}/streams/{{stream}}/{{entry_id}}", entry, OneEntry, EntryView, "One entry of a stream."),
    _get("/api/v1/state", own_state, Nothing, State, "Every value of one's own state."),
    _get("/api/v1/state/{key}", own_value, OwnValue, Value, "One value of one's own state."),
)
