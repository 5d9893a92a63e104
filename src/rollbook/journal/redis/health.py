"""What is to be said of a Redis as a place for journals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rollbook.errors import StoreError
from rollbook.journal.backend import Check
from rollbook.journal.redis.node import TROUBLE, Node, translated
from rollbook.journal.redis.server import Server
from rollbook.journal.redis.url import Options

_OLDEST: Final = (7, 0)


def checks(server: Server, options: Options, deadline: float) -> list[Check]:
    """One line for each thing that was looked at; weaker set-ups are said aloud."""
    found: list[Check] = []
    try:
        server.look(deadline)
        nodes = server.primaries()
    except TROUBLE as error:
        return [("redis", False, str(translated(error, options)))]
    for node in nodes:
        try:
            found += _of(node, options, deadline)
        except TROUBLE as error:
            found.append((f"redis {node.name}", False, str(translated(error, options))))
    if options.ttl is not None:
        found.append(("redis ttl", True, f"a journal goes {options.ttl} seconds after its last write"))
    return found


def _of(node: Node, options: Options, deadline: float) -> Iterator[Check] | list[Check]:
    facts = node.facts(deadline, fresh=True)
    name = f"redis {node.name}"
    version = ".".join(map(str, facts.version))
    found: list[Check] = [
        (name, facts.version >= _OLDEST, f"{'cluster, ' * facts.cluster}{facts.role}, version {version}")
    ]
    found.append((f"{name} disk", *_disk(node, options, deadline)))
    replicas = node.replicas_needed(deadline)
    if facts.replicas:
        told = f"{facts.replicas} connected; an acknowledged write is in the memory of {replicas} of them"
    else:
        told = "none: what was acknowledged is lost with this server's disk; run a replica"
    found.append((f"{name} replicas", facts.replicas > 0, told))
    if facts.policy != "noeviction":
        told = f"maxmemory-policy is {facts.policy}: entries may be thrown away when memory is full; set noeviction"
        found.append((f"{name} memory", False, told))
    return found


def _disk(node: Node, options: Options, deadline: float) -> tuple[bool, str]:
    facts = node.facts(deadline)
    if not facts.aof:
        return False, "appendonly is off: what was acknowledged is lost when the server crashes; set appendonly yes"
    if options.fsync == "no":
        return False, "fsync=no in the URL: an acknowledged write may not be on disk yet"
    if not facts.waits_for_disk:
        return False, "this version cannot tell when a write is on disk (from 7.2): set appendfsync always"
    policy = _policy(node, deadline)
    if policy == "everysec":
        told = "appendfsync is everysec: a write is acknowledged when it is on disk, which takes up to a second; "
        return True, told + "appendfsync always is faster for who waits"
    if policy == "no":
        return False, "appendfsync is no: writes are acknowledged when the system happens to write them; set always"
    return True, "an acknowledged write is on disk"


def _policy(node: Node, deadline: float) -> str:
    try:
        answer = node.ask([("CONFIG", "GET", "appendfsync")], deadline)[0]
    except TROUBLE as error:
        if isinstance(error, StoreError):
            raise
        return ""  # not everybody may ask
    return answer[1].decode() if answer else ""
