"""Where books are kept. A store keeps rows and transactions; it decides nothing.

:func:`open_store` picks the backend by the URL's scheme.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from rollbook.errors import InvalidInput, NotSupported, StoreError
from rollbook.settings import Settings

if TYPE_CHECKING:
    from rollbook.store.statements import Filling

Row = tuple[Any, ...]
Check = tuple[str, bool, str]  #: what was looked at, whether it is well, detail


class TryAgain(Exception):
    """A transaction was undone through no fault of its own, and nothing of it was kept."""

    def __init__(self, told: StoreError, *, pause_s: float = 0.0) -> None:
        super().__init__(str(told))
        self.told = told  #: what to raise when patience ends
        self.pause_s = pause_s  #: how long to wait before


class Reading(Protocol):
    """A snapshot of the book."""

    @property
    def index(self) -> str:
        """What knows the words of texts: fts5 or tsvector."""
        ...

    def rows(self, name: str, /, **values: Any) -> list[Row]:
        """The rows of a named statement."""
        ...

    def each(self, name: str, /, **values: Any) -> Iterable[Row]:
        """The same, one at a time."""
        ...

    def among(self, name: str, keys: Sequence[Row]) -> list[Row]:
        """The rows of a statement whose ``{values}`` are the keys, asked for in chunks."""
        ...

    def compose(self, name: str, words: Mapping[str, Filling], /, **values: Any) -> list[Row]:
        """The rows of a statement whose braces are filled with fragments of the same file."""
        ...


#: Looks at a copy and answers what it finds; raises for one that must not be used.
Proof = Callable[[Reading], Any]
#: Told how far it is: what is being done (read, copy, check, keep, replace), bytes done, bytes in all.
Progress = Callable[[str, int, int], None]


class Copied(NamedTuple):
    """A backup that was made."""

    path: Path
    bytes: int
    sha256: str
    proof: Any  #: what the proof answered


class Replaced(NamedTuple):
    """A backup that was taken back."""

    bytes: int
    sha256: str
    schema: int  #: the schema's number that it had
    kept: Path | None  #: a backup of what it replaced
    proof: Any


class Writing(Reading, Protocol):
    """The book under its write lock; what is written is kept by the commit at the end of the block, or not at all."""

    @property
    def shared(self) -> bool:
        """Whether others write at the same time, so that what is to be changed has to be held first."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether numbers are taken in blocks, since others take some as well."""
        ...

    def run(self, name: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each row."""
        ...

    def put(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement whose ``{values}`` are the rows, many rows at a time."""
        ...


class Store(Protocol):
    """One open database."""

    url: str
    where: str  #: what it is called in messages
    read_only: bool
    patience_s: float  #: how long a transaction that was undone is tried again

    @property
    def shared(self) -> bool:
        """Whether others may write at the same time."""
        ...

    @property
    def lanes(self) -> int:
        """How many transactions of this process may write at once."""
        ...

    def write(self, lane: int = 0, *, alone: bool = True) -> AbstractContextManager[Writing]:
        """A transaction that writes: committed and durable after the block, rolled back by an exception.

        ``alone`` is under the write lock of the whole book; otherwise others may write meanwhile, if the backend can.
        Raises TryAgain if it was undone through no fault of its own.
        """
        ...

    def read(self) -> AbstractContextManager[Reading]:
        """A snapshot that waits for nobody and sees everything acknowledged before it began."""
        ...

    def changed_by_others(self, lane: int = 0) -> bool:
        """Within ``write()``: whether somebody else changed since this store last asked what cannot be held."""
        ...

    def version(self) -> int | None:
        """What is another number after every commit, whoever made it; None where that cannot be told. Never waits."""
        ...

    def health(self) -> list[Check]:
        """What the database itself says of its state."""
        ...

    def forget(self) -> None:
        """Let nothing that was removed stay behind outside the tables."""
        ...

    def backup(self, path: str | os.PathLike[str], *, replace: bool, prove: Proof, progress: Progress) -> Copied:
        """Copy the book as it is at one moment into a file, while it is in use; the file is whole, or not there."""
        ...

    def restore(self, path: str | os.PathLike[str], *, checksum: bool, prove: Proof, progress: Progress) -> Replaced:
        """Replace everything by what a backup holds, in one transaction; a file not in order changes nothing."""
        ...

    def close(self) -> None:
        """Close the connections; a write that is under way is finished first."""
        ...


@runtime_checkable
class Silent(Protocol):
    """A store to which other processes write without telling anybody: it has to be asked."""

    def others_wrote(self, *, anew: bool = False) -> bool:
        """Whether another process committed since this was last asked, or (``anew``) from now on. Never waits."""
        ...


@runtime_checkable
class Notifies(Protocol):
    """A store through which processes tell each other what they did, in texts of less than 8,000 bytes."""

    def notify(self, payloads: Sequence[str]) -> None:
        """Tell every process that listens, this one too. Raises StoreError where that is not possible now."""
        ...

    def listen(self, told: Callable[[str | None], None]) -> Callable[[], None]:
        """Listen until the returned function is called; ``told`` gets each text in a thread of the store's own.

        It gets None whenever listening begins, also anew after a failure: of what was told before nothing is known.
        """
        ...


def open_store(url: str, settings: Settings, room: str = "ledger") -> Store:
    """The store that a URL names.

    Raises InvalidInput for a URL that cannot be read, NotSupported for a backend that is not there.
    """
    scheme, found, _ = url.partition("://")
    if not found:
        secret = "@" in url or "password" in url
        raise InvalidInput(f"not a database URL{'' if secret else f': {url!r}'}; write sqlite:///path/to/book.db")
    if scheme in ("postgresql", "postgres"):
        from rollbook.store.postgres import PostgresStore  # noqa: PLC0415 - see below

        return PostgresStore(url, settings, room)
    if scheme == "sqlite":
        from rollbook.store.sqlite import SqliteStore  # noqa: PLC0415 - a backend is loaded by its URL alone

        return SqliteStore(url, settings, room)
    raise NotSupported(f"no backend for {scheme}:// URLs; write sqlite:/// or postgresql://")


def shown(url: str) -> str:
    """A URL as it may be shown to anybody: without a password, and without options, which may hold one."""
    scheme, found, rest = url.partition("://")
    if not found or scheme == "sqlite":
        return url
    user, at, host = rest.partition("?")[0].rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}"


def survey(url: str) -> list[Check]:
    """What can be said of the place where a database is kept without opening it."""
    if not url.startswith("sqlite://"):
        return []
    from rollbook.store import sqlite_health  # noqa: PLC0415 - a backend is loaded by its URL alone

    return sqlite_health.survey(url)


def traceless(url: str) -> AbstractContextManager[None]:
    """What is opened for reading only within the block leaves nothing beside the database that was not there before."""
    if not url.startswith("sqlite://"):
        return nullcontext()
    from rollbook.store import sqlite_health  # noqa: PLC0415 - see survey

    return sqlite_health.traceless(url)


def reading_only(url: str) -> str:
    """The URL by which a database is opened for reading only."""
    place, _, options = url.partition("?")
    if url.startswith(("postgresql://", "postgres://")):
        return url if "mode=" in options else f"{place}?{options}{'&' if options else ''}mode=ro"
    if not url.startswith("sqlite://") or place.endswith("/:memory:") or options not in ("", "mode=rw"):
        return url
    return f"{place}?mode=ro"
