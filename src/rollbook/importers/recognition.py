"""Whose transcripts lie at a path: those of the source that understands them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rollbook.importers.base import Context, Item, Source
from rollbook.importers.follow import Found
from rollbook.importers.runs import existing
from rollbook.ledger.ops import Call
from rollbook.settings import LOCAL_USER

FILES_MOST: Final = 20  #: that are read of one source before it is taken to know nothing there


def absent(path: str) -> bool:
    """Whether there is nothing at a path, but may be some day. Raises InvalidInput for what can be no path."""
    if not path or "\0" in path:
        existing(path)
    try:
        Path(path).expanduser().stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError, RuntimeError):
        return False
    return False


def understood(path: str, sources: Iterable[Source], now: int) -> list[Source]:
    """The sources that find calls at a path (in a file, or the first files of a folder), or else find anything.

    Agents' lines resemble one another in who said something when, and hardly in what it used.
    """
    place = existing(path)
    context = Context(user_id=LOCAL_USER, now=now, price=_no_price)
    depths = [(source, _depth(source, place, context)) for source in sources]
    deepest = max((depth for _, depth in depths), default=0)
    return [source for source, depth in depths if depth == deepest > 0]


def _depth(source: Source, path: str, context: Context) -> int:
    """How well a source understands what is there: 2 for calls, 1 for anything else, 0 for nothing."""
    named = (found for found in source.files(path, lambda _: None) if source.transcript(found.path) is not None)
    depth = 0
    for found in itertools.islice(named, FILES_MOST):
        for item in _items(source, found, context):
            depth = 1
            if isinstance(item, Call):
                return 2
    return depth


def _items(source: Source, found: Found, context: Context) -> Iterator[Item]:
    """What a source makes of a file; of one that cannot be read nothing."""
    try:
        for batch in source.read(found, None, context):
            yield from batch.items
    except Exception:  # noqa: BLE001 - it was made to read its own files, and this may be anything
        return


def _no_price(*_: object, **__: object) -> None:
    """What calls cost is no matter here."""
