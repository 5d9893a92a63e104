"""Contents of transcripts: what was said, and which tools were called, of each source."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from importers.opencode_tools import T0, TRAPS, Writer, answer, prompt, put, stored
from rollbook.importers import runs, source
from rollbook.importers.base import ImportReport
from rollbook.importers.content import jot
from rollbook.importers.runs import run_import
from rollbook.importers.watching import Watch
from rollbook.journal.steps import Done, New
from rollbook.ledger.ops import Jot
from rollbook.settings import LOCAL_USER

NOW = 1_780_000_000_000_000
SECRET = "hunter2"
Told = tuple[list[tuple[str, str]], list[tuple[Any, ...]]]


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:", redact=False) as opened:
        yield opened


def take(book: rollbook.Rollbook, name: str, *paths: Path, **more: Any) -> ImportReport:
    return run_import(book, source(name), paths, now=NOW, **{"content": True, **more})


def told(book: rollbook.Rollbook, session_id: str) -> Told:
    """What a session contains: who said what; tools with status, parameters, value, error and duration."""
    said = [(one.role, one.content) for one in book.conversation(session_id)]
    ran = [
        (one.tool_name, one.status, one.method_params, one.method_return_value, one.error_message, one.duration_s)
        for one in book.trace(session_id)
    ]
    return said, ran


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    assert book.verify().ok
    return {
        one.session_id: (
            rollbook.to_dict(one),
            *(sorted(map(repr, found)) for found in told(book, one.session_id)),
        )
        for one in book.iterate()
    }


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


def write(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


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


# Codex


def codex(number: int, kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": f"2026-03-02T10:00:{number:02d}.000Z", "type": kind, "payload": payload}


def item(number: int, kind: str, **payload: Any) -> dict[str, Any]:
    return codex(number, "response_item", type=kind, **payload)


CODEX = [
    codex(0, "session_meta", id="c", cwd="/shop", originator="codex-tui", source="cli"),
    item(1, "message", role="user", content=[{"type": "input_text", "text": "<environment_context>"}]),
    item(2, "message", role="user", content=[{"type": "input_text", "text": "Mend it"}]),
    codex(2, "event_msg", type="user_message", message="Mend it"),
    item(3, "reasoning", summary=[]),
    item(4, "function_call", name="shell", arguments='{"command":["ls"]}', call_id="call_000000000001"),
    item(4, "function_call", name="shell", arguments="not json", call_id="c2"),
    item(5, "function_call_output", call_id="c2", output='{"output":"gone","metadata":{"exit_code":2}}'),
    item(6, "function_call_output", call_id="call_000000000001", output="Exit code: 0\nOutput:\na.py"),
    item(7, "custom_tool_call", name="apply_patch", input="*** Begin", call_id="call_000000000003"),
    item(8, "custom_tool_call_output", call_id="call_000000000003", output={"content": "no", "success": False}),
    item(9, "local_shell_call", call_id="call_000000000004", action={"type": "exec", "command": ["x"]}, status="ok"),
    item(10, "function_call_output", call_id="call_000000000004", output="Exit code: 1\nOutput:\nno x"),
    item(11, "web_search_call", action={"type": "search", "query": "till"}, status="completed"),
    item(12, "message", role="assistant", content=[{"type": "output_text", "text": "Done."}]),
    codex(12, "event_msg", type="agent_message", message="Done."),
]
CODEX_TOLD: Told = (
    [("user", "Mend it"), ("assistant", "Done.")],
    [
        ("shell", "error", "not json", None, "gone", 1.0),
        ("shell", "success", {"command": ["ls"]}, "Exit code: 0\nOutput:\na.py", "", 2.0),
        ("apply_patch", "error", {"input": "*** Begin"}, None, "no", 1.0),
        ("local_shell", "error", {"type": "exec", "command": ["x"]}, None, "Exit code: 1\nOutput:\nno x", 1.0),
        ("web_search", "success", {"type": "search", "query": "till"}, None, "", None),
    ],
)


@pytest.mark.parametrize("cut", [None, 5, 6, 9])
def test_codex(book: rollbook.Rollbook, tmp_path: Path, cut: int | None) -> None:
    path = tmp_path / "rollout-c.jsonl"
    if cut is not None:
        take(book, "codex", write(path, CODEX[:cut]))
        with path.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in CODEX[cut:])
    take(book, "codex", path if cut is not None else write(path, CODEX))
    assert told(book, "c") == CODEX_TOLD
    assert book.get("c").step_errors == 3


def test_a_fork_of_codex_is_whole_and_a_sub_agent_is_not(book: rollbook.Rollbook, tmp_path: Path) -> None:
    copied = [{**line, "timestamp": f"2026-03-02T11:00:00.{n:03d}Z"} for n, line in enumerate(CODEX)]
    own = [
        {**codex(0, "event_msg", type="user_message", message="Go on"), "timestamp": "2026-03-02T11:00:09.000Z"},
        {**CODEX[-2], "timestamp": "2026-03-02T11:00:12.000Z"},
    ]
    at = {"timestamp": "2026-03-02T11:00:00.000Z"}
    fork = {**codex(0, "session_meta", id="f", forked_from_id="c", **at), **at}
    child = {
        **codex(0, "session_meta", id="k", source={"subagent": {"thread_spawn": {"parent_thread_id": "c"}}}, **at),
        **at,
    }
    write(tmp_path / "rollout-f.jsonl", [fork, *copied, *own])
    write(tmp_path / "rollout-k.jsonl", [child, *copied, *own])
    take(book, "codex", tmp_path)
    said, ran = told(book, "f")
    assert said == [*CODEX_TOLD[0], ("user", "Go on"), ("assistant", "Done.")]
    assert [one[:5] for one in ran] == [one[:5] for one in CODEX_TOLD[1]]
    assert told(book, "k") == ([("user", "Go on"), ("assistant", "Done.")], [])
    assert rollbook.to_dict(book.get("f"))["started_at"] == "2026-03-02T11:00:00.000000+00:00"


def test_the_oldest_transcripts_of_codex(book: rollbook.Rollbook, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"id": "o", "timestamp": "2026-03-02T10:00:00.000Z"},
        *({"type": "message", "role": role, "content": [{"type": "input_text", "text": words}]}
          for role, words in (("user", "yes"), ("assistant", "so"), ("user", "yes"))),
    ]  # fmt: skip
    take(book, "codex", write(tmp_path / "rollout-o.jsonl", lines))
    assert told(book, "o")[0] == [("user", "yes"), ("assistant", "so"), ("user", "yes")]


# Gemini CLI


def test_gemini_cli(book: rollbook.Rollbook, tmp_path: Path) -> None:
    def answer(**more: Any) -> dict[str, Any]:
        return {
            "id": "m2",
            "timestamp": "2026-03-02T10:00:05.000Z",
            "type": "gemini",
            "model": "gemini-2.5-pro",
            **more,
        }

    def ran(status: str, **more: Any) -> dict[str, Any]:
        return {"id": "t", "name": "read", "args": {"path": "a"}, "status": status,
                "timestamp": "2026-03-02T10:00:09.000Z", **more}  # fmt: skip

    def response(**fields: Any) -> list[dict[str, Any]]:
        return [{"functionResponse": {"id": "t", "name": "read", "response": fields}}]

    lines: list[dict[str, Any]] = [
        {"sessionId": "g", "projectHash": "h", "startTime": "2026-03-02T10:00:00.000Z"},
        {"id": "m0", "timestamp": "2026-03-02T10:00:00.000Z", "type": "user", "content": "<session_context>"},
        {"id": "m1", "timestamp": "2026-03-02T10:00:01.000Z", "type": "user", "content": [{"text": "Mend it"}]},
        answer(content="", toolCalls=[ran("executing")]),
        answer(content="I look.", toolCalls=[ran("success", result=response(output="one"))]),
        answer(content="I look.", toolCalls=[ran("success", result=response(output="one"))], tokens={"input": 1}),
        {**answer(content="", toolCalls=[ran("error", result=response(error="no"))]), "id": "m3"},
        {**answer(content="", toolCalls=[ran("cancelled")]), "id": "m4"},
        {"id": "m5", "timestamp": "2026-03-02T10:00:15.000Z", "type": "info", "content": "Compressed."},
        {"id": "m6", "timestamp": "2026-03-02T10:00:15.000Z", "type": "gemini", "content": "Got it."},
    ]
    path = tmp_path / "chats" / "session-1.jsonl"
    for end in range(1, len(lines) + 1):
        take(book, "gemini-cli", write(path, lines[:end]))
    assert told(book, "g") == (
        [("user", "Mend it"), ("assistant", "I look.")],
        [
            ("read", "success", {"path": "a"}, "one", "", None),
            ("read", "error", {"path": "a"}, None, "no", None),
            ("read", "cancelled", {"path": "a"}, None, "", None),
        ],
    )
    assert book.get("g").step_errors == 1


# OpenCode


def part(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def ran(called: str, status: str, **more: Any) -> dict[str, Any]:
    state = {"status": status, "input": {"path": "a"}, "time": {"start": T0 + 2000, "end": T0 + 4500}, **more}
    return part("tool", callID=called, tool="read", state=state)


PARTS = {
    "msg_1": [part("text", text="Mend it"), part("text", text="Called the tool", synthetic=True)],
    "msg_2": [
        part("reasoning", text="hm"),
        part("text", text="I look."),
        ran("c1", "completed", output="one"),
        ran("c2", "error", error="no"),
        ran("c3", "running"),
    ],
}
OPENCODE_TOLD: Told = (
    [("user", "Mend it"), ("assistant", "I look.")],
    [("read", "success", {"path": "a"}, "one", "", 2.5), ("read", "error", {"path": "a"}, None, "no", 2.5)],
)


def add_parts(writer: Writer, name: str) -> None:
    for number, data in enumerate(PARTS[name]):
        writer.raw.execute(
            "insert into part (id, message_id, session_id, time_created, time_updated, data) values (?, ?, ?, ?, ?, ?)",
            (f"prt_{name}_{number}", name, "ses_a", T0, T0, json.dumps(data)),
        )


def test_opencode(book: rollbook.Rollbook, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "opencode.db")
    writer.session("ses_a")
    writer.message("msg_1", "ses_a", prompt(1), 1)
    early = (T0 + 2_000) * 1000
    run_import(book, source("opencode"), [tmp_path], now=early, content=True)
    assert told(book, "ses_a") == ([], [])
    add_parts(writer, "msg_1")  # which are written after the message
    add_parts(writer, "msg_2")
    writer.message("msg_2", "ses_a", {**answer(2), "time": {"created": T0 + 2000}, "finish": None}, 2)
    run_import(book, source("opencode"), [tmp_path], now=early + 3_000_000, content=True)
    assert told(book, "ses_a") == (OPENCODE_TOLD[0][:1], OPENCODE_TOLD[1])
    writer.message("msg_2", "ses_a", answer(2), 5)
    take(book, "opencode", tmp_path)
    assert told(book, "ses_a") == OPENCODE_TOLD
    assert book.get("ses_a").step_errors == 1
    before = everything(book)
    assert take(book, "opencode", tmp_path).entries == 0
    with rollbook.open("sqlite:///:memory:", redact=False) as other:
        take(other, "opencode", tmp_path)
        assert everything(other) == before
    writer.raw.close()


def test_the_older_files_of_opencode(book: rollbook.Rollbook, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    put(storage / "message" / "ses_a" / "msg_1.json", {**prompt(1), "id": "msg_1"})
    early = (T0 + 2_000) * 1000
    run_import(book, source("opencode"), [tmp_path], now=early, content=True)
    assert book.list().total == 0  # whose it is, is not known yet
    put(storage / "session" / "p" / "ses_a.json", stored("ses_a"))
    run_import(book, source("opencode"), [tmp_path], now=early, content=True)
    assert told(book, "ses_a") == ([], [])
    for name, parts in PARTS.items():
        for number, data in enumerate(parts):
            put(storage / "part" / name / f"prt_{number}.json", data)
    put(storage / "message" / "ses_a" / "msg_2.json", {**answer(2), "id": "msg_2"})
    take(book, "opencode", tmp_path)
    assert told(book, "ses_a") == OPENCODE_TOLD
    assert take(book, "opencode", tmp_path).bytes == 0


def test_version_2_of_opencode(book: rollbook.Rollbook, tmp_path: Path) -> None:
    shutil.copy(TRAPS / "version-2" / "opencode.db.sql", tmp_path)
    script = (tmp_path / "opencode.db.sql").read_text()
    content = [
        {"type": "text", "text": "I look."},
        {"type": "tool", "id": "c1", "name": "read", "time": {"created": T0, "ran": T0 + 1000, "completed": T0 + 2000},
         "state": {"status": "completed", "input": {"path": "a"}, "content": [{"type": "text", "text": "one"}]}},
        {"type": "tool", "id": "c2", "name": "read", "time": {"created": T0, "completed": T0 + 2000},
         "state": {"status": "error", "input": {}, "error": {"type": "x", "message": "no"}}},
    ]  # fmt: skip
    connection = apsw.Connection(str(tmp_path / "opencode.db"))
    connection.execute(script.replace('"content":[]', f'"content":{json.dumps(content)}'))
    connection.close()
    take(book, "opencode", tmp_path)
    said, ran = told(book, "ses_cccc0003")
    assert said == [("user", "Mend the till."), ("assistant", "I look.")]
    assert ran == [
        ("read", "success", {"path": "a"}, "one", "", 1.0),
        ("read", "error", {}, None, "no", 2.0),
    ]
