"""Whose a line in one of Codex's transcripts is: the session's own, or a copy of an ancestor's.

A fork and a sub-agent begin with the history that they go on from. Some versions copy it with the times at which it
happened, some stamp every copied line with the time of the fork, and the newest number the lines and say where the
own ones begin. A copy is the ancestor's, and keeps its name.
"""

from __future__ import annotations

from typing import Final

import msgspec

from rollbook.importers.codex_lines import Meta, Spawn, SubAgent, moment_of, source
from rollbook.importers.lines import micros

#: A history is copied in one go; the first answer to a request of one's own comes after a longer pause than this.
PAUSE_US: Final = 1_000_000
ANCESTORS_MOST: Final = 12
_FIRST_IDS: Final = 1_577_836_800_000_000  #: January 2020: an id that tells an earlier time was made up


class Ancestor(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A session whose history was copied."""

    id: str
    made: int = 0  #: when it began; 0 where that is not known
    cwd: str | None = None


class Lineage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a file has told so far of where its lines come from."""

    own: str | None = None  #: the session whose file it is
    made: int = 0  #: when that session began
    start: int | None = None  #: the number of its first own line
    copies: bool = False  #: the file may begin with lines of ancestors
    proven: bool = False  #: it is a fork, or an ancestor's first line was copied
    burst: bool = True  #: every line so far may have been copied in one go
    latest: int = 0  #: the time of the last line that is not older than the session
    ancestors: list[Ancestor] = []  #: nearest first

    def begin(self, meta: Meta, identity: str) -> None:
        """The first line that tells it says whose file it is."""
        self.own, self.made = identity, _made(meta, identity)
        self.start = meta.subagent_history_start_ordinal
        for found in (meta.forked_from_id, parent_of(meta, identity)):
            self._descends(found)
        self.copies = bool(self.ancestors)
        self.proven = meta.forked_from_id is not None

    def inherit(self, meta: Meta) -> None:
        """The copied first line of an ancestor."""
        identity = meta.id
        if not identity or identity == self.own:
            return
        self.copies = self.proven = True
        self._descends(identity)
        for one in self.ancestors:
            if one.id == identity:
                one.made, one.cwd = _made(meta, identity), meta.cwd
        self._descends(meta.forked_from_id)
        self._descends(parent_of(meta, identity))

    def pass_by(self, at: int) -> None:
        """A line of that time: a pause before it ends the burst of copying."""
        if self.burst and at >= self.made:
            if self.latest and at - self.latest > PAUSE_US:
                self.burst = False
            self.latest = max(self.latest, at)

    def is_own(self, ordinal: int | None, at: int, turn: str | None) -> bool:
        """Whether a line is the session's own."""
        if not self.copies:
            return True
        if self.start is not None and ordinal is not None:
            return ordinal >= self.start
        if at < self.made:
            return False
        began = began_at(turn)
        return began >= self.made if began and self.made else not self.burst

    def is_told(self, ordinal: int | None, at: int, turn: str | None) -> bool:
        """Whether what a line says of a session, apart from its usage, is said of this one."""
        return self.is_own(ordinal, at, turn) if self.proven else at >= self.made

    def owner(self, at: int, turn: str | None) -> tuple[Ancestor, int, bool]:
        """Whose a copied line is, when it happened at the latest, and whether that is sure."""
        happened = at if at < self.made else began_at(turn)
        if happened and happened < self.made:
            for one in self.ancestors:
                if one.made and one.made <= happened:
                    return one, happened, True
            return self.ancestors[-1], happened, False
        nearest = self.ancestors[0]
        return nearest, nearest.made or at, False

    def _descends(self, identity: str | None) -> None:
        known = {self.own, *(one.id for one in self.ancestors)}
        if identity and identity not in known and len(self.ancestors) < ANCESTORS_MOST:
            self.ancestors.append(Ancestor(id=identity, made=began_at(identity)))


def parent_of(meta: Meta, identity: str) -> str | None:
    """The session that a sub-agent works for."""
    spawn = spawned(meta)
    found = meta.parent_thread_id or (None if spawn is None else spawn.parent_thread_id)
    if found is None and is_sub_agent(meta):
        found = meta.session_id
    return found if found != identity else None


def is_sub_agent(meta: Meta) -> bool:
    """Whether another session drives it."""
    found = source(meta.source)
    return found is not None and not isinstance(found, str) and (found.subagent or found.internal) is not None


def spawned(meta: Meta) -> Spawn | None:
    """How a sub-agent was started."""
    found = source(meta.source)
    if found is None or isinstance(found, str) or not isinstance(found.subagent, SubAgent):
        return None
    return found.subagent.thread_spawn


def began_at(identity: str | None) -> int:
    """When a session or a turn began, as its id tells; 0 where it does not."""
    found = moment_of(identity)
    return found if found >= _FIRST_IDS else 0


def _made(meta: Meta, identity: str) -> int:
    return began_at(identity) or (0 if meta.timestamp is None else micros(meta.timestamp))
