"""R5 as a pure rule: the process decides where it can be seen, the lease everywhere else, and names of hosts never."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rollbook.rules.liveness import HIDDEN, Here, Known, Life, Process, Seen, judge, visible

SECOND: Final = 1_000_000
HERE: Final = Here("boot", "pid:[1]")
KNOWN: Final = Known("host", "boot", "pid:[1]", 123, "4711", 60 * SECOND)
ITSELF: Final = Process(Seen.LIVES, "4711")

names = some.sampled_from(["", "a", "b"])
heres = some.builds(Here, names, names)
quiets = some.none() | some.integers(0, 10**15)
knowns = some.builds(
    Known, names, names, names, some.integers(1, 2**22), names, some.sampled_from([0, 1, 60 * SECOND, 10**14])
)
processes = some.builds(Process, some.sampled_from(Seen), names)


@pytest.mark.parametrize(
    ("process", "life", "said"),
    [
        (ITSELF, Life.ALIVE, ""),
        (Process(Seen.GONE), Life.DEAD, "process 123 on host host is gone"),
        (
            Process(Seen.ZOMBIE, "4711"),
            Life.DEAD,
            "process 123 on host host has ended, and its parent has not asked how",
        ),
        (
            Process(Seen.LIVES, "4712"),
            Life.DEAD,
            "process 123 on host host is gone, its id is another process's now",
        ),
    ],
    ids=["alive", "gone", "zombie", "the id is used again"],
)
@pytest.mark.parametrize("quiet", [None, 0, 61 * SECOND, 10**15], ids=str)
def test_R5_where_the_process_is_seen_it_decides_whatever_the_lease_says(
    process: Process, life: Life, said: str, quiet: int | None
) -> None:
    verdict = judge(KNOWN, HERE, process, quiet)
    assert (verdict.life, verdict.reason, verdict.lapsed) == (life, said, False)


@pytest.mark.parametrize(
    "here",
    [Here("boot", "pid:[2]"), Here("another boot", "pid:[1]"), Here("", ""), Here("boot", "")],
    ids=["another container", "another boot", "nothing is known", "its processes are not seen"],
)
def test_R5_elsewhere_only_the_lease_speaks(here: Here) -> None:
    for process in (ITSELF, Process(Seen.GONE), Process(Seen.ZOMBIE, "4711"), HIDDEN):
        assert judge(KNOWN, here, process, 60 * SECOND).life is Life.ALIVE
        assert judge(KNOWN, here, process, None).life is Life.UNKNOWN
        verdict = judge(KNOWN, here, process, 75 * SECOND)
        assert (verdict.life, verdict.lapsed) == (Life.DEAD, True)
        assert verdict.reason == "no beat for 75 s from process 123 on host host"


def test_a_process_that_its_user_hides_is_judged_by_its_lease() -> None:
    assert judge(KNOWN, HERE, HIDDEN, 1).life is Life.ALIVE
    assert judge(KNOWN, HERE, HIDDEN, 61 * SECOND).lapsed


def test_an_instance_that_never_beats_is_judged_by_its_process_alone() -> None:
    known = KNOWN._replace(lease_us=0)
    assert judge(known, HERE, Process(Seen.GONE), None).life is Life.DEAD
    assert judge(known, HERE, ITSELF, 10**15).life is Life.ALIVE
    assert judge(known, Here("another boot", "pid:[1]"), HIDDEN, 10**15).life is Life.UNKNOWN


def test_a_start_that_is_not_known_tells_no_process_from_another() -> None:
    assert judge(KNOWN, HERE, Process(Seen.LIVES, ""), None).life is Life.ALIVE
    assert judge(KNOWN._replace(started=""), HERE, ITSELF, None).life is Life.ALIVE


@given(knowns, heres, quiets)
def test_R5_a_live_peer_that_can_be_seen_is_never_taken_for_dead(known: Known, here: Here, quiet: int | None) -> None:
    itself = Process(Seen.LIVES, known.started)
    verdict = judge(known, here, itself, quiet)
    assert verdict.life is not Life.DEAD or (not visible(known, here) and verdict.lapsed)
    assert not visible(known, here) or verdict.life is Life.ALIVE


@given(knowns, heres, processes, some.integers(0, 10**15))
def test_R5_a_live_peer_that_beats_within_its_lease_is_never_taken_for_dead(
    known: Known, here: Here, process: Process, quiet: int
) -> None:
    if not visible(known, here) and (known.lease_us == 0 or quiet <= known.lease_us):
        assert judge(known, here, process, quiet).life is not Life.DEAD


@given(knowns, heres, processes, quiets, names)
def test_R5_names_of_hosts_decide_nothing(
    known: Known, here: Here, process: Process, quiet: int | None, name: str
) -> None:
    one, other = judge(known, here, process, quiet), judge(known._replace(host=name), here, process, quiet)
    assert (one.life, one.lapsed) == (other.life, other.lapsed)


@given(knowns, heres, processes, quiets)
def test_the_dead_and_only_they_have_a_reason(known: Known, here: Here, process: Process, quiet: int | None) -> None:
    verdict = judge(known, here, process, quiet)
    assert bool(verdict.reason) == (verdict.life is Life.DEAD)
    assert verdict.life is Life.DEAD or not verdict.lapsed


@given(knowns, heres, processes, some.integers(0, 10**15), some.integers(0, 10**15))
def test_more_silence_never_makes_a_dead_one_live(
    known: Known, here: Here, process: Process, quiet: int, more: int
) -> None:
    if judge(known, here, process, quiet).life is Life.DEAD:
        assert judge(known, here, process, quiet + more).life is Life.DEAD
