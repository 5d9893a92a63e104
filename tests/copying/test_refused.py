"""What no copy is made of, or into; and that what is refused stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faults.released import build
from laws.tools import opened_at
from rollbook.errors import Conflict, InvalidInput, StoreError

from .tools import Places, copied, filled, reading, rows, same


def test_a_book_with_contents_of_its_own(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    with opened_at(target) as book:
        book.touch("of mine")
    before = rows(target)
    with pytest.raises(Conflict, match=r"has contents of its own.* choose another book"):
        copied(source, target)
    assert rows(target) == before
    with opened_at(target) as book:
        book.touch("still mine")


def test_a_copy_of_another_book(places: Places, new: Callable[[], str]) -> None:
    source, other, target = filled(places.file()), filled(places.file()), new()
    copied(source, target)
    with pytest.raises(Conflict, match="is a copy of another book"):
        copied(other, target)
    same(source, target)


def test_a_copy_that_became_a_book_of_its_own(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    copied(source, target)
    with opened_at(target) as book:
        book.set_state("s1", values={"k": 99})
    before = rows(target)
    with pytest.raises(Conflict, match="has been written to since it was copied"):
        copied(source, target)
    assert rows(target) == before


def test_a_book_that_was_only_looked_at_since(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    copied(source, target)
    with opened_at(target, all_users=True) as book:
        assert list(book.iterate())
        assert all(finding.ok for finding in book.doctor() if finding.name in ("balance", "copy"))
    copied(source, target)


@pytest.mark.parametrize("full", [False, True])
def test_itself(new: Callable[[], str], full: bool) -> None:
    url = new()
    if full:
        filled(url)
    else:
        opened_at(url).close()
    before = rows(url)
    with opened_at(url) as book, pytest.raises((InvalidInput, Conflict)):
        book.copy_to(url)
    assert rows(url) == before
    with opened_at(url) as book:
        book.touch("as ever")


def test_memory(places: Places) -> None:
    source = filled(places.file())
    with reading(source) as book, pytest.raises(InvalidInput, match="not into memory"):
        book.copy_to("sqlite:///:memory:")


def test_a_target_that_is_only_read(places: Places, new: Callable[[], str]) -> None:
    source, target = filled(places.file()), new()
    opened_at(target).close()
    with pytest.raises(StoreError, match="for reading only"):
        copied(source, f"{target}{'&' if '?' in target else '?'}mode=ro")


@pytest.mark.parametrize("schema", [1, 2, 3])
def test_a_source_of_an_older_schema(places: Places, tmp_path: Path, schema: int) -> None:
    """It is not changed by being copied, so it has to be brought up to date first."""
    build(schema, tmp_path / "old.db")
    source, target = f"sqlite:///{tmp_path / 'old.db'}", places.file()
    with pytest.raises(
        StoreError, match=r"written by an older Rollbook.* open it once for writing \('rollbook summary' does\)"
    ):
        copied(source, target)
    opened_at(source).close()
    assert copied(source, target).sessions > 0
    same(source, target)
