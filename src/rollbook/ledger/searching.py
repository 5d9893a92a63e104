"""Searching what sessions contain: of what the index finds, what may be shown (R6), the best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from rollbook.content import Found
from rollbook.errors import StoreError
from rollbook.journal.found import Match
from rollbook.journal.shelf import Line
from rollbook.journal.sql_peek import SqlPeek
from rollbook.journal.sql_search import Sights, matches
from rollbook.ledger import reads
from rollbook.ledger.reads import Filters, Scope
from rollbook.model import from_micros
from rollbook.rules import bodies
from rollbook.rules.texts import text_of
from rollbook.rules.words import Finder, Query
from rollbook.store import Reading

RANKED_MOST: Final = 1000  #: that are compared with each other, the latest of what fits
_AT_ONCE: Final = 500
Place = tuple[int, int]  #: user and session


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


def search(tx: Reading, scope: Scope, asked: Asked) -> list[Found]:
    """The entries that fit best; of equal ones the latest. Raises NotFound for a session that is not there."""
    values = reads.values_of(tx, scope, asked.filters)
    only = None if asked.session_id is None else reads.find(tx, scope, asked.session_id)
    if values is None:
        return []
    hits = list(islice(_hits(tx, scope, asked, only, values), RANKED_MOST))
    hits.sort(key=lambda hit: (hit[0].score, hit[0].created_at, hit[0].position), reverse=True)
    streams: dict[int, str] = {}
    finder = Finder(asked.query)
    return [_found(tx, finder, streams, *hit) for hit in hits[: asked.limit]]


def shown(tx: Reading, scope: Scope, asked: Asked, names: list[tuple[str, str]]) -> list[Shown]:
    """Which of some sessions (or of the one that is asked for) may be shown, in their order."""
    values = reads.values_of(tx, scope, asked.filters)
    places: list[Place] = [place for name in names for place in _keys(tx, *name)]
    if asked.session_id is not None:
        places = [reads.find(tx, scope, asked.session_id)]
    known: dict[Place, Shown | None] = {}
    if values is not None:
        _learn(tx, scope, values, known, places)
    return [found for place in places if (found := known.get(place)) is not None]


def _keys(tx: Reading, user_id: str, session_id: str) -> list[Place]:
    """The numbers of a session, if it is there."""
    found = tx.rows("user_no", user_id=user_id)
    rows = tx.rows("key_of_user", user_no=found[0][0], session_id=session_id) if found else []
    return [(row[0], row[1]) for row in rows]


def _hits(
    tx: Reading, scope: Scope, asked: Asked, only: Place | None, values: dict[str, Any]
) -> Iterator[tuple[Match, Shown]]:
    """What fits and may be shown, the latest first."""
    sights, known = Sights(tx), dict[Place, Shown | None]()
    for portion in _portions(_matches(tx, scope, asked, only)):
        placed = [(match, _place(sights, match, only)) for match in portion]
        _learn(tx, scope, values, known, [place for _, place in placed if place is not None])
        for match, place in placed:
            shown = None if place is None else known[place]
            if shown is not None:
                yield match, shown


def _matches(tx: Reading, scope: Scope, asked: Asked, only: Place | None) -> Iterator[Match]:
    if only is not None:
        root = _root(tx, only)
        return matches(tx, asked.query, user_no=only[0], root_no=root, since=asked.since)
    return matches(tx, asked.query, user_no=None if scope.everybody else scope.user_no, since=asked.since)


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


def _learn(
    tx: Reading, scope: Scope, values: dict[str, Any], known: dict[Place, Shown | None], places: Iterable[Place]
) -> None:
    """Ask of sessions that were not met yet whether they may be shown, and what they are called."""
    new: dict[int, list[int]] = defaultdict(list)
    for place in places:
        if place not in known:
            known[place] = None
            new[place[0]].append(place[1])
    for owner_no, numbers in new.items():
        listed = "[" + ",".join(map(str, numbers)) + "]"
        words = {"scope": scope.words, "filters": "no_filters" if values["slices"] is None else "filters"}
        for row in tx.compose("journal.seen_sessions", words, owner_no=owner_no, sessions=listed, **values):
            known[owner_no, row[0]] = Shown(*row[1:])


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
