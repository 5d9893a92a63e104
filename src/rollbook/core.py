"""What an open book holds, and the plans of its methods.

Each method of a book is a *plan*: a generator that checks its arguments, yields the writes and reads that it needs, and
returns the answer. A blocking face and an asyncio face drive the same plans, so neither holds any logic.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from rollbook.errors import InvalidInput, RollbookError, StoreError
from rollbook.journal import sql
from rollbook.journal.backend import Journals, open_journals, peruse
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Drop, Step
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.ops import Cleared, Op
from rollbook.ledger.reads import Clock, Scope
from rollbook.ledger.work import Cache
from rollbook.model import MICROS
from rollbook.pricing import Prices
from rollbook.rules import checks
from rollbook.rules.redaction import Redactor
from rollbook.settings import LOCAL_USER, Settings, load
from rollbook.store import Reading, Store, open_store
from rollbook.writer import Writer

R = TypeVar("R")


def url_of(url: str | os.PathLike[str]) -> str:
    """A database's URL; a path is a SQLite file's."""
    if isinstance(url, os.PathLike):
        return f"sqlite:///{os.fspath(url)}"
    if not isinstance(url, str):
        raise InvalidInput(f"a database is named by a URL or a path, not by {type(url).__name__}")
    return url


class Write(msgspec.Struct, frozen=True):
    """A plan asks for operations to be made durable; it is sent their answers."""

    ops: Sequence[Op]


class Read(msgspec.Struct, frozen=True):
    """A plan asks for a snapshot to be read; it is sent what the function returns."""

    look: Callable[[Reading], Any]


class Outside(msgspec.Struct, frozen=True):
    """A plan asks for steps in journals that are kept outside the book's database; it is sent their answers."""

    steps: Sequence[Step | Drop]


class Peruse(msgspec.Struct, frozen=True):
    """A plan asks for a session's journal to be looked at; it is sent what the function returns."""

    user_id: str
    session_id: str | None  #: None: the state of the user
    look: Callable[[Peek, Who], Any]
    first: tuple[str, str] | None = None  #: the stream and the head that it looks at first, if it knows


class Whole(msgspec.Struct, frozen=True):
    """A plan asks for something to be done with the database as a whole; it is sent what the function returns."""

    do: Callable[[Store], Any]


Asked = Write | Read | Outside | Peruse | Whole
Plan = Generator[Asked, Any, R]

_CLEARED_AT_ONCE: Final = 200  #: journals elsewhere that one step removes
_EMPTY: Final = (MemoryShelf(), "")

#: Held while a book is opened anew in a child process, so that two threads there do not both do it.
_reopening = threading.Lock()


def _renew() -> None:
    global _reopening  # noqa: PLW0603 - the parent's lock may be held by a thread that the child does not have
    _reopening = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


