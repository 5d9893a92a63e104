"""Copies of a SQLite book: one taken while the book is in use, and one taken back in the place of what is there.

A copy is made of one read transaction, so writers and readers go on beside it. It is written under another name,
proven, synced, and only then gets its own name. Taking a copy back writes its pages into the open database in one
transaction: a file renamed over the book's would leave other processes writing into one that has no name any more.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw

from rollbook.errors import StoreError
from rollbook.store import Copied, Progress, Proof, Replaced
from rollbook.store.sqlite_connection import Connection, translated
from rollbook.store.sqlite_file import beside, check, lacking, migrate, newest
from rollbook.store.sqlite_parts import (
    CHECKSUM,
    checksum_of,
    digest,
    disk,
    free,
    given,
    part_beside,
    place,
    stage,
    write_checksum,
)
from rollbook.store.turns import Turns

if TYPE_CHECKING:
    from rollbook.store.sqlite import SqliteStore

STEP_PAGES: Final = 1024  #: pages copied between two looks at what else there is to do
_TRIES: Final = 5
_HANDLED: Final = 100_000  #: steps of SQLite's machine between two looks at whether Ctrl-C was pressed


def backup(
    store: SqliteStore, path: str | os.PathLike[str], *, replace: bool, prove: Proof, progress: Progress
) -> Copied:
    """Copy the book as it is now into one file, with its checksum beside it."""
    target = free(path, store.path, replace=replace)
    with disk(str(target)), part_beside(target, "backup") as part:
        with store.read() as connection:
            _snapshot(connection.raw, part, str(target), progress)
        with translated(str(target)), _opened(part) as raw:
            progress("check", 0, 0)
            if unsound := _unsound(raw):
                raise StoreError(f"{target} was not made: {store.where} is damaged ({unsound}); see 'rollbook doctor'")
            proof = _proven(raw, f"{target} was not made", store.room, prove)
        size, checksum = digest(part)
        with part_beside(target, "backup") as listed:
            write_checksum(listed, checksum, target.name)
            place(part, listed, target, replace=replace)
    return Copied(path=target, bytes=size, sha256=checksum, proof=proof)


def restore(
    store: SqliteStore, path: str | os.PathLike[str], *, checksum: bool, prove: Proof, progress: Progress
) -> Replaced:
    """Put a copy in the place of everything that the book holds, once it is proven to be whole."""
    source = given(path, store.path)
    wanted = checksum_of(source, needed=checksum)
    with disk(store.where), part_beside(store.path, "restore") as part:
        with disk(str(source)):
            size, found = stage(source, part, progress)
        if wanted not in (None, found):
            raise StoreError(
                f"{source} is not the file of which {source.name}.sha256 was made: it was changed or damaged since; "
                f"nothing was restored. It is changed by being opened for writing: if that was you, remove "
                f"{source.name}.sha256 and say --no-checksum; its structure and its balance are checked all the same"
            )
        with translated(f"the copy of {source}"), _opened(part, str(source)) as raw:
            progress("check", 0, 0)
            schema = _fit(raw, str(source), store)
            proof = _proven(raw, f"{source} was not restored", store.room, prove)
            kept = _replace(store, raw, progress)
    return Replaced(bytes=size, sha256=found, schema=schema, kept=kept, proof=proof)


def pages(source: apsw.Connection, target: apsw.Connection, step: Callable[[int, int], None]) -> None:
    """Copy every page, in steps; the target has all of them when this returns, and none of them if it raises."""
    with target.backup("main", source, "main") as copying:
        done = copying.step(1)  # takes the target's write lock
        while True:
            size = source.pragma("page_size")
            step((copying.page_count - copying.remaining) * size, copying.page_count * size)
            if done:
                return
            done = copying.step(STEP_PAGES)


def _snapshot(source: apsw.Connection, part: Path, where: str, progress: Progress) -> None:
    """Copy what a connection sees in its transaction into an empty file."""
    # A transaction sees the book as it is at its first read; every step of the copy belongs to that moment.
    source.execute("select 1 from sqlite_schema limit 1").fetchall()
    raw = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        # A copy that is broken off is removed, and a whole one is synced before it gets its name.
        raw.pragma("journal_mode", "off")
        raw.pragma("synchronous", "off")
        pages(source, raw, lambda done, total: progress("copy", done, total))
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError):
        with translated(where):
            raise
    finally:
        raw.close()


@contextlib.contextmanager
def _opened(part: Path, where: str | None = None) -> Iterator[apsw.Connection]:
    """A copy as one file without a log, whatever it was made of. A foreign one is named by what it was copied from."""
    raw = apsw.Connection(str(part), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with _refused(where) if where else contextlib.nullcontext():
            raw.pragma("journal_mode", "delete")
        raw.set_progress_handler(lambda: False, _HANDLED)  # lets Ctrl-C in, however long a statement takes
        yield raw
    finally:
        raw.close()


@contextlib.contextmanager
def _refused(where: str) -> Iterator[None]:
    """What is wrong with a file that somebody gave."""
    try:
        yield
    except apsw.NotADBError as error:
        raise StoreError(f"{where} is not a database; nothing was restored") from error
    except apsw.FullError:
        raise
    except apsw.Error as error:
        raise StoreError(f"{where} is damaged ({error}); nothing was restored") from error


def _unsound(raw: apsw.Connection) -> str:
    """What SQLite finds wrong with a database; empty if nothing."""
    lines = [" ".join(str(row[0]).split()) for row in raw.execute("pragma integrity_check(3)")]
    return "; ".join(line for line in lines if line != "ok")


def _proven(raw: apsw.Connection, refusal: str, room: str, prove: Proof) -> Any:
    """What those who know the rows say of a copy."""
    raw.execute("begin")
    try:
        return prove(Connection(raw, room))
    except StoreError as error:
        raise StoreError(f"{refusal}: {error}") from error
    finally:
        raw.execute("rollback")


def _fit(raw: apsw.Connection, where: str, store: SqliteStore) -> int:
    """Make sure that a given file is a book that is whole, and bring it up to date; the schema's number that it had."""
    with _refused(where):
        try:
            schema = check(raw, where)
        except StoreError as error:
            raise StoreError(f"{error}; nothing was restored") from error
        if not schema:
            raise StoreError(f"{where} holds no book; nothing was restored")
        if unsound := _unsound(raw):
            raise StoreError(f"{where} is damaged ({unsound}); nothing was restored")
        if missing := lacking(raw, schema):
            raise StoreError(f"{where} is not a whole book: it has no {missing[0]}; nothing was restored")
        if schema < newest():
            raw.execute("begin immediate")
            migrate(raw, where)
            raw.execute("commit")
        if store.path is not None:
            with contextlib.closing(store.connect()) as live:
                size = live.pragma("page_size")
            if raw.pragma("page_size") != size:  # pages are copied as they are
                raw.pragma("page_size", size)
                raw.execute("vacuum")
    return schema


