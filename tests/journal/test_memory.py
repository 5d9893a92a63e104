"""The contract on journals in memory, which it is written against."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rollbook.journal.backend import Journals
from rollbook.journal.contract import JournalContract

from .in_memory import MemoryJournals


class TestMemory(JournalContract):
    opens_twice = False
    several_processes = False

    @pytest.fixture
    def opener(self) -> Callable[[], Journals]:
        return MemoryJournals

    @pytest.fixture
    def journals(self, opener: Callable[[], Journals]) -> Iterator[Journals]:
        journals = opener()
        yield journals
        journals.close()
