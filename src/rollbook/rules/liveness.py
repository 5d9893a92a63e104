"""Whether a process that runs sessions is alive, as a function of what is known of it (R5).

Where this machine can see the process, the process decides and nothing else: a lease that ran out while a laptop slept
says nothing, and neither does a clock that jumped. It can be seen from the same boot of the same machine and within the
same pid namespace. Everywhere else only the lease speaks: an instance is dead once it was quiet for longer. Names of
hosts decide nothing, since containers repeat them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

_SECOND_US: Final = 1_000_000


class Life(StrEnum):
    """What can be said of an instance."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Seen(StrEnum):
    """What a machine says of a process id."""

    LIVES = "lives"
    ZOMBIE = "zombie"  #: it has ended, and its parent has not asked how
    GONE = "gone"
    HIDDEN = "hidden"  #: the machine does not say


class Process(NamedTuple):
    """What a machine says of a process id, and when that process started (in clock ticks since the boot; or empty)."""

    seen: Seen
    started: str = ""


class Here(NamedTuple):
    """From where somebody looks: the boot of the machine and the pid namespace; empty where they are not known."""

    boot_id: str
    pid_namespace: str


class Known(NamedTuple):
    """What an instance said of itself."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: str
    lease_us: int  #: 0: it does not beat, so silence says nothing


class Verdict(NamedTuple):
    """What was decided, and if dead: why, and whether it is the lease that says so."""

    life: Life
    reason: str = ""
    lapsed: bool = False


HIDDEN: Final = Process(Seen.HIDDEN)
_ALIVE: Final = Verdict(Life.ALIVE)
_UNKNOWN: Final = Verdict(Life.UNKNOWN)


def visible(known: Known, here: Here) -> bool:
    """Whether a process id means from here what it means to the instance."""
    return bool(known.boot_id and known.pid_namespace) and here == (known.boot_id, known.pid_namespace)


def judge(known: Known, here: Here, process: Process, quiet_us: int | None) -> Verdict:
    """Whether an instance is alive.

    ``process`` is what this machine says of its process id, ``quiet_us`` for how long nothing was heard of it (None:
    that is not known).
    """
    if visible(known, here) and process.seen is not Seen.HIDDEN:
        return _by_process(known, process)
    if not known.lease_us or quiet_us is None:
        return _UNKNOWN
    if quiet_us <= known.lease_us:
        return _ALIVE
    return Verdict(Life.DEAD, f"no beat for {quiet_us // _SECOND_US} s from {_named(known)}", lapsed=True)


def _by_process(known: Known, process: Process) -> Verdict:
    if process.seen is Seen.GONE:
        return Verdict(Life.DEAD, f"{_named(known)} is gone")
    if known.started and process.started and known.started != process.started:
        return Verdict(Life.DEAD, f"{_named(known)} is gone, its id is another process's now")
    if process.seen is Seen.ZOMBIE:
        return Verdict(Life.DEAD, f"{_named(known)} has ended, and its parent has not asked how")
    return _ALIVE


def _named(known: Known) -> str:
    return f"process {known.pid} on host {known.host}"
