"""Compressed bodies, inflated no further than allowed: a small body that would become a huge one never does."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from rollbook.errors import InvalidInput, TooLarge, Unsupported

_CHUNK: Final = 64 * 1024
_MOST_MEMBERS: Final = 1_000  # of gzip; bgzip makes one of 64 kB each
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS


def inflated(body: bytes, encoding: str, most: int) -> bytes:
    """What a body with this Content-Encoding says, at most ``most`` bytes of it.

    Raises:
        TooLarge: it is longer than that, as it came or inflated.
        InvalidInput: it is not compressed as it says, or it is cut off.
        Unsupported: any encoding but gzip, deflate and identity.
    """
    word = encoding.strip().lower()
    if word not in _WAYS:
        raise Unsupported(f"Content-Encoding {encoding!r} is not read here: send gzip, deflate or nothing")
    if len(body) > most:
        raise TooLarge(f"the body has {len(body)} bytes; at most {most} are taken: send smaller batches")
    ways = _WAYS[word]
    for place, window in enumerate(ways):
        try:
            return b"".join(_pieces(body, window, most))
        except zlib.error as error:
            if place == len(ways) - 1:
                raise InvalidInput(f"the body is not {word}, though its Content-Encoding says so: {error}") from error
    return body


# "deflate" is zlib by the book, and raw deflate from some who did not read it.
_WAYS: Final[dict[str, tuple[int, ...]]] = {
    "": (),
    "identity": (),
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    "deflate": (_ZLIB, _RAW),
}


def _pieces(body: bytes, window: int, most: int) -> Iterator[bytes]:
    room = most + 1  # the one byte too many is how we know
    members, engine = 1, zlib.decompressobj(window)
    for start in range(0, len(body), _CHUNK):
        chunk = body[start : start + _CHUNK]
        while chunk:
            if engine.eof:
                if not chunk.strip(b"\0"):
                    break  # padding
                members, engine = _next_member(members, window)
            piece = engine.decompress(chunk, room)
            room -= len(piece)
            if room <= 0:
                raise TooLarge(f"inflated, the body has more than {most} bytes: send smaller batches")
            yield piece
            chunk = engine.unused_data
    if body and not engine.eof:
        raise InvalidInput("the compressed body is cut off: send it again, whole")


def _next_member(members: int, window: int) -> tuple[int, zlib._Decompress]:
    if window != _GZIP:
        raise zlib.error("there is more after its end")
    if members >= _MOST_MEMBERS:
        raise InvalidInput(f"the body has more than {_MOST_MEMBERS} gzip members: compress it in one")
    return members + 1, zlib.decompressobj(window)
