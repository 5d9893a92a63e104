"""The plan under every export: the ledger and the sessions, step by step."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from rollbook.core import Plan
from rollbook.errors import InvalidInput
from rollbook.ledger import exports
from rollbook.ledger.exports import Extract, Place
from rollbook.plans.reading import ReadPlans, Since, User, asked_for
from rollbook.rules import checks

_MOST: Final = 100_000


class ExportPlans(ReadPlans):
    """Reading everything there is."""

    def extract(
        self,
        *,
        what: str = "usage",
        status: str | None = None,
        since: Since = None,
        kind: str | None = None,
        channel: str | None = None,
        agent: str | None = None,
        project: str | None = None,
        model: str | None = None,
        user_id: User = None,
        dataset_id: str | UUID | None = None,
        tag: str | None = None,
        text: str | None = None,
        limit: int = exports.STEP,
        after: Place | None = None,
    ) -> Plan[Extract]:
        """One step over all ``usage`` or all ``sessions``, in an order that never changes; see ``iterate_usage``.

        Looks at the next ``limit`` rows behind ``after`` of the step before, and answers those that fit, as plain
        values in the order of the struct's fields, with times as microseconds since 1970.
        """
        checks.one_of(what, "kind of rows", exports.WHATS)
        if checks.count(limit, "limit", _MOST) < 1:
            raise InvalidInput("limit must be at least 1")
        clock = self.now()
        now = clock.now
        if after is not None:  # a range and a silence are measured from one time, however long it all takes
            clock = msgspec.structs.replace(clock, now=after.now)
        asked = asked_for(
            clock.now, since=since, status=status, dataset_id=dataset_id, kind=kind, channel=channel, agent=agent,
            project=project, model=model, tag=tag, text=text,
        )  # fmt: skip
        answer: Extract = yield self._look(
            user_id, exports.step, asked, clock, now=now, what=what, after=after, most=limit
        )
        return answer
