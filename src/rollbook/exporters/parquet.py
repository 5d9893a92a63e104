"""Parquet, through pyarrow, which is an extra: whole numbers as int64, times as microseconds in UTC.

A file is a sequence of row groups, each held in memory until it is full; their size, not the book's, is what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, Final

import msgspec

from rollbook.errors import NotSupported
from rollbook.exporters.rows import Block, Column, Kind

GROUP: Final = 32_768  #: rows of a row group


def _arrow() -> Any:
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise NotSupported(
            "Parquet needs pyarrow, which is not installed; install it with: pip install rollbook[parquet]"
        ) from None
    return import_module("pyarrow")


class _Sink:
    """The file as pyarrow wants it. After a failure the rest is thrown away: the footer would make it seem whole."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.given_up = False

    def write(self, data: Any) -> int:
        if not self.given_up:
            self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """The file's owner does that."""

    def close(self) -> None:
        """The file's owner does that."""


@contextmanager
def writing(file: IO[bytes], columns: Sequence[Column]) -> Iterator[Callable[[Block], None]]:
    """What writes a block of rows."""
    arrow = _arrow()
    types = {
        Kind.TEXT: arrow.string(),
        Kind.WHOLE: arrow.int64(),
        Kind.REAL: arrow.float64(),
        Kind.TRUTH: arrow.bool_(),
        Kind.MOMENT: arrow.timestamp("us", tz="UTC"),
        Kind.TEXTS: arrow.list_(arrow.string()),
        Kind.MAPPING: arrow.string(),
        Kind.JSON: arrow.string(),
    }
    schema = arrow.schema([(column.name, types[column.kind], column.optional) for column in columns])
    mappings = [_MADE.get(column.kind) for column in columns]
    waiting: list[Any] = []
    sink = _Sink(file)
    to = arrow.parquet.ParquetWriter(sink, schema, compression="zstd")

    def flush(least: int) -> None:
        """Write the row groups that are full; with ``least`` 1 whatever there is."""
        whole = arrow.Table.from_batches(waiting, schema)
        waiting.clear()
        while whole.num_rows >= least:
            to.write_table(whole.slice(0, GROUP), row_group_size=GROUP)
            whole = whole.slice(GROUP)
        waiting.extend(whole.to_batches())

    def write(block: Block) -> None:
        values = zip(*block, strict=True)
        arrays = [
            arrow.array([mapping(one) for one in column] if mapping else column, field.type)
            for mapping, field, column in zip(mappings, schema, values, strict=False)
        ]
        if arrays:
            waiting.append(arrow.RecordBatch.from_arrays(arrays, schema=schema))
        if sum(batch.num_rows for batch in waiting) >= GROUP:
            flush(GROUP)

    try:
        yield write
        flush(1)
    except BaseException:
        sink.given_up = True
        raise
    finally:
        to.close()


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


#: How values become text that are none yet.
_MADE: Final[dict[Kind, Callable[[Any], str | None]]] = {
    Kind.MAPPING: _json,
    Kind.JSON: lambda value: bytes(value).decode(),
}
