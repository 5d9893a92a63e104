"""`hook`, by the short way: an event of an agent is left in the spool, and that is all the agent waits for.

An agent runs this at every turn and every tool, and stands still until it ends. So this module and what it imports come
without the frame of the other commands, and nothing here opens a book or asks a server. Whatever goes wrong, the agent
goes on: the status is 0, nothing is written to standard output (which some agents read), and no trouble is told but
that of wrong use.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from rollbook.hooks import agent, spool

AGENTS: Final = ("claude-code",)
NAME: Final = "hook"

#: What of an event is kept: what its session's life is told by, and nothing that was said or done in it.
KEPT: Final = (
    "session_id", "hook_event_name", "source", "reason", "cwd", "agent_id", "agent_type", "error", "stop_hook_active",
    "tool_name",
)  # fmt: skip
#: The events with which the agent's own process is recorded.
STARTS: Final = ("SessionStart", "UserPromptSubmit", "SessionEnd")

_MOST_BYTES: Final = 64 << 20  #: of what an agent tells; a tool's answer is in it
_TEXT_BYTES: Final = 256  #: of a text, but for those that may be longer
_LONGER: Final = {"session_id": 512, "cwd": 4_096}
_DELIVERY: Final = "ROLLBOOK_HOOK_DELIVERY"
_NO: Final = ("0", "false", "no", "off")
_NICE: Final = 10
_DESCRIPTORS: Final = 65_536


class Asked(NamedTuple):
    """What the command line asks for."""

    agent: str
    db: str | None = None
    user: str | None = None


def asked(words: Sequence[str]) -> Asked | None:
    """What is asked for, or None where the ordinary way has to find out."""
    given: dict[str, Any] = {}
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--db", "--user"):
            given[name[2:]] = value if equals else next(rest, "")
        else:
            plain.append(word)
    whole = plain[:1] == [NAME] and plain[1:] in ([one] for one in AGENTS) and "" not in given.values()
    return Asked(plain[1], **given) if whole else None


def is_meant(words: Sequence[str]) -> bool:
    """Whether the command is this one: an agent takes the status of wrong use for an order to stop."""
    return next((word for word in words if not word.startswith("-")), None) == NAME


def show(ask: Asked) -> int:
    """Leave the event in the spool, and see to it that somebody comes for it; the status to exit with, which is 0."""
    at = time.time_ns() // 1000
    try:
        event = _event(sys.stdin.buffer.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        sys.stderr.write("rollbook: a hook is given an event as a JSON object on standard input; this was none\n")
        return 0
    record: dict[str, Any] = {"agent": ask.agent, "at": at, "event": event}
    place = spool.folder()
    try:
        if event.get("hook_event_name") in STARTS and (known := agent.process(os.getppid())) is not None:
            record["process"] = known
        spool.put(place, json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
        if os.environ.get(_DELIVERY, "").strip().lower() not in _NO:
            _deliver(ask, place)
    except (OSError, ValueError) as error:  # a full disk, a folder that is another's: the agent cannot help it
        sys.stderr.write(f"rollbook: the event was not kept ({error})\n")
    return 0


def _event(raw: bytes) -> dict[str, Any]:
    """What is kept of what an agent tells."""
    given = json.loads(raw)
    if not isinstance(given, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as of any other text that is none
    return {name: given[name] for name in KEPT if name in given and _is_plain(name, given[name])}


def _is_plain(name: str, value: Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, bool)
    try:
        return len(value.encode()) <= _LONGER.get(name, _TEXT_BYTES)
    except UnicodeEncodeError:  # half a character, which is no text
        return False


def _deliver(ask: Asked, place: str) -> None:
    """Unless somebody does already, have a process of its own take what waits to the book. It is not waited for."""
    if not hasattr(os, "fork") or not sys.executable:
        return
    lock = spool.lock(place)
    if lock is None:
        return
    try:
        if not spool.failed_lately(lock) and os.fork() == 0:
            _become_courier(ask, place, lock)
    finally:
        os.close(lock)  # the child has it still


def _become_courier(ask: Asked, place: str, lock: int) -> None:
    """In the child: let go of the agent and of everything inherited but the lock, and become who delivers."""
    try:
        os.setsid()
        os.nice(_NICE)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        os.closerange(3, lock)
        os.closerange(lock + 1, _DESCRIPTORS)
        os.set_inheritable(lock, True)
        words = [sys.executable, "-P", "-m", "rollbook.cli.courier", str(lock), place, ask.db or "", ask.user or ""]
        os.execv(sys.executable, words)  # noqa: S606 - this very program
    finally:
        os._exit(127)
