"""What callers and doors ask of a book, already checked: one frozen struct per operation.

Times are integer microseconds UTC, money is integer nano-dollars, users are dashed UUIDs.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from rollbook.access.ops import OfAccess
from rollbook.journal.steps import Step
from rollbook.model import Evidence, Tokens
from rollbook.rules.liveness import Known


class Facts(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What is said of a session. Of dataset … parent the first value by time stays, of the others the latest (R1)."""

    dataset_id: str | None = None
    kind: str | None = None
    channel: str | None = None
    agent: str | None = None
    project: str | None = None
    parent_id: str | None = None
    parent_user_id: str | None = None
    title: str | None = None
    goal_text: str | None = None
    tags: tuple[str, ...] | None = None
    metadata: str | None = None  #: JSON text
    actor: str | None = None


NO_FACTS = Facts()


class Touch(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A sign of life, with what is known of the session."""

    user_id: str
    session_id: str
    at: int
    facts: Facts = NO_FACTS
    turns: int | None = None  #: how many turns are known so far; the largest number stands
    flagged: bool = False  #: the time given was ahead of the clock
    user_name: str | None = None
    instance: str | None = None  #: that runs the session from now on
    loose: bool = False  #: only while something happens


class Call(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A metered model call."""

    user_id: str
    session_id: str
    usage_id: str
    occurred_at: int
    tokens: Tokens
    model: str | None = None
    provider: str | None = None
    aliases: tuple[str, ...] = ()
    cost_nano: int | None = None
    cost_source: str = "unpriced"
    price_version: str | None = None
    billing: str = "unknown"
    tier: str = "standard"  #: the price list by which the call is billed
    source: str = "push"
    evidence: int = Evidence.PUSH
    errored: bool = False
    weight: int = 0  #: between equal reports, the larger weight owns the call
    fresh: bool = False  #: the usage id was made for this very call (without aliases), so nobody gave it before
    timed: bool = True  #: the caller stated the time; False where it is merely when the report was made
    flagged: bool = False
    user_name: str | None = None
    alike: str | None = None  #: its session and what it took, where nothing better is common to all that report it


class End(Struct, frozen=True, kw_only=True, array_like=True):
    """An end that somebody stated, or (soft) inferred."""

    user_id: str
    session_id: str
    status: str
    at: int
    reason: str | None = None
    decided_by: str = "client"
    soft: bool = False
    create: bool = True  #: whether a session that is not known yet is created by it (an end that came first)
    flagged: bool = False
    user_name: str | None = None
    instance: str | None = None  #: that lets go of the session, however the end is taken


class Reopen(Struct, frozen=True, kw_only=True):
    """Running again, as a new attempt."""

    user_id: str
    session_id: str
    at: int
    create: bool = True
    flagged: bool = False
    user_name: str | None = None


class Mark(Struct, frozen=True, kw_only=True):
    """Presumed crashed; says nothing of a session that is not running."""

    user_id: str
    session_id: str
    at: int
    reason: str | None = None
    decided_by: str = "reconcile"


class MarkAllBut(Struct, frozen=True, kw_only=True):
    """Presume crashed every running session of the user but one."""

    user_id: str
    session_id: str
    at: int


class Lost(Struct, frozen=True, kw_only=True):
    """Presumed crashed with the instance that runs it, if nothing was heard of that since it was looked at."""

    user_id: str
    session_id: str
    instance_id: str
    beat: int  #: how often it had been heard of
    reason: str


class Revive(Struct, frozen=True, kw_only=True):
    """Running again, where it was presumed crashed with an instance that turns out to live."""

    user_id: str
    session_id: str
    instance_id: str


class OfInstance(Struct, frozen=True, kw_only=True):
    """What is said of processes and names no session."""


class Beat(OfInstance, frozen=True, kw_only=True):
    """An instance lives; the first time it becomes known by that."""

    instance_id: str
    known: Known


class Leave(OfInstance, frozen=True, kw_only=True):
    """An instance ends, and lets go of what it ran."""

    instance_id: str


class Bury(OfInstance, frozen=True, kw_only=True):
    """An instance is dead, if nothing was heard of it since it was looked at."""

    instance_id: str
    beat: int


class Forget(OfInstance, frozen=True, kw_only=True):
    """Remove instances that ended before a time, and those that do not beat and were last heard of before it."""

    before: int


class Absolute(Struct, frozen=True, kw_only=True):
    """What a caller with counters of its own says that a session comes to; None leaves a counter alone."""

    user_id: str
    session_id: str
    at: int
    started_at: int
    status: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    reasoning: int | None = None
    cost_nano: int | None = None
    model: str | None = None
    turns: int | None = None
    facts: Facts = NO_FACTS
    user_name: str | None = None


class Jot(Struct, frozen=True, kw_only=True, array_like=True):
    """A step in a session's journal, which is a sign of life of it; answered what it did."""

    user_id: str
    session_id: str
    at: int  #: when the session was active
    step: Step
    flagged: bool = False
    user_name: str | None = None
    instance: str | None = None  #: that runs the session, while something happens


class Jotted(Struct, frozen=True, kw_only=True):
    """The same of a journal that is kept elsewhere: a sign of life, and how many steps of its trace failed so far."""

    user_id: str
    session_id: str
    at: int
    failed: int = 0
    failures: int = 0  #: of them, those that were added now
    flagged: bool = False
    user_name: str | None = None
    instance: str | None = None  #: that runs the session, while something happens


class Cleared(Struct, frozen=True, kw_only=True):
    """What was to be removed of a session's journal elsewhere is removed, as it was noted at a time."""

    user_id: str
    session_id: str
    at: int


class Wipe(Struct, frozen=True, kw_only=True):
    """Remove every journal of everybody."""


class Delete(Struct, frozen=True, kw_only=True):
    """Hide a session and forget its contents; its ledger rows stay as spend (R12)."""

    user_id: str
    session_id: str


class Prune(Struct, frozen=True, kw_only=True):
    """What a retention rule says, for one session. A time of 0 removes nothing."""

    user_id: str
    session_id: str
    now: int
    running_since: int  #: a running session that was active since then is left alone
    sessions_before: int = 0  #: the whole session goes if it was last active before
    content_before: int = 0  #: what was said of it goes if it was last active before
    ledger_before: int = 0  #: ledger rows of calls made before are folded
    status: int | None = None  #: as stored; only a session of that status


class Sweep(Struct, frozen=True, kw_only=True):
    """Keep but a hash of the names of calls, of a stretch in the order of the key table, that lead nowhere."""

    after: tuple[str, int]
    upto: tuple[str, int]


class Purge(Struct, frozen=True, kw_only=True):
    """Remove a session wholly, with its ledger rows."""

    user_id: str
    session_id: str


class PurgeUser(Struct, frozen=True, kw_only=True):
    """Remove what is kept of a user whose sessions are gone."""

    user_id: str


class Retract(Struct, frozen=True, kw_only=True):
    """What was, or will be, reported as a call is none of its own; answered whether one was counted until now.

    It counts nothing from now on, under any of its names, whatever else is reported of it, in every order of arrival.
    """

    user_id: str
    usage_id: str
    reason: str  #: a few words, the same for all of a kind: the ledger shows them as the source of what it takes back
    user_name: str | None = None


class Merge(Struct, frozen=True, kw_only=True):
    """A session turns out to be another one's part; answered how many calls that moved.

    What it used and what was said of it is the other's from now on, and it is deleted: its contents are copied before.
    Refused with Stale, within a :class:`Together`, where it is not as it was then.
    """

    user_id: str
    session_id: str
    into: str
    alike: tuple[tuple[str, str], ...] = ()  #: names of calls, and what these are like in the other session
    part: int = 0  #: so many calls move at the most, and nothing else yet: one that has very many moves in parts
    seen: int = 0  #: the version that it had before it was copied; 0: it was not there
    dataset_id: str | None = None  #: where the other session may be put if this one is there; else it stays where it is
    user_name: str | None = None


class Reprice(Struct, frozen=True, kw_only=True):
    """Another amount for one call, if the row that stands for it is still the one that was looked at."""

    user_id: str
    session_id: str
    usage_id: str
    seen: tuple[Any, ...]  #: what the row said
    cost_nano: int
    price_version: str


class SourceFile(Struct, frozen=True, kw_only=True, array_like=True):
    """How far a door has read one file; saved in the transaction that stores what was read."""

    user_id: str = ""  #: whose import it is; the book fills it in
    source: str
    path: str
    device: int
    inode: int
    size: int
    offset: int
    head_hash: str
    mtime_ns: int
    state: bytes = b""  #: what the parser carries from one reading to the next


class Note(Struct, frozen=True, array_like=True, gc=False):
    """Another value for a note, if it is still the one that was read."""

    room: str  #: trace, series, answer, signin
    name: str
    expected: int  #: the version that was read; 0: there was none, or it had expired
    value: str | None  #: JSON text; None removes the note
    expires_at: int  #: from then on it is as good as not there


class Answers(Struct, frozen=True, array_like=True):
    """What operations are answered is kept, for a request that may come again under the same key."""

    name: str  #: the idempotency key
    body_hash: str  #: by which another request under the same key is told from the same one
    expires_at: int


class Together(Struct, frozen=True, kw_only=True):
    """Notes and operations in one transaction, applied if every note is as it was read.

    Answered with a list of the answers of the operations, each of which may be refused alone: then its place holds the
    error. Refused as a whole, and nothing changed, with Stale where a note was changed by somebody else, and with
    Conflict where the key for the answers was used for another request. The same request again under the same key is
    given the same answers, as ``ledger.notes.Repeated``.
    """

    user_id: str  #: whose notes these are; the operations name their own users
    notes: tuple[Note, ...] = ()
    ops: tuple[Op, ...] = ()
    keep: Answers | None = None
    user_name: str | None = None


class ForgetNotes(Struct, frozen=True, kw_only=True):
    """Remove notes that expired before a time, some at once; answered how many, so ask again until there are none."""

    before: int


Op = (
    Touch
    | Call
    | End
    | Reopen
    | Mark
    | MarkAllBut
    | Lost
    | Revive
    | Beat
    | Leave
    | Bury
    | Forget
    | Absolute
    | Delete
    | Prune
    | Sweep
    | Purge
    | PurgeUser
    | Reprice
    | SourceFile
    | Jot
    | Jotted
    | Cleared
    | Wipe
    | OfAccess
    | Retract
    | Merge
    | Together
    | ForgetNotes
)
