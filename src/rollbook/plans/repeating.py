"""Plans for requests that may come again: replies that are kept under their idempotency keys."""

from __future__ import annotations

from rollbook.core import Plan, Read, Write, one
from rollbook.errors import Stale
from rollbook.ledger import notes
from rollbook.ledger.ops import ForgetNotes, Note, Together
from rollbook.plans.reading import ReadPlans


class RepeatPlans(ReadPlans):
    """Methods for whoever serves a book to others."""

    def kept_reply(self, name: str) -> Plan[str | None]:
        """What was kept under a name of one's own, unless it has expired."""
        now = self.clock()
        answer: str | None = yield Read(lambda tx: notes.kept(tx, self.user_id, notes.ANSWER, name, now=now))
        return answer

    def keep_reply(self, name: str, value: str, *, expires_at: int) -> Plan[str]:
        """Keep a reply as JSON text until a time (microseconds UTC); what is kept then, which may be another's."""
        note = Note(notes.ANSWER, name, 0, value, expires_at)
        try:
            one((yield Write([Together(user_id=self.user_id, user_name=self.user_name, notes=(note,))])))
        except Stale:
            return (yield from self.kept_reply(name)) or value
        return value

    def forget_notes(self) -> Plan[int]:
        """Remove what was kept of requests and telemetry and has expired; how much it was."""
        total = 0
        while True:
            gone: int = one((yield Write([ForgetNotes(before=self.clock())])))
            total += gone
            if gone < notes.FORGOTTEN_AT_ONCE:
                return total
