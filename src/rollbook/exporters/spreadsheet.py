"""CSV by RFC 4180 with a header, in UTF-8, harmless to the spreadsheet that opens it.

What agents wrote may begin as a formula does, and a spreadsheet would compute it. Such a text gets an apostrophe before
it, and so does one that begins with an apostrophe: who takes one away from the beginning has what was there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, Final

import msgspec

from rollbook.exporters.moments import stamp
from rollbook.exporters.rows import Block, Column, Kind

#: How a text begins that a spreadsheet might compute: after blanks, and in the wide forms of East Asian keyboards, too.
_FORMULA: Final = re.compile(r"[\t\r\n']|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _truth(value: bool) -> str:  # noqa: FBT001 - a value of a table
    return "true" if value else "false"


def _each(make: Callable[[Any], str], values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else make(value) for value in values]


def _distinct(make: Callable[[Any], str], values: Sequence[Any]) -> list[str | None]:
    """The same where many values are alike, as names are."""
    made = {value: None if value is None else make(value) for value in set(values)}
    return [made[value] for value in values]


#: How values become cells; numbers are written by the csv module, floats so that they are read back as they were.
_CELLS: Final[dict[Kind, Callable[[Sequence[Any]], Sequence[Any]]]] = {
    Kind.TEXT: partial(_distinct, harmless),
    Kind.TRUTH: partial(_distinct, _truth),
    Kind.MOMENT: partial(_each, stamp),
    Kind.TEXTS: partial(_each, _json),
    Kind.MAPPING: partial(_each, _json),
    Kind.JSON: partial(_each, lambda value: harmless(bytes(value).decode())),
}


@contextmanager
def writing(file: IO[bytes], columns: Sequence[Column]) -> Iterator[Callable[[Block], None]]:
    """What writes a block of rows."""
    buffer = io.StringIO(newline="")
    rows = csv.writer(buffer, lineterminator="\r\n")
    makers = [_CELLS.get(column.kind) for column in columns]
    rows.writerow([column.name for column in columns])

    def write(block: Block) -> None:
        cells = [
            make(values) if make else values for make, values in zip(makers, zip(*block, strict=True), strict=False)
        ]
        rows.writerows(zip(*cells, strict=True))
        file.write(buffer.getvalue().encode())
        buffer.seek(0)
        buffer.truncate()

    yield write
