"""Transcripts that Codex has packed: read as a stream, so that memory does not depend on what is in them.

A packed file is replaced and never appended to, so one that changed is read from its start again, which a book takes
without counting anything twice. What can be read of a damaged one is taken in; the damage is told at every import.
An archive may unpack to far more than anybody ever said to an agent: the rest of such a one is not read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from rollbook.importers import follow
from rollbook.importers.follow import Reading
from rollbook.ledger.ops import SourceFile

UNPACKED_MOST_BYTES: Final = 4 << 30  #: of one archive
_FREE_BYTES: Final = 64 << 20  #: up to which nobody asks how small the archive is
_RATIO_MOST: Final = 1000  #: beyond that; conversations reach a tenth of it
_TOO_LARGE: Final = "needs too much memory to be unpacked: its window is larger than 128 MB"
_MEMORY: Final = "too much memory"  #: what the unpacker says of an archive that asks for it


class Archive(Reading):
    """A packed file while it is read."""

    def _chunks(self) -> Iterator[bytes]:
        """What is in it, a bounded piece at a time."""
        # loaded when the first packed file is met: most transcripts are not
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415
        else:
            from backports import zstd  # noqa: PLC0415
        left = min(UNPACKED_MOST_BYTES, max(_FREE_BYTES, self._stat.st_size * _RATIO_MOST))
        with zstd.ZstdFile(self._file) as unpacked:
            while left > 0:
                try:
                    chunk = unpacked.read1(follow.BLOCK_BYTES)
                except EOFError:
                    self.damage = "the archive is cut off"
                    return
                except zstd.ZstdError as error:
                    self.damage = "the archive " + (_TOO_LARGE if _MEMORY in str(error) else "is damaged")
                    return
                if not chunk:
                    return
                left -= len(chunk)
                yield chunk
        self.damage = "the archive unpacks to more than a transcript would: the rest of it is not read"

    def _continues(self, known: SourceFile) -> bool:  # noqa: ARG002 - whatever is known
        """A packed file has no part that is known to be unchanged."""
        return False
