"""R5 as a law: whatever peers, clocks and sessions do, what a live peer runs is never marked, and the books balance."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as some

from rollbook.book import Rollbook
from rollbook.ledger.ops import Leave, Revive
from rollbook.settings import LOCAL_USER

from .tools import Clock, Peer, opened, plans_of, written

NAMES = ("a", "b", "c", "d")

peers = some.integers(0, 2)
names = some.sampled_from(NAMES)
actions = some.one_of(
    some.tuples(some.just("passes"), some.integers(1, 90)),
    some.tuples(some.just("beats"), peers),
    some.tuples(some.just("runs"), peers, names, some.booleans()),
    some.tuples(some.just("leaves"), peers),
    some.tuples(some.just("dies"), peers),
    some.tuples(some.just("reconciles")),
    some.tuples(some.just("speaks"), names),
    some.tuples(some.just("ends"), names),
    some.tuples(some.just("deletes"), names),
)


class World:
    """Peers elsewhere, of which some are dead, and what each of them is known to run."""

    def __init__(self, book: Rollbook, clock: Clock) -> None:
        self.book, self.clock = book, clock
        self.peers = [Peer(book) for _ in range(3)]
        self.heard = [clock.now] * 3
        self.dead = [False] * 3
        self.owner: dict[str, int] = {}
        self.deleted: set[str] = set()

    def passes(self, seconds: int) -> None:
        self.clock.passes(seconds)

    def beats(self, number: int) -> None:
        if not self.dead[number]:
            self.heard[number] = self.clock.now
            marked = self.peers[number].beat()
            ops = [Revive(user_id=user, session_id=name, instance_id=self.peers[number].instance_id)
                   for user, name in marked]  # fmt: skip
            assert all(written(self.book, *ops)) if ops else True
            for name in [name for name, owner in self.owner.items() if owner == number]:
                assert self.book.get(name).status != "unknown", "a beat asserts again what its instance owns"

    def runs(self, number: int, name: str, loose: bool) -> None:
        if not self.dead[number] and name not in self.deleted:
            self.beats(number)
            self.peers[number].runs(name, loose=loose)
            self.owner[name] = number

    def leaves(self, number: int) -> None:
        if not self.dead[number]:
            written(self.book, Leave(instance_id=self.peers[number].instance_id))
            self.owner = {name: owner for name, owner in self.owner.items() if owner != number}

    def dies(self, number: int) -> None:
        self.dead[number] = True

    def speaks(self, name: str) -> None:
        if name not in self.deleted:
            self.book.touch(name)

    def ends(self, name: str) -> None:
        if name not in self.deleted and name in self.owner:
            self.book.end(name, "completed")

    def deletes(self, name: str) -> None:
        self.book.delete(name)
        self.deleted.add(name)
        self.owner.pop(name, None)

    def reconciles(self) -> None:
        before = {one.session_id: one for one in self.book.iterate()}
        found = self.book.reconcile(wait=False)
        for one in found.sessions:
            owner = self.owner.get(one.session_id)
            assert owner is not None, "it was run by nobody"
            assert self.clock.now - self.heard[owner] > 60_000_000, "its process was heard of"
            assert before[one.session_id].status == "running"
            after = self.book.get(one.session_id)
            assert (after.status, after.decided_by) == ("unknown", "reconcile")
            assert after.last_activity_at == before[one.session_id].last_activity_at
        marked = {one.session_id for one in found.sessions}
        for session in self.book.iterate():
            if session.session_id not in marked:
                assert session == before[session.session_id], "nothing else is changed"
        assert self.book.reconcile(wait=False).sessions == [], "once is enough"


@contextmanager
def _world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        with opened(Path(folder) / "book.db", clock) as book:
            yield World(book, clock)


@example_settings(max_examples=30)
@given(some.lists(actions, max_size=25))
def test_R5_a_live_peers_sessions_are_never_marked(acts: list[tuple[Any, ...]]) -> None:
    with _world() as world:
        for name, *values in acts:
            getattr(world, name)(*values)
        world.reconciles()
        assert world.book.verify().ok
        assert plans_of(world.book).user_id == LOCAL_USER
