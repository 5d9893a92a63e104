"""The shape of a route, and what a function that answers one is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rollbook.aio import AsyncRollbook
from rollbook.principals import Principal

if TYPE_CHECKING:
    from rollbook.server.running import Server

#: Who may come: anybody at all, whoever is let in, whoever may write, administrators.
OPEN: Final = "open"
READ: Final = "read"
WRITE: Final = "write"
ADMIN: Final = "admin"

#: How the answer to a request under an idempotency key is given again: as it was sent; from what the book answered to
#: its writes, where nothing else is said; by looking again, where nothing was changed; or never, since it holds what
#: must not be stored.
REPLY: Final = "reply"
ANSWERS: Final = "answers"
ANEW: Final = "anew"
NEVER: Final = "never"


class Nothing(msgspec.Struct, frozen=True):
    """Of a route without parameters, or an answer without contents."""


class At(msgspec.Struct, kw_only=True):
    """A request, as the function that answers it sees it."""

    server: Server
    book: AsyncRollbook  #: as whoever asks sees it and may change it
    principal: Principal
    method: str
    path: str
    headers: Mapping[str, str]  #: names in lower case
    body: Any  #: decoded as the route's type says; plain bytes where it names none
    secure: bool  #: whether it came over HTTPS
    client: str  #: the address of whoever asks, behind proxies that are trusted
    query: bytes = b""  #: as it came
    raw: bytes = b""  #: the body as it came


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is more than its contents with status 200."""

    content: Any = None  #: a struct, or plain values; bytes are sent as they are
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = "application/json"


Answer = Callable[[At, Any], Awaitable[Any]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table."""

    method: str
    path: str  #: with parameters in braces
    answer: Answer
    takes: type[msgspec.Struct] = Nothing  #: parameters in the path and the query, by name
    body: Any = None  #: the type of the body; None: there is none; bytes: as it is
    reads: Callable[[bytes], Any] | None = None  #: what decodes the body, where its type does not say how
    gives: Any = Nothing  #: the type of the contents of an answer
    media_type: str = "application/json"  #: of the answer
    needs: str = READ
    tag: str = "sessions"
    does: str  #: what it does, in one line
    failed: str = ""  #: what a failure of ours is called, where clients know a name for it
    streams: bool = False  #: the function gets the ASGI channels as well and answers by itself
    status: int = 200
    kept: str = REPLY  #: how the answer is given again to the same idempotency key
    shared: bool = False  #: whether the answer follows from the book and the time alone, and so is the same for many
    coded: bool = False  #: the function reads how the body is compressed by itself
    described: bool = True  #: whether it stands in the description of the interface
