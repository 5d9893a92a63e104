"""Answers that are sent compressed to whoever takes them so: a page of sessions becomes a tenth."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import Final

import msgspec

from rollbook.server import wire
from rollbook.server.routing import Reply

PACKED: Final = ("content-encoding", "gzip")
_LEAST: Final = 512  #: bytes that are worth it
_LARGE: Final = 128 << 10  #: from which on a thread does it, so that nobody else waits
_LEVEL: Final = 1  #: a tenth larger than the best, in a third of its time
_JSON: Final = "application/json"
_NEVER: Final = ("q=0", "q=0.0", "q=0.00", "q=0.000")


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether whoever asks takes answers so."""
    said: dict[str, str] = {}
    for coding in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = coding.partition(";")
        said[name.strip()] = weight.replace(" ", "")
    weight = said.get("gzip", said.get("*", _NEVER[0]))  # what is said of it goes before what is said of all others
    return weight not in _NEVER


async def packed(reply: Reply) -> Reply:
    """The same answer, compressed where that is worth it."""
    if reply.media_type != _JSON or reply.content is None:
        return reply
    body = reply.content if isinstance(reply.content, bytes) else wire.encoded(reply.content)
    if len(body) < _LEAST:
        return msgspec.structs.replace(reply, content=body)
    if len(body) < _LARGE:
        small = gzip.compress(body, _LEVEL, mtime=0)
    else:
        small = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    return msgspec.structs.replace(reply, content=small, headers=(*reply.headers, PACKED, ("vary", "accept-encoding")))
