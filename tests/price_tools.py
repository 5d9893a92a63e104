"""Price files as the tests write them, and what a call costs by them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rollbook import Tokens
from rollbook.model import to_micros
from rollbook.pricing import Prices

ONE_EACH: Final = Tokens(input=1, cache_read=1, cache_write=1, cache_write_1h=1, output=1, reasoning=1, audio_in=1)
Write = Callable[[str], Prices]


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


AT: Final = micros("2026-01-15T12:00:00")


def writing(folder: Path) -> Write:
    """Prices by a file of that text, below a version."""

    def writes(text: str) -> Prices:
        path = folder / "prices.toml"
        path.write_text(f'version = "acme-1"\n{text}', encoding="utf-8")
        return Prices(path)

    return writes


def entry(model: str, *lines: str, cost: float = 1) -> str:
    return "\n".join(("[[price]]", f'model = "{model}"', f"input = {cost}", f"output = {cost}", *lines)) + "\n"


def nano(prices: Prices, model: str, provider: str | None = None, at: int = AT, **more: Any) -> int | None:
    found = prices(model, provider, more.pop("tokens", Tokens(input=1)), at, **more)
    return None if found is None else found.cost_nano
