"""Taking keys and tokens out of what is said, before it is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from rollbook.errors import InvalidInput
from rollbook.rules import bodies, secrets

Redact = Callable[[str], str]
_BOXES: Final = (dict, list, tuple)


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
        if not isinstance(value, _BOXES):
            return value
        boxes = _boxes(value)
        if len(boxes) == 1:  # what is said mostly is
            return _with(value, self._changed(value))
        changed: dict[int, dict[Any, Any]] = {}  #: what becomes of items, by box and by name
        for at in reversed(range(len(boxes))):  # what is within a box comes before it
            box, outer, name = boxes[at]
            made = _with(box, {**changed.pop(at, {}), **self._changed(box)})
            if not at:
                return made
            if made is not box:
                changed.setdefault(outer, {})[name] = made
        raise AssertionError("the first box is the value itself")

    def _changed(self, box: Any) -> dict[Any, Any]:
        """What becomes of the texts in a list or an object, by name; nothing of those that are clean."""
        new: dict[Any, Any] = {}
        named = self._own is None and isinstance(box, dict)
        for key, item in _items(box):
            if isinstance(item, str):
                clean = self.text(item)
                if named and isinstance(key, str):
                    clean = secrets.named(key, clean)
                if clean is not item:
                    new[key] = clean
        return new

    def field(self, name: Any, value: Any) -> Any:
        """The value of a field, whose name may tell that it is a secret."""
        clean = self.value(value)
        if self._own is None and isinstance(clean, str) and isinstance(name, str):
            return secrets.named(name, clean)
        return clean


def _boxes(value: Any) -> list[tuple[Any, int, Any]]:
    """Every list and object within a value, each with the number of the one that it stands in and its name there.

    Not by recursion, whose bound depends on who calls. Raises InvalidInput where they are within each other too deeply.
    """
    found: list[tuple[Any, int, Any]] = []
    waiting: list[tuple[Any, int, Any, int]] = [(value, -1, None, 1)]
    while waiting:
        box, outer, name, depth = waiting.pop()
        if depth > bodies.MAX_DEPTH:
            raise bodies.deep("what is to be stored")
        at = len(found)
        found.append((box, outer, name))
        for key, item in _items(box):
            if isinstance(item, _BOXES):
                waiting.append((item, at, key, depth + 1))
    return found


def _items(box: Any) -> Iterable[tuple[Any, Any]]:
    return box.items() if isinstance(box, dict) else enumerate(box)


def _with(box: Any, changed: dict[Any, Any]) -> Any:
    """A list or an object with other items; itself where nothing changes."""
    if not changed:
        return box
    if isinstance(box, dict):
        return {**box, **changed}
    return [changed.get(at, item) for at, item in enumerate(box)]


def redact(text: str) -> str:
    """What a book does to every text unless it is told otherwise: keys, tokens and passwords become ``[redacted:…]``.

    A function of your own can begin or end with it.
    """
    return secrets.default(text)
