"""The contract on the journals in a book's own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from postgres_books import EmptyBooks
from rollbook.journal.backend import Journals
from rollbook.journal.contract import JournalContract

from .in_book import BookJournals


class TestBookFile(JournalContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Callable[[], Journals]:
        return partial(BookJournals, f"sqlite:///{tmp_path}/book.db")

    @pytest.fixture
    def journals(self, opener: Callable[[], Journals]) -> Iterator[Journals]:
        journals = opener()
        yield journals
        journals.close()


class TestBookInMemory(TestBookFile):
    opens_twice = False
    several_processes = False

    @pytest.fixture
    def opener(self) -> Callable[[], Journals]:
        return partial(BookJournals, "sqlite:///:memory:")


class TestBookOnPostgres(TestBookFile):
    @pytest.fixture
    def opener(self, empty_books: EmptyBooks) -> Iterator[Callable[[], Journals]]:
        with empty_books.book() as url:
            yield partial(BookJournals, url)
