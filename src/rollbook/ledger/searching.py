"""Searching what sessions contain: of what the index finds, what may be shown (R6), the best first."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from rollbook.content import Found
from rollbook.errors import StoreError
from rollbook.journal.found import Match
from rollbook.journal.shelf import Line
from rollbook.journal.sql_peek import SqlPeek
from rollbook.journal.sql_search import Sights, matches
from rollbook.ledger import lists, reads
from rollbook.ledger.filters import Filters
from rollbook.ledger.lists import Portion
from rollbook.ledger.reads import Place
from rollbook.ledger.scopes import EVERYBODY, Name, Scope, numbers_of
from rollbook.model import from_micros
from rollbook.rules import bodies
from rollbook.rules.texts import text_of
from rollbook.rules.words import Finder, Query
from rollbook.store import Reading

RANKED_MOST: Final = 1000  #: that are compared with each other, the latest of what fits
_AT_ONCE: Final = 500


class Shown(NamedTuple):
    """A session that may be shown."""

    session_id: str
    user_id: str
    title: str | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a search is asked for, checked."""

    query: Query
    session_id: str | None
    filters: Filters  #: of the sessions
    since: int  #: of the entries
    limit: int


class _Seen:
    """Which sessions may be shown, of those that were met."""

    def __init__(self, tx: Reading, scope: Scope, filters: Filters) -> None:
        self._tx = tx
        self.portions = {portion.part.user_no: portion for portion in lists.portions_of(tx, scope, filters)}
        self._known: dict[Place, Shown | None] = {}

    def get(self, place: Place | None) -> Shown | None:
        return None if place is None else self._known[place]

    def portion_of(self, user_no: int) -> Portion | None:
        """The portion in which sessions of a user are."""
        return self.portions.get(user_no) or self.portions.get(EVERYBODY)

    def learn(self, places: Iterable[Place]) -> None:
        """Ask of sessions that were not met yet whether they may be shown, and what they are called."""
        new: dict[int, list[int]] = defaultdict(list)
        for place in places:
            if place not in self._known:
                self._known[place] = None
                new[place[0]].append(place[1])
        for owner_no, numbers in new.items():
            portion = self.portion_of(owner_no)
            if portion is None:
                continue
            part, values = portion
            listed = "[" + ",".join(map(str, numbers)) + "]"
            words = {"scope": part.words["scope"], "filters": "no_filters" if values["slices"] is None else "filters"}
            for row in self._tx.compose("journal.seen_sessions", words, owner_no=owner_no, sessions=listed, **values):
                self._known[owner_no, row[0]] = Shown(*row[1:])


def search(tx: Reading, scope: Scope, asked: Asked) -> list[Found]:
    """The entries that fit best; of equal ones the latest. Raises NotFound for a session that is not there."""
    only = None if asked.session_id is None else reads.find(tx, scope, asked.session_id)
    hits = list(islice(_hits(tx, _Seen(tx, scope, asked.filters), asked, only), RANKED_MOST))
    hits.sort(key=lambda hit: (hit[0].score, hit[0].created_at, hit[0].position), reverse=True)
    streams: dict[int, str] = {}
    finder = Finder(asked.query)
    return [_found(tx, finder, streams, *hit) for hit in hits[: asked.limit]]


def shown(tx: Reading, scope: Scope, asked: Asked, names: Sequence[Name]) -> list[Shown]:
    """Which of some sessions (or of the one that is asked for) may be shown, in their order."""
    places = _places(tx, names) if asked.session_id is None else [reads.find(tx, scope, asked.session_id)]
    seen = _Seen(tx, scope, asked.filters)
    seen.learn(places)
    return [found for place in places if (found := seen.get(place)) is not None]


