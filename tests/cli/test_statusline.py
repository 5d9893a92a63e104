"""statusline."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.cli.statusline import asked
from rollbook.importers import SAMPLES

from .tools import PROGRAM, OnTerminal, Ran, Run

#: What the command may load: neither the frame of the other commands nor what reads and writes structs.
TOO_MUCH = {"typer", "rich", "pydantic", "msgspec", "asyncio", "logging", "subprocess", "genai_prices", "watchfiles"}
SESSION = "sample-webshop-1"
Line = Callable[..., Ran]
WRONG: list[Any] = [-1, float("nan"), float("inf"), 1e300, 10**400, "7", True, None, [], {"a": 1}]  #: no costs


def told(session_id: str = SESSION, cost: Any = 0.5, **more: Any) -> dict[str, Any]:
    """What Claude Code gives on standard input."""
    given = {
        "hook_event_name": "Status",
        "session_id": session_id,
        "transcript_path": "/nowhere/at/all.jsonl",
        "cwd": "/home/sample/webshop",
        "model": {"id": "claude-opus-4-8", "display_name": "Opus 4.8"},
        "workspace": {"current_dir": "/home/sample/webshop", "project_dir": "/home/sample/webshop"},
        "version": "2.1.251",
        "cost": {"total_cost_usd": cost, "total_duration_ms": 45_000, "total_lines_added": 3},
        "context_window": {"total_input_tokens": 15_234, "context_window_size": 200_000, "current_usage": None},
    }
    return {**given, **more}


@pytest.fixture
def line(program: Run) -> Line:
    """Run it as Claude Code does."""

    def runs(given: Any = None, *words: str, **environment: str) -> Ran:
        text = given if isinstance(given, str) else json.dumps(told() if given is None else given)
        return program("statusline", "claude-code", "--no-refresh", *words, stdin=text, **environment)

    return runs


@pytest.fixture
def sampled(run: Run, book: Rollbook) -> Rollbook:
    """A book with the samples in it, and something that was spent today."""
    assert run("import", "claude-code", "--path", str(SAMPLES / "claude-code")).status == 0
    book.record_usage("elsewhere", tokens_in=1, cost_usd=1.25)
    book.record_usage("elsewhere", tokens_in=1, cost_usd=7, occurred_at=datetime.now(UTC) - timedelta(days=2))
    return book


def transcript(folder: Path, session: str, *, read: bool, program: Run) -> Path:
    """A transcript of which the book has read all, or has not."""
    path = folder / "projects" / "p" / f"{session}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    original = next((SAMPLES / "claude-code").rglob(f"{SESSION}.jsonl"))
    path.write_text(original.read_text())
    if read:
        assert program("import", "claude-code", "--path", str(folder)).status == 0
    return path


def test_the_line(line: Line, sampled: Rollbook) -> None:
    whole = sampled.inclusive(SESSION)
    assert whole.sessions == 2
    done = line()
    assert (done.status, done.err) == (0, "")
    assert done.out == f"${whole.cost_usd:.2f} session | $1.25 today | Opus 4.8\n"


def test_it_says_what_the_book_says(line: Line, sampled: Rollbook) -> None:
    """R8: the same figures as everywhere else."""
    for session in sampled.iterate():
        shown = line(told(session.session_id), "--json").answer["session"]
        assert shown["cost_nano_usd"] == sampled.inclusive(session.session_id).cost_nano_usd
    (today,) = sampled.spend(by="day", since="1h", tz="UTC").rows
    assert line(None, "--json").answer["today"]["cost_nano_usd"] == today.cost_nano_usd


def test_json(line: Line, sampled: Rollbook) -> None:
    answer = line(None, "--json").answer
    assert list(answer) == ["session_id", "model", "session", "today", "behind", "trouble"]
    assert (answer["session_id"], answer["model"], answer["behind"], answer["trouble"]) == (
        SESSION, "Opus 4.8", False, None,
    )  # fmt: skip
    assert list(answer["session"]) == ["cost_usd", "cost_nano_usd", "at_least", "by_agent"]
    assert line(None, ROLLBOOK_JSON="1").answer == answer


def test_days_begin_where_the_machine_is(line: Line, book: Rollbook) -> None:
    now = datetime.now(UTC)
    for hours in range(40):
        book.record_usage("s", tokens_in=1, cost_usd=1, occurred_at=now - timedelta(hours=hours), usage_id=f"{hours}")
    for zone in ("Pacific/Kiritimati", "Asia/Kathmandu", "America/St_Johns", "Pacific/Pago_Pago", "UTC"):
        shown = line(None, "--json", TZ=zone).answer["today"]["cost_nano_usd"]
        assert shown == book.spend(by="day", since="1h", tz=zone).rows[-1].cost_nano_usd


def test_no_book_is_made(line: Line, tmp_path: Path, program: Run) -> None:
    done = program("statusline", "claude-code", stdin=json.dumps(told()))
    assert (done.status, done.out) == (0, "~$0.50 session | Opus 4.8 | no book yet: run 'rollbook import'\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", "$1.25 today | no input"),
        ("\n\n", "$1.25 today | no input"),
        ("{", "$1.25 today | input is not JSON"),
        ('{"session_id":', "$1.25 today | input is not JSON"),
        ("[" * 100_000, "$1.25 today | input is not JSON"),
        ("9" * 5_000, "$1.25 today | input is not JSON"),
        ("[]", "$1.25 today | input is no JSON object"),
        ("{}", "$1.25 today | no session in the input"),
        ({"session_id": 7, "model": 8, "cost": 9, "transcript_path": []}, "$1.25 today | no session in the input"),
        ({"session_id": "new"}, "$1.25 today"),
        ({"session_id": "new", "model": {"id": "claude-opus-4-8"}}, "$1.25 today | claude-opus-4-8"),
        ({"session_id": "new", "transcript_path": "a\0b"}, "$1.25 today"),
        ({"session_id": "\ud800"}, "$1.25 today | no session in the input"),
        (told("new", 0), "$0.00 session | $1.25 today | Opus 4.8"),
        (told("new", 0.001), "~$0.00 session | $1.25 today | Opus 4.8"),
        (told("new", 1234.567), "~$1,234.57 session | $1.25 today | Opus 4.8"),
        *[(told("new", cost), "$1.25 today | Opus 4.8") for cost in WRONG],
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_whatever_is_given_there_is_a_line(line: Line, sampled: Rollbook, given: Any, shown: str) -> None:
    done = line(given)
    assert (done.status, done.err, done.out) == (0, "", f"{shown}\n")


@pytest.mark.parametrize("words", [(), ("--json",)], ids=str)
def test_nothing_hostile_reaches_the_terminal(line: Line, sampled: Rollbook, words: tuple[str, ...]) -> None:
    name = "Op\x1b[31mus\x1b]0;title\x07\u202e\u2066\r\n\x00\x9b2J\u200bevil" + "x" * 500
    done = line(told("a\x1b[2Jb", model={"display_name": name}), *words)
    assert done.status == 0
    assert all(char.isprintable() or char == "\n" for char in done.out)
    if not words:
        assert done.out.count("\n") == 1
        assert len(done.out) < 200
        assert "Opus\\u202e" in done.out


def test_an_ascii_terminal(line: Line, sampled: Rollbook) -> None:
    done = line(told(model={"display_name": "Öpus"}), PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert done.out.endswith("\\xd6pus\n")


@pytest.mark.parametrize("how", ["locked", "damaged", "none of ours", "a folder"])
def test_something_is_wrong_with_the_book(line: Line, sampled: Rollbook, tmp_path: Path, how: str) -> None:
    path = tmp_path / "other.db"
    holder = None
    if how == "locked":
        with rollbook.open(path) as other:
            other.touch("s")
        holder = apsw.Connection(str(path))
        holder.execute("pragma locking_mode=exclusive")
        holder.execute("pragma journal_mode=delete")
        holder.execute("begin exclusive")
    elif how == "damaged":
        with rollbook.open(path) as other:
            other.touch("s")
        path.write_bytes(path.read_bytes()[:4096] + os.urandom(16_384))
    elif how == "none of ours":
        path.write_bytes(os.urandom(8_192))
    else:
        path.mkdir()
    done = line(None, "--db", f"sqlite:///{path}")
    if holder is not None:
        holder.close()
    reasons = {"locked": "book locked", "damaged": "book damaged", "none of ours": "not a book"}
    reason = reasons.get(how, "book cannot be opened")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"~$0.50 session | Opus 4.8 | {reason}\n"


@pytest.mark.parametrize(("schema", "whose"), [(1, "an older"), (99, "a newer")])
def test_a_book_of_another_version(line: Line, sampled: Rollbook, tmp_path: Path, schema: int, whose: str) -> None:
    sampled.close()
    raw = apsw.Connection(str(tmp_path / "book.db"))
    raw.pragma("user_version", schema)
    raw.close()
    assert line().out == f"~$0.50 session | Opus 4.8 | book was written by {whose} Rollbook\n"


@pytest.mark.parametrize("words", [("--db", "nonsense"), ("--db=mysql://x/y",), ("--user", " ")], ids=str)
def test_a_book_that_cannot_be_named(line: Line, sampled: Rollbook, words: tuple[str, ...]) -> None:
    done = line(None, *words)
    assert (done.status, done.out) == (0, "~$0.50 session | Opus 4.8 | no such --db or --user\n")


def test_whose_sessions(line: Line, run: Run, sampled: Rollbook) -> None:
    run("use", SESSION, "--user", "dana", "--tokens-in", "1", "--cost-usd", "3")
    assert line(None, "--user", "dana").out.startswith("$3.00 session | $3.00 today")
    assert line(None, ROLLBOOK_USER="dana").out.startswith("$3.00 session | $3.00 today")
    assert line(None, "--all-users").out.startswith("$0.21 session | $4.25 today")
    assert line(None, "--user", "nobody").out.startswith("~$0.50 session | $0.00 today")


def test_while_the_book_is_behind_the_larger_figure_counts(
    line: Line, sampled: Rollbook, program: Run, tmp_path: Path
) -> None:
    path = transcript(tmp_path / "home", SESSION, read=True, program=program)
    given = told(transcript_path=str(path))
    assert line({**given, "cost": {"total_cost_usd": 9}}).out.startswith("$0.21 session | $1.25 today")
    with path.open("a") as file:
        file.write('{"type":"user"}\n')
    assert line({**given, "cost": {"total_cost_usd": 9}}).out.startswith("~$9.00 session | >=$1.25 today")
    assert line({**given, "cost": {"total_cost_usd": 0.1}}).out.startswith(">=$0.21 session | >=$1.25 today")
    assert line(given, "--json").answer["behind"]
    assert program("import", "claude-code", "--path", str(tmp_path / "home")).status == 0
    assert line({**given, "cost": {"total_cost_usd": 9}}).out.startswith("$0.21 session | $1.25 today")


def test_a_sub_agent_of_which_nothing_was_read(line: Line, sampled: Rollbook, program: Run, tmp_path: Path) -> None:
    path = transcript(tmp_path / "home", SESSION, read=True, program=program)
    below = path.with_suffix("") / "subagents"
    below.mkdir(parents=True)
    (below / "agent-new.jsonl").write_text('{"type":"user"}\n')
    assert line(told(cost=9, transcript_path=str(path))).out.startswith("~$9.00 session | >=$1.25 today")


def test_a_figure_that_is_older_than_its_session_does_not_count(
    line: Line, book: Rollbook, program: Run, tmp_path: Path
) -> None:
    """Some versions of the agent go on with the last session's cost."""
    book.record_usage("s", tokens_in=1, cost_usd=2)
    path = tmp_path / "s.jsonl"
    path.write_text('{"type":"user"}\n')
    for minutes, shown in ((5, "~$541.00"), (96 * 60, ">=$2.00")):
        cost = {"total_cost_usd": 541, "total_duration_ms": minutes * 60_000}
        assert line({**told("s", transcript_path=str(path)), "cost": cost}).out.startswith(f"{shown} session")


