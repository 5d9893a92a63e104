"""Gemini CLI's transcripts: where they are, older files while they are rewritten, damage, and what messages say."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.importers import SAMPLES, gemini_lines, source
from rollbook.importers.base import ImportReport
from rollbook.importers.gemini import OLDER_CAP_BYTES, GeminiCli
from rollbook.importers.gemini_lines import LINES, Line
from rollbook.importers.runs import run_import
from rollbook.importers.sessions import CANCELLED, COMPLETED, OPEN

TRAPS = Path(__file__).parents[1] / "data" / "traps" / "gemini-cli"
NOW = 1_780_000_000_000_000
OLDER = sorted(path for path in TRAPS.rglob("session-*.json") if path.parents[3].name != "damaged-older")
SESSION = "aaaaaaaa-0000-4000-8000-00000000000a"
ANSWER = {
    "id": "m1",
    "timestamp": "2026-03-02T10:00:09.000Z",
    "type": "gemini",
    "content": "Hi.",
    "model": "gemini-2.5-pro",
}


@pytest.fixture
def book() -> Iterator[rollbook.Rollbook]:
    with rollbook.open("sqlite:///:memory:") as opened:
        yield opened


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "shop" / "chats"
    folder.mkdir(parents=True)
    return folder


def take(book: rollbook.Rollbook, *paths: Path, now: int = NOW) -> ImportReport:
    report = run_import(book, source("gemini-cli"), list(paths), now=now)
    assert book.verify().ok
    return report


def conversation(session: str = SESSION, **more: Any) -> dict[str, Any]:
    """An older file with one call."""
    said = {"id": "m0", "timestamp": "2026-03-02T10:00:01.000Z", "type": "user", "content": "Hi"}
    messages = [said, {**ANSWER, "tokens": {"input": 10, "output": 1}}]
    return {
        "sessionId": session,
        "projectHash": "d1",
        "startTime": "2026-03-02T10:00:00.000Z",
        "messages": messages,
        **more,
    }


def everything(book: rollbook.Rollbook) -> dict[str, Any]:
    return {session.session_id: rollbook.to_dict(session) for session in book.iterate()}


def line(**fields: Any) -> Line:
    found = LINES.one(json.dumps(fields).encode())
    assert found is not None
    return found


# where it looks


def test_the_machines_own_folder() -> None:
    agent = GeminiCli()
    assert agent.roots({"HOME": "/home/me"}) == ["/home/me/.gemini/tmp"]
    assert agent.roots({"HOME": "/home/me", "GEMINI_CLI_HOME": "/gem"}) == ["/gem/.gemini/tmp"]


def test_transcripts_and_nothing_that_merely_looks_like_one(chats: Path, tmp_path: Path) -> None:
    wanted = (
        "session-1.jsonl",
        "session-2.json",
        "session-3.jsonl.unreadable-17",
        f"{SESSION}/k1.jsonl",
        f"{SESSION}/k2.json",
    )
    others = (
        "session-4.jsonl.tmp-77",
        "notes.txt",
        "../logs.json",
        "../logs/session-1.jsonl",
        "../checkpoints/one.json",
        "../../../projects.json",
        "../../../settings.json",
        f"{SESSION}/deeper/k3.jsonl",
    )
    for name in (*wanted, *others):
        (chats / name).parent.mkdir(parents=True, exist_ok=True)
        (chats / name).write_text("{}\n")
    (chats / "session-5.jsonl").mkdir()
    os.mkfifo(chats / "session-6.jsonl")
    expected = sorted(str(chats / name) for name in wanted)
    for place in (tmp_path, tmp_path / ".gemini", tmp_path / ".gemini" / "tmp", chats.parent, chats):
        assert sorted(found.path for found in GeminiCli().files(str(place), pytest.fail)) == expected
    assert [found.path for found in GeminiCli().files(str(chats / "notes.txt"), pytest.fail)] == [
        str(chats / "notes.txt")
    ]


def test_links_that_loop_and_links_to_transcripts(book: rollbook.Rollbook, chats: Path, tmp_path: Path) -> None:
    (chats / "session-1.json").write_text(json.dumps(conversation()))
    (chats / "again").symlink_to(chats)
    (chats / "session-2.json").symlink_to(chats / "session-1.json")
    (chats / "session-3.json").symlink_to(chats / "nowhere.json")
    report = take(book, tmp_path)
    assert (report.files, report.calls, len(report.problems)) == (1, 1, 1)
    assert "session-3.json" in report.problems[0]


# older files


@pytest.mark.parametrize("path", OLDER, ids=lambda path: f"{path.parents[3].name}-{path.stem[-8:]}")
def test_r3_an_older_file_that_grows_by_being_rewritten_comes_to_the_same(path: Path, tmp_path: Path) -> None:
    with rollbook.open("sqlite:///:memory:") as book:
        take(book, path)
        once = everything(book)
    whole = json.loads(path.read_bytes())
    place = tmp_path / path.relative_to(TRAPS)
    place.parent.mkdir(parents=True)
    with rollbook.open("sqlite:///:memory:") as book:
        for count in range(len(whole["messages"]) + 1):
            early = {name: value for name, value in whole.items() if name != "summary"}
            place.write_text(json.dumps({**early, "messages": whole["messages"][:count]}))
            take(book, tmp_path)
        shutil.copy(path, place)
        take(book, tmp_path)
        assert everything(book) == once


def test_every_beginning_of_an_older_file_waits() -> None:
    for path in OLDER:
        text = path.read_bytes().rstrip()
        assert [end for end in range(len(text)) if not gemini_lines.whole(text[:end]).waits] == []
        assert gemini_lines.whole(text).line is not None


@pytest.mark.parametrize("text", [b"x", b"null", b"[]", b'{"a":oops}', b"{}}", b'{"a":1} {', b'{"a":' + b"[" * 200_000])
def test_what_is_no_beginning_does_not_wait(text: bytes) -> None:
    found = gemini_lines.whole(text)
    assert (found.line, found.waits, found.skipped) == (None, False, 1)


def test_a_half_written_older_file_is_waited_for_without_noise(
    book: rollbook.Rollbook, chats: Path, tmp_path: Path
) -> None:
    path = chats / "session-1.json"
    path.write_text("")
    assert take(book, tmp_path).row() | {"seconds": 0} == take(book, tmp_path).row() | {"seconds": 0}
    path.write_text(json.dumps(conversation()))
    assert take(book, tmp_path).new_calls == 1
    before = everything(book)
    path.write_text(json.dumps(conversation())[:-9])
    report = take(book, tmp_path)
    assert (report.calls, report.skipped_lines, report.problems) == (0, 0, [])
    assert take(book, tmp_path).bytes == 0, "it has not changed"
    assert everything(book) == before
    path.write_text(json.dumps(conversation()))
    assert take(book, tmp_path).new_calls == 0
    assert everything(book) == before


def test_an_older_file_that_was_only_touched_is_not_read_anew(
    book: rollbook.Rollbook, chats: Path, tmp_path: Path
) -> None:
    path = chats / "session-1.json"
    path.write_text(json.dumps(conversation()))
    start = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
    take(book, tmp_path, now=start + 60_000_000)
    assert book.get(SESSION).status == "running"
    os.utime(path, ns=(1, 1))
    report = take(book, tmp_path)
    assert (report.calls, report.bytes) == (0, 0)
    assert book.get(SESSION).status == "completed", "the end that it spoke of is told all the same"


def test_what_is_not_understood_in_an_older_file_is_counted_once(
    book: rollbook.Rollbook, chats: Path, tmp_path: Path
) -> None:
    path = chats / "session-1.json"
    bad = {**ANSWER, "id": "m2", "tokens": {"input": -1}}
    told = conversation()
    for count in (1, 0, 1):  # one more, nothing more, one more
        told["messages"] += [{**bad, "id": f"bad-{len(told['messages'])}"}] * count
        told["lastUpdated"] = f"2026-03-02T10:0{len(told['messages'])}:00.000Z"
        path.write_text(json.dumps(told, indent=len(told["messages"]) + 1 - count))
        assert take(book, tmp_path).skipped_lines == count


def test_an_older_file_beyond_all_bounds_is_told_and_not_read(
    book: rollbook.Rollbook, chats: Path, tmp_path: Path
) -> None:
    huge = chats / "session-1.json"
    huge.touch()
    os.truncate(huge, OLDER_CAP_BYTES + 1)
    (chats / "session-2.json").write_text(json.dumps(conversation()))
    for _ in range(2):
        report = take(book, tmp_path)
        assert report.problems == [f"{huge}: larger than 256 MB, so it is not read"]
    assert book.get(SESSION).calls == 1


# damage


def test_damage_of_any_kind_leaves_the_other_files_alone(tmp_path: Path) -> None:
    originals = [path for path in TRAPS.rglob("*.json*") if path.name != "expected.json" and "damaged" not in str(path)]
    rng = random.Random(7)
    for round_ in range(40):
        folder = tmp_path / str(round_)
        for path in rng.sample(originals, 5):
            text = bytearray(path.read_bytes())
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(text))
                text[at : at + rng.randrange(3)] = rng.choice(
                    [b"", b'"', b"{", b"9" * 30, b"\xff", b"-", b"null", b"\n", b"[]"]
                )
            place = folder / path.relative_to(TRAPS)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text)
        shutil.copytree(TRAPS / "thoughts", folder / "whole")
        with rollbook.open("sqlite:///:memory:") as book:
            assert take(book, folder).problems == []
            assert SESSION in everything(book)


def test_a_header_that_is_not_understood_is_counted_and_named_by_the_file(book: rollbook.Rollbook, chats: Path) -> None:
    deep = b'{"sessionId":' + b"[" * 200_000 + b"\n"
    (chats / "session-odd.jsonl").write_bytes(deep + json.dumps({**ANSWER, "tokens": {"input": 1}}).encode())
    assert take(book, chats).skipped_lines == 1
    assert set(everything(book)) == {"session-odd"}


def test_two_conversations_in_one_file_are_two_sessions(book: rollbook.Rollbook, chats: Path) -> None:
    lines = [json.dumps(conversation(name, summary=f"About {name}")) for name in ("one", "two", "one")]
    (chats / "session-1.jsonl").write_text("\n".join(lines))
    assert take(book, chats).new_calls == 2
    assert {session.session_id: (session.title, session.turns) for session in book.iterate()} == {
        "one": ("About one", 1),
        "two": ("About two", 1),
    }


# what messages say


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Hello", (True, "Hello")),
        (" \n Hello ", (True, "Hello")),
        ({"text": "Hello"}, (True, "Hello")),
        (["Hello", {"text": "you"}], (True, "Hello")),
        ([{"text": "<session_context>…</session_context>"}, {"text": "Hello"}], (True, "Hello")),
        ([{"text": "Here is the user's editor context as JSON"}], (False, None)),
        ([{"inlineData": {"data": "AA=="}}], (True, None)),
        ([{"text": "no", "thought": True}, {"text": "yes"}], (True, "yes")),
        ([{"functionResponse": {"id": "1"}}, {"text": "and this"}], (False, None)),
        ("/help", (False, None)),
        ("?", (False, None)),
        ("/etc/hosts is broken", (True, "/etc/hosts is broken")),
        ("", (True, None)),
        ([], (False, None)),
        (None, (False, None)),
        (7, (False, None)),
        ([7], (False, None)),
    ],
)
def test_what_is_a_prompt(content: object, said: tuple[bool, str | None]) -> None:
    found = gemini_lines.user_said(line(content=content))
    assert (found.prompt, found.text) == said


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"content": "Done."}, COMPLETED),
        ({"content": [{"text": "Done."}]}, COMPLETED),
        ({"content": ""}, OPEN),
        ({"content": [{"text": "Hm.", "thought": True}]}, OPEN),
        ({"content": [{"text": "I call"}, {"functionCall": {"name": "run"}}]}, OPEN),
        ({"content": "I call", "toolCalls": [{"name": "run", "status": "success"}]}, OPEN),
        ({"content": "I call", "toolCalls": []}, COMPLETED),
        ({"content": "", "toolCalls": [{"name": "complete_task", "status": "success"}]}, COMPLETED),
        ({"content": "", "toolCalls": [{"name": "complete_task", "status": "error"}]}, OPEN),
        ({"content": "", "toolCalls": [{"status": "cancelled"}, {"status": "cancelled"}]}, CANCELLED),
        ({"content": "", "toolCalls": [{"status": "cancelled"}, {"status": "success"}]}, OPEN),
        ({"content": "Done.", "toolCalls": "odd"}, COMPLETED),
    ],
)
def test_r2_how_an_answer_leaves_the_session(fields: dict[str, Any], left: int) -> None:
    assert gemini_lines.answer(line(**fields)) == left


def test_the_samples_are_read_wholly_and_priced(book: rollbook.Rollbook) -> None:
    report = take(book, SAMPLES / "gemini-cli", now=1_800_000_000_000_000)
    assert report.problems == []
    assert report.skipped_lines == 0
    stats = book.stats(since="all")
    assert (stats.sessions, stats.unpriced_calls) == (4, 0)
    assert stats.total_spend_nano_usd > 0
    assert all(session.session_id.startswith("sample") for session in book.iterate())
