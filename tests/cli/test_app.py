"""The command as a whole: help, versions, options before and after, exit statuses, streams."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rollbook
from rollbook.book import Rollbook
from rollbook.cli import main
from rollbook.cli.app import program

from .tools import PROGRAM, Run

COMMANDS = [
    "summary", "sessions", "show", "stats", "models", "spend", "usage", "export", "import", "touch", "use", "end",
    "reopen", "delete", "backup", "restore", "reprice", "prune", "purge", "reconcile", "verify", "doctor",
]  # fmt: skip
READS = [
    ("summary",), ("sessions",), ("show", "s1"), ("stats",), ("models",), ("spend",), ("usage", "s1"), ("verify",),
    ("doctor",),
]  # fmt: skip

#: Seconds within which help and version answer, with room for a machine that is busy with other tests.
SOON = 2.0


def test_version(run: Run) -> None:
    assert run("--version").out == f"rollbook {rollbook.__version__}\n"


def test_help_names_every_command(run: Run) -> None:
    for words in ((), ("--help",), ("-h",)):
        done = run(*words)
        assert (done.status, done.err) == (0, "")
        named = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ") and line.strip()]
        assert [name for name in named if name in COMMANDS] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_general_options(run: Run, name: str) -> None:
    done = run(name, "--help")
    assert (done.status, done.err) == (0, "")
    for flag in ("--db", "--user", "--all-users", "--json"):
        assert flag in done.out
    assert f"ROLLBOOK_{name.upper()}_" in done.out


def test_version_and_help_load_little() -> None:
    heavy = "{'rich.console', 'genai_prices', 'rollbook.importers.base', 'rollbook.pricing.catalogue', 'pydantic'}"
    for word in ("--version", "--help"):
        code = (
            f"import sys; from rollbook.cli import main; main([{word!r}]); sys.exit(bool({heavy} & set(sys.modules)))"
        )
        started = time.perf_counter()
        done = subprocess.run([PROGRAM[0], "-c", code], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert time.perf_counter() - started < SOON


@pytest.mark.parametrize("words", READS)
def test_json_is_one_document_and_nothing_else(run: Run, book: Rollbook, words: tuple[str, ...]) -> None:
    book.record_usage("s1", model="m", tokens_in=1)
    after, before = run(*words, "--json"), run("--json", *words)
    assert (after.status, after.err) == (0, "")
    assert type(after.answer) is type(before.answer)
    assert after.out.isascii()


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nobody"),
        ("end", "nobody", "completed"),
        ("delete", "nobody", "--yes"),
        ("sessions", "--status", "odd"),
        ("--db", "nonsense", "stats"),
    ],
)
def test_errors_leave_standard_output_empty(run: Run, words: tuple[str, ...]) -> None:
    done = run("--json", *words)
    assert done.status in (1, 2)
    assert done.out == ""
    assert done.line


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("sesions",), "'sessions'"),
        (("--nope",), "--nope"),
        (("show",), "ID"),
        (("stats", "too-much"), "too-much"),
        (("--db",), "--db"),
        (("--db", "/a/path.db", "stats"), "sqlite:///"),
        (("--user", "", "stats"), "user"),
    ],
)
def test_wrong_use_is_2(run: Run, words: tuple[str, ...], named: str) -> None:
    done = run(*words)
    assert (done.status, done.out) == (2, "")
    assert named in done.line


def test_messages_are_harmless(run: Run) -> None:
    assert "\x1b" not in run("show", "x\u202e\u200b").err
    assert "\u202e" not in run("show", "x\u202e").err
    assert "\x1b" not in run("\x1b[31mred").err


def test_what_is_said_last_counts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = f"sqlite:///{tmp_path / 'one.db'}", f"sqlite:///{tmp_path / 'other.db'}"
    run("touch", "from-environment")
    run("--db", one, "touch", "before")
    run("--db", one, "touch", "after", "--db", other)

    def ids(*words: str) -> list[str]:
        return [row["session_id"] for row in run(*words, "--json").answer["sessions"]]

    assert ids("sessions") == ["from-environment"]
    assert ids("--db", one, "sessions") == ["before"]
    assert ids("sessions", "--db", other) == ["after"]
    monkeypatch.setenv("ROLLBOOK_DB", other)
    assert ids("sessions") == ["after"]


def test_every_option_has_a_variable(run: Run, book: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("s1", "s2"):
        book.touch(name)
    book.touch("hers", user_id="ann")
    monkeypatch.setenv("ROLLBOOK_JSON", "1")
    monkeypatch.setenv("ROLLBOOK_SESSIONS_LIMIT", "1")
    assert run("sessions").answer["limit"] == 1
    assert run("sessions", "--limit", "2").answer["limit"] == 2
    monkeypatch.setenv("ROLLBOOK_USER", "ann")
    assert [row["session_id"] for row in run("sessions").answer["sessions"]] == ["hers"]
    monkeypatch.delenv("ROLLBOOK_USER")
    monkeypatch.setenv("ROLLBOOK_ALL_USERS", "1")
    assert run("sessions").answer["total"] == 3


def test_a_variable_named_version_is_not_an_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_VERSION", "1")
    assert run("sessions", "--json").answer["total"] == 0


def test_nobody_reads(book: Rollbook) -> None:
    for number in range(400):
        book.touch(f"s{number}", title="t" * 900)
    process = subprocess.Popen([*PROGRAM, "sessions", "--limit", "400"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("words", [("stats",), ("stats", "--json"), ("--help",)])
def test_a_full_disk_under_the_answer(url: str, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("rollbook: ")
    assert "Traceback" not in done.stderr


def test_a_stream_that_cannot_show_a_character_says_which(program: Run, book: Rollbook) -> None:
    book.touch("識")
    done = program("sessions", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.status == 0
    assert "\\u8b58" in done.out


def test_under_typers_own_runner(url: str) -> None:
    runner = CliRunner()
    assert runner.invoke(program(), ["touch", "s1"]).stdout == "s1  running\n"
    assert runner.invoke(program(), ["end", "nobody", "completed"]).exit_code == 1
    assert runner.invoke(program(), ["sessions", "--status", "odd"]).exit_code == 2


def test_main_takes_the_programs_own_arguments(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["rollbook", "stats"])
    before = signal.getsignal(signal.SIGINT)
    try:
        assert main() == 0
    finally:
        signal.signal(signal.SIGINT, before)


#: Commands with what they say on standard error, and their status, whichever of the standard streams are closed.
CLOSED = [
    ("statusline claude-code --no-refresh", 0, False), ("statusline claude-code --no-refresh --user me", 0, False),
    ("sessions", 0, False), ("sessions --json", 0, False), ("export usage", 0, False), ("--help", 0, False),
    ("prune --ledger 1d", 1, True), ("delete s1", 1, True), ("purge s1", 1, True), ("nonsense", 2, True),
    ("touch s2", 0, False), ("doctor", 0, False),
]  # fmt: skip


#: Each without all of its streams, and without one of them.
WITHOUT = [
    (*command, streams)
    for place, command in enumerate(CLOSED)
    for streams in ((0, 1, 2), ((0,), (1,), (2,))[place % 3])
]


@pytest.mark.parametrize(("words", "status", "says", "streams"), WITHOUT)
def test_closed_streams(book: Rollbook, words: str, status: int, says: bool, streams: tuple[int, ...]) -> None:
    book.record_usage("s1", model="m", tokens_in=1, occurred_at="2026-01-01T00:00Z")
    book.end("s1", "completed", at="2026-01-01T00:00Z")
    close = " ".join(f"{stream}>&-" for stream in streams)
    line = " ".join([*map(shlex.quote, PROGRAM), words, close])
    done = subprocess.run(
        ["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status
    assert bool(done.stdout) is (status == 0 and 1 not in streams)
    assert done.stderr.count("\n") == (says and 2 not in streams)
    assert book.verify().ok


#: A program that is interrupted when it has nothing more to do but to end.
AT_THE_END = """
import atexit, os, signal, sys
class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGINT):
        kill(pid, number)
sys.kept_to_the_last = Last()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
from rollbook.cli import main
sys.argv = ["rollbook", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize(("words", "status"), [(("--version",), 0), (("stats",), 0), (("nonsense",), 2)], ids=str)
def test_ctrl_c_after_the_answer(url: str, words: tuple[str, ...], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert "KeyboardInterrupt" not in done.stderr


def test_ctrl_c_while_nobody_takes_the_answer(book: Rollbook) -> None:
    """The pipe is full: what is left of the answer is let go of."""
    for number in range(400):
        book.touch(f"s{number}", title="t" * 900)
    words = [*PROGRAM, "sessions", "--limit", "400", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(1) == "{"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == "rollbook: interrupted\n"
