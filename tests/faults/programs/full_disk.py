"""No space left under an open book, and then space again: ``full_disk.py FOLDER limit|device``.

``limit`` bounds the size of the process's files; ``device`` fills the small file system that the folder is on.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

import rollbook

FILLER = "filler"


class Limit:
    """As much room as the log has now, and a little."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "book.db-wal"
        self._hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill(self) -> None:
        size = self._log.stat().st_size if self._log.exists() else 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, self._hard))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, self._hard))


class Device:
    """A file that takes all the room there is."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / FILLER

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        self._filler.unlink()


def call(book: rollbook.Rollbook, number: int) -> str:
    return book.record_usage(f"s{number % 7}", usage_id=f"u{number}", tokens_in=number, cost_usd="0.01")


def refused(url: str) -> None:
    try:
        rollbook.open(url).close()
    except rollbook.StoreError as error:
        print(error)
        assert "no space is left for " in str(error), error
    else:
        raise AssertionError(f"{url} was opened on a full disk")


def main(folder: Path, kind: str) -> None:
    url = f"sqlite:///{folder / 'book.db'}"
    space = Limit(folder) if kind == "limit" else Device(folder)
    kept = number = 0
    with rollbook.open(url) as book:
        for _ in range(3):
            space.fill()
            failed = 0
            while failed < 5:
                number += 1
                try:
                    assert call(book, number) == "counted"
                except rollbook.StoreError as error:
                    assert "\n" not in str(error), error
                    assert "space" in str(error) or "disk" in str(error), error
                    failed += 1
                    number -= 1
                    assert sum(session.calls for session in book.iterate()) == number, (
                        "a failed write changed something"
                    )
                    assert book.verify().ok
            kept = number
            space.free()
            # The same open book goes on, with the very call that was refused.
            for _ in range(20):
                number += 1
                assert call(book, number) == "counted"
            assert call(book, kept + 1) == "duplicate"
            assert book.verify().ok
    # A book cannot be made without room; it can be as soon as there is some.
    if kind == "device":
        space.fill()
        other = f"sqlite:///{folder / 'other' / 'book.db'}"
        os.makedirs(folder / "other", exist_ok=True)
        for one in (other, url, f"{url}?mode=ro"):  # nor opened that has no log beside it at the time
            refused(one)
        space.free()
        with rollbook.open(other) as book:
            assert call(book, 1) == "counted"
    with rollbook.open(url) as book:
        ids = sorted(int(row.usage_id[1:]) for session in book.iterate() for row in book.usage(session.session_id))
        assert ids == list(range(1, number + 1))
        # Of space it says that there is little.
        assert all(finding.ok or finding.name == "space" for finding in book.doctor())


main(Path(sys.argv[1]), sys.argv[2])
