"""What an open book holds, and the plans of its methods.

Each method of a book is a *plan*: a generator that checks its arguments, yields the writes and reads that it needs, and
returns the answer. A blocking face and an asyncio face drive the same plans, so neither holds any logic.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Self, TypeVar
from uuid import UUID

import msgspec
import uuid_utils

from rollbook import gate
from rollbook.elsewhere import Elsewhere, place_of
from rollbook.errors import Gone, Overloaded, RollbookError, StoreError
from rollbook.feed import Feed, Subscription
from rollbook.journal import sql_peek
from rollbook.journal.backend import Journals, peruse
from rollbook.journal.memory import MemoryShelf
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Drop, Step
from rollbook.ledger import outbox
from rollbook.ledger.ops import Cleared, Op
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Scope, resolve
from rollbook.model import MICROS
from rollbook.opened import Opened
from rollbook.pricing import Prices
from rollbook.principals import Principal
from rollbook.repeats import Repeat
from rollbook.rules import checks
from rollbook.rules.redaction import Redactor
from rollbook.settings import LOCAL_USER, Settings, load
from rollbook.store import Reading, Store, TryAgain, shown
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

_SPARED: Final = 10  #: times as long as it took to find a place away, it is not asked again to remove something
_CLEARED_AT_ONCE: Final = 200  #: journals elsewhere that one step removes
_EMPTY: Final = (MemoryShelf(), "")


class Core:
    """One open database, its writer, and who asks."""

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
        name, label = (LOCAL_USER, None) if user is None else checks.user(user)
        self.principal = Principal(user_id=name, user_name=label, everybody=all_users)
        self.clock = clock
        self.prices = Prices(settings.prices)
        self.redactor = redactor
        self._root: Self | None = None  #: the book of which this is a view
        self.repeat: Repeat | None = None  #: the request for which it is one, where that may come again
        self._opened = Opened(url, settings, clock)

    @property
    def user_id(self) -> str:
        return self.principal.user_id

    @property
    def user_name(self) -> str | None:
        return self.principal.user_name

    @property
    def everybody(self) -> bool:
        return self.principal.everybody

    def acting(self, principal: Principal, *, repeat: Repeat | None = None) -> Self:
        """The same open book as somebody else sees it and may change it (R6). Closing it closes nothing.

        With ``repeat`` it is for that request alone, whose writes are answered as they were when it came before.
        """
        view = copy.copy(self)
        view.principal, view._root, view.repeat = principal, self._root or self, repeat  # noqa: SLF001 - its own
        return view

    def made_id(self) -> tuple[str, bool]:
        """An id for what was given none, and whether it is certain that nobody gave it before."""
        return (str(uuid_utils.uuid7()), True) if self.repeat is None else (self.repeat.made_id(), False)

    def alive(self) -> None:
        """Raise if the book is closed; after a fork open it anew, since threads do not survive into a child."""
        self._opened.alive()

    @property
    def store(self) -> Store:
        return self._opened.alive().store

    @property
    def waiting(self) -> int:
        """How many writes wait for the database."""
        return sum(writer.waiting for writer in self._opened.writers)

    def write(self, ops: Sequence[Op]) -> list[Any]:
        """Make operations durable, in one transaction; an answer or an error for each."""
        gate.check(self.principal, ops)
        return self._opened.alive().writer(ops).submit(ops)

    @property
    def feed(self) -> Feed:
        """What changes in the book, told to whoever listens."""
        return self._opened.alive().feed

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Where journals are kept outside the database, if they are."""
        return self._opened.alive().elsewhere

    @property
    def journals(self) -> Journals | None:
        """The place for journals outside the database, if there is one. Raises StoreError where it is not reached."""
        elsewhere = self.elsewhere
        return None if elsewhere is None else elsewhere.place()

    def writer_for(self, step: Write | Outside) -> tuple[Writer, Sequence[Any]]:
        """Who makes what a plan asks for durable, if whoever asks may do that (R6).

        Raises Forbidden, and StoreError in a book that was opened for reading only.
        """
        if isinstance(step, Write):
            gate.check(self.principal, step.ops)
            ops = step.ops if self.repeat is None else self.repeat.keeping(step.ops)
            return self._opened.alive().writer(step.ops), ops
        gate.check_steps(self.principal, step.steps)
        if self.store.read_only:  # the ledger refuses by itself, but it would come second
            raise StoreError(f"the book {shown(self.url)} was opened for reading only")
        scribe = self._opened.scribe
        assert scribe is not None  # noqa: S101 - plans ask for it only where there is such a place
        return scribe, step.steps

    def told(self, step: Write | Outside, answers: list[Any]) -> list[Any]:
        """What a plan is told of what it asked to be made durable, from what the writer answered."""
        if self.repeat is None or isinstance(step, Outside):
            return answers
        return self.repeat.answers(step.ops, answers)

    def close(self) -> None:
        """Write what is queued and close the database. A second call does nothing."""
        if self._root is None:
            self._opened.close()

    def now(self) -> Clock:
        return Clock(self.clock(), self.settings.abandon_after_s * MICROS)

    def owner(self, user_id: str | UUID | None) -> tuple[str, str | None]:
        """The user for whom a call writes: the one that it names, or the book's own. Raises Forbidden (R6)."""
        if user_id is None:
            return self.principal.user_id, self.principal.user_name
        found = checks.user(user_id)
        gate.check_user(self.principal, found[0])
        return found

    def scope(self, tx: Reading, user_id: str | UUID | None) -> Scope:
        """What may be read: the named user's sessions, else everybody's if the book was opened so, else one's own."""
        return resolve(tx, self.principal, None if user_id is None else checks.user(user_id)[0])

    def changes(
        self, *, user_id: str | UUID | None = None, session_id: str | None = None, after: str | None = None
    ) -> Subscription:
        """What changes from now on, or after the ``id`` of a change: a hint for each session that is seen by ``list``.

        Iterate over it, with ``for`` or ``async for``, or ask it for its ``next()`` (``anext()``) with a timeout; close
        it, or use it as a context manager. Of sessions that are seen only by their dataset nothing is told.
        It holds nobody up: changes of one session are told together, and who was
        too slow, or came back too late, is told ``Lost`` once instead (``change.lost``): look at everything anew.
        """
        who = self.principal
        whose = None if user_id is None else checks.user(user_id)[0]
        if whose is None and not (who.everybody or who.children):
            whose = who.user_id
        session = None if session_id is None else checks.session_id(session_id)
        return self.feed.subscribe(whose, session, after, sees=None if who.unrestricted else who.owns)

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
        cannot be removed now is no error of whoever comes by, and ``doctor`` says how much waits. What is not whoever's
        to change is left to others (R6).
        """
        began, who = time.monotonic(), self.principal
        if self.elsewhere is None or self.store.read_only or began < self._opened.spared_until:
            return
        after = ("", "")
        try:
            while found := (yield Read(partial(outbox.notes, after=after, most=_CLEARED_AT_ONCE))):
                after = found[-1][:2]
                mine = [note for note in found if who.unrestricted or note.user_id in who.users]
                if mine:
                    yield from self._clear(mine)
        except (StoreError, Overloaded):
            now = time.monotonic()  # to find a place away may take long, and a prune comes by often
            self._opened.spared_until = now + _SPARED * (now - began)

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
                    answer = self.told(step, writer.submit(asked))
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


Made = TypeVar("Made", bound=Core)


def opened(
    plans: Callable[..., Made],
    url: str,
    *,
    user: str | UUID | None,
    all_users: bool,
    journal: str | os.PathLike[str] | None,
    redact: Callable[[str], str] | bool,
) -> Made:
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
