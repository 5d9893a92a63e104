"""One session of a book for asyncio, by its id."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

from rollbook.aio import AsyncRollbook
from rollbook.book_session import Handle, ending, without_session
from rollbook.errors import RollbookError
from rollbook.model import Session

P = ParamSpec("P")
R = TypeVar("R")


def of_session(
    method: Callable[Concatenate[AsyncRollbook, str, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[AsyncSessionHandle, P], Coroutine[Any, Any, R]]:
    """A method of the book, for the session of a handle."""

    @functools.wraps(method)
    async def bound(self: AsyncSessionHandle, /, *args: Any, **kwargs: Any) -> Any:
        return await method(self.book, self.session_id, *args, **kwargs, user_id=self._user_id)  # type: ignore[arg-type]  # among P's own

    bound.__signature__ = without_session(method)  # type: ignore[attr-defined]  # inspect reads it
    return bound


class AsyncSessionHandle(Handle):
    """One session of an open book, by its id; see :meth:`AsyncRollbook.session`."""

    def __init__(
        self, book: AsyncRollbook, session_id: str | None, user_id: str | UUID | None, facts: dict[str, Any]
    ) -> None:
        super().__init__(session_id, user_id, facts)
        self.book = book

    async def __aenter__(self) -> Self:
        self._ended = False
        entering = self.book._plans.enter(self._session_id, user_id=self._user_id, **self._facts)  # noqa: SLF001
        session, self._instance_id = await self.book._drive(entering)  # noqa: SLF001 - its own book's
        self._session_id = session.session_id
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            return
        status, reason = ending(kind, error)
        try:
            # Shielded: the task may be cancelled already, and its session is to end all the same.
            await asyncio.shield(self.end(status, reason=reason))
        except RollbookError as refused:
            if not self._let_pass(kind, refused):
                raise

    async def touch(self, **facts: Any) -> Session:
        """Say that the session is alive, with what is known of it; see :meth:`AsyncRollbook.touch`."""
        return await self.book.touch(self.session_id, user_id=self._user_id, **facts)

    async def record_usage(self, **call: Any) -> str:
        """Meter one model call of the session; see :meth:`AsyncRollbook.record_usage`."""
        return await self.book.record_usage(self.session_id, user_id=self._user_id, **call)

    async def end(self, status: str, *, reason: str | None = None) -> Session:
        """End the session now; leaving the block then does nothing more."""
        said: dict[str, Any] = {"user_id": self._user_id, "reason": reason, "instance_id": self._instance_id}
        session = await self.book._drive(self.book._plans.exit(self.session_id, status, **said))  # noqa: SLF001
        self._ended = True
        return session

    async def get(self) -> Session:
        """The session as the book has it."""
        return await self.book.get(self.session_id, user_id=self._user_id)

    # What it contains: the book's methods of these names

    add_qa = of_session(AsyncRollbook.add_qa)
    qa = of_session(AsyncRollbook.qa)
    get_qa = of_session(AsyncRollbook.get_qa)
    latest_qa_id = of_session(AsyncRollbook.latest_qa_id)
    update_qa = of_session(AsyncRollbook.update_qa)
    delete_qa = of_session(AsyncRollbook.delete_qa)
    add_feedback = of_session(AsyncRollbook.add_feedback)
    delete_feedback = of_session(AsyncRollbook.delete_feedback)
    add_trace_step = of_session(AsyncRollbook.add_trace_step)
    trace = of_session(AsyncRollbook.trace)
    add_message = of_session(AsyncRollbook.add_message)
    conversation = of_session(AsyncRollbook.conversation)
    history = of_session(AsyncRollbook.history)
    history_text = of_session(AsyncRollbook.history_text)
    graph_context = of_session(AsyncRollbook.graph_context)
    set_graph_context = of_session(AsyncRollbook.set_graph_context)
    delete_session = of_session(AsyncRollbook.delete_session)
    all_state = of_session(AsyncRollbook.all_state)
    get_state = of_session(AsyncRollbook.get_state)
    set_state = of_session(AsyncRollbook.set_state)
    delete_state = of_session(AsyncRollbook.delete_state)
    append = of_session(AsyncRollbook.append)
    entries = of_session(AsyncRollbook.entries)
    entry = of_session(AsyncRollbook.entry)
    replace_entry = of_session(AsyncRollbook.replace_entry)
    patch_entry = of_session(AsyncRollbook.patch_entry)
    remove_entry = of_session(AsyncRollbook.remove_entry)
    pop_entries = of_session(AsyncRollbook.pop_entries)
    heads = of_session(AsyncRollbook.heads)
    revision = of_session(AsyncRollbook.revision)
    move_head = of_session(AsyncRollbook.move_head)
    drop_head = of_session(AsyncRollbook.drop_head)
    fork = of_session(AsyncRollbook.fork)
