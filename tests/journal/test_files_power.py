"""R13: when a step is acknowledged, all that it changed is on the disk, names of files included."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from rollbook.journal.files import log as files_log
from rollbook.journal.steps import Append, Drop, DropHead, Fork, New, SetState, Step

from .files_tools import USER, append, drop, made, opened, step


class Unsynced:
    """What was changed and not synced since: files by their inode, folders by their path."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.files: set[int] = set()
        self.folders: set[str] = set()
        self.syncs = 0
        self.early = False  #: something took a file's place before it was on the disk
        for name in ("open", "write", "ftruncate", "fsync", "fdatasync", "rename", "unlink", "mkdir"):
            call = getattr(os, name)
            patch.setattr(os, name, self._wrapped(call, getattr(self, f"_{name}")))

    @staticmethod
    def _wrapped(call: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:
            note(*arguments)
            return call(*arguments, **more)

        return called

    def _open(self, path: str, flags: int, *_: object) -> None:
        if flags & os.O_CREAT and not os.path.lexists(path):
            self._named(path)

    def _named(self, path: str, *_: object) -> None:
        self.folders.add(str(Path(path).parent))

    _mkdir = _unlink = _named

    def _write(self, fd: int, *_: object) -> None:
        self.files.add(os.fstat(fd).st_ino)

    _ftruncate = _write

    def _rename(self, old: str, new: str) -> None:
        self.early |= Path(old).stat().st_ino in self.files
        self._named(new)

    def _fsync(self, fd: int) -> None:
        self.syncs += 1
        ino = os.fstat(fd).st_ino
        self.files.discard(ino)
        self.folders = {path for path in self.folders if Path(path).stat().st_ino != ino}

    _fdatasync = _fsync


JUNK: list[Step | Drop] = [
    step("s", Append("junk", (New("j", b'"' + b"x" * 900 + b'"', 1),)), DropHead("junk")) for _ in range(3)
]
#: Batches, and how many syncs each may cost at the most.
BATCHES: list[tuple[str, list[Step | Drop], int]] = [
    ("the first of a user", [append("s", "one")], 3),
    ("the first of a session", [append("t", "one")], 2),
    ("one more", [append("s", "two")], 1),
    ("many at once", [append("s", f"e{number}") for number in range(50)], 1),
    ("in several logs", [append("s", "three"), append("t", "two"), append("s", "four")], 2),
    ("of the user", [step("s", SetState({"k": Raw(b"1")}, of_user=True))], 2),
    ("a fork", [step("f", Fork("s")), append("f", "of f")], 4),
    ("of a fork", [append("f", "more")], 1),
    ("written anew", JUNK, 3),
    ("dropped, with a fork that stays", [drop("s")], 2),
    ("dropped, a fork", [drop("f")], 2),
    ("dropped", [drop("t")], 1),
]


def test_r13_all_is_on_the_disk_when_a_step_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_log, "DEAD_BYTES", 500)
    unsynced = Unsynced(monkeypatch)
    journals = opened(tmp_path / "j", fsync="always")
    for what, steps, most in BATCHES:
        unsynced.syncs = 0
        made(journals, *steps)
        assert not unsynced.files, what
        # A file that was made only to be locked, and is gone again, need not be known to the disk.
        assert (
            unsynced.folders <= {str(tmp_path / "j" / USER)}
            if what in {"a fork", "of a fork"}
            else not unsynced.folders
        ), what
        assert 1 <= unsynced.syncs <= most, what
        assert not unsynced.early, what
        unsynced.folders.clear()


def test_without_fsync_nothing_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_log, "DEAD_BYTES", 500)
    unsynced = Unsynced(monkeypatch)
    journals = opened(tmp_path / "j", fsync="never")
    for _, steps, _ in BATCHES:
        made(journals, *steps)
    assert not unsynced.syncs
