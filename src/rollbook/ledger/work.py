"""One batch of writes: the sessions, calls and sums that it touches, loaded in bulk and changed in memory.

Nothing in here knows a rule; it finds, makes and remembers, and ``saving`` writes it in bulk. Cached sessions are
copied at the first touch, and the copies replace them only after the commit, so a rollback leaves no ghosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from rollbook.errors import Gone, NotFound
from rollbook.ledger import state as st
from rollbook.ledger.facts import Info
from rollbook.ledger.names import Names, Slice
from rollbook.ledger.ops import SourceFile
from rollbook.ledger.state import LedgerRow, State
from rollbook.model import QUARTER_US, Kind
from rollbook.rules import life as lives
from rollbook.store import Row, Writing

_CACHE_MOST: Final = 50_000  #: sessions kept in memory between batches

Place = tuple[int, int, int]  #: user, session, row of a ledger row


class Key(NamedTuple):
    """What a call's name points at: the row that stands for it, or (an alias) its first name."""

    alias_of: str | None
    session_no: int
    row_no: int


PRUNED: Final = -1  #: the row of a call of which only its name is left


def purged_hash(user_id: str, session_id: str) -> bytes:
    """What is left of a purged session."""
    return blake2b(f"{user_id}\0{session_id}".encode(), digest_size=16).digest()


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
        self.purged_ids: set[tuple[int, str]] = set()  #: of the absent ones
        self.purged_states: dict[tuple[int, int], State] = {}  #: sessions that this batch removes wholly
        self.infos: dict[tuple[int, int], Info] = {}
        self.dirty_infos: set[tuple[int, int]] = set()
        self.keys: dict[tuple[str, int], Key | None] = {}
        self.new_keys: dict[tuple[str, int], Key] = {}
        self.rows: dict[Place, LedgerRow] = {}
        self.new_rows: list[LedgerRow] = []
        self.gone_rows: set[Place] = set()
        self.gone_keys: set[tuple[str, int]] = set()
        self.sweeps: list[Row] = []
        self.leaving: list[int] = []  #: users of whom nothing is to be kept
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
            absent = [key for key in missing if key not in by_id]
            self.absent.update(absent)
            self._look_for_purged(absent)

    def _look_for_purged(self, absent: Sequence[tuple[int, str]]) -> None:
        if self.names.purged is None:
            self.names.purged = bool(self.tx.rows("any_purged"))
        if self.names.purged and absent:
            hashes = {purged_hash(self.names.user_id(self.tx, key[0]), key[1]): key for key in absent}
            found = self.tx.among("purged_among", [(one,) for one in hashes])
            self.purged_ids.update(hashes[bytes(row[0])] for row in found)

    def _load(self, statement: str, keys: Sequence[Row]) -> None:
        loaded = [State(row) for row in self.tx.among(statement, keys)]
        places = {(state.user_no, state.session_no): state for state in loaded}
        if places:
            for user_no, session_no, model_no, *sums in self.tx.among("models_of", list(places)):
                places[user_no, session_no].models[model_no] = tuple(sums)
        self.cache.keep(loaded)

    def find(self, user_no: int, session_id: str) -> State | None:
        """The session under change, or None if the book has none of that id. Raises Gone if it was purged."""
        key = (user_no, session_id)
        number = self.cache.by_id.get(key)
        if number is None and key not in self.absent:
            self.preload([key])
            number = self.cache.by_id.get(key)
        if number is not None:
            return self.state(user_no, number)
        if key in self.purged_ids:
            raise Gone(f"session {session_id!r} was purged")
        return None

    def existing(self, user_id: str, session_id: str, *, deleted: bool = False) -> State:
        """A session that has to be there. Raises NotFound, and Gone for a deleted one unless that is as good."""
        user_no = self.names.find_user(self.tx, user_id)
        state = None if user_no is None else self.find(user_no, session_id)
        if state is None:
            raise NotFound(f"there is no session {session_id!r}")
        if state.deleted and not deleted:
            raise Gone(f"session {session_id!r} was deleted")
        return state

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
        made = State((*blank, *st.ZERO, 0, 0, 0, 0, 0, 0, 0, "", 0))
        self.states[user_no, number] = made
        self.absent.discard((user_no, session_id))
        # Later lookups in this batch find it by its id; a rollback clears the cache.
        self.cache.by_id[user_no, session_id] = number
        return made

    def purge(self, state: State) -> None:
        """Let nothing of a session be saved, and drop what is stored of it."""
        place = (state.user_no, state.session_no)
        for row in list(self.rows_of(state)):
            key = self._key(row[st.L_USAGE_ID], state.user_no)
            if key is not None and key.alias_of is None and key.session_no == state.session_no:
                self.drop_key(row[st.L_USAGE_ID], state.user_no)
            self.drop_row(state, row)
        self.purged_states[place] = state
        self.names.purged = True
        self.cache.by_id.pop((state.user_no, state.session_id), None)
        self.absent.add((state.user_no, state.session_id))
        self.purged_ids.add((state.user_no, state.session_id))

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

    def floor(self, user_no: int) -> int:
        """The time before which calls of a user that are not known are not taken."""
        return self.names.floors[user_no]

    def preload_keys(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Load in bulk what is known under the names of calls, and the rows that stand for them."""
        missing = [key for key in dict.fromkeys(wanted) if key not in self.keys]
        while missing:
            for name, user_no, alias_of, session_no, row_no in self.tx.among("keys_of", missing):
                self.keys[name, user_no] = Key(alias_of, session_no, row_no)
            found = [(key, self.keys.setdefault(key, None)) for key in missing]
            places = [(key[1], at.session_no, at.row_no) for key, at in found if at and at.alias_of is None]
            places = [place for place in places if place not in self.rows and place[2] != PRUNED]
            for row in self.tx.among("ledger_rows", places):
                self.rows[row[0], row[1], row[2]] = list(row)
            targets = {(at.alias_of, key[1]) for key, at in found if at and at.alias_of is not None}
            missing = [key for key in targets if key not in self.keys]

    def resolve(self, name: str, user_no: int) -> str | None:
        """The first name of the call that is known under a name, or None."""
        asked, known = name, self._key(name, user_no)
        while known is not None and known.alias_of is not None:
            name = known.alias_of
            known = self._key(name, user_no)
        if known is None:
            self.keys[asked, user_no] = None  # an alias of a call that was pruned: whoever uses it again may have it
            return None
        return name

    def _key(self, name: str, user_no: int) -> Key | None:
        key = (name, user_no)
        if key not in self.keys:
            self.preload_keys([key])
        return self.keys[key]

    def set_key(self, name: str, user_no: int, key: Key) -> None:
        self.keys[name, user_no] = self.new_keys[name, user_no] = key
        self.gone_keys.discard((name, user_no))

    def drop_key(self, name: str, user_no: int) -> None:
        self.keys[name, user_no] = None
        self.new_keys.pop((name, user_no), None)
        self.gone_keys.add((name, user_no))

    def is_pruned(self, name: str, user_no: int) -> bool:
        """Whether only its name is left of a call, which is given by its first name."""
        key = self.keys[name, user_no]
        return key is not None and key.row_no == PRUNED

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
            rows = self._own(stored)
            rows += [row for row in self.new_rows if (row[0], row[1]) == place]
            self.complete[place] = rows
        return rows

    def _own(self, stored: Iterable[Row]) -> list[LedgerRow]:
        """Stored ledger rows as this batch has them: those that it dropped are not there any more."""
        places = ((row, (row[0], row[1], row[2])) for row in stored)
        return [self.rows.setdefault(at, list(row)) for row, at in places if at not in self.gone_rows]

    def foldable(self, state: State, before: int, most: int) -> list[LedgerRow]:
        """Stored ledger rows of calls made before a time that are no closing rows, at most so many."""
        place = {"user_no": state.user_no, "session_no": state.session_no}
        return self._own(self.tx.rows("foldable", before=before, most=most, **place))

    def closings(self, state: State) -> list[LedgerRow]:
        """The closing rows of a session."""
        place = (state.user_no, state.session_no)
        stored = self._own(self.tx.rows("closings_of", user_no=place[0], session_no=place[1]))
        return stored + [row for row in self.new_rows if (row[0], row[1]) == place and row[3] == st.ENTRY_CLOSING]

    def drop_row(self, state: State, row: LedgerRow) -> None:
        """Take a row out of the ledger; the sums are the caller's business."""
        place = (row[0], row[1], row[2])
        if any(row is one for one in self.new_rows):
            self.new_rows = [one for one in self.new_rows if one is not row]
        else:
            self.gone_rows.add(place)
        self.rows.pop(place, None)
        self.changed_late.pop(place, None)
        self.changed_evidence.pop(place, None)
        known = self.complete.get(place[:2])
        if known is not None:
            self.complete[place[:2]] = [one for one in known if one is not row]
        state.pruned_rows += 1

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
