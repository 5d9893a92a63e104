"""What this machine says of processes: real ones, that live, have ended, are gone or cannot be seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from rollbook import machine
from rollbook.rules.liveness import HIDDEN, Life, Process, Seen, judge

from .tools import waits_for


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_process_that_lives(child: subprocess.Popen[bytes]) -> None:
    seen, started = machine.process(child.pid)
    assert seen is Seen.LIVES
    assert started.isdigit()
    assert machine.process(child.pid) == (seen, started)


def test_this_process_is_what_it_says_of_itself() -> None:
    known = machine.this_process(60)
    assert (known.pid, known.lease_us) == (os.getpid(), 60)
    assert (known.boot_id, known.pid_namespace) == machine.here()
    assert all([known.host, known.boot_id, known.pid_namespace])
    assert machine.process(known.pid) == (Seen.LIVES, known.started)
    assert judge(known, machine.here(), machine.process(known.pid), 10**15).life is Life.ALIVE


def test_a_zombie_is_not_alive_and_then_it_is_gone(child: subprocess.Popen[bytes]) -> None:
    started = machine.process(child.pid).started
    child.kill()
    waits_for(lambda: machine.process(child.pid).seen is not Seen.LIVES, "the child to end")
    assert machine.process(child.pid) == (Seen.ZOMBIE, started)
    child.wait()
    assert machine.process(child.pid) == Process(Seen.GONE)


def test_processes_that_began_at_other_times_are_told_apart(child: subprocess.Popen[bytes]) -> None:
    time.sleep(0.05)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as later:
        assert int(machine.process(later.pid).started) > int(machine.process(child.pid).started)
        later.kill()


_ONLY_A_THREAD = """
import ctypes, sys, threading
def go_on():
    sys.stdin.readline()
threading.Thread(target=go_on).start()
print("begins", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_lives_while_another_runs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _ONLY_A_THREAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        state = Path(f"/proc/{process.pid}/stat")
        waits_for(lambda: state.read_bytes().rpartition(b")")[2].split()[0] == b"Z", "the first thread to end")
        assert machine.process(process.pid).seen is Seen.LIVES
        process.kill()
        waits_for(lambda: machine.process(process.pid).seen is Seen.ZOMBIE, "the process to end")


def test_what_is_no_process_id_is_asked_of_nobody() -> None:
    assert machine.process(0) == machine.process(-1) == HIDDEN


_AS_NOBODY: Final = """
import os
from rollbook import machine
machine.process(os.getpid())  # what it needs is loaded while it may be read
if os.getuid() == 0:
    os.setuid(65534)
print(machine.process(1).seen)
"""


def test_another_users_process_lives() -> None:
    told = subprocess.run([sys.executable, "-c", _AS_NOBODY], capture_output=True, text=True, check=True)
    assert told.stdout == "lives\n"


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """What stands for ``/proc``: nothing, as yet."""
    monkeypatch.setattr(machine, "_PROC", tmp_path)
    machine._boot_id.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    machine._boot_id.cache_clear()


def test_a_machine_without_proc_says_nothing(proc: Path) -> None:
    assert machine.here() == ("", "")
    assert machine.process(os.getpid()) == HIDDEN
    known = machine.this_process(5)
    assert (known.boot_id, known.pid_namespace, known.started) == ("", "", "")
    assert judge(known, machine.here(), machine.process(known.pid), None).life is Life.UNKNOWN


def test_a_proc_of_another_pid_namespace_says_nothing_of_processes(proc: Path) -> None:
    (proc / "self").symlink_to(str(os.getpid() + 1))
    assert machine.here().pid_namespace == ""
    assert machine.process(os.getpid()) == HIDDEN
