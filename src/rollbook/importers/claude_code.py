"""Claude Code's transcripts: where they are, and how one is read.

``docs/reference/importers/claude-code.md`` has each field with its meaning, and each trap with how it is handled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from rollbook.importers import follow
from rollbook.importers.base import Batch, Context, Parser, read_lines
from rollbook.importers.claude_fold import AGENT, Transcript, load
from rollbook.importers.follow import Found
from rollbook.importers.sessions import settle
from rollbook.ledger.ops import SourceFile

NAME: Final = "claude-code"


class ClaudeCode:
    """The source of Claude Code's transcripts."""

    name = NAME

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """``CLAUDE_CONFIG_DIR`` (several by commas) where it is set; else the two folders that versions have used."""
        given = [place.strip() for place in env.get("CLAUDE_CONFIG_DIR", "").split(",")]
        homes = [Path(place).expanduser() for place in given if place]
        if not homes:
            home = Path(env.get("HOME") or Path.home())
            homes = [home / ".claude", Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "claude"]
        return [str(folder / "projects") if folder.name != "projects" else str(folder) for folder in homes]

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """A transcript, a project's folder, a folder of projects, or a configuration folder that has one."""
        if not follow.is_folder(path):
            try:
                found = follow.look(path)
            except OSError as error:
                trouble(follow.reason(path, error))
                return
            if found is None:
                trouble(f"{follow.as_key(path)}: not a regular file")
            else:
                yield found
            return
        below = str(Path(path) / "projects")
        yield from follow.walk(below if follow.is_folder(below) else path, _is_transcript, trouble)

    def transcript(self, path: str) -> str | None:
        """The file itself, if it is named like a transcript."""
        return path if _is_transcript(path) else None

    def read(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """What is new in one transcript."""

        def parser(state: bytes) -> Parser:
            return Transcript(found.path, state, context)

        return read_lines(NAME, found, known, parser)

    def settle(self, known: SourceFile, context: Context) -> Batch | None:
        """The ends of sessions whose last lines spoke of one, and that have been silent for long enough since."""
        return settle(AGENT, known, load(known.state), context)


def _is_transcript(name: str) -> bool:
    return name.endswith(".jsonl")