def test_calls_without_a_price(line: Line, book: Rollbook) -> None:
    book.record_usage("s", tokens_in=1, model="nobody-knows-it")
    assert line(told("s")).out.startswith("~$0.50 session | >=$0.00 today")
    book.record_usage("s", tokens_in=1, cost_usd=2)
    assert line(told("s")).out.startswith(">=$2.00 session | >=$2.00 today")


def test_a_lower_bound_is_none_from_above(line: Line, book: Rollbook) -> None:
    book.record_usage("tiny", tokens_in=1, cost_usd=0.001)
    assert line(told("tiny")).out.startswith("<$0.01 session | <$0.01 today")
    book.record_usage("tiny", tokens_in=1, model="nobody-knows-it")
    assert line(told("tiny")).out.startswith(">=$0.00 session | >=$0.00 today")
    book.record_usage("tiny", tokens_in=1, cost_usd=1.998)
    assert line(told("tiny")).out.startswith(">=$1.99 session | >=$1.99 today")


def test_wrong_use(run: Run, on_terminal: OnTerminal) -> None:
    assert "AGENT" in run("statusline").line
    assert "it is one of claude-code" in run("statusline", "abacus").line
    assert run("statusline", "claude-code", "--colour").status == 2
    shown = on_terminal("statusline", "claude-code")
    assert shown.status == 2
    assert '"command": "rollbook statusline claude-code"' in " ".join(shown.lines)


