"""R5 with real processes: what a killed one ran is marked, what a live one runs never is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import rollbook
from rollbook import machine
from rollbook.book import Rollbook
from rollbook.rules.liveness import Seen
from rollbook.settings import Settings

from .tools import Clock, Peer, Program, here, opened, rows, waits_for

_DAY_S: Final = 24 * 3600
_OFTEN: Final = {"ROLLBOOK_BEAT": "1", "ROLLBOOK_LEASE": "3"}
_SLEEPER: Final = "import sys; sys.stdin.readline()"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "book.db"


@pytest.fixture
def book(path: Path) -> Iterator[Rollbook]:
    with opened(path) as made:
        yield made


def test_R5_what_a_killed_process_ran_is_presumed_crashed(path: Path, book: Rollbook) -> None:
    with Program("runs", path, "s1") as program:
        pid = int(program.line().split()[0])
        before = book.get("s1")
        assert book.reconcile().sessions == []
        program.kill()
        found = book.reconcile()
    assert [(one.session_id, one.user_id) for one in found.sessions] == [("s1", book.user_id)]
    assert [(one.pid, one.state) for one in found.instances] == [(pid, "dead")]
    after = book.get("s1")
    assert (after.status, after.decided_by) == ("unknown", "reconcile")
    assert after.end_reason == f"process {pid} on host {found.instances[0].host} is gone" == found.sessions[0].reason
    assert after.last_activity_at == before.last_activity_at
    assert after.ended_at is None
    assert book.reconcile().looked_at == 0
    assert book.verify().ok


def test_R5_a_session_that_speaks_again_is_running_again(path: Path, book: Rollbook) -> None:
    with Program("runs", path, "s1") as program:
        program.line()
        program.kill()
    assert len(book.reconcile().sessions) == 1
    book.record_usage("s1", tokens_in=5)
    assert (book.get("s1").status, book.get("s1").attempt) == ("running", 2)
    assert book.reconcile().sessions == []  # its instance is dead and was dealt with
    with book.session("s1"):
        ran = book.instance("s1")
        assert ran is not None
        assert (ran.pid, ran.state) == (os.getpid(), "alive")
    assert book.get("s1").status == "completed"


def test_R5_a_zombie_is_dead(path: Path, book: Rollbook) -> None:
    with Program("runs", path, "s1") as program:
        pid = int(program.line().split()[0])
        program.process.send_signal(signal.SIGKILL)
        waits_for(lambda: machine.process(pid).seen is Seen.ZOMBIE, "it to end")
        assert len(book.reconcile().sessions) == 1
    assert "has ended, and its parent has not asked how" in (book.get("s1").end_reason or "")


def test_R5_a_stopped_process_is_a_live_peer_however_long_it_is_silent(path: Path) -> None:
    """A laptop that sleeps: nothing is heard for days, and the process is there."""
    clock = Clock()
    with opened(path, clock) as book, Program("runs", path, "s1") as program:
        program.line()
        program.process.send_signal(signal.SIGSTOP)
        clock.passes(3 * _DAY_S)
        found = book.reconcile(wait=False)
        assert (found.looked_at, found.undecided, found.instances) == (1, 0, [])
        program.process.send_signal(signal.SIGCONT)
        program.tell()
        assert program.line() == "left"
        assert book.get("s1").status == "completed"


def test_R5_a_process_id_that_is_used_again_is_no_sign_of_life(book: Rollbook) -> None:
    known = here()
    Peer(book, "s1", **{**known, "started": str(int(known["started"]) - 1)})
    assert len(book.reconcile().sessions) == 1
    said = book.get("s1").end_reason
    assert said == f"process {os.getpid()} on host {known['host']} is gone, its id is another process's now"


def test_R5_the_name_of_a_host_says_nothing(book: Rollbook) -> None:
    """A container whose name repeats: its process is not here, and is alive."""
    known = here()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    Peer(book, "elsewhere", **{**known, "boot_id": "another boot", "pid": gone.pid})
    Peer(book, "beside", **{**known, "pid_namespace": "pid:[1]", "pid": gone.pid})
    found = book.reconcile()
    assert (found.looked_at, found.instances) == (2, [])
    Peer(book, "here", **{**known, "host": "another name", "pid": gone.pid})
    assert [one.session_id for one in book.reconcile().sessions] == ["here"]


def _apart() -> tuple[list[str], ...]:
    """Ways to run a program in a pid namespace of its own that this machine allows; as it is where it allows none."""
    ways = (["unshare", "--pid", "--fork", "--mount-proc"], ["unshare", "--pid", "--fork"])
    found = tuple(
        way for way in ways if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0
    )
    return found or ([],)


@pytest.mark.parametrize("prefix", _apart(), ids=" ".join)
def test_R5_containers_share_a_boot_id_but_not_their_processes(path: Path, prefix: list[str]) -> None:
    clock = Clock()
    with opened(path, clock) as book, Program("runs", path, "s1", prefix=prefix) as program:
        pid, namespace = program.line().split(" ", 1)
        if prefix:  # without a /proc of its own it knows nothing of processes
            assert namespace == "-" if "--mount-proc" not in prefix else namespace not in ("-", here()["pid_namespace"])
            assert machine.process(int(pid)).seen is Seen.LIVES  # another one here has that id
            assert book.reconcile(wait=False).instances == []
        child = _below(program.process.pid)
        os.kill(child, signal.SIGKILL)
        waits_for(lambda: machine.process(child).seen is not Seen.LIVES, "it to end")
        assert len(book.reconcile(wait=False).sessions) == (0 if prefix else 1)
        clock.passes(75)
        assert len(book.reconcile(wait=False).sessions) == (1 if prefix else 0)
        said = book.get("s1").end_reason or ""
        assert said.startswith("no beat for ") if prefix else said.endswith("asked how")


def _below(pid: int) -> int:
    """The program itself, below what it was started by."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def test_R5_a_process_in_a_container_is_listened_to(path: Path) -> None:
    prefix = _apart()[0]
    clock = Clock()
    with opened(path, clock) as book, Program("runs", path, "s1", env=_OFTEN, prefix=prefix) as program:
        program.line()
        clock.passes(_DAY_S)  # the clock jumps: by it the lease ran out long ago
        heard: list[float] = []
        found = book.reconcile(listening=lambda processes, seconds: heard.append(processes * seconds))
        assert found.instances == []
        assert heard == ([1.5] if prefix else [])
        assert book.get("s1").status == "running"


