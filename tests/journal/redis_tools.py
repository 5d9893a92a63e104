"""What the tests of journals in Redis share: steps, looking, and a way to lose answers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence

from rollbook.errors import RollbookError
from rollbook.journal import lines
from rollbook.journal.backend import Journals
from rollbook.journal.redis.node import Scripts
from rollbook.journal.steps import Append, Appended, Done, Drop, Entry, New, Pop, Step

USER = "00000000-0000-5000-8000-0000000000aa"
QA = "qa"


def append(session: str, *ids: str, fresh: bool = False, stream: str = QA, at: int = 1) -> Step:
    entries = tuple(New(each, b'{"id":"%b"}' % each.encode(), at, fresh=fresh) for each in ids)
    return Step(USER, session, at, (Append(stream, entries),))


def pop(session: str) -> Step:
    return Step(USER, session, 1, (Pop(QA),))


def made(journals: Journals, step: Step | Drop) -> Done:
    """The answer to a step that is to succeed."""
    (answer,) = journals.apply([step])
    if isinstance(answer, RollbookError):
        raise answer
    assert isinstance(answer, Done)
    return answer


def appended(done: Done) -> Appended:
    (answer,) = done.answers
    assert isinstance(answer, Appended)
    return answer


def popped(done: Done) -> list[str]:
    (answer,) = done.answers
    assert isinstance(answer, tuple)
    return [entry.entry_id for entry in answer if isinstance(entry, Entry)]


def read(journals: Journals, session: str, stream: str = QA) -> list[str]:
    """The ids of a session's entries, oldest first; its head must say how many."""
    with journals.read(USER, session) as (peek, who):
        head = peek.head(who, stream, "main")
        found = [] if head is None else [line.entry_id for line in lines.tail(peek, stream, head.tip, None)]
        assert len(found) == (0 if head is None else head.length)
    return found


class Proxy:
    """Stands between a client and a server, and may lose what the server answers to a commit, once it is made."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._tls = tls
        scripts = Scripts()
        self._commits = [str(scripts.call(name, [])[1]).encode() for name in ("commit", "remove")]
        self._lose: Iterator[bool] = iter(())
        self.lost = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, which: Sequence[bool] | Iterator[bool]) -> None:
        """Of the next commits, those of which the answers are lost together with their connection."""
        self._lose = iter(which)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if self._tls is not None:
                    try:
                        here = self._tls.wrap_socket(here, server_side=True)
                    except OSError:
                        continue  # the client did not trust us
                there = socket.create_connection(("127.0.0.1", self._target))
                self._open += [here, there]
                doomed = threading.Event()
                for source, sink, up in ((here, there, True), (there, here, False)):
                    threading.Thread(target=self._pump, args=(source, sink, doomed, up), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, doomed: threading.Event, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                if up and any(sha in data for sha in self._commits) and next(self._lose, False):
                    doomed.set()
                if doomed.is_set() and not up:
                    self.lost += 1
                    break  # the server has answered, so the commit is made
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def proxy_to(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    proxy = Proxy(port, tls)
    try:
        yield proxy
    finally:
        proxy.close()
