"""A book for asyncio: the same methods as :class:`rollbook.Rollbook`, to be awaited.

It holds no logic: writes are awaited on the writer's futures, and reads run in threads of its own.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar
from uuid import UUID

from rollbook import core, settings
from rollbook.book import Handle, direct, ending, signature_of, without_session
from rollbook.core import Asked, Outside, Plan, Write
from rollbook.errors import RollbookError
from rollbook.inbox import Contents
from rollbook.ledger.exports import usage_of
from rollbook.model import Session, Usage
from rollbook.plans import Plans
from rollbook.pricing import Prices
from rollbook.readers import Readers

P = ParamSpec("P")
R = TypeVar("R")


def awaited(
    plan: Callable[Concatenate[Plans, P], Plan[R]],
) -> Callable[Concatenate[AsyncRollbook, P], Coroutine[Any, Any, R]]:
    """A coroutine method that runs a plan."""

    @functools.wraps(plan)
    async def method(self: AsyncRollbook, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._drive(plan(self._plans, *args, **kwargs))

    method.__signature__ = signature_of(plan)  # type: ignore[attr-defined]  # inspect reads it
    return method


#: Held while a book gets its readers, so that two loops do not both give it some.
_starting = threading.Lock()


def _renew() -> None:
    global _starting  # noqa: PLW0603 - the parent's lock may be held by a thread that the child does not have
    _starting = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class _End(NamedTuple):
    """A plan has come to its end."""

    value: Any


def _next(plan: Plan[Any], answer: Any) -> Asked | _End:
    """What a plan asks for next, or its end."""
    try:
        return core.resumed(plan, answer)
    except StopIteration as stop:
        return _End(stop.value)


class AsyncRollbook:
    """An open book. Safe to share between tasks and event loops."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._pid = 0
        self._threads: Readers | None = None
        self._afloat: set[asyncio.Future[Any]] = set()  #: writes that go on though their caller may be cancelled

    def _readers(self) -> Readers:
        """The threads that read; after a fork the child has its own."""
        self._plans.alive()
        if self._threads is None or self._pid != os.getpid():
            with _starting:
                if self._threads is None or self._pid != os.getpid():
                    self._threads = Readers(self._plans.settings.readers)
                    self._pid = os.getpid()
        return self._threads

    def _warm(self) -> None:
        """Load the prices beside whatever comes first: loaded by a call they would hold up the loop."""
        threading.Thread(target=self._plans.prices.warm, name="rollbook-prices").start()

    touch = awaited(Plans.touch)
    end = awaited(Plans.end)
    reopen = awaited(Plans.reopen)
    mark_unknown = awaited(Plans.mark_unknown)
    reconcile = awaited(Plans.reconcile)
    reconcile_except = awaited(Plans.reconcile_except)
    upsert = awaited(Plans.upsert)
    record_usage = awaited(Plans.record_usage)
    record_many = awaited(Plans.record_many)
    ingest = awaited(Plans.ingest)
    source_files = awaited(Plans.source_files)
    delete = awaited(Plans.delete)
    delete_session = delete  #: the same, by the name that other session stores have for it
    prune = awaited(Plans.prune)
    purge = awaited(Plans.purge)
    purge_user = awaited(Plans.purge_user)
    wipe_journal = awaited(Plans.wipe_journal)
    reprice = awaited(Plans.reprice)
    get = awaited(Plans.get)
    children = awaited(Plans.children)
    inclusive = awaited(Plans.inclusive)
    tree = awaited(Plans.tree)
    instance = awaited(Plans.instance)
    list = awaited(Plans.list)
    stats = awaited(Plans.stats)
    cost_by_model = awaited(Plans.cost_by_model)
    spend = awaited(Plans.spend)
    usage = awaited(Plans.usage)
    extract = awaited(Plans.extract)
    verify = awaited(Plans.verify)
    known_usage = awaited(Plans.known_usage)
    backup = awaited(Plans.backup)
    restore = awaited(Plans.restore)
    copy_to = awaited(Plans.copy_to)
    doctor = awaited(Plans.doctor)
    changes = direct(Plans.changes)

    # The journal

    add_qa = awaited(Plans.add_qa)
    qa = awaited(Plans.qa)
    get_qa = awaited(Plans.get_qa)
    latest_qa_id = awaited(Plans.latest_qa_id)
    update_qa = awaited(Plans.update_qa)
    delete_qa = awaited(Plans.delete_qa)
    add_feedback = awaited(Plans.add_feedback)
    delete_feedback = awaited(Plans.delete_feedback)
    add_trace_step = awaited(Plans.add_trace_step)
    trace = awaited(Plans.trace)
    add_message = awaited(Plans.add_message)
    conversation = awaited(Plans.conversation)
    history = awaited(Plans.history)
    history_text = awaited(Plans.history_text)
    graph_context = awaited(Plans.graph_context)
    set_graph_context = awaited(Plans.set_graph_context)
    search = awaited(Plans.search)
    all_state = awaited(Plans.all_state)
    get_state = awaited(Plans.get_state)
    set_state = awaited(Plans.set_state)
    delete_state = awaited(Plans.delete_state)
    append = awaited(Plans.append)
    entries = awaited(Plans.entries)
    entry = awaited(Plans.entry)
    replace_entry = awaited(Plans.replace_entry)
    patch_entry = awaited(Plans.patch_entry)
    remove_entry = awaited(Plans.remove_entry)
    pop_entries = awaited(Plans.pop_entries)
    heads = awaited(Plans.heads)
    revision = awaited(Plans.revision)
    move_head = awaited(Plans.move_head)
    drop_head = awaited(Plans.drop_head)
    fork = awaited(Plans.fork)

    async def _drive(self, plan: Plan[R]) -> R:
        step = _next(plan, None)
        while not isinstance(step, _End):
            if isinstance(step, Outside):
                # Cancelled after it, the book would not learn of what is in the place then: it is told all the same.
                task = asyncio.ensure_future(self._together(plan, step))
                self._afloat.add(task)
                task.add_done_callback(self._afloat.discard)
                step = await asyncio.shield(task)
            else:
                step = _next(plan, await self._answer(step))
        return step.value  # type: ignore[no-any-return]  # a plan's own

    async def _together(self, plan: Plan[Any], step: Asked | _End) -> Asked | _End:
        """Answer a step outside and the writes that belong to it; what the plan asks for next."""
        while isinstance(step, Write | Outside):
            step = _next(plan, await self._answer(step))
        return step

    async def _answer(self, step: Asked) -> Any:
        try:
            if isinstance(step, Write | Outside):
                writer, asked = self._plans.writer_for(step)
                return await writer.submit_async(asked)
            return await self._readers().run(functools.partial(self._plans.perform, step))
        except RollbookError as error:
            return core.Met(error)

    @property
    def url(self) -> str:
        """The database's URL."""
        return self._plans.url

    @property
    def user_id(self) -> str:
        """The user that calls are for when they name none."""
        return self._plans.user_id

    @property
    def prices(self) -> Prices:
        """The prices by which this book looks up what a call cost."""
        return self._plans.prices

    @property
    def contents(self) -> Contents:
        """On what terms this book takes contents in: how large an entry may be, and what takes secrets out of it."""
        return Contents(self._plans.settings.entry_bytes, self._plans.redactor)

    async def iterate(self, **filters: Any) -> AsyncIterator[Session]:
        """Every session that :meth:`list` would show, page after page; takes the same filters."""
        filters = {"limit": 500, **filters}
        while True:
            page = await self.list(**filters)
            for session in page.sessions:
                yield session
            if page.next_cursor is None:
                return
            filters = {**filters, "cursor": page.next_cursor, "offset": 0}

    async def iterate_usage(self, **filters: Any) -> AsyncIterator[Usage]:
        """Every ledger row of everything visible; see :meth:`rollbook.Rollbook.iterate_usage`."""
        after = None
        while True:
            step = await self.extract(what="usage", after=after, **filters)
            for row in step.rows:
                yield usage_of(row)
            if (after := step.after) is None:
                return

    def session(
        self, session_id: str | None = None, *, user_id: str | UUID | None = None, **facts: Any
    ) -> AsyncSessionHandle:
        """A session for the length of an ``async with`` block; see :meth:`rollbook.Rollbook.session`."""
        return AsyncSessionHandle(self, session_id, user_id, facts)

    async def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task for task in list(self._afloat) if task.get_loop() is loop), return_exceptions=True)
        await loop.run_in_executor(None, self._shut)

    def _shut(self) -> None:
        if self._threads is not None and self._pid == os.getpid():
            self._plans.stop_listening()  # one of the threads may be at it
            self._threads.close()
        self._plans.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


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


