"""Journals in Redis or Valkey, one server or a cluster: ``redis://user:password@host:6379/0?ttl=86400``."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rollbook.errors import RollbookError, StoreError
from rollbook.journal.backend import Check, DamageError, Kept, of_another
from rollbook.journal.redis import keys as names
from rollbook.journal.redis import url as redis_url
from rollbook.journal.redis.apply import Maker
from rollbook.journal.redis.health import checks
from rollbook.journal.redis.keys import Meta, Place
from rollbook.journal.redis.peek import Peek, looking
from rollbook.journal.redis.roots import Learnt, Roots
from rollbook.journal.redis.server import Request, Server
from rollbook.journal.redis.steps import items_of
from rollbook.journal.shelf import Who
from rollbook.journal.steps import Done, Drop, Step
from rollbook.settings import Settings

_OPENING_S: Final = 3.0  #: how long is tried at first: a place that is wrong is said soon
_AT_ONCE: Final = 256  #: names of the register
_STALE_MS: Final = 3_600_000  #: age of a name in the register that leads to nothing, after which it is removed


class RedisJournals:
    """Journals in one Redis, for many threads and processes at once; a forked child has connections of its own."""

    def __init__(self, url: str, settings: Settings) -> None:  # noqa: ARG002 - what is to be set stands in the URL
        self._options = redis_url.parse(url)
        self.url = self._options.shown  #: without the password
        self._closed = False
        self._begin()
        self._roots.server.connect(min(_OPENING_S, self._options.timeout))

    def claim(self, book_id: str) -> None:
        """Let what is under the prefix be that of one book. Raises StoreError for another's."""
        key = self._here().register.owner
        said = Request(key, ("GET", key))
        self._send([Request(key, ("SET", key, book_id, "NX"), durable=True)])
        self._send([said])
        if said.answer != book_id.encode():
            raise of_another(self.url, "name another prefix in its URL (?prefix=...)")

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._applying = threading.Lock()
        self._roots = Roots(Server(self._options))

    def _here(self) -> Roots:
        """What this process knows; a child that was forked begins anew."""
        if self._closed:
            raise StoreError("the journal is closed")
        if self._pid != os.getpid():
            self._begin()
            self._roots.server.connect(self._options.timeout)
        return self._roots

    def _deadline(self) -> float:
        return time.monotonic() + self._options.timeout

    def apply(self, steps: Sequence[Step | Drop]) -> list[Done | bool | RollbookError]:
        """Make steps; see :class:`rollbook.journal.backend.Journals`. At most ``timeout=`` seconds."""
        roots = self._here()
        items = items_of(steps)
        with self._applying:
            Maker(roots, self._options.timeout).make(items)
            for item in items:
                if isinstance(item.step, Drop) and isinstance(item.answer, DamageError):
                    item.answer = self._cleared(item.place, item.answer)
        answers = [StoreError() if item.answer is None else item.answer for item in items]
        lost = [answer for answer in answers if isinstance(answer, StoreError) and not isinstance(answer, DamageError)]
        if answers and len(lost) == len(answers):
            raise lost[0]
        return answers

    def _cleared(self, place: Place, damage: DamageError) -> bool | RollbookError:
        """Drop a journal that cannot be read with all its keys, where nothing was forked from it."""
        roots = self._here()
        if roots.root_of(place) != place:
            return damage
        try:
            forks = [each for batch in self._registered(place.user_id) for each, fork, _ in batch if fork]
            asked = [Request(key, ("GET", key)) for key in (roots.keys(each).root for each in forks)]
            self._send(asked)
            if any(each.answer and Roots.led_to(place, each.answer) == place for each in asked):
                return DamageError(f"{damage}; others were forked from it, so it cannot be dropped as it is")
            self._send([self._unlinking(place, [place.who])])
        except RollbookError as error:
            return error
        roots.forget(place)
        roots.point(place, b"")
        return True

    def _unlinking(self, root: Place, whos: Iterable[str]) -> Request:
        """A request to remove a root of which nothing is known but who may have state there."""
        keys = self._here().keys(root)
        return Request(keys.root, ("UNLINK", *keys.fixed, *map(keys.state, whos)), durable=True)

    @contextmanager
    def read(self, user_id: str, session_id: str) -> Iterator[tuple[Peek, Who]]:
        """A session's journal to look at. Raises Conflict where entries were changed while it was looked at."""
        with looking(self._here(), Place(user_id, session_id), self._ask, self._deadline()) as looked:
            yield looked

    @contextmanager
    def user_state(self, user_id: str) -> Iterator[tuple[Peek, Who]]:
        """The state of a user to look at."""
        with looking(self._here(), Place(user_id, None), self._ask, self._deadline()) as looked:
            yield looked

    def _ask(self, keys: list[bytes], arguments: list[bytes | str | int]) -> object:
        request = self._here().request("read", keys, arguments)
        self._send([request])
        return request.answer

    def sessions(self, user_id: str | None = None) -> Iterator[Kept]:
        """The sessions of which something is kept. Names that lead to nothing any more are removed on the way."""
        for batch in self._registered(user_id):
            stale = []
            for (place, fork, entered), found in zip(batch, self._learnt([each[0] for each in batch]), strict=True):
                if isinstance(found, DamageError):
                    if not fork and place.session_id is not None:
                        yield Kept(place.user_id, place.session_id, entered * 1000)  # damaged, but there
                    continue
                if not fork:
                    yield from _kept(place, found.meta)
                if not (found.pointer if fork else found.meta.version):
                    stale.append((place, fork, entered))
            self._forget(stale)

    def _registered(self, user_id: str | None = None) -> Iterator[list[tuple[Place, bool, int]]]:
        """Every place of the register, whether it is a fork, and when it was entered; a batch at a time."""
        register = self._here().register
        keys = [register.key(each) for each in range(names.SHARDS)] if user_id is None else [register.shard(user_id)]
        match = () if user_id is None else ("MATCH", register.pattern(user_id))
        for key in keys:
            cursor, seen = b"0", set[bytes]()  # a scan may come by the same member twice
            while True:
                request = Request(key, ("ZSCAN", key, cursor, "COUNT", _AT_ONCE, *match))
                self._send([request])
                cursor, found = request.answer
                batch = [
                    (*register.read(member), int(float(score)))
                    for member, score in zip(found[::2], found[1::2], strict=True)
                    if member not in seen
                ]
                seen.update(found[::2])
                yield [each for each in batch if user_id in (None, each[0].user_id)]
                if cursor == b"0":
                    break

    def _learnt(self, places: Sequence[Place]) -> list[Learnt | DamageError]:
        """What the places of the register hold now."""
        roots = self._here()
        requests = [roots.load(place) for place in places]
        roots.server.send(requests, self._deadline())
        found: list[Learnt | DamageError] = []
        for place, each in zip(places, requests, strict=True):
            try:
                found.append(roots.learnt(place, each.answer, ()))
            except DamageError as error:
                found.append(error)
        return found

    def _forget(self, places: Sequence[tuple[Place, bool, int]], spare_ms: int = _STALE_MS) -> None:
        roots = self._here()
        before = int(time.time() * 1000) - spare_ms
        self._send(
            [
                roots.request(
                    "forget", [roots.register.shard(p.user_id)], [roots.register.member(p, fork=fork), entered]
                )
                for p, fork, entered in places
                if entered <= before
            ]
        )

    def _send(self, requests: Sequence[Request]) -> None:
        self._here().server.send(requests, self._deadline())
        for request in requests:
            if isinstance(request.answer, RollbookError):
                raise request.answer

    def wipe(self) -> int:
        """Remove every journal that the register names, and the names; how many sessions there were."""
        roots = self._here()
        count = 0
        places = {(place, fork): entered for batch in self._registered() for place, fork, entered in batch}
        # Pointers go first: a session then begins anew under its own name, and not under a root that is being removed.
        forks = [place for place, fork in places if fork]
        self._send([Request(roots.keys(each).root, ("UNLINK", roots.keys(each).root)) for each in forks])
        for place, fork in places:
            roots.point(place, b"")
            if not fork:
                count += self._wiped(place, places)
        self._forget([(place, fork, entered) for (place, fork), entered in places.items()], spare_ms=-_STALE_MS)
        return count

    def _wiped(self, place: Place, places: Iterable[tuple[Place, bool]]) -> int:
        roots = self._here()
        for _ in range(1000):
            [found] = self._learnt([place])
            if isinstance(found, DamageError):
                whos = {each.who for each, _ in places if each.user_id == place.user_id}
                self._send([self._unlinking(place, whos)])
                return int(place.session_id is not None)
            meta = found.meta
            keys = roots.keys(place)
            wipe = roots.request("wipe", [*keys.fixed, *map(keys.state, meta.states)], [meta.version], durable=True)
            self._send([wipe])
            roots.forget(place)
            if wipe.answer:
                return len(list(_kept(place, meta)))
        raise StoreError("the journal is being written to: stop whoever does, and wipe it again")

    def health(self) -> list[Check]:
        """How durable an acknowledged step is, and what is wrong with the place."""
        return checks(self._here().server, self._options, self._deadline())

    def close(self) -> None:
        """Let go of connections. A second call does nothing."""
        self._closed = True
        if self._pid == os.getpid():
            self._roots.server.close()


def _kept(root: Place, meta: Meta) -> Iterator[Kept]:
    if root.session_id is None:
        return
    for who in sorted(meta.whos() - {names.NOBODY}, key=str):
        changes = [head.changed_at for head in meta.heads.values() if head.who == who]
        yield Kept(root.user_id, str(who), max([*changes, meta.states.get(who, 0)]))
