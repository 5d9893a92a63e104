"""What a session contains, as it is answered: questions and answers, trace steps, messages, entries, search results.

Frozen structs with times as aware ``datetime`` in UTC; :func:`rollbook.to_dict` makes plain JSON values of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class QA(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer."""

    qa_id: str
    session_id: str
    created_at: datetime
    question: str
    answer: str
    context: str | None = None
    feedback_text: str | None = None
    feedback_score: int | None = None  #: 1 to 5
    used_graph_element_ids: dict[str, list[str]] | None = None  #: under ``node_ids`` and ``edge_ids``
    memify_metadata: dict[str, bool] | None = None


class TraceStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step that an agent took: a tool that was called, a function that ran."""

    trace_id: str
    session_id: str
    created_at: datetime
    origin_function: str
    status: str  #: ``success``, ``error``, or a word of the agent's own
    memory_query: str = ""
    memory_context: str = ""
    method_params: Any = None
    method_return_value: Any = None
    error_message: str = ""
    session_feedback: str = ""
    started_at: datetime | None = None
    duration_s: float | None = None
    tool_name: str | None = None
    span_id: str | None = None
    error: str | None = None  #: the kind of error: an exception's class, a code


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation."""

    message_id: str  #: of a question or an answer: the id of its QA
    role: str  #: user | assistant | system | tool
    content: str
    created_at: datetime
    stream: str  #: where it stands: ``qa`` or ``messages``


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a stream."""

    entry_id: str
    position: int  #: only grows within a stream
    created_at: datetime
    body: Any  #: plain JSON values


class HeadView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of entries in a stream; a stream that nobody branched has one, ``main``."""

    stream: str
    head: str
    length: int
    revision: int  #: changes with every write to the line; 0 is a line that is not there
    changed_at: datetime


class AppendedView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of entries that were appended."""

    ids: list[str]  #: of all that were given, in order
    added: int
    duplicates: list[EntryView]  #: what stands under those ids that were there before
    length: int  #: entries of the line now
    revision: int  #: of the line now


class ContentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of one session, as exports have it."""

    session_id: str
    user_id: str
    stream: str  #: ``qa``, ``trace``, ``messages``, or a framework's own
    head: str  #: the line of entries: ``main``, or a branch
    entry_id: str
    position: int  #: only grows within a stream
    created_at: datetime
    body: msgspec.Raw  #: JSON, as it is stored


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    """What a session contains, at a glance."""

    label: str | None  #: the beginning of its first question, else what its first step was of
    qas: list[QA]  #: the newest, oldest first
    steps: list[TraceStep]  #: the newest, oldest first
    questions: int  #: that there are
    steps_taken: int  #: that there are


class TimedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry where all that a session contains is told on one line of time."""

    stream: str  #: ``qa``, ``trace``, ``messages``, or a framework's own
    entry_id: str
    position: int  #: only grows within a stream
    created_at: datetime
    body: Any  #: plain JSON values
    cut: bool = False  #: values were shortened; the entry itself has them whole


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what a session contains, oldest first."""

    entries: list[TimedEntry]
    total: int  #: that there are in all
    mark: str  #: where the next page goes on; of the last one, what is written later
    has_more: bool


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One place that a search found."""

    session_id: str
    user_id: str
    stream: str  #: ``qa``, ``trace``, ``messages``, or a framework's own
    entry_id: str
    created_at: datetime
    snippet: str  #: the words around the first match; matches between ``[`` and ``]``
    score: float  #: higher is better; comparable within one search only
    title: str | None = None  #: of the session


class Wiped(msgspec.Struct, frozen=True, kw_only=True):
    """What wiping the journal removed, or would remove."""

    sessions: int  #: of which something was kept
    dry_run: bool = False
