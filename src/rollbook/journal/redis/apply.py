"""Making steps in Redis: the rules run here on what was read, and one script stores what they came to.

The script refuses where the root was changed since, and then the rules run again. Whoever loses that race too often
asks for a turn, so that two processes on one session both get on.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rollbook.errors import Conflict, InvalidInput, NotFound, RollbookError, StoreError
from rollbook.journal import rules
from rollbook.journal.redis import keys as names
from rollbook.journal.redis.keys import Meta, Place
from rollbook.journal.redis.roots import Roots
from rollbook.journal.redis.server import Request
from rollbook.journal.redis.shelf import RedisShelf
from rollbook.journal.redis.steps import Group, Item, ids, stretches
from rollbook.journal.redis.view import Moved, View
from rollbook.journal.steps import Appended, Done, Drop

TOKENS_OUTLIVE_MS: Final = 60_000  #: after a root was dropped, for which a repeated commit is known again
_TOKENS: Final = 64  #: that a root remembers; lua/commit.lua has the same number
_TURN_MS: Final = 300
_MISSES: Final = 2  #: lost races after which a turn is asked for
_STEPS: Final = 256  #: that are made by one commit
_BYTES: Final = 4 * 1024 * 1024  #: of bodies in one commit, but for a single step


class Maker:
    """Carries out one batch."""

    def __init__(self, roots: Roots, limit: float) -> None:
        self.roots = roots
        self.server = roots.server
        self.deadline = time.monotonic() + limit
        self._whose = secrets.token_hex(8)
        self._misses: dict[Place, int] = {}
        self._claimed: dict[Place, tuple[bytes, bytes]] = {}  #: pointers before this batch, and what it made of them

    def make(self, items: Sequence[Item]) -> None:
        """Answer every item, in an order that nobody can tell from theirs."""
        for stretch in stretches(items):
            waiting = [item for item in stretch if item.answer is None]
            while waiting:
                if time.monotonic() >= self.deadline:
                    _answer(waiting, StoreError("others changed the same session without a pause: try again"))
                self._round(waiting)
                waiting = [item for item in waiting if item.answer is None]

    def _round(self, waiting: Sequence[Item]) -> None:
        groups = self._grouped(waiting)
        for step in (self._load, self._claim, self._work, self._register, self._commit):
            groups = step([group for group in groups if any(item.answer is None for item in group.items)])
        if any(item.answer is None for item in waiting) and self._misses:
            time.sleep(random.uniform(0.0, 0.002))  # noqa: S311 - no secret

    def _grouped(self, items: Iterable[Item]) -> list[Group]:
        groups: dict[Place, Group] = {}
        for item in items:
            try:
                root = self.roots.root_of(item.source or item.place)
            except StoreError as error:
                item.answer = error
                continue
            group = groups.get(root)
            if group is None:
                groups[root] = group = Group(root, self.roots.keys(root), [], found={}, claimed={})
            if len(group.items) < _STEPS:
                group.items.append(item)
        return list(groups.values())

    # Reading

    def _load(self, groups: list[Group]) -> list[Group]:
        """What has to be known before the rules can run, in one round trip; the groups of which it is known."""
        asked: list[tuple[Group, list[bytes], Request]] = []
        requests = []
        for group in groups:
            fields = sorted({field for item in group.items for field in ids(item.step)})
            group.meta = self.roots.known(group.root)
            if group.meta is not None and not all(group.meta.knows(who) for item in group.items for who in item.whos):
                group.meta = None  # who is not known here may be elsewhere by now
            if self._misses.get(group.root, 0) >= _MISSES:
                requests.append(self.roots.request("turn", group.keys.fixed, [self._whose, _TURN_MS]))
                group.meta = None
            if group.meta is None or fields:
                asked.append((group, fields, self.roots.load(group.root, fields)))
                requests.append(asked[-1][2])
        self.server.send(requests, self.deadline)
        for group, fields, request in asked:
            group.meta, group.fresh = None, True
            try:
                learnt = self.roots.learnt(group.root, request.answer, fields)
            except RollbookError as error:
                _answer(group.items, error)
            else:
                group.found = learnt.lines
                if not learnt.pointer or all((item.source or item.place) != group.root for item in group.items):
                    group.meta = learnt.meta
        if any(group.meta is None and group.items[0].answer is None for group in groups):
            return []  # it points to another root, whose steps have to be made in their order
        return [group for group in groups if group.meta is not None]

    def _claim(self, groups: list[Group]) -> list[Group]:
        """Have the sessions point to the root that are to be kept there for the first time."""
        return [group for group in groups if self._claims_all(group)]

    def _claims_all(self, group: Group) -> bool:
        may = [self._claims(group, item) for item in group.items]  # every one of them, not only up to the first
        return all(may)

    def _claims(self, group: Group, item: Item) -> bool:
        """Whether a step may go on in this round."""
        place, source = item.place, item.source
        if group.meta is None or (group.meta.knows(item.who) and source is None):
            return True
        try:
            if source is not None and not group.meta.knows(source.who):
                # The rules refuse it, unless it was dropped and begun anew elsewhere.
                return self.roots.fresh(source, self.deadline)[0] == group.root
            if place in (group.root, *group.claimed) or group.meta.knows(item.who):
                return True
            before = self.roots.pointer(place)
            if source is not None and before and self.roots.root_of(place) != group.root:
                _, other = self.roots.fresh(place, self.deadline)
                if other.knows(item.who):
                    raise Conflict("the session has a journal already, so it cannot become a fork")
            pointer = self.roots.claim(place, group.root, self.deadline)
        except RollbookError as error:
            item.answer = error
            return False
        if pointer is not None:
            original, mine = self._claimed.get(place, (before, before))
            self._claimed[place] = group.claimed[place] = (original if mine == before else before, pointer)
        return pointer is not None

    # The rules

    def _work(self, groups: list[Group]) -> list[Group]:
        """Run the rules; the groups that have something to store."""
        found = []
        for group in groups:
            try:
                if self._worked(group):
                    found.append(group)
            except Moved:
                self._missed(group)
            except StoreError as error:
                self.roots.forget(group.root)
                _answer(group.items, error)
        return found

    def _worked(self, group: Group) -> bool:
        meta = group.meta or Meta()
        view = View(group.keys, group.root.who, meta, self._ask, writes=True)
        view.found = group.found
        failed: dict[int, RollbookError] = {}
        while not self._tried(group, view, failed):
            pass
        shelf = group.shelf
        if shelf is not None and (shelf.changed or self._must_be_safe(group)):
            group.new = shelf.meta(max(item.step.at for item in group.items))
            return True
        if not (group.fresh or view.asked):
            raise Moved  # nothing was compared with Redis yet: look again, then answer
        self._settle(group)
        return False

    def _tried(self, group: Group, view: View, failed: dict[int, RollbookError]) -> bool:
        """Make every step on a new shelf; False where one failed half way, which then stays out."""
        shelf = group.shelf = RedisShelf(view, group.root.who)
        group.answers = []
        for number, item in enumerate(group.items):
            if number and shelf.size > _BYTES:
                group.items = group.items[:number]
                break
            if number in failed:
                group.answers.append(failed[number])
                continue
            source = None if item.source is None else item.source.who
            if isinstance(item.step, Drop):
                spared = rules.spares(shelf, item.who, item.step, view.meta.states.get(item.who, 0))
                group.answers.append(not spared and rules.drop(shelf, item.who, item.step.at))
                continue
            try:
                rules.refuse(shelf, item.who, item.step, source)
            except (Conflict, InvalidInput, NotFound) as error:
                group.answers.append(error)
                continue
            try:
                group.answers.append(rules.apply(shelf, item.who, item.step, source))
            except (Conflict, InvalidInput, NotFound) as error:
                failed[number] = error
                return False
        return True

    def _ask(self, keys: list[bytes], arguments: list[bytes | str | int]) -> object:
        request = self.roots.request("read", keys, arguments)
        self.server.send([request], self.deadline)
        if isinstance(request.answer, RollbookError):
            raise request.answer
        return request.answer

    def _must_be_safe(self, group: Group) -> bool:
        """Whether entries that are there already are answered, which may not be safe yet."""
        there = any(
            isinstance(each, Appended) and each.duplicates
            for answer in group.answers
            if isinstance(answer, Done)
            for each in answer.answers
        )
        return there and self.server.waits(group.keys.fixed[0], self.deadline)

    # Storing

    def _register(self, groups: list[Group]) -> list[Group]:
        """Name the roots that are new, before anything of theirs is there."""
        new = [
            (group, self.roots.enter(group.root, fork=False)) for group in groups if not (group.meta or Meta()).version
        ]
        self.server.send([request for _, request in new], self.deadline)
        for group, request in new:
            if isinstance(request.answer, RollbookError):
                _answer(group.items, request.answer)
        return groups

    def _commit(self, groups: list[Group]) -> list[Group]:
        requests = []
        for group in groups:
            group.request = self._order(group)
            requests += [group.request, *self._prolonged(group)]
        self.server.send(requests, self.deadline)
        for group in groups:
            self._committed(group)
        return groups

    def _order(self, group: Group) -> Request:
        shelf, new, before = group.shelf, group.new, group.meta
        assert shelf is not None  # noqa: S101 - the rules have run
        assert new is not None  # noqa: S101
        assert before is not None  # noqa: S101
        state_keys, words = shelf.orders(new, group.keys) if shelf.changed else ([], [])
        if not shelf.changed:
            state_keys = [group.keys.state(who) for who in sorted(before.states, key=str)]
        ttl = 0 if self.roots.options.ttl is None else self.roots.options.ttl * 1000
        own = int(any(item.place == group.root for item in group.items))
        known = (before.version, secrets.token_hex(8), self._whose, ttl, TOKENS_OUTLIVE_MS, shelf.touched, own)
        script = "commit" if shelf.adds else "remove"
        return self.roots.request(script, [*group.keys.fixed, *state_keys], [*known, *words], durable=True)

    def _prolonged(self, group: Group) -> Iterator[Request]:
        """Pointers live at least as long as what they lead to."""
        ttl = self.roots.options.ttl
        if ttl is not None and group.new is not None:
            for who in group.new.whos() - {group.root.who, names.NOBODY}:
                key = self.roots.keys(Place(group.root.user_id, str(who))).root
                yield Request(key, ("PEXPIRE", key, ttl * 2000))

    def _committed(self, group: Group) -> None:
        assert group.request is not None  # noqa: S101 - it was sent
        answer = group.request.answer
        if isinstance(answer, RollbookError):
            self.roots.forget(group.root)
            _answer(group.items, answer)
            return
        word, version = answer
        if word in (b"turn", b"held"):
            self._misses[group.root] = self._misses.get(group.root, 0) + (word == b"held")
        elif word == b"fork":
            self.roots.forget(group.root)
        elif word == b"moved":
            self._missed(group)
            if group.request.repeated and _wrapped(group.meta, version):
                _answer(
                    group.items, StoreError("it cannot be told whether a write was kept: read before it is repeated")
                )
        else:
            if word == b"done" and group.new is not None:
                group.new.version = version
                group.new.expires = self.roots.options.ttl is not None
                self.roots.remember(group.root, group.new)
            else:
                self.roots.forget(group.root)
            self._settle(group)

    def _missed(self, group: Group) -> None:
        self.roots.forget(group.root)
        self._misses[group.root] = self._misses.get(group.root, 0) + 1

    def _settle(self, group: Group) -> None:
        """Hand out the answers, and let go of pointers that lead to nothing any more."""
        left = []
        new = group.new or group.meta or Meta()
        for item, answer in zip(group.items, group.answers, strict=True):
            item.answer = answer
            before, pointer = group.claimed.get(item.place, (b"", b""))
            if item.place != group.root and group.meta is not None and group.meta.knows(item.who):
                pointer = self.roots.pointer(item.place)
            elif before:
                pointer = b""  # another who claimed it may be about to write
            if pointer and not new.knows(item.who):
                left.append(self.roots.release(item.place, pointer))
                self.roots.point(item.place, b"")
        self.server.send(left, self.deadline)  # one that fails leaves a pointer to nothing, which does no harm


def _answer(items: Iterable[Item], answer: RollbookError) -> None:
    for item in items:
        if item.answer is None:
            item.answer = answer


def _wrapped(before: Meta | None, version: bytes) -> bool:
    """Whether so much was committed since that the root does not remember every token."""
    old = before.version.partition(b":")[0] if before else b""
    new = version.partition(b":")[0]
    return bool(old and new) and int(new) - int(old) >= _TOKENS
