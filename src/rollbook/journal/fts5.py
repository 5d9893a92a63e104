"""The words of texts in an index of SQLite (FTS5), which sees to phrases and to how well a text fits."""

from __future__ import annotations

from collections.abc import Iterator

from rollbook.journal.found import Match, Wanted
from rollbook.rules.words import Query, Term, indexed
from rollbook.store import Reading, Row


def row_of(doc_no: int, user_no: int, root_no: int, _: int, text: str) -> Row:
    """What is kept of a text: whose it is, and its words."""
    return doc_no, f"u{user_no} r{user_no}x{root_no}", indexed(text)


def matches(tx: Reading, wanted: Wanted) -> Iterator[Match]:
    """What fits, the latest first."""
    asked = expression(wanted.query, wanted.user_no, wanted.root_no)
    if wanted.since:
        rows = tx.each("journal.matches_since", query=asked, since=wanted.since, most=wanted.most)
    else:
        rows = tx.each("journal.matches", query=asked, most=wanted.most)
    for row in rows:
        yield Match(*row)


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
