"""Rollbook: one durable record of every agent session, and books that balance.

>>> import rollbook
>>> with rollbook.open("sqlite:///:memory:") as book:
...     book.record_usage("s1", tokens_in=1000, tokens_out=200, cost_usd=0.01)
<Outcome.COUNTED: 'counted'>
"""

from rollbook.book import Rollbook, open  # noqa: A004 - rollbook.open is the door, as gzip.open is
from rollbook.errors import (
    Conflict,
    Gone,
    InvalidInput,
    NotFound,
    NotSupported,
    Overloaded,
    RollbookError,
    StoreError,
)
from rollbook.model import Outcome, Session, Tokens, Usage, to_dict

__version__ = "0.1.0"

__all__ = [
    "Conflict",
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
    "open",
    "to_dict",
]
