"""What a fork does with open stores: nothing is under way in the moment of it, and the child starts anew.

A child inherits a copy of SQLite's memory: locks that it believes to hold and does not, and whatever another thread had
half done. So before a fork every store finishes what is under way; after it the child closes what it inherited (which
leaves the parent's locks alone) and opens the file again when it first uses the book.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakSet

#: How long a fork waits for what is under way. A read that takes longer is left alone: its connection is then closed in
#: the child in whatever state it is in.
_WAIT_S: Final = 10.0


class Watched(Protocol):
    """A store that a fork has to know of."""

    def hold(self, deadline: float) -> Callable[[], None]:
        """Wait until nothing is under way, and let nothing begin until the returned function is called."""
        ...

    def abandon(self) -> None:
        """In the child: close what was inherited."""
        ...


_OPEN: Final[WeakSet[Watched]] = WeakSet()
_HELD: Final[list[tuple[Watched, Callable[[], None]]]] = []


def watch(store: Watched) -> None:
    """Let forks know of a store for as long as it lives."""
    _OPEN.add(store)


def _before() -> None:
    deadline = time.monotonic() + _WAIT_S
    _HELD.extend((store, store.hold(deadline)) for store in list(_OPEN))


def _in_parent() -> None:
    while _HELD:
        _HELD.pop()[1]()


def _in_child() -> None:
    while _HELD:
        store, release = _HELD.pop()
        release()
        store.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
