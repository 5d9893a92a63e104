"""One session of a book, by its id; and what handles of both faces have in common."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

from rollbook.book import Rollbook
from rollbook.errors import Conflict, Gone, RollbookError
from rollbook.model import Session

P = ParamSpec("P")
R = TypeVar("R")


def ending(kind: type[BaseException] | None, error: BaseException | None) -> tuple[str, str | None]:
    """How a session ends that is left by an exception, or by none: status and reason."""
    if kind is None or (kind is SystemExit and getattr(error, "code", None) in (None, 0)):
        return "completed", None
    if issubclass(kind, KeyboardInterrupt | GeneratorExit) or _cancelled(kind):
        return "cancelled", kind.__name__
    said = "".join(char if char.isprintable() else " " for char in f"{kind.__name__}: {error}".replace("\x00", " "))
    return "failed", said.encode("utf-8", "replace")[:1000].decode("utf-8", "ignore")


def _cancelled(kind: type[BaseException]) -> bool:
    """Whether a task was cancelled; where asyncio was never loaded, none was."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and issubclass(kind, asyncio.CancelledError)


class Handle:
    """What the handles of both faces have in common: whose session it is, and how leaving it goes."""

    def __init__(self, session_id: str | None, user_id: str | UUID | None, facts: dict[str, Any]) -> None:
        self._session_id = session_id
        self._user_id = user_id
        self._facts = facts
        self._ended = False
        self._instance_id = ""  #: that runs it

    @property
    def session_id(self) -> str:
        """The session's id; made by the first touch if none was given."""
        if self._session_id is None:
            raise RollbookError("the session has no id before its with block is entered")
        return self._session_id

    @staticmethod
    def _let_pass(kind: type[BaseException] | None, refused: RollbookError) -> bool:
        """Whether an end that was refused is no matter.

        Somebody else ended the session first, or deleted it: that stands. And what leaves the block matters more.
        """
        return kind is not None or isinstance(refused, Conflict | Gone)


def without_session(method: Callable[..., Any]) -> inspect.Signature:
    """A book's method's signature as a session's handle has it: the session and its user are known."""
    found = inspect.signature(method)
    kept = [one for name, one in found.parameters.items() if name not in ("session_id", "user_id")]
    return found.replace(parameters=kept)


def of_session(
    method: Callable[Concatenate[Rollbook, str, P], R],
) -> Callable[Concatenate[SessionHandle, P], R]:
    """A method of the book, for the session of a handle."""

    @functools.wraps(method)
    def bound(self: SessionHandle, /, *args: Any, **kwargs: Any) -> Any:
        return method(self.book, self.session_id, *args, **kwargs, user_id=self._user_id)  # type: ignore[arg-type]  # among P's own

    bound.__signature__ = without_session(method)  # type: ignore[attr-defined]  # inspect reads it
    return bound


class SessionHandle(Handle):
    """One session of an open book, by its id; see :meth:`Rollbook.session`."""

    def __init__(
        self, book: Rollbook, session_id: str | None, user_id: str | UUID | None, facts: dict[str, Any]
    ) -> None:
        super().__init__(session_id, user_id, facts)
        self.book = book

    def __enter__(self) -> Self:
        self._ended = False
        plans = self.book._plans  # noqa: SLF001 - its own book's
        session, self._instance_id = plans.drive(plans.enter(self._session_id, user_id=self._user_id, **self._facts))
        self._session_id = session.session_id
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            return
        status, reason = ending(kind, error)
        try:
            self.end(status, reason=reason)
        except RollbookError as refused:
            if not self._let_pass(kind, refused):
                raise

    def touch(self, **facts: Any) -> Session:
        """Say that the session is alive, with what is known of it; see :meth:`Rollbook.touch`."""
        return self.book.touch(self.session_id, user_id=self._user_id, **facts)

    def record_usage(self, **call: Any) -> str:
        """Meter one model call of the session; see :meth:`Rollbook.record_usage`."""
        return self.book.record_usage(self.session_id, user_id=self._user_id, **call)

    def end(self, status: str, *, reason: str | None = None) -> Session:
        """End the session now; leaving the block then does nothing more."""
        plans = self.book._plans  # noqa: SLF001 - its own book's
        session = plans.drive(
            plans.exit(self.session_id, status, instance_id=self._instance_id, user_id=self._user_id, reason=reason)
        )
        self._ended = True
        return session

    def get(self) -> Session:
        """The session as the book has it."""
        return self.book.get(self.session_id, user_id=self._user_id)

    # What it contains: the book's methods of these names

    add_qa = of_session(Rollbook.add_qa)
    qa = of_session(Rollbook.qa)
    get_qa = of_session(Rollbook.get_qa)
    latest_qa_id = of_session(Rollbook.latest_qa_id)
    update_qa = of_session(Rollbook.update_qa)
    delete_qa = of_session(Rollbook.delete_qa)
    add_feedback = of_session(Rollbook.add_feedback)
    delete_feedback = of_session(Rollbook.delete_feedback)
    add_trace_step = of_session(Rollbook.add_trace_step)
    trace = of_session(Rollbook.trace)
    add_message = of_session(Rollbook.add_message)
    conversation = of_session(Rollbook.conversation)
    history = of_session(Rollbook.history)
    history_text = of_session(Rollbook.history_text)
    graph_context = of_session(Rollbook.graph_context)
    set_graph_context = of_session(Rollbook.set_graph_context)
    delete_session = of_session(Rollbook.delete_session)
    all_state = of_session(Rollbook.all_state)
    get_state = of_session(Rollbook.get_state)
    set_state = of_session(Rollbook.set_state)
    delete_state = of_session(Rollbook.delete_state)
    append = of_session(Rollbook.append)
    entries = of_session(Rollbook.entries)
    entry = of_session(Rollbook.entry)
    replace_entry = of_session(Rollbook.replace_entry)
    patch_entry = of_session(Rollbook.patch_entry)
    remove_entry = of_session(Rollbook.remove_entry)
    pop_entries = of_session(Rollbook.pop_entries)
    heads = of_session(Rollbook.heads)
    revision = of_session(Rollbook.revision)
    move_head = of_session(Rollbook.move_head)
    drop_head = of_session(Rollbook.drop_head)
    fork = of_session(Rollbook.fork)
