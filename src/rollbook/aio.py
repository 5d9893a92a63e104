"""A book for asyncio: the same methods as :class:`rollbook.Rollbook`, to be awaited.

It holds no logic: writes are awaited on the writer's futures, and reads run in threads of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, Self, TypeVar
from uuid import UUID

from rollbook import core, settings
from rollbook.book import direct, signature_of
from rollbook.core import Asked, Outside, Peruse, Plan, Write
from rollbook.errors import InvalidInput, RollbookError
from rollbook.inbox import Contents
from rollbook.ledger.exports import usage_of
from rollbook.model import Session, Usage
from rollbook.plans import Plans
from rollbook.pricing import Prices
from rollbook.principals import Principal
from rollbook.readers import Readers
from rollbook.repeats import Repeat

if TYPE_CHECKING:
    from rollbook.aio_session import AsyncSessionHandle

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


class Threads(NamedTuple):
    """Those that read the book, and those that read contents elsewhere: a place that is away holds up its own alone."""

    book: Readers
    elsewhere: Readers


class AsyncRollbook:
    """An open book. Safe to share between tasks and event loops."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._pid = 0
        self._root: AsyncRollbook | None = None  #: the book of which this is a view
        self._threads: Threads | None = None
        self._afloat: set[asyncio.Future[Any]] = set()  #: writes that go on though their caller may be cancelled

    def _readers(self) -> Threads:
        """The threads that read; after a fork the child has its own."""
        self._plans.alive()
        if self._threads is None or self._pid != os.getpid():
            with _starting:
                if self._threads is None or self._pid != os.getpid():
                    most = self._plans.settings.readers
                    self._threads = Threads(Readers(most), Readers(most))
                    self._pid = os.getpid()
        return self._threads

    def _warm(self) -> None:
        """Load the prices beside whatever comes first: loaded by a call they would hold up the loop."""

        def load() -> None:
            with contextlib.suppress(InvalidInput):  # a file that cannot be used is told of when a price is asked for
                self._plans.prices.warm()

        threading.Thread(target=load, name="rollbook-prices").start()

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
    observe = awaited(Plans.observe)
    settle = awaited(Plans.settle)
    forget_notes = awaited(Plans.forget_notes)
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
    query_fields = awaited(Plans.query_fields)
    stats = awaited(Plans.stats)
    cost_by_model = awaited(Plans.cost_by_model)
    cost_by_agent = awaited(Plans.cost_by_agent)
    spend = awaited(Plans.spend)
    spend_series = awaited(Plans.spend_series)
    users = awaited(Plans.users)
    usage = awaited(Plans.usage)
    extract = awaited(Plans.extract)
    verify = awaited(Plans.verify)
    known_usage = awaited(Plans.known_usage)
    backup = awaited(Plans.backup)
    restore = awaited(Plans.restore)
    copy_to = awaited(Plans.copy_to)
    doctor = awaited(Plans.doctor)
    changes = direct(Plans.changes)

    # Who may ask for what

    create_key = awaited(Plans.create_key)
    keys = awaited(Plans.keys)
    revoke_key = awaited(Plans.revoke_key)
    grant = awaited(Plans.grant)
    revoke_grant = awaited(Plans.revoke_grant)
    grants = awaited(Plans.grants)
    set_parent = awaited(Plans.set_parent)
    families = awaited(Plans.families)
    known_by = awaited(Plans.known_by)
    known_as = awaited(Plans.known_as)
    sign_in = awaited(Plans.sign_in)
    signed_in = awaited(Plans.signed_in)
    sign_out = awaited(Plans.sign_out)
    may_see = awaited(Plans.may_see)
    any_key = awaited(Plans.any_key)

    # The journal

    add_qa = awaited(Plans.add_qa)
    outline = awaited(Plans.outline)
    timeline = awaited(Plans.timeline)
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
                return self._plans.told(step, await writer.submit_async(asked))
            threads = self._readers()
            away = isinstance(step, Peruse) and self._plans.elsewhere is not None
            return await threads[away].run(functools.partial(self._plans.perform, step))
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
    def waiting(self) -> int:
        """How many writes wait for the database."""
        return self._plans.waiting

    @property
    def prices(self) -> Prices:
        """The prices by which this book looks up what a call cost."""
        return self._plans.prices

    @property
    def contents(self) -> Contents:
        """On what terms this book takes contents in: how large an entry may be, and what takes secrets out of it."""
        return Contents(self._plans.settings.entry_bytes, self._plans.redactor)

    def acting(self, principal: Principal, *, repeat: Repeat | None = None) -> Self:
        """The same open book as somebody else sees it and may change it (R6). Closing it closes nothing.

        With ``repeat`` it is for that request alone, whose writes are answered as they were when it came before.
        """
        self._readers()  # which are shared
        view = copy.copy(self)
        view._plans, view._root = self._plans.acting(principal, repeat=repeat), self  # noqa: SLF001 - its own
        return view

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
        from rollbook.aio_session import AsyncSessionHandle  # noqa: PLC0415 - it is made of this class's methods

        return AsyncSessionHandle(self, session_id, user_id, facts)

    async def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        if self._root is not None:
            return
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task for task in list(self._afloat) if task.get_loop() is loop), return_exceptions=True)
        await loop.run_in_executor(None, self._shut)

    def _shut(self) -> None:
        if self._threads is not None and self._pid == os.getpid():
            self._plans.stop_listening()  # one of the threads may be at it
            for threads in self._threads:
                threads.close()
        self._plans.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


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
