"""Named SQL statements, read from ``.sql`` files: ``-- name --``, a comment that says what it does, the statement.

A statement may hold words in braces. ``{values}`` becomes rows of placeholders; the driver's dialect gives the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

_HEADER: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)
#: The package's own folder. (``importlib.resources`` takes longer to load than a status line may take.)
_PACKAGE: Final = Path(__file__).parents[1]
_WORD: Final = re.compile(r"\{(\w+)\}")


@cache
def load(room: str) -> dict[str, str]:
    """The statements of one room's ``queries.sql`` by name."""
    text = (_PACKAGE / room / "queries.sql").read_text("utf-8")
    parts = _HEADER.split(text)
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{room}/queries.sql names {name} twice")
        lines = (line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("--"))
        found[name] = "\n".join(lines)
    return found


@cache
def migrations(dialect: str = "sqlite") -> tuple[tuple[int, str, str], ...]:
    """The numbered migrations: number, name, text.

    What only one engine has stands in a file of its own, ``0003_journal.sqlite.sql``, and comes after the common text.
    """
    found: dict[tuple[int, str], str] = {}
    for item in sorted(
        (_PACKAGE / "store" / "migrations").glob("*.sql"), key=lambda item: (item.stem.count("."), item)
    ):
        stem, _, only = item.stem.partition(".")
        if only in ("", dialect):
            number, _, name = stem.partition("_")
            key = (int(number), name)
            found[key] = found.get(key, "") + item.read_text("utf-8")
    return tuple((number, name, text) for (number, name), text in sorted(found.items()))


def spell(text: str, words: Mapping[str, str]) -> str:
    """Replace the dialect's words; a brace that the dialect does not know is left for later."""
    return _WORD.sub(lambda match: words.get(match[1], match[0]), text)
