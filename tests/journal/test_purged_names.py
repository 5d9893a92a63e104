"""R12: names of streams, which may tell of a project, go with the last session that has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import rollbook


def held(folder: Path, word: bytes) -> bool:
    return any(word in path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize(
    "purge",
    [
        lambda book: book.purge("s"),
        lambda book: book.delete_session("s") and book.purge("s"),
        lambda book: book.purge_user(),
        lambda book: book.wipe_journal(),
    ],
    ids=["session", "deleted session", "user", "everything"],
)
def test_R12_names_of_streams_are_purged(tmp_path: Path, purge: Callable[[rollbook.Rollbook], object]) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    with rollbook.open(folder / "book.db", all_users=True) as book:
        book.append("s", "chat/home/zebra/project", entries=[1])
        book.append("s", "shared", entries=[1])
        book.append("kept", "shared", entries=[1, 2], user_id="another")
    assert held(folder, b"zebra")
    with rollbook.open(folder / "book.db", all_users=True) as book:
        purge(book)
        assert not held(folder, b"zebra")
        kept = [entry.body for entry in book.entries("kept", "shared", user_id="another")]
        assert kept in ([1, 2], [])  # everything may be gone, but nothing of another stands there
        assert [head.stream for head in book.heads("kept", user_id="another")] == (["shared"] if kept else [])
        # Numbers are not mixed up by whoever goes on.
        book.append("new", "first", entries=["a"])
        book.append("new", "chat/home/zebra/project", entries=["b"])
        book.append("kept", "shared", entries=[3], user_id="another")
        assert [entry.body for entry in book.entries("new", "first")] == ["a"]
        assert [entry.body for entry in book.entries("new", "chat/home/zebra/project")] == ["b"]
        assert [entry.body for entry in book.entries("kept", "shared", user_id="another")] == [*kept, 3]
        assert book.verify().ok


def test_R12_another_process_knows_that_a_stream_was_purged(tmp_path: Path) -> None:
    with rollbook.open(tmp_path / "book.db") as one, rollbook.open(tmp_path / "book.db") as other:
        other.append("s", "alone", entries=[1])
        one.purge("s")
        one.append("new", "another", entries=["a"])
        other.append("more", "alone", entries=[2])
        for book in (one, other):
            assert [entry.body for entry in book.entries("new", "another")] == ["a"]
            assert [entry.body for entry in book.entries("more", "alone")] == [2]
            assert [head.stream for head in book.heads("more")] == ["alone"]
