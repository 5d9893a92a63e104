"""Many books write to one database at once: nothing is lost, nothing counts twice, the books balance (R3, R11, R13)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, Final

import pytest

import rollbook
from postgres_books import EmptyBooks
from rollbook.errors import Conflict, Gone, InvalidInput, NotFound, RollbookError
from rollbook.ledger.ops import End, Op, Reopen
from rollbook.model import Evidence, Outcome
from rollbook.settings import LOCAL_USER

from .histories import well
from .tools import HOUR, MINUTE, NOW, Clock, call, opened, opened_at, snapshot, touch, user, write

PROCESSES: Final = 4  #: books, each with connections and memories of its own, as processes have them
OWNERS: Final = (LOCAL_USER, user(1))
ROUNDS: Final = 3
PATIENCE_S: Final = 60.0  #: reached only by something that hangs


@contextmanager
def fleet(
    books: EmptyBooks, monkeypatch: pytest.MonkeyPatch, writers: int = 1, count: int = PROCESSES
) -> Iterator[list[rollbook.Rollbook]]:
    """Books on one schema; whatever is written goes by any of their writers, however little there is."""
    monkeypatch.setattr("rollbook.opened._LONG", 0)
    with books.book() as url, ExitStack() as stack:
        clock = Clock()
        yield [stack.enter_context(opened_at(url, clock, all_users=True, writers=writers)) for _ in range(count)]


def at_once(*tasks: Callable[[], None]) -> None:
    """Run all of them at the same time, and raise what the first of them raised."""
    together, failed = threading.Barrier(len(tasks)), list[BaseException]()

    def run(task: Callable[[], None]) -> None:
        try:
            together.wait(PATIENCE_S)
            task()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(task,), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), "it hangs"
    if failed:
        raise failed[0]


def parts(chance: random.Random, ops: Sequence[Op]) -> Iterator[Sequence[Op]]:
    """Operations in batches of any size."""
    while ops:
        size = chance.choice([1, 1, 2, 3, 5])
        yield ops[:size]
        ops = ops[size:]


# The ledger


def _said(chance: random.Random) -> Op:
    """Something that is true whenever it is told (R3)."""
    owner, session = chance.choice(OWNERS), chance.choice("abcd")
    at = NOW - 3 * HOUR + chance.randrange(20) * MINUTE // 2
    what = chance.choice(["touch", "call", "call", "call", "call", "end", "reopen"])
    if what == "touch":
        return touch(session, at, owner, agent=chance.choice([None, "x", "y"]), title=chance.choice([None, "v", "w"]))
    if what == "end":
        status, soft = chance.choice(["completed", "failed"]), chance.random() < 0.5
        by = "importer" if soft else "client"
        return End(user_id=owner, session_id=session, status=status, at=at, reason="", decided_by=by, soft=soft)
    if what == "reopen":
        return Reopen(user_id=owner, session_id=session, at=at)
    names = [f"u{chance.randrange(12)}" for _ in range(chance.choice([1, 1, 1, 1, 2, 3]))]
    size = chance.choice([0, 5, 9])
    return call(
        session, names[0], at, size, owner, aliases=tuple(sorted({*names[1:]})),
        model=chance.choice([None, "m1", "m2"]), cost_nano=chance.choice([None, 3, 4]),
        evidence=chance.choice([Evidence.LOG, Evidence.PUSH, Evidence.TRANSCRIPT]),
    )  # fmt: skip


@pytest.mark.parametrize("writers", [1, 2, 4])
def test_r3_what_is_told_at_once_is_what_is_told_in_turn(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch, writers: int
) -> None:
    for seed in range(ROUNDS):
        chance = random.Random(1000 * writers + seed)
        told = [[_said(chance) for _ in range(30)] for _ in range(PROCESSES)]
        with fleet(empty_books, monkeypatch, writers) as books, opened(Clock(), all_users=True) as alone:

            def tell(book: rollbook.Rollbook, ops: Sequence[Op], seed: int) -> None:
                for part in parts(random.Random(seed), ops):
                    for answer in write(book, part):
                        # (An end that another one contradicts is refused, and taken in all the same.)
                        assert not isinstance(answer, RollbookError) or isinstance(answer, Conflict)

            at_once(*(partial(tell, *one) for one in zip(books, told, range(PROCESSES), strict=True)))
            write(alone, [op for ops in told for op in ops])
            for owner in OWNERS:
                assert snapshot(seed_of(books, seed), owner) == snapshot(alone, owner)
            well(books[0])


def seed_of(books: list[rollbook.Rollbook], seed: int) -> rollbook.Rollbook:
    """One of the books, each time another one."""
    return books[seed % len(books)]


def test_r3_a_call_that_many_report_at_once_is_counted_once(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ids of its own and under ids that join it to others, in its session and in new ones."""
    with fleet(empty_books, monkeypatch, 2) as books:
        answers: list[list[tuple[str, Any]]] = [[] for _ in books]

        def report(number: int) -> None:
            chance = random.Random(number)
            for turn in range(25):
                name = f"u{turn}"
                others = [] if chance.random() < 0.7 else [f"u{turn - 1}", f"also {turn}"]
                session = f"s{turn % 3 if number % 2 else chance.randrange(3)}"
                ops = [call(session, name, NOW, 10, aliases=tuple(others)), call(f"new {turn}", f"n{turn}", NOW, 10)]
                chance.shuffle(ops)
                answers[number] += zip([op.usage_id for op in ops], write(books[number], ops), strict=True)

        at_once(*(partial(report, number) for number in range(len(books))))
        counts = Counter(answer for each in answers for answer in each)
        assert {answer for _, answer in counts} <= {Outcome.COUNTED, Outcome.DUPLICATE, Outcome.AMENDED}
        assert all(counts[f"n{turn}", Outcome.COUNTED] == 1 for turn in range(25))
        assert all(counts[f"u{turn}", Outcome.COUNTED] <= 1 for turn in range(25))
        names = {f"u{turn}" for turn in range(25)} | {f"n{turn}" for turn in range(25)}
        assert books[0].known_usage(names) == names
        joined = books[0].stats(since="all").tokens_in // 10
        standing = Counter[str]()
        for one in books[1].iterate():
            for row in books[1].usage(one.session_id):
                standing[row.usage_id] += -1 if row.entry == "reversal" else 1
        assert set(standing.values()) <= {0, 1}
        assert sum(standing.values()) == joined
        assert all(standing[f"n{turn}"] == 1 for turn in range(25))
        well(books[2])


