"""Plans that read: sessions, figures and the ledger, over one snapshot each."""

from __future__ import annotations

import functools
from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from rollbook import gate, inbox
from rollbook.copying import unfinished
from rollbook.core import Core, Plan, Read
from rollbook.errors import InvalidInput, NotFound
from rollbook.ledger import agents, asking, cursors, fields, figures, lists, notes, people, reads, series, trees
from rollbook.ledger import verify as verifying
from rollbook.ledger.agents import AgentCost
from rollbook.ledger.fields import QueryField
from rollbook.ledger.filters import Filters
from rollbook.ledger.ops import SourceFile
from rollbook.ledger.people import UserName
from rollbook.ledger.reads import Clock
from rollbook.ledger.scopes import Scope
from rollbook.ledger.series import SpendSeries
from rollbook.ledger.work import hash_of_call
from rollbook.model import Inclusive, ModelCost, Page, Problem, Session, Spend, Stats, Usage, Verification
from rollbook.rules import checks
from rollbook.rules import query as query_rules
from rollbook.store import Reading, Row

T = TypeVar("T")
User = str | UUID | None
Since = str | datetime | timedelta | None


class ReadPlans(Core):
    """The methods of a book that only look."""

    def _look(self, user_id: User, look: Callable[..., Any], *arguments: Any, **named: Any) -> Read:
        return Read(lambda tx: look(tx, self.scope(tx, user_id), *arguments, **named))

    def _whose(self, user_id: User) -> str:
        """The user whom a read names, or whoever asks."""
        return self.user_id if user_id is None else checks.user(user_id)[0]

    def _keeper(self, session_id: str | None, user_id: User) -> Plan[str | None]:
        """Whose journal, or (without a session) whose state, a read is about; None: of what may not be seen (R6)."""
        owner: str | None = self._whose(user_id)
        who = self.principal
        if not who.unrestricted:
            # State is nobody else's; and of what the ledger does not know yet, only one's own may be seen.
            mine = owner == who.user_id if session_id is None else owner in who.users
            owner = owner if mine else None
        elif not (self.everybody and user_id is None):
            return owner
        if session_id is not None:
            owner = yield self._look(user_id, reads.owner_of, session_id, owner)
        return owner

    def written_before(self) -> Plan[bool]:
        """Whether this request came before, and made the write then that comes next."""
        if self.repeat is None:
            return False
        name, now = self.repeat.next_name, self.clock()
        return (yield Read(lambda tx: notes.kept(tx, self.user_id, notes.ANSWER, name, now=now))) is not None

    def _own(self, session_id: str, user_id: str) -> Plan[Session]:
        """A session just written to; one that another writer deleted in this very moment is NotFound."""
        answer: Session = yield self._look(user_id, reads.get, session_id, self.now())
        return answer

    def get(self, session_id: str, *, user_id: User = None, owner: User = None) -> Plan[Session]:
        """One session. Where an id names several visible ones, one's own comes first, then the last active (R6).

        ``owner`` names whose is meant; raises NotFound if there is none, or none to be seen.
        """
        name = checks.session_id(session_id)
        if owner is not None:
            whose = checks.user(owner)[0]
            narrow = not self.everybody and (user_id is not None or self.principal.unrestricted)
            if narrow and whose != self._whose(user_id):
                raise NotFound(f"there is no session {name!r}")
            user_id = whose
        answer: Session = yield self._look(user_id, reads.get, name, self.now())
        return answer

    def children(self, session_id: str, *, user_id: User = None) -> Plan[List[Session]]:
        """The sessions directly below one, oldest first."""
        answer: List[Session] = yield self._look(user_id, reads.children, checks.session_id(session_id), self.now())
        return answer

    def inclusive(self, session_id: str, *, user_id: User = None) -> Plan[Inclusive]:
        """What a session and everything below it come to."""
        answer: Inclusive = yield self._look(user_id, trees.inclusive, checks.session_id(session_id))
        return answer

    def list(
        self,
        *,
        status: str | None = None,
        since: Since = None,
        until: Since = None,
        kind: str | None = None,
        channel: str | None = None,
        agent: str | None = None,
        project: str | None = None,
        model: str | None = None,
        user_id: User = None,
        dataset_id: str | UUID | None = None,
        tag: str | None = None,
        text: str | None = None,
        query: str | None = None,
        order_by: str = "last_activity_at",
        ascending: bool = False,
        limit: int = 50,
        cursor: str | None = None,
        offset: int = 0,
    ) -> Plan[Page]:
        """One page of sessions (R7): by ``next_cursor`` of the page before, or by offset.

        ``status`` is the effective one; ``since`` bounds ``last_activity_at``, as does ``until``, which is not in the
        range; ``text`` looks in id, title and goal. ``query`` asks for more in one text, such as ``status:failed
        cost>5 model:claude-* -agent:codex``.
        """
        found = yield from self.lines(
            reads.session_of, status=status, since=since, until=until, kind=kind, channel=channel, agent=agent,
            project=project, model=model, user_id=user_id, dataset_id=dataset_id, tag=tag, text=text, query=query,
            order_by=order_by, ascending=ascending, limit=limit, cursor=cursor, offset=offset,
        )  # fmt: skip
        return Page(**msgspec.structs.asdict(found))

    def lines(
        self,
        made: Callable[[Row, Clock], T],
        *,
        since: Since = None,
        until: Since = None,
        user_id: User = None,
        limit: int = 50,
        cursor: str | None = None,
        offset: int = 0,
        **conditions: Any,
    ) -> Plan[lists.Found[T]]:
        """The page that :meth:`list` would show, with what is made of the row of each session in the place of it."""
        clock = self.now()
        filters = asked_for(clock.now, since=since, until=until, **conditions)
        if checks.count(limit, "limit", checks.MAX_LIMIT) < 1:
            raise InvalidInput("limit must be at least 1")
        checks.count(offset, "offset", 2**53)
        # What is asked, with a relative range as it was said: the next page goes by the first page's moment.
        who = (self.principal.role, self.principal.key_id, self.user_id, self.everybody)
        named = None if user_id is None else self._whose(user_id)
        plain = msgspec.structs.replace(filters, since=None, until=None)
        asked = cursors.question(plain, str(since), str(until), who, named)

        def look(tx: Reading) -> lists.Found[T]:
            scope, left = self._asking(tx, user_id, filters)
            return lists.page(tx, scope, left, clock, made, question=asked, limit=limit, cursor=cursor, offset=offset)

        answer: lists.Found[T] = yield Read(look)
        return answer

    def query_fields(self, *, user_id: User = None) -> Plan[List[QueryField]]:
        """What a ``query`` can ask for, with values that occur in what is seen: for a box that completes."""
        answer: List[QueryField] = yield self._look(user_id, fields.query_fields, self.now())
        return answer

    def _asking(self, tx: Reading, user_id: User, filters: Filters) -> tuple[Scope, Filters]:
        """What a read is about, and what it asks for: one user whom a query names is named like any other.

        A query only narrows: whoever opened a book for one user is shown that one's sessions.
        """
        if user_id is None and (self.everybody or not self.principal.unrestricted):
            user_id, query = asking.user_meant(tx, filters.query)
            filters = msgspec.structs.replace(filters, query=query)
        return self.scope(tx, user_id), filters

    def stats(self, *, since: Since = "30d", until: Since = None, user_id: User = None) -> Plan[Stats]:
        """Figures over the sessions last active within a range (R8), whose end is not in it."""
        clock = self.now()
        window = checks.window(since, until, clock.now)
        named = "all" if since is None else str(since)
        named = named if window.until is None else f"{named}/{until}"
        answer: Stats = yield self._look(user_id, figures.stats, window, clock, named=named)
        return answer

    def cost_by_model(
        self, *, since: Since = "30d", until: Since = None, user_id: User = None
    ) -> Plan[List[ModelCost]]:
        """Cost by model over the sessions last active within a range, most expensive first (R9)."""
        window = checks.window(since, until, self.clock())
        answer: List[ModelCost] = yield self._look(user_id, figures.cost_by_model, window)
        return answer

    def cost_by_agent(
        self, *, since: Since = "30d", until: Since = None, user_id: User = None
    ) -> Plan[List[AgentCost]]:
        """Cost by user and agent over the sessions last active within a range, most expensive first."""
        window = checks.window(since, until, self.clock())
        answer: List[AgentCost] = yield self._look(user_id, agents.cost_by_agent, window)
        return answer

    def spend(
        self, *, by: str = "day", since: Since = "30d", until: Since = None, tz: str | tzinfo = "UTC",
        user_id: User = None,
    ) -> Plan[Spend]:  # fmt: skip
        """What was spent, by when calls happened: by hour, day, model, agent, project, user or kind.

        The range is of whole hours or days where these are asked for, else of whole quarter hours: those in which it
        begins and ends are in it.
        """
        checks.one_of(by, "way to group spend", figures.SPEND_BY)
        window = checks.window(since, until, self.clock())
        zone = _zone(tz)
        answer: Spend = yield self._look(user_id, figures.spend, window, by=by, zone=zone, tz=str(tz))
        return answer

    def users(self) -> Plan[List[UserName]]:
        """Whose sessions there are to be seen, and what they are called."""
        answer: List[UserName] = yield self._look(None, people.users)
        return answer

    def spend_series(
        self, *, by: str = "day", stack: str = "model", since: Since = "30d", until: Since = None,
        tz: str | tzinfo = "UTC", user_id: User = None,
    ) -> Plan[SpendSeries]:  # fmt: skip
        """What was spent over time: by hour or day, and in each by model, by agent, or (``none``) in all.

        The range is that of :meth:`spend`.
        """
        checks.one_of(by, "period of spend", series.SERIES_BY)
        checks.one_of(stack, "way to tell spend apart", series.STACKS)
        window = checks.window(since, until, self.clock())
        zone = _zone(tz)
        answer: SpendSeries = yield self._look(
            user_id, series.spend_series, window, by=by, stack=stack, zone=zone, tz=str(tz)
        )
        return answer

    def usage(self, session_id: str, *, user_id: User = None, limit: int | None = None) -> Plan[List[Usage]]:
        """The ledger rows of a session, oldest first: calls, reversals, corrections, adjustments."""
        answer: List[Usage] = yield self._look(user_id, reads.usage, checks.session_id(session_id), limit)
        return answer

    def verify(self) -> Plan[Verification]:
        """Compute every sum again from the ledger and name every difference (R16); a copy that is not whole is one."""
        gate.check_admin(self.principal)
        answer: Verification = yield Read(_verified)
        return answer

    def known_usage(self, names: Iterable[str]) -> Plan[set[str]]:
        """Which of these usage ids and aliases the book knows already, for the book's user; also of what it pruned."""
        wanted = [checks.usage_id(name) for name in names]

        def look(tx: Reading) -> set[str]:
            user_no = self.scope(tx, self.user_id).user_no
            found = {str(row[0]) for row in tx.among("keys_of", [(name, user_no) for name in wanted])}
            hashes = {hash_of_call(self.user_id, name): name for name in wanted if name not in found}
            return found | {hashes[bytes(row[0])] for row in tx.among("purged_among", [(each,) for each in hashes])}

        answer: set[str] = yield Read(look)
        return answer

    def source_files(
        self, source: str, *, files: Sequence[tuple[str, int, int]] | None = None
    ) -> Plan[dict[str, SourceFile]]:
        """How far a door has read each file, by path; with ``files`` only of these (path, device, inode).

        A file that is known under another path has the same device and inode.
        """

        def look(tx: Reading) -> dict[str, SourceFile]:
            user_no = self.scope(tx, self.user_id).user_no
            if files is None:
                rows = tx.rows("files_of", user_no=user_no, source=source)
            else:
                rows = tx.among("files_by_path", [(user_no, source, file[0]) for file in files])
                known = {row[0] for row in rows}
                moved = [(user_no, source, *file[1:]) for file in files if file[0] not in known]
                rows = [*tx.among("files_by_identity", moved), *rows]
            return {row[0]: inbox.source_file(source, row) for row in rows}

        answer: dict[str, SourceFile] = yield Read(look)
        return answer


