"""A book, for code that blocks: :func:`open` one, and use its methods from any thread."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar
from uuid import UUID

from rollbook import core, settings
from rollbook.core import Plan
from rollbook.inbox import Contents
from rollbook.ledger.exports import usage_of
from rollbook.model import Finding, Session, Usage
from rollbook.plans import Plans, keeping
from rollbook.pricing import Prices
from rollbook.principals import Principal
from rollbook.repeats import Repeat

if TYPE_CHECKING:
    from rollbook.book_session import SessionHandle

P = ParamSpec("P")
R = TypeVar("R")


def signature_of(plan: Callable[..., Any]) -> inspect.Signature:
    """A plan's signature as its callers see it: the answer instead of the generator."""
    found = inspect.signature(plan)
    answer = str(found.return_annotation).removeprefix("Plan[").removesuffix("]").replace("List[", "list[")
    return found.replace(return_annotation=answer)


def blocking(plan: Callable[Concatenate[Plans, P], Plan[R]]) -> Callable[Concatenate[Rollbook, P], R]:
    """A method that runs a plan and waits for it."""

    @functools.wraps(plan)
    def method(self: Rollbook, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._plans.drive(plan(self._plans, *args, **kwargs))

    method.__signature__ = signature_of(plan)  # type: ignore[attr-defined]  # inspect reads it
    return method


def direct(method: Callable[Concatenate[Plans, P], R]) -> Callable[Concatenate[Any, P], R]:
    """A method of either face that asks for nothing to be written or read."""

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self._plans, *args, **kwargs)

    return call


