"""The spool: private, in order, capped, and whole whoever is killed when."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollbook.hooks import spool


def texts(place: str) -> list[bytes | None]:
    return [spool.read(place, name) for name in spool.waiting(place)]


def test_it_is_private(place: str) -> None:
    name = spool.put(place, b"{}")
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o700
    assert stat.S_IMODE((Path(place) / name).stat().st_mode) == 0o600


def test_a_folder_that_others_may_look_into_is_closed(place: str) -> None:
    Path(place).mkdir(parents=True, mode=0o755)
    Path(place).chmod(0o755)
    spool.put(place, b"{}")
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o700


def test_a_file_in_its_place_is_an_error(place: str) -> None:
    Path(place).parent.mkdir()
    Path(place).write_text("mine")
    with pytest.raises(FileExistsError):
        spool.put(place, b"{}")
    assert Path(place).read_text() == "mine"


def test_events_are_in_order(place: str) -> None:
    for number in range(50):
        spool.put(place, b"%d" % number)
    assert texts(place) == [b"%d" % number for number in range(50)]


def test_a_clock_that_goes_back_keeps_the_order(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([5_000, 4_000, 4_000, 9_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    for number in range(4):
        spool.put(place, b"%d" % number)
    assert texts(place) == [b"0", b"1", b"2", b"3"]


def test_of_too_many_the_oldest_are_dropped(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "EVENTS_MOST", 5)
    for number in range(8):
        spool.put(place, b"%d" % number)
    assert texts(place) == [b"3", b"4", b"5", b"6", b"7"]
    found = spool.state(place)
    assert (found.waiting, found.dropped) == (5, 3)
    assert found.oldest is not None
    assert found.oldest <= time.time()


def test_that_events_were_dropped_is_forgotten_in_time(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "EVENTS_MOST", 1)
    spool.put(place, b"1")
    spool.put(place, b"2")
    spool.tidy(place)
    assert spool.state(place).dropped == 1
    old = time.time() - spool.DROPPED_KEPT_S - 60
    os.utime(Path(place) / "dropped", (old, old))
    spool.tidy(place)
    assert spool.state(place).dropped == 0


def test_a_large_event_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="at most"):
        spool.put(place, b"x" * (spool.EVENT_BYTES + 1))
    assert spool.state(place) == (0, None, 0)


def test_many_at_once(place: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda number: spool.put(place, b"%d" % number), range(200)))
    assert sorted(names) == spool.waiting(place)
    assert sorted(texts(place), key=lambda it: int(it or 0)) == [b"%d" % number for number in range(200)]


def test_one_delivers(place: str) -> None:
    first = spool.lock(place)
    assert first is not None
    assert spool.lock(place) is None
    os.close(first)
    second = spool.lock(place)
    assert second is not None
    os.close(second)


KILLED = """
import os, signal, sys
from rollbook.hooks import spool
at, place, text = sys.argv[1:]
def killed(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
if at == "before":
    os.fsync = killed
    write = os.write
    os.write = lambda descriptor, data: write(descriptor, bytes(data)[:3])
    os.write = lambda descriptor, data: (write(descriptor, bytes(data)[:3]), killed())
else:
    os.rename = killed
spool.put(place, text.encode())
"""


@pytest.mark.parametrize(("at", "taken"), [("before", []), ("after", [b'{"a":1}'])], ids=["half", "whole"])
def test_r13_whoever_is_killed_while_it_writes(place: str, at: str, taken: list[bytes]) -> None:
    """Half an event is none; a whole one without its name is taken in, once its writer is surely gone."""
    done = subprocess.run([sys.executable, "-c", KILLED, at, place, '{"a":1}'], check=False)
    assert done.returncode == -signal.SIGKILL
    assert spool.waiting(place) == []
    (left,) = Path(place).iterdir()
    spool.tidy(place)
    assert left.exists()
    old = time.time() - spool.UNFINISHED_S - 1
    os.utime(left, (old, old))
    spool.tidy(place)
    assert texts(place) == taken
    assert not left.exists()
