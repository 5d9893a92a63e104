"""Transcripts that Codex has packed: read as a stream, so that memory does not depend on what is in them.

A packed file is replaced and never appended to, so one that changed is read from its start again, which a book takes
without counting anything twice. What can be read of a damaged one is taken in; the damage is told at every import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rollbook.importers import follow
from rollbook.importers.follow import Reading
from rollbook.ledger.ops import SourceFile


class Archive(Reading):
    """A packed file while it is read."""

    def _chunks(self) -> Iterator[bytes]:
        """What is in it, a bounded piece at a time."""
        # loaded when the first packed file is met: most transcripts are not
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415
        else:
            from backports import zstd  # noqa: PLC0415
        with zstd.ZstdFile(self._file) as unpacked:
            while True:
                try:
                    chunk = unpacked.read1(follow.BLOCK_BYTES)
                except EOFError:
                    self.damage = "the archive is cut off"
                    return
                except zstd.ZstdError:
                    self.damage = "the archive is damaged"
                    return
                if not chunk:
                    return
                yield chunk

    def _continues(self, known: SourceFile) -> bool:  # noqa: ARG002 - whatever is known
        """A packed file has no part that is known to be unchanged."""
        return False
