"""The nouns: what callers give to a book and what they get back.

Times are ``datetime`` in UTC here and RFC 3339 with ``+00:00`` in :func:`to_dict`; inside the store they are integer
microseconds. Money is integer nano-dollars inside (``*_nano``) and ``*_usd`` floats at the edge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Final

import msgspec

NANO: Final = 1_000_000_000  #: nano-dollars in a dollar
MICROS: Final = 1_000_000  #: microseconds in a second
HOUR_US: Final = 3600 * MICROS
QUARTER_US: Final = 900 * MICROS
QUARTERS: Final = 4  #: quarter hours in an hour
DAY_QUARTERS: Final = 96  #: quarter hours in a day
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def from_micros(value: int) -> datetime:
    """The UTC time of integer microseconds since 1970."""
    return _EPOCH + timedelta(0, 0, value)


def to_micros(value: datetime) -> int:
    """Integer microseconds since 1970 of an aware time."""
    return (value - _EPOCH) // timedelta(microseconds=1)


def rfc3339(value: datetime) -> str:
    """The one way in which Rollbook writes a time: UTC, microseconds, ``+00:00``."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")


class Status(StrEnum):
    """What the record says of a session; ``abandoned`` is computed when read and never stored (R4)."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    ABANDONED = "abandoned"


class Kind(StrEnum):
    """How a session is driven."""

    INTERACTIVE = "interactive"
    AUTONOMOUS = "autonomous"
    ACP = "acp"


CHANNELS: Final = ("cli", "tui", "telegram", "discord", "slack", "acp", "web", "api", "ide", "other")


class Outcome(StrEnum):
    """What became of a metered call that was given to the book (R3, R15)."""

    COUNTED = "counted"  #: it is new
    LATE = "late"  #: it is new, and its session had ended before: it is spend, and no part of the session's figures
    DUPLICATE = "duplicate"  #: it changes nothing: it is known already, or no call, or metrics beside better evidence
    AMENDED = "amended"  #: it is known, and what is believed of it has changed by this
    TOO_OLD = "too_old"  #: it was known once and is pruned: it changes nothing


class Evidence(IntEnum):
    """How far a door is to be believed where two of them report the same call (R15); higher wins."""

    METRIC = 10
    LOG = 20
    SPAN = 30
    PUSH = 35
    SIDE_CHAIN = 39  #: a transcript's side chain, which may repeat a message of the main one with other amounts
    TRANSCRIPT = 40


class Tokens(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Tokens of one call in *disjoint* kinds, so that a cost is a dot product. All are counts, never negative."""

    input: int = 0  #: uncached input
    cache_read: int = 0
    cache_write: int = 0  #: written to the cache for five minutes (or the provider's only kind)
    cache_write_1h: int = 0
    output: int = 0  #: visible output
    reasoning: int = 0  #: part of what is billed as output, not contained in ``output``
    audio_in: int = 0
    audio_out: int = 0

    @property
    def tokens_in(self) -> int:
        """Everything that was read: uncached input, cache reads and writes, audio."""
        return self.input + self.cache_read + self.cache_write + self.cache_write_1h + self.audio_in

    @property
    def tokens_out(self) -> int:
        """Everything that was produced: visible output, reasoning, audio."""
        return self.output + self.reasoning + self.audio_out

    @property
    def total(self) -> int:
        """Everything that was read and produced."""
        return self.tokens_in + self.tokens_out


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an agent for one user. The first twelve fields are the keys that earlier session stores gave."""

    session_id: str
    user_id: str
    dataset_id: str | None = None
    status: str = Status.RUNNING  #: as stored; see ``effective_status``
    started_at: datetime = _EPOCH
    last_activity_at: datetime = _EPOCH
    ended_at: datetime | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0  #: the priced part; None where calls were made and none has a price
    error_count: int = 0  #: ``call_errors + step_errors``
    last_model: str | None = None
    effective_status: str = Status.RUNNING  #: ``abandoned`` where a running session has been silent for long (R4)
    kind: str = Kind.INTERACTIVE
    channel: str | None = None
    agent: str | None = None
    project: str | None = None
    title: str | None = None
    goal_text: str | None = None
    parent_id: str | None = None
    parent_user_id: str | None = None
    end_reason: str | None = None
    decided_by: str | None = None  #: who said how it ended: client, handle, importer, reconcile …
    attempt: int = 1
    turns: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    late_calls: int = 0
    call_errors: int = 0
    step_errors: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int = 0  #: exact, of the priced calls
    agent_time_s: float = 0.0  #: over attempts: end or last activity minus start
    clock_flagged: bool = False  #: a time ahead of the clock was taken as now
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    actor: str | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger: a metered call, or a correction of one."""

    usage_id: str
    session_id: str
    user_id: str
    entry: str  #: call | reversal | correction | adjustment
    model: str | None
    provider: str | None
    occurred_at: datetime
    recorded_at: datetime
    calls: int  #: what the row adds to the number of calls: 1, -1 or 0
    tokens_in: int
    tokens_out: int
    input: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int
    audio_in: int
    audio_out: int
    cost_usd: float | None
    cost_nano_usd: int | None
    cost_source: str  #: reported | computed | unpriced
    price_version: str | None
    billing: str  #: api | subscription | unknown
    tier: str  #: standard | batch | flex | priority | fast
    source: str  #: the door it came through
    evidence: str
    errored: bool
    late: bool


