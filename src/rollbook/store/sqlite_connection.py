"""One SQLite connection: named statements run on it, and its errors translated."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Final

import apsw

from rollbook.errors import StoreError
from rollbook.store import Row, statements
from rollbook.store.statements import Filling

DIALECT: Final = {
    "identity": "integer primary key", "clustered": "without rowid", "bytes": "blob", "text": "text", "like": "like",
    # One writes at a time, so sums need no slots, and names that are ordered in time come first in their index.
    "text_age": "doc_no", "slot": "", "and_slot": "", "no_slot": "", "own_slot": "",
    "usage_key": "usage_key, user_no", "session_key": "session_id, user_no",
}  # fmt: skip
_AT_ONCE: Final = 64 << 10  #: bytes; the index of a log grows by half of that
_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """The one place where the driver's errors become ours."""
    try:
        yield
    except apsw.NotADBError as error:
        raise StoreError(f"{where} is not a database; nothing in it was changed") from error
    except apsw.ReadOnlyError as error:
        raise StoreError(f"{where} is read-only; give write access to the file and its folder") from error
    except apsw.FullError as error:
        raise StoreError(f"no space is left for {where}; nothing of this write was kept") from error
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StoreError(f"{where} has been locked by another process for too long; try again") from error
    except apsw.CantOpenError as error:
        raise StoreError(f"{where} cannot be opened; is it a file in a folder that you may write to?") from error
    except apsw.CorruptError as error:
        raise StoreError(
            f"{where} is damaged ({error}); move it away with the files beside it, and restore a backup"
        ) from error
    except apsw.IOError as error:
        if _is_full(where):  # not every call that SQLite makes tells it so
            raise StoreError(
                f"no space is left for {where} and the files beside it; make room on that disk and try again"
            ) from error
        raise StoreError(
            f"the disk failed while using {where} ({error}); what was not acknowledged may be lost"
        ) from error
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StoreError(f"{where} cannot be used ({error}); it may be damaged") from error


def _is_full(where: str) -> bool:
    """Whether there is no room where a file lies for what SQLite takes at once."""
    try:
        disk = os.statvfs(os.path.dirname(where))  # noqa: PTH120 - what is no path has no folder
    except (AttributeError, OSError, ValueError):
        return False
    return not disk.f_flag & os.ST_RDONLY and disk.f_bavail * disk.f_frsize < _AT_ONCE


@cache
def _text(room: str, name: str, count: int = 0, width: int = 0) -> str:
    text = statements.named(room, name, "sqlite", DIALECT)
    if count:
        row = "(" + ",".join("?" * width) + ")"
        text = text.replace("{values}", ",".join([row] * count))
    return text


@lru_cache(maxsize=1_024)  # what is asked in a query may be put together in any number of ways
def _composed(room: str, name: str, parts: tuple[tuple[str, Filling], ...]) -> str:
    return statements.composed(room, name, dict(parts), "sqlite", DIALECT)


class Connection:
    """One SQLite connection that runs named statements."""

    shared: Final = False
    blocks: Final = False
    index: Final = "fts5"

    def __init__(self, raw: apsw.Connection, room: str) -> None:
        self.raw = raw
        self.looked = -1  #: of which state of the file the schema was looked at
        self._room = room

    def rows(self, name: str, /, **values: Any) -> list[Row]:
        return self.raw.execute(_text(self._room, name), values).fetchall()

    def each(self, name: str, /, **values: Any) -> Iterable[Row]:
        return self.raw.execute(_text(self._room, name), values)

    def compose(self, name: str, words: Mapping[str, Filling], /, **values: Any) -> list[Row]:
        return self.raw.execute(_composed(self._room, name, tuple(words.items())), values).fetchall()

    def among(self, name: str, keys: Sequence[Row]) -> list[Row]:
        found: list[Row] = []
        for text, values in self._chunks(name, keys):
            found += self.raw.execute(text, values).fetchall()
        return found

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        for text, values in self._chunks(name, rows):
            self.raw.execute(text, values)

    def run(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            self.raw.executemany(_text(self._room, name), rows)

    def _chunks(self, name: str, rows: Sequence[Sequence[Any]]) -> list[tuple[str, list[Any]]]:
        """The statement for many rows at a time, with their values in a row."""
        left = len(rows)
        if not left:
            return []
        width, start, found = len(rows[0]), 0, []
        for size in _CHUNKS:
            while left >= size:
                values = list(chain.from_iterable(rows[start : start + size]))
                found.append((_text(self._room, name, size, width), values))
                start, left = start + size, left - size
        return found
