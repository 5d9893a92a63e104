"""Where Codex's transcripts are, how packed ones are read, and what a book makes of copies that come first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from backports import zstd

import rollbook
from rollbook.importers import SAMPLES, source
from rollbook.importers.base import ImportReport
from rollbook.importers.runs import run_import

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "codex"
NOW = 1_780_000_000_000_000
ID = "aaaaaaaa-0000-4000-8000-aaaaaaaaaaaa"
NAME = f"rollout-2026-03-02T10-00-00-{ID}.jsonl"


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as book:
        yield book


def take(book: rollbook.Rollbook, *paths: Path, **more: Any) -> ImportReport:
    return run_import(book, source("codex"), list(paths), now=NOW, **more)


def line(second: int, kind: str, **payload: Any) -> bytes:
    record = {"timestamp": f"2026-03-02T10:{second // 60:02}:{second % 60:02}.000Z", "type": kind, "payload": payload}
    return json.dumps(record).encode() + b"\n"


def count(second: int, total: int) -> bytes:
    usage = {"input_tokens": total, "output_tokens": 0, "total_tokens": total}
    return line(second, "event_msg", type="token_count", info={"total_token_usage": usage})


FIRST = line(0, "session_meta", id=ID, timestamp="2026-03-02T10:00:00Z", cwd="/src", source="cli") + line(
    1, "turn_context", model="gpt-5.2"
)


# places


def found(path: Path) -> list[str]:
    troubles: list[str] = []
    names = sorted(Path(one.path).name for one in source("codex").files(str(path), troubles.append))
    return names + [text.rsplit(": ", 1)[1] for text in troubles]


def test_the_home_of_codex() -> None:
    codex = source("codex")
    assert codex.roots({"HOME": "/h"}) == ["/h/.codex/sessions", "/h/.codex/archived_sessions"]
    assert codex.roots({"HOME": "/h", "CODEX_HOME": "/c"}) == ["/c/sessions", "/c/archived_sessions"]
    assert codex.roots({"CODEX_HOME": "~/c"})[0] == str(Path("~/c/sessions").expanduser())
    assert codex.roots({"HOME": "/h", "CODEX_HOME": " "})[0] == "/h/.codex/sessions"


def test_what_is_a_transcript(tmp_path: Path) -> None:
    day = tmp_path / "sessions" / "2026" / "03" / "02"
    day.mkdir(parents=True)
    (tmp_path / "archived_sessions").mkdir()
    for path in (day / NAME, day / "rollout-b.jsonl.zst", day / "rollout-c.jsonl.zst.tmp", day / "notes.jsonl"):
        path.write_bytes(b"")
    (tmp_path / "archived_sessions" / "rollout-d.jsonl").write_bytes(b"")
    (tmp_path / "history.jsonl").write_bytes(b"")
    (tmp_path / "sessions" / "loop").symlink_to(tmp_path / "sessions")
    assert found(tmp_path) == [NAME, "rollout-b.jsonl.zst", "rollout-d.jsonl"]
    assert found(day.parent) == [NAME, "rollout-b.jsonl.zst"]
    assert found(day / "notes.jsonl") == ["notes.jsonl"], "a file that is named is read whatever it is called"
    assert found(day / "missing.jsonl") == ["No such file or directory"]
    assert found(Path("/dev/null")) == ["not a regular file"]


def test_only_what_is_below_the_home_is_read(book: rollbook.Rollbook, tmp_path: Path) -> None:
    home = tmp_path / "codex"
    shutil.copytree(TRAPS / "archived-twin", home)
    (home / "rollout-elsewhere.jsonl").write_bytes(FIRST)
    report = run_import(book, source("codex"), now=NOW, env={"CODEX_HOME": str(home)})
    assert (report.files, report.new_calls, report.problems) == (2, 2, [])


def test_the_samples_are_read_wholly_and_priced(book: rollbook.Rollbook) -> None:
    report = run_import(book, source("codex"), [SAMPLES / "codex"], now=1_800_000_000_000_000)
    assert (report.files, report.sessions, report.skipped_lines, report.problems) == (4, 4, 0, [])
    spent = book.spend(by="day", since="all", tz="UTC").total
    assert (spent.calls, spent.unpriced_calls, report.new_calls) == (10, 0, 10)
    assert {session.status for session in book.iterate()} == {"completed", "failed", "cancelled"}


# bad input


def test_files_without_sense_are_no_errors(book: rollbook.Rollbook, tmp_path: Path) -> None:
    (tmp_path / "rollout-empty.jsonl").write_bytes(b"")
    (tmp_path / "rollout-blank.jsonl").write_bytes(b"\n\n \n")
    (tmp_path / "rollout-noise.jsonl").write_bytes(b"\x00\xff\xfe\n{}\n[]\nnull\n7\n" + b"[" * 5_000 + b"\n")
    report = take(book, tmp_path)
    assert (report.files, report.calls, report.problems) == (3, 0, [])
    assert report.skipped_lines == 6
    assert list(book.iterate()) == []


def test_a_huge_line_is_passed_over(book: rollbook.Rollbook, tmp_path: Path) -> None:
    huge = b'{"timestamp":"2026-03-02T10:00:02Z","type":"response_item","payload":{"x":"' + b"x" * (33 << 20) + b'"}}\n'
    (tmp_path / NAME).write_bytes(FIRST + huge + count(5, 100))
    report = take(book, tmp_path)
    assert (report.skipped_lines, report.new_calls) == (1, 1)


def test_a_file_without_its_first_line_is_the_session_of_its_name(book: rollbook.Rollbook, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(count(5, 100))
    take(book, tmp_path)
    assert [(session.session_id, session.calls) for session in book.iterate()] == [(ID, 1)]


def test_ids_that_no_book_takes_make_a_line_that_is_not_understood(book: rollbook.Rollbook, tmp_path: Path) -> None:
    broken = (
        line(0, "session_meta", id="x" * 300) + line(0, "session_meta", id="a\x07b") + line(0, "session_meta", id=7)
    )
    model = line(1, "turn_context", model="m" * 300)
    (tmp_path / NAME).write_bytes(broken + FIRST + model + count(5, 100))
    report = take(book, tmp_path)
    assert (report.skipped_lines, report.problems) == (4, [])
    assert [(session.session_id, session.last_model) for session in book.iterate()] == [(ID, "gpt-5.2")]


def test_times_before_2000_and_ahead_of_the_clock(book: rollbook.Rollbook, tmp_path: Path) -> None:
    early = FIRST.replace(b"2026-03-02T10:00:01", b"1999-03-02T10:00:01")
    late = count(5, 100).replace(b"2026", b"2999")
    (tmp_path / NAME).write_bytes(early + late)
    report = take(book, tmp_path)
    assert (report.skipped_lines, report.new_calls) == (1, 1)
    (session,) = book.iterate()
    assert session.clock_flagged
    assert session.last_activity_at.year == 2026


def test_a_file_that_may_not_be_read_is_told(book: rollbook.Rollbook, tmp_path: Path) -> None:
    (tmp_path / "rollout-dangling.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / NAME).write_bytes(FIRST + count(5, 100))
    report = take(book, tmp_path)
    assert report.new_calls == 1
    assert ["rollout-dangling.jsonl: No such file" in text for text in report.problems] == [True]


# packed ones


PLAIN = FIRST + b"".join(count(second, second * 100) for second in range(2, 600))


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (zstd.compress(PLAIN)[:-7], "cut off"),
        (zstd.compress(PLAIN) + zstd.compress(PLAIN)[:20], "cut off"),
        (zstd.compress(PLAIN) + b"something else", "damaged"),
        (b"not packed at all", "damaged"),
        (b"", "cut off"),
    ],
    ids=["a frame cut", "a second frame cut", "something behind it", "no archive", "empty"],
)
def test_a_damaged_archive_is_told_each_time_and_healed(
    book: rollbook.Rollbook, tmp_path: Path, data: bytes, damage: str
) -> None:
    path = tmp_path / f"{NAME}.zst"
    path.write_bytes(data)
    for _ in range(2):
        report = take(book, tmp_path)
        (problem,) = report.problems
        assert problem.endswith(f"{NAME}.zst: the archive is {damage}")
    path.write_bytes(zstd.compress(PLAIN))
    assert take(book, tmp_path).problems == []
    (session,) = book.iterate()
    assert (session.calls, session.tokens_in) == (598, 59_900)
    assert take(book, tmp_path).bytes == 0
    assert book.verify().ok


def test_what_stands_before_the_damage_is_taken(book: rollbook.Rollbook, tmp_path: Path) -> None:
    frames = [zstd.compress(PLAIN[:10_000]), zstd.compress(PLAIN[10_000:])[:-5]]
    (tmp_path / f"{NAME}.zst").write_bytes(b"".join(frames))
    report = take(book, tmp_path)
    assert len(report.problems) == 1
    assert 0 < report.new_calls < 598


def test_an_archive_that_changed_is_read_from_its_start(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.zst"
    cut = PLAIN.index(b"\n", 20_000) + 1
    path.write_bytes(zstd.compress(PLAIN[:cut]))
    first = take(book, tmp_path)
    path.write_bytes(zstd.compress(PLAIN[:cut]) + zstd.compress(PLAIN[cut:]))
    second = take(book, tmp_path)
    assert (second.bytes, second.calls) == (len(PLAIN), 598)
    assert first.new_calls + second.new_calls == 598


def test_a_transcript_that_is_packed_and_unpacked_again_is_one_session(book: rollbook.Rollbook, tmp_path: Path) -> None:
    plain, packed = tmp_path / NAME, tmp_path / f"{NAME}.zst"
    plain.write_bytes(PLAIN)
    assert take(book, tmp_path).new_calls == 598
    packed.write_bytes(zstd.compress(PLAIN))
    plain.unlink()
    assert take(book, tmp_path).new_calls == 0
    packed.unlink()
    plain.write_bytes(PLAIN + count(700, 70_000))
    assert take(book, tmp_path).new_calls == 1
    (session,) = book.iterate()
    assert session.tokens_in == 70_000


def test_memory_does_not_depend_on_what_an_archive_unpacks_to(book: rollbook.Rollbook, tmp_path: Path) -> None:
    packer = zstd.ZstdCompressor()
    parts = [packer.compress(FIRST), packer.compress(count(5, 100))]
    random = Random(7)
    parts.extend(packer.compress(random.randbytes(1500).hex().encode() + b" " * (1 << 20)) for _ in range(300))
    parts.append(packer.compress(b"\n" + count(9, 300)))
    path = tmp_path / f"{NAME}.zst"
    path.write_bytes(b"".join(parts) + packer.flush())
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        report = take(book, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (report.skipped_lines, report.new_calls) == (1, 2)
    assert peak < 100 << 20


def test_an_archive_that_unpacks_to_far_too_much_is_not_read_to_its_end(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    packer = zstd.ZstdCompressor()
    blank = b" " * (1 << 20)
    parts = [packer.compress(FIRST + count(5, 100))]
    parts.extend(packer.compress(blank + b"\n") for _ in range(80))
    path = tmp_path / f"{NAME}.zst"
    path.write_bytes(b"".join(parts) + packer.compress(count(9, 300)) + packer.flush())
    assert path.stat().st_size < 64 << 10
    for new in (1, 0):
        report = take(book, tmp_path)
        (problem,) = report.problems
        assert problem.endswith("unpacks to more than a transcript would: the rest of it is not read")
        assert report.new_calls == new
        assert report.bytes < 66 << 20
    assert [session.tokens_in for session in book.iterate()] == [100]


def test_an_archive_that_needs_too_much_memory_is_not_called_damaged(book: rollbook.Rollbook, tmp_path: Path) -> None:
    window = bytes([20 << 3])  # a gibibyte
    block = (len(FIRST) << 3 | 1).to_bytes(3, "little") + FIRST
    (tmp_path / f"{NAME}.zst").write_bytes(bytes.fromhex("28b52ffd00") + window + block)
    (problem,) = take(book, tmp_path).problems
    assert problem.endswith("needs too much memory to be unpacked: its window is larger than 128 MB")


def test_nothing_unpacks_until_something_is_packed() -> None:
    program = "import sys; from rollbook.importers.codex import Codex; assert not any('zstd' in m for m in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# providers


@pytest.mark.parametrize(
    ("provider", "model", "priced"),
    [
        ("openai", "gpt-5-codex", True),
        ("azure", "gpt-5-codex", True),
        ("openrouter", "openai/gpt-5-codex", True),
        ("amazon-bedrock", "openai.gpt-5.4", True),
        ("ollama", "gpt-oss:20b", False),
        ("lmstudio", "gpt-oss:20b", False),
        ("acme-gateway", "gpt-5-codex", False),
    ],
)
def test_r16_a_call_is_priced_where_it_is_known_who_bills_it(
    book: rollbook.Rollbook, tmp_path: Path, provider: str, model: str, *, priced: bool
) -> None:
    first = line(0, "session_meta", id=ID, timestamp="2026-03-02T10:00:00Z", model_provider=provider)
    (tmp_path / NAME).write_bytes(first + line(1, "turn_context", model=model) + count(5, 1_000_000))
    run_import(book, source("codex"), [tmp_path], now=NOW)
    assert (book.get(ID).unpriced_calls == 0) is priced


# copies


def test_r15_a_fork_that_was_met_first_gives_its_calls_back(book: rollbook.Rollbook) -> None:
    original, fork = sorted((TRAPS / "forked").glob("*.jsonl"))
    parent, child = (str(path.stem)[-36:] for path in (original, fork))
    take(book, fork)
    first = book.get(parent)
    assert (first.calls, first.tokens_in, first.agent) == (2, 3000, "codex")
    report = take(book, original)
    assert (report.calls, report.new_calls) == (3, 1)
    assert (book.get(parent).calls, book.get(child).calls) == (3, 1)
    read = sorted(row.tokens_in for row in book.usage(parent))
    assert read == [-2000, -1000, 1000, 1000, 2000, 2000, 5000], (
        "two claims of the copy were taken back for better ones"
    )
    assert book.verify().ok


def test_r15_copied_calls_are_spent_on_the_days_on_which_they_were_made(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    original, fork = sorted((TRAPS / "forked").glob("*.jsonl"))
    later = tmp_path / fork.name
    later.write_bytes(fork.read_bytes().replace(b'"timestamp":"2026-03-02T10:30', b'"timestamp":"2026-03-09T10:30'))
    take(book, later, original)
    days = book.spend(by="day", since="all", tz="UTC").rows
    assert [(row.key, row.calls) for row in days] == [("2026-03-02", 3), ("2026-03-09", 1)]
