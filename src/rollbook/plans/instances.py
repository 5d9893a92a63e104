"""Plans about processes that run sessions: this one, and those that died (R5)."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from rollbook import gate, machine
from rollbook.core import Plan, Read, Whole, Write, one
from rollbook.errors import RollbookError, StoreError
from rollbook.instances import Branch, Crashed, Instance, Reconciled
from rollbook.ledger import instances, reads, trees
from rollbook.ledger.instances import Owned, Stored
from rollbook.ledger.ops import Beat, Bury, Forget, Leave, Lost, Revive
from rollbook.model import MICROS, Session
from rollbook.plans.writing import WritePlans
from rollbook.presence import Presence
from rollbook.rules import checks
from rollbook.rules.liveness import HIDDEN, Here, Life, Verdict, judge, visible
from rollbook.store import Reading

KEPT_US: Final = 7 * 24 * 3600 * MICROS  #: for how long an instance that has ended is remembered

User = str | UUID | None
#: For how long nothing was heard of an instance, in microseconds; None if that is not known.
Quiet = Callable[[Stored], int | None]


class Judged(NamedTuple):
    """An instance, and what was decided of it."""

    stored: Stored
    verdict: Verdict


class Watch:
    """How long beats were seen not to come, by this process's own clock, which never jumps and stops during sleep.

    Only time in which they could have come counts: an outage of the database silences everybody, and whoever is back
    first must not take that for the others' death. This process beats itself, so it knows when it was cut off.
    """

    def __init__(self, beat_s: float) -> None:
        self._beat_s = beat_s
        self._seen: dict[str, tuple[int, float]] = {}
        self._listened = 0.0  #: for how many seconds beats could be heard
        self._reached: float | None = None  #: when the book answered last

    @contextlib.contextmanager
    def reaching(self) -> Iterator[None]:
        """Around a call to the book: whether it answered is noted."""
        try:
            yield
        except BaseException:
            self._forget()
            raise
        self._hear()

    def quiet(self, stored: Stored) -> int | None:
        """For how long an instance was seen to be quiet, as the book has just answered."""
        self._hear()
        beat, since = self._seen.get(stored.instance_id, (None, 0.0))
        if beat != stored.beat:
            self._seen[stored.instance_id] = (stored.beat, self._listened)
            return None
        return int((self._listened - since) * MICROS)

    def keep(self, ids: Iterable[str]) -> None:
        """Remember these alone."""
        self._seen = {name: self._seen[name] for name in ids if name in self._seen}

    def _hear(self) -> None:
        now = time.monotonic()
        passed = 0.0 if self._reached is None else now - self._reached
        if passed > 2 * self._beat_s:  # its own beat waited for the book, or the process stood still
            self._forget()
        else:
            self._listened += min(passed, self._beat_s)
        self._reached = now

    def _forget(self) -> None:
        """Begin to listen anew."""
        self._seen.clear()
        self._reached = None


class Attending(NamedTuple):
    """How this process attends to the book."""

    presence: Presence
    watch: Watch
    closing: threading.Event  #: set when the book is about to be closed


class InstancePlans(WritePlans):
    """Methods that tell a process that died from one that is silent."""

    @property
    def _attending(self) -> Attending:
        opened = self._opened
        if opened.attending is None:
            with opened.lock:
                if opened.attending is None:
                    presence = Presence(self._root or self, self.settings)
                    opened.attending = Attending(presence, Watch(self.settings.beat_s), threading.Event())
        attending: Attending = opened.attending
        return attending

    @property
    def presence(self) -> Presence:
        """This process in the book."""
        self.alive()
        return self._attending.presence

    def close(self) -> None:
        """Let go of what this process runs, write what is queued and close the database."""
        opened = self._opened
        if opened.pid == os.getpid() and self._root is None and not opened.closed:
            self.stop_listening()
            self.leave()
        super().close()

    def stop_listening(self) -> None:
        """Wake whoever listens for beats: the book is about to be closed."""
        self._attending.closing.set()

    # This process

    def _beat(self) -> Beat:
        presence = self.presence
        # Without the thread nothing is heard of it after the first beat, and its silence must say nothing.
        known = machine.this_process(self.settings.lease_s * MICROS if presence.beats else 0)
        return Beat(instance_id=presence.instance_id, known=known)

    def _first(self, presence: Presence) -> list[Beat]:
        """What makes the process known before the first session that it runs."""
        presence.attend()
        # (One that has no thread is forgotten after a time, unless it says by this that it is still there.)
        return [] if presence.known and presence.beats else [self._beat()]

    def enter(self, session_id: str | None = None, *, user_id: User = None, **facts: Any) -> Plan[tuple[Session, str]]:
        """Begin a block in which this process runs a session; the session, and the instance that it is run by."""
        presence = self.presence
        op = replace(self._touching(session_id, user_id=user_id, **facts), instance=presence.instance_id)
        one((yield Write([self._redacted(op), *self._first(presence)])))
        presence.known = True
        session = yield from self._own(op.session_id, op.user_id)
        if session.status != "running":
            session = yield from self.reopen(op.session_id, user_id=op.user_id)
        return session, presence.instance_id

    def exit(
        self, session_id: str, status: str, *, instance_id: str, user_id: User = None, reason: str | None = None
    ) -> Plan[Session]:
        """Leave such a block: the session ends, and whatever becomes of that, the instance lets go of it."""
        op = replace(self._ending(session_id, status, user_id=user_id, reason=reason, at=None), instance=instance_id)
        one((yield Write([self._redacted(op)])))
        return (yield from self._own(op.session_id, op.user_id))

    def present(self) -> Plan[str]:
        """See to it that the book knows this process, which is about to run a session; the instance that it is."""
        presence = self.presence
        if first := self._first(presence):
            one((yield Write(first)))
            presence.known = True
        return presence.instance_id

    def beat(self) -> None:
        """Say that this process lives; what was marked because it seemed dead runs again."""
        with self._attending.watch.reaching():
            self.drive(self._beating())

    def _beating(self) -> Plan[None]:
        op = self._beat()
        marked: list[tuple[str, str]] = one((yield Write([op])))
        for start in range(0, len(marked), instances.OWNED_AT_ONCE):
            step = marked[start : start + instances.OWNED_AT_ONCE]
            yield Write([Revive(user_id=user, session_id=name, instance_id=op.instance_id) for user, name in step])

    def leave(self) -> None:
        """Let go of whatever this process runs. What still runs goes on without it: a clean end is no crash."""
        presence = self._attending.presence
        presence.end()
        if presence.known and not self._opened.closed:
            presence.known = False
            with contextlib.suppress(RollbookError):  # the next who looks finds the process gone
                self.drive(self._leaving(presence.instance_id))

    @staticmethod
    def _leaving(instance_id: str) -> Plan[None]:
        one((yield Write([Leave(instance_id=instance_id)])))

    # Dead ones

    def reconcile(
        self, *, wait: bool = True, listening: Callable[[int, float], None] | None = None
    ) -> Plan[Reconciled]:
        """Presume crashed what dead processes ran, and say which and why (R5).

        A process that this machine can see is dead if it is gone. Any other is dead if it was not heard of for longer
        than its lease (60 s). That is asked of the clock, and clocks jump, so it is listened to for half a lease more
        before anything is marked; ``wait=False`` does without. ``listening`` is told to how many processes, and for how
        many seconds. ``last_activity_at`` stays; a session that speaks again, or whose process does, is running again.
        Sessions that no process is known to run are left alone. Raises StoreError if the book is closed meanwhile.
        """
        gate.check_admin(self.principal)
        judged: list[Judged] = yield Read(partial(self._judged, quiet=self._quiet, boot_id=None))
        lapsed = [each for each in judged if each.verdict.lapsed]
        if lapsed and wait:
            seconds = max(each.stored.known.lease_us for each in lapsed) / MICROS / 2
            if listening is not None:
                listening(len(lapsed), seconds)
            yield Whole(lambda _: self._listen(seconds))  # in a thread that reads, if there are such
            waited: list[Judged] = yield Read(partial(self._judged, quiet=self._quiet, boot_id=None))
            before = {each.stored.instance_id: each.stored.beat for each in lapsed}
            judged = [
                each for each in waited
                if not each.verdict.lapsed or before.get(each.stored.instance_id) == each.stored.beat
            ]  # fmt: skip
        return (yield from self._presume_dead(judged))

    def _listen(self, seconds: float) -> None:
        """Let time pass in which beats may come."""
        if self._attending.closing.wait(seconds):
            raise StoreError("the book is closed")

    def look_around(self) -> None:
        """The same for this machine, from a process that lives for long and has listened itself."""
        with self._attending.watch.reaching():
            self.drive(self._looking_around())

    def _looking_around(self) -> Plan[Reconciled]:
        boot_id = machine.here().boot_id
        judged: list[Judged] = yield Read(partial(self._judged, quiet=self._attending.watch.quiet, boot_id=boot_id))
        self._attending.watch.keep(each.stored.instance_id for each in judged)
        return (yield from self._presume_dead(judged))

    def _now(self) -> int:
        """The clock by which beats are dated."""
        return self.clock()

    def _quiet(self, stored: Stored) -> int:
        return max(0, self._now() - stored.beat_at)

    def _judged(self, tx: Reading, *, quiet: Quiet, boot_id: str | None) -> list[Judged]:
        """Every instance but this one that has not ended, of one boot of a machine or of all, and what became of it."""
        here, own = machine.here(), self._attending.presence.instance_id
        found = [each for each in instances.not_ended(tx, boot_id) if each.instance_id != own]
        return [Judged(each, _verdict(each, here, quiet(each))) for each in found]

    def _presume_dead(self, judged: Sequence[Judged]) -> Plan[Reconciled]:
        found: list[Instance] = []
        crashed: list[Crashed] = []
        for each in judged:
            if each.verdict.life is Life.DEAD:
                crashed += yield from self._mark_all_of(each)
                bury = Bury(instance_id=each.stored.instance_id, beat=each.stored.beat)
                if one((yield Write([bury]))):
                    found.append(instances.told(each.stored, each.verdict))
        before = self._now() - KEPT_US
        if (yield Read(partial(instances.any_older, before=before))):
            one((yield Write([Forget(before=before)])))
        seen = [each for each in crashed if self.everybody or each.user_id in self.principal.users]
        return Reconciled(
            looked_at=len(judged),
            undecided=sum(each.verdict.life is Life.UNKNOWN for each in judged),
            instances=found,
            sessions=seen,
            hidden=len(crashed) - len(seen),
        )

    def _mark_all_of(self, judged: Judged) -> Plan[list[Crashed]]:
        stored, reason = judged.stored, judged.verdict.reason
        crashed: list[Crashed] = []
        after: Owned | None = None
        while True:
            silent_since = self.now().cutoff
            step: list[Owned] = yield Read(
                partial(instances.runs, instance_id=stored.instance_id, after=after, silent_since=silent_since)
            )
            if not step:
                return crashed
            marks = [
                Lost(
                    user_id=each.user_id, session_id=each.session_id, instance_id=stored.instance_id,
                    beat=stored.beat, reason=reason,
                )
                for each in step
            ]  # fmt: skip
            for each, answer in zip(step, (yield Write(marks)), strict=True):
                if one([answer]):
                    crashed.append(Crashed(
                        session_id=each.session_id, user_id=each.user_id, instance_id=stored.instance_id, reason=reason
                    ))  # fmt: skip
            after = step[-1]

    # What is known

    def instance(self, session_id: str, *, user_id: User = None) -> Plan[Instance | None]:
        """The process that runs a session, or ran it last, and whether it is alive; None where that is not known.

        It is forgotten seven days after it ended.
        """
        name = checks.session_id(session_id)

        def look(tx: Reading) -> Instance | None:
            stored = instances.owner(tx, *reads.find(tx, self.scope(tx, user_id), name))
            if stored is None:
                return None
            if stored.instance_id == self._attending.presence.instance_id:
                return instances.told(stored, Verdict(Life.ALIVE))
            verdict = _verdict(stored, machine.here(), self._quiet(stored))
            found = instances.told(stored, verdict)
            # By the clock alone nobody is dead: to listen takes time.
            return replace(found, state="silent") if verdict.lapsed and found.ended_at is None else found

        answer: Instance | None = yield Read(look)
        return answer

    def tree(self, session_id: str, *, user_id: User = None) -> Plan[list[Branch]]:
        """A session and everything below it: each above what it started, with its own cost and that of all below it."""
        name = checks.session_id(session_id)
        answer: list[Branch] = yield self._look(user_id, trees.tree, name, self.now())
        return answer


def _verdict(stored: Stored, here: Here, quiet_us: int | None) -> Verdict:
    known = stored.known
    process = machine.process(known.pid) if visible(known, here) else HIDDEN
    return judge(known, here, process, quiet_us)
