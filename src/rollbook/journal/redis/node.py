"""One node of Redis: its connections, what it says of itself, and the only place that knows the driver's errors."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, NamedTuple

try:
    from redis.backoff import NoBackoff
    from redis.connection import Connection, ConnectionPool, SSLConnection
    from redis.crc import key_slot
    from redis.exceptions import (
        AskError,
        AuthenticationError,
        AuthorizationError,
        MovedError,
        NoPermissionError,
        NoScriptError,
        RedisError,
        ResponseError,
    )
    from redis.retry import Retry
except ImportError as _missing:
    from rollbook.errors import NotSupported

    raise NotSupported("journals in Redis need redis-py. Install with: pip install rollbook[redis]") from _missing

from rollbook.errors import RollbookError, StoreError
from rollbook.journal.backend import DamageError
from rollbook.journal.redis.url import Options

__all__ = ["TROUBLE", "AskError", "Flight", "MovedError", "Node", "ResponseError", "Scripts", "Words", "key_slot"]

TROUBLE: Final = (RedisError, OSError, RollbookError)  #: whatever may come of a request

_FACTS_S: Final = 10.0  #: how long what a node said of itself is believed
_GRACE_S: Final = 10.0  #: a node that lost its replicas is held to have one for so long

Words = tuple[bytes | str | int, ...]

#: Answers after which the same request may well succeed.
_PASSING: Final = frozenset(
    {"MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING", "READONLY", "BUSY", "NOREPLICAS", "NOSCRIPT"}
)
_ADVICE: Final = {
    "OOM": "Redis is out of memory: raise maxmemory or delete sessions",
    "READONLY": "this Redis is a replica and takes no writes: name its primary",
    "LOADING": "Redis is still loading its data: try again",
    "CLUSTERDOWN": "the Redis cluster is down: see that a majority of its primaries runs, and try again",
    "MASTERDOWN": "this Redis has lost its primary: try again",
    "MOVED": "this Redis is a node of a cluster: leave cluster=false out of the URL",
    "TRYAGAIN": "the Redis cluster is moving these keys: try again",
    "BUSY": "Redis is busy with somebody's script: try again",
    "NOREPLICAS": "Redis has fewer replicas than min-replicas-to-write asks for: try again when they are back",
    "MISCONF": "Redis cannot write to its disk and refuses writes: see its log",
    "NOPERM": "this Redis user may not do that: allow it the commands and keys in docs/reference/journal-redis.md",
}
#: Answers that say that the request did nothing.
_UNSTORED: Final = frozenset({"OOM", "NOREPLICAS"})


class Script(NamedTuple):
    """A script, and by what it is called."""

    text: bytes
    sha: str


class Scripts:
    """Every script of the folder ``lua``, by name."""

    def __init__(self) -> None:
        folder = resources.files("rollbook.journal.redis") / "lua"
        self._all = {
            each.name.removesuffix(".lua"): _script(each.read_bytes())
            for each in folder.iterdir()
            if each.name.endswith(".lua")
        }
        # Taking away is allowed also where memory is full: the same text, with leave.
        text = self._all["commit"].text
        self._all["remove"] = _script(text.replace(b"#!lua\n", b"#!lua flags=allow-oom\n", 1))

    def call(self, name: str, keys: Sequence[bytes], arguments: Sequence[bytes | str | int] = ()) -> Words:
        return ("EVALSHA", self._all[name].sha, len(keys), *keys, *arguments)

    def loading(self) -> list[Words]:
        return [("SCRIPT", "LOAD", each.text) for each in self._all.values()]


def _script(text: bytes) -> Script:
    return Script(text, hashlib.sha1(text).hexdigest())  # noqa: S324 - Redis' own name for a script


class Facts(NamedTuple):
    """What a node says of itself."""

    seen_at: float
    version: tuple[int, ...]
    cluster: bool
    role: str
    replicas: int  #: that are connected
    aof: bool
    policy: str  #: what becomes of keys when memory is full

    @property
    def waits_for_disk(self) -> bool:
        """Whether one can wait until a write is in the append-only file."""
        return self.aof and self.version >= (7, 2)


class Flight:
    """Requests that were sent on one connection, and are to be answered."""

    def __init__(self, pool: ConnectionPool, requests: Sequence[Words], until: float) -> None:
        self._pool = pool
        self._count = len(requests)
        self._until = until
        self._trouble: Exception | None = None
        self.sent = False  #: whether the node may have seen the requests
        self._connection: Any = None
        try:
            self._connection = pool.get_connection()
            self.sent = True
            self._connection.send_packed_command(self._connection.pack_commands(requests))
        except (RedisError, OSError) as error:
            self._trouble = error

    def land(self) -> list[Any]:
        """The answers, or the errors in their places."""
        answers: list[Any] = []
        try:
            while self._trouble is None and len(answers) < self._count:
                answers.append(self._answer())
        finally:
            if self._connection is not None:
                if len(answers) < self._count:
                    self._connection.disconnect()
                self._pool.release(self._connection)
                self._connection = None
        return answers + [_unheard(self._trouble)] * (self._count - len(answers))

    def _answer(self) -> Any:
        try:
            return self._connection.read_response(timeout=max(0.05, self._until - time.monotonic()))
        except ResponseError as error:
            return error
        except (RedisError, OSError) as error:
            self._trouble = error
            return error


class Node:
    """One server process."""

    def __init__(self, options: Options, host: str, port: int, scripts: Scripts) -> None:
        self.options = options
        self.name = f"{host}:{port}"
        self._scripts = scripts
        self._facts: Facts | None = None
        self._replicated_at: float | None = None
        self._pool = ConnectionPool(
            connection_class=SSLConnection if options.tls else Connection,
            host=host,
            port=port,
            db=options.db,
            username=options.username,
            password=options.password,
            socket_timeout=options.answer_s,
            socket_connect_timeout=options.connect_s,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # what is tried again is decided in one place, which knows the time left
            protocol=2,
            max_connections=10_000,
            client_name="rollbook",
        )

    def send(self, requests: Sequence[Words], deadline: float) -> Flight:
        return Flight(self._pool, requests, min(deadline, time.monotonic() + self.options.answer_s))

    def ask(self, requests: Sequence[Words], deadline: float) -> list[Any]:
        """Answers to a few requests. Raises the driver's error where the node cannot be reached."""
        answers = self.send(requests, deadline).land()
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def load(self, deadline: float) -> None:
        """Teach the node the scripts."""
        self.ask(self._scripts.loading(), deadline)

    def facts(self, deadline: float, *, fresh: bool = False) -> Facts:
        """What the node says of itself, now or not long ago."""
        known = self._facts
        if known is None or fresh or time.monotonic() - known.seen_at > _FACTS_S:
            known = _facts(self.ask([("INFO",)], deadline)[0])
            self._facts = known
            if known.replicas:
                self._replicated_at = known.seen_at
        return known

    def replicas_needed(self, deadline: float, *, fresh: bool = False) -> int:
        """How many replicas a write must reach before it is acknowledged."""
        if self.options.wait is not None:
            return self.options.wait
        if self.facts(deadline, fresh=fresh).replicas:
            return 1
        lost_at = self._replicated_at
        return int(lost_at is not None and time.monotonic() - lost_at < _GRACE_S)

    def waits(self, deadline: float) -> list[tuple[Words, tuple[int, ...]]]:
        """What to ask behind writes so that they are durable, and what must be answered at the least."""
        replicas, milliseconds = self.replicas_needed(deadline), self.options.wait_milliseconds
        fsync = self.options.fsync
        if fsync == "replicas":
            replicas = max(1, replicas)
            return [(("WAITAOF", 1, replicas, milliseconds), (1, replicas))]
        found: list[tuple[Words, tuple[int, ...]]] = []
        if fsync == "local" or (fsync == "auto" and self.facts(deadline).waits_for_disk):
            found.append((("WAITAOF", 1, 0, milliseconds), (1, 0)))
        if replicas:
            found.append((("WAIT", replicas, milliseconds), (replicas,)))
        return found

    def close(self) -> None:
        self._pool.disconnect()

    def idle(self) -> None:
        """Let go of the connections that nobody uses."""
        self._pool.disconnect(inuse_connections=False)


