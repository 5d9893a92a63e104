"""The contract on journals in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from rollbook.journal.backend import Journals, open_journals
from rollbook.journal.contract import JournalContract
from rollbook.settings import Settings


class TestFiles(JournalContract):
    user_state_with_entries = False

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Journals]:
        return partial(open_journals, f"file://{tmp_path}/journals", Settings())

    @pytest.fixture
    def journals(self, opener: Callable[[], Journals]) -> Iterator[Journals]:
        journals = opener()
        yield journals
        journals.close()
