"""Named SQL statements, read from ``.sql`` files: ``-- name --``, a comment that says what it does, the statement.

A statement may hold words in braces. ``{values}`` becomes rows of placeholders; the driver's dialect gives the others.
What one engine has to say in its own way stands in ``queries.ENGINE.sql`` beside it, under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from rollbook.store import tables

_HEADER: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)
#: The package's own folder. (``importlib.resources`` takes longer to load than a status line may take.)
_PACKAGE: Final = Path(__file__).parents[1]
_FROM: Final = re.compile(r"^-- Writable from schema (\d+)\.$", re.MULTILINE)
_WORD: Final = re.compile(r"\{(\w+)\}")
_OWN: Final = re.compile(r"(?<!:):(?=asked_\w)(\w+)")


class Piece(NamedTuple):
    """A fragment that may stand several times in one statement, each time with values of its own.

    Its placeholders that begin with ``asked_`` get its number behind them.
    """

    name: str
    number: int = 0
    words: tuple[tuple[str, str], ...] = ()  #: its own braces, with the fragments that fill them
    negated: bool = False


class AnyOf(NamedTuple):
    """Pieces of which one must hold, or none."""

    pieces: tuple[Piece, ...]
    negated: bool = False


#: What fills a word in braces: a fragment, or conditions that must all hold.
Filling = str | tuple[AnyOf, ...]


@cache
def load(room: str, dialect: str = "sqlite") -> dict[str, str]:
    """The statements of one room by name, as an engine takes them."""
    own = _PACKAGE / room / f"queries.{dialect}.sql"
    found = _parsed(_PACKAGE / room / "queries.sql")
    return found | _parsed(own) if own.exists() else found


def _parsed(path: Path) -> dict[str, str]:
    parts = _HEADER.split(path.read_text("utf-8"))
    found: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in found:
            raise ValueError(f"{path.name} names {name} twice")
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


def writable_from(text: str) -> int | None:
    """The oldest schema whose library may still write after a migration, if its text says one."""
    found = _FROM.findall(text)
    return max(map(int, found)) if found else None


def spell(text: str, words: Mapping[str, str]) -> str:
    """Replace the dialect's words; a brace that the dialect does not know is left for later."""
    return _WORD.sub(lambda match: words.get(match[1], match[0]), text)


def named(room: str, name: str, dialect: str, words: Mapping[str, str]) -> str:
    """A statement of a room; another room's is named with it (``journal.head_of``), and a table (``every@ledger``)."""
    name, at, table = name.partition("@")
    other, dotted, short = name.partition(".")
    text = load(other, dialect)[short] if dotted else load(room, dialect)[name]
    return spell(spell(text, tables.words(table)) if at else text, words)


def _filled(known: Mapping[str, str], filling: Filling) -> str:
    if isinstance(filling, str):
        return known[filling]
    return "\n    and ".join(
        f"{'not ' * choice.negated}({' or '.join(_spelt(known, piece) for piece in choice.pieces)})"
        for choice in filling
    )  # fmt: skip


def _spelt(known: Mapping[str, str], piece: Piece) -> str:
    text = spell(known[piece.name], {word: known[part] for word, part in piece.words})
    text = _OWN.sub(rf":\1_{piece.number}", text)
    return f"{'not ' * piece.negated}({text})"


def composed(room: str, name: str, parts: Mapping[str, Filling], dialect: str, words: Mapping[str, str]) -> str:
    """A statement, or ``room.statement``, whose words are filled with fragments of the room ``room`` by their names."""
    known = load(room, dialect)
    other, dotted, short = name.partition(".")
    text = load(other, dialect)[short] if dotted else known[name]
    filled = {word: _filled(known, part) for word, part in parts.items()}
    # Twice, because a fragment may itself hold a word.
    return spell(spell(spell(text, filled), filled), words)
