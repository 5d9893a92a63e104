"""copy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rollbook

from .tools import OnTerminal, Run

LOOKS = (
    ("summary",), ("stats",), ("models", "--since", "all"), ("spend", "--since", "all"), ("sessions",), ("show", "s1"),
    ("usage", "s1"),
)  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A book that is not there yet."""
    return f"sqlite:///{tmp_path / 'copy.db'}"


def test_copy(run: Run, url: str, target: str) -> None:
    run("use", "s1", "--tokens-in", "5")
    done = run("copy", url, target)
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(r"the copy is whole: 1 sessions, 1 ledger rows \(\d+ rows written, 0 removed\)\n", done.out)
    again = run("copy", url, target, "--json")
    assert list(again.answer) == ["sessions", "ledger_rows", "added", "removed", "elsewhere", "seconds"]
    assert (again.answer["added"], again.answer["removed"]) == (0, 0)
    assert run("copy", url, target).out == "the copy is whole: 1 sessions, 1 ledger rows (nothing had changed)\n"
    assert run("--db", target, "verify").out == "the books balance: 1 sessions, 1 ledger rows\n"


def test_copy_says_what_it_refuses(run: Run, url: str, target: str) -> None:
    run("touch", "s1")
    run("--db", target, "touch", "of mine")
    done = run("copy", url, target)
    assert (done.status, done.out) == (1, "")
    assert "has contents of its own" in done.line
    assert run("--db", target, "sessions", "--json").answer["total"] == 1


def test_copy_makes_no_source(run: Run, tmp_path: Path, target: str) -> None:
    done = run("copy", f"sqlite:///{tmp_path / 'nowhere.db'}", target)
    assert (done.status, done.out) == (1, "")
    assert not (tmp_path / "nowhere.db").exists()
    assert not (tmp_path / "copy.db").exists()


def test_copy_says_what_is_elsewhere(run: Run, url: str, target: str, tmp_path: Path) -> None:
    with rollbook.open(url, journal=tmp_path / "journal") as book:
        book.add_qa("s1", question="?", answer="!")
    done = run("copy", url, target)
    assert done.status == 0
    assert done.line.startswith("1 sessions have contents outside the database, which were not copied")
    with rollbook.open(target, journal=tmp_path / "journal") as book:  # the copy knows the place, and the place it
        assert [it.question for it in book.qa("s1")] == ["?"]


def test_an_interrupted_copy(run: Run, url: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("touch", "s1")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("rollbook.copying.run.Copying._prove", stop)
        done = run("copy", url, target)
    assert (done.status, done.out) == (130, "")
    assert done.err == (
        "rollbook: what was copied stays; the same command goes on with the rest\nrollbook: interrupted\n"
    )
    doctor = run("--db", target, "doctor")
    assert doctor.status == 1
    assert "run 'rollbook copy' again" in doctor.out
    refused = run("--db", target, "touch", "s2")
    assert (refused.status, refused.out) == (1, "")
    said = "that is not whole yet; run 'rollbook copy' again"
    for command in LOOKS:
        looked = run("--db", target, *command, "--json")
        assert (looked.status, looked.answer is not None) == (0, True), command
        assert (looked.err.count(said), looked.err.count("\n")) == (1, 1), command
    verified = run("--db", target, "verify", "--json")
    assert (verified.status, verified.err.count(said), verified.err.count("\n")) == (1, 1, 1)
    assert not verified.answer["ok"]
    assert [(it["what"], it["field"]) for it in verified.answer["problems"]] == [("copy", "whole")]
    assert "copy" in run("--db", target, "verify").out
    assert run("copy", url, target).status == 0
    assert run("--db", target, "touch", "s2").status == 0
    for command in (*LOOKS, ("verify",)):
        assert run("--db", target, *command, "--json").err == "", command


def test_copy_on_a_terminal(on_terminal: OnTerminal, run: Run, url: str, target: str) -> None:
    run("touch", "s1")
    shown = on_terminal("copy", url, target)
    assert shown.status == 0
    assert any(line.startswith("the copy is whole: 1 sessions, 0 ledger rows") for line in shown.lines)
