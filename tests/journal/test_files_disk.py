"""R13: errors of the disk cost the steps in one log and nothing else; and what reads and steps ask of the disk."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollbook.errors import StoreError
from rollbook.journal import lines
from rollbook.journal.backend import open_journals
from rollbook.journal.files import disk as files_disk
from rollbook.journal.files import log as files_log
from rollbook.journal.files.batch import Batch, Held
from rollbook.journal.files.log import Log
from rollbook.journal.files.place import Cache, Gate, Place
from rollbook.journal.steps import Append, Drop, DropHead, Fork, New, Remove, Replace, Step
from rollbook.settings import Settings

from .files_tools import USER, append, drop, log_of, made, names, opened, program, seen, step


def _fails(monkeypatch: pytest.MonkeyPatch, name: str, when: Callable[..., bool], number: int = errno.EIO) -> None:
    """Let a call of the system fail for some of its arguments."""
    call = getattr(os, name)

    def called(*arguments: Any, **more: Any) -> Any:
        if when(*arguments):
            raise OSError(number, os.strerror(number))
        return call(*arguments, **more)

    monkeypatch.setattr(os, name, called)


def _is(path: Path) -> Callable[..., bool]:
    return lambda fd, *_: path.exists() and os.path.samestat(os.fstat(fd), path.stat())


def test_r13_a_full_disk_refuses_steps_and_goes_on_with_room(tmp_path: Path) -> None:
    with program("files_full", tmp_path / "j") as full:
        assert full.finished() == ["went on"]


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_r13_a_step_that_is_not_on_the_disk_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    journals = opened(tmp_path, fsync="always")
    made(journals, append("s", "one"), append("t", "one"))
    before = log_of(tmp_path, "s").read_bytes()
    with monkeypatch.context() as patch:
        _fails(patch, call, _is(log_of(tmp_path, "s")))
        answers = journals.apply([append("s", "two"), append("t", "two"), append("s", "three")])
        assert [isinstance(answer, StoreError) for answer in answers] == [True, False, True]
        assert "health" in str(answers[0]), "it says what to do"
        assert names(journals, "s") == ["one"]
    assert log_of(tmp_path, "s").read_bytes() == before
    assert names(opened(tmp_path), "s") == ["one"]
    made(journals, append("s", "two"))
    assert names(journals, "s") == names(opened(tmp_path), "s") == ["one", "two"]
    assert names(journals, "t") == ["one", "two"]


def test_r13_a_log_whose_name_is_not_on_the_disk_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals = opened(tmp_path, fsync="always")
    made(journals, append("s", "one"))
    with monkeypatch.context() as patch:
        _fails(patch, "fsync", _is(tmp_path / USER))
        assert isinstance(journals.apply([append("t", "one")])[0], StoreError)
        assert names(journals, "t") == []
    made(journals, append("t", "two"))
    assert names(opened(tmp_path), "t") == ["two"]


@pytest.mark.parametrize("call", ["write", "fdatasync", "rename"])
def test_r13_a_log_that_cannot_be_written_anew_costs_nothing_but_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(files_log, "DEAD_BYTES", 2000)
    journals = opened(tmp_path, fsync="always")
    new = tmp_path / USER / "s-s.jsonl.new"
    wanted: Callable[..., bool] = (lambda *_: True) if call == "rename" else _is(new)
    junk = [step("s", Append("junk", (New("j", b'"' + b"x" * 3000 + b'"', 1),)), DropHead("junk")) for _ in range(3)]
    with monkeypatch.context() as patch:
        _fails(patch, call, wanted, errno.ENOSPC)
        made(journals, append("s", "one"), *junk)
        assert names(journals, "s") == ["one"]
        assert isinstance(journals.apply([step("f", Fork("s"))])[0], StoreError) == (call == "rename")
        made(journals, append("s", "two"))
        assert log_of(tmp_path, "s").stat().st_size > 9000
        assert not new.exists()
    for _ in range(3):
        made(journals, *junk)
    assert log_of(tmp_path, "s").stat().st_size < 9000, "it is tried again once the log has doubled"
    assert names(journals, "s") == names(opened(tmp_path), "s") == ["one", "two"]


def test_what_was_removed_is_not_on_the_disk_when_a_journal_is_dropped(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "shared"), step("f", Fork("s")), append("s", "own", body=b'"hush"'))
    made(journals, append("s", "gone", body=b'"hush"'), step("s", Remove("qa", "gone")))
    assert b"hush" in log_of(tmp_path, "s").read_bytes()
    made(journals, drop("s"))
    assert b"hush" not in log_of(tmp_path, "s").read_bytes()
    assert names(journals, "f") == ["shared"]
    assert [each.session_id for each in journals.sessions()] == ["f"]
    made(journals, drop("f"))
    assert not list((tmp_path / USER).iterdir())


def test_a_session_that_was_dropped_may_become_a_fork_though_its_log_holds_forks_of_its_own(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), step("f", Fork("s")), append("t", "other"))
    made(journals, drop("s"), step("s", Fork("t")), append("s", "more"))
    for each in (journals, opened(tmp_path)):
        assert names(each, "s") == ["other", "more"]
        assert names(each, "f") == ["one"]
        assert {kept.session_id for kept in each.sessions()} == {"s", "f", "t"}


def test_a_fork_that_is_dropped_and_written_to_at_once_is_where_it_was(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    made(journals, append("s", "one"), step("f", Fork("s")))
    made(journals, drop("f"), append("f", "mine"))
    for each in (journals, opened(tmp_path)):
        assert names(each, "f") == ["mine"]
        assert {kept.session_id for kept in each.sessions()} == {"s", "f"}
    made(journals, drop("f"), drop("s"))
    assert not list((tmp_path / USER).iterdir())


def test_a_session_that_becomes_a_fork_while_a_step_waits_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals, other = opened(tmp_path), opened(tmp_path)
    made(journals, append("s", "one"))
    steps: list[Step | Drop] = [step("f", Fork("s")), drop("f")]
    hold, turns = Batch._hold, iter(steps)

    def meanwhile(batch: Batch, log: Log, make: bool) -> Held:
        if batch._place is journals._place and (happens := next(turns, None)) is not None:
            made(other, happens)
        return hold(batch, log, make)

    monkeypatch.setattr(Batch, "_hold", meanwhile)
    # It is found to be a fork, and then to be none any more.
    made(journals, append("f", "two"))
    for each in (journals, other):
        assert names(each, "f") == ["two"]
        assert names(each, "s") == ["one"]


def test_steps_in_the_same_sessions_in_another_order_do_not_wait_for_each_other(tmp_path: Path) -> None:
    answers = list[object]()

    def write(sessions: tuple[str, str]) -> None:
        journals = opened(tmp_path, busy_timeout_s=2)
        for number in range(100):
            steps = [append(session, f"{sessions[0]}{number}") for session in sessions]
            answers.extend(each for each in journals.apply(steps) if isinstance(each, Exception))

    threads = [threading.Thread(target=write, args=(each,)) for each in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not answers


def test_a_log_is_written_anew_once_most_of_it_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_log, "DEAD_BYTES", 1000)
    journals, other = opened(tmp_path), opened(tmp_path)
    made(journals, append("s", "one"), append("s", "two"))
    sizes = []
    for number in range(200):
        body = b'"%d"' % number
        made(journals, step("s", Replace("qa", "one", body)))
        sizes.append(log_of(tmp_path, "s").stat().st_size)
        if not number % 20:
            assert seen(other, "s")[0] == ("one", body), "another process follows to the new file"
    shrunk = [number for number in range(1, 200) if sizes[number] < sizes[number - 1]]
    assert 3 < len(shrunk) < 50, "not at every step"
    assert max(sizes) < 5000
    assert seen(opened(tmp_path), "s") == seen(journals, "s") == [("one", b'"199"'), ("two", b'{"a":1}')]


def test_a_warm_read_reads_nothing_and_a_later_one_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals, other = opened(tmp_path), opened(tmp_path)
    made(journals, *(append("s", f"e{number}", body=b'"' + b"x" * 1000 + b'"') for number in range(200)))
    assert len(names(other, "s")) == 200
    read: list[int] = []
    pread = os.pread

    def counted(*arguments: Any) -> bytes:
        data = pread(*arguments)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)
    assert len(names(other, "s")) == len(names(journals, "s")) == 200
    assert not read
    made(journals, append("s", "new"))
    assert not read, "who writes knows what it wrote"
    assert len(names(other, "s")) == 201
    assert 0 < sum(read) < 1000


def test_what_is_looked_at_does_not_change_meanwhile(tmp_path: Path) -> None:
    journals, other = opened(tmp_path), opened(tmp_path)
    made(journals, append("s", "one", "two"))
    with journals.read(USER, "s") as (peek, who):
        before = peek.head(who, "qa", "main")
        assert before is not None
        for writer in (journals, other):
            made(writer, step("s", Remove("qa", "one")), append("s", writer.url + str(id(writer))))
            assert peek.head(who, "qa", "main") == before
            assert [line.entry_id for line in lines.tail(peek, "qa", before.tip, None)] == ["one", "two"]
            assert len(names(journals, "s")) == len(names(other, "s")) > 1
        made(journals, drop("s"))
        assert len(peek.below("qa", 100, 100)) == 2
    assert names(journals, "s") == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    place = Place(tmp_path, 1.0, durable=False, cache_bytes=200_000)
    journals = opened(tmp_path)
    journals._place = place
    for number in range(60):
        made(journals, append(f"s{number}", "one", body=b'"' + b"x" * 20_000 + b'"'))
    cache: Cache = place.cache
    assert sum(log.shelf.memory for log in cache._logs.values()) <= 200_000
    assert cache._total == sum(cache._sizes.values()) <= 200_000
    assert cache._sizes.keys() == cache._logs.keys()
    assert all(names(journals, f"s{number}") == ["one"] for number in range(60))


def test_a_process_that_does_not_let_go_costs_the_sessions_whose_locks_it_holds(tmp_path: Path) -> None:
    journals = opened(tmp_path, busy_timeout_s=0.1)
    made(journals, append("s", "one"))
    with log_of(tmp_path, "s").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        answers = journals.apply([append("s", "two"), append("t", "one")])
        assert isinstance(answers[0], StoreError)
        assert "locked" in str(answers[0])
        assert not isinstance(answers[1], Exception)
        assert names(journals, "s") == ["one"], "what did not change can be read"
        with pytest.raises(StoreError, match="locked"):
            names(opened(tmp_path, busy_timeout_s=0.1), "s")
    made(journals, append("s", "two"))


def test_a_step_waits_for_a_lock_and_sees_what_its_holder_wrote(tmp_path: Path) -> None:
    journals, path = opened(tmp_path), log_of(tmp_path, "s")
    made(journals, append("s", "one"))
    waiting = threading.Thread(target=lambda: made(journals, append("s", "three")))
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting.start()
        # The log is replaced while somebody waits for it: the new file is what the step must go to.
        log = Log(str(path), USER, "s")
        log.catch_up(file.fileno(), repair=False)
        locks = files_disk.Locks(1.0)
        locks.release(log.anew(locks, durable=False))
    waiting.join()
    assert names(journals, "s") == names(opened(tmp_path), "s") == ["one", "three"]


def test_threads_share_journals(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    stop, wrong = threading.Event(), list[object]()

    def look() -> None:
        last = 0
        while not stop.is_set():
            found = names(journals, "s")
            if len(found) < last or found != [f"e{number}" for number in range(len(found))]:
                wrong.append(found)
            last = len(found)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(150):
        made(journals, append("s", f"e{number}"))
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(names(journals, "s")) == 150


def test_a_process_may_fork_while_it_writes(tmp_path: Path) -> None:
    with program("files_fork", tmp_path / "j") as forking:
        assert forking.finished() == ["all there"]


def test_in_the_moment_of_a_fork_no_other_thread_holds_what_a_child_needs() -> None:
    gate = Gate()
    gate.shut(time.monotonic() + 60)
    entering = threading.Thread(target=gate.__enter__)
    entering.start()
    entering.join(0.05)
    assert not gate._changed.acquire(blocking=False), "it is held by whoever forks"
    gate.open()
    entering.join(60)
    assert not entering.is_alive()


def test_steps_in_very_many_sessions_are_made_with_few_open_files(tmp_path: Path) -> None:
    journals = opened(tmp_path)
    most = 0
    take = files_disk.Locks._opened

    def counted(locks: files_disk.Locks, path: str, flags: int) -> int:
        nonlocal most
        fd = take(locks, path, flags)
        most = max(most, len(locks._open))
        return fd

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files_disk.Locks, "_opened", counted)
        made(journals, *(append(f"s{number}", "one") for number in range(300)))
    assert 1 < most <= 66
    assert len(list(journals.sessions())) == 300


def test_a_url_opens_journals_in_files(tmp_path: Path) -> None:
    journals = open_journals(f"file://{tmp_path}/a%20b", Settings())
    journals.close()
    assert (tmp_path / "a b" / "rollbook-journal.json").is_file()