#: How each thing that sessions can be asked for is checked.
_FILTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "status": checks.status,
    "dataset_id": checks.dataset,
    "kind": checks.kind,
    "channel": checks.channel,
    "agent": lambda value: checks.name(value, "agent"),
    "project": lambda value: checks.name(value, "project", 4096),
    "model": lambda value: checks.name(value, "model"),
    "tag": lambda value: checks.name(value, "tag"),
    "text": lambda value: checks.name(value, "text", checks.MAX_TITLE_BYTES),
    "query": lambda value: None if not value else query_rules.parse(value),
    "order_by": lambda value: checks.one_of(value, "column to sort by", lists.SORTS),
    "ascending": bool,
}


def asked_for(now: int, *, since: Since = None, until: Since = None, **given: Any) -> Filters:
    """What sessions are asked for, checked."""
    start, end = checks.window(since, until, now)
    return Filters(since=start, until=end, **{name: _FILTERS[name](value) for name, value in given.items()})


@functools.cache
def _named_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"unknown time zone {name!r}; write one such as Europe/Vienna or UTC") from None


def _zone(tz: str | tzinfo) -> tzinfo:
    if isinstance(tz, tzinfo):
        return tz
    if not isinstance(tz, str):
        raise InvalidInput(f"a time zone must be a name, not {type(tz).__name__}")
    return _named_zone(tz)


def _verified(tx: Reading) -> Verification:
    """The proof of a book; what is there of a copy may balance and be but a part."""
    found, half = verifying.verify(tx), unfinished(tx)
    if half is None:
        return found
    problem = Problem(what="copy", where=f"of {half}", field="whole", stored="no", expected="yes")
    return msgspec.structs.replace(found, ok=False, problems=[problem, *found.problems])
