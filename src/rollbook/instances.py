"""What a book answers of the processes that run sessions: instances, and those that were found dead."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A process that runs sessions of a book, or ran them."""

    instance_id: str
    host: str  #: a name to show; two machines may have the same
    pid: int
    registered_at: datetime
    last_beat_at: datetime
    ended_at: datetime | None  #: when it was presumed dead
    #: alive; dead; ended (dead, and what it ran was marked); silent (for longer than its lease); unknown (this machine
    #: cannot tell)
    state: str
    reason: str | None = None  #: why it is taken for dead


class Crashed(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was presumed crashed with the process that ran it."""

    session_id: str
    user_id: str
    instance_id: str
    reason: str


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What ``reconcile`` found and marked."""

    looked_at: int  #: instances that had not ended
    undecided: int  #: of them, those of which this machine cannot tell
    instances: list[Instance]  #: those that were presumed dead
    sessions: list[Crashed]  #: what they ran, as far as it is to be seen
    hidden: int = 0  #: sessions of other users that were marked too


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A session in a tree of sessions, with what it and everything below it come to."""

    depth: int  #: 0 for the session that was asked for
    session_id: str
    user_id: str
    parent_id: str | None
    status: str
    effective_status: str
    agent: str | None
    title: str | None
    calls: int
    cost_usd: float | None
    unpriced_calls: int
    cost_nano_usd: int
    sessions: int  #: itself and everything below it, and what those come to
    inclusive_calls: int
    inclusive_cost_usd: float | None
    inclusive_unpriced_calls: int
    inclusive_cost_nano_usd: int
