"""Plans that write: the life of sessions, metered calls, deletion."""

from __future__ import annotations

from builtins import list as List  # noqa: N812 - a book's own list() hides the name
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from rollbook import gate, inbox
from rollbook.core import Outside, Plan, Write, one
from rollbook.errors import Gone, InvalidInput, Overloaded, RollbookError, StoreError
from rollbook.journal.backend import DamageError
from rollbook.journal.steps import Done, Drop
from rollbook.ledger.apply import MARKED_AT_ONCE
from rollbook.ledger.journaling import failures_of
from rollbook.ledger.ops import Call, Delete, End, Facts, Jot, Jotted, Mark, MarkAllBut, Reopen, SourceFile, Touch
from rollbook.model import Evidence, Outcome, Session, Tokens
from rollbook.plans.reading import ReadPlans, User
from rollbook.rules import checks

When = datetime | str | float | None

_EVIDENCE: Final = {item.name.lower(): item for item in Evidence}


class WritePlans(ReadPlans):
    """Methods that write."""

    def _redacted(self, op: inbox.Texted) -> inbox.Texted:
        """An operation without the secrets in its texts."""
        return op if self.redactor is None else inbox.redacted(op, self.redactor)

    # Life (R1, R2)

    def touch(
        self,
        session_id: str | None = None,
        *,
        user_id: User = None,
        dataset_id: str | UUID | None = None,
        kind: str | None = None,
        channel: str | None = None,
        agent: str | None = None,
        project: str | None = None,
        parent: str | None = None,
        parent_user_id: User = None,
        title: str | None = None,
        goal_text: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        actor: str | None = None,
        turns: int | None = None,
        at: When = None,
    ) -> Plan[Session]:
        """Create a session, or say that it is alive, with what is known of it (R1).

        Without a session id, one is made. Of dataset, kind, channel, agent, project and parent the first value given
        stays (by ``at``); of title, goal, tags, metadata and actor the latest. ``turns`` is the number known so far.
        Raises InvalidInput, and Gone for a session that was deleted.
        """
        op = self._touching(
            session_id, user_id=user_id, dataset_id=dataset_id, kind=kind, channel=channel, agent=agent,
            project=project, parent=parent, parent_user_id=parent_user_id, title=title, goal_text=goal_text, tags=tags,
            metadata=metadata, actor=actor, turns=turns, at=at,
        )  # fmt: skip
        one((yield Write([self._redacted(op)])))
        return (yield from self._own(op.session_id, op.user_id))

    def _touching(
        self,
        session_id: str | None = None,
        *,
        user_id: User = None,
        dataset_id: str | UUID | None = None,
        kind: str | None = None,
        channel: str | None = None,
        agent: str | None = None,
        project: str | None = None,
        parent: str | None = None,
        parent_user_id: User = None,
        title: str | None = None,
        goal_text: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        actor: str | None = None,
        turns: int | None = None,
        at: When = None,
    ) -> Touch:
        name = self.made_id()[0] if session_id is None else checks.session_id(session_id)
        owner, label = self.owner(user_id)
        moment, flagged = checks.moment(at, "at", self.clock())
        facts = Facts(
            dataset_id=checks.dataset(dataset_id),
            kind=checks.kind(kind),
            channel=checks.channel(channel),
            agent=checks.name(agent, "agent"),
            project=checks.name(project, "project", 4096),
            parent_id=None if parent is None else checks.session_id(parent),
            parent_user_id=None if parent_user_id is None else checks.user(parent_user_id)[0],
            title=checks.prose(title, "title", checks.MAX_TITLE_BYTES),
            goal_text=checks.prose(goal_text, "goal_text", checks.MAX_GOAL_BYTES),
            tags=checks.tags(tags),
            metadata=checks.metadata(metadata),
            actor=checks.name(actor, "actor"),
        )
        count = None if turns is None else checks.count(turns, "turns", checks.MAX_COUNT)
        return Touch(
            user_id=owner, session_id=name, at=moment, facts=facts, turns=count, flagged=flagged, user_name=label
        )

    def end(
        self, session_id: str, status: str, *, user_id: User = None, reason: str | None = None, at: When = None
    ) -> Plan[Session]:
        """End a session: completed, failed or cancelled (R2).

        The first end of an attempt stands; the same again changes nothing, another raises Conflict. An end without
        ``at`` is about now and raises NotFound for an unknown session; one with its own time may arrive before
        anything else of its session, and then creates it.
        """
        op = self._ending(session_id, status, user_id=user_id, reason=reason, at=at)
        one((yield Write([self._redacted(op)])))
        return (yield from self._own(op.session_id, op.user_id))

    def _ending(self, session_id: str, status: str, *, user_id: User, reason: str | None, at: When) -> End:
        owner, label = self.owner(user_id)
        moment, flagged = checks.moment(at, "at", self.clock())
        return End(
            user_id=owner,
            session_id=checks.session_id(session_id),
            status=checks.end_status(status),
            at=moment,
            reason=checks.prose(reason, "reason", checks.MAX_TITLE_BYTES),
            decided_by="client",
            create=at is not None,
            flagged=flagged,
            user_name=label,
        )

    def reopen(self, session_id: str, *, user_id: User = None, at: When = None) -> Plan[Session]:
        """Let an ended session run again, as a new attempt; a running one is left as it is (R2)."""
        owner, label = self.owner(user_id)
        moment, flagged = checks.moment(at, "at", self.clock())
        name = checks.session_id(session_id)
        op = Reopen(user_id=owner, session_id=name, at=moment, create=at is not None, flagged=flagged, user_name=label)
        one((yield Write([op])))
        return (yield from self._own(name, owner))

    def mark_unknown(self, session_id: str, *, user_id: User = None, reason: str | None = None) -> Plan[Session]:
        """Presume a running session crashed; any later sign of it revives it. Others are left as they are (R2)."""
        owner, _ = self.owner(user_id)
        name = checks.session_id(session_id)
        said = checks.prose(reason, "reason", checks.MAX_TITLE_BYTES)
        op = Mark(user_id=owner, session_id=name, at=self.clock(), reason=said, decided_by="client")
        one((yield Write([self._redacted(op)])))
        return (yield from self._own(name, owner))

    def reconcile_except(self, session_id: str, *, user_id: User = None) -> Plan[int]:
        """Presume crashed every running session of the user but one; how many there were.

        Crude: it does not ask whether their processes live. ``last_activity_at`` stays.
        """
        owner, _ = self.owner(user_id)
        name = checks.session_id(session_id)
        total = 0
        while True:
            marked: int = one((yield Write([MarkAllBut(user_id=owner, session_id=name, at=self.clock())])))
            total += marked
            if marked < MARKED_AT_ONCE:
                return total

    def upsert(self, session: Session | Mapping[str, Any], *, user_id: User = None) -> Plan[Session]:
        """Take over the absolute counters of a caller that keeps its own; the difference becomes an adjustment row.

        Takes a Session, or a mapping with its field names or with those of zeph's fleet table (``id``, ``model``,
        ``prompt_tokens``, ``completion_tokens``, ``reasoning_tokens``, ``cost_cents``, ``created_at`` …). What is
        missing is left alone; the last upsert wins, and a running status reopens an ended session.
        """
        given = inbox.absolute(session, self.clock())
        owner, label = self.owner(user_id if user_id is not None else given.user_id)
        op = replace(given.op, user_id=owner, user_name=label)
        one((yield Write([self._redacted(op)])))
        return (yield from self._own(op.session_id, owner))

    # Usage (R3, R14, R15)

    def record_usage(
        self,
        session_id: str,
        *,
        user_id: User = None,
        model: str | None = None,
        provider: str | None = None,
        tokens: Tokens | Mapping[str, int] | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        cost_usd: float | str | None = None,
        usage_id: str | None = None,
        aliases: Iterable[str] = (),
        occurred_at: When = None,
        errored: bool = False,
        billing: str = "unknown",
        source: str = "push",
        evidence: str | None = None,
        tier: str = "standard",
    ) -> Plan[Outcome]:
        """Meter one model call, exactly once for each ``usage_id`` (R3); what became of it.

        ``tokens`` are in disjoint kinds; ``tokens_in`` and ``tokens_out`` are short for uncached input and visible
        output. Without ``cost_usd`` the price in force at ``occurred_at`` is looked up; where there is none the call
        is unpriced. ``usage_id`` makes a retry safe; ``aliases`` are other ids of the same call. Creates the session.
        """
        op = self._call(
            session_id=session_id, user_id=user_id, model=model, provider=provider, tokens=tokens,
            tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost_usd, usage_id=usage_id, aliases=aliases,
            occurred_at=occurred_at, errored=errored, billing=billing, source=source, evidence=evidence, tier=tier,
        )  # fmt: skip
        return Outcome(one((yield Write([op]))))

    def record_many(self, items: Iterable[Mapping[str, Any]]) -> Plan[List[Outcome | RollbookError]]:
        """Meter many calls, each a mapping of the arguments of :meth:`record_usage`; an outcome or an error for each.

        One bad item is refused alone; the others are stored, in one transaction where they fit one.
        """
        if not isinstance(items, Iterable):
            raise InvalidInput(f"items must be a list of mappings, not {type(items).__name__}")
        ops: List[Call | RollbookError] = []
        for item in items:
            try:
                ops.append(self._call_of(item))
            except RollbookError as error:
                ops.append(error)
        answers = iter((yield Write([op for op in ops if isinstance(op, Call)])))
        return [op if isinstance(op, RollbookError) else next(answers) for op in ops]

    def _call_of(self, item: Mapping[str, Any]) -> Call:
        if not isinstance(item, Mapping):
            raise InvalidInput(f"an item must be a mapping, not {type(item).__name__}")
        if "session_id" not in item:
            raise InvalidInput("an item needs a session_id")
        if unknown := item.keys() - _CALL_FIELDS:
            raise InvalidInput(f"unknown field {min(map(str, unknown))!r} in an item")
        return self._call(**item)

    def _call(
        self,
        *,
        session_id: str,
        user_id: User = None,
        model: str | None = None,
        provider: str | None = None,
        tokens: Tokens | Mapping[str, int] | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        cost_usd: float | str | None = None,
        usage_id: str | None = None,
        aliases: Iterable[str] = (),
        occurred_at: When = None,
        errored: bool = False,
        billing: str = "unknown",
        source: str = "push",
        evidence: str | None = None,
        tier: str = "standard",
    ) -> Call:
        owner, label = self.owner(user_id)
        moment, flagged = checks.moment(occurred_at, "occurred_at", self.clock())
        name, fresh = self.made_id() if usage_id is None else (usage_id, False)
        return inbox.call(
            user_id=owner,
            user_name=label,
            session_id=session_id,
            usage_id=name,
            fresh=fresh,
            occurred_at=moment,
            flagged=flagged,
            timed=occurred_at is not None,
            tokens=checks.tokens(tokens, tokens_in, tokens_out),
            model=model,
            provider=provider,
            cost_nano=checks.cost(cost_usd),
            aliases=aliases,
            errored=errored,
            billing=billing,
            source=source,
            evidence=_EVIDENCE[checks.one_of("push" if evidence is None else evidence, "evidence", _EVIDENCE)],
            tier=tier,
            prices=self.prices,
        )

    def ingest(
        self, items: Sequence[inbox.Plain | Jot], *, files: Sequence[SourceFile] = ()
    ) -> Plan[List[Outcome | Done | RollbookError | None]]:
        """What a door hands over, with how far it has read its files: one transaction for all of it.

        An outcome for each call, what was done for contents, None for any other item that was taken, an error for one
        that was refused. Where journals are kept elsewhere, contents are made durable there before; raises StoreError
        where some cannot be kept now, and the files are not taken for read.
        """
        ops: List[Any] = list(items) if isinstance(items, inbox.Checked) else [self._checked(item) for item in items]
        if self.redactor is not None:
            ops = [self._redacted_or_refused(op) if isinstance(op, Touch | End | Mark) else op for op in ops]
        ops = [op if isinstance(op, RollbookError) else self._allowed(op) for op in ops]
        made = yield from self._jotted_outside(ops)
        registry = [replace(file, user_id=self.user_id) for file in files]
        taken = [op for op in ops if not isinstance(op, RollbookError)]
        answers = iter((yield Write([*taken, *registry])) if taken or registry else ())
        told = [op if isinstance(op, RollbookError) else next(answers) for op in ops]
        told = [None if isinstance(answer, bool | list) else answer for answer in told]  # what a mark or a beat changed
        if made:
            gone = [ops[place] for place in made if isinstance(told[place], Gone)]
            if gone:
                yield Outside([Drop(op.user_id, op.session_id, self.clock()) for op in gone])
            told = [made.get(place) if answer is None else answer for place, answer in enumerate(told)]
        return told

    def _checked(self, item: inbox.Plain | Jot) -> inbox.Plain | Jot | RollbookError:
        """An item of a door as it is taken, or why it is refused."""
        try:
            if not isinstance(item, Jot):
                return inbox.checked(item, self.clock())
            kept, refused = inbox.jot(item, self.clock(), inbox.Contents(self.settings.entry_bytes, self.redactor))
        except RollbookError as error:
            return error
        if kept is None and not refused:
            return InvalidInput("there is nothing to append: contents are at least one entry")
        return refused[0] if refused or kept is None else kept

    def _allowed(self, op: Any) -> Any:
        """An operation, or why whoever asks may not do it: one of a dataset that is not granted costs only itself."""
        try:
            gate.check(self.principal, [op])
        except RollbookError as error:
            return error
        return op

    def _redacted_or_refused(self, op: Touch | End | Mark) -> Touch | End | Mark | RollbookError:
        try:
            return self._redacted(op)
        except RollbookError as error:
            return error

    def _jotted_outside(self, ops: List[Any]) -> Plan[dict[int, Done]]:
        """Append contents where journals are kept elsewhere; what was done, by the places of the operations.

        There the operations become signs of life of their sessions, or the errors with which they were refused. Raises
        StoreError where one will do later: what it comes from is not to be noted as known, but to be told again.
        """
        jots = [(place, op) for place, op in enumerate(ops) if isinstance(op, Jot)]
        if self.elsewhere is None or not jots:
            return {}
        names = list(dict.fromkeys((op.user_id, op.session_id) for _, op in jots))
        ready = yield from self.make_ready(names)
        left: List[tuple[int, Jot]] = []
        for place, op in jots:
            name = (op.user_id, op.session_id)
            if name in ready.refused:
                ops[place] = ready.refused[name]
            elif name in ready.cleared:  # what is written now is to be known from what was removed
                left.append((place, replace(op, step=replace(op.step, at=max(op.step.at, self.clock())))))
            else:
                left.append((place, op))
        answers = (yield Outside([op.step for _, op in left])) if left else ()
        made: dict[int, Done] = {}
        for (place, op), done in zip(left, answers, strict=True):
            if isinstance(done, Done):
                failed, failures = failures_of(done)
                ops[place] = Jotted(
                    user_id=op.user_id, session_id=op.session_id, at=op.at, failed=failed, failures=failures,
                    flagged=op.flagged, user_name=op.user_name,
                )  # fmt: skip
                made[place] = done
            else:
                ops[place] = done
        for op in ops:
            if isinstance(op, StoreError | Overloaded) and not isinstance(op, DamageError):
                raise op
        return made

    def delete(self, session_id: str, *, user_id: User = None) -> Plan[bool]:
        """Hide a session and forget its contents; its ledger rows stay as spend (R12). Whether it was there."""
        owner, _ = self.owner(user_id)
        there = bool(one((yield Write([Delete(user_id=owner, session_id=checks.session_id(session_id))]))))
        yield from self.clear_outside()
        return there


_CALL_FIELDS: Final = frozenset(WritePlans._call.__kwdefaults__ or ()) | {"session_id"}  # noqa: SLF001 - its own class
