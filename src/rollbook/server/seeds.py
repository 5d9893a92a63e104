"""What earlier session stores served, with their parameters, defaults, bounds, keys and the order of those.

What Rollbook knows beside stands behind what they gave. Where they differed the stricter of them is followed, where one
was broken the other one: times have their zone, ids their dashes, the detail its effective status.
"""

from __future__ import annotations

import typing
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from rollbook.content import QA, Outline, TraceStep
from rollbook.errors import InvalidInput, StoreError
from rollbook.ledger.lists import SORTS, Found
from rollbook.ledger.names import guessed
from rollbook.ledger.reads import Lines
from rollbook.model import ModelCost, Page, Session, Stats
from rollbook.model import Status as Known
from rollbook.rules import shapes
from rollbook.server import asked as kinds
from rollbook.server import wire
from rollbook.server.asked import OfSession
from rollbook.server.routing import At, Route

_RECORD: Final = 13  #: keys of a session that earlier stores gave, its effective status with them
_TAIL: Final = 20  #: questions and steps in a detail
_KNOWN: Final = frozenset(Known)
_NOWHERE: Final = "unknown"  #: the e-mail of a user of whom none is known

OrderBy = Annotated[str, msgspec.Meta(description="The column to sort by.", extra_json_schema={"enum": list(SORTS)})]


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A range of time, by when sessions were last active."""

    range: kinds.Span = "30d"
    since: shapes.Since | None = None
    until: shapes.Until | None = None
    user_id: kinds.OfUser | None = None

    @property
    def whose(self) -> dict[str, Any]:
        """The range and the user as the book takes them."""
        since = self.range if self.since is None else self.since
        return {"since": since, "until": self.until, "user_id": self.user_id}


class Listing(kinds.Filters, frozen=True, kw_only=True):
    """What a list is asked for."""

    status: kinds.AnyStatus | None = None  # type: ignore[assignment]  # any word was taken, and found nothing
    range: kinds.Span = "30d"
    limit: kinds.Limit = 50
    offset: kinds.Offset = 0
    order_by: OrderBy = "last_activity_at"
    descending: Annotated[bool, msgspec.Meta(description="Largest or latest first.")] = True
    cursor: kinds.Cursor | None = None


class SeedQA(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer, by the names that earlier stores gave."""

    time: datetime
    question: str
    context: str
    answer: str
    qa_id: str
    feedback_text: str | None
    feedback_score: int | None
    used_graph_element_ids: dict[str, list[str]] | None
    memify_metadata: dict[str, bool] | None
    used_session_context_ids: list[str] | None = None


class SeedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the trace; the first nine are the keys that earlier stores gave."""

    trace_id: str
    origin_function: str
    status: str
    memory_query: str
    memory_context: str
    method_params: Any
    method_return_value: Any
    error_message: str
    session_feedback: str
    created_at: datetime
    started_at: datetime | None
    duration_s: float | None
    tool_name: str | None
    span_id: str | None
    error: str | None


class UserAgentCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one user's sessions with one kind of agent cost."""

    user_id: str
    user_email: str
    agent_type: str
    session_count: int
    tokens_in: int
    tokens_out: int
    tokens_total: int
    cost_usd: float | None
    calls: int
    unpriced_calls: int
    cost_nano_usd: int
    user_name: str | None  #: what the user is called, be it an e-mail or not
    agent: str  #: as sessions name it; ``unknown`` where neither a session nor its id says one


def _session_with(name: str, says: str, **more: Any) -> type[Any]:
    """A session with more keys behind those that earlier stores gave of it."""
    hints = typing.get_type_hints(Session, include_extras=True)
    own = [(field, hints[field]) for field in Session.__struct_fields__]
    fields = [*own[:_RECORD], *more.items(), *own[_RECORD:]]
    return msgspec.defstruct(name, fields, kw_only=True, frozen=True, namespace={"__doc__": says}, module=__name__)


Driven: Final = _session_with(
    "SessionWithAgent", "A session and what drives it.",
    agent_type=str, agent_source=str | None, agent_session_name=str | None, origin_function=str | None,
)  # fmt: skip
Detail: Final = _session_with(
    "Detail", "A session with the end of what it contains.",
    label=str | None, msg_count=int, tool_calls=int, qas=list[SeedQA], traces=list[SeedStep], contents_readable=bool,
)  # fmt: skip
DrivenSessions: Final = msgspec.defstruct(
    "SessionsWithAgents",
    [("sessions", list[Driven]), *list(typing.get_type_hints(Page).items())[1:]],  # type: ignore[valid-type]  # made above
    kw_only=True, frozen=True, namespace={"__doc__": "One page of a list of sessions and what drives them."},
    module=__name__,
)  # fmt: skip


def _line(session: Session) -> msgspec.Raw:
    return msgspec.Raw(wire.encoded(session))


def _driven(session: Session) -> msgspec.Raw:
    return msgspec.Raw(wire.encoded(Driven(**msgspec.structs.asdict(session), **_driver(session))))


_LINES: Final = Lines(_line)
_DRIVEN_LINES: Final = Lines(_driven)


async def sessions(at: At, asked: Listing) -> Any:
    """R7; an unknown status is nobody's, an unknown column is an error."""
    return await _page(at, asked, _LINES)


