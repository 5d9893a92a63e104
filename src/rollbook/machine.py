"""What this machine says of itself and of its processes.

Only Linux says enough (in ``/proc``). Elsewhere nothing is known of other processes, and only their beats tell.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from typing import Final

from rollbook.rules.liveness import HIDDEN, Here, Known, Process, Seen

_PROC: Final = "/proc"
_ENDED: Final = (b"Z", b"X", b"x")
_HOST_MOST: Final = 255
#: Where the state, the parent and the start of a process stand, behind its name, which may hold anything.
_STATE, _PARENT, _STARTED = 0, 1, 19


@cache
def _boot_id() -> str:
    try:
        return _read(f"{_PROC}/sys/kernel/random/boot_id").decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def here() -> Here:
    """The boot of this machine and the pid namespace of this process; empty where they are not known.

    Times of processes are told apart by time namespace, so that is a part of the name. A ``/proc`` of another pid
    namespace (a container may have one) says nothing of the processes that this one knows by their ids.
    """
    try:
        if os.readlink(f"{_PROC}/self") != str(os.getpid()):
            return Here(_boot_id(), "")
        name = os.readlink(f"{_PROC}/self/ns/pid")
    except OSError:
        return Here("", "")
    with contextlib.suppress(OSError):  # an older kernel has one time for all
        name += f" {os.readlink(f'{_PROC}/self/ns/time')}"
    return Here(_boot_id(), name)


def process(pid: int) -> Process:
    """What this machine says of a process id of its own pid namespace."""
    if pid <= 0 or not here().pid_namespace:
        return HIDDEN
    if not _there(pid):
        return Process(Seen.GONE)
    fields = _stat(f"{_PROC}/{pid}")
    if fields is None:  # it ended just now, or its user may hide it
        return HIDDEN if _there(pid) else Process(Seen.GONE)
    ended = fields[_STATE] in _ENDED and not _goes_on(pid)
    return Process(Seen.ZOMBIE if ended else Seen.LIVES, fields[_STARTED].decode("ascii"))


def this_process(lease_us: int) -> Known:
    """What an instance says of the process that it is."""
    import platform  # noqa: PLC0415 - whoever runs nothing needs none

    boot_id, pid_namespace = here()
    fields = _stat(f"{_PROC}/self")
    return Known(
        host=platform.node()[:_HOST_MOST] or "localhost",
        boot_id=boot_id,
        pid_namespace=pid_namespace,
        pid=os.getpid(),
        started="" if fields is None else fields[_STARTED].decode("ascii"),
        lease_us=lease_us,
    )


def another_process(pid: int) -> Known | None:
    """What can be said of a process that does not speak for itself, and so does not beat; None where it is not seen."""
    boot_id, pid_namespace = here()
    fields = _stat(f"{_PROC}/{pid}") if pid_namespace else None
    if fields is None:
        return None
    host = os.uname().nodename[:_HOST_MOST] or "localhost"
    return Known(host, boot_id, pid_namespace, pid, fields[_STARTED].decode("ascii"), lease_us=0)


def forebears(pid: int, most: int) -> Iterator[tuple[int, str]]:
    """A process, the one that started it, and so on: ids of processes and their names, as far as they are seen."""
    if not here().pid_namespace:
        return
    for _ in range(most):
        try:
            said = _read(f"{_PROC}/{pid}/stat")
        except OSError:
            return
        head, _, rest = said.rpartition(b")")
        fields = rest.split()
        yield pid, head.partition(b"(")[2].decode("utf-8", "replace")
        if len(fields) <= _PARENT or not fields[_PARENT].isdigit() or (pid := int(fields[_PARENT])) <= 0:
            return


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


def _stat(folder: str) -> list[bytes] | None:
    try:
        fields = _read(f"{folder}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return fields if len(fields) > _STARTED else None


def _goes_on(pid: int) -> bool:
    """Whether other threads of a process whose first thread has ended still run."""
    try:
        threads = os.listdir(f"{_PROC}/{pid}/task")
    except OSError:
        return False
    found = (_stat(f"{_PROC}/{pid}/task/{thread}") for thread in threads)
    return any(fields is not None and fields[_STATE] not in _ENDED for fields in found)
