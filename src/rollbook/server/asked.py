"""The kinds of parameters that many routes take, as the description of the interface shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from rollbook.rules import checks, query
from rollbook.rules.shapes import Since, Until, named, optional, said

SessionId = Annotated[str, named("The session's id. A slash in it is written as %2F.")]
User = Annotated[
    str, named("Whose it is: a user's id, name or e-mail. Where several have that id, one's own comes first.")
]
OfUser = Annotated[str, named("A user's id, name or e-mail: the sessions of that one alone.")]
Span = Annotated[
    Literal["24h", "7d", "30d", "all"], said("Sessions active within this time; `since` says it more exactly.")
]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="Sessions on a page.")]
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**53, description="Sessions to pass over; a cursor is the better way.")]
Cursor = Annotated[str, said("`next_cursor` of the page before, with the same question.")]
LastN = Annotated[int, msgspec.Meta(ge=0, le=10_000, description="The newest so many, oldest first.")]
Status = Annotated[
    Literal["running", "completed", "failed", "cancelled", "unknown", "abandoned"], said("The effective status.")
]
AnyStatus = Annotated[
    str, said("The effective status: running, completed, failed, cancelled, unknown or abandoned; others are nobody's.")
]
Kind = Annotated[Literal["interactive", "autonomous", "acp"], said("How the session is driven.")]
Channel = Annotated[
    Literal["cli", "tui", "telegram", "discord", "slack", "acp", "web", "api", "ide", "other"],
    said("Where the session is held."),
]
Agent = Annotated[str, optional("The agent: claude-code, codex, my-bot …")]
Project = Annotated[str, optional("The project: a folder or a name.", 4096)]
Model = Annotated[str, optional("A model that the session used; `unknown` for calls that named none.")]
Tag = Annotated[str, optional("A tag of the session.")]
Text = Annotated[str, optional("In the id, the title or the goal.", checks.MAX_TITLE_BYTES)]
Query = Annotated[
    str,
    said("More conditions in one text, such as `status:failed cost>5 model:claude-* -agent:codex`.", query.MAX_CHARS),
]
Dataset = Annotated[UUID, said("The dataset that the session is in.")]
Zone = Annotated[str, said("The time zone in which days and hours begin.", 64)]
Stream = Annotated[str, named("A stream of entries: `qa`, `trace`, `messages`, or one of a framework's own.", 256)]
EntryId = Annotated[str, named("The entry's id.")]
Key = Annotated[str, named("The key of a value.", 256)]


class OfSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session, by its id and, where that is not enough, by whose it is (R6)."""

    session_id: SessionId
    user_id: User | None = None


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What sessions can be asked for (R7)."""

    status: Status | None = None
    since: Since | None = None
    until: Until | None = None
    kind: Kind | None = None
    channel: Channel | None = None
    agent: Agent | None = None
    project: Project | None = None
    model: Model | None = None
    dataset_id: Dataset | None = None
    tag: Tag | None = None
    text: Text | None = None
    query: Query | None = None
    user_id: OfUser | None = None

    def filters(self) -> dict[str, Any]:
        """The filters by name, as the book takes them."""
        return {name: getattr(self, name) for name in Filters.__struct_fields__}
