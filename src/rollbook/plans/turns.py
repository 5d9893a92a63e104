"""Stored entries as what they hold: questions and answers, trace steps, messages, and the turns of a conversation.

What an entry has beside is passed over, and what it lacks has a default. One that is damaged raises StoreError.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from rollbook.content import QA, Message, TraceStep
from rollbook.journal.shelf import Line
from rollbook.model import from_micros, rfc3339
from rollbook.rules import bodies
from rollbook.rules.texts import MESSAGES, QAS, TRACE


class _Asked(msgspec.Struct):
    """The body of a question and its answer."""

    question: str = ""
    answer: str = ""
    context: str | None = None
    feedback_text: str | None = None
    feedback_score: int | None = None
    used_graph_element_ids: dict[str, list[str]] | None = None
    memify_metadata: dict[str, bool] | None = None


class _Taken(msgspec.Struct):
    """The body of a trace step."""

    origin_function: str = ""
    status: str = ""
    memory_query: str = ""
    memory_context: str = ""
    method_params: Any = None
    method_return_value: Any = None
    error_message: str = ""
    session_feedback: str = ""
    started_at: int | None = None
    duration_s: float | None = None
    tool_name: str | None = None
    span_id: str | None = None
    error: str | None = None


class _Said(msgspec.Struct):
    """The body of a message."""

    role: str = ""
    content: str = ""


B = TypeVar("B", _Asked, _Taken, _Said)
_asked: Final = msgspec.json.Decoder(_Asked)
_taken: Final = msgspec.json.Decoder(_Taken)
_said: Final = msgspec.json.Decoder(_Said)


def qa_of(session_id: str, line: Line) -> QA:
    """The question and answer that an entry holds."""
    body = _body(line, QAS, _asked)
    return QA(
        qa_id=line.entry_id,
        session_id=session_id,
        created_at=from_micros(line.created_at),
        question=body.question,
        answer=body.answer,
        context=body.context,
        feedback_text=body.feedback_text,
        feedback_score=body.feedback_score,
        used_graph_element_ids=body.used_graph_element_ids,
        memify_metadata=body.memify_metadata,
    )


def step_of(session_id: str, line: Line) -> TraceStep:
    """The trace step that an entry holds."""
    body = _body(line, TRACE, _taken)
    fields = msgspec.structs.asdict(body)
    try:
        fields["started_at"] = None if body.started_at is None else from_micros(body.started_at)
    except OverflowError as error:
        raise bodies.damaged(_name(line, TRACE), error) from None
    return TraceStep(trace_id=line.entry_id, session_id=session_id, created_at=from_micros(line.created_at), **fields)


def message_of(line: Line) -> Message:
    """The message that an entry holds."""
    body = _body(line, MESSAGES, _said)
    return Message(
        message_id=line.entry_id,
        role=body.role,
        content=body.content,
        created_at=from_micros(line.created_at),
        stream=MESSAGES,
    )


def said(line: Line) -> list[Message]:
    """The question and the answer that an entry holds, as messages."""
    body, at = _body(line, QAS, _asked), from_micros(line.created_at)
    return [
        Message(message_id=line.entry_id, role=role, content=content, created_at=at, stream=QAS)
        for role, content in (("user", body.question), ("assistant", body.answer))
        if content
    ]


def gathered(session_id: str, found: list[Line]) -> list[QA]:
    """Messages as turns: what the user said until the agent answered, and the answer until the user spoke again."""
    turns: list[tuple[Line, list[str], list[str]]] = []
    for line in found:
        body = _body(line, MESSAGES, _said)
        if body.role == "user":
            if not turns or turns[-1][2]:
                turns.append((line, [], []))
            turns[-1][1].append(body.content)
        elif body.role == "assistant":
            if not turns:
                turns.append((line, [], []))
            turns[-1][2].append(body.content)
    return [
        QA(
            qa_id=line.entry_id, session_id=session_id, created_at=from_micros(line.created_at),
            question="\n\n".join(asked), answer="\n\n".join(answered),
        )
        for line, asked, answered in turns
    ]  # fmt: skip


def alternating(turns: list[QA]) -> list[dict[str, str]]:
    """Turns as messages for a prompt: user and assistant in turn, so that what one of them said in a row is one."""
    found: list[tuple[str, list[str]]] = []
    for turn in turns:
        for role, content in (("user", turn.question), ("assistant", turn.answer)):
            if content and found and found[-1][0] == role:
                found[-1][1].append(content)
            elif content:
                found.append((role, [content]))
    return [{"role": role, "content": "\n\n".join(contents)} for role, contents in found]


def formatted(turn: QA, *, context: bool) -> str:
    told = f"CONTEXT: {turn.context}\n" if context and turn.context else ""
    return f"[{rfc3339(turn.created_at)}]\nQUESTION: {turn.question}\n{told}ANSWER: {turn.answer}\n\n"


def _body(line: Line, stream: str, decoder: msgspec.json.Decoder[B]) -> B:
    try:
        return decoder.decode(line.body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    name = _name(line, stream)
    values = bodies.decoded(line.body, name)  # it may have numbers that only the standard library can say
    try:
        return msgspec.convert(values, decoder.type)
    except msgspec.ValidationError as error:
        raise bodies.damaged(name, error) from None


def _name(line: Line, stream: str) -> str:
    return f"the entry {line.entry_id!r} of {stream}"
