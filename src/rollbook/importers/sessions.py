"""What a transcript tells of a session: its times, facts, title and turns, and how it stands at its end.

One :class:`Session` gathers it while a file is read, across as many readings as it takes. What it hands over depends on
the lines alone and not on where the readings were cut, except for the time at which something is said: a session's
lines become a few touches, and its last lines an end once they have been silent for long.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import structs

from rollbook.errors import InvalidInput
from rollbook.importers.base import QUIET_US, Batch, Context, Item
from rollbook.importers.lines import one_line
from rollbook.ledger.ops import End, Facts, SourceFile, Touch
from rollbook.model import Status
from rollbook.rules import checks

#: How a session stands after its last line that says anything of it.
OPEN: Final = 0
COMPLETED: Final = 1
FAILED: Final = 2
CANCELLED: Final = 3
_ENDS: Final = {COMPLETED: Status.COMPLETED, FAILED: Status.FAILED, CANCELLED: Status.CANCELLED}

#: Where a title comes from; the larger is the better one.
PROMPT: Final = 1
SUMMARY: Final = 2
AI: Final = 3
CUSTOM: Final = 4

CARRIED_MOST: Final = 64  #: sessions of one file that its state remembers; the others start anew when they return


class Carried(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is kept of a session from one reading of its file to the next."""

    id: str
    parent: str | None = None
    last: int = 0  #: its latest time
    located: bool = False  #: its project is known
    introduced: bool = False  #: its kind and channel are known
    forked_from: str | None = None
    turns: int = 0
    stands: int = OPEN
    reason: str | None = None
    ended: bool = False  #: its end as it stands has been told
    title: str | None = None  #: a title that could not be told yet, because the session had no time
    title_rank: int = 0
    title_at: int = 0

    @property
    def due(self) -> int:
        """When it will have been silent for long enough to have ended; 0 where nothing says that it has."""
        return self.last + QUIET_US if self.stands and not self.ended and self.last else 0


class State(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the next reading of a file has to know of this one; a source adds what else it needs."""

    due: int = 0  #: when the first of its sessions will have been silent for long enough to have ended
    sessions: list[Carried] = []


def carry(sessions: dict[str, Session]) -> list[Carried]:
    """What a file's state keeps of its sessions: the latest of them."""
    carried = sorted((session.carried for session in sessions.values()), key=lambda one: (one.last, one.id))
    return carried[-CARRIED_MOST:]


def dump(state: State) -> bytes:
    """A state as it is stored."""
    state.due = min((one.due for one in state.sessions if one.due), default=0)
    return msgspec.json.encode(state)


def settle(agent: str, known: SourceFile, state: State, context: Context) -> Batch | None:
    """The ends of sessions whose last lines spoke of one, and that have been silent for long enough since."""
    if not state.due or state.due > context.now:
        return None
    ends = [Session(carried, agent).end(context) for carried in state.sessions]
    items: list[Item] = [end for end in ends if end is not None]
    return Batch(items=items, file=structs.replace(known, state=dump(state)))


class Session:
    """One session while its file is read."""

    __slots__ = ("agent", "carried", "first", "flagged", "news")

    def __init__(self, carried: Carried, agent: str) -> None:
        self.carried = carried
        self.agent = agent
        self.first = 0  #: the earliest time of what has not been handed over
        self.flagged = False
        self.news: list[tuple[int, dict[str, Any]]] = []  #: facts and the times at which they were learnt

    def seen(self, at: int, *, flagged: bool = False) -> None:
        """A line of that time."""
        carried = self.carried
        if carried.title_rank and not carried.title_at:
            carried.title_at = at
        carried.last = max(carried.last, at)
        if not self.first or at < self.first:
            self.first = at
        carried.ended = False
        if flagged:
            self.flagged = True

    def located(self, project: str | None, at: int) -> None:
        """Where it runs; the first line that tells it is believed."""
        if not project or self.carried.located:
            return
        self.carried.located = True
        try:
            self.news.append((at, {"project": checks.name(project, "a project", checks.MAX_ID_BYTES)}))
        except InvalidInput:
            return

    def introduced(
        self, at: int, *, channel: str | None = None, kind: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """How it is driven, and what else is known of it from the start; the first line that tells it is believed."""
        carried = self.carried
        if carried.introduced:
            return
        carried.introduced = True
        self.news.append((at, {"channel": channel, "kind": kind}))
        if carried.forked_from is not None:
            metadata = {**(metadata or {}), "forked_from": carried.forked_from}
        if metadata:
            self.learnt(at, metadata=metadata)

    def learnt(self, at: int, **facts: Any) -> None:
        """Other facts, by the names of :class:`rollbook.ledger.ops.Facts`, and when they were said."""
        if isinstance(facts.get("metadata"), dict):
            facts["metadata"] = checks.metadata(facts["metadata"])
        self.news.append((at, facts))

    def comes_from(self, original: str) -> None:
        """The session is a fork of another."""
        if self.carried.forked_from is None:
            self.carried.forked_from = original

    def prompted(self, text: str | None) -> None:
        """The user asked for something."""
        self.carried.turns += 1
        if text and not self.carried.title_rank:
            self.titled(PROMPT, one_line(text))

    def titled(self, rank: int, title: str | None) -> None:
        """A title, and how good it is."""
        carried = self.carried
        if title is None or rank < carried.title_rank:
            return
        carried.title, carried.title_rank = title, rank
        # Of titles the latest stands: each is told at a time of its own, which depends on the lines before it alone.
        carried.title_at = max(carried.title_at + 1, carried.last) if carried.last else 0
        carried.ended = False

    def stands(self, how: int, reason: str | None = None) -> None:
        """How the session would have ended if nothing more came."""
        self.carried.stands, self.carried.reason = how, reason

    def drain(self, context: Context, *, last: bool) -> list[Item]:
        """Hand over what is new; an end only at the end of the file."""
        items = self._touches(context)
        end = self.end(context) if last else None
        if end is not None:
            items.append(end)
        return items

    def _touches(self, context: Context) -> list[Item]:
        carried = self.carried
        told: dict[int, dict[str, Any]] = {}
        if self.first:
            told[self.first] = {}
            told[carried.last] = {}
        for at, facts in self.news:
            told.setdefault(at, {}).update(facts)
        if carried.title is not None and carried.title_at:
            told.setdefault(carried.title_at, {})["title"] = carried.title
            carried.title = None
        items: list[Item] = []
        for at in sorted(told):
            turns = carried.turns if at == carried.last else None
            items.append(
                Touch(
                    user_id=context.user_id,
                    session_id=carried.id,
                    at=at,
                    facts=Facts(agent=self.agent, parent_id=carried.parent, **told[at]),
                    turns=turns,
                    flagged=self.flagged,
                )
            )
        self.first, self.flagged, self.news = 0, False, []
        return items

    def end(self, context: Context) -> End | None:
        """The end that the last lines speak of, once they have been silent for long enough."""
        carried = self.carried
        if not carried.due or carried.due > context.now:
            return None
        carried.ended = True
        return End(
            user_id=context.user_id,
            session_id=carried.id,
            status=str(_ENDS[carried.stands]),
            at=max(carried.last, carried.title_at),
            reason=carried.reason,
            decided_by="importer",
            soft=True,
            create=False,
        )
