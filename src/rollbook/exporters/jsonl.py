"""JSON lines: each row as ``rollbook.to_dict`` gives it, one a line, in UTF-8."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import msgspec

from rollbook.exporters.moments import stamp
from rollbook.exporters.rows import Block, Column, Kind


@contextmanager
def writing(file: IO[bytes], columns: Sequence[Column]) -> Iterator[Callable[[Block], None]]:
    """What writes a block of rows."""
    # A struct made for these columns: the encoder writes its names and values without a step of Python for each.
    line = msgspec.defstruct("Line", [column.name for column in columns], gc=False)
    moments = [column.name for column in columns if column.kind is Kind.MOMENT]
    encoder = msgspec.json.Encoder()

    def write(block: Block) -> None:
        lines = [line(*row) for row in block]
        for name in moments:
            for one in lines:
                if (micros := getattr(one, name)) is not None:
                    setattr(one, name, stamp(micros))
        file.write(encoder.encode_lines(lines))

    yield write