class _Opening:
    """What :func:`open` answers: to be awaited, or entered with ``async with``."""

    def __init__(self, opening: Callable[[], AsyncRollbook]) -> None:
        self._opening = opening
        self._book: AsyncRollbook | None = None

    def __await__(self) -> Any:
        return asyncio.to_thread(self._open).__await__()

    def _open(self) -> AsyncRollbook:
        book = self._opening()
        book._warm()  # noqa: SLF001 - its own face
        return book

    async def __aenter__(self) -> AsyncRollbook:
        self._book = await self
        return self._book

    async def __aexit__(self, *_: object) -> None:
        if self._book is not None:
            await self._book.close()


def open(  # noqa: A001 - rollbook.aio.open is the door, as rollbook.open is
    url: str | os.PathLike[str] | None = None,
    *,
    user: str | UUID | None = None,
    all_users: bool = False,
    journal: str | os.PathLike[str] | None = None,
    redact: Callable[[str], str] | bool = True,
) -> _Opening:
    """Open a book: ``async with rollbook.aio.open() as book``, or ``book = await rollbook.aio.open()``.

    Takes and raises what :func:`rollbook.open` does.
    """
    chosen = settings.default_url() if url is None else settings.url_of(url)
    said: dict[str, Any] = {"user": user, "all_users": all_users, "journal": journal, "redact": redact}
    return _Opening(lambda: AsyncRollbook(core.opened(Plans, chosen, **said)))