def test_it_is_a_command_as_any_other(program: Run, sampled: Rollbook) -> None:
    assert "statusline" in program("--help").out
    assert "--no-refresh" in program("statusline", "--help").out
    plain = program("statusline", "claude-code", "--no-refresh", stdin=json.dumps(told())).out
    # A word that only the ordinary way understands leads to the same line.
    assert (
        program("statusline", "claude-code", stdin=json.dumps(told()), ROLLBOOK_STATUSLINE_REFRESH="off").out == plain
    )


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("statusline claude-code", True),
        ("--db sqlite:///x.db --json statusline claude-code --no-refresh --user=me", True),
        ("statusline claude-code --help", False),
        ("statusline", False),
        ("statusline abacus", False),
        ("statusline claude-code claude-code", False),
        ("statusline claude-code --db", False),
        ("statusline claude-code --db=", False),
        ("touch statusline", False),
    ],
)
def test_what_goes_the_short_way(words: str, plain: bool) -> None:
    assert (asked(words.split(), {}) is not None) is plain


def test_what_the_environment_says() -> None:
    found = asked(["statusline", "claude-code"], {"ROLLBOOK_JSON": "true", "ROLLBOOK_STATUSLINE_REFRESH": "0"})
    assert found is not None
    assert (found.as_json, found.refresh, found.all_users) == (True, False, False)
    assert asked(["statusline", "claude-code"], {"ROLLBOOK_JSON": "perhaps"}) is None


