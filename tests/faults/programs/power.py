"""A power cut, again and again, while a book is written: ``power.py FOLDER SEED``.

A VFS below SQLite remembers for every file what was synced, and every write since. A cut keeps what was synced and
any part of the rest - none, all, a beginning, any of the sectors - in a new folder, with what was acknowledged before.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from itertools import count
from pathlib import Path
from typing import Any

import apsw

import rollbook
from rollbook.store import checkpoints

vars(checkpoints)["_MARK"] = 3_000  # sooner than usual, so that cuts fall into what is copied

SYSTEM = apsw.vfs_names()[0]  #: the VFS that is the default before ours is
SECTOR = 512
CUTS = 30
ENOUGH = 50  #: cuts at any time and before a sync; those in a checkpoint are rarer
CALLERS = 4


class Shadow:
    """One file as the disk has it, and what is only on its way there: writes, and lengths to cut it to."""

    def __init__(self, durable: bytes) -> None:
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []
        self.deleted = False  #: gone, but the folder was not synced since, so a cut may bring it back
        self.named = False  #: whether the folder was synced since it was made

    def sync(self) -> None:
        self.durable = self.after(self.pending)
        self.pending = []

    def after(self, changes: list[tuple[int, bytes | None]]) -> bytearray:
        data = bytearray(self.durable)
        for place, written in changes:
            if written is None:
                del data[place:]
                continue
            data.extend(bytes(max(0, place - len(data))))
            data[place : place + len(written)] = written
        return data

    def cut(self, chance: random.Random) -> bytes:
        """What the disk may have after the power went."""
        kind = chance.choice(["none", "all", "beginning", "any", "torn"])
        kept = self.pending
        if kind == "none":
            kept = []
        elif kind == "beginning":
            kept = kept[: chance.randrange(len(kept) + 1)]
        elif kind == "any":
            kept = [change for change in kept if chance.random() < 0.5]
        elif kind == "torn":
            kept = [piece for change in kept for piece in _sectors(change) if chance.random() < 0.7]
        return bytes(self.after(kept))


def _sectors(change: tuple[int, bytes | None]) -> list[tuple[int, bytes | None]]:
    place, written = change
    if written is None:
        return [change]
    first = SECTOR - place % SECTOR
    starts = [0, *range(first, len(written), SECTOR)]
    return [(place + start, written[start:end]) for start, end in zip(starts, [*starts[1:], len(written)], strict=True)]


class Disk(apsw.VFS):
    """The default VFS, watching the files of one folder."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        super().__init__("watched", SYSTEM, makedefault=True)
        self._prefix = str(folder) + "/"
        self._chance = chance
        self.lock = threading.RLock()
        self.shadows: dict[str, Shadow] = {}
        self.acknowledged: list[str] = []
        self.cuts: list[dict[str, Any]] = []
        self.syncs = 0

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not path.startswith(self._prefix):
            return apsw.VFSFile(SYSTEM, name, flags)
        with self.lock:
            shadow = self.shadows.get(path)
            if shadow is None or shadow.deleted:
                there = Path(path).read_bytes() if Path(path).exists() else b""
                shadow = self.shadows[path] = Shadow(there)
        return File(self, shadow, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        with self.lock:
            super().xDelete(filename, syncdir)
            if filename in self.shadows:
                self.shadows[filename].deleted = True
            if syncdir:
                self.sync_folder()

    def sync_folder(self) -> None:
        self.shadows = {path: shadow for path, shadow in self.shadows.items() if not shadow.deleted}

    def cut(self, where: str) -> None:
        """Remember what the disk has at this moment, and what it must have."""
        with self.lock:
            if len(self.cuts) > ENOUGH and where in ("sync", "any time"):
                return
            images = {
                Path(path).name: shadow.cut(self._chance)
                for path, shadow in self.shadows.items()
                if not shadow.deleted or self._chance.random() < 0.5
            }
            lost = sum(len(shadow.pending) for shadow in self.shadows.values())
            self.cuts.append({"where": where, "lost": lost, "told": list(self.acknowledged), "images": images})


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, shadow: Shadow, name: Any, flags: list[int]) -> None:
        self._disk, self._shadow = disk, shadow
        self._main = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        super().__init__(SYSTEM, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._disk.lock:
            super().xWrite(data, offset)
            self._shadow.pending.append((offset, bytes(data)))
            if self._main and random.random() < 0.01:
                self._disk.cut("checkpoint")

    def xTruncate(self, newsize: int) -> None:
        with self._disk.lock:
            super().xTruncate(newsize)
            self._shadow.pending.append((newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: ARG002 - as SQLite calls it
        with self._disk.lock:
            if random.random() < 0.01:
                self._disk.cut("sync")
            # The machine's own disk need not be waited for: what this one keeps is in the shadow.
            self._shadow.sync()
            self._disk.syncs += 1
            if not (self._main or self._shadow.named):
                # SQLite syncs the folder with the first sync of a log or journal that it made.
                self._shadow.named = True
                self._disk.sync_folder()


def call(book: rollbook.Rollbook, usage_id: str) -> str:
    return book.record_usage(f"s{hash(usage_id) % 5}", usage_id=usage_id, tokens_in=7, cost_usd="0.01")


def write(book: rollbook.Rollbook, disk: Disk, name: str, stop: threading.Event) -> None:
    for number in count():
        if stop.is_set():
            return
        usage_id = f"{name}-{number}"
        assert call(book, usage_id) == "counted"
        disk.acknowledged.append(usage_id)


def check(folder: Path, cut: dict[str, Any]) -> None:
    folder.mkdir()
    for name, image in cut["images"].items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_bytes(image)
    told = set(cut["told"])
    with rollbook.open(f"sqlite:///{folder / 'book.db'}") as book:
        rows = [row.usage_id for session in book.iterate() for row in book.usage(session.session_id)]
        assert len(rows) == len(set(rows)), "a call is there twice"
        assert told <= set(rows), f"after a cut at {cut['where']}: {sorted(told - set(rows))[:5]} were acknowledged"
        assert all(finding.ok for finding in book.doctor()), book.doctor()
        if told:
            assert call(book, cut["told"][-1]) == "duplicate"
        assert call(book, "afterwards") == "counted"
        assert book.verify().ok


def main(folder: Path, seed: str) -> None:
    random.seed(seed)
    (folder / "live").mkdir()
    disk = Disk(folder / "live", random.Random(seed))
    disk.cut("before")
    stop = threading.Event()
    with rollbook.open(f"sqlite:///{folder / 'live' / 'book.db'}") as book:
        writers = [
            threading.Thread(target=write, args=(book, disk, f"w{number}", stop), daemon=True)
            for number in range(CALLERS)
        ]
        for writer in writers:
            writer.start()
        deadline = time.monotonic() + 60
        while len(disk.cuts) < CUTS or sum(cut["where"] == "checkpoint" for cut in disk.cuts) < 5:
            assert time.monotonic() < deadline, f"too few cuts in 60 s: {[cut['where'] for cut in disk.cuts]}"
            time.sleep(0.02)
            disk.cut("any time")
        stop.set()
        for writer in writers:
            writer.join()
    disk.cut("closed")
    for number, cut in enumerate(disk.cuts):
        check(folder / f"cut{number}", cut)
    print(
        json.dumps(
            {
                "cuts": len(disk.cuts),
                "syncs": disk.syncs,
                "acknowledged": len(disk.acknowledged),
                "lost": sum(cut["lost"] > 0 for cut in disk.cuts),
                "checkpoints": sum(cut["where"] == "checkpoint" for cut in disk.cuts),
            }
        )
    )


main(Path(sys.argv[1]), sys.argv[2])
