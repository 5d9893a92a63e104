"""export: to standard output, to a file, to a pipe that closes, to a terminal."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from rollbook.book import Rollbook
from rollbook.model import to_dict

from .tools import PROGRAM, OnTerminal, Run


@pytest.fixture
def spent(book: Rollbook) -> Rollbook:
    book.touch("a", agent="x", title="=1+1", tags=["t"])
    book.record_usage("a", model="m", tokens_in=10, cost_usd="0.25", usage_id="1", occurred_at="2026-05-01T22:30:00Z")
    book.record_usage("b", model="n", tokens_in=5, usage_id="2", occurred_at="2026-05-02T10:00:00Z")
    book.record_usage("c", user_id="ann", tokens_in=7, usage_id="3")
    return book


def test_usage_to_standard_output_is_json_lines(run: Run, spent: Rollbook) -> None:
    done = run("export", "usage")
    assert (done.status, done.err) == (0, "")
    assert [json.loads(line) for line in done.out.splitlines()] == [to_dict(row) for row in spent.iterate_usage()]
    assert run("export", "usage", "--output", "-", "--json").out == done.out


def test_filters_and_users(run: Run, spent: Rollbook) -> None:
    def ids(*words: str) -> list[str]:
        return [json.loads(line)["usage_id"] for line in run("export", "usage", *words).out.splitlines()]

    assert ids() == ["1", "2"]
    assert sorted(ids("--all-users")) == ["1", "2", "3"]
    assert ids("--user", "ann") == ["3"]
    assert ids("--agent", "x") == ids("--tag", "t") == ids("--model", "m") == ids("--text", "1+") == ["1"]
    assert ids("--since", "2026-05-02") == ["2"]
    assert ids("--until", "2026-05-02") == ["1"]
    assert (ids("--status", "running"), ids("--status", "abandoned")) == (["1"], ["2"])
    assert ids("--kind", "acp") == ids("--channel", "web") == ids("--project", "p") == []


def test_sessions_as_csv(run: Run, spent: Rollbook) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export", "sessions", "--format", "csv").out, newline="")))
    assert [(row["session_id"], row["title"], row["tags"]) for row in rows] == [
        ("a", "'=1+1", '["t"]'),
        ("b", "", "[]"),
    ]


def test_spend_by_the_local_day(run: Run, spent: Rollbook, monkeypatch: pytest.MonkeyPatch) -> None:
    def keys(*words: str) -> list[str]:
        return [json.loads(line)["key"] for line in run("export", "spend", *words).out.splitlines()]

    assert keys() == ["2026-05-01", "2026-05-02"]
    assert keys("--tz", "Europe/Vienna") == ["2026-05-02"]
    assert keys("--by", "model") == ["m", "n"]
    monkeypatch.setenv("TZ", "Europe/Vienna")
    assert keys() == ["2026-05-02"]


def test_a_file_is_named_with_what_is_in_it(run: Run, spent: Rollbook, tmp_path: Path) -> None:
    for form in ("jsonl", "csv", "parquet"):
        name = str(tmp_path / f"usage.{form}")
        done = run("export", "usage", "--output", name)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith(f"{name}  2 rows  ")
        answer = run("export", "usage", "--output", name, "--replace", "--json").answer
        assert list(answer) == ["path", "what", "format", "rows", "bytes", "seconds"]
        assert answer["path"] == name
        assert round(answer["seconds"], 3) == answer["seconds"]
        assert (answer["format"], answer["rows"]) == (form, 2)
        assert answer["bytes"] == Path(name).stat().st_size
    assert pyarrow.parquet.read_table(tmp_path / "usage.parquet")["usage_id"].to_pylist() == ["1", "2"]
    assert run("export", "usage", "--output", str(tmp_path / "x.csv"), "--format", "jsonl").status == 0
    assert (tmp_path / "x.csv").read_text().startswith("{")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("calls",), "sessions, usage, content, spend"),
        (("usage", "--format", "xml"), "jsonl, csv, parquet"),
        (("usage", "--by", "day"), "takes no --by; it takes --status, --since"),
        (("sessions", "--tz", "UTC"), "--user, --dataset, --tag, --text"),
        (("spend", "--agent", "x"), "takes no --agent; it takes --by, --tz, --since, --until, --user"),
        (("spend", "--dataset", "x"), "takes no --dataset;"),
        (("usage", "--output", "x.xlsx"), "x.xlsx says no format; say it with --format: jsonl, csv, parquet"),
        (("usage", "--output", "x.tsv.gz"), "--format"),
        (("usage", "--output", "x.json"), "--format"),
        (("spend", "--by", "mood"), "hour, day"),
        (("usage", "--status", "odd"), "status"),
        (("usage", "--output", "nowhere/x"), "no folder"),
        ((), "WHAT"),
    ],
)
def test_wrong_use_is_2(run: Run, spent: Rollbook, words: tuple[str, ...], named: str) -> None:
    done = run("export", *words)
    assert (done.status, done.out) == (2, "")
    assert named in done.line


def test_what_is_there_is_kept(run: Run, spent: Rollbook, tmp_path: Path) -> None:
    there = tmp_path / "usage.csv"
    there.write_text("mine")
    done = run("export", "usage", "--output", str(there))
    assert (done.status, done.out, there.read_text()) == (2, "", "mine")
    assert "--replace" in done.line
    assert "replace=" not in done.line


def test_a_format_is_said_by_an_ending_or_by_the_option_in_any_case(
    run: Run, spent: Rollbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, form in (
        (["x.CSV"], "csv"),
        (["x.xlsx", "--format", "CSV"], "csv"),
        (["x", "--format", "JsonL"], "jsonl"),
        (["y"], "jsonl"),
    ):
        answer = run("export", "usage", "--json", "--output", *words).answer
        assert (answer["format"], answer["path"]) == (form, str(tmp_path / words[0]))


def test_nothing_to_export_says_so(run: Run, book: Rollbook, tmp_path: Path) -> None:
    assert "rollbook import" in run("export", "usage").line
    book.record_usage("s", tokens_in=1)
    done = run("export", "usage", "--model", "nobody's", "--format", "csv")
    assert done.line == "nothing matches"
    assert done.out.count("\n") == 1
    assert done.out.startswith("usage_id,")


def test_nobody_reads(book: Rollbook) -> None:
    book.record_many([{"session_id": "s", "tokens_in": 1} for _ in range(5000)])
    for form in ("jsonl", "csv", "parquet"):
        words = ["export", "usage", "--format", form]
        process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(timeout=60) == 141


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_a_full_disk(spent: Rollbook, form: str) -> None:
    words = [*PROGRAM, "export", "usage", "--format", form]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "space" in done.stderr
    assert done.stderr.count("\n") == 1
    done = subprocess.run([*words, "--output", "/dev/full"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "rollbook: /dev/full cannot be written: no space is left; no part of it was kept\n"


def test_on_a_terminal_text_is_harmless_and_parquet_is_refused(on_terminal: OnTerminal, book: Rollbook) -> None:
    book.touch("s", title="\x1b]0;owned\x07\x1b[31mred\u202e\x9b2J")
    for form in ("jsonl", "csv"):
        shown = on_terminal("export", "sessions", "--format", form)
        assert shown.status == 0
        assert "red" in shown.raw
        assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(shown.raw)
    refused = on_terminal("export", "sessions", "--format", "parquet")
    assert refused.status == 2
    assert "--output" in refused.raw


def test_progress_is_shown_on_a_terminal_and_goes_away(
    on_terminal: OnTerminal, spent: Rollbook, tmp_path: Path
) -> None:
    shown = on_terminal("export", "usage", "--output", str(tmp_path / "usage.csv"), columns=200)
    assert shown.status == 0
    assert "usage 2 rows" in shown.raw
    assert "usage.csv  2 rows  " in shown.lines[-1]
