"""Where a command's answer goes: a terminal, with its width and colours, or a pipe, plain and whole."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rollbook.cli import table
from rollbook.cli.format import clean
from rollbook.cli.table import Column, Line
from rollbook.errors import RollbookError
from rollbook.model import to_dict

if TYPE_CHECKING:
    from rich.console import Console

LEAST_WIDTH: Final = 20  #: of a terminal that says it is narrower, or says nothing
_LEAST_VALUE: Final = 8  #: columns that a value gets beside its name


def ask(question: str, what: str, otherwise: str) -> None:
    """Ask before something is gone for good. Raises RollbookError where the answer is no, or nobody is there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RollbookError(f"{what} asks first, and here is nobody to ask; say --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise RollbookError(otherwise)


class Screen:
    """Standard output, as a terminal or as a pipe."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        #: Columns to stay within; None where nothing may be cut off.
        self.width = max(LEAST_WIDTH, shutil.get_terminal_size().columns) if self.terminal else None
        self._console: Console | None = None

    def json(self, answer: Any) -> None:
        """One JSON document. ASCII, so that no character in it can do anything to a terminal or be lost on the way."""
        sys.stdout.write(json.dumps(to_dict(answer), indent=2, allow_nan=False) + "\n")

    def line(self, *pieces: str | tuple[str, str]) -> None:
        """One line; a piece may come with a style. On a terminal the line is cut off where it ends."""
        self._put([(piece, "") if isinstance(piece, str) else piece for piece in pieces])

    def heading(self, text: str) -> None:
        """The name of what follows, with a free line before it."""
        self.line()
        self.line((text, "bold cyan"))

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
        """A table that fits the terminal, or a whole one in a pipe."""
        for line in table.layout(columns, rows, self.width):
            self._put(line)

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and their values, one under the other; values are shown whole."""
        space = max(len(name) for name, _ in rows) + 2
        for name, value in rows:
            for first, part in enumerate(self._folded(value, space)):
                self._put([(("" if first else name).ljust(space), "bold"), (part, "")])

    def paragraph(self, text: str, indent: int, style: str = "") -> None:
        """One line of a longer text, indented and folded: all of it is shown."""
        for part in self._folded(text, indent):
            self._put([(" " * indent if part else "", ""), (part, style)])

    def _folded(self, value: str, space: int) -> list[str]:
        """A value on as many lines as it takes beside its name."""
        if self.width is None or table.width(value) <= self.width - space:
            return [value]
        from rich.text import Text  # noqa: PLC0415

        lines = Text(value).wrap(self._styled(), max(_LEAST_VALUE, self.width - space), overflow="fold")
        return [line.plain.rstrip() for line in lines]

    def _put(self, line: Line) -> None:
        if not self.terminal:
            sys.stdout.write(table.plain(line) + "\n")
            return
        from rich.text import Text  # noqa: PLC0415 - pipes do without

        text = Text.assemble(*line)
        text.rstrip()
        self._styled().print(text, no_wrap=True, overflow="ellipsis")

    def _styled(self) -> Console:
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415

            self._console = Console(
                file=sys.stdout, force_terminal=True, width=self.width, highlight=False, markup=False, emoji=False
            )
        return self._console


def say(message: str) -> None:
    """A message to the person, beside the answer."""
    sys.stderr.write(f"rollbook: {clean(message)}\n")
