"""Contents of transcripts: what was said, and which tools were called; and what becomes of it in the book."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rollbook
from importers.contents_tools import NOW, SECRET, Told, book, everything, take, told, write
from rollbook.importers import runs, source
from rollbook.importers.base import ImportReport
from rollbook.importers.content import jot
from rollbook.importers.watching import Watch
from rollbook.journal.steps import Done, New
from rollbook.ledger.ops import Jot
from rollbook.settings import LOCAL_USER

__all__ = ["book"]


# Claude Code


def claude(number: int, kind: str, content: Any, session: str = "s", **more: Any) -> dict[str, Any]:
    """A line of a transcript, one a second."""
    message: dict[str, Any] = {"role": kind, "content": content}
    if kind == "assistant":
        message |= {
            "id": f"msg_{number}",
            "model": "claude-sonnet-4-5",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    return {
        "type": kind,
        "sessionId": session,
        "uuid": f"u{number}",
        "timestamp": f"2026-03-02T10:00:{number:02d}.000Z",
        "requestId": f"req_{number}",
        "cwd": "/shop",
        "message": message,
        **more,
    }


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool(name: str, called: str, **params: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": called, "name": name, "input": params}


def result(called: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": called, "content": content, **more}


CLAUDE = [
    claude(1, "user", "Mend the till, é"),
    claude(2, "user", "Caveat", isMeta=True),
    claude(3, "user", "<system-reminder>Be kind.</system-reminder>"),
    claude(4, "assistant", [{"type": "thinking", "thinking": "hm"}]),
    claude(5, "assistant", [text("I shall look."), text("First here.")]),
    claude(6, "assistant", [tool("Read", "toolu_1", file_path="/a"), tool("Bash", "toolu_2", command=SECRET)]),
    claude(7, "user", [result("toolu_2", "exit 1", is_error=True)]),
    claude(9, "user", [result("toolu_1", [text("one"), {"type": "image", "source": {}}, text("two")])]),
    claude(10, "assistant", [tool("Grep", "1", pattern="x")]),
    claude(11, "user", [result("1", "none"), text("[Request interrupted by user for tool use]")]),
    claude(12, "assistant", [tool("Grep", "1", pattern="y")]),
    claude(13, "user", [result("1", "some")]),
    claude(14, "user", [text("Look at this"), {"type": "image", "source": {}}]),
    claude(15, "assistant", [text("API Error")], isApiErrorMessage=True),
    claude(16, "user", "All of it in short", isCompactSummary=True),
    claude(17, "assistant", [tool("Bash", "toolu_3", command="never answered")]),
    claude(18, "user", [result("toolu_9", "of a call that nobody saw")]),
]
CLAUDE_TOLD: Told = (
    [
        ("user", "Mend the till, é"),
        ("assistant", "I shall look.\n\nFirst here."),
        ("user", "Look at this\n\n[image]"),
    ],
    [
        ("Bash", "error", {"command": SECRET}, None, "exit 1", 1.0),
        ("Read", "success", {"file_path": "/a"}, "one\n[image]\ntwo", "", 3.0),
        ("Grep", "success", {"pattern": "x"}, "none", "", 1.0),
        ("Grep", "success", {"pattern": "y"}, "some", "", 1.0),
    ],
)


def test_claude_code(book: rollbook.Rollbook, tmp_path: Path) -> None:
    report = take(book, "claude-code", write(tmp_path / "s.jsonl", CLAUDE))
    assert told(book, "s") == CLAUDE_TOLD
    assert (report.entries, report.new_entries, report.problems) == (7, 7, [])
    assert book.get("s").step_errors == 1
    assert [one.message_id for one in book.conversation("s")] == ["claude-code:u1", "claude-code:u5", "claude-code:u14"]
    steps = book.trace("s")
    assert len({step.trace_id for step in steps}) == 4  # also where a gateway counts calls from one
    assert rollbook.to_dict(steps[0])["started_at"] == "2026-03-02T10:00:06.000000+00:00"
    assert rollbook.to_dict(steps[0])["created_at"] == "2026-03-02T10:00:07.000000+00:00"


def test_bodies_are_those_of_the_books_own_methods(book: rollbook.Rollbook, tmp_path: Path) -> None:
    take(book, "claude-code", write(tmp_path / "s.jsonl", CLAUDE))
    step = book.trace("s")[1]
    again = {name: getattr(step, name) for name in ("method_params", "method_return_value", "started_at", "duration_s")}
    book.add_trace_step("t", origin_function="Read", tool_name="Read", trace_id="one", **again)
    book.add_message("t", role="user", content="Mend the till, é", message_id="two")
    for stream, here, there in (("trace", step.trace_id, "one"), ("messages", "claude-code:u1", "two")):
        one, other = book.entry("s", stream, here).body, book.entry("t", stream, there).body
        assert list(one.items()) == list(other.items())


def test_r3_a_transcript_may_be_cut_anywhere(tmp_path: Path) -> None:
    data = write(tmp_path / "whole.jsonl", CLAUDE).read_bytes()
    with rollbook.open("sqlite:///:memory:", redact=False) as book:
        (tmp_path / "once").mkdir()
        shutil.copy(tmp_path / "whole.jsonl", tmp_path / "once" / "s.jsonl")
        take(book, "claude-code", tmp_path / "once")
        once = everything(book)
    rng = random.Random(3)
    lines = [*itertools.accumulate(len(line) for line in data.splitlines(keepends=True))]
    for cuts in ([*lines], *([rng.randrange(1, len(data)) for _ in range(6)] for _ in range(6))):
        folder = tmp_path / str(rng.random())
        folder.mkdir()
        with rollbook.open("sqlite:///:memory:", redact=False) as book:
            for cut in sorted({*cuts, len(data)}):
                (folder / "s.jsonl").write_bytes(data[:cut])  # the same file, longer
                take(book, "claude-code", folder)
                kept = book.source_files("claude-code+content")
                assert all(SECRET.encode() not in file.state for file in kept.values())
            assert everything(book) == once
            assert told(book, "s") == CLAUDE_TOLD


def test_r3_a_result_finds_its_call_in_a_file_that_was_renamed(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", CLAUDE[:6])
    take(book, "claude-code", path)
    assert told(book, "s")[1] == []
    renamed = path.rename(tmp_path / "other.jsonl")
    with renamed.open("a") as file:
        file.write(json.dumps(CLAUDE[6]) + "\n")
    take(book, "claude-code", renamed)
    assert told(book, "s")[1] == CLAUDE_TOLD[1][:1]


FORK = [
    *({**line, "sessionId": "f", "forkedFrom": {"sessionId": "s", "messageUuid": "u"}} for line in CLAUDE[:8]),
    claude(40, "user", "Another way", "f"),
    claude(41, "assistant", [text("Yes.")], "f"),
]


@pytest.mark.parametrize("cut", range(1, len(FORK)))
def test_a_fork_is_whole_and_begins_when_it_did(book: rollbook.Rollbook, tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "f.jsonl", FORK[:cut])
    take(book, "claude-code", path)
    if cut <= 8:
        assert "f" not in {one.session_id for one in book.iterate()}
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in FORK[cut:])
    take(book, "claude-code", path)
    said, ran = told(book, "f")
    assert said == [*CLAUDE_TOLD[0][:2], ("user", "Another way"), ("assistant", "Yes.")]
    assert ran == CLAUDE_TOLD[1][:2]
    assert rollbook.to_dict(book.get("f"))["started_at"] == "2026-03-02T10:00:40.000000+00:00"
    assert told(book, "s") == ([], [])  # its own file has its contents


def test_a_resumed_session_has_what_its_file_repeats(book: rollbook.Rollbook, tmp_path: Path) -> None:
    lines = [*CLAUDE[:8], claude(40, "user", "Where were we?", "r")]
    take(book, "claude-code", write(tmp_path / "r.jsonl", lines))
    assert told(book, "r") == ([*CLAUDE_TOLD[0][:2], ("user", "Where were we?")], CLAUDE_TOLD[1][:2])
    assert told(book, "s") == (CLAUDE_TOLD[0][:2], CLAUDE_TOLD[1][:2])


def test_sessions_that_merely_share_a_file_do_not_share_contents(book: rollbook.Rollbook, tmp_path: Path) -> None:
    lines = [claude(1, "user", "One", "a"), claude(2, "user", "Two", "b")]
    take(book, "claude-code", write(tmp_path / "both.jsonl", lines))
    assert told(book, "a") == ([("user", "One")], [])
    assert told(book, "b") == ([("user", "Two")], [])


def test_a_sub_agent_has_its_own(book: rollbook.Rollbook, tmp_path: Path) -> None:
    write(tmp_path / "s.jsonl", CLAUDE[:2])
    side = claude(5, "user", "Search", isSidechain=True, agentId="a1")
    write(tmp_path / "s" / "subagents" / "agent-a1.jsonl", [side])
    take(book, "claude-code", tmp_path)
    assert told(book, "s/agent-a1") == ([("user", "Search")], [])
    assert told(book, "s")[0] == [("user", "Mend the till, é")]


# What becomes of it in the book


def test_without_content_nothing_is_kept_and_later_it_is_read_for_it(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", CLAUDE)
    first = take(book, "claude-code", path, content=False)
    assert (first.calls, first.entries, told(book, "s")) == (7, 0, ([], []))
    second = take(book, "claude-code", path)
    assert (second.new_calls, second.new_entries) == (0, 7)
    assert take(book, "claude-code", path, content=False).bytes == 0
    assert take(book, "claude-code", path).bytes == 0


def test_what_was_read_with_its_contents_is_not_read_again_without_them(
    book: rollbook.Rollbook, tmp_path: Path
) -> None:
    path = write(tmp_path / "s.jsonl", CLAUDE[:6])
    take(book, "claude-code", path)
    assert take(book, "claude-code", path, content=False).bytes == 0
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in CLAUDE[6:])
    take(book, "claude-code", path, content=False)
    assert len(told(book, "s")[0]) == 2
    assert take(book, "claude-code", path).new_calls == 0
    assert told(book, "s") == CLAUDE_TOLD


def test_an_entry_that_is_too_large_is_refused_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROLLBOOK_ENTRY_BYTES", "500")
    lines = [claude(1, "user", "x" * 600), claude(2, "user", "small")]
    with rollbook.open("sqlite:///:memory:") as book:
        report = take(book, "claude-code", write(tmp_path / "s.jsonl", lines))
        assert told(book, "s")[0] == [("user", "small")]
        assert (report.new_entries, report.refused_entries) == (1, 1)
        assert "ROLLBOOK_ENTRY_BYTES" in report.problems[0]


def test_what_was_deleted_stays_empty(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", CLAUDE[:4])
    take(book, "claude-code", path)
    book.delete("s")
    write(path, CLAUDE)
    report = take(book, "claude-code", path)
    assert report.problems == []
    assert report.new_entries == 0
    assert told(book, "s") == ([], [])


def large(folder: Path) -> Path:
    """More than one process is left alone with."""
    for number in range(30):
        session = f"s{number}"
        lines = [{**line, "sessionId": session} for line in CLAUDE]
        filler = [claude(20 + one, "user", f"{SECRET} " * 20_000, session) for one in range(4)]
        write(folder / f"{session}.jsonl", [*lines, *filler])
    return folder


@pytest.mark.parametrize("redact", [True, False, lambda words: words.replace(SECRET, "[out]")])
def test_several_processes_come_to_the_same_contents(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redact: bool | Callable[[str], str]
) -> None:
    monkeypatch.setattr(runs, "CREW_BYTES", 1 << 20)
    folder = large(tmp_path)
    found = []
    for processes in (0, 2):
        with rollbook.open("sqlite:///:memory:", redact=redact) as book:
            report = take(book, "claude-code", folder, processes=processes)
            assert (report.new_entries, report.problems) == (30 * 11, [])
            found.append(everything(book))
    assert found[0] == found[1]
    assert (SECRET in repr(found)) == (not callable(redact))


def test_r13_contents_in_a_place_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "s.jsonl", CLAUDE[:6])
    with rollbook.open(tmp_path / "book.db", journal=f"file://{tmp_path}/journal", redact=False) as book:
        take(book, "claude-code", path)
        write(path, CLAUDE)
        report = take(book, "claude-code", path)
        assert told(book, "s") == CLAUDE_TOLD
        assert book.get("s").step_errors == 1
        assert take(book, "claude-code", path, content=False).new_entries == 0
        book.delete("s")
        report = take(book, "claude-code", Path(shutil.copy(path, tmp_path / "in" / "copy.jsonl")))
        assert (report.new_entries, report.problems) == (0, [])
        assert told(book, "s") == ([], [])
    with rollbook.open(tmp_path / "book.db", redact=False) as plain:
        assert told(plain, "s") == ([], [])


def test_a_door_of_ones_own_hands_contents_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLBOOK_ENTRY_BYTES", "300")
    at = NOW - 1_000_000

    def entry(name: str, words: str) -> New:
        return New(name, json.dumps({"role": "user", "content": words}).encode(), at)

    def given(*found: New, session: str = "s") -> Jot:
        return jot(LOCAL_USER, session, at, [("messages", found)])

    with rollbook.open("sqlite:///:memory:", redact=lambda words: words.replace(SECRET, "[out]")) as book:
        twice = given(entry("a", f"the {SECRET}"), entry("a", "again"))
        large, broken = given(entry("b", "x" * 400)), given(New("c", b"{", at))
        surrogate = given(New("d", b'{"role":"user","content":"\\ud800"}', at))
        other = given(entry("e", "last"))
        done, *refused, last = book.ingest([twice, large, broken, surrogate, other])
        assert isinstance(done, Done)
        assert isinstance(last, Done)
        assert all(isinstance(one, rollbook.InvalidInput) for one in refused)
        assert [one.content for one in book.conversation("s")] == ["the [out]", "last"]
        assert [hit.entry_id for hit in book.search("out")] == ["a"]


def test_what_is_written_is_imported_with_its_contents(book: rollbook.Rollbook, tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", CLAUDE[:6])
    reports: list[ImportReport] = []
    watched = [(source("claude-code"), [str(tmp_path)])]
    with Watch(book, watched, told=reports.append, notice=lambda _: None, content=True) as watch:
        watch.everything()
        watch.turn()
        with path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in CLAUDE[6:])
        deadline = time.monotonic() + 30
        while told(book, "s") != CLAUDE_TOLD and time.monotonic() < deadline:
            watch.turn()
    assert told(book, "s") == CLAUDE_TOLD
    assert sum(report.new_entries for report in reports) == 7
