"""Somebody who may read a folder of journals and not write to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rollbook.errors import StoreError
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.steps import Append, New, Step
from rollbook.settings import Settings

USER = "00000000-0000-5000-8000-000000000001"
NOBODY = 65534


def main(above: Path) -> None:
    folder = above / "j"
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, NOBODY, NOBODY)
        # The way there may belong to somebody else, so the folder itself is where this process stands.
        os.chdir(folder)
        os.chroot(folder)
        folder = Path("/")
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    journals = FileJournals(f"file://{folder}", Settings())
    with journals.read(USER, "s") as (peek, who):
        assert peek.head(who, "qa", "main") is not None
    assert [each.session_id for each in journals.sessions()] == ["s"]
    for session in ("s", "t"):
        answer = journals.apply([Step(USER, session, 1, (Append("qa", (New("e", b"1", 1),)),))])[0]
        assert isinstance(answer, StoreError), answer
        assert "access" in str(answer), answer
    assert ("folder", False) in {check[:2] for check in journals.health()}
    print("read and refused")


main(Path(sys.argv[1]))
