"""One batch of writes: the sessions, calls and sums that it touches, loaded in bulk, changed in memory, saved in bulk.

Nothing in here knows a rule; it finds, makes and remembers. Cached sessions are copied at the first touch, and the
copies replace them only after the commit, so a rollback leaves no ghosts.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from rollbook.ledger import state as st
from rollbook.ledger.facts import Info
from rollbook.ledger.names import ALL_TIME, DELETED_SLICE, EVERY_SLICE, EVERYBODY, Names, Slice, of_quarter
from rollbook.ledger.ops import SourceFile
from rollbook.ledger.state import LedgerRow, State
from rollbook.model import QUARTER_US, QUARTERS, Kind
from rollbook.rules import life as lives
from rollbook.store import Row, Writing

_CACHE_MOST: Final = 50_000  #: sessions kept in memory between batches

Place = tuple[int, int, int]  #: user, session, row of a ledger row


class Key(NamedTuple):
    """What a call's name points at: the row that stands for it, or (an alias) its first name."""

    alias_of: str | None
    session_no: int
    row_no: int


class Cache:
    """What the writer remembers between batches; valid while nobody else writes to the book."""

    def __init__(self) -> None:
        self.names = Names()
        self.states: dict[tuple[int, int], State] = {}
        self.by_id: dict[tuple[int, str], int] = {}
        self.last_no: dict[int, int] = {}

    def clear(self) -> None:
        self.names.clear()
        self.states.clear()
        self.by_id.clear()
        self.last_no.clear()

    def keep(self, states: Iterable[State]) -> None:
        """Take in what a commit made true."""
        for state in states:
            state.source = None  # or every copy that was ever made would stay alive behind the newest
            self.states[state.user_no, state.session_no] = state
            self.by_id[state.user_no, state.session_id] = state.session_no
        while len(self.states) > _CACHE_MOST:
            place, old = next(iter(self.states.items()))
            del self.states[place]
            self.by_id.pop((old.user_no, old.session_id), None)


