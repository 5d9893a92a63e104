"""From the spool to a book: events in their order, each removed once the book has acknowledged it.

Whoever delivers holds the spool's lock, so that there is one at a time: a server for as long as it runs, ``push``, or a
process that a hook started. A book takes an event that is delivered twice as one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Protocol

import msgspec

from rollbook.errors import InvalidInput, Overloaded, RollbookError, StoreError
from rollbook.hooks import claude_code, spool
from rollbook.ledger.ops import Op
from rollbook.rules.liveness import Known

AT_ONCE: Final = 200  #: events in one transaction
EVERY_S: Final = 1.0  #: between two looks at the spool
LINGER_S: Final = 10.0  #: of silence after which whoever a hook started ends
_RETRY_MOST_S: Final = 60.0

AGENTS: Final[dict[str, Callable[..., list[Op]]]] = {claude_code.AGENT: claude_code.ops}


class Taker(Protocol):
    """A book, as far as a delivery needs one."""

    @property
    def user_id(self) -> str:
        """Whose sessions they are."""

    def ingest(self, items: Sequence[Any]) -> Sequence[Any]:
        """Store all of it in one transaction; what became of each item."""


class Delivered(NamedTuple):
    """What became of what waited."""

    events: int = 0
    refused: int = 0  #: of them, those that no book takes: damaged ones, and those that contradict what is known


class Record(msgspec.Struct):
    """An event as it lies in the spool."""

    agent: str
    at: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]  #: microseconds UTC
    event: dict[str, Any]
    process: Known | None = None


_record: Final = msgspec.json.Decoder(Record)


def deliver(book: Taker, place: str, *, most: int = AT_ONCE) -> Delivered:
    """Take the first events that wait to a book. Raises what the book raises: then they are all still there."""
    names = spool.waiting(place)[:most]
    found = [_ops(spool.read(place, name), book.user_id) for name in names]
    refused = sum(ops is None for ops in found)
    items = [op for ops in found if ops is not None for op in ops]
    if items:
        answers = book.ingest(items)
        for answer in answers:
            if isinstance(answer, StoreError | Overloaded):
                raise answer
        refused += sum(isinstance(answer, RollbookError) for answer in answers)
    for name in names:
        spool.remove(place, name)
    return Delivered(len(names), refused)


def _ops(text: bytes | None, user_id: str) -> list[Op] | None:
    """What an event says; nothing where it was dropped meanwhile, None where it cannot be understood."""
    if text is None:
        return []
    try:
        record = _record.decode(text)
        return AGENTS[record.agent](record.event, at=record.at, user_id=user_id, process=record.process)
    except (msgspec.MsgspecError, InvalidInput, LookupError, UnicodeError):
        return None


def deliver_all(book: Taker, place: str) -> Delivered:
    """Take everything that waits to a book, unless somebody else is at it."""
    lock = spool.lock(place) if Path(place).is_dir() else None
    if lock is None:
        return Delivered()
    try:
        return _all(book, place)
    finally:
        os.close(lock)


def _all(book: Taker, place: str) -> Delivered:
    spool.tidy(place)
    events = refused = 0
    while (done := deliver(book, place)).events:
        events, refused = events + done.events, refused + done.refused
    return Delivered(events, refused)


def linger(book: Taker, place: str, lock: int) -> None:
    """Deliver until nothing has come for a while, as the holder of the lock, which is let go of at the end.

    Who leaves an event while the lock is held leaves it to its holder. So the holder looks once more when the lock is
    free: what was left in that moment is seen by one of the two.
    """
    while True:
        try:
            until = time.monotonic() + LINGER_S
            while time.monotonic() < until:
                if _all(book, place).events:
                    until = time.monotonic() + LINGER_S
                spool.sign(lock, well=True)
                time.sleep(EVERY_S)
        finally:
            os.close(lock)
        if not spool.waiting(place):
            return
        again = spool.lock(place)
        if again is None:
            return
        lock = again


def attend(book: Taker, place: str, stop: threading.Event, *, told: Callable[[str], None] = lambda _: None) -> None:
    """Deliver what waits and what comes until told to stop: what a server does for its machine, in a thread.

    Where somebody else delivers, it waits for them. What the book cannot take now is tried again, less and less often;
    ``told`` is told why, once.
    """
    lock: int | None = None
    pause, trouble = EVERY_S, ""
    try:
        while True:
            try:
                lock = spool.lock(place) if lock is None else lock
                if lock is not None:
                    _all(book, place)
                pause, trouble = EVERY_S, ""
            except (RollbookError, OSError) as error:
                if str(error) != trouble:
                    told(f"events of hooks wait in {place}: {error}")
                pause, trouble = min(pause * 2, _RETRY_MOST_S), str(error)
            if stop.wait(pause):
                return
    finally:
        if lock is not None:
            os.close(lock)
