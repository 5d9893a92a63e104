"""Proof that journals in the database are whole.

Every head stands at an entry and has as many as it says, every body is JSON, and a search finds what there is.
Journals that are kept outside the database are not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from rollbook.store import Reading, Row


class Difference(NamedTuple):
    """One thing that is stored and what it should be."""

    where: str
    field: str
    stored: int | str
    expected: int | str


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


def contents(tx: Reading) -> Iterator[Difference]:
    """Bodies of entries and values of the state that are no JSON."""
    for user_no, root_no, stream_no, entry_id, body in tx.each("journal.every_body"):
        if not _is_json(body):
            yield Difference(f"{_name((user_no, root_no, stream_no))} entry {entry_id}", "body", "damaged", "JSON")
    for user_no, session_no, name, value in tx.each("journal.every_value"):
        if not _is_json(value):
            yield Difference(f"user {user_no} session {session_no} state {name}", "value", "damaged", "JSON")


def _is_json(stored: object) -> bool:
    if not isinstance(stored, str):
        return False
    try:
        msgspec.json.decode(stored, type=msgspec.Raw)
    except RecursionError:
        return True  # it is deeper than this can look
    except (msgspec.MsgspecError, UnicodeError):
        return False
    return True


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
            if not 0 <= parents[at] < at:  # it would never end
                yield Difference(f"{_name(stream)} entry at {at}", "parent", parents[at], f"less than {at}")
                break
            at, found = parents[at], found + 1
        if found != length:
            yield Difference(where, "length", length, found)
