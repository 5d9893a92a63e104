"""Several books on one database, as several processes have them: what one remembers another has changed meanwhile.

Whatever happens through any of them is what happens in one book that nobody else writes to.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

import rollbook
from postgres_books import EmptyBooks
from rollbook.errors import RollbookError
from rollbook.settings import LOCAL_USER

from .histories import OWNERS, Step, figures, happen, often, steps, well
from .test_machine import Books
from .tools import NOW, Clock, opened, opened_at

BOOKS: Final = 3
NAMES: Final = st.sampled_from("abcde")
STREAMS: Final = st.sampled_from(["qa-raw", "qa-raw", "log"])


@contextmanager
def fleet(books: EmptyBooks, clock: Callable[[], int], **more: Any) -> Iterator[list[rollbook.Rollbook]]:
    """Books on one schema, each with a writer, connections and memories of its own."""
    with books.book() as url, ExitStack() as stack:
        yield [stack.enter_context(opened_at(url, clock, **more)) for _ in range(BOOKS)]


# The machine of a single book


def test_any_calls_through_any_of_several_books_are_as_in_the_model(empty_books: EmptyBooks) -> None:
    class Fleet(Books):
        """The machine whose every word goes through another book."""

        @initialize(seed=st.integers(0, 1 << 20))
        def begin(self, seed: int = 0) -> None:
            self.clock = Clock(NOW)
            self.context = fleet(empty_books, self.clock)
            self.books = self.context.__enter__()
            self.chance = random.Random(seed)
            self.prepare()

        @property
        def book(self) -> rollbook.Rollbook:
            return self.chance.choice(self.books)

    run_state_machine_as_test(Fleet, settings=settings(Books.TestCase.settings, max_examples=5))


# Anything at all, held against a book that is alone


def _contents(what: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    given = {"who": st.sampled_from([*OWNERS, LOCAL_USER]), "session_id": NAMES, **more}
    return st.tuples(st.just(what), st.fixed_dictionaries(given))


_IDS: Final = st.lists(st.sampled_from(["e1", "e2", "e3", "e4"]), min_size=1, max_size=2, unique=True)
_HEADS: Final = st.sampled_from(["main", "main", "side"])
_AFTER: Final = st.sampled_from([msgspec.UNSET, msgspec.UNSET, None, "e1", "e2"])
_STATES: Final = st.sampled_from([None, {"k": 1}, {"k": 2, "l": None}])
_APPENDS: Final = _contents(
    "append", stream=STREAMS, ids=_IDS, head=_HEADS, after=_AFTER, state=_STATES, user_state=_STATES
)
_FORKS: Final = _contents("fork", to=NAMES, stream=st.sampled_from([None, None, "qa-raw"]))
_ANYTHING: Final = st.one_of(
    steps(),
    steps(),
    steps(),
    _APPENDS,
    _APPENDS,
    _FORKS,
    _contents("remove_entry", stream=STREAMS, entry=st.sampled_from(["e1", "e2", "e3"])),
    _contents("pop_entries", stream=STREAMS, head=_HEADS),
    _contents("drop_head", stream=STREAMS),
    _contents("set_state", of_user=st.booleans(), value=st.integers(0, 3)),
    _contents("add_qa", text=st.sampled_from(["one", "two"])),
    _contents("purge"),
    _contents("delete_it"),
    _contents("prune", ledger=st.sampled_from([None, "30d"]), content=st.sampled_from([None, "60d"])),
    _contents("reconcile_except"),
)


def _narrow(step: Step) -> Step:
    """The same of one of three sessions, in one stream and line."""
    what, told = step
    fewer: dict[str, Any] = {key: "abcab"["abcde".index(told[key])] for key in ("session_id", "to") if key in told}
    if told.get("stream"):
        fewer["stream"] = "qa-raw"
    if "head" in told:
        fewer["head"] = "main"
    return what, {**told, **fewer, "who": LOCAL_USER}


#: The same three journals over and over, so that each book has seen what another one has changed since.
_WRITING: Final = st.one_of(
    *(
        what.map(_narrow)
        for what in (
            _APPENDS,
            _APPENDS,
            _APPENDS,
            _FORKS,
            _contents("remove_entry", stream=STREAMS, entry=st.sampled_from(["e1", "e2", "e3"])),
            _contents("pop_entries", stream=STREAMS, head=_HEADS),
            _contents("pop_entries", stream=STREAMS, head=_HEADS),
            _contents("drop_head", stream=STREAMS),
            _contents("set_state", of_user=st.booleans(), value=st.integers(0, 3)),
        )
    )
)
_CONTENTS: Final[dict[str, Callable[[rollbook.Rollbook, dict[str, Any]], Any]]] = {
    "append": lambda book, g: book.append(
        g["session_id"], g["stream"], entries=[{"of": name} for name in g["ids"]], ids=g["ids"], head=g["head"],
        after=g["after"], state=g["state"], user_state=g["user_state"], user_id=g["who"],
    ),
    "fork": lambda book, g: book.fork(g["session_id"], g["to"], stream=g["stream"], user_id=g["who"]),
    "remove_entry": lambda book, g: book.remove_entry(g["session_id"], g["stream"], g["entry"], user_id=g["who"]),
    "pop_entries": lambda book, g: book.pop_entries(g["session_id"], g["stream"], head=g["head"], user_id=g["who"]),
    "drop_head": lambda book, g: book.drop_head(g["session_id"], g["stream"], user_id=g["who"]),
    "set_state": lambda book, g: book.set_state(
        None if g["of_user"] else g["session_id"], values={"s": g["value"]}, user_id=g["who"]
    ),
    "add_qa": lambda book, g: book.add_qa(
        g["session_id"], question=g["text"], answer=g["text"], qa_id=g["text"], user_id=g["who"]
    ),
    "purge": lambda book, g: book.purge(g["session_id"], user_id=g["who"]),
    "delete_it": lambda book, g: book.delete(g["session_id"], user_id=g["who"]),
    "prune": lambda book, g: book.prune(ledger=g["ledger"], content=g["content"], user_id=g["who"]),
    "reconcile_except": lambda book, g: book.reconcile_except(g["session_id"], user_id=g["who"]),
}  # fmt: skip


def _done(book: rollbook.Rollbook, step: Step) -> Any:
    """What somebody is answered, as plain values; a refusal by its kind."""
    how = _CONTENTS.get(step[0])
    try:
        answer = happen(book, step) if how is None else how(book, step[1])
    except RollbookError as error:
        answer = error
    return type(answer).__name__ if isinstance(answer, RollbookError) else msgspec.to_builtins(answer)


def _written(book: rollbook.Rollbook, owner: str) -> dict[Any, Any]:
    """All contents of a user's sessions, with the revisions of their heads."""
    shown: dict[Any, Any] = {"state": book.all_state(user_id=owner)}
    for one in book.iterate(user_id=owner):
        name = one.session_id
        shown[name, "state"] = book.all_state(name, user_id=owner)
        for head in book.heads(name, user_id=owner):
            found = book.entries(name, head.stream, head=head.head, user_id=owner)
            shown[name, head.stream, head.head] = (
                msgspec.to_builtins(head),
                msgspec.to_builtins(found),
            )
    return shown


