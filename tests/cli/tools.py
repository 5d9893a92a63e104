"""What a run of the command leaves to look at."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROGRAM = (sys.executable, "-m", "rollbook")
_STYLES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Ran:
    """What a run of the command said, and how it ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)

    @property
    def line(self) -> str:
        """Standard error as the one line that it must be."""
        assert self.err.startswith("rollbook: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("rollbook: ").rstrip("\n")


@dataclass(frozen=True)
class Shown:
    """What a terminal was sent."""

    status: int
    raw: str

    @property
    def lines(self) -> list[str]:
        """The lines without their styles."""
        return _STYLES.sub("", self.raw).replace("\r\n", "\n").splitlines()


Run = Callable[..., Ran]
OnTerminal = Callable[..., Shown]
