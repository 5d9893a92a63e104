"""What a SQLite connection is taught for searching: how well a text fits what is looked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import apsw

_BODY = 1  #: the column of the words; before it stands whose they are


def teach(raw: apsw.Connection) -> None:
    """Let statements ask for ``relevance(search_text)`` of what they match."""
    raw.register_fts5_function("relevance", _relevance)


def _relevance(api: apsw.FTS5ExtensionApi, *_: object) -> float:
    counts = [len(api.phrase_column_offsets(number, _BODY)) for number in range(api.phrase_count)]
    return _rule()(counts, api.column_size(_BODY), api.column_total_size(_BODY) / (api.row_count or 1))


@cache
def _rule() -> Callable[[list[int], int, float], float]:
    from rollbook.rules.words import relevance  # noqa: PLC0415 - a status line opens a book and searches for nothing

    return relevance
