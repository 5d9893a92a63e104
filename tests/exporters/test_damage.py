"""An export of a damaged book fails, or it is whole: it never has fewer rows and says nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

import rollbook
from rollbook.errors import StoreError

from .tools import fill

PAGE = 4096


def _noise(page: bytearray, chance: random.Random) -> None:
    page[:] = chance.randbytes(PAGE)


def _shorter(page: bytearray, chance: random.Random) -> None:
    """Fewer cells than there are, which looks like a page in order."""
    cells = int.from_bytes(page[3:5])
    page[3:5] = chance.randrange(cells).to_bytes(2)


def _empty(page: bytearray, chance: random.Random) -> None:
    page[3:5] = bytes(2)


def _moved(page: bytearray, chance: random.Random) -> None:
    """Cells in another order than that of their keys."""
    start = 12 if page[0] < 8 else 8
    cells = [page[at : at + 2] for at in range(start, start + 2 * int.from_bytes(page[3:5]), 2)]
    chance.shuffle(cells)
    page[start : start + 2 * len(cells)] = b"".join(cells)


@pytest.mark.parametrize("damage", [_noise, _shorter, _empty, _moved])
@pytest.mark.parametrize("table", ["ledger", "session"])
def test_no_row_is_missing_without_a_word(
    tmp_path: Path, damage: Callable[[bytearray, random.Random], None], table: str
) -> None:
    path = tmp_path / "book.db"
    with rollbook.open(path, user="ann") as book:
        fill(book)
        book.record_many(
            {"session_id": f"s{number % 300}", "usage_id": f"u{number}", "tokens_in": number} for number in range(5000)
        )
        whole = sorted(row.usage_id for row in book.iterate_usage())
    connection = apsw.Connection(str(path))
    pages = [row[0] for row in connection.execute("select pageno from dbstat where name = ?", (table,))]
    connection.close()
    good, chance, refused = path.read_bytes(), random.Random(3), 0
    for number in chance.sample(pages, min(12, len(pages))):
        data = bytearray(good)
        page = data[(number - 1) * PAGE : number * PAGE]
        damage(page, chance)
        data[(number - 1) * PAGE : number * PAGE] = page
        path.write_bytes(data)
        try:
            with rollbook.open(path, user="ann") as book:
                assert sorted(row.usage_id for row in book.iterate_usage()) == whole
        except StoreError:
            refused += 1
        for ending in ("-wal", "-shm"):
            path.with_name(f"book.db{ending}").unlink(missing_ok=True)
    assert refused > len(pages[:12]) // 2
