"""Taking keys and tokens out of what is said, before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Redact = Callable[[str], str]


class Redactor:
    """A hook that every text goes through at the book's door."""

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact or str

    def text(self, value: str) -> str:
        return self._redact(value)

    def value(self, value: Any) -> Any:
        """Plain JSON values with every text in them redacted; keys stay as they are."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value
