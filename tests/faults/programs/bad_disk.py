"""A disk that fails under an open book and gets well again: ``bad_disk.py FOLDER``.

A VFS below SQLite lets one kind of access fail while it is told to: writing or syncing, of the log or of the file.
"""

from __future__ import annotations

import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

import apsw

import rollbook

SYSTEM = apsw.vfs_names()[0]  #: the VFS that is the default before ours is
ERRORS = {"full": apsw.FullError, "broken": apsw.IOError}


class Disk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("failing", SYSTEM, makedefault=True)
        self.failing: tuple[str, bool, str] | None = None  #: access, whether of the file itself, error
        self.failures = 0

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return File(self, name, flags)

    def reached(self, access: str, main: bool) -> None:
        if self.failing is not None and self.failing[:2] == (access, main):
            self.failures += 1
            raise ERRORS[self.failing[2]]


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk, self._main = disk, bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        super().__init__(SYSTEM, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.reached("write", self._main)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.reached("sync", self._main)
        super().xSync(flags)


def call(book: rollbook.Rollbook, usage_id: str) -> str:
    return book.record_usage(f"s{len(usage_id) % 3}", usage_id=usage_id, tokens_in=5, cost_usd="0.02")


def spell(book: rollbook.Rollbook, disk: Disk, names: Any, failing: tuple[str, bool, str]) -> set[str]:
    """Writes while the disk fails, from several threads; those that were acknowledged all the same."""
    told: dict[str, object] = {}

    def some(usage_ids: list[str]) -> None:
        for usage_id in usage_ids:
            try:
                told[usage_id] = call(book, usage_id)
            except Exception as error:
                told[usage_id] = error

    disk.failing = failing
    threads = [threading.Thread(target=some, args=([next(names) for _ in range(4)],)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    disk.failing = None
    assert len(told) == 12, "a caller was not answered"
    for answer in told.values():
        # Nothing but a clear error; and where the log can be written, the failing copy to the file hurts nobody.
        assert isinstance(answer, rollbook.StoreError) or (answer == "counted" and failing[1]), repr(answer)
    return {usage_id for usage_id, answer in told.items() if answer == "counted"} | retried(book, told)


def retried(book: rollbook.Rollbook, told: dict[str, object]) -> set[str]:
    """The disk is well: the same open book takes what failed, once; a read sees it and the books balance."""
    for usage_id in told:
        assert call(book, usage_id) in ("counted", "duplicate")
        assert call(book, usage_id) == "duplicate"
    assert book.verify().ok
    return set(told)


def main(folder: Path) -> None:
    disk = Disk()
    names = (f"u{number}" for number in count())
    kept: set[str] = set()
    with rollbook.open(f"sqlite:///{folder / 'book.db'}") as book:
        for round_ in range(2):
            for failing in [(a, m, e) for a in ("write", "sync") for m in (False, True) for e in ERRORS]:
                before = {row.usage_id for session in book.iterate() for row in book.usage(session.session_id)}
                assert before == kept
                kept |= spell(book, disk, names, failing)
                if not failing[1]:
                    assert disk.failures > 0, failing
            # Enough pages that copying the log to the file begins, and fails, while others write.
            disk.failing = ("write", True, "full" if round_ % 2 else "broken")
            many = [next(names) for _ in range(1500)]
            for start in range(0, len(many), 10):
                few = [
                    {"session_id": f"m{round_}-{name}", "usage_id": name, "tokens_in": 1}
                    for name in many[start : start + 10]
                ]
                assert book.record_many(few) == ["counted"] * 10
            kept |= set(many)
            assert book.verify().ok
            disk.failing = None
        rows = [row.usage_id for session in book.iterate() for row in book.usage(session.session_id)]
        assert sorted(rows) == sorted(kept)
    with rollbook.open(f"sqlite:///{folder / 'book.db'}") as book:
        rows = [row.usage_id for session in book.iterate() for row in book.usage(session.session_id)]
        assert sorted(rows) == sorted(kept)
        assert all(finding.ok for finding in book.doctor())
    print(disk.failures)


main(Path(sys.argv[1]))
