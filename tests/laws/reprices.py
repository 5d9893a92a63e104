"""Two price files, an older and a newer one, and what the tests of repricing do with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

import rollbook
from rollbook.ledger import reprice as repricing
from rollbook.model import MICROS, from_micros

from .tools import HOUR, NOW, user

START: Final = NOW - 4 * HOUR
OTHER: Final = user(1)

OLD: Final = """
version = "old"
[[price]]
model = "m1"
input = 1
output = 5
[[price]]
model = "m1"
tier = "batch"
input = 0.5
output = 2.5
[[price]]
model = "m2"
input = 0.3
output = 0.7
per_request = 0.001
"""
NEW: Final = """
version = "new"
[[price]]
model = "m1"
input = 0.25
output = 5
cache_read = 0.01
bands = [{ above = 500, input = 0.75 }]
[[price]]
model = "m1"
tier = "batch"
input = 0.5
output = 2.5
[[price]]
model = "m2"
input = 0.3
output = 0.7
per_request = 0.001
[[price]]
model = "m2"
from = @day
input = 0.333333
output = 1
[[price]]
model = "m3"
input = 4
output = 4
[[price]]
model = "m3"
tier = "batch"
free = true
"""


def old_prices(folder: Path) -> str:
    return price_file(folder, OLD)


def new_prices(folder: Path) -> str:
    return price_file(folder, NEW.replace("@day", str(from_micros(START - 12 * HOUR).date())))


def price_file(folder: Path, text: str) -> str:
    path = folder / "prices.toml"
    path.write_text(text)
    return str(path)


@contextmanager
def short_steps(rows: int) -> Iterator[None]:
    """Steps that end in the midst of sessions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repricing, "STEP", rows)
        yield


def record(book: rollbook.Rollbook, usage_id: str, model: str | None = "m1", session: str = "s", **more: Any) -> None:
    more = {"tokens_in": 100, "occurred_at": START / MICROS, **more}
    book.record_usage(session, usage_id=usage_id, model=model, **more)
