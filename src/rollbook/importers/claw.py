"""claw-core's sessions: when each was started, and when it was ended. It knows nothing more of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rollbook.errors import InvalidInput
from rollbook.importers import cells
from rollbook.importers.foreign import Foreign
from rollbook.importers.move_items import Record, life, lived
from rollbook.importers.moving import Item, Move
from rollbook.ledger.ops import Facts
from rollbook.model import Status
from rollbook.rules import checks

SOURCE: Final = "claw"
_TABLE: Final = "sessions"
_COLUMNS: Final = ("id", "started_at", "ended_at")


class Claw:
    """Reads claw-core's databases."""

    name = SOURCE
    tables = (_TABLE,)
    urls = False

    def refuse(self, found: Foreign) -> str | None:
        held = found.columns(_TABLE)
        missing = [column for column in _COLUMNS if column not in held]
        return f"its table {_TABLE} has no column {missing[0]}" if missing else None

    def read(self, found: Foreign, move: Move) -> Iterator[Item]:
        for name, started, ended in found.each("claw_sessions", "id"):
            try:
                at = cells.moment(started, "started_at")
                closed = cells.moment(ended, "ended_at")
                record = Record(
                    user_id=move.user_id,
                    session_id=checks.session_id(cells.needed(name, "id")),
                    status=Status.RUNNING if ended is None else Status.COMPLETED,
                    started=at,
                    active=at if closed is None else closed,
                    ended=closed,
                    facts=Facts(agent=SOURCE),
                )
                yield from life(record, lived(record, move))
            except InvalidInput as error:
                move.report.skip(f"session {cells.shown(name)}", error)
