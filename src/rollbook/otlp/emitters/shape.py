"""What is known of an emitter: which of its spans are what, and by which names it says it. Data, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

#: What a span can be.
CALL: Final = "call"  #: one call of a model
EMBEDDING: Final = "embedding"  #: one call of a model that says nothing
TOOL: Final = "tool"  #: one call of a tool
OTHER: Final = "other"  #: anything else: usage on it is a sum, or somebody else's

Names = tuple[str, ...]  #: of attributes, the preferred one first; see ``words.find`` for how they are read


class Said(Struct, frozen=True):
    """Where contents are: in an attribute (JSON or text), or in numbered ones (``gen_ai.prompt.0.content``)."""

    whole: Names = ()
    numbered: Names = ()  #: what stands before the number
    role: str = "role"  #: what stands behind it
    content: str = "content"


class Emitter(Struct, frozen=True, kw_only=True):
    """One that writes spans. What its table does not say is looked up in the conventions that all share."""

    name: str  #: the source of its calls
    marks: Names = ()  #: how attributes, or names of spans, begin that only it writes
    services: Names = ()  #: its ``service.name`` or scope, in lower case; ``_`` or ``.`` at the end: how they begin
    agent: str | None = None  #: the agent that it always is

    # Which spans are what
    kind: Names = ()  #: attributes that say it
    kinds: Mapping[str, str] = {}  #: what they say, in lower case
    spans: Mapping[str, str] = {}  #: the same by the names of spans
    calls: Names = ()  #: attributes that only calls have
    passed_over: Mapping[str, str] = {}  #: attributes, with values, of spans that are none

    # A call
    tokens: Mapping[str, Names] = {}  #: by fields of ``Tokens``
    disjoint: bool = False  #: input is without what was cached, output without reasoning
    cost: Names = ()  #: dollars
    model: Names = ()
    provider: Names = ()
    provider_until: str = ""  #: where the provider's own name ends in what is said of it
    no_providers: frozenset[str] = frozenset()  #: what stands there without being one, in lower case
    response: Names = ()  #: ids
    request: Names = ()
    succeeded: Names = ()  #: false: it failed
    asked: Said = Said()
    answered: Said = Said()

    # A tool's call
    tool: Names = ()
    tool_call: Names = ()  #: its id
    arguments: Names = ()
    result: Names = ()
    error: Names = ()

    # Its session
    session: Names = ()
    sub_agent: Names = ()  #: the id of the agent within the session, that has a session of its own
    agents: Names = ()
    actor: Names = ()
    project: Names = ()
    title: Names = ()
    tags: Names = ()
    turns: Names = ()
    end: Names = ()  #: how it ended
    ends: Mapping[str, str] = {}  #: what that says, in lower case: a status to end with
