"""`reconcile`, and what `show` says of processes and of the session tree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.cli.upkeep import _listening

from .tools import PROGRAM, Run

_RUNS: Final = """
import sys, rollbook
with rollbook.open(sys.argv[1]) as book, book.session(sys.argv[2], agent="worker"):
    print("runs", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def worker(url: str) -> Iterator[subprocess.Popen[str]]:
    """A program that runs the session w1."""
    source = str(Path(rollbook.__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-c", _RUNS, url, "w1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "runs\n"
        yield program
        program.kill()


def test_R5_reconcile_says_what_it_presumes_and_why(run: Run, book: Rollbook, worker: subprocess.Popen[str]) -> None:
    done = run("reconcile")
    assert (done.status, done.out, done.line) == (0, "", "1 processes looked at, 0 dead: 0 sessions presumed crashed")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    done = run("reconcile")
    assert done.line == "1 processes looked at, 1 dead: 1 sessions presumed crashed"
    assert [line.split()[:2] for line in done.out.splitlines()] == [["ID", "REASON"], ["w1", "process"]]
    assert f"process {worker.pid} on host " in done.out
    assert book.get("w1").decided_by == "reconcile"


def test_R5_reconcile_answers_json(run: Run, worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    answer = run("reconcile", "--now", "--json").answer
    assert list(answer) == ["looked_at", "undecided", "instances", "sessions", "hidden"]
    assert [one["session_id"] for one in answer["sessions"]] == ["w1"]
    assert (answer["instances"][0]["pid"], answer["instances"][0]["state"]) == (worker.pid, "dead")


def test_reconcile_for_everybody_says_whose(run: Run, book: Rollbook, worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert run("reconcile", "--user", "ann").line.endswith("0 sessions presumed crashed, and 1 of other users")
    assert book.get("w1").status == "unknown"


def test_it_is_said_that_it_is_listened(capsys: pytest.CaptureFixture[str]) -> None:
    _listening(2, 30.0)
    assert capsys.readouterr().err == (
        "rollbook: 2 processes elsewhere are silent; listening for 30 s (--now does without)\n"
    )


def test_R5_import_that_watches_looks_after_its_machine(
    book: Rollbook, worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    often = {"ROLLBOOK_BEAT": "1", "ROLLBOOK_LEASE": "3", "ROLLBOOK_RECONCILE": "1"}
    words = ("import", "claude-code", "--path", str(tmp_path / "empty"), "--watch")
    with subprocess.Popen(
        [*PROGRAM, *words], env={**os.environ, **often}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stderr is not None
        while "following" not in watching.stderr.readline():
            pass
        assert book.get("w1").status == "running"
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        until = time.monotonic() + 60
        while book.get("w1").status == "running":
            assert time.monotonic() < until
            time.sleep(0.05)
        watching.terminate()
    assert book.get("w1").decided_by == "reconcile"


def test_show_says_which_process_runs_a_session(run: Run, book: Rollbook, worker: subprocess.Popen[str]) -> None:
    assert f"{worker.pid} on " in run("show", "w1").out
    assert ", alive, last heard of " in run("show", "w1").out
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert ", dead ('rollbook reconcile' marks what it ran), last heard of " in run("show", "w1").out
    assert run("show", "w1", "--json").answer["instance"]["state"] == "dead"
    assert book.get("w1").status == "running"
    run("reconcile")
    assert ", dead, last heard of " in run("show", "w1").out
    book.touch("nobody's")
    assert run("show", "nobody's", "--json").answer["instance"] is None
    assert "process" not in run("show", "nobody's").out


def test_show_shows_the_tree_with_own_and_inclusive_cost(run: Run, book: Rollbook) -> None:
    for name, parent, cost in (("top", None, 1), ("a", "top", 2), ("a1", "a", 4), ("b", "top", 8)):
        book.touch(name, parent=parent)
        book.record_usage(name, tokens_in=1, cost_usd=cost)
    book.record_usage("b", tokens_in=1, model="nameless")
    lines = run("show", "top").out.splitlines()
    start = lines.index("Children (2 of 3 below it)")
    told = [line.split() for line in lines[start + 2 : start + 5]]
    assert told == [
        ["a", "running", "-", "1", "$2.0000", "$6.0000", "-"],
        ["a1", "running", "-", "1", "$4.0000", "-", "-"],
        ["b", "running", "-", "2", ">=$8.0000", "-", "-"],
    ]
    assert lines[start + 3].startswith("  a1")
    answer = run("show", "top", "--json").answer
    assert [(one["depth"], one["inclusive_cost_nano_usd"] // 10**9) for one in answer["tree"]] == [
        (0, 15), (1, 6), (2, 4), (1, 8)
    ]  # fmt: skip
