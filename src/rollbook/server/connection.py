"""Connections: what is held for one before anybody knows who asks is bounded, in bytes and in time.

A request's head is kept in memory until it is whole, so it may be only so large and take only so long. The same goes
for what belongs to a body and is none of it (the sizes of chunks, lines behind them), and for a body for which nobody
waits any more, since the answer was sent before it, and for answers that nobody takes.

There are only so many connections. Where nearly all are taken, those over which nothing was asked for longest make room
for new ones, so that nobody keeps others out by holding them; those that are being answered stay.

Some clients ask with each request whether another protocol is spoken (h2c, Java's most of all). None is, and such a
request is one like any other. The parser takes what follows it for that protocol, its body as well: it is told anew.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, ClassVar, Final

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rollbook.server.limits import neighbourhood

_UNASKED_MOST: Final = 256  #: connections of one address over which nothing was asked yet, so that all are not its own
_ASKS_S: Final = 20.0  #: in which the head of a request must have come, from the connection or its first byte on
_LOOSE_MOST: Final = 64 << 10  #: bytes of a request that are not its body
_FRAMED: Final = 8  #: bytes around each one of a body that is sent in chunks
_STUCK_S: Final = 30.0  #: after which whoever takes nothing of an answer is taken to be gone
_SIZED: Final = (b"content-length", b"transfer-encoding")  #: headers that say that there is a body, if it is not of 0
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Impatient(HttpToolsProtocol):
    """Lets go of a connection over which no request comes, or one that never ends."""

    most: ClassVar[int] = 1 << 30  #: connections, before the idle ones make room
    spared: ClassVar[frozenset[str]] = frozenset()  #: proxies, over which everybody comes
    #: Those without a request that is being answered, and since when by the loop's clock; the longest so first.
    _idle: ClassVar[dict[Impatient, float]] = {}
    _looking: ClassVar[bool] = False  #: whether it will be looked who of them asks for nothing more
    _unasked: ClassVar[Counter[str]] = Counter()  #: connections of an address over which nothing was asked yet
    _address: str | None = None  #: as long as it counts among those
    _patience: Any = None
    _loose = 0  #: bytes that came for a request and were not of its body
    _in_head = _in_body = _moved = False
    _data = b""  #: what came last
    _again = False  #: whether the parser is told what is known of a request
    _stuck: Any = None
    _left = 0  #: bytes of an answer that were not taken when that was looked at last

    def connection_made(self, transport: Any) -> None:
        """Somebody connected."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            self._make_room()
        self._idle[self] = self.loop.time()
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple) and peer[0] not in self.spared:
            self._address = address = neighbourhood(peer[0])
            self._unasked[address] += 1
            if self._unasked[address] > _UNASKED_MOST:
                transport.abort()

    def _make_room(self) -> None:
        """Let go of whoever is idle for longest, if anybody is."""
        longest = next(iter(self._idle), None)
        if longest is not None:
            del self._idle[longest]
            longest.transport.abort()

    def _has_asked(self) -> None:
        if self._address is not None:
            self._unasked[self._address] -= 1
            if not self._unasked[self._address]:
                del self._unasked[self._address]
            self._address = None

    def data_received(self, data: bytes) -> None:
        """Something came; no more of a head, or around a body, than any client sends."""
        self._loose += len(data)
        self._moved = False
        self._data = data
        super().data_received(data)
        if self._loose > _LOOSE_MOST and (self._in_head or self._in_body):
            if self._in_head and not self._is_answering and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
            self._give_up()
        elif self._in_head or not (self._moved or self._in_body or self._is_answering):
            self._wait()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        self._idle.pop(self, None)
        self._has_asked()
        self._rest()
        self.resume_writing()
        super().connection_lost(exc)

    def _unsupported_upgrade_warning(self) -> None:
        """The parser has stopped behind the head of a request that asks for another protocol."""
        stopped = sys.exception()
        assert stopped is not None  # noqa: S101 - it is being handled
        rest = self._data[stopped.args[0] :]
        self.parser = HttpRequestParser(self)
        if self._sized:
            self._again = True
            said = b"".join(b"%s: %s\r\n" % header for header in self._sized)
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % said)
            self._again = False
        if rest:
            self._data = rest
            super().data_received(rest)

    @property
    def _sized(self) -> list[tuple[bytes, bytes]]:
        """What says that there is a body; nothing where there is none."""
        return [(name, value) for name, value in self.headers if name in _SIZED and value.strip(b"0 ")]

    def on_url(self, url: bytes) -> None:
        """What is asked for, or a part of it."""
        if not self._again:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._again:
            super().on_header(name, value)

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._again:
            return
        self._in_head, self._in_body, self._moved = True, False, True
        self._loose = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        if self._again:
            return
        self._idle.pop(self, None)
        self._has_asked()
        self._in_head, self._in_body, self._moved = False, True, True
        self._loose = 0
        self._rest()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body came."""
        self._loose = max(0, self._loose - (_FRAMED + 1) * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is whole; not yet, where the parser takes its body for something else."""
        if self._again or (self.parser.should_upgrade() and self._sized):
            return
        self._in_body, self._moved = False, True
        self._rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered; what was asked for behind it is next.

        One clock looks after all that are idle: to wind up one for each answer takes longer than to look.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if not self._is_answering:
            self._idle[self] = self.loop.time()
            self._look_after_idle(self.loop, self.timeout_keep_alive)
        if self._in_body:  # nobody reads the rest, so it is not waited for much longer
            self._wait()

    @classmethod
    def _look_after_idle(cls, loop: Any, seconds: float) -> None:
        if not cls._looking:
            cls._looking = True
            loop.call_later(seconds, cls._let_idle_go, loop)

    @classmethod
    def _let_idle_go(cls, loop: Any) -> None:
        cls._looking = False
        now = loop.time()
        for each, since in list(cls._idle.items()):
            left = since + each.timeout_keep_alive - now
            if left > 0:
                cls._look_after_idle(loop, left)
                return
            each.timeout_keep_alive_handler()  # one that has begun to ask stays, and makes room where it has to

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(_ASKS_S, self._give_up)

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._rest()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()
            if self.transport.get_write_buffer_size():
                self.loop.call_later(_STUCK_S, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """No other one came; if one has begun to, that is waited for already."""
        if not self._in_head:
            self._give_up()

    # What is sent

    def pause_writing(self) -> None:
        """What is sent is not taken."""
        super().pause_writing()
        self._look_again()

    def resume_writing(self) -> None:
        """It is taken again."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def _look_again(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._stuck = self.loop.call_later(_STUCK_S, self._is_stuck)

    def _is_stuck(self) -> None:
        if self.transport.get_write_buffer_size() < self._left:
            self._look_again()
        else:
            self.transport.abort()
