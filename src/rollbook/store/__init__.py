"""Where books are kept. A store keeps rows and transactions; it decides nothing.

:func:`open_store` picks the backend by the URL's scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rollbook.errors import InvalidInput, NotSupported
from rollbook.settings import Settings

Row = tuple[Any, ...]


class Reading(Protocol):
    """A snapshot of the book."""

    def rows(self, name: str, /, **values: Any) -> list[Row]:
        """The rows of a named statement."""
        ...

    def each(self, name: str, /, **values: Any) -> Iterable[Row]:
        """The same, one at a time."""
        ...

    def among(self, name: str, keys: Sequence[Row]) -> list[Row]:
        """The rows of a statement whose ``{values}`` are the keys, asked for in chunks."""
        ...

    def compose(self, name: str, words: dict[str, str], /, **values: Any) -> list[Row]:
        """The rows of a statement whose braces are filled with fragments of the same file."""
        ...


class Writing(Reading, Protocol):
    """The book under its write lock; what is written is kept by the commit at the end of the block, or not at all."""

    def run(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each row."""
        ...

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement whose ``{values}`` are the rows, many rows at a time."""
        ...


class Store(Protocol):
    """One open database."""

    url: str

    def write(self) -> AbstractContextManager[Writing]:
        """A transaction under the write lock: committed and durable after the block, rolled back by an exception."""
        ...

    def read(self) -> AbstractContextManager[Reading]:
        """A snapshot that waits for nobody and sees everything acknowledged before it began."""
        ...

    def changed_by_others(self) -> bool:
        """Within ``write()``: whether somebody else committed since this store last did, so that caches are stale."""
        ...

    def health(self) -> list[tuple[str, bool, str]]:
        """What the database itself says of its state: name, whether it is well, detail."""
        ...

    def forget(self) -> None:
        """Let nothing that was removed stay behind outside the tables."""
        ...

    def close(self) -> None:
        """Close the connections; a write that is under way is finished first."""
        ...


def open_store(url: str, settings: Settings, room: str = "ledger") -> Store:
    """The store that a URL names.

    Raises InvalidInput for a URL that cannot be read, NotSupported for a backend that is not there.
    """
    scheme, found, _ = url.partition("://")
    if not found:
        raise InvalidInput(f"not a database URL: {url!r}; write sqlite:///path/to/book.db")
    if scheme == "sqlite":
        from rollbook.store.sqlite import SqliteStore  # noqa: PLC0415 - a backend is loaded by its URL alone

        return SqliteStore(url, settings, room)
    raise NotSupported(f"no backend for {scheme}:// URLs; this version keeps books in sqlite:/// files")
