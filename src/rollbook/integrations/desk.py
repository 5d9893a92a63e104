"""What the integrations share: a book on any event loop, writes of a known outcome, and metered calls."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote
from uuid import UUID
from weakref import WeakKeyDictionary

from msgspec import Raw

from rollbook import book as blocking
from rollbook import inbox
from rollbook.aio import AsyncRollbook
from rollbook.book import Rollbook
from rollbook.core import Plan
from rollbook.errors import Gone, RollbookError
from rollbook.journal.steps import Change, Done, Expect, ExpectState, New, SetState
from rollbook.ledger.ops import Call, Facts, Touch
from rollbook.model import Evidence, Outcome, Tokens
from rollbook.plans import Plans
from rollbook.plans.streams import When
from rollbook.rules import bodies, checks

WORDS_MOST: Final = 200  #: texts of one entry that a search finds it by
WORDS_CHARS: Final = 50_000  #: and how much of them

R = TypeVar("R")
AnyBook = AsyncRollbook | Rollbook | str | os.PathLike[str] | None
User = str | UUID | None

_NEW: Final = (Outcome.COUNTED, Outcome.LATE)

#: The async face of each blocking book that was given, so that many sessions of one book share its reading threads.
_faces: Final[WeakKeyDictionary[Rollbook, AsyncRollbook]] = WeakKeyDictionary()


class Desk:
    """A book as an integration uses it. Safe on several event loops and threads at once."""

    def __init__(self, book: AnyBook, user_id: User) -> None:
        """Take an open book of either kind; or a URL or path (None: the default), which is opened and closed here."""
        self.user_id = user_id
        self.opened: Rollbook | None = None
        if isinstance(book, AsyncRollbook):
            self.book = book
        else:
            if not isinstance(book, Rollbook):
                book = self.opened = blocking.open(book)
            self.book = _faces.setdefault(book, AsyncRollbook(book._plans))  # noqa: SLF001 - two faces, the same plans
        self.plans: Plans = self.book._plans  # noqa: SLF001 - integrations make steps of several changes
        if user_id is None:  # what is read is whose is written, whoever else may be seen
            self.user_id = self.plans.user_name or self.plans.user_id

    async def read(self, plan: Plan[R]) -> R:
        """What a plan that only reads answers."""
        return await self.book._drive(plan)  # noqa: SLF001 - see above

    async def write(self, plan: Plan[R]) -> R:
        """What a plan answers, which goes on to its end even where the caller is cancelled meanwhile."""
        return await settled(self.read(plan))

    async def close(self) -> None:
        """Close the book if it was opened here. A second call does nothing."""
        if self.opened is not None:
            await self.book.close()

    # Writing

    def entry(self, value: Any, name: str | None = None, *, at: int | None = None) -> New:
        """A plain JSON value as an entry to be appended, without secrets, and to be found by the words in it."""
        redactor, most = self.plans.redactor, self.plans.settings.entry_bytes
        clean = value if redactor is None else redactor.value(value)
        entry_id, fresh = bodies.entry_id(name)
        body = bodies.encoded(clean, "an entry", most)
        found = "\n".join(islice(words(clean), WORDS_MOST))[:WORDS_CHARS]
        return New(entry_id, body, self.plans.clock() if at is None else at, found, fresh=fresh)

    def change(
        self,
        session_id: str,
        changes: Sequence[Change],
        index: SetState | None = None,
        *,
        expects: Sequence[Expect | ExpectState] = (),
        at: int | None = None,
    ) -> Plan[None]:
        """A step, together with what the user's state tells of it.

        Where the two stand apart, the user's state tells of too much rather than of too little in between.
        """
        if index is None or self.plans.elsewhere is None:
            made = [*changes] if index is None else [*changes, index]
            yield from self.step(session_id, made, expects=expects, at=at)
            return
        removing = None in index.values.values()
        if not removing:
            yield from self.plans.step(None, [index], user_id=self.user_id)
        yield from self.step(session_id, changes, expects=expects, at=at)
        if removing:
            yield from self.plans.step(None, [index], user_id=self.user_id)

    def step(
        self,
        session_id: str,
        changes: Sequence[Change],
        *,
        expects: Sequence[Expect | ExpectState] = (),
        at: int | None = None,
    ) -> Plan[Done]:
        """Changes of a session, which this process runs while something happens in it."""
        return (
            yield from self.plans.step(
                session_id, changes, expects=expects, user_id=self.user_id, at=at,
                instance=(yield from self.plans.present()),
            )
        )  # fmt: skip

    def indexed(self, start: str) -> Plan[list[Any]]:
        """The values of the user's state whose keys begin so."""
        found: dict[str, Raw] = yield from self.plans.perused(
            None, self.user_id, lambda peek, who: peek.state(who), of_user=True
        )
        return [bodies.decoded(bytes(value)) for key, value in found.items() if key.startswith(start)]

    # Metering

    def call(
        self,
        session_id: str,
        *,
        usage_id: str,
        tokens: Tokens,
        model: str | None,
        source: str,
        provider: str | None = None,
        at: When = None,
    ) -> Call:
        """A model call that a framework reports."""
        owner, label = self.plans.owner(self.user_id)
        moment, flagged = checks.moment(at, "the time of a call", self.plans.clock())
        return inbox.call(
            user_id=owner, user_name=label, session_id=session_id, usage_id=usage_id, occurred_at=moment,
            flagged=flagged, timed=at is not None, tokens=tokens, model=model, provider=provider, cost_nano=None,
            aliases=(), errored=False, billing="unknown", source=source, evidence=int(Evidence.PUSH), tier="standard",
            prices=self.plans.prices,
        )  # fmt: skip

    def meter(
        self, session_id: str, calls: Iterable[Call], *, agent: str, turns: int | None = None, at: int | None = None
    ) -> Plan[int]:
        """Store calls, with a sign of life of their session, in one transaction; how many of them were new."""
        owner, label = self.plans.owner(self.user_id)
        instance = yield from self.plans.present()
        moment = self.plans.clock() if at is None else at
        touch = Touch(
            user_id=owner, session_id=session_id, at=moment, facts=Facts(agent=agent), turns=turns, user_name=label,
            instance=instance, loose=True,
        )  # fmt: skip
        told = yield from self.plans.ingest([touch, *calls])
        if isinstance(told[0], RollbookError) and not isinstance(told[0], Gone):
            raise told[0]  # a deleted session's calls are spend all the same
        for answer in told[1:]:
            if isinstance(answer, RollbookError):
                raise answer
        return sum(answer in _NEW for answer in told[1:])