async def _page(at: At, asked: Listing, made: Lines[msgspec.Raw]) -> Found[msgspec.Raw]:
    if asked.order_by not in SORTS:
        raise InvalidInput(f"unknown order_by {asked.order_by!r}; it is one of {', '.join(SORTS)}")
    known = not asked.status or asked.status in _KNOWN
    filters = asked.filters() | {
        "status": (asked.status or None) if known else None,
        "since": asked.range if asked.since is None else asked.since,
    }
    plan = at.book._plans.lines(  # noqa: SLF001 - a book's callers ask for sessions, not for lines of an answer
        made, **filters, limit=asked.limit, offset=asked.offset, order_by=asked.order_by,
        ascending=not asked.descending, cursor=asked.cursor,
    )  # fmt: skip
    found: Found[msgspec.Raw] = await at.book._drive(plan)  # noqa: SLF001
    if not known:  # what else was asked is checked all the same
        return Found([], 0, asked.limit, asked.offset, has_more=False, next_cursor=None, total_exact=True)
    return found


async def with_agent_info(at: At, asked: Listing) -> Any:
    """The list, with what drives each session: what it says itself, or else what its id speaks of."""
    return await _page(at, asked, _DRIVEN_LINES)


def _driver(session: Session) -> dict[str, str | None]:
    if session.agent is None:
        named = _type(guessed(session.session_id))
        return {"agent_type": named, "agent_source": None, "agent_session_name": None, "origin_function": None}
    return {
        "agent_type": _type(session.agent),
        "agent_source": session.channel,
        "agent_session_name": session.title,
        "origin_function": None,
    }


def _type(agent: str) -> str:
    """An agent as earlier stores wrote it."""
    return agent.replace("-", "_")


async def stats(at: At, asked: Range) -> Stats:
    """R8."""
    return await at.book.stats(**asked.whose)


async def cost_by_model(at: At, asked: Range) -> list[ModelCost]:
    """R9."""
    return await at.book.cost_by_model(**asked.whose)


async def cost_by_user_agent(at: At, asked: Range) -> list[UserAgentCost]:
    """By user and agent, most expensive first; as much as the stats in all."""
    return [
        UserAgentCost(
            user_id=line.user_id,
            user_email=line.user_name if line.user_name and "@" in line.user_name else _NOWHERE,
            agent_type=_type(line.agent),
            session_count=line.session_count,
            tokens_in=line.tokens_in,
            tokens_out=line.tokens_out,
            tokens_total=line.tokens_in + line.tokens_out,
            cost_usd=None if line.cost_usd is None else round(line.cost_usd, 6),
            calls=line.calls,
            unpriced_calls=line.unpriced_calls,
            cost_nano_usd=line.cost_nano_usd,
            user_name=line.user_name,
            agent=line.agent,
        )
        for line in await at.book.cost_by_agent(**asked.whose)
    ]


async def detail(at: At, asked: OfSession) -> Any:
    """One session, with what its owner's journal holds last. One that is damaged hides nothing of the record."""
    session = await at.book.get(asked.session_id, owner=asked.user_id)
    try:
        outline = await at.book.outline(session.session_id, last_n=_TAIL, user_id=session.user_id)
    except StoreError:
        outline = None
    return Detail(**msgspec.structs.asdict(session), **_contents(outline), contents_readable=outline is not None)


def _contents(found: Outline | None) -> dict[str, Any]:
    if found is None:
        return {"label": None, "msg_count": 0, "tool_calls": 0, "qas": [], "traces": []}
    return {
        "label": found.label,
        "msg_count": found.questions,
        "tool_calls": found.steps_taken,
        "qas": [_qa(each) for each in found.qas],
        "traces": [_step(each) for each in found.steps],
    }


def _qa(qa: QA) -> SeedQA:
    return SeedQA(
        time=qa.created_at, question=qa.question, context=qa.context or "", answer=qa.answer, qa_id=qa.qa_id,
        feedback_text=qa.feedback_text, feedback_score=qa.feedback_score,
        used_graph_element_ids=qa.used_graph_element_ids, memify_metadata=qa.memify_metadata,
    )  # fmt: skip


def _step(step: TraceStep) -> SeedStep:
    return SeedStep(**{name: getattr(step, name) for name in SeedStep.__struct_fields__})


ROUTES: Final = (
    Route(
        method="GET", path="/api/v1/sessions", shared=True, answer=sessions, takes=Listing, gives=Page,
        failed="list failed", does="List sessions, a page at a time.",
    ),
    Route(
        method="GET", path="/api/v1/sessions/stats", shared=True, answer=stats, takes=Range, gives=Stats,
        failed="stats failed", tag="figures", does="Figures over the sessions active within a range.",
    ),
    Route(
        method="GET", path="/api/v1/sessions/cost-by-model", shared=True, answer=cost_by_model, takes=Range,
        gives=list[ModelCost], failed="cost-by-model failed", tag="figures",
        does="Cost by model, most expensive first.",
    ),
    Route(
        method="GET", path="/api/v1/sessions/with-agent-info", shared=True, answer=with_agent_info, takes=Listing,
        gives=DrivenSessions, failed="list failed", does="List sessions with what drives each of them.",
    ),
    Route(
        method="GET", path="/api/v1/sessions/cost-by-user-agent", shared=True, answer=cost_by_user_agent,
        takes=Range, gives=list[UserAgentCost], failed="aggregation failed", tag="figures",
        does="Cost by user and kind of agent, most expensive first.",
    ),
    Route(
        method="GET", path="/api/v1/session", answer=detail, takes=OfSession, gives=Detail, failed="detail failed",
        does="One session with the end of what it contains; whatever it is called.",
    ),
    Route(
        method="GET", path="/api/v1/sessions/{session_id}", answer=detail, takes=OfSession, gives=Detail,
        failed="detail failed", does="One session with the end of what it contains.",
    ),
)  # fmt: skip
