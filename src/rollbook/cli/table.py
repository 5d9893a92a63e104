"""Tables as lines of text: measured in columns of the terminal, shrunk or thinned out until they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

GAP: Final = "  "
ELLIPSIS: Final = "…"
_LEAST: Final = 4  #: narrower than this a cell says nothing

#: A piece of a line, and the style in which a terminal shows it.
Piece = tuple[str, str]
Line = list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column behaves where space is short, and how its cells look on a terminal."""

    title: str
    right: bool = False  #: numbers stand to the right
    least: int | None = None  #: it may be shortened down to this; None is never shortened
    from_left: bool = False  #: shortened at its start, where its end says more (paths)
    spare: int = 0  #: of columns above 0 the highest is left out first where shortening is not enough
    style: str = ""
    styles: Mapping[str, str] = field(default_factory=dict)  #: by what the cell says, before ``style``


def width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - only text beyond ASCII needs the tables

    return cell_len(text)


def shorten(text: str, most: int, *, from_left: bool = False) -> str:
    """At most that many columns of a text; never half of what is one character to a reader."""
    if width(text) <= most:
        return text
    if most < 1:
        return ""
    from rich.cells import split_graphemes  # noqa: PLC0415

    spans, _ = split_graphemes(text)
    kept: list[str] = []
    room = most - 1
    for start, end, cells in reversed(spans) if from_left else spans:
        if cells > room:
            break
        room -= cells
        kept.append(text[start:end])
    return ELLIPSIS + "".join(reversed(kept)) if from_left else "".join(kept).rstrip() + ELLIPSIS


def layout(columns: Sequence[Column], rows: Sequence[Sequence[str]], most: int | None) -> list[Line]:
    """The table's lines, heading first; all of it where ``most`` is None, else within that many columns."""
    shown = list(range(len(columns)))
    natural = [
        max(width(text) for text in (column.title, *(row[at] for row in rows))) for at, column in enumerate(columns)
    ]
    widths = _fit(columns, natural, shown, most)
    heading = [(column.title, "bold") for column in columns]
    lines = [_line(columns, shown, widths, heading)]
    for row in rows:
        cells = [(text, column.styles.get(text, column.style)) for text, column in zip(row, columns, strict=True)]
        lines.append(_line(columns, shown, widths, cells))
    return lines


def _fit(columns: Sequence[Column], natural: list[int], shown: list[int], most: int | None) -> list[int]:
    """How wide each column is; takes those out of ``shown`` for which there is no room."""
    if most is None:
        return natural
    while True:
        least = {at: min(natural[at], _least(columns[at], natural[at])) for at in shown}
        if sum(least.values()) + len(GAP) * (len(shown) - 1) <= most or len(shown) == 1:
            break
        spares = [at for at in shown if columns[at].spare]
        shown.remove(max(spares or shown, key=lambda at: (columns[at].spare, at)))
    widths = list(natural)
    excess = sum(widths[at] for at in shown) + len(GAP) * (len(shown) - 1) - most
    while excess > 0:
        # Of those that can give, the widest gives: a long title before an id, and both until they are equal.
        able = [at for at in shown if widths[at] > least[at]]
        if not able:
            widths[shown[0]] = max(_LEAST, widths[shown[0]] - excess)
            break
        widths[max(able, key=lambda at: widths[at])] -= 1
        excess -= 1
    return widths


def _least(column: Column, natural: int) -> int:
    return natural if column.least is None else max(column.least, width(column.title), _LEAST)


def _line(columns: Sequence[Column], shown: Sequence[int], widths: Sequence[int], cells: Sequence[Piece]) -> Line:
    line: Line = []
    for at in shown:
        text, style = cells[at]
        text = shorten(text, widths[at], from_left=columns[at].from_left)
        space = " " * (widths[at] - width(text))
        last = at == shown[-1]
        if line:
            line.append((GAP, ""))
        if columns[at].right:
            line += [(space, ""), (text, style)]
        else:
            line += [(text, style)] if last else [(text, style), (space, "")]
    return [piece for piece in line if piece[0]]


def plain(line: Line) -> str:
    """A line without its styles."""
    return "".join(text for text, _ in line).rstrip()