def test_little_is_loaded(url: str, sampled: Rollbook) -> None:
    code = (
        "import sys; from rollbook.cli import main; main(['statusline', 'claude-code', '--no-refresh']); "
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(told()), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("$0.21 session")
    loaded = set(done.stderr.split())
    assert not loaded & TOO_MUCH
    assert not [name for name in loaded if name.startswith(("rollbook.importers", "rollbook.pricing"))]


def test_nobody_reads_it(url: str, sampled: Rollbook) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as closed:
        done = subprocess.run(
            [*PROGRAM, "statusline", "claude-code"], input=json.dumps(told()).encode(), stdout=closed,
            stderr=subprocess.PIPE, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


def test_nothing_to_read_from(program: Run, sampled: Rollbook) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        done = subprocess.run(
            [*PROGRAM, "statusline", "claude-code"],
            stdin=nowhere,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "$1.25 today | no input\n", "")


# what it starts in the background


def holds(path: Path) -> bool:
    """Whether somebody holds the lock."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def eventually(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def unread(tmp_path: Path, book: Rollbook, program: Run, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A session of which the book knows nothing, in the usual folder."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    path = transcript(tmp_path / "home", SESSION, read=False, program=program)
    return told(transcript_path=str(path))


def test_it_imports_in_the_background(book: Rollbook, program: Run, unread: dict[str, Any], tmp_path: Path) -> None:
    first = program("statusline", "claude-code", stdin=json.dumps(unread))
    assert first.out.startswith("~$0.50 session | >=$0.00 today")
    eventually(lambda: book.stats(since="all").calls > 0)
    eventually(lambda: not holds(tmp_path / "book.db-refresh"))
    assert program("statusline", "claude-code", stdin=json.dumps(unread)).out.startswith("$0.20 session | $0.00 today")
    assert (tmp_path / "book.db-refresh").stat().st_mode & 0o777 == 0o600


def test_it_does_not_when_told_not_to(book: Rollbook, line: Line, unread: dict[str, Any], tmp_path: Path) -> None:
    assert line(unread).out.startswith("~$0.50 session")
    assert not (tmp_path / "book.db-refresh").exists()


def test_nothing_waits_for_the_background(book: Rollbook, unread: dict[str, Any], tmp_path: Path) -> None:
    """The line is there and its pipe closed while the import is held up, and only one import is begun."""
    holder = apsw.Connection(str(tmp_path / "book.db"))
    holder.execute("begin immediate")
    begun = []
    for _ in range(3):
        done = subprocess.run(
            [*PROGRAM, "statusline", "claude-code"], input=json.dumps(unread), capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        assert done.stdout.startswith("~$0.50 session | >=$0.00 today | Opus 4.8")
        assert holds(tmp_path / "book.db-refresh")
        begun.append((tmp_path / "book.db-refresh").stat().st_mtime_ns)
    assert len(set(begun)) == 1
    assert book.stats(since="all").calls == 0
    holder.execute("rollback")
    holder.close()
    eventually(lambda: book.stats(since="all").calls > 0)
    eventually(lambda: not holds(tmp_path / "book.db-refresh"))


def test_not_more_often_than_every_ten_seconds(
    book: Rollbook, program: Run, unread: dict[str, Any], tmp_path: Path
) -> None:
    lock = tmp_path / "book.db-refresh"
    lock.write_bytes(b"1")
    program("statusline", "claude-code", stdin=json.dumps(unread))
    assert not holds(lock)
    assert book.stats(since="all").calls == 0
    for age in (-3600, 11):  # a clock that was set back keeps nothing from being imported
        os.utime(lock, (time.time() - age, time.time() - age))
        program("statusline", "claude-code", stdin=json.dumps(unread))
        assert abs(lock.stat().st_mtime - time.time()) < 300
        eventually(lambda: not holds(lock))
    assert book.stats(since="all").calls > 0


@pytest.mark.parametrize("variable", ["ROLLBOOK_IMPORT_WATCH", "ROLLBOOK_IMPORT_DRY_RUN"])
def test_what_is_set_for_imports_by_hand_does_not_hold_it(
    book: Rollbook, program: Run, unread: dict[str, Any], tmp_path: Path, variable: str
) -> None:
    program("statusline", "claude-code", stdin=json.dumps(unread), **{variable: "1"})
    eventually(lambda: book.stats(since="all").calls > 0)
    eventually(lambda: not holds(tmp_path / "book.db-refresh"))
