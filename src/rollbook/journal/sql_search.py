"""Searching journals in the database: the words of entries are kept by user and by root, so others' cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from rollbook.journal import fts5, tsvector
from rollbook.journal.found import Match, Wanted
from rollbook.rules.words import Query
from rollbook.store import Reading, Row

LOOKED_AT_MOST: Final = 100_000  #: matches of one search, the latest first


class Index(Protocol):
    """What knows the words of the texts in a database."""

    def row_of(self, doc_no: int, user_no: int, root_no: int, created_at: int, text: str, /) -> Row:
        """What is kept of a text, as ``journal.add_texts`` takes it."""
        ...

    def matches(self, tx: Reading, wanted: Wanted, /) -> Iterator[Match]:
        """What fits, the latest first."""
        ...


INDEXES: Final[dict[str, Index]] = {"fts5": fts5, "tsvector": tsvector}  #: by what a database calls its own


def matches(
    tx: Reading, query: Query, *, user_no: int | None, root_no: int | None = None, since: int = 0
) -> Iterator[Match]:
    """What fits, the latest first; of one user, of one root, or of everybody."""
    return INDEXES[tx.index].matches(tx, Wanted(query, user_no, root_no, since, LOOKED_AT_MOST))


class Sights:
    """Which session sees which entries of a stream: what it wrote itself, and the past that it shares."""

    def __init__(self, tx: Reading) -> None:
        self._tx = tx
        self._known: dict[tuple[int, int, int], dict[int, set[int]]] = {}

    def sees(self, session_no: int, match: Match) -> bool:
        """Whether a session sees what was found."""
        return match.session_no == session_no or match.position in self._of(match).get(session_no, ())

    def seer(self, match: Match) -> int | None:
        """The session under which something is answered: who wrote it, else the first that sees it."""
        if match.session_no:
            return match.session_no
        return min(self.seers(match), default=None)

    def seers(self, match: Match) -> list[int]:
        """The sessions whose lines have what was found, in the order of their numbers."""
        return sorted(session_no for session_no, seen in self._of(match).items() if match.position in seen)

    def _of(self, match: Match) -> dict[int, set[int]]:
        stream = (match.user_no, match.root_no, match.stream_no)
        known = self._known.get(stream)
        if known is None:
            known = self._known[stream] = self._followed(stream)
        return known

    def _followed(self, stream: tuple[int, int, int]) -> dict[int, set[int]]:
        place = dict(zip(("user_no", "root_no", "stream_no"), stream, strict=True))
        parents: dict[int, int] = {}
        last = 0
        for position, parent in self._tx.rows("journal.positions", **place):
            parents[position] = last if parent is None else parent
            last = position
        found: dict[int, set[int]] = {}
        for session_no, _, tip, *_ in self._tx.rows("journal.heads_of_stream", **place):
            seen, at = found.setdefault(session_no, set()), tip
            while at and at not in seen:
                seen.add(at)
                at = parents[at]
        return found