class Rollbook:
    """An open book. Safe to share between threads; after a fork the child opens the database anew by itself."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    touch = blocking(Plans.touch)
    end = blocking(Plans.end)
    reopen = blocking(Plans.reopen)
    mark_unknown = blocking(Plans.mark_unknown)
    reconcile = blocking(Plans.reconcile)
    reconcile_except = blocking(Plans.reconcile_except)
    upsert = blocking(Plans.upsert)
    record_usage = blocking(Plans.record_usage)
    record_many = blocking(Plans.record_many)
    ingest = blocking(Plans.ingest)
    observe = blocking(Plans.observe)
    settle = blocking(Plans.settle)
    forget_notes = blocking(Plans.forget_notes)
    source_files = blocking(Plans.source_files)
    delete = blocking(Plans.delete)
    delete_session = delete  #: the same, by the name that other session stores have for it
    prune = blocking(Plans.prune)
    purge = blocking(Plans.purge)
    purge_user = blocking(Plans.purge_user)
    wipe_journal = blocking(Plans.wipe_journal)
    reprice = blocking(Plans.reprice)
    get = blocking(Plans.get)
    children = blocking(Plans.children)
    inclusive = blocking(Plans.inclusive)
    tree = blocking(Plans.tree)
    instance = blocking(Plans.instance)
    list = blocking(Plans.list)
    query_fields = blocking(Plans.query_fields)
    stats = blocking(Plans.stats)
    cost_by_model = blocking(Plans.cost_by_model)
    cost_by_agent = blocking(Plans.cost_by_agent)
    spend = blocking(Plans.spend)
    spend_series = blocking(Plans.spend_series)
    users = blocking(Plans.users)
    usage = blocking(Plans.usage)
    extract = blocking(Plans.extract)
    verify = blocking(Plans.verify)
    known_usage = blocking(Plans.known_usage)
    backup = blocking(Plans.backup)
    restore = blocking(Plans.restore)
    copy_to = blocking(Plans.copy_to)
    doctor = blocking(Plans.doctor)
    changes = direct(Plans.changes)

    # Who may ask for what

    create_key = blocking(Plans.create_key)
    keys = blocking(Plans.keys)
    revoke_key = blocking(Plans.revoke_key)
    grant = blocking(Plans.grant)
    revoke_grant = blocking(Plans.revoke_grant)
    grants = blocking(Plans.grants)
    set_parent = blocking(Plans.set_parent)
    families = blocking(Plans.families)
    known_by = blocking(Plans.known_by)
    known_as = blocking(Plans.known_as)
    sign_in = blocking(Plans.sign_in)
    signed_in = blocking(Plans.signed_in)
    sign_out = blocking(Plans.sign_out)
    may_see = blocking(Plans.may_see)
    any_key = blocking(Plans.any_key)

    # The journal

    add_qa = blocking(Plans.add_qa)
    outline = blocking(Plans.outline)
    timeline = blocking(Plans.timeline)
    qa = blocking(Plans.qa)
    get_qa = blocking(Plans.get_qa)
    latest_qa_id = blocking(Plans.latest_qa_id)
    update_qa = blocking(Plans.update_qa)
    delete_qa = blocking(Plans.delete_qa)
    add_feedback = blocking(Plans.add_feedback)
    delete_feedback = blocking(Plans.delete_feedback)
    add_trace_step = blocking(Plans.add_trace_step)
    trace = blocking(Plans.trace)
    add_message = blocking(Plans.add_message)
    conversation = blocking(Plans.conversation)
    history = blocking(Plans.history)
    history_text = blocking(Plans.history_text)
    graph_context = blocking(Plans.graph_context)
    set_graph_context = blocking(Plans.set_graph_context)
    search = blocking(Plans.search)
    all_state = blocking(Plans.all_state)
    get_state = blocking(Plans.get_state)
    set_state = blocking(Plans.set_state)
    delete_state = blocking(Plans.delete_state)
    append = blocking(Plans.append)
    entries = blocking(Plans.entries)
    entry = blocking(Plans.entry)
    replace_entry = blocking(Plans.replace_entry)
    patch_entry = blocking(Plans.patch_entry)
    remove_entry = blocking(Plans.remove_entry)
    pop_entries = blocking(Plans.pop_entries)
    heads = blocking(Plans.heads)
    revision = blocking(Plans.revision)
    move_head = blocking(Plans.move_head)
    drop_head = blocking(Plans.drop_head)
    fork = blocking(Plans.fork)

    @property
    def url(self) -> str:
        """The database's URL, as it was given: one of a server may hold a password."""
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
        """The same open book as somebody else sees it and may change it (R6); see :meth:`AsyncRollbook.acting`."""
        return type(self)(self._plans.acting(principal, repeat=repeat))

    def iterate(self, **filters: Any) -> Iterator[Session]:
        """Every session that :meth:`list` would show, page after page; takes the same filters."""
        filters = {"limit": 500, **filters}
        while True:
            page = self.list(**filters)
            yield from page.sessions
            if page.next_cursor is None:
                return
            filters = {**filters, "cursor": page.next_cursor, "offset": 0}

    def iterate_usage(self, **filters: Any) -> Iterator[Usage]:
        """Every ledger row of everything visible, as the ledger is now; in short steps, while writes go on.

        The order never changes: by user and session, rows as they were written. ``since`` and ``until`` (by when calls
        happened) and ``model`` are asked of the row; ``status``, ``kind``, ``channel``, ``agent``, ``project``,
        ``dataset_id``, ``tag`` and ``text`` of its session, as :meth:`list` asks. Rows of sessions that were deleted
        come too, with an empty ``session_id``, unless something is asked of the session.
        """
        after = None
        while True:
            step = self.extract(what="usage", after=after, **filters)
            yield from map(usage_of, step.rows)
            if (after := step.after) is None:
                return

    def session(
        self, session_id: str | None = None, *, user_id: str | UUID | None = None, **facts: Any
    ) -> SessionHandle:
        """A session for the length of a ``with`` block: running in it, ended by it.

        Takes what :meth:`touch` takes. An ended session is reopened. Leaving the block ends it as completed; an
        exception ends it as failed, with the reason; Ctrl-C and a cancelled task as cancelled.
        """
        from rollbook.book_session import SessionHandle  # noqa: PLC0415 - it is made of this class's methods

        return SessionHandle(self, session_id, user_id, facts)

    def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        self._plans.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(  # noqa: A001 - rollbook.open is the door, as gzip.open is
    url: str | os.PathLike[str] | None = None,
    *,
    user: str | UUID | None = None,
    all_users: bool = False,
    journal: str | os.PathLike[str] | None = None,
    redact: Callable[[str], str] | bool = True,
) -> Rollbook:
    """Open a book, creating it if need be; close it, or use it as a context manager.

    Without a URL or a path: ``ROLLBOOK_DB``, or a file in the user's data folder. ``user`` is a UUID, a name or an
    e-mail; without one it is the fixed local user. ``all_users=True`` lets reads that name no user see everybody's
    sessions.
    ``journal`` is where the contents of sessions are kept, if not in the book's own database: ``redis://``,
    ``rediss://``, ``file://`` or a folder's path (``ROLLBOOK_JOURNAL``). ``redact`` takes keys and tokens out of every
    text before it is stored; False stores everything as given (``ROLLBOOK_REDACT=off``), a function of your own gets
    each text.
    Raises InvalidInput for a URL or user that cannot be read, StoreError for a database that cannot be used.
    """
    chosen = settings.default_url() if url is None else settings.url_of(url)
    return Rollbook(core.opened(Plans, chosen, user=user, all_users=all_users, journal=journal, redact=redact))


def examine(url: str | os.PathLike[str] | None = None, *, user: str | UUID | None = None) -> list[Finding]:
    """What :meth:`Rollbook.doctor` finds, also of a book that does not open or is not there.

    Nothing is made or changed. Takes what :func:`open` does. Raises InvalidInput for a URL or user that cannot be read.
    """
    chosen = settings.default_url() if url is None else settings.url_of(url)
    return keeping.examine(lambda reading: Plans(reading, user=user, all_users=True, settings=settings.load()), chosen)
