"""Many at once: threads, processes, and readers while others write."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from threading import Barrier, Event
from typing import Final

import pytest

from rollbook.errors import Conflict
from rollbook.journal import lines
from rollbook.journal.backend import Journals
from rollbook.journal.contract.sessions import QA, Opener, Place, Session, body_of, new, raws
from rollbook.journal.shelf import Head, Line, Peek, Who
from rollbook.journal.steps import Append, Done, Pop, Remove, SetState

_WRITERS: Final = 3
_EACH: Final = 20


def write(journals: Journals, writer: str, session: str = "s") -> int:
    """Append entries of one's own, and one that every writer gives, one step each; how many were added."""
    box = Session(journals, session)
    return sum(box.append(f"{writer}-{n}", f"common-{n}").added for n in range(_EACH))


def write_elsewhere(opener: Opener, writer: str) -> int:
    """The same in a process of its own."""
    journals = opener()
    try:
        return write(journals, writer)
    finally:
        journals.close()


def pop_elsewhere(opener: Opener, count: int) -> list[str]:
    """Take entries one by one; which they were."""
    journals = opener()
    try:
        found = []
        for _ in range(count):
            (popped,) = Session(journals).make(Pop(QA)).answers
            assert isinstance(popped, tuple)
            found += [each.entry_id for each in popped]
        return found
    finally:
        journals.close()


class Many(Place):
    """Concurrent writers and readers."""

    def test_threads_append_to_one_session(self, journals: Journals) -> None:
        writers = [f"w{n}" for n in range(_WRITERS)]
        with ThreadPoolExecutor(_WRITERS) as threads:
            added = list(threads.map(lambda writer: write(journals, writer), writers))
        _all_there(Session(journals), writers, added)

    def test_threads_append_to_sessions_of_their_own(self, journals: Journals) -> None:
        writers = [f"w{n}" for n in range(_WRITERS)]
        with ThreadPoolExecutor(_WRITERS) as threads:
            list(threads.map(lambda writer: write(journals, writer, writer), writers))
        for writer in writers:
            expected = [name for n in range(_EACH) for name in (f"{writer}-{n}", f"common-{n}")]
            assert Session(journals, writer).names() == expected

    def test_threads_pop_each_entry_once(self, journals: Journals) -> None:
        session = Session(journals)
        session.append(*(f"e{n}" for n in range(24)))

        def pop(_: int) -> list[str]:
            found = []
            for _ in range(8):
                (popped,) = session.make(Pop(QA)).answers
                assert isinstance(popped, tuple)
                found += [each.entry_id for each in popped]
            return found

        with ThreadPoolExecutor(3) as threads:
            popped = [name for found in threads.map(pop, range(3)) for name in found]
        assert sorted(popped) == sorted(f"e{n}" for n in range(24))
        assert session.names() == []

    def test_threads_fork_and_append(self, journals: Journals) -> None:
        source = Session(journals, "source")
        source.append("a")
        barrier = Barrier(_WRITERS)

        def fork(name: str) -> None:
            barrier.wait()
            forked = source.fork(name)
            for n in range(5):
                forked.append(f"e{n}")
                source.append(f"{name}-{n}")

        with ThreadPoolExecutor(_WRITERS) as threads:
            list(threads.map(fork, "xyz"))
        for name in "xyz":
            names = Session(journals, name).names()
            assert names[0] == "a"
            assert names[-5:] == [f"e{n}" for n in range(5)]
        assert len(source.names()) == 1 + 5 * _WRITERS

    def test_processes_append_to_one_session(self, journals: Journals, opener: Opener) -> None:
        if not self.several_processes:
            pytest.skip("one process writes at a time")
        writers = [f"w{n}" for n in range(_WRITERS)]
        here = write(journals, "here")
        with ProcessPoolExecutor(_WRITERS - 1, multiprocessing.get_context("spawn")) as processes:
            others = [processes.submit(write_elsewhere, opener, writer) for writer in writers[1:]]
            added = [write(journals, writers[0]), *(each.result() for each in others)]
        _all_there(Session(journals), ["here", *writers], [here, *added])

    def test_processes_pop_each_entry_once(self, journals: Journals, opener: Opener) -> None:
        if not self.several_processes:
            pytest.skip("one process writes at a time")
        names = [f"e{n}" for n in range(24)]
        Session(journals).append(*names)
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes:
            popped = [each.result() for each in [processes.submit(pop_elsewhere, opener, 12) for _ in range(2)]]
        assert sorted(name for found in popped for name in found) == sorted(names)
        assert Session(journals).names() == []

    def test_readers_never_see_half_a_step(self, journals: Journals) -> None:
        session = Session(journals)
        done = Event()

        def steps() -> None:
            try:
                for n in range(40):
                    changes = [Append(QA, tuple(new(f"{n}-{part}", body_of(str(n))) for part in range(3)))]
                    if n % 4 == 3:
                        session.make(
                            *changes, Remove(QA, f"{n - 1}-0"), Pop(QA, count=2), SetState(raws({"n": b"%d" % n}))
                        )
                        session.make(Pop(QA), Pop(QA, count=2), SetState(raws({"n": b"%d" % -n})))
                    else:
                        session.make(*changes, SetState(raws({"n": b"%d" % n})))
            finally:
                done.set()

        with ThreadPoolExecutor(1) as writer:
            written = writer.submit(steps)
            looks = 0
            while not done.is_set() or not looks:
                looks += _looked(session)
            written.result()
        assert looks

    def test_a_look_is_at_one_moment(self, journals: Journals) -> None:
        session = Session(journals)
        session.append("a", "b")
        step = session.plan(Append(QA, (new("c"),)), Remove(QA, "a"), SetState(raws({"k": b"1"})))
        with ThreadPoolExecutor(1) as writer:
            with journals.read(session.user, session.name) as (peek, who):
                head = peek.head(who, QA, "main")
                assert head is not None
                written = writer.submit(journals.apply, [step])
                wait([written], 0.1)  # a place may let writers wait for those who look
                try:
                    seen = [line.entry_id for line in lines.tail(peek, QA, head.tip, None)], dict(peek.state(who))
                except Conflict:
                    assert not self.looks_stay
                else:
                    assert seen == (["a", "b"], {})
            (answer,) = written.result()
            assert isinstance(answer, Done)
        assert (session.names(), session.state()) == (["b", "c"], {"k": b"1"})


def _all_there(session: Session, writers: list[str], added: list[int]) -> None:
    """Every entry once, those of each writer in its order."""
    names = session.names()
    assert len(names) == len(set(names)) == sum(added) == session.length()
    for writer in (*writers, "common"):
        assert [name for name in names if name.startswith(f"{writer}-")] == [f"{writer}-{n}" for n in range(_EACH)]


def _looked(session: Session) -> int:
    """One look: what is seen belongs to one step, the whole of it."""

    def look(peek: Peek, who: Who) -> tuple[Head, list[Line], int] | None:
        head = peek.head(who, QA, "main")
        if head is None:
            return None
        return head, lines.tail(peek, QA, head.tip, None), int(bytes(peek.state(who)["n"]))

    seen = session.look(look)
    if seen is None:
        return 0
    head, found, n = seen
    newest = [line.entry_id for line in found if line.body == body_of(str(abs(n)))]
    whole = [f"{abs(n)}-{part}" for part in range(3)]
    assert head.length == len(found)
    if n < 0:
        whole = []
    elif n % 4 == 3:
        whole = whole[:1]
    assert newest == whole
    return 1
