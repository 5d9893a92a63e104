"""Taking keys and tokens out of what is said, before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollbook.errors import InvalidInput
from rollbook.rules import secrets

Redact = Callable[[str], str]


class Redactor:
    """What every text goes through at the book's door: :func:`redact`, or a function of the user's own."""

    def __init__(self, own: Redact | None = None) -> None:
        if own is not None and not callable(own):
            raise InvalidInput(f"redact must be a function of a text, True or False, not {type(own).__name__}")
        self._own = own

    @property
    def shipped(self) -> bool:
        """Whether it is the one that every process has: a user's own function stays in the process that has it."""
        return self._own is None

    def text(self, value: str) -> str:
        """A text as it may be stored. Raises InvalidInput where the user's own function fails."""
        if self._own is None:
            return secrets.default(value)
        try:
            said = self._own(value)
        except Exception as error:
            # Not what it says: that may quote the text.
            raise InvalidInput(f"the redact function raised {type(error).__name__}; nothing was stored") from error
        if not isinstance(said, str):
            raise InvalidInput(f"the redact function answered {type(said).__name__}, not text; nothing was stored")
        return said

    def value(self, value: Any) -> Any:
        """Plain JSON values with every text in them redacted. Keys stay; what is clean is answered as it was given."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self._fields(value)
        if isinstance(value, list | tuple):
            items = [self.value(item) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else items
        return value

    def field(self, name: Any, value: Any) -> Any:
        """The value of a field, whose name may tell that it is a secret."""
        clean = self.value(value)
        if self._own is None and isinstance(clean, str) and isinstance(name, str):
            return secrets.named(name, clean)
        return clean

    def _fields(self, value: dict[Any, Any]) -> dict[Any, Any]:
        changed = {}
        for key, item in value.items():
            new = self.field(key, item)
            if new is not item:
                changed[key] = new
        return {**value, **changed} if changed else value


def redact(text: str) -> str:
    """What a book does to every text unless it is told otherwise: keys, tokens and passwords become ``[redacted:…]``.

    A function of your own can begin or end with it.
    """
    return secrets.default(text)
