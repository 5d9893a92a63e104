"""The plan under every export: the ledger, the sessions and what they contain, step by step."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from rollbook.core import Peruse, Plan
from rollbook.errors import InvalidInput
from rollbook.journal import pages
from rollbook.journal.pages import Left
from rollbook.ledger import exports, scopes
from rollbook.ledger.exports import Extract, Place
from rollbook.ledger.scopes import Scope
from rollbook.model import Session
from rollbook.plans.reading import ReadPlans, Since, User, asked_for
from rollbook.rules import checks
from rollbook.store import Reading

_MOST: Final = 100_000
_SESSIONS: Final = 200  #: that a step over contents asks for at once
_BYTES: Final = 4 << 20  #: of contents in one step, about
_NAMES: Final = tuple(map(Session.__struct_fields__.index, ("session_id", "user_id")))

Turn = tuple[str, str]  #: a session and its user


class _Within(msgspec.Struct, frozen=True):
    """Where a step over contents ended: the sessions whose turn comes, and what is left of the first."""

    turns: tuple[Turn, ...]
    left: tuple[Left, ...] | None
    last: bool  #: there are no more sessions behind these


class ExportPlans(ReadPlans):
    """Reading everything there is."""

    def extract(
        self,
        *,
        what: str = "usage",
        status: str | None = None,
        since: Since = None,
        until: Since = None,
        kind: str | None = None,
        channel: str | None = None,
        agent: str | None = None,
        project: str | None = None,
        model: str | None = None,
        user_id: User = None,
        dataset_id: str | UUID | None = None,
        tag: str | None = None,
        text: str | None = None,
        query: str | None = None,
        limit: int = exports.STEP,
        after: Place | None = None,
    ) -> Plan[Extract]:
        """One step over all ``usage``, all ``sessions`` or all their ``content``, in an order that never changes.

        Looks at the next ``limit`` rows behind ``after`` of the step before, and answers those that fit, as plain
        values in the order of the struct's fields (Usage, Session, ContentRow), with times as microseconds since 1970.
        There may be none and yet be more: until ``after`` is None. Contents are those of the sessions that fit.
        """
        checks.one_of(what, "kind of rows", exports.WHATS)
        if checks.count(limit, "limit", _MOST) < 1:
            raise InvalidInput("limit must be at least 1")
        clock = self.now()
        now = clock.now
        if after is not None:  # a range and a silence are measured from one time, however long it all takes
            clock = msgspec.structs.replace(clock, now=after.now)
        within = None if after is None else after.within
        if after is not None and within is not None:
            return (yield from self._contents(after, within, limit))
        asked = asked_for(
            clock.now, since=since, until=until, status=status, dataset_id=dataset_id, kind=kind, channel=channel,
            agent=agent, project=project, model=model, tag=tag, text=text, query=query,
        )  # fmt: skip
        rows, most = ("sessions", _SESSIONS) if what == "content" else (what, limit)
        found: Extract = yield self._look(
            user_id, exports.step, asked, clock, now=now, what=rows, after=after, most=most
        )
        if what != "content":
            return found
        turns = tuple((row[_NAMES[0]], row[_NAMES[1]]) for row in found.rows)
        place = found.after or Place(clock.now, ())
        return (yield from self._contents(place, _Within(turns, None, found.after is None), limit))

    def _visible(self, owner: str, name: str) -> Plan[bool]:
        """Whether a session is still to be seen: what was seen when its turn was noted may be hidden since."""
        if self.principal.unrestricted:
            return True
        seen: bool = yield self._look(None, _seen, owner, name)
        return seen

    def _contents(self, place: Place, within: _Within, limit: int) -> Plan[Extract]:
        """The next entries of the sessions whose turn it is."""
        rows: List[Any] = []
        turns, left, size = list(within.turns), within.left, 0
        while turns and len(rows) < limit and size < _BYTES:
            name, owner = turns[0]
            if not (yield from self._visible(owner, name)):
                turns, left = turns[1:], None
                continue
            look = partial(pages.following, left=left, most=limit - len(rows), size=_BYTES - size)
            found: pages.Following = yield Peruse(owner, name, look)
            size += sum(len(line.body) for _, _, line in found.lines)
            rows += [
                (name, owner, stream, head, line.entry_id, line.position, line.created_at, _on_one_line(line.body))
                for stream, head, line in found.lines
            ]
            left = found.left
            if left is None:
                del turns[0]
        if turns:
            return Extract(rows, msgspec.structs.replace(place, within=_Within(tuple(turns), left, within.last)))
        return Extract(rows, None if within.last else msgspec.structs.replace(place, within=None))


def _seen(tx: Reading, scope: Scope, owner: str, name: str) -> bool:
    return bool(scopes.known(tx, scope.parts, [(owner, name)]))


def _on_one_line(body: bytes) -> msgspec.Raw:
    """A body for a format that has one row a line. A line break in JSON is but a blank."""
    return msgspec.Raw(msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body)