class Inclusive(msgspec.Struct, frozen=True, kw_only=True):
    """What a session and everything below it come to."""

    sessions: int
    calls: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    unpriced_calls: int
    cost_nano_usd: int


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What a retention rule removed, or would remove."""

    dry_run: bool = False
    sessions: int = 0  #: that went wholly; what they spent stays in spend
    contents: int = 0  #: sessions of which title, goal, tags, metadata and actor went
    ledger_rows: int = 0  #: that were folded into closing rows
    closing_rows: int = 0  #: that stand for them now


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed without a trace in any figure."""

    sessions: int
    calls: int
    cost_usd: float | None
    cost_nano_usd: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that ``doctor`` looked at."""

    name: str
    ok: bool
    detail: str


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made, and proven to be whole."""

    path: str
    bytes: int
    sha256: str
    sessions: int
    ledger_rows: int
    seconds: float


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was taken back."""

    path: str
    bytes: int
    sha256: str
    sessions: int
    ledger_rows: int
    schema: int  #: the number of the schema that the backup had; the book has the newest
    replaced: str | None  #: a backup of what the book held before; None where it was empty
    seconds: float


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A book that was copied into another one, and proven to be the same."""

    sessions: int
    ledger_rows: int
    added: int  #: rows of all tables that this run wrote
    removed: int  #: rows that it took away; one that changed is removed and added
    elsewhere: int  #: sessions with contents outside the database, which are not copied
    seconds: float


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    sessions: list[Session]
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None
    total_exact: bool  #: False where counting stopped at 10,000


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over the sessions active since a time (R8). The first fourteen are the keys that earlier stores gave."""

    range: str
    sessions: int
    total_spend_usd: float
    avg_spend_per_session_usd: float
    tokens_in: int
    tokens_out: int
    tokens_total: int
    agent_time_s: float
    avg_session_s: float
    success_rate: float
    completed: int
    failed: int
    abandoned: int
    running: int
    cancelled: int = 0
    unknown: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    errors: int = 0
    total_spend_nano_usd: int = 0


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one model cost over the sessions active since a time (R9)."""

    model: str
    session_count: int
    cost_usd: float | None
    tokens_in: int
    tokens_out: int
    calls: int = 0
    unpriced_calls: int = 0
    cost_nano_usd: int = 0


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent in one period or under one name, by when calls happened."""

    key: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    unpriced_calls: int
    cost_nano_usd: int
    late_calls: int = 0  #: of the calls: made after their session's end, so in no session's sum
    late_cost_nano_usd: int = 0
    deleted: bool = False  #: the line of sessions that were deleted since


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """Spend by hour, day, model, agent, project, user or kind, with its total."""

    by: str
    tz: str
    rows: list[SpendRow]
    total: SpendRow


class RepricedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What repricing came to for one model: calls whose cost was not reported, with what they cost before and after."""

    model: str
    calls: int = 0  #: that were looked at
    changed: int = 0  #: that had an amount and got another one
    newly_priced: int = 0  #: that had none and got one
    kept: int = 0  #: that keep their amount because these prices have none for them
    unpriced: int = 0  #: that had none and have none still
    old_cost_usd: float | None = None
    new_cost_usd: float | None = None
    difference_usd: float = 0.0
    old_cost_nano_usd: int = 0
    new_cost_nano_usd: int = 0
    difference_nano_usd: int = 0
    versions: tuple[str, ...] = ()  #: of the prices by which calls got another amount


class Repricing(msgspec.Struct, frozen=True, kw_only=True):
    """What repricing changed or, where nothing was written, would change."""

    dry_run: bool
    rows: list[RepricedModel]  #: by model, the largest difference first
    total: RepricedModel


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a sum and the rows under it differ."""

    what: str  #: session | model | ledger | spend | activity | activity_model | key | journal | instance | copy
    where: str
    field: str
    stored: int | str | None
    expected: int | str | None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What ``verify`` found: how much was checked, and every difference (R16)."""

    ok: bool
    sessions: int
    ledger_rows: int
    problems: list[Problem]


def cost_usd(nano: int, calls: int, unpriced: int) -> float | None:
    """Dollars for showing, or None where nothing that was called has a price: unpriced is never $0 (R14)."""
    if unpriced > 0 and unpriced >= calls and nano == 0:
        return None
    return nano / NANO


def to_dict(value: Any) -> Any:
    """Plain JSON values of any answer above: keys in the order of the fields, times as RFC 3339."""
    if isinstance(value, msgspec.Struct):
        return {name: to_dict(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(item) for item in value]
    return sorted(value) if isinstance(value, frozenset) else value