class Work:
    """The unit of work of one transaction."""

    def __init__(self, tx: Writing, cache: Cache, now: int) -> None:
        self.tx = tx
        self.cache = cache
        self.names = cache.names
        self.now = now
        self.states: dict[tuple[int, int], State] = {}
        self.absent: set[tuple[int, str]] = set()
        self.infos: dict[tuple[int, int], Info] = {}
        self.dirty_infos: set[tuple[int, int]] = set()
        self.keys: dict[tuple[str, int], Key | None] = {}
        self.new_keys: dict[tuple[str, int], Key] = {}
        self.rows: dict[Place, LedgerRow] = {}
        self.new_rows: list[LedgerRow] = []
        self.complete: dict[tuple[int, int], list[LedgerRow]] = {}
        self.changed_late: dict[Place, LedgerRow] = {}
        self.changed_evidence: dict[Place, LedgerRow] = {}
        self.unsettled: set[tuple[int, int]] = set()  #: sessions whose last model has to be found anew
        self.spend: dict[tuple[int, int, int, int], st.Vector] = {}
        self.deleted_slices: set[int] = set()
        self.files: list[tuple[int, SourceFile]] = []

    # Sessions

    def preload(self, wanted: Iterable[tuple[int, str]]) -> None:
        """Load in bulk the sessions that the batch will ask for."""
        by_id = self.cache.by_id
        missing = [key for key in set(wanted) if key not in by_id and key not in self.absent]
        if missing:
            self._load("sessions_by_id", missing)
            self.absent.update(key for key in missing if key not in by_id)

    def _load(self, statement: str, keys: Sequence[Row]) -> None:
        loaded = [State(row) for row in self.tx.among(statement, keys)]
        places = {(state.user_no, state.session_no): state for state in loaded}
        if places:
            for user_no, session_no, model_no, *sums in self.tx.among("models_of", list(places)):
                places[user_no, session_no].models[model_no] = tuple(sums)
        self.cache.keep(loaded)

    def find(self, user_no: int, session_id: str) -> State | None:
        """The session under change, or None if the book has none of that id."""
        key = (user_no, session_id)
        number = self.cache.by_id.get(key)
        if number is None and key not in self.absent:
            self.preload([key])
            number = self.cache.by_id.get(key)
        return None if number is None else self.state(user_no, number)

    def state(self, user_no: int, session_no: int) -> State:
        """A session by its number, as this batch has it so far."""
        place = (user_no, session_no)
        working = self.states.get(place)
        if working is None:
            if place not in self.cache.states:
                self._load("sessions_by_no", [place])
            working = self.states[place] = self.cache.states[place].copy()
        return working

    def create(self, user_no: int, session_id: str, at: int, sign: int) -> State:
        """A new running session; ``sign`` is the time of its first activity, or 0 where an end came first."""
        last = self.cache.last_no.get(user_no)
        if last is None:
            last = self.tx.rows("last_session_no", user_no=user_no)[0][0]
        number = self.cache.last_no[user_no] = last + 1
        slice_no = self.names.slice(self.tx, Slice(user_no, "", "", Kind.INTERACTIVE, "", 0))
        blank = (user_no, number, session_id, lives.RUNNING, slice_no, at, at, None, sign, 1, at, 0, 0)
        made = State((*blank, *st.ZERO, 0, 0, 0, 0, 0, 0, 0, ""))
        self.states[user_no, number] = made
        self.absent.discard((user_no, session_id))
        # Later lookups in this batch find it by its id; a rollback clears the cache.
        self.cache.by_id[user_no, session_id] = number
        return made

    # Facts

    def preload_infos(self, places: Iterable[tuple[int, int]]) -> None:
        missing = [place for place in set(places) if place not in self.infos]
        if missing:
            for user_no, session_no, text in self.tx.among("infos_of", missing):
                self.infos[user_no, session_no] = Info(user_no, session_no, text)
            for place in missing:
                self.infos.setdefault(place, Info(*place))

    def info(self, state: State) -> Info:
        place = (state.user_no, state.session_no)
        self.preload_infos([place])
        return self.infos[place]

    # Calls

    def preload_keys(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Load in bulk what is known under the names of calls, and the rows that stand for them."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.keys]
        while missing:
            for name, user_no, alias_of, session_no, row_no in self.tx.among("keys_of", missing):
                self.keys[name, user_no] = Key(alias_of, session_no, row_no)
            found = [(key, self.keys.setdefault(key, None)) for key in missing]
            places = [(key[1], at.session_no, at.row_no) for key, at in found if at and at.alias_of is None]
            places = [place for place in places if place not in self.rows]
            for row in self.tx.among("ledger_rows", places):
                self.rows[row[0], row[1], row[2]] = list(row)
            targets = {(at.alias_of, key[1]) for key, at in found if at and at.alias_of is not None}
            missing = [key for key in targets if key not in self.keys]

    def resolve(self, name: str, user_no: int) -> str | None:
        """The first name of the call that is known under a name, or None."""
        known = self._key(name, user_no)
        while known is not None and known.alias_of is not None:
            name = known.alias_of
            known = self._key(name, user_no)
        return None if known is None else name

    def _key(self, name: str, user_no: int) -> Key | None:
        key = (name, user_no)
        if key not in self.keys:
            self.preload_keys([key])
        return self.keys[key]

    def set_key(self, name: str, user_no: int, key: Key) -> None:
        self.keys[name, user_no] = self.new_keys[name, user_no] = key

    def row_of(self, name: str, user_no: int) -> LedgerRow:
        """The ledger row that stands for a call, by the call's first name."""
        key = self.keys[name, user_no]
        assert key is not None  # noqa: S101 - resolve() found it
        return self.rows[user_no, key.session_no, key.row_no]

    def add_row(self, state: State, row: LedgerRow) -> None:
        row[st.L_ROW] = state.ledger_rows
        state.ledger_rows += 1
        self.new_rows.append(row)
        self.rows[row[0], row[1], row[2]] = row
        known = self.complete.get((state.user_no, state.session_no))
        if known is not None:
            known.append(row)

    def rows_of(self, state: State) -> list[LedgerRow]:
        """Every ledger row of a session, with this batch's changes."""
        place = (state.user_no, state.session_no)
        rows = self.complete.get(place)
        if rows is None:
            stored = self.tx.rows("ledger_of", user_no=place[0], session_no=place[1])
            rows = [self.rows.setdefault((row[0], row[1], row[2]), list(row)) for row in stored]
            rows += [row for row in self.new_rows if (row[0], row[1]) == place]
            self.complete[place] = rows
        return rows

    def add_spend(self, state: State, row: LedgerRow, amounts: st.Vector) -> None:
        """Add a ledger row's amounts to Spend, where its session's spend is kept now."""
        calls, tokens_in, tokens_out, _, _, _, cost, unpriced, _ = amounts
        key = (state.user_no, row[st.L_OCCURRED] // QUARTER_US, state.slice_no, row[st.L_MODEL])
        late = row[st.L_LATE]
        added = (calls, tokens_in, tokens_out, cost, unpriced, calls if late else 0, cost if late else 0)
        sums = self.spend.get(key)
        self.spend[key] = added if sums is None else st.plus(sums, added)
        if state.deleted:
            self.deleted_slices.add(state.slice_no)

    # Saving

    def save(self) -> None:
        """Write what changed, tables in a fixed order and rows in the order of their keys."""
        tx = self.tx
        states = [self.states[place] for place in sorted(self.states)]
        tx.put("save_sessions", [state.row() for state in states])
        self._save_infos()
        self._save_models(states)
        tx.put("add_ledger", sorted(self.new_rows, key=_row_place))
        tx.run("set_late", [(row[st.L_LATE], *place) for place, row in sorted(self.changed_late.items())])
        tx.run(
            "set_evidence",
            [
                (row[st.L_EVIDENCE], row[st.L_SOURCE], row[st.L_WEIGHT], *place)
                for place, row in sorted(self.changed_evidence.items())
            ],
        )
        tx.put("save_keys", [(*name, *key) for name, key in sorted(self.new_keys.items())])
        self._save_spend()
        self._save_activity(states)
        tx.put("save_files", [_file_row(user_no, file) for user_no, file in self.files])

    def _save_infos(self) -> None:
        kept, dropped = [], []
        for place in sorted(self.dirty_infos):
            if self.states[place].deleted:
                dropped.append(place)
            else:
                kept.append(self.infos[place].row())
        self.tx.put("save_infos", kept)
        self.tx.run("drop_infos", dropped)

    def _save_models(self, states: list[State]) -> None:
        kept, dropped = [], []
        for state in states:
            before = state.source.models if state.source else {}
            place = (state.user_no, state.session_no)
            for number, sums in state.models.items():
                if sums is not before.get(number):  # a changed one is another object
                    kept.append((*place, number, *sums))
            dropped += [(*place, number) for number in before if number not in state.models]
        kept.sort()
        self.tx.put("save_models", kept)
        self.tx.run("drop_models", dropped)

    def _save_spend(self) -> None:
        sums = self.spend
        for (_, quarter, slice_no, model_no), amounts in list(sums.items()):
            everywhere = DELETED_SLICE if slice_no in self.deleted_slices else EVERY_SLICE
            _gather(sums, (EVERYBODY, quarter, everywhere, model_no), amounts)
        changed = sorted((key, amounts) for key, amounts in sums.items() if any(amounts))
        self.tx.put("add_spend", [(*key, *amounts) for key, amounts in changed])
        self.tx.run("drop_empty_spend", [key for key, amounts in changed if min(amounts) < 0])

    def _save_activity(self, states: list[State]) -> None:
        places: dict[Any, st.Vector] = {}
        models: dict[Any, st.Vector] = {}
        for state in states:
            _move(places, models, state)
        kept: dict[Any, st.Vector] = {}
        for (user_no, quarter, status, slice_no), amounts in places.items():
            for when in (quarter // QUARTERS, ALL_TIME):
                _gather(kept, (user_no, when, status, slice_no), amounts)
            for when in (quarter // QUARTERS, ALL_TIME, of_quarter(quarter)):
                _gather(kept, (EVERYBODY, when, status, EVERY_SLICE), amounts)
        kept_models: dict[Any, st.Vector] = {}
        for (user_no, quarter, number), amounts in models.items():
            for when in (quarter // QUARTERS, ALL_TIME):
                _gather(kept_models, (user_no, when, number), amounts)
            for when in (quarter // QUARTERS, ALL_TIME, of_quarter(quarter)):
                _gather(kept_models, (EVERYBODY, when, number), amounts)
        for name, deltas in (("activity", kept), ("activity_model", kept_models)):
            changed = sorted((key, amounts) for key, amounts in deltas.items() if any(amounts))
            self.tx.put(f"add_{name}", [(*key, *amounts) for key, amounts in changed])
            self.tx.run(f"drop_empty_{name}", [key for key, amounts in changed if amounts[0] < 0])


def _gather(into: dict[Any, st.Vector], key: Any, amounts: st.Vector) -> None:
    known = into.get(key)
    into[key] = amounts if known is None else st.plus(known, amounts)


def _move(places: dict[Any, st.Vector], models: dict[Any, st.Vector], state: State) -> None:
    """What Activity has to gain and to lose so that it holds a session as it is now and not as it was."""
    old, now = state.source, st.place(state)
    was = None if old is None else st.place(old)
    if old is not None and was is not None and was == now:
        _gather(places, was, st.minus(st.activity(state), st.activity(old)))
        for number, after in state.models.items():
            before = old.models.get(number)
            if before is not after:  # a changed one is another object
                _gather(models, (*was[:2], number), st.minus(st.model_activity(after), st.model_activity(before)))
        for number, before in old.models.items():
            if number not in state.models:
                _gather(models, (*was[:2], number), st.minus(st.NO_MODEL, st.model_activity(before)))
        return
    if old is not None and was is not None:
        _gather(places, was, st.minus(st.NOTHING, st.activity(old)))
        for number, sums in old.models.items():
            _gather(models, (*was[:2], number), st.minus(st.NO_MODEL, st.model_activity(sums)))
    if now is not None:
        _gather(places, now, st.activity(state))
        for number, sums in state.models.items():
            _gather(models, (*now[:2], number), st.model_activity(sums))


_row_place: Final = operator.itemgetter(st.L_USER, st.L_SESSION, st.L_ROW)


def _file_row(user_no: int, file: SourceFile) -> Row:
    return (
        user_no,
        file.source,
        file.path,
        file.device,
        file.inode,
        file.size,
        file.offset,
        file.head_hash,
        file.mtime_ns,
        file.state,
    )