def _replace(store: SqliteStore, staged: apsw.Connection, progress: Progress) -> Path | None:
    """Replace the book by the staged copy; where what was there is kept."""
    if store.path is None:
        with store.in_memory() as raw:
            pages(staged, raw, lambda done, total: progress("replace", done, total))
        return None
    # Turns of its own: those of the open book are held by whichever of its threads is writing.
    turns = Turns(store.path)
    try:
        if not turns.take(time.monotonic() + store.busy_timeout_s):
            raise StoreError(f"{store.where} has been locked by another process for too long; nothing was restored")
        with translated(store.where):
            return _replaced(store, store.path, staged, progress)
    finally:
        turns.close()


def _replaced(store: SqliteStore, path: Path, staged: apsw.Connection, progress: Progress) -> Path | None:
    with contextlib.closing(store.connect()) as target, contextlib.closing(store.connect()) as watch:
        for _ in range(_TRIES):
            before = watch.pragma("data_version")
            kept = _kept(watch, path, progress)
            try:
                pages(staged, target, _unless_changed(watch, before, progress))
            except _ChangedError:
                # A program that waits for no turn wrote in between: what is kept would be without it.
                _drop(kept)
                continue
            except BaseException:
                _drop(kept)
                raise
            target.set_busy_timeout(0)
            with contextlib.suppress(apsw.Error):  # a log that somebody still reads is cut short later
                target.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            return kept
    raise StoreError(f"{store.where} is being written by a program that takes no turns; end it and restore again")


class _ChangedError(Exception):
    """Somebody wrote between the copy of what is there and its replacement."""


def _unless_changed(watch: apsw.Connection, before: int, progress: Progress) -> Callable[[int, int], None]:
    first = True

    def step(done: int, total: int) -> None:
        nonlocal first
        # Asked once, after the first page: from then on nobody else can write.
        if first and watch.pragma("data_version") != before:
            raise _ChangedError
        first = False
        progress("replace", done, total)

    return step


def _kept(source: apsw.Connection, path: Path, progress: Progress) -> Path | None:
    """Copy what is about to be replaced to a place beside it, sound or not; None where there is nothing."""
    source.execute("begin")
    try:
        if _is_empty(source):
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        names = (f"{path.name}.before-restore-{stamp}{more}.db" for more in ("", *(f"-{n}" for n in range(2, 1000))))
        places = (path.with_name(name) for name in names)
        target = next(one for one in places if not one.exists() and not beside(one, CHECKSUM).exists())
        with part_beside(target, "backup") as part, part_beside(target, "backup") as listed:
            _snapshot(source, part, str(target), lambda _, done, total: progress("keep", done, total))
            with contextlib.suppress(StoreError), translated(str(target)), _opened(part):
                pass  # one file without a log, as far as a damaged book can be brought to it
            write_checksum(listed, digest(part)[1], target.name)
            place(part, listed, target, replace=False)
    finally:
        source.execute("rollback")
    return target


def _drop(kept: Path | None) -> None:
    if kept is not None:
        for path in (kept, beside(kept, CHECKSUM)):
            path.unlink(missing_ok=True)


def _is_empty(raw: apsw.Connection) -> bool:
    try:
        # A table for searching brings tables of its own that are never empty.
        tables = [row[0] for row in raw.execute(
            "select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual')"
            " and name not like 'sqlite_%'"
        )]  # fmt: skip
        return not any(raw.execute(f'select count(*) from (select 1 from "{name}" limit 1)').get for name in tables)  # noqa: S608 - its own names
    except apsw.Error:  # too damaged to say
        return False
