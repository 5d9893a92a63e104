"""A folder that is not ours, not there, or not to be written to; what is removed from it, and how private it is."""

from __future__ import annotations

import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import Raw

from rollbook.errors import NotSupported, StoreError
from rollbook.journal.steps import Append, Fork, New, SetState

from .files_tools import USER, append, contents, drop, log_of, made, names, opened, program, seen, step


def test_a_folder_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="something else"):
        opened(tmp_path)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("marker", "says"), [(b'{"rollbook":"journal","format":2}', "upgrade"), (b"", "damaged"), (b"[]", "damaged")]
)
def test_a_folder_of_a_newer_version_or_with_a_damaged_marker_is_refused(
    tmp_path: Path, marker: bytes, says: str
) -> None:
    (tmp_path / "rollbook-journal.json").write_bytes(marker)
    with pytest.raises(StoreError, match=says):
        opened(tmp_path)
    assert contents(tmp_path) == {"rollbook-journal.json": marker}


def test_a_marker_that_was_torn_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "rollbook-journal.json.new").write_bytes(b"{")
    made(opened(tmp_path), append("s", "one"))
    assert names(opened(tmp_path), "s") == ["one"]


def test_many_may_open_a_new_folder_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number, each in enumerate(pool.map(lambda _: opened(tmp_path / "new"), range(8))):
            made(each, append("s", f"e{number}"))
    assert len(names(opened(tmp_path / "new"), "s")) == 8


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError):
            opened(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_everything_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        journals = opened(tmp_path / "new" / "folder", fsync="always")
        made(journals, append("s", "one"), step("s", SetState({"k": Raw(b"1")}, of_user=True)))
        made(journals, step("f", Fork("s")))
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").rglob("*")}
    assert len(modes) == 6
    assert all(mode == (0o600 if "json" in name else 0o700) for name, mode in modes.items()), modes


def test_links_inside_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder, away = tmp_path / "j", tmp_path / "away"
    journals = opened(folder)
    made(journals, append("s", "one"))
    away.write_bytes(log_of(folder, "s").read_bytes())
    before = away.read_bytes()
    log_of(folder, "s").unlink()
    log_of(folder, "s").symlink_to(away)
    with pytest.raises(StoreError, match="symbolic link"):
        seen(journals, "s")
    answer = journals.apply([append("s", "two")])[0]
    assert isinstance(answer, StoreError)
    assert "symbolic link" in str(answer)
    assert list(journals.sessions()) == []
    journals.wipe()
    assert away.read_bytes() == before
    shutil.rmtree(folder / USER)
    (tmp_path / "others").mkdir()
    (folder / USER).symlink_to(tmp_path / "others")
    assert isinstance(journals.apply([append("s", "two")])[0], StoreError)
    assert not list((tmp_path / "others").iterdir())


def test_a_pipe_in_place_of_a_log_blocks_nobody(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("t", "one"))
    os.mkfifo(log_of(tmp_path, "s"))
    with pytest.raises(StoreError):
        seen(journals, "s")
    assert isinstance(journals.apply([append("s", "two")])[0], StoreError)


def test_a_link_to_the_folder_is_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    journals = opened(tmp_path / "link")
    made(journals, append("s", "one"))
    (tmp_path / "link").unlink()
    assert names(journals, "s") == names(opened(tmp_path / "real"), "s") == ["one"]


def test_a_folder_that_was_taken_away_is_no_empty_one(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    journals = opened(folder)
    made(journals, append("s", "one"))
    folder.rename(tmp_path / "k")
    for session in ("s", "t"):
        with pytest.raises(StoreError):
            seen(journals, session)
        assert isinstance(journals.apply([append(session, "two")])[0], StoreError)
    with pytest.raises(StoreError):
        list(journals.sessions())
    assert not folder.exists()
    (tmp_path / "k").rename(folder)
    made(journals, append("s", "two"))
    assert names(journals, "s") == ["one", "two"]


def test_a_folder_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    made(opened(tmp_path / "j"), append("s", "one"))
    with program("files_unprivileged", tmp_path) as reader:
        assert reader.finished()[-1] == "read and refused"


def test_wipe_removes_journals_and_nothing_else(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), append("t", "one"), step("f", Fork("s")))
    made(journals, step("s", SetState({"k": Raw(b"1")}, of_user=True)))
    (tmp_path / USER / "notes.txt").write_text("mine")
    (tmp_path / USER / "s-x.jsonl.new").write_text("left over")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "s-s.jsonl").write_text("theirs")
    log_of(tmp_path, "t").write_bytes(b"damaged\n")
    assert journals.wipe() == 2, "what cannot be read is no session that anybody knows"
    assert contents(tmp_path).keys() == {"rollbook-journal.json", f"{USER}/notes.txt", "others/s-s.jsonl"}
    assert names(journals, "s") == names(journals, "f") == []
    assert list(journals.sessions()) == []
    made(journals, append("s", "two"))
    assert names(journals, "s") == ["two"]


def test_a_step_that_changes_the_state_of_user_and_session_is_not_supported(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    both = step("s", SetState({"k": Raw(b"1")}, of_user=True), Append("qa", (New("e", b"1", 1),)))
    assert isinstance(journals.apply([both])[0], NotSupported)
    assert contents(tmp_path).keys() == {"rollbook-journal.json"}


def test_nothing_is_made_for_steps_that_change_nothing(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    answers = journals.apply([step("s", Fork("nobody")), drop("t"), step("u", SetState({"k": None}))])
    assert answers[1] is False
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "rollbook-journal.json"]


def test_health_says_how_durable_a_step_is(tmp_path: Path) -> None:
    assert [check[1] for check in opened(tmp_path, fsync="always").health()] == [True, True, True]
    assert [check[1] for check in opened(tmp_path, fsync="never").health()] == [False, True, True]


def test_closed_journals_say_so(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    journals.close()
    journals.close()
    with pytest.raises(StoreError, match="closed"):
        journals.apply([append("s", "one")])
    with pytest.raises(StoreError, match="closed"):
        seen(journals, "s")
