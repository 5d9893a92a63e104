"""The importers: what agents left on disk, turned into sessions and usage.

Each source is one module with one class; a source is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rollbook.errors import InvalidInput

if TYPE_CHECKING:
    from rollbook.importers.base import Source
    from rollbook.importers.moving import Mover

SOURCES: Final = {
    "claude-code": ("rollbook.importers.claude_code", "ClaudeCode"),
    "codex": ("rollbook.importers.codex", "Codex"),
    "gemini-cli": ("rollbook.importers.gemini", "GeminiCli"),
    "opencode": ("rollbook.importers.opencode", "OpenCode"),
}

#: Other systems, whose own databases are read when they are named.
MOVERS: Final = {
    "cognee": ("rollbook.importers.cognee", "Cognee"),
    "zeph": ("rollbook.importers.zeph", "Zeph"),
    "claw": ("rollbook.importers.claw", "Claw"),
}

#: Transcripts made by hand, for those who have none yet: a folder for each source.
SAMPLES: Final = Path(__file__).parent / "samples"


def source(name: str) -> Source:
    """The source of that name."""
    if name not in SOURCES:
        raise InvalidInput(f"unknown source {name!r}; it is one of {', '.join((*SOURCES, *MOVERS))}")
    module, kind = SOURCES[name]
    made: Source = getattr(import_module(module), kind)()
    return made


def mover(name: str) -> Mover:
    """What reads the databases of the system of that name."""
    module, kind = MOVERS[name]
    made: Mover = getattr(import_module(module), kind)()
    return made
