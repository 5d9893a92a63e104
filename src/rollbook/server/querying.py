"""What the language of queries knows, for a box that completes what is written into it."""

from __future__ import annotations

from typing import Final

import msgspec

from rollbook.ledger.fields import QueryField
from rollbook.server import asked as kinds
from rollbook.server.routing import At, Route


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sessions are meant."""

    user_id: kinds.OfUser | None = None


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of queries."""

    fields: list[QueryField]


async def fields(at: At, asked: Whose) -> Fields:
    """All of them, with values that occur in what may be seen."""
    return Fields(fields=await at.book.query_fields(user_id=asked.user_id))


ROUTES: Final = (
    Route(
        method="GET", path="/api/v1/sessions/fields", answer=fields, takes=Whose, gives=Fields,
        does="What a query can ask for, with values that occur.",
    ),
)  # fmt: skip