def users(tx: Reading, scope: Scope) -> dict[str, bool] | None:
    """The users of whom sessions are visible, and whether all of theirs are; None: everybody."""
    if scope.everybody:
        return None
    whole = {part.user_no: part.slices is None for part in scope.parts}
    return {row[1]: whole[row[0]] for row in tx.among("user_ids", [(user_no,) for user_no in whole])}


def _places(tx: Reading, names: Sequence[Name]) -> list[Place]:
    """The numbers of those sessions that are there, in the order of their names."""
    numbers = numbers_of(tx, {user_id for user_id, _ in names})
    keys = [(numbers[user_id], session_id) for user_id, session_id in names if user_id in numbers]
    found = {(row[0], row[2]): (row[0], row[1]) for row in tx.among("sessions_named", keys)}
    return [found[key] for key in keys if key in found]


def _hits(tx: Reading, seen: _Seen, asked: Asked, only: Place | None) -> Iterator[tuple[Match, Shown]]:
    """What fits and may be shown, the latest first."""
    sights = Sights(tx)
    for portion in _portions(_matches(tx, seen, asked, only)):
        placed = [(match, _place(sights, match, only)) for match in portion]
        seen.learn(place for _, place in placed if place is not None)
        for match, place in placed:
            shown = seen.get(place)
            if shown is None and only is None:
                shown = _shared(sights, seen, match)
            if shown is not None:
                yield match, shown


def _shared(sights: Sights, seen: _Seen, match: Match) -> Shown | None:
    """Who else sees what a hidden session wrote, where some of a user's sessions are hidden and some are not."""
    portion = seen.portion_of(match.user_no)
    if portion is None or portion.part.slices is None:
        return None
    places = [(match.user_no, session_no) for session_no in sights.seers(match)]
    seen.learn(places)
    return next((shown for place in places if (shown := seen.get(place)) is not None), None)


def _matches(tx: Reading, seen: _Seen, asked: Asked, only: Place | None) -> Iterator[Match]:
    if only is not None:
        root = _root(tx, only)
        return matches(tx, asked.query, user_no=only[0], root_no=root, since=asked.since)
    found = [
        matches(tx, asked.query, user_no=user_no if user_no != EVERYBODY else None, since=asked.since)
        for user_no in seen.portions
    ]
    return found[0] if len(found) == 1 else heapq.merge(*found, key=lambda match: match.created_at, reverse=True)


def _root(tx: Reading, place: Place) -> int:
    """Under which root the journal of a session stands."""
    found = tx.rows("journal.root_of", user_no=place[0], session_no=place[1])
    return int(found[0][0]) if found else place[1]


def _place(sights: Sights, match: Match, only: Place | None) -> Place | None:
    """The session under which something found is answered."""
    if only is not None:
        return only if sights.sees(only[1], match) else None
    session_no = sights.seer(match)
    return None if session_no is None else (match.user_no, session_no)


def _portions(found: Iterator[Match]) -> Iterator[list[Match]]:
    while portion := list(islice(found, _AT_ONCE)):
        yield portion


def _snippet(finder: Finder, stream: str, line: Line) -> str:
    """The words around what was found; none where the entry is damaged, which must not keep others from searching."""
    try:
        return finder.snippet(text_of(stream, bodies.decoded(line.body)))
    except StoreError:
        return ""


def _found(tx: Reading, finder: Finder, streams: dict[int, str], match: Match, shown: Shown) -> Found:
    stream = streams.get(match.stream_no)
    if stream is None:
        stream = streams[match.stream_no] = str(tx.rows("journal.stream_name", stream_no=match.stream_no)[0][0])
    line = SqlPeek(tx, match.user_no, match.root_no).line(stream, match.position)
    assert line is not None  # noqa: S101 - it was found in this snapshot
    return Found(
        session_id=shown.session_id,
        user_id=shown.user_id,
        stream=stream,
        entry_id=line.entry_id,
        created_at=from_micros(match.created_at),
        snippet=_snippet(finder, stream, line),
        score=round(match.score, 4),
        title=shown.title,
    )