def test_fork_workers_of_a_preloaded_book_are_instances_of_their_own(path: Path, book: Rollbook) -> None:
    with Program("preloaded", path, 3) as program:
        lines = [program.line().split() for _ in range(3)]
        pids = {int(number): int(pid) for number, pid in lines}
        ran = {name: book.instance(name) for name in ("before", "worker-0", "worker-1", "worker-2")}
        assert all(one is not None and one.state == "alive" for one in ran.values())
        assert len({one.instance_id for one in ran.values() if one is not None}) == 4
        assert {one.pid for one in ran.values() if one is not None} == {program.process.pid, *pids.values()}
        os.kill(pids[1], signal.SIGKILL)
        waits_for(lambda: machine.process(pids[1]).seen is Seen.ZOMBIE, "the worker to end")
        assert [one.session_id for one in book.reconcile().sessions] == ["worker-1"]
        for number in (0, 2):
            os.kill(pids[number], signal.SIGKILL)
        program.tell()
        assert program.line() == "waited"
        assert sorted(one.session_id for one in book.reconcile().sessions) == ["worker-0", "worker-2"]
        assert book.get("before").status == "running"
        program.tell()
        program.process.wait(60)
    assert book.get("before").status == "completed"
    assert book.verify().ok


def test_a_process_that_lives_long_marks_what_died_beside_it(path: Path) -> None:
    settings = Settings(beat_s=1, lease_s=3, reconcile_s=1)
    with opened(path, settings=settings) as book, book.session("mine"), Program("runs", path, "s1") as program:
        program.line()
        program.kill()
        waits_for(lambda: book.get("s1").status == "unknown", "the thread to look around")
        assert (book.get("s1").decided_by, book.get("mine").status) == ("reconcile", "running")


def test_a_program_that_ends_without_closing_lets_go(path: Path, book: Rollbook) -> None:
    with Program("never_closes", path) as program:
        program.line()
        assert program.process.wait(60) == 0
    assert (book.get("left open").status, book.instance("left open")) == ("running", None)
    assert book.reconcile().looked_at == 0
    assert rows(path, "select * from instance") == []


def test_reading_marks_nothing(path: Path, book: Rollbook) -> None:
    with Program("runs", path, "s1") as program:
        program.line()
        program.kill()
    ran = book.instance("s1")
    assert ran is not None
    assert (ran.state, ran.ended_at) == ("dead", None)
    book.list()
    book.stats()
    assert book.get("s1").status == "running"


def test_reconcile_while_the_book_is_open_for_reading_only(path: Path, book: Rollbook) -> None:
    book.touch("s")
    with rollbook.open(f"sqlite:///{path}?mode=ro") as reader:
        assert reader.reconcile().looked_at == 0
        with pytest.raises(rollbook.StoreError), reader.session("s1"):
            pass
