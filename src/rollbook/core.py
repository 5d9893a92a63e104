"""What an open book holds, and the plans of its methods.

Each method of a book is a *plan*: a generator that checks its arguments, yields the writes and reads that it needs, and
returns the answer. A blocking face and an asyncio face drive the same plans, so neither holds any logic.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from rollbook.elsewhere import Elsewhere, place_of
from rollbook.errors import Gone, Overloaded, RollbookError, StoreError
from rollbook.feed import Feed, Subscription
from rollbook.journal import sql_peek
from rollbook.journal.backend import Journals, peruse
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Drop, Step
from rollbook.ledger import outbox
from rollbook.ledger.apply import apply_batch
from rollbook.ledger.cache import Cache
from rollbook.ledger.ops import Cleared, Op
from rollbook.ledger.reads import Clock, Scope
from rollbook.model import MICROS
from rollbook.peers import peers_of
from rollbook.pricing import Prices
from rollbook.rules import checks
from rollbook.rules.redaction import Redactor
from rollbook.settings import LOCAL_USER, Settings, load
from rollbook.store import Reading, Store, TryAgain, open_store, shown
from rollbook.writer import Writer

R = TypeVar("R")


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


Name = tuple[str, str]  #: user and session
Asked = Write | Read | Outside | Peruse | Whole
Plan = Generator[Asked, Any, R]

_LONG: Final = 96  #: operations that wait for one writer; others help from then on
_SPARED: Final = 10  #: times as long as it took to find a place away, it is not asked again to remove something
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
        self._spared_until = 0.0
        self._open()

    def _open(self) -> None:
        self._store = store = open_store(self.url, self.settings)
        self._elsewhere = self._scribe = None
        try:
            if self.settings.journal is not None:
                self._elsewhere = Elsewhere(self.settings.journal, self.settings, store)
                self._elsewhere.reach()
                self._scribe = Writer(self._elsewhere.apply, self.settings)
        except BaseException:
            store.close()
            raise
        self._feed = feed = Feed()
        self._peers = peers_of(feed, store)
        self._writers = [self._writing(store, feed, lane) for lane in range(store.lanes)]
        self._pid = os.getpid()

    def _writing(self, store: Store, feed: Feed, lane: int) -> Writer:
        cache, clock = Cache(feed), self.clock
        cache.journal.outside = self._elsewhere is not None
        return Writer(lambda ops: apply_batch(store, cache, ops, clock(), lane), self.settings)

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

    def writer(self, ops: Sequence[Op]) -> Writer:
        """Who is to write operations: one, as long as it keeps up, since a commit that many share costs each the least.

        Beside it, what is of one session goes one way, so that it is remembered there.
        """
        self.alive()
        writers = self._writers
        if len(writers) == 1 or writers[0].waiting < _LONG or not ops:
            return writers[0]
        first = ops[0]
        return writers[hash((getattr(first, "user_id", ""), getattr(first, "session_id", ""))) % len(writers)]

    def write(self, ops: Sequence[Op]) -> list[Any]:
        """Make operations durable, in one transaction; an answer or an error for each."""
        return self.writer(ops).submit(ops)

    @property
    def feed(self) -> Feed:
        """What changes in the book, told to whoever listens."""
        self.alive()
        return self._feed

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Where journals are kept outside the database, if they are."""
        self.alive()
        return self._elsewhere

    @property
    def journals(self) -> Journals | None:
        """The place for journals outside the database, if there is one. Raises StoreError where it is not reached."""
        elsewhere = self.elsewhere
        return None if elsewhere is None else elsewhere.place()

    def writer_for(self, step: Write | Outside) -> tuple[Writer, Sequence[Any]]:
        """Who makes what a plan asks for durable. Raises StoreError in a book that was opened for reading only."""
        if isinstance(step, Write):
            return self.writer(step.ops), step.ops
        if self.store.read_only:  # the ledger refuses by itself, but it would come second
            raise StoreError(f"the book {shown(self.url)} was opened for reading only")
        assert self._scribe is not None  # noqa: S101 - plans ask for it only where there is such a place
        return self._scribe, step.steps

    def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            if self._pid == os.getpid():
                if self._scribe is not None and self._elsewhere is not None:
                    self._scribe.close()
                    self._elsewhere.close()
                for writer in self._writers:
                    writer.close()
                self._feed.close()
                if self._peers is not None:
                    self._peers.close()
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

    def changes(
        self, *, user_id: str | UUID | None = None, session_id: str | None = None, after: str | None = None
    ) -> Subscription:
        """What changes from now on, or after the ``id`` of a change: a hint for each session that is seen by ``list``.

        Iterate over it, with ``for`` or ``async for``, or ask it for its ``next()`` (``anext()``) with a timeout; close
        it, or use it as a context manager. It holds nobody up: changes of one session are told together, and who was
        too slow, or came back too late, is told ``Lost`` once instead (``change.lost``): look at everything anew.
        """
        whose = None if self.everybody and user_id is None else self.owner(user_id)[0]
        return self.feed.subscribe(whose, None if session_id is None else checks.session_id(session_id), after)

    def read(self, look: Callable[[Reading], R]) -> R:
        until = time.monotonic() + self.store.patience_s
        while True:
            try:
                return self._read(look)
            except TryAgain as undone:  # the connection was lost: what was seen is looked at anew
                if time.monotonic() > until:
                    raise undone.told from undone
                time.sleep(undone.pause_s)

    def _read(self, look: Callable[[Reading], R]) -> R:
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

        A deletion notes in its own transaction what is to be removed there, so whoever comes next can finish it: what
        cannot be removed now is no error of whoever comes by, and ``doctor`` says how much waits.
        """
        began = time.monotonic()
        if self.elsewhere is None or self.store.read_only or began < self._spared_until:
            return
        after = ("", "")
        try:
            while found := (yield Read(partial(outbox.notes, after=after, most=_CLEARED_AT_ONCE))):
                after = found[-1][:2]
                yield from self._clear(found)
        except (StoreError, Overloaded):
            now = time.monotonic()  # to find a place away may take long, and a prune comes by often
            self._spared_until = now + _SPARED * (now - began)

    def _clear(self, found: Sequence[outbox.Note]) -> Plan[dict[Name, RollbookError]]:
        """Carry out what was noted; of which sessions that failed, and why."""
        now = self.clock()
        answers = yield Outside([Drop(note.user_id, note.session_id, now, note.since) for note in found])
        failed = {
            note[:2]: answer for note, answer in zip(found, answers, strict=True) if isinstance(answer, RollbookError)
        }
        done = [note for note in found if note[:2] not in failed]
        if done:
            yield Write([Cleared(user_id=note.user_id, session_id=note.session_id, at=note.at) for note in done])
        return failed

    def make_ready(self, names: Sequence[Name]) -> Plan[Ready]:
        """Look whether sessions take contents in a place outside; what is to be removed there of them goes first.

        Otherwise it would take with it what comes now.
        """

        def look(tx: Reading) -> list[tuple[Name, bool, list[outbox.Note]]]:
            return [(name, outbox.deleted(tx, *name), outbox.noted(tx, *name)) for name in names]

        refused: dict[Name, RollbookError] = {}
        waiting: list[outbox.Note] = []
        for name, deleted, notes in (yield Read(look)):
            if deleted:
                refused[name] = Gone(f"session {name[1]!r} was deleted; it takes no new content")
            else:
                waiting += notes
        if waiting:
            refused.update((yield from self._clear(waiting)))
        return Ready(refused, {note[:2] for note in waiting})

    def peruse(self, step: Peruse) -> Any:
        """Look at a journal, wherever it is kept; one that is not there is empty."""
        if self.elsewhere is None:
            return self.read(
                lambda tx: step.look(*(sql_peek.peek(tx, step.user_id, step.session_id, step.first) or _EMPTY))
            )
        if self.read(partial(outbox.hidden, user_id=step.user_id, session_id=step.session_id or "")):
            return step.look(*_EMPTY)  # what is deleted is not to be seen, removed there already or not
        return peruse(self.elsewhere.place(), step.user_id, step.session_id, step.look)

    def drive(self, plan: Plan[R]) -> R:
        """Run a plan, blocking."""
        answer: Any = None
        while True:
            try:
                step = resumed(plan, answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]  # a generator's value is not typed by its exception
            try:
                if isinstance(step, Write | Outside):
                    writer, asked = self.writer_for(step)
                    answer = writer.submit(asked)
                else:
                    answer = self.perform(step)
            except RollbookError as error:
                answer = Met(error)


class Ready(NamedTuple):
    """What was found of sessions that are about to get contents outside."""

    refused: dict[Name, RollbookError]  #: those that take none, and why
    cleared: set[Name]  #: those of which something had to be removed first


class Met(NamedTuple):
    """In the place of an answer: the error that a step of a plan met."""

    error: RollbookError


def resumed(plan: Plan[R], answer: Any) -> Asked:
    """What a plan asks for next, when it is told an answer or met an error."""
    return plan.throw(answer.error) if isinstance(answer, Met) else plan.send(answer)


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
    journal: str | os.PathLike[str] | None,
    redact: Callable[[str], str] | bool,
) -> Opened:
    """What both faces open a book with: the settings of the environment, under what the caller says."""
    chosen = load()
    if journal is not None:
        chosen = chosen._replace(journal=place_of(journal))
    if redact is True:
        redactor = Redactor() if chosen.redact else None
    else:
        redactor = None if redact is False else Redactor(redact)
    book = plans(url, user=user, all_users=all_users, settings=chosen, redactor=redactor)
    if book.elsewhere is not None and book.elsewhere.is_open:
        book.drive(book.clear_outside())
    return book