def test_r12_whatever_is_removed_meanwhile_the_books_balance(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(empty_books, monkeypatch, 2) as books:

        def live(number: int) -> None:
            chance, book = random.Random(number), books[number]
            for turn in range(40):
                name = chance.choice("abcdef")
                with suppress(Gone, NotFound, Conflict):
                    _lived(book, chance, name, turn)

        at_once(*(partial(live, number) for number in range(len(books))))
        for book in books:
            well(book)
        assert len({str(snapshot(book)) for book in books}) == 1


def _lived(book: rollbook.Rollbook, chance: random.Random, name: str, turn: int) -> None:
    what = chance.randrange(12)
    if what < 5:
        book.record_usage(name, usage_id=f"{name}{chance.randrange(6)}", tokens_in=turn, model="m", cost_usd=1)
    elif what < 8:
        book.append(name, "s", entries=[turn], user_state={"k": turn})
    elif what == 8:
        book.fork(chance.choice("abcdef".replace(name, "")), name)
    elif what == 9:
        book.delete(name)
    elif what == 10:
        book.purge(name)
    else:
        book.prune(ledger="1d", content="1d", sessions="2d")


def test_r6_nobody_becomes_an_ancestor_of_their_own_by_many_at_once(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(10):
        with fleet(empty_books, monkeypatch) as books:
            names = [f"s{number}" for number in range(len(books))]
            if turn % 2:  # also where nobody has been before
                for name in names:
                    books[0].touch(name)
            asked = list(zip(books, names, [*names[1:], names[0]], strict=True))
            refused = list[RollbookError]()
            at_once(*(partial(_claim, *one, refused) for one in asked))
            assert len(refused) == 1
            assert len([one for one in books[0].iterate() if one.parent_id]) == len(names) - 1


def _claim(book: rollbook.Rollbook, name: str, parent: str, refused: list[RollbookError]) -> None:
    try:
        book.touch(name, parent=parent)
    except InvalidInput as error:
        refused.append(error)


# Journals


def test_r11_entries_that_many_append_at_once_are_all_there_once(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a session and to forks of it, which share one root; the same ids through several books."""
    lines = ("root", "fork 0", "fork 1", "fork of a fork")
    with fleet(empty_books, monkeypatch, 2) as books:
        books[0].append("root", "s", entries=[0, 1], ids=["first", "second"])
        books[1].fork("root", "fork 0")
        books[2].fork("root", "fork 1", stream="s", at="first")
        books[3].fork("fork 1", "fork of a fork")
        acknowledged: list[list[tuple[str, str, bool]]] = [[] for _ in books]

        def jot(number: int) -> None:
            chance = random.Random(number)
            for turn in range(25):
                name = chance.choice(lines)
                ids = [f"{name} {turn}"] if turn % 2 else [f"{name} {turn} {number} {each}" for each in range(3)]
                done = books[number].append(name, "s", entries=ids, ids=ids)
                known = {entry.entry_id for entry in done.duplicates}
                acknowledged[number] += [(name, each, each not in known) for each in ids]

        at_once(*(partial(jot, number) for number in range(len(books))))
        told = Counter((name, each) for found in acknowledged for name, each, added in found if added)
        assert set(told.values()) == {1}
        before = {"root": ["first", "second"], "fork 0": ["first", "second"]}
        positions = list[int]()
        for name in lines:
            found = books[0].entries(name, "s")
            past = before.get(name, ["first"])
            assert [each.entry_id for each in found[: len(past)]] == past
            own = found[len(past) :]
            assert sorted(each.entry_id for each in own) == sorted(each for line, each in told if line == name)
            assert [each.position for each in own] == sorted(each.position for each in own)
            (head,) = books[1].heads(name, stream="s")
            assert head.length == len(found)
            positions += [each.position for each in own]
        assert sorted(positions) == list(range(3, 3 + len(positions)))  # what they share has no gaps and no doubles
        well(books[3])


def test_r11_of_many_who_saw_the_same_revision_one_goes_on(
    empty_books: EmptyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fleet(empty_books, monkeypatch, 2) as books:
        books[0].append("s", "s", entries=[0])
        won = Counter[int]()

        def compete(number: int) -> None:
            for turn in range(20):
                seen = books[number].revision("s", "s")
                try:
                    books[number].append("s", "s", entries=[turn], expected=seen)
                except Conflict:
                    continue
                won[seen] += 1

        at_once(*(partial(compete, number) for number in range(len(books))))
        assert set(won.values()) == {1}
        assert len(books[0].entries("s", "s")) == 1 + sum(won.values())
