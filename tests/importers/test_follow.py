"""Following files: only what is new is read, and what is another file under an old name is read from its start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollbook.importers import follow
from rollbook.importers.follow import Found, Reading
from rollbook.ledger.ops import SourceFile


def found_at(path: Path) -> Found:
    found = follow.look(str(path))
    assert found is not None
    return found


def read(path: Path, known: SourceFile | None = None, state: bytes = b"s") -> tuple[bytes, bytes, SourceFile]:
    with Reading(found_at(path), known, "test") as reading:
        text = b"".join(reading.blocks())
        return text, reading.tail, reading.mark(state)


def names(folder: Path) -> tuple[set[str], list[str]]:
    trouble: list[str] = []
    walked = follow.walk(str(folder), lambda name: name.endswith(".jsonl"), trouble.append)
    return {os.path.relpath(found.path, folder) for found in walked}, trouble


def test_only_new_whole_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\nthr")
    text, tail, mark = read(path)
    assert (text, tail, mark.offset) == (b"one\ntwo\n", b"thr", 8)
    with path.open("ab") as file:
        file.write(b"ee\nfour\n")
    text, tail, mark = read(path, mark)
    assert (text, tail, mark.offset) == (b"three\nfour\n", b"", 19)
    assert read(path, mark)[0] == b""


def test_the_state_comes_back_with_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    mark = read(path, state=b"kept")[2]
    with Reading(found_at(path), mark, "test") as reading:
        assert (reading.state, reading.start) == (b"kept", 4)


def test_an_accepted_tail_counts_as_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo")
    with Reading(found_at(path), None, "test") as reading:
        assert list(reading.blocks()) == [b"one\n"]
        reading.accept_tail()
        mark = reading.mark(b"")
    assert mark.offset == 7
    path.write_bytes(b"one\ntwo\nthree\n")
    assert read(path, mark)[0] == b"\nthree\n"


def test_the_listing_shows_that_nothing_is_new(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    mark = read(path)[2]
    assert follow.unchanged(found_at(path), mark)
    assert not follow.unchanged(found_at(path), None)
    os.utime(path, ns=(1, mark.mtime_ns + 1))
    assert not follow.unchanged(found_at(path), mark)


@pytest.mark.parametrize(
    "after",
    [b"ONE\ntwo\nthree\n", b"one\n", b"one\nTWO\n", b"", b"one\nTWO\nthree\n"],
    ids=["changed head", "cut", "changed end", "emptied", "changed before the offset"],
)
def test_a_rewritten_file_is_read_from_its_start(tmp_path: Path, after: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\n")
    mark = read(path)[2]
    path.write_bytes(after)
    with Reading(found_at(path), mark, "test") as reading:
        assert reading.state == b""
        assert b"".join(reading.blocks()) == after


def test_a_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    mark = read(path)[2]
    (tmp_path / "b").write_bytes(b"one\ntwo\n")
    (tmp_path / "b").replace(path)
    assert read(path, mark)[0] == b"one\ntwo\n"


def test_lines_longer_than_a_block_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    long = b"x" * (3 * follow.BLOCK_BYTES + 17)
    path.write_bytes(b"a\n" + long + b"\nb\n")
    with Reading(found_at(path), None, "test") as reading:
        blocks = list(reading.blocks())
        assert reading.offset == len(long) + 5
    assert b"".join(blocks) == b"a\n" + long + b"\nb\n"
    assert all(block.endswith(b"\n") for block in blocks)


@pytest.mark.parametrize("ended", [True, False])
def test_a_line_over_the_cap_is_passed_over_and_counted(tmp_path: Path, ended: bool) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(b"a\n")
        for _ in range(follow.LINE_CAP_BYTES // follow.BLOCK_BYTES + 2):
            file.write(b"x" * follow.BLOCK_BYTES)
        file.write(b"\nb\n" if ended else b"")
    with Reading(found_at(path), None, "test") as reading:
        text = b"".join(reading.blocks())
        assert reading.oversized == 1
        assert reading.tail == b""
        assert reading.offset == (path.stat().st_size if ended else 2)
    assert text == (b"a\nb\n" if ended else b"a\n")


def test_folders_are_walked_once_whatever_links_say(tmp_path: Path) -> None:
    (tmp_path / "p" / "deep").mkdir(parents=True)
    (tmp_path / "p" / "a.jsonl").write_bytes(b"")
    (tmp_path / "p" / "deep" / "b.jsonl").write_bytes(b"")
    (tmp_path / "p" / "notes.txt").write_bytes(b"")
    (tmp_path / "p" / "deep" / "loop").symlink_to(tmp_path / "p")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "folder.jsonl" / "c.jsonl").write_bytes(b"")
    assert names(tmp_path) == ({"p/a.jsonl", "p/deep/b.jsonl", "folder.jsonl/c.jsonl"}, [])


def test_what_cannot_be_read_is_told_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself.jsonl").symlink_to(tmp_path / "itself.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    found, trouble = names(tmp_path)
    assert found == {"a.jsonl"}
    assert sorted(text.split("/")[-1].split(":")[0] for text in trouble) == ["gone.jsonl", "itself.jsonl"]
    assert names(tmp_path / "missing") == (set(), [f"{tmp_path / 'missing'}: No such file or directory"])


def test_a_name_that_is_not_text_gets_a_key_that_is(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.jsonl"
    Path(os.fsdecode(path)).write_bytes(b"one\n")
    (found,) = follow.walk(str(tmp_path), lambda name: name.endswith(".jsonl"), print)
    assert found.key.endswith("/\\xff.jsonl")
    assert found.key.encode()
    with Reading(found, None, "test") as reading:
        assert list(reading.blocks()) == [b"one\n"]


def test_a_file_that_vanished_is_an_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    found = found_at(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        Reading(found, None, "test")
