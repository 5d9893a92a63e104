"""What each of Claude Code's events means for a book."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.errors import Conflict, InvalidInput, RollbookError
from rollbook.hooks import claude_code
from rollbook.importers import source
from rollbook.importers.runs import run_import
from rollbook.ledger.ops import Op
from rollbook.model import MICROS, from_micros
from rollbook.rules.liveness import Known
from rollbook.settings import LOCAL_USER

T0 = 1_790_000_000 * MICROS
KNOWN = Known("box", "boot", "pid:[1]", 77, "123", 0)


def said(name: str, at: int = 0, session_id: str = "s", *, process: Known | None = None, **more: Any) -> list[Op]:
    event = {"hook_event_name": name, "session_id": session_id, "cwd": "/home/ada/shop", **more}
    return claude_code.ops(event, at=T0 + at * MICROS, user_id=LOCAL_USER, process=process)


def take(book: Rollbook, *found: list[Op]) -> None:
    for ops in found:
        answers: list[Any] = book.ingest(ops)  # type: ignore[arg-type]  # those that a door may hand over
        assert not [answer for answer in answers if isinstance(answer, RollbookError)]


def test_a_session(book: Rollbook) -> None:
    take(book, said("SessionStart", 0, source="startup"))
    found = book.get("s")
    assert (found.status, found.agent, found.project, found.attempt) == ("running", "claude-code", "/home/ada/shop", 1)
    assert found.started_at == from_micros(T0)
    take(book, said("UserPromptSubmit", 5), said("PostToolUse", 7), said("Stop", 9))
    assert book.get("s").last_activity_at == from_micros(T0 + 9 * MICROS)
    assert book.get("s").status == "running"
    take(book, said("SessionEnd", 10, reason="prompt_input_exit"))
    found = book.get("s")
    assert (found.status, found.end_reason, found.decided_by) == ("completed", "prompt_input_exit", "hook")
    assert found.ended_at == from_micros(T0 + 10 * MICROS)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("clear", "completed"), ("resume", "completed"), ("logout", "completed"), ("prompt_input_exit", "completed"),
        ("other", "completed"), ("bypass_permissions_disabled", "cancelled"), (None, "completed"), (7, "completed"),
    ],
)  # fmt: skip
def test_ends(book: Rollbook, reason: Any, status: str) -> None:
    take(book, said("SessionEnd", 1, reason=reason))
    assert book.get("s").status == status


@pytest.mark.parametrize("how", ["startup", "resume", "clear", "fork", None])
def test_r2_a_start_reopens(book: Rollbook, how: str | None) -> None:
    take(book, said("SessionStart", 0, source="startup"), said("SessionEnd", 5, reason="other"))
    take(book, said("SessionStart", 9, source=how))
    found = book.get("s")
    assert (found.status, found.attempt) == ("running", 2)


def test_a_compaction_does_not_reopen(book: Rollbook) -> None:
    take(
        book,
        said("SessionStart", 0, source="startup"),
        said("PreCompact", 3),
        said("SessionStart", 4, source="compact"),
    )
    assert (book.get("s").status, book.get("s").attempt) == ("running", 1)
    take(book, said("SessionEnd", 5, reason="other"), said("SessionStart", 6, source="compact"))
    assert book.get("s").status == "completed"


def test_a_sub_agents_end_is_not_its_parents(book: Rollbook) -> None:
    take(book, said("SessionStart", 0, source="startup"), said("SubagentStart", 1, agent_id="a1", agent_type="Explore"))
    assert (book.get("s/agent-a1").status, book.get("s/agent-a1").parent_id) == ("running", "s")
    take(book, said("PostToolUse", 2, agent_id="a1"), said("SubagentStop", 3, agent_id="a1"))
    child = book.get("s/agent-a1")
    assert (child.status, child.kind, child.decided_by) == ("completed", "autonomous", "hook")
    assert (book.get("s").status, book.get("s").last_activity_at) == ("running", from_micros(T0 + 3 * MICROS))
    take(book, said("SubagentStart", 4, agent_id="a1"))
    assert (book.get("s/agent-a1").status, book.get("s/agent-a1").attempt) == ("running", 2)


def test_a_sub_agent_that_is_not_named_ends_nothing(book: Rollbook) -> None:
    take(book, said("SubagentStop", 3), said("SubagentStart", 4))
    assert [session.session_id for session in book.iterate()] == ["s"]
    assert book.get("s").status == "running"


def test_sub_agents_are_called_as_the_importer_calls_them(book: Rollbook, tmp_path: Path) -> None:
    line = {
        "type": "assistant", "sessionId": "s", "isSidechain": True, "agentId": "a1", "uuid": "u",
        "timestamp": "2026-09-21T10:00:00Z",
        "message": {"id": "msg_1", "role": "assistant", "model": "claude-opus-4-8", "content": [],
                    "usage": {"input_tokens": 1, "output_tokens": 1}},
    }  # fmt: skip
    path = tmp_path / "projects" / "p" / "s" / "subagents" / "agent-a1.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(line) + "\n")
    run_import(book, source("claude-code"), [str(path)])
    before = [session.session_id for session in book.iterate()]
    take(book, said("SubagentStop", 3, agent_id="a1"))
    assert {session.session_id for session in book.iterate()} == {*before, "s"}
    assert "s/agent-a1" in before


def test_a_failure_is_a_failed_step(book: Rollbook) -> None:
    take(book, said("StopFailure", 1, error="rate_limit"), said("StopFailure", 2, error="overloaded", agent_id="a1"))
    found = book.get("s")
    assert (found.status, found.step_errors) == ("running", 1)
    (step,) = book.trace("s")
    assert (step.error, step.status, step.origin_function) == ("rate_limit", "error", "api_request")
    assert book.get("s/agent-a1").step_errors == 1
    take(book, said("StopFailure", 1, error="rate_limit"))
    assert book.get("s").step_errors == 1
    take(book, said("StopFailure", 3))
    assert book.trace("s")[-1].error == "unknown"


@pytest.mark.parametrize("name", ["Notification", "PreToolUse", "PostCompact", "FromTheFuture", "Setup", "Stop"])
def test_all_else_is_a_sign_of_life(book: Rollbook, name: str) -> None:
    take(book, said(name, 4))
    found = book.get("s")
    assert (found.status, found.last_activity_at) == ("running", from_micros(T0 + 4 * MICROS))


def test_r3_the_order_of_arrival_does_not_matter(place: str, tmp_path: Path) -> None:
    events = [
        said("SessionStart", 0, source="startup"),
        said("SessionEnd", 5, reason="clear"),
        said("SessionStart", 9, source="resume"),
        said("SubagentStop", 10, agent_id="a"),
    ]
    seen = set()
    for number, order in enumerate(itertools.permutations(events)):
        with rollbook.open(tmp_path / f"{number}.db") as book:
            take(book, *order)
            seen.add(repr([rollbook.to_dict(session) for session in book.iterate()]))
    assert len(seen) == 1


def test_delivered_twice_is_delivered_once(book: Rollbook) -> None:
    events = [
        said("SessionStart", 0, source="startup", process=KNOWN),
        said("StopFailure", 1, error="x"),
        said("SubagentStop", 2, agent_id="a"),
        said("SessionEnd", 5, reason="clear", process=KNOWN),
    ]
    take(book, *events)
    once = [rollbook.to_dict(session) for session in book.iterate()]
    take(book, *events)
    assert [rollbook.to_dict(session) for session in book.iterate()] == once
    assert book.verify().ok


def test_another_end_stands(book: Rollbook) -> None:
    book.end("s", "failed", at=from_micros(T0))
    (_, answer) = book.ingest(said("SessionEnd", 1, reason="other"))  # type: ignore[arg-type]
    assert isinstance(answer, Conflict)
    assert book.get("s").status == "failed"


def test_the_process_runs_the_session_until_its_end(book: Rollbook) -> None:
    take(book, said("SessionStart", 0, source="startup", process=KNOWN))
    found = book.instance("s")
    assert found is not None
    assert (found.pid, found.host, found.state) == (77, "box", "unknown")
    take(book, said("SessionEnd", 3, reason="clear", process=KNOWN))
    assert book.instance("s") is None
    take(book, said("SessionStart", 4, "t", source="clear", process=KNOWN))
    again = book.instance("t")
    assert again is not None
    assert again.instance_id == found.instance_id


def test_nobody_speaks_for_another_users_process() -> None:
    event = {"hook_event_name": "SessionStart", "session_id": "s"}
    names = set()
    for user in (LOCAL_USER, "6f1d6ad0-5a4f-5d0e-9c8e-2b1f0a7c3d11"):
        ops: list[Any] = claude_code.ops(event, at=T0, user_id=user, process=KNOWN._replace(lease_us=99))
        names.add(ops[0].instance)
        assert ops[1].known.lease_us == 0  # it does not beat, so its silence says nothing
    assert len(names) == 2


@pytest.mark.parametrize(
    "event",
    [[], None, "s", {}, {"session_id": "s"}, {"hook_event_name": "Stop"}, {"session_id": 1, "hook_event_name": "Stop"}],
    ids=repr,
)
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(InvalidInput):
        claude_code.ops(event, at=T0, user_id=LOCAL_USER)


@pytest.mark.parametrize("folder", ["", "x" * 600, "a\x1b[31m", 7, None], ids=repr)
def test_a_folder_that_is_no_project(book: Rollbook, folder: Any) -> None:
    take(book, said("Stop", 1, cwd=folder))
    assert book.get("s").project is None


def test_hostile_ids_are_refused_alone(book: Rollbook) -> None:
    answers = book.ingest([*said("Stop", 1, "a\0b"), *said("Stop", 1, "fine"), *said("Stop", 1, "x" * 600)])  # type: ignore[list-item]
    assert [isinstance(answer, InvalidInput) for answer in answers] == [True, False, True]
    assert [session.session_id for session in book.iterate()] == ["fine"]
