"""Rollbook: one durable record of every agent session, and books that balance.

>>> import rollbook
>>> with rollbook.open("sqlite:///:memory:") as book:
...     book.record_usage("s1", tokens_in=1000, tokens_out=200, cost_usd=0.01)
<Outcome.COUNTED: 'counted'>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollbook import aio
    from rollbook.book import Rollbook, open  # noqa: A004 - rollbook.open is the door, as gzip.open is
    from rollbook.errors import (
        Conflict,
        Forbidden,
        Gone,
        InvalidInput,
        NotFound,
        NotSupported,
        Overloaded,
        RollbookError,
        StoreError,
    )
    from rollbook.model import Outcome, Session, Tokens, Usage, to_dict
    from rollbook.rules.redaction import redact

__version__ = "0.1.0"

__all__ = [
    "Conflict",
    "Forbidden",
    "Gone",
    "InvalidInput",
    "NotFound",
    "NotSupported",
    "Outcome",
    "Overloaded",
    "Rollbook",
    "RollbookError",
    "Session",
    "StoreError",
    "Tokens",
    "Usage",
    "aio",
    "open",
    "redact",
    "to_dict",
]

_ROOMS = {
    "aio": "rollbook.aio",
    "Rollbook": "rollbook.book",
    "open": "rollbook.book",
    "redact": "rollbook.rules.redaction",
    **dict.fromkeys(("Outcome", "Session", "Tokens", "Usage", "to_dict"), "rollbook.model"),
}


def __getattr__(name: str) -> Any:
    """Load a name where it is first used: a command that only shows its version opens no database."""
    if name not in __all__:
        raise AttributeError(f"module 'rollbook' has no attribute {name!r}")
    room = import_module(_ROOMS.get(name, "rollbook.errors"))
    found = room if name == "aio" else getattr(room, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
