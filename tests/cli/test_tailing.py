"""tail."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rollbook.book import Rollbook
from rollbook.cli.desk import Desk
from rollbook.cli.tailing import Shown
from rollbook.feed import Change

from .tools import PROGRAM, Run

HOSTILE = "\x1b]0;owned\x07[red]R[/red] \u202egpj"


@contextmanager
def following(*words: str) -> Iterator[Callable[[], str]]:
    """The program, while it follows; each call gives the next line that it writes. It ends by Ctrl-C, quietly."""
    process = subprocess.Popen(
        [*PROGRAM, "tail", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


def test_what_another_process_does_is_followed(book: Rollbook) -> None:
    book.touch("older", at="2026-05-01T12:00:00Z")
    book.touch("s", agent="bot", title=HOSTILE)
    with following("--lines", "1") as line:
        first = line()
        assert "  running    s  bot  0 calls" in first
        assert "\x1b" not in first
        book.record_usage("s", model="m", tokens_in=1500, cost_usd=0.25)
        assert "m  1 call  1.5k in, 0 out  $0.2500" in line()
        book.end("older", "failed", at="2026-05-01T12:30:00Z")
        assert "  failed     older" in line()


def test_json_lines(book: Rollbook) -> None:
    book.touch("s")
    with following("--json", "-n", "1") as line:
        assert json.loads(line())["session"]["status"] == "running"
        book.end("s", "completed")
        answer = json.loads(line())
        assert list(answer) == ["user_id", "session_id", "kinds", "session"]
        assert (answer["session_id"], answer["user_id"], answer["kinds"]) == ("s", book.user_id, [])
        assert answer["session"]["status"] == "completed"


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_told_by_name_is_shown_with_its_kinds(
    book: Rollbook, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    book.touch("s")
    shown = Shown(Desk(as_json=as_json), book)
    for session_id, kinds in (("s", {"usage", "life"}), ("", {"state"}), ("gone", {"removed"})):
        shown.one(Change(user_id=book.user_id, session_id=session_id, kinds=frozenset(kinds), at=1, id="x"))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    if as_json:
        answers: list[Any] = [json.loads(line) for line in lines]
        assert [answer["kinds"] for answer in answers] == [["life", "usage"], ["removed"]]
        assert [answer["session"] is None for answer in answers] == [False, True]
    else:
        assert lines[0].endswith("(life, usage)")
        assert lines[1].endswith("removed    gone")
    shown.compare()
    assert capsys.readouterr().out == "", "it was shown as it is"


def test_what_is_remembered_is_bounded(book: Rollbook, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr("rollbook.cli.tailing._REMEMBERED", 3)
    for number in range(6):
        book.touch(f"s{number}")
    shown = Shown(Desk(), book)
    shown.begin(0)
    assert len(shown._last) == 3
    assert run("tail", "--lines", "-1").status == 2
