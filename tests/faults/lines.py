"""A line between a book and its PostgreSQL server that breaks where a test wants it to break."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import urlsplit

HOST: Final = "127.0.0.1"
_LATE_S: Final = 0.2  #: how long what was sent last may stay on its way after the line broke
_SOON_S: Final = 0.05  #: in which a server has surely committed

#: What happens to a line with a COMMIT on it.
BEFORE: Final = "before"  #: it breaks, and the server gets no COMMIT
AFTER: Final = "after"  #: the server gets it, and its answer is lost
LATE: Final = "late"  #: it breaks, and the server gets the COMMIT some time later


class Line:
    """A proxy to a server. ``fate`` is asked at each COMMIT what becomes of its connection; None lets it be."""

    def __init__(self, url: str, fate: Callable[[], str | None] = lambda: None) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or HOST, parts.port or 5432)
        self.fate = fate
        self.broken = 0  #: how often it broke at a COMMIT
        self.dead = False  #: whether nobody gets through, or is let in
        self._listener = socket.create_server((HOST, 0))
        port = self._listener.getsockname()[1]
        self.url = f"postgresql://{parts.username}@{HOST}:{port}{parts.path}?sslmode=disable&gssencmode=disable"
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._open: set[socket.socket] = set()
        self._talks: list[_Talk] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                if self.dead:
                    caller.close()
                    continue
                server = socket.create_connection(self._server)
                for each in (caller, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open |= {caller, server}
                self._talks.append(_Talk(self, caller, server))

    def cut(self) -> None:
        """Break every connection that is open."""
        for each in list(self._open):
            hang_up(each)
        self._open.clear()

    def stall(self, most: int) -> None:
        """Let open connections take nothing more from their first message that is longer, and tell nobody."""
        for each in self._talks:
            each.most = most

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # who waits for callers hears of it
        self._listener.close()
        self.cut()


def hang_up(end: socket.socket) -> None:
    """Close without the usual ado: the other side gets a reset."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
    end.close()


class _Talk:
    """One connection through the line."""

    def __init__(self, line: Line, caller: socket.socket, server: socket.socket) -> None:
        self._line, self._caller, self._server = line, caller, server
        self._mute = False
        self.most: int | None = None  #: how long a message may be
        self._statements: dict[bytes, bytes] = {}
        for work in (self._asks, self._answers):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError, EOFError):
                work()
        finally:
            if not self._mute:
                hang_up(self._caller)
                hang_up(self._server)

    def _answers(self) -> None:
        while data := self._server.recv(65536):
            if not self._mute:
                self._caller.sendall(data)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._caller.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def _message(self, *, first: bool) -> bytes:
        head = b"" if first else self._exactly(1)
        size = self._exactly(4)
        if self.most is not None and struct.unpack(">i", size)[0] > self.most:
            self._mute = True
            time.sleep(3600)
        return head + size + self._exactly(struct.unpack(">i", size)[0] - 4)

    def _asks(self) -> None:
        self._server.sendall(self._message(first=True))
        while True:
            message = self._message(first=False)
            if not self._commits(message):
                self._server.sendall(message)
                continue
            fate = self._line.fate()
            if fate is None:
                self._server.sendall(message)
                continue
            self._line.broken += 1
            self._break(fate, message)
            return

    def _commits(self, message: bytes) -> bool:
        kind, rest = message[:1], message[5:]
        if kind == b"P":
            name, _, rest = rest.partition(b"\0")
            self._statements[name] = rest.partition(b"\0")[0]
        # (The driver itself ends a snapshot by a word in capitals.)
        return kind == b"B" and self._statements.get(rest.split(b"\0", 2)[1]) == b"commit"

    def _break(self, fate: str, message: bytes) -> None:
        if fate == BEFORE:
            return
        self._mute = True
        kept = message
        while message[:1] != b"S":
            message = self._message(first=False)
            kept += message
        if fate == LATE:
            hang_up(self._caller)
            time.sleep(_LATE_S)
        self._server.sendall(kept)
        if fate == AFTER:
            time.sleep(_SOON_S)
        hang_up(self._caller)
        time.sleep(_SOON_S)
        hang_up(self._server)
