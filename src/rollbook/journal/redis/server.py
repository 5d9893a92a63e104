"""Redis as one place, be it one server or a cluster: requests go to the node that has their keys, until time is up."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct

from rollbook.errors import StoreError
from rollbook.journal.redis.node import (
    TROUBLE,
    AskError,
    Flight,
    MovedError,
    Node,
    ResponseError,
    Scripts,
    Words,
    key_slot,
    passing,
    translated,
    unknown_script,
)
from rollbook.journal.redis.url import Options

_PAUSES_S: Final = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3)


class Request(Struct, eq=False):
    """One command, and in time what became of it."""

    key: bytes  #: which decides the node
    words: Words
    durable: bool = False
    answer: Any = None  #: what Redis answered, or a RollbookError
    repeated: bool = False  #: it may have been carried out more than once
    settled: bool = False
    said: Exception | None = None  #: the last error that a node answered itself
    to: str | None = None  #: another node for once, while keys are being moved


class Server:
    """The nodes and who has which keys."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.scripts = Scripts()
        self.cluster = bool(options.cluster)
        self._lock = threading.Lock()
        self._nodes: dict[str, Node] = {}
        self._slots: dict[int, str] = {}
        self._first = self._told = self._node(options.host, options.port)
        self._closed = False

    # Where things are

    def _node(self, host: str, port: int) -> Node:
        name = f"{host}:{port}"
        with self._lock:
            if name not in self._nodes:
                self._nodes[name] = Node(self.options, host, port, self.scripts)
            return self._nodes[name]

    def connect(self, limit: float) -> None:
        """Reach the place for the first time. Raises StoreError."""
        deadline = time.monotonic() + limit
        for pause in self._pauses(deadline):
            time.sleep(pause)
            try:
                if self.options.cluster is None:
                    self.cluster = self._first.facts(deadline).cluster
                self.look(deadline)
                for node in self.primaries():
                    node.load(deadline)
            except TROUBLE as error:
                if not passing(error) or time.monotonic() >= deadline:
                    raise translated(error, self.options) from error
            else:
                return

    @staticmethod
    def _pauses(deadline: float) -> Iterable[float]:
        """Before each attempt, a while; one attempt at the least."""
        yield 0.0
        for pause in _PAUSES_S[1:]:
            yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        while True:
            yield max(0.0, min(0.3, deadline - time.monotonic()))

    def look(self, deadline: float) -> None:
        """Ask who has which keys now; where nobody answers, what is known stays."""
        if not self.cluster:
            return
        trouble: Exception = StoreError()
        for node in sorted(self._nodes.values(), key=lambda each: each is not self._told):
            try:
                ranges = node.ask([("CLUSTER", "SLOTS")], min(deadline, time.monotonic() + self.options.connect_s))[0]
            except TROUBLE as error:
                trouble = error
                if not passing(error):
                    raise
                continue
            if ranges:
                self._slots = dict(self._owners(ranges, node))
                self._told = node
                return
        raise trouble

    def _owners(self, ranges: Sequence[Any], told: Node) -> Iterable[tuple[int, str]]:
        for first, last, primary, *_ in ranges:
            host = primary[0].decode()
            owner = self._node(told.name.rpartition(":")[0] if host in ("", "?") else host, int(primary[1]))
            yield from ((slot, owner.name) for slot in range(first, last + 1))

    def primaries(self) -> list[Node]:
        """The nodes that keep keys."""
        return [self._nodes[name] for name in sorted(set(self._slots.values()))] if self.cluster else [self._first]

    def slot(self, key: bytes) -> int:
        return int(key_slot(key))

    def _home(self, request: Request) -> Node | None:
        if not self.cluster:
            return self._first
        name = request.to or self._slots.get(self.slot(request.key))
        return None if name is None else self._nodes.get(name)

    def waits(self, key: bytes, deadline: float) -> bool:
        """Whether a write of a key is acknowledged only when more than one process's memory holds it."""
        node = self._home(Request(key, ()))
        try:
            return node is not None and bool(node.waits(deadline))
        except TROUBLE:
            return False

    # Requests

    def send(self, requests: Sequence[Request], deadline: float) -> None:
        """Have every request answered, or refused with a RollbookError in the place of its answer.

        Every request must be one that may be carried out twice: after a lost connection it is sent again.
        """
        if self._closed:
            raise StoreError("the journal is closed")
        for attempt, pause in enumerate(self._pauses(deadline)):
            left = [request for request in requests if not request.settled]
            if not left:
                return
            if attempt:
                time.sleep(pause)
            flights = self._depart(left, deadline)
            lost = False
            for node, mine, waits, flight in flights:
                lost |= self._arrive(node, mine, waits, flight, deadline)
            if lost or len(flights) == 0:
                self._look_again(deadline)

    def _depart(
        self, requests: Sequence[Request], deadline: float
    ) -> list[tuple[Node, list[Request], list[tuple[Words, tuple[int, ...]]], Flight]]:
        by_node: dict[str, tuple[Node, list[Request]]] = {}
        for request in requests:
            node = self._home(request)
            if node is not None:
                by_node.setdefault(node.name, (node, []))[1].append(request)
            elif time.monotonic() >= deadline:
                self._give_up(request, StoreError("the Redis cluster has no node for some keys: try again"))
        flights = []
        for node, mine in by_node.values():
            try:
                waits = node.waits(deadline) if any(request.durable for request in mine) else []
            except TROUBLE as error:
                self._troubled(mine, error, deadline)
                continue
            words = [each for request in mine for each in ((("ASKING",),) if request.to else ()) + (request.words,)]
            flights.append((node, mine, waits, node.send([*words, *(ask for ask, _ in waits)], deadline)))
        return flights

    def _arrive(
        self,
        node: Node,
        requests: list[Request],
        waits: list[tuple[Words, tuple[int, ...]]],
        flight: Flight,
        deadline: float,
    ) -> bool:
        """Settle what was answered; whether nodes may have changed."""
        answers = iter(flight.land())
        troubled = False
        unknown = False
        done = []
        for request in requests:
            if request.to:
                next(answers)
                request.to = None
            answer = next(answers)
            if not isinstance(answer, Exception):
                request.answer, request.settled = answer, True
                done.append(request)
                continue
            unknown |= unknown_script(answer)
            troubled |= not unknown_script(answer)
            request.repeated |= flight.sent and not _said(answer)
            self._troubled([request], answer, deadline)
        for (_, needed), answer in zip(waits, answers, strict=True):
            self._durable(node, done, needed, answer, deadline)
        if unknown:
            try:
                node.load(deadline)
            except TROUBLE as error:
                troubled |= passing(error)
        if troubled:
            node.idle()
        return troubled

    def _troubled(self, requests: list[Request], error: Exception, deadline: float) -> None:
        for request in requests:
            if _said(error) and not unknown_script(error) and not (self.cluster and isinstance(error, AskError)):
                request.said = error
            if not passing(error) or time.monotonic() >= deadline:
                self._give_up(request, error)
            elif isinstance(error, MovedError):
                self._slots[error.slot_id] = self._node(
                    error.host or self._first.name.rpartition(":")[0], error.port
                ).name
            elif isinstance(error, AskError):
                request.to = self._node(error.host or self._first.name.rpartition(":")[0], error.port).name

    def _give_up(self, request: Request, error: Exception) -> None:
        if self.cluster and isinstance(error, AskError):
            error = StoreError("the Redis cluster is moving keys: try again")
        # What a node said tells more than that at last it was too late to hear it.
        request.answer = translated(request.said or error, self.options, repeated=request.repeated)
        request.settled = True

    def _durable(self, node: Node, done: list[Request], needed: tuple[int, ...], answer: Any, deadline: float) -> None:
        """Take back the answers to writes that are not as safe as they have to be."""
        writes = [request for request in done if request.durable]
        if isinstance(answer, Exception) and passing(answer) and time.monotonic() < deadline:
            for request in writes:
                request.settled, request.repeated = False, True
        elif isinstance(answer, Exception):
            self._unsafe(writes, f"Redis at {node.name} did not say whether a write is safe: {answer}")
        elif not self._enough(node, needed, tuple(answer) if isinstance(answer, list) else (answer,), deadline):
            self._unsafe(writes, f"Redis at {node.name} did not have a write safe in time: {answer}, not {needed}")

    @staticmethod
    def _unsafe(writes: list[Request], reason: str) -> None:
        for request in writes:
            request.answer = StoreError(f"{reason}; it may have been kept, and giving it again is safe")

    @staticmethod
    def _enough(node: Node, needed: tuple[int, ...], got: tuple[int, ...], deadline: float) -> bool:
        """Whether a write reached as much as it has to, or all the replicas that there are by now."""
        if all(has >= wanted for has, wanted in zip(got, needed, strict=True)):
            return True
        try:
            return len(needed) == 1 and got[0] >= node.replicas_needed(deadline, fresh=True)
        except TROUBLE:
            return False

    def _look_again(self, deadline: float) -> None:
        with contextlib.suppress(*TROUBLE):  # what was known stays; the next attempt says what is wrong
            self.look(deadline)

    def close(self) -> None:
        self._closed = True
        for node in list(self._nodes.values()):
            node.close()


def _said(error: Exception) -> bool:
    """Whether the node itself answered, and so did nothing."""
    return isinstance(error, ResponseError) or bool(getattr(error, "status_code", None)) or not passing(error)
