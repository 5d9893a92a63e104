"""What Claude Code's lines tell of a session: its times, facts, title and turns, and how it stands at its end."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rollbook.errors import InvalidInput
from rollbook.importers.base import QUIET_US, Context, Item
from rollbook.importers.claude_lines import Line, one_line
from rollbook.ledger.ops import End, Facts, Touch
from rollbook.model import Kind, Status
from rollbook.rules import checks

AGENT: Final = "claude-code"

#: How a session stands after its last line that says anything of it.
OPEN: Final = 0
COMPLETED: Final = 1
FAILED: Final = 2
CANCELLED: Final = 3
_ENDS: Final = {COMPLETED: Status.COMPLETED, FAILED: Status.FAILED, CANCELLED: Status.CANCELLED}

#: Where a title comes from; the larger is the better one.
_PROMPT: Final = 1
_SUMMARY: Final = 2
_AI: Final = 3
_CUSTOM: Final = 4

#: The door that a session came through, by the start of its entry point's name: channel and kind.
_DOORS: Final = (
    ("cli", "cli", Kind.INTERACTIVE),
    ("sdk-cli", "cli", Kind.AUTONOMOUS),
    ("sdk", "api", Kind.AUTONOMOUS),
    ("claude-vscode", "ide", Kind.INTERACTIVE),
    ("claude-jetbrains", "ide", Kind.INTERACTIVE),
    ("remote", "web", Kind.INTERACTIVE),
)


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


class Session:
    """One session while its file is read."""

    __slots__ = ("carried", "first", "flagged", "news")

    def __init__(self, carried: Carried) -> None:
        self.carried = carried
        self.first = 0  #: the earliest time of what has not been handed over
        self.flagged = False
        self.news: list[tuple[int, dict[str, Any]]] = []  #: facts and the times at which they were learnt

    def seen(self, at: int, *, flagged: bool) -> None:
        """A line of that time."""
        carried = self.carried
        if carried.title_rank and not carried.title_at:
            carried.title_at = at
        carried.last = max(carried.last, at)
        if not self.first or at < self.first:
            self.first = at
        carried.ended = False
        self.flagged |= flagged

    def introduce(self, line: Line, at: int) -> None:
        """What the first line that tells it says of the session's place and kind."""
        carried = self.carried
        if not carried.located and line.cwd:
            carried.located = True
            try:
                self.news.append((at, {"project": checks.name(line.cwd, "a project", checks.MAX_ID_BYTES)}))
            except InvalidInput:
                return
        if not carried.introduced and line.type in ("user", "assistant"):
            carried.introduced = True
            channel, kind = _door(line.entrypoint)
            self.news.append((at, {"channel": channel, "kind": str(Kind.AUTONOMOUS if carried.parent else kind)}))
            if carried.forked_from is not None:
                self.news.append((at, {"metadata": {"forked_from": carried.forked_from}}))

    def comes_from(self, original: str) -> None:
        """The session is a fork of another."""
        if self.carried.forked_from is None:
            self.carried.forked_from = original

    def prompted(self, text: str | None) -> None:
        """The user asked for something."""
        self.carried.turns += 1
        if text and not self.carried.title_rank:
            self._title(_PROMPT, one_line(text))

    def summarised(self, title: str | None) -> None:
        """A title that the agent made when it resumed."""
        self._title(_SUMMARY, title)

    def ai_titled(self, title: str | None) -> None:
        """A title that the agent chose."""
        self._title(_AI, title)

    def custom_titled(self, title: str | None) -> None:
        """A title that the user gave."""
        self._title(_CUSTOM, title)

    def _title(self, rank: int, title: str | None) -> None:
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
                    facts=Facts(agent=AGENT, parent_id=carried.parent, **told[at]),
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


def _door(entrypoint: str | None) -> tuple[str, Kind]:
    if not entrypoint:
        return "cli", Kind.INTERACTIVE
    for start, channel, kind in _DOORS:
        if entrypoint.startswith(start):
            return channel, kind
    return "other", Kind.INTERACTIVE