class Core:
    """One open database, its writer, and the user who asks."""

    def __init__(
        self,
        url: str,
        *,
        user: str | UUID | None,
        all_users: bool,
        settings: Settings,
        redactor: Redactor | None = None,
        clock: Callable[[], int] = checks.utc_now,
    ) -> None:
        self.url = url
        self.settings = settings
        self.everybody = all_users
        self.user_id, self.user_name = (LOCAL_USER, None) if user is None else checks.user(user)
        self.clock = clock
        self.prices = Prices(settings.prices)
        self.redactor = redactor
        self._lock = threading.Lock()
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._store = store = open_store(self.url, self.settings)
        try:
            place = self.settings.journal
            self._journals = None if place is None else open_journals(place, self.settings)
        except BaseException:
            store.close()
            raise
        cache, clock = Cache(), self.clock
        cache.journal.outside = self._journals is not None
        self._writer = Writer(lambda ops: apply_batch(store, cache, ops, clock()), self.settings)
        self._scribe = None if self._journals is None else Writer(self._journals.apply, self.settings)
        self._pid = os.getpid()

    def alive(self) -> None:
        """Raise if the book is closed; after a fork open it anew, since threads do not survive into a child."""
        if self._closed:
            raise StoreError("the book is closed")
        if self._pid != os.getpid():
            with _reopening:
                if self._pid != os.getpid():
                    self._lock = threading.Lock()
                    self._open()

    @property
    def store(self) -> Store:
        self.alive()
        return self._store

    @property
    def writer(self) -> Writer:
        self.alive()
        return self._writer

    @property
    def journals(self) -> Journals | None:
        """The place for journals outside the database, if there is one."""
        self.alive()
        return self._journals

    def writer_for(self, step: Write | Outside) -> tuple[Writer, Sequence[Any]]:
        """Who makes what a plan asks for durable."""
        if isinstance(step, Write):
            return self.writer, step.ops
        self.alive()
        assert self._scribe is not None  # noqa: S101 - plans ask for it only where there is such a place
        return self._scribe, step.steps

    def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            if self._pid == os.getpid():
                if self._scribe is not None and self._journals is not None:
                    self._scribe.close()
                    self._journals.close()
                self._writer.close()
                self._store.close()
            self._closed = True

    def now(self) -> Clock:
        return Clock(self.clock(), self.settings.abandon_after_s * MICROS)

    def owner(self, user_id: str | UUID | None) -> tuple[str, str | None]:
        """The user that a call names, or the book's own."""
        return (self.user_id, self.user_name) if user_id is None else checks.user(user_id)

    def scope(self, tx: Reading, user_id: str | UUID | None) -> Scope:
        """What may be read: the named user's sessions, else everybody's if the book was opened so, else one's own."""
        name, _ = self.owner(user_id)
        found = tx.rows("user_no", user_id=name)
        return Scope(user_no=found[0][0] if found else -1, everybody=self.everybody and user_id is None)

    def read(self, look: Callable[[Reading], R]) -> R:
        try:
            with self.store.read() as tx:
                return look(tx)
        except RollbookError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"what the book holds cannot be read ({error}); 'rollbook doctor' says more") from error

    def perform(self, step: Asked) -> Any:
        """The answer to a step that writes no rows."""
        assert not isinstance(step, Write | Outside)  # noqa: S101 - those go to a writer
        if isinstance(step, Whole):
            return step.do(self.store)
        return self.read(step.look) if isinstance(step, Read) else self.peruse(step)

    def clear_outside(self) -> Plan[None]:
        """Remove, from a place for journals outside the database, what was deleted in the book (R12, R13).

        A deletion notes in its own transaction what is to be removed there, so whoever comes next can finish it.
        """
        if self.journals is None:
            return
        while found := (yield Read(lambda tx: tx.rows("journal.outbox", most=_CLEARED_AT_ONCE))):
            now = self.clock()
            for answer in (yield Outside([Drop(user_id, session_id, now) for user_id, session_id in found])):
                if isinstance(answer, RollbookError):
                    raise answer
            yield Write([Cleared(user_id=user_id, session_id=session_id) for user_id, session_id in found])

    def peruse(self, step: Peruse) -> Any:
        """Look at a journal, wherever it is kept; one that is not there is empty."""
        journals = self.journals
        if journals is None:
            return self.read(lambda tx: step.look(*(sql.peek(tx, step.user_id, step.session_id, step.first) or _EMPTY)))
        if step.session_id is not None and self.read(partial(_deleted, user_id=step.user_id, name=step.session_id)):
            return step.look(*_EMPTY)  # what is deleted is not to be seen, removed there already or not
        return peruse(journals, step.user_id, step.session_id, step.look)

    def drive(self, plan: Plan[R]) -> R:
        """Run a plan, blocking."""
        answer: Any = None
        while True:
            try:
                step = plan.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # a generator's value is not typed by its exception
            if isinstance(step, Write | Outside):
                writer, asked = self.writer_for(step)
                answer = writer.submit(asked)
            else:
                answer = self.perform(step)


def _deleted(tx: Reading, *, user_id: str, name: str) -> bool:
    return bool(tx.rows("journal.deleted", user_id=user_id, session_id=name))


def one(answers: Sequence[Any]) -> Any:
    """The answer of a single operation; raises if it was refused."""
    if isinstance(answers[0], RollbookError):
        raise answers[0]
    return answers[0]


Opened = TypeVar("Opened", bound=Core)


def opened(
    plans: Callable[..., Opened],
    url: str,
    *,
    user: str | UUID | None,
    all_users: bool,
    journal: str | None,
    redact: Callable[[str], str] | bool,
) -> Opened:
    """What both faces open a book with: the settings of the environment, under what the caller says."""
    chosen = load()
    if journal is not None:
        chosen = chosen._replace(journal=journal)
    if redact is True:
        redactor = Redactor() if chosen.redact else None
    else:
        redactor = None if redact is False else Redactor(redact)
    book = plans(url, user=user, all_users=all_users, settings=chosen, redactor=redactor)
    if book.journals is not None:
        with contextlib.suppress(StoreError):  # a place that cannot be reached now is cleared another time
            book.drive(book.clear_outside())
    return book
