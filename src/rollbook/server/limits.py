"""What one request, one key and all of them together may ask for; what is over it is refused, and told so."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from rollbook.feed import Subscription
from rollbook.principals import Principal
from rollbook.server.faults import Refused
from rollbook.server.routing import OPEN, At, Route

if TYPE_CHECKING:
    from rollbook.server.running import Options

_HEADER_BYTES: Final = 32 << 10
_LENGTH_DIGITS: Final = 18  #: of a body's length; a number of thousands of digits is not worth reading
_FORM_BYTES: Final = 8 << 10  #: of a body of whoever is not known yet, who can but sign in
_FORMS: Final = 16  #: such bodies of one address that are waited for at once,
_ALL_FORMS: Final = 128  #: and of all of them
_SIGN_INS: Final = 30  #: of one key in a minute
_MINUTE_S: Final = 60.0
_OWN_BITS: Final = 64  #: of an address by IPv6, which whoever has one gives themselves
_UNKNOWN: Final = "address:"  #: before the address of somebody who is not known
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Rates:
    """How often something was done within the minute that is running, by whom."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._until = 0.0
        self._counts: dict[str, int] = {}

    def count(self, holder: str) -> bool:
        """Count once more; whether it is not too often. A most of 0 is any number."""
        now = time.monotonic()
        if now >= self._until:  # everybody begins anew, so that nothing is kept of who came once
            self._until = now + _MINUTE_S
            self._counts.clear()
        count = self._counts[holder] = self._counts.get(holder, 0) + 1
        return count <= self._most or not self._most

    @property
    def wait_s(self) -> int:
        """In how many seconds the next minute begins."""
        return max(1, math.ceil(self._until - time.monotonic()))


def _too_many(what: str, rates: Rates) -> Refused:
    wait = rates.wait_s
    return Refused(429, f"too many {what}; try again in {wait} s", ("retry-after", str(wait)))


class Limits:
    """Counts and refuses. Each server counts for itself."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._requests = Rates(options.requests_per_minute)
        self._failures = Rates(options.failures_per_minute)
        self._entries = Rates(_SIGN_INS)
        self._forms: Counter[str] = Counter()
        self._streams: dict[Subscription, str] = {}
        self._streams_of: Counter[str] = Counter()

    @staticmethod
    def headers(scope: MutableMapping[str, Any]) -> None:
        """Refuse headers that are larger than any client's."""
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        if size > _HEADER_BYTES:
            raise Refused(431, "the headers are too large")

    def spend(self, at: At) -> None:
        """Count a request of a key."""
        if not self._requests.count(_holder(at)):
            raise _too_many("requests", self._requests)

    def guess(self, address: str) -> None:
        """Count a request that showed nothing that lets anybody in, so that nobody tries many."""
        if not self._failures.count(_UNKNOWN + neighbourhood(address)):
            raise _too_many("attempts", self._failures)

    def enter(self, principal: Principal) -> None:
        """Count a sign-in, of each of which something is kept; those who may only read sign in as well."""
        if not self._entries.count(principal.key_id or principal.user_id):
            raise _too_many("sign-ins", self._entries)

    @contextlib.contextmanager
    def stream(self, at: At, changes: Subscription) -> Iterator[None]:
        """Around a stream."""
        holder = _holder(at)
        try:
            if len(self._streams) >= self._options.streams:
                raise Refused(503, "too many streams are open", ("retry-after", "5"))
            if self._streams_of[holder] >= self._options.streams_per_key:
                raise Refused(429, "too many streams of this key are open", ("retry-after", "5"))
            self._streams[changes] = holder
            self._streams_of[holder] += 1
            try:
                yield
            finally:
                del self._streams[changes]
                self._streams_of[holder] -= 1
                if not self._streams_of[holder]:
                    del self._streams_of[holder]
        finally:
            changes.close()

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def end_streams(self) -> None:
        """Tell every stream that there is nothing more to come."""
        for changes in list(self._streams):
            changes.close()

    async def form(self, receive: Receive, headers: Mapping[str, str], client: str) -> bytes:
        """The body of somebody who is not known yet. Whoever sends many of them slowly keeps nobody else out."""
        who = neighbourhood(client)
        if self._forms[who] >= _FORMS or self._forms.total() >= _ALL_FORMS:
            raise Refused(429, "too many forms are on their way", ("retry-after", "1"))
        self._forms[who] += 1
        try:
            return await self.body(receive, headers, _FORM_BYTES)
        finally:
            self._forms[who] -= 1
            if not self._forms[who]:
                del self._forms[who]

    def most_of(self, route: Route) -> int:
        """How many bytes the body of a request may have, compressed and not."""
        return _FORM_BYTES if route.needs == OPEN else self._options.body_bytes

    async def body(self, receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
        """The body of a request, no larger than allowed and within the time allowed."""
        length = headers.get("content-length")
        if length is not None and length.isdecimal() and (len(length) > _LENGTH_DIGITS or int(length) > most):
            raise Refused(413, f"the body may be {most} bytes long")
        message = await _within(self._options.idle_s, receive)
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and len(body) <= most:
            return body
        parts, size = [body], len(body)
        until = time.monotonic() + self._options.idle_s
        if size > most:
            raise Refused(413, f"the body may be {most} bytes long")
        while message.get("more_body"):
            # What keeps coming may take longer, what does not may not.
            message = await _within(max(until - time.monotonic(), 0.001), receive)
            if message["type"] == "http.disconnect":
                raise Refused(400, "the body ended early")
            until += len(message.get("body", b"")) / self._options.slowest_bytes_s
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise Refused(413, f"the body may be {most} bytes long")
        return b"".join(parts)


async def _within(seconds: float, receive: Receive) -> MutableMapping[str, Any]:
    """The next part of a body. Most are there when they are asked for, and need no clock."""
    coming: Any = receive().__await__()
    try:
        waits_for = next(coming)
    except StopIteration as there:
        return there.value  # type: ignore[no-any-return]  # a generator's value is not typed by its exception
    try:
        async with asyncio.timeout(seconds):
            return await _Begun(coming, waits_for)
    except TimeoutError:
        raise Refused(408, "the body did not come in time") from None


class _Begun:
    """What was begun to be awaited, and is to be awaited further."""

    def __init__(self, coming: Any, waits_for: Any) -> None:
        self._coming = coming
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, MutableMapping[str, Any]]:
        coming, waits_for = self._coming, self._waits_for
        try:
            while True:
                try:
                    told = yield waits_for
                except BaseException as error:  # noqa: BLE001 - whatever it is, it is for who waits
                    waits_for = coming.throw(error)
                else:
                    waits_for = coming.send(told)
        except StopIteration as there:
            return there.value  # type: ignore[no-any-return]


def neighbourhood(address: str) -> str:
    """The addresses among which one counts: by IPv6 everybody has 2^64 of their own, which are counted as one."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or int(found) >> _OWN_BITS)


def _holder(at: At) -> str:
    return at.principal.key_id or at.principal.user_id or _UNKNOWN + neighbourhood(at.client)