def _figures(book: rollbook.Rollbook, owner: str) -> dict[Any, Any]:
    """Every figure. Sessions of one time are told apart by numbers, which each book takes from a block of its own."""
    shown = figures(book, owner)
    for key, found in shown.items():
        if key[0] == "list":
            shown[key] = sorted(found)
        elif key[0] == owner:
            shown[key] = (*found[:2], sorted(found[2]))
    return shown


def _histories(what: st.SearchStrategy[Step]) -> st.SearchStrategy[list[tuple[Step, int]]]:
    """What happens, and through which of the books."""
    return st.lists(st.tuples(what, st.integers(0, BOOKS - 1)), min_size=5, max_size=40)


@settings(often(12), phases=[Phase.generate])  # each is a whole fleet, so none is made shorter
@given(history=_histories(_ANYTHING))
def test_what_happens_through_several_books_is_what_happens_through_one(
    empty_books: EmptyBooks, history: list[tuple[Step, int]]
) -> None:
    _same(empty_books, history)


@settings(often(12), phases=[Phase.generate])
@given(history=_histories(_WRITING))
def test_r11_journals_are_written_through_several_books_as_through_one(
    empty_books: EmptyBooks, history: list[tuple[Step, int]]
) -> None:
    _same(empty_books, history)


def _same(empty_books: EmptyBooks, history: list[tuple[Step, int]]) -> None:
    clock = Clock()
    with fleet(empty_books, clock, all_users=True) as books, opened(clock, all_users=True) as twin:
        for step, through in history:
            clock.now += 1
            assert _done(books[through], step) == _done(twin, step), step
        for owner in OWNERS:
            expected = _figures(twin, owner)
            for book in books:
                assert _figures(book, owner) == expected
            assert _written(books[0], owner) == _written(twin, owner)
        well(books[1])


def test_r11_a_fork_is_as_another_book_left_it(empty_books: EmptyBooks) -> None:
    """Heads are remembered under the root that forks share: who changes one of them says so there."""
    with fleet(empty_books, Clock()) as (one, other, _):
        one.append("root", "s", entries=[1, 2])
        one.fork("root", "fork")
        one.append("fork", "s", entries=[3])
        other.append("fork", "s", entries=[4])
        assert [entry.body for entry in one.pop_entries("fork", "s")] == [4]
        other.append("root", "s", entries=[5])
        other.append("fork", "s", entries=[6], expected=one.revision("fork", "s"))
        assert [entry.body for entry in one.pop_entries("root", "s")] == [5]
        assert [entry.body for entry in one.pop_entries("fork", "s")] == [6]
        other.delete("root")
        assert one.append("fork", "s", entries=[7]).length == 4
        assert [entry.body for entry in other.entries("fork", "s")] == [1, 2, 3, 7]
