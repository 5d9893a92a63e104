"""What a search of journals in the database asks for, and what it finds."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.rules.words import Query


class Wanted(NamedTuple):
    """What is looked for, and where."""

    query: Query
    user_no: int | None  #: None: everybody
    root_no: int | None  #: None: everything of the user
    since: int  #: of the entries; 0: whenever
    most: int  #: how many of the latest that fit are looked at


class Match(NamedTuple):
    """An entry that a search found."""

    user_no: int
    root_no: int
    stream_no: int
    position: int
    session_no: int  #: who wrote it; 0: that one let go of it
    created_at: int
    score: float
