"""Searching journals in the database: the words of entries are kept by user and by root, so others' cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rollbook.rules.words import Query, Term, indexed
from rollbook.store import Reading, Row

LOOKED_AT_MOST: Final = 100_000  #: matches of one search, the latest first


class Match(NamedTuple):
    """An entry that a search found."""

    user_no: int
    root_no: int
    stream_no: int
    position: int
    session_no: int  #: who wrote it; 0: that one let go of it
    created_at: int
    score: float


def row_of(doc_no: int, user_no: int, root_no: int, text: str) -> Row:
    """What is kept of a text: whose it is, and its words."""
    return doc_no, f"u{user_no} r{user_no}x{root_no}", indexed(text)


def expression(query: Query, user_no: int | None, root_no: int | None) -> str:
    """A query in the index's own language. Only whole words get into it, so nothing in them is taken for a sign."""
    whose = [] if user_no is None else [f"u{user_no}"]
    if user_no is not None and root_no is not None:
        whose = [f"r{user_no}x{root_no}"]
    wanted = [*(f"who : {_quoted(word)}" for word in whose), *(f"body : {_said(term)}" for term in query.wanted)]
    unwanted = [f"body : {_said(term)}" for term in query.unwanted]
    found = "(" + " AND ".join(wanted) + ")"
    return f"{found} NOT ({' OR '.join(unwanted)})" if unwanted else found


def _said(term: Term) -> str:
    return _quoted(" ".join(term.words)) + (" *" if term.prefix else "")


def _quoted(words: str) -> str:
    return f'"{words}"'


def matches(
    tx: Reading, query: Query, *, user_no: int | None, root_no: int | None = None, since: int = 0
) -> Iterator[Match]:
    """What fits, the latest first; of one user, of one root, or of everybody."""
    asked = expression(query, user_no, root_no)
    if since:
        rows = tx.each("journal.matches_since", query=asked, since=since, most=LOOKED_AT_MOST)
    else:
        rows = tx.each("journal.matches", query=asked, most=LOOKED_AT_MOST)
    for row in rows:
        yield Match(*row)


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
        found = [session_no for session_no, seen in self._of(match).items() if match.position in seen]
        return min(found, default=None)

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
