"""R13: a damaged log costs its own session only: it can be deleted, and it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rollbook
from rollbook.errors import RollbookError, StoreError
from rollbook.journal.files.journals import FileJournals
from rollbook.journal.files.log import Log
from rollbook.journal.files.place import Cache, Place
from rollbook.journal.steps import Append, Fork, MoveHead, New

from .files_tools import USER, append, drop, log_of, made, names, opened, seen, step

GARBAGE = b"garbage\n"


def damage(folder: Path, session: str, data: bytes = GARBAGE) -> bytes:
    """Put a line into the middle of a log."""
    path = log_of(folder, session)
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + data + rest)
    return path.read_bytes()


def faults(journals: FileJournals) -> str:
    """What is said of the logs; nothing where they are well."""
    [(well, detail)] = [(well, detail) for name, well, detail in journals.health() if name == "logs"]
    return "" if well else detail


@pytest.mark.parametrize("data", [GARBAGE, b"\xff\n", b'{"at":1,"ops":[{"op":"remove","stream":"qa","position":9}]}\n'])
def test_a_damaged_journal_can_be_dropped(tmp_path: Path, data: bytes) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), append("t", "one"))
    damage(tmp_path, "s", data)
    answers = journals.apply([append("s", "lost"), drop("s"), drop("s"), append("t", "two")])
    assert isinstance(answers[0], StoreError)
    assert answers[1:3] == [True, False]
    assert not isinstance(answers[3], RollbookError)
    assert not log_of(tmp_path, "s").exists()
    assert names(opened(tmp_path), "t") == ["one", "two"]
    made(journals, append("s", "again"))
    assert names(opened(tmp_path), "s") == ["again"]


def test_a_damaged_journal_that_is_dropped_may_begin_anew_in_the_same_batch(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"))
    damage(tmp_path, "s")
    wrong = step("s", Append("qa", (New("two", b"{", 1),)))
    answers = journals.apply([drop("s"), append("s", "new"), wrong, append("s", "next")])
    assert [isinstance(answer, RollbookError) for answer in answers] == [False, False, True, False]
    assert names(journals, "s") == names(opened(tmp_path), "s") == ["new", "next"]
    assert b"garbage" not in log_of(tmp_path, "s").read_bytes()
    assert not faults(journals)


def test_a_damaged_journal_that_a_fork_shares_stays(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), step("f", Fork("s")))
    before = damage(tmp_path, "s")
    for session in ("s", "f"):
        [answer] = opened(tmp_path).apply([drop(session)])
        assert isinstance(answer, StoreError)
        assert "s-s.jsonl, line 2" in str(answer)
    assert log_of(tmp_path, "s").read_bytes() == before


def test_a_log_of_a_newer_version_is_not_dropped(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"))
    path = log_of(tmp_path, "s")
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    before = path.read_bytes()
    [answer] = journals.apply([drop("s")])
    assert isinstance(answer, StoreError)
    assert "upgrade" in str(answer)
    assert path.read_bytes() == before


@pytest.mark.parametrize("parent", [2, 3, 9999, -1])
def test_a_line_that_leads_to_itself_is_damage(tmp_path: Path, parent: int) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), append("s", "two"))
    path = log_of(tmp_path, "s")
    *lines, last = path.read_bytes().splitlines()
    record = json.loads(last)
    record["ops"][0]["parent"] = parent
    path.write_bytes(b"\n".join([*lines, json.dumps(record).encode(), b""]))
    with pytest.raises(StoreError, match=r"s-s\.jsonl, line 3, is damaged"):
        seen(opened(tmp_path), "s")
    change = {"op": "change", "stream": "qa", "position": 2, "by": "s", "parent": parent}
    path.write_bytes(b"\n".join([*lines, last, json.dumps({"at": 1, "ops": [change]}).encode(), b""]))
    with pytest.raises(StoreError, match=r"s-s\.jsonl, line 4, is damaged"):
        seen(opened(tmp_path), "s")


# What is said of the folder


def test_a_line_that_is_missing_is_named(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, *(append("s", f"e{number}") for number in range(10)))
    made(journals, step("s", Append("qa", (New("b", b"1", 1),), head="branch", after="e3")))
    assert not faults(journals)
    path = log_of(tmp_path, "s")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6] + lines[7:]))
    assert "s-s.jsonl: the head main of qa has 10 entries, of which 9 are there" in faults(journals)
    path.write_bytes(b"".join(lines[:-1]))
    assert not faults(journals), "a whole step less at the end cannot be told from one that was never made"
    moved = b"".join(lines).replace(b'"tip":11', b'"tip":12')
    path.write_bytes(moved)
    assert "has 5 entries, of which 0 are there" in faults(journals)


def test_a_link_or_a_folder_in_place_of_a_log_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    journals = opened(folder)
    made(journals, append("s", "one"), append("t", "one"))
    log_of(folder, "s").rename(tmp_path / "away")
    log_of(folder, "s").symlink_to(tmp_path / "away")
    assert "s-s.jsonl is no file" in faults(journals)
    log_of(folder, "s").unlink()
    log_of(folder, "s").mkdir()
    assert "s-s.jsonl is no file" in faults(journals)
    log_of(folder, "s").rmdir()
    assert not faults(journals)
    (folder / USER).rename(tmp_path / "user")
    (folder / USER).symlink_to(tmp_path / "user")
    assert f"{USER} is no file" in faults(journals)


def test_a_log_under_another_name_is_named(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), step("f", Fork("s")))
    log_of(tmp_path, "t").write_bytes(log_of(tmp_path, "s").read_bytes())
    assert "s-t.jsonl is of 's'" in faults(journals)
    log_of(tmp_path, "t").unlink()
    assert not faults(journals)
    pointer = tmp_path / USER / "f-f.jsonl"
    pointer.rename(tmp_path / USER / "f-g.jsonl")
    assert "f-g.jsonl is of 'f'" in faults(journals)


def test_what_is_well_has_no_faults(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one", "two", "three"), step("f", Fork("s", "qa", at="two")))
    made(journals, append("f", "four"), step("s", MoveHead("qa", "main", "one")), append("s", "five"), drop("s"))
    assert not faults(journals)


# Memory


def test_a_log_that_is_larger_than_the_memory_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journals = opened(tmp_path)
    journals._place = Place(tmp_path, 1.0, durable=False, cache_bytes=100_000)
    made(journals, append("small", "one"))
    made(journals, append("large", *(f"e{number}" for number in range(2000))))
    cache: Cache = journals._place.cache
    assert [log.session_id for log in cache._logs.values()] == ["large"], "others go first"
    assert cache._total == sum(cache._sizes.values()) > 100_000
    reads: list[str] = []
    read_whole = Place.read_whole

    def counted(place: Place, log: Log) -> None:
        reads.append(log.path)
        read_whole(place, log)

    monkeypatch.setattr(Place, "read_whole", counted)
    for number in range(3):
        made(journals, append("large", f"more{number}"))
        assert len(names(journals, "large")) == 2001 + number
    assert reads == []
    assert names(journals, "small") == ["one"]
    assert [log.session_id for log in cache._logs.values()] == ["small"]


# On the book


def test_a_damaged_session_is_deleted_and_searching_finds_the_others(tmp_path: Path) -> None:
    with rollbook.open(f"sqlite:///{tmp_path}/book.db", journal=f"file://{tmp_path}/j") as book:
        book.add_qa("good", question="find me", answer="a")
        book.add_qa("bad", question="find me", answer="a")
        [log] = (tmp_path / "j").rglob("s-bad.jsonl")
        log.write_bytes(log.read_bytes() + GARBAGE)
        assert [found.session_id for found in book.search("find")] == ["good"]
        with pytest.raises(StoreError, match=r"s-bad\.jsonl, line 3"):
            book.search("find", session_id="bad")
        assert any("s-bad.jsonl, line 3" in finding.detail for finding in book.doctor())
        assert book.delete_session("bad")
        assert not log.exists()
        assert all(finding.ok for finding in book.doctor())


def test_a_place_where_no_folder_can_be_made_is_said_to_be_one() -> None:
    with pytest.raises(StoreError, match="name another"):
        opened(Path("/proc/rollbook-journal"))
