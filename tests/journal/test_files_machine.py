"""The rules of a journal on files against the naive model, with several journals on one folder that take turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from rollbook.errors import RollbookError
from rollbook.journal.backend import Check, Kept
from rollbook.journal.files import log as files_log
from rollbook.journal.shelf import Peek, Who
from rollbook.journal.steps import Done, Drop, Step

from .files_tools import opened
from .machine import HISTORIES, Machine


class _InTurn:
    """Three that share a folder and know nothing of each other."""

    def __init__(self, folder: str) -> None:
        self._turns = cycle([opened(folder), opened(folder), opened(folder)])
        self.url = next(self._turns).url

    def claim(self, book_id: str) -> None:
        next(self._turns).claim(book_id)

    def apply(self, steps: Sequence[Step | Drop]) -> list[Done | bool | RollbookError]:
        return next(self._turns).apply(steps)

    def read(self, user_id: str, session_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        return next(self._turns).read(user_id, session_id)

    def user_state(self, user_id: str) -> AbstractContextManager[tuple[Peek, Who]]:
        return next(self._turns).user_state(user_id)

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        return next(self._turns).sessions(user_id)

    def wipe(self) -> int:
        return next(self._turns).wipe()

    def health(self) -> list[Check]:
        return next(self._turns).health()

    def close(self) -> None:
        next(self._turns).close()


@settings(max_examples=80)
@given(HISTORIES)
def test_journals_in_files_show_what_was_done_to_them(history: list[list[Step | Drop]]) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_log, "DEAD_BYTES", 300)
        machine = Machine(_InTurn(folder))
        for steps in history:
            machine.batch(steps)
        assert all(path.stat().st_size for path in Path(folder).rglob("*.jsonl"))
        assert {name: well for name, well, _ in machine.journals.health()}["logs"]
        machine.end()
        assert [path.name for path in Path(folder).rglob("*") if path.is_file()] == ["rollbook-journal.json"]
