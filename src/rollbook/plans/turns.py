"""Stored entries as what they hold: questions and answers, trace steps, messages, and the turns of a conversation."""

from __future__ import annotations

from typing import Any

from rollbook.content import QA, Message, TraceStep
from rollbook.journal.shelf import Line
from rollbook.model import from_micros, rfc3339
from rollbook.rules import bodies
from rollbook.rules.texts import MESSAGES, QAS


def qa_of(session_id: str, line: Line) -> QA:
    """The question and answer that an entry holds."""
    return QA(qa_id=line.entry_id, session_id=session_id, created_at=from_micros(line.created_at), **_body(line))


def step_of(session_id: str, line: Line) -> TraceStep:
    """The trace step that an entry holds."""
    body = _body(line)
    started = body.pop("started_at", None)
    return TraceStep(
        trace_id=line.entry_id,
        session_id=session_id,
        created_at=from_micros(line.created_at),
        started_at=None if started is None else from_micros(started),
        **body,
    )


def message_of(line: Line) -> Message:
    """The message that an entry holds."""
    return Message(message_id=line.entry_id, created_at=from_micros(line.created_at), stream=MESSAGES, **_body(line))


def said(line: Line) -> list[Message]:
    body, at = _body(line), from_micros(line.created_at)
    return [
        Message(message_id=line.entry_id, role=role, content=body[field], created_at=at, stream=QAS)
        for role, field in (("user", "question"), ("assistant", "answer"))
        if body[field]
    ]


def gathered(session_id: str, found: list[Line]) -> list[QA]:
    """Messages as turns: what the user said until the agent answered, and the answer until the user spoke again."""
    turns: list[tuple[Line, list[str], list[str]]] = []
    for line in found:
        body = _body(line)
        if body["role"] == "user":
            if not turns or turns[-1][2]:
                turns.append((line, [], []))
            turns[-1][1].append(body["content"])
        elif body["role"] == "assistant":
            if not turns:
                turns.append((line, [], []))
            turns[-1][2].append(body["content"])
    return [
        QA(
            qa_id=line.entry_id, session_id=session_id, created_at=from_micros(line.created_at),
            question="\n\n".join(asked), answer="\n\n".join(answered),
        )
        for line, asked, answered in turns
    ]  # fmt: skip


def formatted(turn: QA, *, context: bool) -> str:
    told = f"CONTEXT: {turn.context}\n" if context and turn.context else ""
    return f"[{rfc3339(turn.created_at)}]\nQUESTION: {turn.question}\n{told}ANSWER: {turn.answer}\n\n"


def _body(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = bodies.decoded(line.body)
    return found
