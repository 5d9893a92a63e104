"""`content` in an export: every entry of every session that is asked for, in order, in short steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import rollbook
from rollbook.journal import pages
from rollbook.plans import exporting

from .tools import AT, USERS, exported, opened, read


def tell(book: rollbook.Rollbook, name: str, count: int, **more: Any) -> None:
    """A session with so many messages, a step, and an entry of a framework's."""
    for number in range(count):
        book.add_message(name, role="user", content=f"{name} {number}", message_id=f"m{number}", at=AT, **more)
    book.add_trace_step(name, origin_function="f", method_params={"a": 1}, trace_id="t", at=AT, **more)
    book.append(name, "own", entries=[b'{\n "n": 1.0e2}'], ids=["e"], at=AT, **more)


def rows(book: rollbook.Rollbook, limit: int = 1000, **asked: Any) -> list[tuple[Any, ...]]:
    """Session, stream, head, id and position of every row, step after step."""
    found: list[tuple[Any, ...]] = []
    after = None
    while True:
        step = book.extract(what="content", limit=limit, after=after, **asked)
        found += [(row[0], *row[2:6]) for row in step.rows]
        if (after := step.after) is None:
            return found


def test_a_row_has_an_entry_as_it_is_stored() -> None:
    with opened() as book:
        tell(book, "s", 1)
        found = read(exported(book, "content", "jsonl"), "jsonl")
        assert [(row["stream"], row["entry_id"]) for row in found] == [("messages", "m0"), ("own", "e"), ("trace", "t")]
        assert found[0] == {
            "session_id": "s", "user_id": book.user_id, "stream": "messages", "head": "main", "entry_id": "m0",
            "position": 1, "created_at": "2026-05-01T12:00:00.000001+00:00",
            "body": {"role": "user", "content": "s 0"},
        }  # fmt: skip
        assert b'"body":{"n":1.0e2}' in exported(book, "content", "jsonl").replace(b" ", b"")


def test_every_format_has_the_same_bodies() -> None:
    with opened() as book:
        tell(book, "s", 3)
        book.append("s", "own", entries=[-1, "=1+1"], at=AT)
        lines = read(exported(book, "content", "jsonl"), "jsonl")
        cells = [row["body"] for row in read(exported(book, "content", "csv"), "csv")]
        assert [json.loads(cell.removeprefix("'")) for cell in cells] == [row["body"] for row in lines]
        assert sum(cell.startswith("'") for cell in cells) == 1  # the number that a spreadsheet would take for a sum
        table = read(exported(book, "content", "parquet"), "parquet")
        assert [json.loads(row["body"]) for row in table] == [row["body"] for row in lines]


@pytest.mark.parametrize("limit", [1, 7, 64, 1000])
@pytest.mark.parametrize("where", ["book", "files"])
def test_steps_of_any_size_come_to_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: int, where: str
) -> None:
    monkeypatch.setattr(pages, "PAGE", 5)
    journal = f"file://{tmp_path}/journal" if where == "files" else None
    with rollbook.open(tmp_path / "book.db", journal=journal) as book:
        counts = {"a": 23, "b": 0, "c": 5, "d": 6, "e": 1}
        for name, count in counts.items():
            tell(book, name, count)
        book.touch("nothing")
        book.remove_entry("a", "messages", "m7")
        found = rows(book, limit)
        own = [(stream, "main", name, 1) for stream, name in (("own", "e"), ("trace", "t"))]
        wanted = [
            (session, *row)
            for session, count in counts.items()
            for row in (*(("messages", "main", f"m{n}", n + 1) for n in range(count) if (session, n) != ("a", 7)), *own)
        ]
        assert sorted(found) == sorted(wanted)
        for session in counts:
            assert [row for row in found if row[0] == session] == [row for row in wanted if row[0] == session]
        assert len(list(dict.fromkeys(row[0] for row in found))) == len(counts)
        assert found == rows(book, 13)


def test_branches_and_forks_have_what_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    with opened() as book:
        book.append("s", "x", entries=[0, 1, 2, 3, 4], ids=list("abcde"))
        book.append("s", "x", entries=[5, 6], ids=list("fg"), head="other", after="b")
        book.fork("s", "f", at="c", stream="x")
        book.append("f", "x", entries=[7], ids=["h"])
        lines: dict[tuple[str, str], str] = {}
        for session, _, head, name, _ in rows(book, 3):
            lines[session, head] = lines.get((session, head), "") + name
        assert lines == {("s", "main"): "abcde", ("s", "other"): "abfg", ("f", "main"): "abch"}


def test_what_is_appended_meanwhile_is_left_out_and_what_is_removed_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 2)
    with opened() as book:
        book.append("s", "x", entries=list(range(9)), ids=list("abcdefghi"))
        first = book.extract(what="content", limit=1)
        found = [row[4] for row in first.rows]
        book.append("s", "x", entries=[9], ids=["z"])
        for gone in "eh":
            book.remove_entry("s", "x", gone)
        after = first.after
        while after is not None:
            step = book.extract(what="content", limit=1, after=after)
            found += [row[4] for row in step.rows]
            after = step.after
        assert "".join(found) == "abcdfgi"


def test_sessions_are_narrowed_and_seen_as_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_SESSIONS", 2)
    with opened(all_users=True) as book:
        for user in USERS:
            for name in ("one", "two", "three", "gone"):
                book.touch(name, user_id=user, agent=f"agent {name}", at=AT)
                tell(book, name, 1, user_id=user)
            book.delete("gone", user_id=user)
        assert len(rows(book)) == 2 * 3 * 3
        assert {row[0] for row in rows(book, agent="agent two")} == {"two"}
        assert len(rows(book, agent="agent two", user_id="ann")) == 3
        assert rows(book, user_id="nobody") == []


def test_large_entries_come_in_steps_of_a_few_megabytes() -> None:
    with opened() as book:
        for number in range(150):
            book.add_message("s", role="user", content="x" * 100_000, message_id=f"{number:03d}")
        after, names = None, []
        sizes: list[int] = []
        while True:
            step = book.extract(what="content", after=after)
            sizes.append(sum(len(bytes(row[7])) for row in step.rows))
            names += [row[4] for row in step.rows]
            if (after := step.after) is None:
                break
        assert names == [f"{number:03d}" for number in range(150)]
        assert max(sizes) < 11_000_000
