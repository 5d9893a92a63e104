"""What the other processes that use a book have to do with its feed: what they write is told here, and the reverse.

Where a store carries texts between processes, what was committed is told through it: by a thread of its own, after the
commit, several commits at once. Where it does not, somebody looks twice a second whether another process wrote, as long
as anybody listens; which sessions that changed is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Final, Protocol

import msgspec

from rollbook.errors import StoreError
from rollbook.feed import Feed
from rollbook.feed.items import KINDS, Name, Told
from rollbook.store import Notifies, Silent, Store

LOOK_S: Final = 0.5  #: how often it is looked whether another process wrote
GATHER_S: Final = 0.05  #: how long changes are gathered before they are told to others
_PAYLOAD_MOST: Final = 7_800  #: bytes of one text
_WAITING_MOST: Final = 4_096  #: sessions that wait to be told of; of more it is told that all may have changed
_PAUSE_S: Final = 1.0  #: before it is tried again to tell the others
_REST_S: Final = 30.0  #: how often it is looked whether anybody listens still
_END_S: Final = 5.0  #: how long is waited at the end for what is left to be told
_KNOWN: Final = (1 << len(KINDS)) - 1
_ELSEWHERE: Final = "another process wrote to the book"


class Peers(Protocol):
    """How a feed has to do with other processes."""

    def close(self) -> None:
        """Tell what is left to be told, and end."""
        ...


def peers_of(feed: Feed, store: Store) -> Peers | None:
    """Let a feed and those of other processes hear of each other, as far as the store can."""
    if isinstance(store, Notifies):
        return Carried(feed, store, writes=not store.read_only)
    return Looked(feed, store) if isinstance(store, Silent) else None


class Looked:
    """Looks whether others wrote, while somebody listens."""

    def __init__(self, feed: Feed, store: Silent) -> None:
        self._feed = feed
        self._store = store
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        feed.rouse = self._rouse

    def _rouse(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._store.others_wrote(anew=True)
                self._thread = _started(self._run, "rollbook-look")

    def _run(self) -> None:
        while not self._closing.wait(LOOK_S):
            with self._lock:
                if not self._feed.recording:
                    self._thread = None
                    return
                if self._store.others_wrote():
                    self._feed.receive(None, 0, _ELSEWHERE)

    def close(self) -> None:
        """Look no more."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            thread.join()


class Carried:
    """Tells others what was committed here, and hears from them while somebody listens."""

    def __init__(self, feed: Feed, store: Notifies, *, writes: bool) -> None:
        self._feed = feed
        self._store = store
        self._sender = token_hex(4)  #: one's own texts come back, and are passed over
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._waiting: dict[Name, int] | None = {}  #: kinds by session; None: everything
        self._at = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._deaf: Callable[[], None] | None = None
        feed.rouse = self._rouse
        if writes:
            feed.carry = self._carry

    # Telling

    def _carry(self, told: Sequence[Told] | None, at: int) -> None:
        with self._lock:
            self._at = at
            waiting = self._waiting
            if told is None:
                self._waiting = None
            elif waiting is not None:
                for user_id, session_id, kinds in told:
                    name = (user_id, session_id)
                    waiting[name] = waiting.get(name, 0) | kinds
                if len(waiting) > _WAITING_MOST:
                    self._waiting = None
            self._begin()
        self._some.set()

    def _begin(self) -> None:
        if self._thread is None and not self._closing.is_set():
            with suppress(StoreError):  # the next commit tries again; what waits is kept until then
                self._thread = _started(self._run, "rollbook-tell")

    def _run(self) -> None:
        ended = False
        while not ended:
            self._some.wait(None if self._deaf is None else _REST_S)
            ended = self._closing.is_set()
            self._some.clear()
            self._tell()
            self._rest()
            self._closing.wait(GATHER_S)

    def _tell(self) -> None:
        try:
            if texts := self._texts():
                self._store.notify(texts)
        except StoreError:
            with self._lock:
                self._waiting = None  # it is lost, and that will be told
            if not self._closing.wait(_PAUSE_S):
                self._some.set()

    def _texts(self) -> list[str]:
        with self._lock:
            waiting, at, self._waiting = self._waiting, self._at, {}
        return list(texts_of(self._sender, waiting, at))

    # Hearing

    def _rouse(self) -> None:
        with self._lock:
            if self._deaf is None and not self._closing.is_set():
                self._deaf = self._store.listen(self._hear)
            self._begin()
        self._some.set()

    def _rest(self) -> None:
        """Hear no more where nobody listens any more."""
        with self._lock:
            if self._deaf is None or self._feed.recording:
                return
            deaf, self._deaf = self._deaf, None
        deaf()

    def _hear(self, text: str | None) -> None:
        if text is None:
            self._feed.receive(None, 0, "this process began to hear from others only now")
            return
        try:
            sender, at, users = msgspec.json.decode(text, type=_Text)
        except msgspec.MsgspecError:  # from a version that says more than this one understands
            self._feed.receive(None, 0, _ELSEWHERE)
            return
        if sender == self._sender:
            return
        told = None
        if users is not None:  # a kind that is not known here is told without its name
            told = [(user, name, kinds & _KNOWN) for user, sessions in users for name, kinds in sessions]
        self._feed.receive(told, at, _ELSEWHERE)

    def close(self) -> None:
        """Tell what is left to be told, and end."""
        with self._lock:
            self._closing.set()
            thread, deaf = self._thread, self._deaf
        self._some.set()
        if deaf is not None:
            deaf()
        if thread is not None:
            thread.join(_END_S)


#: Sender, time of the last commit, and by user the sessions with their kinds as bits; None: everything.
_Text = tuple[str, int, list[tuple[str, list[tuple[str, int]]]] | None]


def texts_of(sender: str, waiting: dict[Name, int] | None, at: int) -> Iterator[str]:
    """What is told of some sessions, in texts that are short enough."""
    if waiting is None:
        yield _text(sender, at, None)
        return
    users: dict[str, list[tuple[str, int]]] = {}
    left = _PAYLOAD_MOST
    for (user_id, session_id), kinds in sorted(waiting.items()):
        size = len(msgspec.json.encode(session_id)) + 8 + (0 if user_id in users else len(user_id) + 8)
        if size > left:
            yield _text(sender, at, users)
            users, left = {}, _PAYLOAD_MOST
            size += len(user_id) + 8
        users.setdefault(user_id, []).append((session_id, kinds))
        left -= size
    if users:
        yield _text(sender, at, users)


def _text(sender: str, at: int, users: dict[str, list[tuple[str, int]]] | None) -> str:
    return msgspec.json.encode((sender, at, None if users is None else list(users.items()))).decode()


def _started(run: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=run, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise StoreError(f"the machine gives no thread to follow changes with: {error}") from error
    return thread
