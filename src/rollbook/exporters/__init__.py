"""Exports: sessions, ledger rows, contents and spend as JSON lines, CSV or Parquet, streamed.

Each format is one module with one writer; it is loaded when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any, Final

from rollbook.exporters.files import opened
from rollbook.exporters.rows import WHATS, chosen, takes
from rollbook.rules import checks

if TYPE_CHECKING:
    from rollbook.book import Rollbook

__all__ = ["FORMATS", "WHATS", "export", "takes"]

#: The formats, each with the module that writes it.
FORMATS: Final = {
    "jsonl": "rollbook.exporters.jsonl",
    "csv": "rollbook.exporters.spreadsheet",
    "parquet": "rollbook.exporters.parquet",
}


def export(
    book: Rollbook,
    what: str,
    target: str | os.PathLike[str] | IO[bytes],
    *,
    format: str = "jsonl",
    replace: bool = False,
    progress: Callable[[int], None] | None = None,
    **asked: Any,
) -> int:
    """Write ``sessions``, ``usage``, ``content`` or ``spend`` of a book to a file; how many rows that was.

    ``target`` is a path or an open binary file. Under a path there is nothing until all is written; a file that is
    there already is only replaced if ``replace`` says so. ``format`` is ``jsonl``, ``csv`` or ``parquet``. What else is
    said narrows it: for sessions and their content what ``book.list`` filters by, for usage what
    ``book.iterate_usage`` does, for spend ``by``, ``tz``, ``since``. Without ``since`` it is everything. ``progress``
    is told the rows written so far. Raises InvalidInput for what is not known, NotSupported where a format needs what
    is not installed, RollbookError for a file that cannot be written; an open file's own errors are passed on.
    """
    checks.one_of(what, "kind of export", WHATS)
    checks.one_of(format, "format", FORMATS)
    writing = import_module(FORMATS[format]).writing
    columns, blocks = chosen(book, what, asked)
    done = 0
    with opened(target, replace=replace, book_url=book.url) as file, writing(file, columns) as write:
        for block in blocks:
            write(block)
            done += len(block)
            if progress is not None:
                progress(done)
    return done
