"""Proof that journals in the database are whole: every head stands at an entry and has as many as it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from rollbook.store import Reading, Row


class Difference(NamedTuple):
    """One thing that is stored and what it should be."""

    where: str
    field: str
    stored: int
    expected: int


def differences(tx: Reading) -> Iterator[Difference]:
    """Whatever does not fit, stream by stream."""
    heads: dict[Row, list[Row]] = defaultdict(list)
    for row in tx.each("journal.every_head"):
        heads[row[:3]].append(row[3:])
    counts = {row[:3]: row[3:] for row in tx.each("journal.every_count")}
    branched = {row[:3] for row in tx.each("journal.every_branch")}
    for stream, (count, last) in counts.items():
        if stream not in heads:
            yield Difference(_name(stream), "heads", 0, 1)
        elif stream in branched or len(heads[stream]) > 1:
            yield from _lines(tx, stream, heads[stream])
        else:
            yield from _line(stream, heads[stream][0], count, last)
    for stream in heads.keys() - counts.keys():
        for session_no, head, tip, length, _ in heads[stream]:
            if tip or length:
                yield Difference(f"{_name(stream)} session {session_no} head {head}", "length", length, 0)


def texts(tx: Reading) -> Iterator[Difference]:
    """Texts that a search finds of entries that are not there or have others, and entries whose texts it misses."""
    for doc_no, user_no, root_no, expected in tx.each("journal.wrong_docs"):
        yield Difference(f"user {user_no} journal {root_no} text {doc_no}", "search_doc", 1 - expected, expected)
    for doc_no, expected in tx.each("journal.wrong_texts"):
        yield Difference(f"text {doc_no}", "search_text", 1 - expected, expected)


def _name(stream: Row) -> str:
    return "user {} journal {} stream {}".format(*stream)


def _line(stream: Row, row: Row, count: int, last: int) -> Iterator[Difference]:
    """A stream with one line."""
    session_no, head, tip, length, top = row
    where = f"{_name(stream)} session {session_no} head {head}"
    if last > top:
        yield Difference(where, "top", top, last)
    if tip == last and length != count:
        yield Difference(where, "length", length, count)
    if tip > last:
        yield Difference(where, "tip", tip, last)


def _lines(tx: Reading, stream: Row, rows: list[Row]) -> Iterator[Difference]:
    """A stream with several lines: each is followed from its tip."""
    parents: dict[int, int] = {}
    before = 0
    user_no, root_no, stream_no = stream
    for position, parent in tx.rows("journal.positions", user_no=user_no, root_no=root_no, stream_no=stream_no):
        parents[position] = before if parent is None else parent
        before = position
    for session_no, head, tip, length, _ in rows:
        where, at, found = f"{_name(stream)} session {session_no} head {head}", tip, 0
        while at:
            if at not in parents:
                yield Difference(where, "entry", at, 0)
                break
            at, found = parents[at], found + 1
        if found != length:
            yield Difference(where, "length", length, found)
