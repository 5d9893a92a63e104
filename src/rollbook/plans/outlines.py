"""The plan for what a session is about, at a glance: how much it contains, its label, and the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rollbook.content import QA, Outline, TraceStep
from rollbook.core import Plan
from rollbook.journal import lines
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import MAIN
from rollbook.plans.reading import User
from rollbook.plans.streams import StreamPlans
from rollbook.plans.turns import qa_of, step_of
from rollbook.rules import bodies, checks
from rollbook.rules.texts import QAS, TRACE

LABEL_CHARS: Final = 120
_FIRST: Final = 32  #: entries that are read first from the beginning of a stream
_AT_ONCE: Final = 1024  #: and at most so many at a time then


class OutlinePlans(StreamPlans):
    """The method that outlines."""

    def outline(self, session_id: str, *, last_n: int | None = 20, user_id: User = None) -> Plan[Outline]:
        """How many questions and steps a session has, the newest ``last_n`` of each, and a label for it.

        The label is the beginning of the first question that is not empty, else what the first step was of, else None.
        What comes before the newest is read only as far as it takes to find it.
        """
        name, most = checks.session_id(session_id), bodies.last_n(last_n)

        def look(peek: Peek, who: Who) -> Outline:
            asked, taken = peek.head(who, QAS, MAIN), peek.head(who, TRACE, MAIN)
            qas = [] if asked is None else lines.tail(peek, QAS, asked.tip, most)
            steps = [] if taken is None else lines.tail(peek, TRACE, taken.tip, most)
            return Outline(
                label=_label(name, peek, asked, taken),
                qas=[qa_of(name, line) for line in qas],
                steps=[step_of(name, line) for line in steps],
                questions=0 if asked is None else asked.length,
                steps_taken=0 if taken is None else taken.length,
            )

        return (yield from self.perused(name, user_id, look, (QAS, MAIN)))


def _label(name: str, peek: Peek, asked: Head | None, taken: Head | None) -> str | None:
    questions: Iterator[QA] = (qa_of(name, line) for line in _from_the_beginning(peek, asked))
    question = next((qa.question for qa in questions if qa.question), None)
    if question is not None:
        return question[:LABEL_CHARS]
    steps: Iterator[TraceStep] = (step_of(name, line) for line in _from_the_beginning(peek, taken))
    return next((step.origin_function for step in steps if step.origin_function), None)


def _from_the_beginning(peek: Peek, head: Head | None) -> Iterator[Line]:
    """The entries of a line, oldest first, a few at a time: who looks for the first of a kind seldom reads on."""
    if head is None:
        return
    if head.length <= _FIRST:  # it may be short and stand far back among those of forks
        yield from lines.tail(peek, head.stream, head.tip, None)
        return
    low, many = 1, _FIRST
    while low <= head.tip:
        high = min(head.tip, low + many - 1)
        for line in reversed(peek.below(head.stream, high + 1, high - low + 1)):
            if line.position >= low and lines.shows(peek, head, line.position):
                yield line
        low, many = high + 1, min(_AT_ONCE, 4 * many)