def _facts(text: bytes) -> Facts:
    pairs = dict(each.split(":", 1) for each in text.decode("utf-8", "replace").splitlines() if ":" in each)
    version = tuple(int(each) for each in pairs.get("redis_version", "7.0.0").split(".")[:3] if each.isdigit())
    return Facts(
        seen_at=time.monotonic(),
        version=version,
        cluster=pairs.get("cluster_enabled") == "1",
        role=pairs.get("role", ""),
        replicas=_online(pairs),
        aof=pairs.get("aof_enabled") == "1",
        policy=pairs.get("maxmemory_policy", ""),
    )


def _online(pairs: dict[str, str]) -> int:
    """Replicas that have caught up and follow."""
    return sum(
        1 for name, value in pairs.items() if name[:5] == "slave" and name[5:].isdigit() and "state=online" in value
    )


# The driver's errors


def _code(error: Exception) -> str:
    known = getattr(error, "status_code", None)
    return str(known) if known else str(error).partition(" ")[0]


def _unheard(error: Exception | None) -> Exception:
    """For requests behind one that failed: nobody heard what became of them."""
    return (
        ConnectionError(str(error))
        if isinstance(error, RedisError) and _code(error) in _PASSING
        else error or OSError()
    )


def unknown_script(error: object) -> bool:
    return isinstance(error, NoScriptError)


def _refused(error: Exception) -> bool:
    """Whether the server does not know us: trying again is of no use."""
    return isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError)


def passing(error: Exception) -> bool:
    """Whether the same request may succeed soon, here or at another node."""
    if _refused(error):
        return False
    return not isinstance(error, ResponseError) or _code(error) in _PASSING


def translated(error: Exception, options: Options, *, repeated: bool = False) -> RollbookError:
    """What the caller is told."""
    if isinstance(error, RollbookError):
        return error
    place = f"{options.host}:{options.port}"
    code = _code(error)
    known = "; a write may have been kept, and giving it again is safe" if repeated else ""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return StoreError(f"Redis at {place} refused the user or the password of the URL")
    if code == "WRONGTYPE":
        return DamageError(
            f"another program keeps something under Rollbook's keys at {place}: choose another prefix=, or delete the "
            f"session"
        )
    if code in _UNSTORED and not repeated:
        known = "; nothing was stored"
    if code in _ADVICE:
        return StoreError(f"{_ADVICE[code]} ({place}){known}")
    if isinstance(error, ResponseError):
        return StoreError(f"Redis at {place} refused: {error}")
    return StoreError(f"Redis at {place} cannot be used: {error}; it was tried for a while, try again later{known}")
