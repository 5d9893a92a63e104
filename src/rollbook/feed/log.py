"""What changed in a book, told to whoever listens: one feed for all backends, of hints and not of contents.

The feed remembers of each session that changed lately when it did last, by kind, as numbers that only grow; a reader is
a number up to which it was told. So a slow reader holds nothing, changes of one session are told together, and writers
do the same little work however many listen: they leave word and never wait, not even for a lock. Where a reader is
behind what is remembered, or somebody wrote of whom nothing is known, it is told :class:`Lost` in the place of all that
it missed.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Final
from weakref import WeakSet

from rollbook.errors import InvalidInput, StoreError
from rollbook.feed.items import PLACES, Batch, Change, Entry, Lost, Name, Over, Told
from rollbook.feed.subscription import Subscription
from rollbook.feed.waiting import Waker, wake

REMEMBERED: Final = 4096  #: sessions whose last change is remembered
KEPT_S: Final = 300.0  #: how long changes are remembered after the last reader left, in case it comes back
_INBOX_MOST: Final = 1024  #: batches that wait while a reader looks, which takes less than a millisecond


class Feed:
    """The changes of one open book, in this process."""

    def __init__(self) -> None:
        self.name = token_hex(4)  # an id that another feed gave says nothing here
        self._pid = os.getpid()
        #: Called with what is published here, to carry it to other processes.
        self.carry: Callable[[Sequence[Told] | None, int], None] | None = None
        #: Called whenever somebody begins to listen.
        self.rouse: Callable[[], None] | None = None
        self._inbox: deque[Batch] = deque()
        self._spilt = False
        self._lock = threading.Lock()
        self._entries: OrderedDict[Name, Entry] = OrderedDict()  #: the last that changed comes last
        self._number = 0
        self._floor = 0  #: whoever was told up to a smaller number missed something
        self._forgotten = (0, "")  #: up to which number everything was forgotten, and why
        self._readers: WeakSet[Subscription] = WeakSet()
        self._waiting: dict[tuple[str | None, str | None], dict[Subscription, list[Waker]]] = {}
        self._until = 0.0
        self._awake = False  #: whether anybody listened since it was last seen that nobody does
        self._closed = False

    # Writing

    @property
    def recording(self) -> bool:
        """Whether somebody listens, or did a moment ago."""
        if not self._awake:
            return False
        if self._readers:
            self._until = time.monotonic() + KEPT_S
            return True
        if time.monotonic() >= self._until:
            self._awake = False
            self._awake = bool(self._readers)  # somebody may have come in this very moment
        return self._awake

    @property
    def wanted(self) -> bool:
        """Whether it is of use to publish anything."""
        return self.carry is not None or self.recording

    def publish(self, told: Sequence[Told] | None, at: int, reason: str = "the book was replaced") -> None:
        """Tell what was committed here; None: everything may have changed. Never waits, and never raises."""
        if self.carry is not None:
            self.carry(told, at)
        self.receive(told, at, reason)

    def receive(self, told: Sequence[Told] | None, at: int, reason: str) -> None:
        """Tell what was committed elsewhere, to those who listen here."""
        if not self.recording:
            return
        if len(self._inbox) < _INBOX_MOST:
            self._inbox.append(Batch(told, at, reason))
        else:
            self._spilt = True
        self._settle()

    def _settle(self) -> None:
        """Take in what waits. Where somebody holds the lock, that one does it on leaving."""
        while self._inbox and self._lock.acquire(blocking=False):
            woken: list[Waker] = []
            try:
                self._drain(woken)
            finally:
                self._lock.release()
            wake(woken)

    @contextmanager
    def _held(self) -> Iterator[list[Waker]]:
        """The lock, with everything taken in; whoever is in the list afterwards is woken."""
        woken: list[Waker] = []
        try:
            with self._lock:
                self._drain(woken)
                yield woken
        finally:
            wake(woken)
            self._settle()

    def _drain(self, woken: list[Waker]) -> None:
        while self._inbox:
            told, at, reason = self._inbox.popleft()
            if told is None:
                self._forget(reason, woken)
            else:
                for user_id, session_id, kinds in told:
                    self._note((user_id, session_id), kinds, at, woken)
        if self._spilt:
            self._spilt = False
            self._forget("more changed at once than is remembered", woken)

    def _note(self, name: Name, kinds: int, at: int, woken: list[Waker]) -> None:
        self._number += 1
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = Entry()
            if len(self._entries) > REMEMBERED:
                self._floor = self._entries.popitem(last=False)[1].number
        else:
            self._entries.move_to_end(name)
        entry.number, entry.at = self._number, at
        for place in PLACES[kinds]:
            entry.by_kind[place] = self._number
        if self._waiting:
            for wanted in (name, (name[0], None), (None, name[1]), (None, None)):
                self._call(self._waiting.pop(wanted, {}), woken)

    def _call(self, waiting: dict[Subscription, list[Waker]], woken: list[Waker]) -> None:
        """Who waits was told everything before the last change."""
        for reader, wakers in waiting.items():
            reader.told_to = self._number - 1
            woken += wakers

    def _forget(self, reason: str, woken: list[Waker]) -> None:
        self._number += 1
        self._entries.clear()
        self._floor, self._forgotten = self._number, (self._number, reason)
        for waiting in self._waiting.values():
            self._call(waiting, woken)
        self._waiting.clear()

    # Reading

    def subscribe(
        self,
        user_id: str | None = None,
        session_id: str | None = None,
        after: str | None = None,
        *,
        sees: Callable[[str, str], bool] | None = None,
    ) -> Subscription:
        """Listen from now on, or from behind an id: to one user's changes or everybody's, of one session or of all.

        ``sees`` says of a user and a session whether the reader may be told of it; without it, of all.
        """
        if after is not None and not isinstance(after, str):
            raise InvalidInput(f"after must be the id of a change, not {type(after).__name__}")
        with self._held() as woken:
            if self._closed:
                raise StoreError("the book is closed")
            if not self.recording:
                self._forget("nobody listened meanwhile", woken)
            number = self._number if after is None else self._known(after)
            reader = Subscription(self, user_id, session_id, number, sees)
            self._readers.add(reader)
            self._awake = True
        if self.rouse is not None:
            self.rouse()
        return reader

    def _known(self, after: str) -> int:
        """The number of an id that this feed gave and still knows; -1 of any other."""
        name, _, text = after.rpartition("-")
        if name != self.name or not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - digits of 64 bits
            return -1
        return int(text) if self._floor <= int(text) <= self._number else -1

    def id_of(self, number: int) -> str:
        """The id of a number."""
        return f"{self.name}-{number}"

    def own(self) -> None:
        """Raise StoreError in a child process, where nobody writes into what was inherited."""
        if self._pid != os.getpid():
            raise StoreError("these changes are those of the parent process; ask the book for its changes again")

    def ask(self, reader: Subscription, waker: Waker | None) -> Change | Lost | None:
        """What a reader is told next; where there is nothing, the waker is called when there is. Raises at the end."""
        self.own()
        with self._held():
            item = None if reader.closed else self._next(reader)
            if item is None:
                if self._closed or reader.closed:
                    raise Over("nothing more is told: the book, or what followed its changes, was closed")
                if waker is not None:
                    self._waiting.setdefault(reader.wanted, {}).setdefault(reader, []).append(waker)
            return item

    def _next(self, reader: Subscription) -> Change | Lost | None:
        if reader.page:
            return reader.page.popleft()
        before, reader.told_to = reader.told_to, self._number
        if before == self._number:
            return None
        if before < self._floor:
            return Lost(reason=self._reason(before), id=self.id_of(self._number))
        changed: list[tuple[Name, Entry]] = []
        for name, entry in reversed(self._entries.items()):
            if entry.number <= before:
                break
            if reader.wants(name):
                changed.append((name, entry))
        # Whoever breaks off within the page is told all of it again: who came first may have changed since.
        ids = [self.id_of(before)] * (len(changed) - 1) + [self.id_of(self._number)]
        for (name, entry), known in zip(reversed(changed), ids, strict=False):
            kinds = entry.since(before)
            reader.page.append(Change(user_id=name[0], session_id=name[1], kinds=kinds, at=entry.at, id=known))
        return reader.page.popleft() if reader.page else None

    def _reason(self, before: int) -> str:
        if before < 0:
            return "what came after that id is not remembered"
        number, reason = self._forgotten
        return reason if before < number else "more sessions changed meanwhile than are remembered"

    def leave(self, reader: Subscription, waker: Waker | None) -> None:
        """Wait no longer, with one waker or (None) with all."""
        with self._held() as woken:
            waiting = self._waiting.get(reader.wanted, {})
            if reader not in waiting:  # it was woken
                return
            if waker is None:
                woken.extend(waiting[reader])
                waiting[reader] = []
            elif waker in waiting[reader]:
                waiting[reader].remove(waker)
            if not waiting[reader]:
                del waiting[reader]
                reader.told_to = self._number  # of what went by while it waited, nothing was its own
            if not waiting:
                del self._waiting[reader.wanted]

    def quit(self, reader: Subscription) -> None:
        """Listen no longer."""
        if self._pid == os.getpid() and not reader.closed and self.recording:
            reader.closed = True
            self.leave(reader, None)
            self._readers.discard(reader)

    def close(self) -> None:
        """Let everybody have what is left, and then an end."""
        with self._held() as woken:
            self._closed = True
            for waiting in self._waiting.values():
                for wakers in waiting.values():
                    woken.extend(wakers)
            self._waiting.clear()
