"""Plans for what is said and done in a session: questions, answers, feedback, trace steps, messages, graph context."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

from msgspec import UNSET, Raw, UnsetType

from rollbook.content import QA, Message, TraceStep
from rollbook.core import Plan
from rollbook.errors import InvalidInput, NotFound
from rollbook.journal import lines
from rollbook.journal.shelf import Line, Peek, Who
from rollbook.journal.steps import MAIN, Append, Change, New, Patch, Remove
from rollbook.plans.reading import User
from rollbook.plans.streams import StreamPlans, When, newest
from rollbook.plans.turns import alternating, formatted, gathered, message_of, qa_of, said, step_of
from rollbook.rules import bodies, checks
from rollbook.rules.texts import FIELDS, MESSAGES, QAS, TRACE, text_of

ROLES: Final = ("user", "assistant", "system", "tool")
GRAPH_CONTEXT: Final = "graph_context"  #: the key of state
HISTORY_N: Final = 10  #: turns that a prompt is given
_WINDOW: Final = 64  #: messages that are read at least to find turns in them
APPLIED: Final = "feedback_weights_applied"  #: the flag that new feedback resets (R10)

_FAILED: Final = frozenset({"error", "failed", "failure"})
_FALSE: Final = Raw(b"false")


class ContentPlans(StreamPlans):
    """Methods of the conversation and of the trace."""

    # Questions and answers (R10)

    def add_qa(
        self,
        session_id: str,
        *,
        question: str,
        answer: str,
        context: str | None = None,
        used_graph_element_ids: Mapping[str, Any] | None = None,
        feedback_text: str | None = None,
        feedback_score: int | None = None,
        memify_metadata: Mapping[str, bool] | None = None,
        qa_id: str | None = None,
        user_id: User = None,
        at: When = None,
    ) -> Plan[str]:
        """Keep a question and its answer; the id, which is made if none is given. Creates the session.

        The same id again changes nothing. ``used_graph_element_ids`` holds ``node_ids`` and ``edge_ids``.
        """
        moment, _ = checks.moment(at, "at", self.clock())
        body = {
            "question": bodies.words(question, "question"),
            "answer": bodies.words(answer, "answer"),
            "context": bodies.words_or_none(context, "context"),
            "feedback_text": bodies.words_or_none(feedback_text, "feedback_text"),
            "feedback_score": bodies.score(feedback_score),
            "used_graph_element_ids": bodies.graph_ids(used_graph_element_ids),
            "memify_metadata": bodies.flags(memify_metadata),
        }
        return (yield from self._add(session_id, QAS, qa_id, body, user_id=user_id, at=moment))

    def _add(
        self,
        session_id: str,
        stream: str,
        given: str | None,
        body: dict[str, Any],
        *,
        user_id: User,
        at: int,
        failed: bool = False,
    ) -> Plan[str]:
        name, fresh = self.made_id() if given is None else bodies.entry_id(given)
        clean = body if self.redactor is None else self.redactor.value(body)
        text = text_of(stream, clean)
        new = New(name, bodies.encoded(clean, "an entry", self.settings.entry_bytes), at, text, failed, fresh)
        yield from self.step(session_id, [Append(stream, (new,))], user_id=user_id, at=at)
        return name

    def qa(self, session_id: str, *, last_n: int | None = None, user_id: User = None) -> Plan[List[QA]]:
        """The questions and answers of a session, oldest first; with ``last_n`` the newest so many (R11)."""
        return (yield from self._newest(session_id, QAS, bodies.last_n(last_n), user_id, qa_of))

    def _newest(
        self, session_id: str, stream: str, most: int | None, user_id: User, made: Callable[[str, Line], Any]
    ) -> Plan[List[Any]]:
        name = checks.session_id(session_id)

        def look(peek: Peek, who: Who) -> List[Any]:
            return [made(name, line) for line in newest(peek, who, stream, most)]

        return (yield from self.perused(name, user_id, look, (stream, MAIN)))

    def get_qa(self, session_id: str, qa_id: str, *, user_id: User = None) -> Plan[QA]:
        """One question and its answer. Raises NotFound."""
        name = bodies.entry_id(qa_id, "a qa id")[0]
        line = yield from self.perused(session_id, user_id, lambda peek, who: lines.seen(peek, who, QAS, name))
        if line is None:
            raise NotFound(f"there is no question {name!r} in session {session_id!r}")
        return qa_of(session_id, line)

    def latest_qa_id(self, session_id: str, *, user_id: User = None) -> Plan[str | None]:
        """The id of the newest question and answer, if there is one."""
        found: List[QA] = yield from self.qa(session_id, last_n=1, user_id=user_id)
        return found[0].qa_id if found else None

    def update_qa(
        self,
        session_id: str,
        qa_id: str,
        *,
        question: str | UnsetType = UNSET,
        answer: str | UnsetType = UNSET,
        context: str | UnsetType | None = UNSET,
        feedback_text: str | UnsetType | None = UNSET,
        feedback_score: int | UnsetType | None = UNSET,
        used_graph_element_ids: Mapping[str, Any] | UnsetType | None = UNSET,
        memify_metadata: Mapping[str, bool] | UnsetType | None = UNSET,
        user_id: User = None,
    ) -> Plan[bool]:
        """Change a question and answer; whether there is one of that id (R10).

        What is not given stays, None clears (not a question or an answer), a value is set; ``memify_metadata`` is
        replaced. Feedback that is set resets its flag ``feedback_weights_applied``, unless the flags are given too.
        """
        given: dict[str, tuple[Any, Callable[[Any, str], Any]]] = {
            "question": (question, bodies.words),
            "answer": (answer, bodies.words),
            "context": (context, bodies.words_or_none),
            "feedback_text": (feedback_text, bodies.words_or_none),
            "feedback_score": (feedback_score, lambda value, _: bodies.score(value)),
            "used_graph_element_ids": (used_graph_element_ids, lambda value, _: bodies.graph_ids(value)),
            "memify_metadata": (memify_metadata, lambda value, _: bodies.flags(value)),
        }
        fields = {name: check(value, name) for name, (value, check) in given.items() if value is not UNSET}
        return (yield from self._update(session_id, qa_id, fields, user_id))

    def _update(self, session_id: str, qa_id: str, fields: dict[str, Any], user_id: User) -> Plan[bool]:
        name = bodies.entry_id(qa_id, "a qa id")[0]
        if not fields:
            own = self.owner(user_id)[0]  # writes are one's own, whoever else may be seen
            found = yield from self.perused(session_id, own, lambda peek, who: lines.seen(peek, who, QAS, name))
            return found is not None
        told = fields.get("feedback_text") is not None or fields.get("feedback_score") is not None
        change = Patch(
            QAS,
            name,
            {field: Raw(self.body(value, field)) for field, value in fields.items()},
            {"memify_metadata": {APPLIED: _FALSE}} if told and "memify_metadata" not in fields else {},
            FIELDS[QAS] if set(FIELDS[QAS]) & fields.keys() else (),
            self.settings.entry_bytes,
        )
        return (yield from self._whether(session_id, change, user_id))

    def delete_qa(self, session_id: str, qa_id: str, *, user_id: User = None) -> Plan[bool]:
        """Remove a question and its answer; whether it was there."""
        return (yield from self._whether(session_id, Remove(QAS, bodies.entry_id(qa_id, "a qa id")[0]), user_id))

    def add_feedback(
        self,
        session_id: str,
        qa_id: str,
        *,
        score: int | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET,
        user_id: User = None,
    ) -> Plan[bool]:
        """Say how good an answer was: a whole number from 1 to 5, a text, or both; whether there is such an answer.

        What is not given stays as it was, None clears it.
        """
        fields: dict[str, Any] = {}
        if score is not UNSET:
            fields["feedback_score"] = bodies.score(score)
        if text is not UNSET:
            fields["feedback_text"] = bodies.words_or_none(text, "text")
        if not fields:
            raise InvalidInput("feedback needs a score from 1 to 5, a text, or both")
        return (yield from self._update(session_id, qa_id, fields, user_id))

    def delete_feedback(self, session_id: str, qa_id: str, *, user_id: User = None) -> Plan[bool]:
        """Clear what was said of an answer; whether there is such an answer. Its flags stay."""
        fields = {"feedback_text": None, "feedback_score": None}
        return (yield from self._update(session_id, qa_id, fields, user_id))

    # Trace

    def add_trace_step(
        self,
        session_id: str,
        *,
        origin_function: str,
        status: str = "success",
        memory_query: str = "",
        memory_context: str = "",
        method_params: Any = None,
        method_return_value: Any = None,
        error_message: str = "",
        session_feedback: str = "",
        started_at: When = None,
        duration_s: float | None = None,
        tool_name: str | None = None,
        span_id: str | None = None,
        error: str | None = None,
        trace_id: str | None = None,
        user_id: User = None,
        at: When = None,
    ) -> Plan[str]:
        """Keep one step that the agent took; its id, which is made if none is given. Creates the session.

        A step whose ``status`` is ``error`` (or ``failed``, ``failure``), or which names the kind of ``error`` that it
        met, adds one to the session's ``step_errors``; the same id again does not. Values are kept whole.
        """
        now = self.clock()
        moment, _ = checks.moment(at, "at", now)
        word = checks.text(status, "status", checks.MAX_MODEL_BYTES)
        body = {
            "origin_function": checks.text(origin_function, "origin_function", checks.MAX_TITLE_BYTES),
            "status": word,
            "memory_query": bodies.words(memory_query, "memory_query"),
            "memory_context": bodies.words(memory_context, "memory_context"),
            "method_params": {} if method_params is None else method_params,
            "method_return_value": method_return_value,
            "error_message": bodies.words(error_message, "error_message"),
            "session_feedback": bodies.words(session_feedback, "session_feedback"),
            "started_at": None if started_at is None else checks.moment(started_at, "started_at", now)[0],
            "duration_s": bodies.seconds(duration_s, "duration_s"),
            "tool_name": checks.name(tool_name, "tool_name"),
            "span_id": checks.name(span_id, "span_id"),
            "error": checks.name(error, "error", checks.MAX_TITLE_BYTES),
        }
        failed = word.lower() in _FAILED or body["error"] is not None
        name = yield from self._add(session_id, TRACE, trace_id, body, user_id=user_id, at=moment, failed=failed)
        return name

    def trace(self, session_id: str, *, last_n: int | None = None, user_id: User = None) -> Plan[List[TraceStep]]:
        """The steps of a session's trace, oldest first; with ``last_n`` the newest so many (R11)."""
        return (yield from self._newest(session_id, TRACE, bodies.last_n(last_n), user_id, step_of))

    # The conversation as a whole

    def add_message(
        self,
        session_id: str,
        *,
        role: str,
        content: str,
        message_id: str | None = None,
        user_id: User = None,
        at: When = None,
    ) -> Plan[str]:
        """Keep one message of a conversation that does not come as question and answer; its id. Creates the session.

        ``role`` is user, assistant, system or tool. The same id again changes nothing.
        """
        moment, _ = checks.moment(at, "at", self.clock())
        body = {"role": checks.one_of(role, "role", ROLES), "content": bodies.words(content, "content")}
        return (yield from self._add(session_id, MESSAGES, message_id, body, user_id=user_id, at=moment))

    def conversation(self, session_id: str, *, last_n: int | None = None, user_id: User = None) -> Plan[List[Message]]:
        """What was said in a session, oldest first: questions, answers and messages; with ``last_n`` the newest."""
        most = bodies.last_n(last_n)

        def look(peek: Peek, who: Who) -> List[Message]:
            told = [said(line) for line in newest(peek, who, QAS, most)]
            told += [[message_of(line)] for line in newest(peek, who, MESSAGES, most)]
            told.sort(key=lambda each: each[0].created_at)  # stable, so that a question stays before its answer
            found = list(chain.from_iterable(told))
            return found if most is None else found[max(0, len(found) - most) :]

        return (yield from self.perused(session_id, user_id, look))

    def history(
        self, session_id: str, *, last_n: int | None = HISTORY_N, user_id: User = None
    ) -> Plan[List[dict[str, str]]]:
        """The newest turns as messages for a prompt: ``role`` (user and assistant in turn) and ``content``.

        A turn is a question with its answer. What follows each other with one role becomes one message, with a blank
        line between.
        """
        return alternating((yield from self._turns(session_id, bodies.last_n(last_n), user_id)))

    def history_text(
        self, session_id: str, *, last_n: int | None = HISTORY_N, context: bool = True, user_id: User = None
    ) -> Plan[str]:
        """The newest turns as one text for a prompt, with the context that each had or without; empty for none."""
        turns = yield from self._turns(session_id, bodies.last_n(last_n), user_id)
        if not turns:
            return ""
        return "Previous conversation:\n\n" + "".join(formatted(turn, context=context) for turn in turns)

    def _turns(self, session_id: str, most: int | None, user_id: User) -> Plan[List[QA]]:
        """The newest turns: questions and answers, and messages gathered to such."""
        name = checks.session_id(session_id)

        def look(peek: Peek, who: Who) -> List[QA]:
            turns = [qa_of(name, line) for line in newest(peek, who, QAS, most)]
            turns += _gathered(name, peek, who, most)
            turns.sort(key=lambda turn: turn.created_at)
            return turns if most is None else turns[max(0, len(turns) - most) :]

        return (yield from self.perused(name, user_id, look))

    # Graph context

    def graph_context(self, session_id: str, *, user_id: User = None) -> Plan[str | None]:
        """The snapshot of graph knowledge that a session keeps, if it has one."""
        found: str | None = yield from self.get_state(session_id, GRAPH_CONTEXT, user_id=user_id)
        return found

    def set_graph_context(self, session_id: str, context: str, *, user_id: User = None) -> Plan[None]:
        """Keep a snapshot of graph knowledge, in place of the one before. Creates the session."""
        changes: List[Change] = [self.state_change({GRAPH_CONTEXT: bodies.words(context, "context")}, of_user=False)]
        yield from self.step(checks.session_id(session_id), changes, user_id=user_id)


def _gathered(session_id: str, peek: Peek, who: Who, most: int | None) -> List[QA]:
    """The newest turns among messages, of which not more are read than it takes."""
    if most == 0:
        return []
    window = None if most is None else _WINDOW + 8 * most
    while True:
        found = newest(peek, who, MESSAGES, window)
        turns = gathered(session_id, found)
        # The first turn that was read may have begun before; with one more than wanted it is not among them.
        if window is None or most is None or len(turns) > most or len(found) < window:
            return turns
        window *= 4
