"""Contents of the transcripts of Codex, Gemini CLI and OpenCode."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

import rollbook
from importers.contents_tools import Told, book, everything, take, told, write
from importers.opencode_tools import T0, TRAPS, Writer, answer, prompt, put, stored
from rollbook.importers import source
from rollbook.importers.runs import run_import

__all__ = ["book"]


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