async def settled(write: Coroutine[Any, Any, R]) -> R:
    """What a write answers. Whoever is cancelled while it is under way hears of that once its outcome is known."""
    task = asyncio.ensure_future(write)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told of an error that was never retrieved
        raise cancelled
    return task.result()


def plain(text: str, most: int) -> str:
    """A text of any kind as a part of a name: printable, without slashes, at most so long, another one for each."""
    quoted = quote(text, safe="", errors="surrogatepass")
    if len(quoted) <= most:
        return quoted
    return f"%sha256-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def words(value: Any) -> Iterator[str]:
    """What somebody said in a message of whatever framework: the texts under ``content`` and ``text``."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str) and key in ("content", "text"):
                yield item
            elif isinstance(item, dict | list):
                yield from words(item)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                yield from words(item)


def response_name(response_id: str | None) -> str | None:
    """The name of a call, as every door makes it, of a response id that its provider gives once; None for others."""
    if response_id and response_id.startswith("resp_"):
        return f"openai:response:{response_id}"
    if response_id and response_id.startswith("msg_"):
        return f"anthropic:msg:{response_id}"
    return None


def split(
    total_in: int,
    total_out: int,
    *,
    read: int = 0,
    written: int = 0,
    written_1h: int = 0,
    audio_in: int = 0,
    reasoning: int = 0,
    audio_out: int = 0,
) -> Tokens:
    """Tokens in disjoint kinds, of totals that contain their parts. Parts that exceed their total are cut to it."""
    plain_in, read, written, audio_in = _parts(total_in, read, written, audio_in)
    plain_out, reasoning, audio_out = _parts(total_out, reasoning, audio_out)
    _, hour = _parts(written, written_1h)
    return Tokens(
        input=plain_in, cache_read=read, cache_write=written - hour, cache_write_1h=hour, audio_in=audio_in,
        output=plain_out, reasoning=reasoning, audio_out=audio_out,
    )  # fmt: skip


def _parts(total: int, *parts: int) -> list[int]:
    """What is left of a total without its parts, and the parts."""
    left, found = max(0, total), []
    for part in parts:
        found.append(min(max(0, part), left))
        left -= found[-1]
    return [left, *found]
