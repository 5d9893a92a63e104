"""backup and restore."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import rollbook

from .tools import OnTerminal, Run


@pytest.fixture
def copy(url: str, tmp_path: Path) -> Path:
    """A backup of a book with one session, which has two by now."""
    made = tmp_path / "copy.db"
    with rollbook.open(url) as book:
        book.record_usage("first", model="m", tokens_in=10, cost_usd=0.5)
        book.backup(made)
        book.touch("second")
    return made


def sessions(run: Run) -> list[str]:
    return sorted(session["session_id"] for session in run("sessions", "--json").answer["sessions"])


def test_backup(run: Run, url: str, tmp_path: Path) -> None:
    run("use", "s1", "--tokens-in", "5")
    done = run("backup", str(tmp_path / "copy.db"))
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"{tmp_path / 'copy.db'}: 1 sessions, 1 ledger rows, ")
    answer = run("backup", str(tmp_path / "other.db"), "--json").answer
    assert list(answer) == ["path", "bytes", "sha256", "sessions", "ledger_rows", "seconds"]
    assert hashlib.sha256((tmp_path / "other.db").read_bytes()).hexdigest() == answer["sha256"]


def test_backup_overwrites_nothing_unless_it_is_said(run: Run, copy: Path) -> None:
    before = copy.read_bytes()
    done = run("backup", str(copy))
    assert (done.status, done.out) == (2, "")
    assert "is there already" in done.line
    assert "--replace" in done.line
    assert copy.read_bytes() == before
    assert run("backup", str(copy), "--replace").status == 0
    assert run("restore", str(copy), "--yes", "--json").answer["sessions"] == 2


def test_restore(run: Run, copy: Path) -> None:
    done = run("restore", str(copy), "--yes")
    assert (done.status, done.out) == (0, f"{copy}: 1 sessions, 1 ledger rows restored\n")
    assert sessions(run) == ["first"]
    assert done.line.startswith("what the book held before is in ")
    before = done.line.removeprefix("what the book held before is in ")
    answer = run("restore", before, "--yes", "--json").answer
    assert list(answer) == ["path", "bytes", "sha256", "sessions", "ledger_rows", "schema", "replaced", "seconds"]
    assert sessions(run) == ["first", "second"]


def test_restore_asks_and_where_nobody_answers_it_refuses(run: Run, program: Run, copy: Path) -> None:
    done = program("restore", str(copy))
    assert (done.status, done.out) == (1, "")
    assert done.line == "restore asks first, and here is nobody to ask; say --yes"
    assert sessions(run) == ["first", "second"]


@pytest.mark.parametrize(("typed", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)])
def test_restore_goes_by_the_answer(run: Run, on_terminal: OnTerminal, copy: Path, typed: str, status: int) -> None:
    shown = on_terminal("restore", str(copy), typed=typed, columns=200)
    assert shown.status == status
    assert f"by {copy}? [y/N]" in " ".join(shown.lines)
    assert sessions(run) == (["first", "second"] if status else ["first"])


def test_restore_refuses_what_is_not_in_order(run: Run, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db.sha256").unlink()
    done = run("restore", str(copy), "--yes")
    assert (done.status, done.out) == (1, "")
    assert "--no-checksum" in done.line
    (tmp_path / "copy.db.sha256").mkdir()
    done = run("restore", str(copy), "--yes")
    assert (done.status, done.out) == (1, "")
    assert "is a directory" in done.line
    assert len(sessions(run)) == 2
    assert run("restore", str(copy), "--yes", "--no-checksum").status == 0
    assert sessions(run) == ["first"]


@pytest.mark.parametrize("flag", [(), ("--yes",)])
@pytest.mark.parametrize("name", ["nosuch", ".", "a/b"])
def test_a_wrong_path_is_wrong_use_and_makes_no_book(
    program: Run, tmp_path: Path, name: str, flag: tuple[str, ...]
) -> None:
    done = program("restore", str(tmp_path / name), *flag)
    assert (done.status, done.out) == (2, "")
    assert f"there is no file {tmp_path / name}" in done.line
    assert list(tmp_path.iterdir()) == []


def test_who_answers_no_gets_no_book(on_terminal: OnTerminal, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    shown = on_terminal("restore", str(copy), "--db", f"sqlite:///{other}", typed="n\n", columns=200)
    assert shown.status == 1
    assert f"everything in sqlite:///{other} by" in " ".join(shown.lines)
    assert not other.exists()


def test_a_backup_that_was_opened_for_writing_says_what_to_do(run: Run, copy: Path) -> None:
    assert run("--db", f"sqlite:///{copy}", "verify").status == 0
    for more in ((), ("--no-checksum",)):
        done = run("restore", str(copy), "--yes", *more)
        assert (done.status, done.out) == (1, "")
        assert "if that was you, remove copy.db.sha256 and say --no-checksum" in done.line
    copy.with_name("copy.db.sha256").unlink()
    assert run("restore", str(copy), "--yes", "--no-checksum").status == 0
    assert sessions(run) == ["first"]


def test_paths_and_times_are_as_elsewhere(
    run: Run, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("backup", "new.db"), ("restore", "copy.db", "--yes")):
        answer = run(*words, "--json").answer
        assert answer["path"] == str(tmp_path / words[1])
        assert answer["seconds"] == round(answer["seconds"], 3)


def test_errors_speak_of_options(run: Run, copy: Path) -> None:
    assert "=" not in run("backup", str(copy)).line
    copy.with_name("copy.db.sha256").unlink()
    assert "=" not in run("restore", str(copy), "--yes").line


def test_a_terminal_is_shown_how_far_it_is(on_terminal: OnTerminal, copy: Path, tmp_path: Path) -> None:
    shown = on_terminal("backup", str(tmp_path / "new.db"), columns=120)
    assert shown.status == 0
    assert "checking" in shown.raw
    shown = on_terminal("restore", str(tmp_path / "new.db"), "--yes", columns=120)
    assert shown.status == 0
    assert "replacing" in shown.raw
