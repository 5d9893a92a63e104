"""`show` with the conversation, `search`, `wipe-journal`, and `import --content`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.book import Rollbook
from rollbook.cli import conversation
from rollbook.importers import SAMPLES

from .tools import OnTerminal, Run

AT = "2026-05-01T12:00:{:02d}Z"
NASTY = "red \x1b[31mwords\x1b[0m\x07 \u202eback\x1b]0;title\x07\r\n\ttwo\x00\x9b31m\u200b"


@pytest.fixture
def told(book: Rollbook) -> Rollbook:
    """A session with a question, two messages and two steps, each a second after the other."""
    book.add_qa("s", question="What?", answer="That.", qa_id="q", at=AT.format(1))
    book.add_message("s", role="user", content="Mend it\n  please", message_id="m1", at=AT.format(2))
    book.add_trace_step(
        "s", origin_function="read", tool_name="Read", method_params={"path": "a"}, method_return_value="one\ntwo",
        started_at=AT.format(1), duration_s=2.0, trace_id="t1", at=AT.format(3),
    )  # fmt: skip
    book.add_trace_step("s", origin_function="ls", status="error", error_message="gone", trace_id="t2", at=AT.format(4))
    book.add_message("s", role="assistant", content="Done.", message_id="m2", at=AT.format(5))
    return book


def shown(out: str) -> list[str]:
    """What stands below the heading of the conversation."""
    return out.partition("\nConversation")[2].splitlines()[1:]


def test_show_tells_who_said_what_and_what_tools_did(run: Run, told: Rollbook) -> None:
    assert shown(run("show", "s").out) == [
        "2026-05-01 12:00:01+00:00  user",
        "    What?",
        "2026-05-01 12:00:01+00:00  assistant",
        "    That.",
        "2026-05-01 12:00:02+00:00  user",
        "    Mend it",
        "      please",
        '2026-05-01 12:00:03+00:00  Read  2s  {"path": "a"}',
        "    → one two",
        "2026-05-01 12:00:04+00:00  ls",
        "    error: gone",
        "2026-05-01 12:00:05+00:00  assistant",
        "    Done.",
    ]
    assert "Conversation" not in run("show", "s", "--no-content").out


def test_show_tells_the_newest_unless_all_is_asked_for(run: Run, told: Rollbook) -> None:
    done = run("show", "s", "--last", "2")
    assert "Conversation (the last 2 of 5)" in done.out
    assert [line for line in shown(done.out) if line.startswith("2026")] == [
        "2026-05-01 12:00:04+00:00  ls",
        "2026-05-01 12:00:05+00:00  assistant",
    ]
    for number in range(30):
        told.add_message("s", role="user", content=f"n{number}", at=AT.format(10))
    assert "(the last 20 of 35)" in run("show", "s").out
    whole = run("show", "s", "--all").out
    assert sum(f"    n{number}" in whole for number in range(30)) == 30
    assert run("show", "s", "--last", "-1").status == 2


def test_show_in_json(run: Run, told: Rollbook) -> None:
    content = run("show", "s", "--last", "3", "--json").answer["content"]
    assert content["total"] == 5
    assert [(one["stream"], one["entry_id"]) for one in content["entries"]] == [
        ("trace", "t1"), ("trace", "t2"), ("messages", "m2"),
    ]  # fmt: skip
    assert content["entries"][0]["body"]["started_at"] == "2026-05-01T12:00:01.000000+00:00"
    assert content["entries"][2] == {
        "stream": "messages",
        "entry_id": "m2",
        "created_at": "2026-05-01T12:00:05.000000+00:00",
        "body": {"role": "assistant", "content": "Done."},
    }
    assert "content" not in run("show", "s", "--json", "--no-content").answer
    told.touch("empty")
    assert run("show", "empty", "--json").answer["content"] == {"total": 0, "entries": []}
    assert "Conversation" not in run("show", "empty").out


def test_a_long_conversation_is_read_a_page_at_a_time(
    run: Run, told: Rollbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PAGE", 2)
    ids = ["q", "m1", "t1", "t2", "m2"]
    for count in range(6):
        entries = run("show", "s", "--json", "--last", str(count)).answer["content"]["entries"]
        assert [one["entry_id"] for one in entries] == ids[5 - count :]
    assert [one["entry_id"] for one in run("show", "s", "--json", "--all").answer["content"]["entries"]] == ids


def test_a_long_message_is_cut_unless_all_is_asked_for(run: Run, book: Rollbook) -> None:
    book.add_message("s", role="user", content="x" * 5_000)
    assert "1,000 characters more" in run("show", "s").out
    assert "x" * 5_000 in run("show", "s", "--all").out


def test_what_agents_wrote_can_do_nothing_to_a_terminal(on_terminal: OnTerminal, run: Run, book: Rollbook) -> None:
    book.add_message("s", role="user", content=NASTY)
    book.add_trace_step("s", origin_function="f", method_params={NASTY: NASTY}, method_return_value=NASTY)
    book.add_trace_step("s", origin_function="f", status="error", error_message=NASTY)
    for out in (run("show", "s").out, run("show", "s", "--all").out, run("search", "red").out):
        assert "words" in out
        assert all(char.isprintable() or char == "\n" for char in out)
    lines = on_terminal("show", "s", columns=50).lines
    assert any("words" in line for line in lines)
    assert all("title" not in line and line.isprintable() for line in lines)


def test_a_frameworks_own_stream_is_named(run: Run, told: Rollbook) -> None:
    told.append("s", "pages", entries=[{"a": 1}, {"b": 2}])
    assert "2 more in stream pages" in run("show", "s").out


def test_sessions_of_others_are_shown_to_who_may_see_them(run: Run, book: Rollbook) -> None:
    book.add_message("theirs", role="user", content="Hello", user_id="ann")
    assert run("show", "theirs").status == 1
    assert "Hello" in run("show", "theirs", "--all-users").out
    assert "Hello" in run("show", "theirs", "--user", "ann").out
    assert run("search", "hello").out == ""
    assert "theirs" in run("search", "hello", "--all-users").out


# search


def test_search_shows_where(run: Run, told: Rollbook, on_terminal: OnTerminal) -> None:
    told.touch("s", title="Till")
    done = run("search", "mend", "it")
    assert done.out.splitlines() == ["2026-05-01 12:00:02+00:00  s  messages  Till", "    [Mend] [it] please"]
    (hit,) = run("search", "mend", "--json").answer["found"]
    assert (hit["session_id"], hit["stream"], hit["entry_id"]) == ("s", "messages", "m1")
    assert "\x1b[1;33m[Mend]" in on_terminal("search", "mend").raw
    nothing = run("search", "unheard-of")
    assert (nothing.status, nothing.out, nothing.line) == (0, "", "nothing was found")


def test_search_within_a_session_and_limits(run: Run, told: Rollbook) -> None:
    for number in range(5):
        told.add_message("other-session", role="user", content=f"mend {number}")
    assert len(run("search", "mend", "--json").answer["found"]) == 6
    assert len(run("search", "mend", "--limit", "2", "--json").answer["found"]) == 2
    found = run("search", "mend", "--session", "other-s", "--json").answer["found"]
    assert {one["session_id"] for one in found} == {"other-session"}
    assert run("search", "mend", "--session", "nowhere").status == 1
    assert run("search", "!!!").status == 2


# wipe-journal


def test_wipe_journal_says_it_out_loud_and_asks(run: Run, told: Rollbook, on_terminal: OnTerminal) -> None:
    told.add_message("t", role="user", content="x", user_id="ann")
    assert run("wipe-journal", "--yes").status == 2
    dry = run("wipe-journal", "--all-users", "--dry-run")
    assert dry.out == "would remove what 2 sessions contain\n"
    assert run("wipe-journal", "--all-users").status == 1  # here is nobody to ask
    assert on_terminal("wipe-journal", "--all-users", typed="n\n").status == 1
    assert len(told.conversation("s")) == 4
    assert run("wipe-journal", "--all-users", "--yes", "--json").answer == {"sessions": 2, "dry_run": False}
    assert told.conversation("s") == []
    assert run("wipe-journal", "--all-users", "--yes").out == "no session contains anything\n"


# import


def test_import_with_contents(run: Run, book: Rollbook) -> None:
    plain = run("import", "claude-code", "--path", str(SAMPLES / "claude-code"))
    assert "ENTRIES" not in plain.out
    assert book.conversation("sample-webshop-1") == []
    done = run("import", "claude-code", "--content", "--path", str(SAMPLES / "claude-code"))
    heading, row = (line.split() for line in done.out.splitlines())
    assert heading[6:9] == ["ENTRIES", "NEW", "ENTRIES"]
    assert int(row[7]) >= int(row[8]) > 20  # a size is two words
    assert row[6] == "0"  # no call is new
    assert book.conversation("sample-webshop-1")[0].content.startswith("The basket total is wrong")
    again = run("import", "--content", "--path", str(SAMPLES / "claude-code"), "--json").answer["sources"][0]
    assert (again["bytes"], again["entries"]) == (0, 0)


def test_a_dry_run_with_contents_stores_none(run: Run, book: Rollbook) -> None:
    done = run("import", "codex", "--content", "--dry-run", "--json", "--path", str(SAMPLES / "codex"))
    (source,) = done.answer["sources"]
    assert (source["entries"] > 0, source["new_entries"]) == (True, 0)
    assert book.list().total == 0


def test_secrets_are_taken_out_of_what_is_imported(run: Run, book: Rollbook, tmp_path: Path) -> None:
    key = "sk-ant-api03-" + "abcDEF123456" * 8
    line: dict[str, Any] = {
        "type": "user", "sessionId": "s", "uuid": "u", "timestamp": "2026-03-02T10:00:00.000Z",
        "message": {"role": "user", "content": f"My key is {key}"},
    }  # fmt: skip
    (tmp_path / "s.jsonl").write_text(json.dumps(line) + "\n")
    assert run("import", "claude-code", "--content", "--path", str(tmp_path)).status == 0
    (said,) = book.conversation("s")
    assert said.content.startswith("My key is ")
    assert key not in said.content


def test_export_content(run: Run, told: Rollbook) -> None:
    rows = [json.loads(line) for line in run("export", "content").out.splitlines()]
    assert [(row["stream"], row["entry_id"]) for row in rows] == [
        ("messages", "m1"), ("messages", "m2"), ("qa", "q"), ("trace", "t1"), ("trace", "t2"),
    ]  # fmt: skip
    assert isinstance(rollbook.to_dict(rows[0]["body"]), dict)
    assert "takes no --by" in run("export", "content", "--by", "day").line
