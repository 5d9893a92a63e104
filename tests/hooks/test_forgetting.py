"""An agent on another machine that was killed: nobody sees its end, and it is not kept for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine

from rollbook.book import Rollbook
from rollbook.hooks import claude_code
from rollbook.model import MICROS, from_micros
from rollbook.rules.liveness import Known

T0 = 1_790_000_000 * MICROS


def test_processes_that_cannot_be_seen_are_forgotten(book: Rollbook) -> None:
    event = {"hook_event_name": "SessionStart", "session_id": "s"}
    known = Known("far away", "boot", "pid:[1]", 7, "8", 0)
    with time_machine.travel(from_micros(T0), tick=False) as clock:
        ops: Any = claude_code.ops(event, at=T0, user_id=book.user_id, process=known)
        book.ingest(ops)
        with book.session("mine"):
            clock.shift(timedelta(days=6))
            assert book.reconcile(wait=False).undecided == 1
            assert book.instance("s") is not None
            clock.shift(timedelta(days=2))
            book.reconcile(wait=False)
            assert book.reconcile(wait=False).looked_at == 0
            assert book.instance("s") is None
            assert book.get("s").status == "running"
            assert book.get("s").effective_status == "abandoned"
            assert book.instance("mine") is not None
    assert book.verify().ok
