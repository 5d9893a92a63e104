"""Who takes events of hooks from the spool to the book, where no server does: a process that a hook starts."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final

from rollbook.errors import RollbookError
from rollbook.hooks import delivery, spool

_GATHER_S: Final = 0.2  #: for which events are gathered first; by then the agent has gone on
_SERVER: Final = "ROLLBOOK_PUSH_TO"


def main(words: Sequence[str]) -> None:
    """Deliver what waits, and what comes while the agent is busy. What cannot be delivered now is left for the next.

    The words are the descriptor that holds the lock, the spool, and which book and whose, if those are named.
    """
    number, place, db, user = words
    lock = int(number)
    spool.sign(lock, well=False)
    time.sleep(_GATHER_S)
    with contextlib.suppress(RollbookError, OSError), _book(db or None, user or None) as book:
        delivery.linger(book, place, lock)


@contextlib.contextmanager
def _book(db: str | None, user: str | None) -> Iterator[delivery.Taker]:
    """The server that `push` goes to, where one is set; else this machine's book."""
    server = os.environ.get(_SERVER, "").strip()
    if server and db is None:
        from rollbook.remote.book import RemoteBook  # noqa: PLC0415 - one of the two

        with RemoteBook(server, patient=False) as remote:
            yield remote
        return
    import rollbook  # noqa: PLC0415

    with rollbook.open(db, user=user or os.environ.get("ROLLBOOK_USER") or None) as book:
        yield book


if __name__ == "__main__":
    main(sys.argv[1:])
