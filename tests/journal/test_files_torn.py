"""R13: what a crash or a careless hand has left in a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.errors import StoreError
from rollbook.journal.steps import Append, New

from .files_tools import append, contents, log_of, made, names, opened, seen, step


def _two_steps(folder: Path) -> tuple[bytes, bytes]:
    """A log of two steps: all of it, and where it is cut without the second."""
    with_one = opened(folder)
    made(with_one, append("s", "one"))
    first = log_of(folder, "s").read_bytes()
    made(with_one, append("s", "two", "three", body=b'"\xc3\xa9"'))
    return log_of(folder, "s").read_bytes(), first


def test_a_line_torn_at_any_byte_is_not_there_and_the_next_step_repairs_it(tmp_path: Path) -> None:
    whole, first = _two_steps(tmp_path)
    path = log_of(tmp_path, "s")
    for end in range(len(first), len(whole)):
        path.write_bytes(whole[:end])
        journals = opened(tmp_path)
        assert names(journals, "s") == ["one"], end
        assert path.read_bytes() == whole[:end], "a reader changes nothing"
        made(journals, append("s", "four"))
        assert names(journals, "s") == names(opened(tmp_path), "s") == ["one", "four"], end
        assert path.read_bytes().startswith(first)


def test_a_first_line_torn_at_any_byte_is_no_journal_yet(tmp_path: Path) -> None:
    made(opened(tmp_path), append("s", "one"))
    path = log_of(tmp_path, "s")
    whole = path.read_bytes()
    for end in range(whole.index(b"\n") + 1):
        path.write_bytes(whole[:end])
        journals = opened(tmp_path)
        assert names(journals, "s") == []
        made(journals, append("s", "two"))
        assert names(opened(tmp_path), "s") == ["two"], end


def test_room_that_was_given_and_never_filled_is_a_torn_line(tmp_path: Path) -> None:
    whole, first = _two_steps(tmp_path)
    for rest in (b"\0" * 300, b"\0" * 300 + b"\n", whole[len(first) : -20] + b"\0" * 19 + b"\n"):
        log_of(tmp_path, "s").write_bytes(first + rest)
        journals = opened(tmp_path)
        made(journals, append("s", "four"))
        assert names(opened(tmp_path), "s") == ["one", "four"]


def test_another_process_that_was_torn_is_repaired_by_one_that_had_the_log_open(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"))
    with log_of(tmp_path, "s").open("ab") as file:
        file.write(b'{"at":1,"ops":[{"op":"ad')
    assert names(journals, "s") == ["one"]
    made(journals, append("s", "two"))
    assert names(opened(tmp_path), "s") == ["one", "two"]


@pytest.mark.parametrize(
    "damage",
    [
        b"garbage\n",
        b"\n",
        b"{}\n",
        b'{"at":1,"ops":[{"op":"remove","stream":"qa","position":9}]}\n',
        b'{"at":1,"ops":[{"op":"change","stream":"qa","position":9,"by":"s","body":1}]}\n',
        b'{"at":1,"ops":[{"op":"unhead","by":"s","stream":"qa","head":"x"}]}\n',
        b'{"at":1,"ops":[{"op":"add","stream":"qa","position":1,"id":"x","by":"s","at":1,"body":1}]}\n',
        b'{"at":1,"ops":[{"op":"add","stream":"qa","position":9,"id":"x","by":"s","at":1}]}\n',
        b'{"at":1,"ops":[{"op":"new"}]}\n',
        b"\xff\n",
    ],
)
@pytest.mark.parametrize("where", ["middle", "end"])
def test_damage_names_the_line_and_nothing_is_overwritten(tmp_path: Path, damage: bytes, where: str) -> None:
    whole, first = _two_steps(tmp_path)
    made(opened(tmp_path), append("other", "x"))
    damaged = first + damage + whole[len(first) :] if where == "middle" else whole + damage
    log_of(tmp_path, "s").write_bytes(damaged)
    journals, line = opened(tmp_path), (first if where == "middle" else whole).count(b"\n") + 1
    with pytest.raises(StoreError, match=rf"s-s\.jsonl, line {line},"):
        seen(journals, "s")
    refused, _ = journals.apply([append("s", "four"), append("other", "y")])
    assert isinstance(refused, StoreError)
    assert f"line {line}," in str(refused)
    assert log_of(tmp_path, "s").read_bytes() == damaged
    assert names(journals, "other") == ["x", "y"], "one log that is damaged costs no other"
    assert {each.session_id for each in journals.sessions()} == {"s", "other"}
    assert [check[:2] for check in journals.health() if not check[1]][-1] == ("logs", False)


def test_a_log_under_another_name_is_refused(tmp_path: Path) -> None:
    made(opened(tmp_path), append("s", "one"))
    log_of(tmp_path, "t").write_bytes(log_of(tmp_path, "s").read_bytes())
    before = contents(tmp_path)
    journals = opened(tmp_path)
    with pytest.raises(StoreError, match="under another name"):
        seen(journals, "t")
    assert isinstance(journals.apply([append("t", "two")])[0], StoreError)
    assert contents(tmp_path) == before


def test_a_log_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    made(opened(tmp_path), append("s", "one"))
    path = log_of(tmp_path, "s")
    path.write_bytes(path.read_bytes().replace(b'"format":1', b'"format":2'))
    before = path.read_bytes()
    journals = opened(tmp_path)
    with pytest.raises(StoreError, match="upgrade"):
        seen(journals, "s")
    assert isinstance(journals.apply([append("s", "two")])[0], StoreError)
    assert path.read_bytes() == before


def test_a_log_that_was_put_back_or_taken_away_is_seen(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"))
    path, kept = log_of(tmp_path, "s"), log_of(tmp_path, "s").read_bytes()
    made(journals, append("s", "two"))
    path.write_bytes(kept)
    assert names(journals, "s") == ["one"]
    path.unlink()
    assert names(journals, "s") == []
    path.write_bytes(kept)
    assert names(journals, "s") == ["one"]


@pytest.mark.parametrize(
    "body", [b'{\n  "a": 1\n}', b" 1 ", b'{"a": "\\u00e9"}', b"\t[1,\r\n2]", b"1e400", b"null", b'"\x7f"']
)
def test_bodies_are_kept_byte_for_byte_and_a_step_stays_one_line(tmp_path: Path, body: bytes) -> None:
    made(opened(tmp_path), append("s", "one", body=body))
    assert seen(opened(tmp_path), "s") == [("one", body)]
    assert log_of(tmp_path, "s").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("body", [b"", b"{", b'1}]},{"op":"x"', b"\xff", b'"\xff"', b"nan"])
def test_what_is_no_json_is_refused_and_nothing_of_the_step_stays(tmp_path: Path, body: bytes) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"))
    before = contents(tmp_path)
    half = step("s", Append("qa", (New("three", b"1", 1), New("four", body, 1))))
    answers = journals.apply([append("s", "two"), half, append("s", "five")])
    assert [isinstance(answer, StoreError | ValueError) for answer in answers] == [False, True, False]
    assert names(journals, "s") == names(opened(tmp_path), "s") == ["one", "two", "five"]
    assert contents(tmp_path).keys() == before.keys()
