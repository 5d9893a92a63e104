"""One run of a copy: the target is brought to a snapshot of the source, and compared with it.

What differs is found row by row, in the order of the keys; of large tables only where a session differs. Sessions come
after all that belongs to them, so a run that was interrupted leaves none that looks right and is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple

from rollbook.copying import marks
from rollbook.copying.marks import Figures, Origin
from rollbook.copying.rows import Pair, Sink, differences, patiently, stored
from rollbook.errors import InvalidInput, StoreError
from rollbook.ledger.verify import verify
from rollbook.model import Verification
from rollbook.store import Progress, Reading, Row, Store, TryAgain, Writing
from rollbook.store.tables import TABLES

Place = tuple[int, int]  #: user and session, or user and root

#: Tables in which a row may take the number, the name or the text that another one had.
_RENUMBERED: Final = frozenset(("account", "model", "label", "slice", "journal_stream", "entry", "session"))
_FEW: Final = 1_000  #: sessions of which the rows are looked for one by one, whatever there is besides
_SHARE: Final = 8  #: where one of so many sessions differs, all rows are gone through
_TOLD_EVERY: Final = 2_000
_ASKED: Final = 500


class Done(NamedTuple):
    """What a run did."""

    proof: Verification
    elsewhere: int  #: sessions of which something is kept outside the database
    added: int  #: rows
    removed: int


class Dirty(NamedTuple):
    """Where there are differences."""

    sessions: list[Place]
    roots: list[Place]


class Copying:
    """A copy of one book into another."""

    def __init__(self, source: Store, target: Store, told: Progress) -> None:
        self._source = source
        self._target = target
        self._told = told
        self._done = self._all = 0

    def run(self) -> Done:
        """Bring the target to what the source holds now.

        Raises Conflict for a target that is not to be replaced, InvalidInput for a source that is none, StoreError
        where either fails or the copy turns out to be another than its source.
        """
        try:
            return self._run()
        except TryAgain as lost:
            raise lost.told from lost

    def _run(self) -> Done:
        origin, before = self._begun()
        with self._source.read() as source:
            held = marks.figures_of(source)
            self._all = sum(columns[0] for columns in held.values())
            elsewhere: int = source.rows("count_elsewhere")[0][0]
            sink = Sink(self._target, {row[0]: row[1] for row in source.each("copying.every@journal_stream")})
            self._bring(source, sink)
            same = before == held and not (sink.added or sink.removed)
            if not same:
                self._compare(source, sink, held)
        # (A server ends a snapshot of which nothing is asked for long, so the proof comes behind its end.)
        patiently(self._target, partial(_settle, changed=sink.added))
        if same:  # it was proven when it became so
            proof = Verification(ok=True, sessions=held["session"][0], ledger_rows=held["ledger"][0], problems=[])
        else:
            proof = self._prove()
        patiently(self._target, partial(marks.finish, origin=origin, held=held))
        return Done(proof, elsewhere, sink.added.total(), sink.removed.total())

    def _begun(self) -> tuple[Origin, Figures | None]:
        """Keep others out of the target; of which book it is to be a copy, and what it holds if it is a whole one."""
        where, into = self._source.where, self._target.where
        with self._source.read() as source:
            half, known = marks.unfinished(source), marks.fact(source, marks.ID)
        if half is not None:
            raise InvalidInput(f"{where} is itself a copy that is not whole yet, of {half}; finish that first")
        origin = Origin(known, where)
        found: list[Figures | None] = []

        def begin(tx: Writing) -> None:  # in one transaction, so that nobody writes to the target in between
            found.append(marks.takes(tx, origin, into))
            marks.begin(tx, origin)

        patiently(self._target, begin)
        with self._source.read() as source:  # a book may be named in several ways
            itself = marks.unfinished(source) is not None
        if itself:
            patiently(self._target, marks.take_back)
            raise InvalidInput(f"{where} cannot be copied into itself")
        return origin, found[-1]

    # Rows

    def _bring(self, source: Reading, sink: Sink) -> None:
        dirty = self._dirty(source)
        for name, table in TABLES.items():
            if dirty is None or not table.part:
                self._whole(source, sink, name)
            else:
                self._parts(source, sink, name, dirty.roots if name == "entry" else dirty.sessions)
            sink.flush()

    def _whole(self, source: Reading, sink: Sink, name: str) -> None:
        """Go through all rows of a table."""
        width = len(TABLES[name].key)
        if name in _RENUMBERED and self._has(name):
            for old, _ in self._pairs(source.each(f"copying.every@{name}"), name, width):
                if old is not None:
                    sink.change(name, old, None)
            sink.flush()
        for old, new in self._pairs(self._counted(source.each(f"copying.every@{name}")), name, width):
            sink.change(name, old, new)

    def _pairs(self, rows: Iterable[Row], name: str, width: int) -> Iterator[Pair]:
        with stored(self._target, f"copying.every@{name}") as others:
            yield from differences(rows, others, width)

    def _parts(self, source: Reading, sink: Sink, name: str, places: Iterable[Place]) -> None:
        """Go through the rows of some sessions, or of some roots."""
        passes = (True, False) if name in _RENUMBERED else (False,)
        for removing in passes:
            for place in places:
                for old, new in self._part(source, name, place):
                    if not removing:
                        sink.change(name, old, new)
                    elif old is not None:
                        sink.change(name, old, None)
            sink.flush()

    def _part(self, source: Reading, name: str, place: Place) -> Iterator[Pair]:
        table = TABLES[name]
        values = dict(zip(table.part, place, strict=True))
        with stored(self._target, f"copying.part@{name}", **values) as others:
            yield from differences(source.each(f"copying.part@{name}", **values), others, len(table.key))

    def _has(self, name: str) -> bool:
        with self._target.read() as target:
            return bool(target.rows(f"copying.any@{name}"))

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self._done += 1
            if self._done % _TOLD_EVERY == 0:
                self._told("copy", self._done, max(self._done, self._all))
            yield row

    # Where to look

    def _dirty(self, source: Reading) -> Dirty | None:
        """Sessions that differ, and roots under which a journal does; None where it is best to look at all."""
        if not self._has("session"):
            return None
        sessions: set[Place] = set()
        count = 0
        rows = self._pairs(source.each("copying.every@session"), "session", 2)
        for old, new in rows:
            sessions.add((old or new or ())[:2])  # one of the two is there
        count = source.rows("copying.figures@session")[0][0]
        if len(sessions) > max(_FEW, count // _SHARE):
            return None
        roots = set(sessions)
        for old, new in self._pairs(source.each("copying.every@journal_head"), "journal_head", 4):
            roots |= {(row[0], row[4]) for row in (old, new) if row is not None}
        roots |= self._roots_of(source, sorted(sessions))
        return Dirty(sorted(sessions), sorted(roots))

    def _roots_of(self, source: Reading, sessions: list[Place]) -> set[Place]:
        found = set()
        for start in range(0, len(sessions), _ASKED):
            some = sessions[start : start + _ASKED]
            with self._target.read() as target:
                rows = [*source.among("journal.roots_of", some), *target.among("journal.roots_of", some)]
            found |= {(row[0], row[2]) for row in rows}
        return found

    # Proof

    def _compare(self, source: Reading, sink: Sink, held: Figures) -> None:
        """The same numbers on both sides; a table where they are not is gone through as a whole."""
        differing = self._differing(source, held)
        for name in differing:
            self._whole(source, sink, name)
            sink.flush()
        if differing and (wrong := self._differing(source, held)):
            raise StoreError(
                f"the copy differs from the book in {', '.join(wrong)}: somebody else writes to it, or either is "
                f"damaged; see 'rollbook doctor', and run the copy again"
            )

    def _differing(self, source: Reading, held: Figures) -> list[str]:
        """Tables of the target that come to something else."""
        wrong = []
        with self._target.read() as target:
            for name, figures in held.items():
                if marks.figures(target, name) != figures:
                    wrong.append(name)
                marks.fact(source, marks.ID)  # so that its snapshot is not ended as one that nobody needs
        return wrong

    def _prove(self) -> Verification:
        self._told("check", self._all, self._all)
        with self._target.read() as target:
            proof = verify(target)
        if not proof.ok:
            first = proof.problems[0]
            raise StoreError(
                f"the copy holds what the book holds, and does not balance: {len(proof.problems)} sums differ from "
                f"their rows, first {first.what} {first.where}; see 'rollbook verify'"
            )
        return proof


def _settle(tx: Writing, changed: Iterable[str]) -> None:
    """Let the database know of rows that it did not number itself."""
    tx.rows("copying.settle")
    for name in changed:
        tx.rows(f"copying.learn@{name}")
    tx.rows("copying.learn_texts")
