"""Gemini CLI's transcripts: where they are, and how one is read.

``docs/reference/importers/gemini-cli.md`` has each field with its meaning, and each trap with how it is handled.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path, PurePath
from typing import Final

from rollbook.importers import follow
from rollbook.importers import gemini_lines as lines
from rollbook.importers import gemini_places as places
from rollbook.importers.base import Batch, Context, Parser, read_lines
from rollbook.importers.follow import Found
from rollbook.importers.gemini_fold import AGENT, Transcript, load
from rollbook.importers.sessions import settle
from rollbook.ledger.ops import SourceFile

NAME: Final = AGENT
OLDER_CAP_BYTES: Final = 256 << 20  #: an older file is read as a whole; a larger one is not read
_BELOW: Final = (".gemini/tmp", "tmp")  #: where transcripts are below a home, and below the agent's own folder


class GeminiCli:
    """The source of Gemini CLI's transcripts."""

    name = NAME

    def roots(self, env: Mapping[str, str]) -> list[str]:
        """The agent's folder in its home: ``GEMINI_CLI_HOME``, or the user's own."""
        home = Path(env.get("GEMINI_CLI_HOME") or env.get("HOME") or Path.home()).expanduser()
        return [str(home / _BELOW[0])]

    def files(self, path: str, trouble: Callable[[str], None]) -> Iterator[Found]:
        """A transcript, a folder with some below it, the agent's own folder, or a home that has one."""
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
        known = (str(Path(path) / below) for below in _BELOW)
        root = next((below for below in known if follow.is_folder(below)), path)
        for found in follow.walk(root, places.is_transcript, trouble):
            if places.is_in_place(found.path):
                yield found

    def transcript(self, path: str) -> str | None:
        """The file itself, if it is named like a transcript."""
        return path if places.is_transcript(PurePath(path).name) and places.is_in_place(path) else None

    def read(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """What is new in one transcript."""
        if places.is_older(found.path):
            return self._older(found, known, context)

        def parser(state: bytes) -> Parser:
            return Transcript(found.path, state, context)

        return read_lines(NAME, found, known, parser)

    def settle(self, known: SourceFile, context: Context) -> Batch | None:
        """The ends of sessions whose last lines spoke of one, and that have been silent for long enough since."""
        return settle(AGENT, known, load(known.state), context)

    def _older(self, found: Found, known: SourceFile | None, context: Context) -> Iterator[Batch]:
        """A file that the agent writes anew as a whole: read as a whole whenever it has changed.

        One that is met while it is written is waited for: until then it stands as it stood.
        """
        text, stat = _whole(found.path)
        digest = blake2b(text, digest_size=16).hexdigest()
        state = b"" if known is None else known.state
        before = load(state)

        def mark(state: bytes, head_hash: str) -> SourceFile:
            return SourceFile(
                source=NAME,
                path=found.key,
                device=stat.st_dev,
                inode=stat.st_ino,
                size=stat.st_size,
                offset=0,  # nothing of it can be passed over when it has changed
                head_hash=head_hash,
                mtime_ns=stat.st_mtime_ns,
                state=state,
            )

        if known is not None and known.head_hash == digest:
            settled = settle(AGENT, mark(state, digest), before, context)
            yield settled or Batch(items=[], file=mark(state, digest))
            return
        held = lines.whole(text)
        if held.waits:
            yield Batch(items=[], file=mark(state, ""), read=len(text))
            return
        parser = Transcript(found.path, b"", context)
        parser.skipped = held.skipped
        if held.line is not None:
            parser.take(held.line)
        items = parser.drain(last=True)
        lost = max(0, parser.skipped - before.skipped)
        yield Batch(items=items, file=mark(parser.state(), digest), read=len(text), skipped=lost)


def _whole(path: str) -> tuple[bytes, os.stat_result]:
    """An older file's bytes, and what it was before they were read: if it changes meanwhile, it is read again."""
    with Path(path).open("rb") as file:
        stat = os.fstat(file.fileno())
        text = file.read(OLDER_CAP_BYTES + 1) if stat.st_size <= OLDER_CAP_BYTES else b""
    if max(stat.st_size, len(text)) > OLDER_CAP_BYTES:
        raise OSError(errno.EFBIG, f"larger than {OLDER_CAP_BYTES >> 20} MB, so it is not read")
    return text, stat
