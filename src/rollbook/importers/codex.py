"""Codex's transcripts: where they are, and how one is read.

``docs/reference/importers/codex.md`` has each field with its meaning, and each trap with how it is handled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Final

from rollbook.importers import follow
from rollbook.importers.base import Batch, Context, Parser, read_lines
from rollbook.importers.codex_fold import AGENT, Transcript, load
from rollbook.importers.codex_zst import Archive
from rollbook.importers.follow import Found
from rollbook.importers.sessions import settle
from rollbook.ledger.ops import SourceFile

NAME: Final = "codex"
_PLACES: Final = ("sessions", "archived_sessions")
_PACKED: Final = ".zst"


class Codex:
    """The source of Codex's transcripts."""

    name = NAME

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """``CODEX_HOME`` where it is set, else ``~/.codex``: in each the active sessions and the archived ones."""
        given = env.get("CODEX_HOME", "").strip()
        home = Path(given).expanduser() if given else Path(env.get("HOME") or Path.home()) / ".codex"
        return [str(home / place) for place in _PLACES]

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """A transcript, a folder of them, or a home of Codex that has such folders."""
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
        below = [str(Path(path) / place) for place in _PLACES]
        for place in [place for place in below if follow.is_folder(place)] or [path]:
            yield from follow.walk(place, _is_transcript, trouble)

    def transcript(self, path: str) -> str | None:
        """The file itself, if it is named like a transcript."""
        return path if _is_transcript(PurePath(path).name) else None

    def read(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """What is new in one transcript."""

        def parser(state: bytes) -> Parser:
            return Transcript(found.path, state, context)

        return read_lines(NAME, found, known, parser, Archive if found.path.endswith(_PACKED) else follow.Reading)

    def settle(self, known: SourceFile, context: Context) -> Batch | None:
        """The ends of sessions whose last lines spoke of one, and that have been silent for long enough since."""
        return settle(AGENT, known, load(known.state), context)


def _is_transcript(name: str) -> bool:
    return name.startswith("rollout-") and name.endswith((".jsonl", ".jsonl.zst"))
