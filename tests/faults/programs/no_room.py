"""Backup and restore where there is no room for it: ``no_room.py FOLDER limit|device``.

``limit`` bounds the size of the process's files; ``device`` fills the small file system that the folder is on.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import rollbook


@contextlib.contextmanager
def limited(folder: Path) -> Iterator[None]:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "book.db").stat().st_size // 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 100_000)
    try:
        yield
    finally:
        filler.unlink()


def calls(book: rollbook.Rollbook, first: int, count: int) -> None:
    book.record_many(
        {"session_id": f"s{number % 9}", "usage_id": f"u{number}", "tokens_in": number, "model": "gpt-4o"}
        for number in range(first, first + count)
    )


def refused(what: Callable[[], object], folder: Path, book: rollbook.Rollbook, count: int) -> None:
    before = sorted(path.name for path in folder.iterdir())
    try:
        what()
    except rollbook.StoreError as error:
        print(error)
        assert "space" in str(error) or "disk" in str(error), error
    else:
        raise AssertionError("there was room for it")
    assert sorted(path.name for path in folder.iterdir()) == before, "something was left behind"
    assert sum(session.calls for session in book.iterate()) == count, "the book was changed"
    assert book.verify().ok


def main(folder: Path, kind: str) -> None:
    space = limited if kind == "limit" else filled
    with rollbook.open(f"sqlite:///{folder / 'book.db'}") as book:
        calls(book, 0, 3000)
        book.backup(folder / "good.db")
        with space(folder):
            refused(lambda: book.backup(folder / "copy.db"), folder, book, 3000)
            refused(lambda: book.backup(folder / "good.db", replace=True), folder, book, 3000)
        calls(book, 3000, 1)
        with space(folder):
            refused(lambda: book.restore(folder / "good.db"), folder, book, 3001)
        calls(book, 3001, 1)
        assert book.restore(folder / "good.db").ledger_rows == 3000
        assert book.backup(folder / "copy.db").ledger_rows == 3000


main(Path(sys.argv[1]), sys.argv[2])
